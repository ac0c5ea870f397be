/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Any bytes as operations on an area set, each made on the flat array too: codes, areas, backends, pool and counters must
 * be what the array says; after an error, what they were.
 *
 * An input: four bytes that choose the world (struct shape, nodes, mood), then operations: a byte that says which, by
 * its low six bits (ops[]), and its operands. */
#include "area_world.h"

#include "base/pool.h"

/* --- the world ---------------------------------------------------------------------------------------------------- */

#define TOP ((uint64_t)0 - 1)

struct space {
    uint64_t lo, granule;
    uint32_t cells;
    bool top; /* lo is what the top of the address space leaves */
};

static const struct space spaces[] = {
    {0, 1, 48, false},                   /* every area under every check */
    {0, 0x1000, 256, false},             /* the root leaf, one level of inner nodes */
    {0x40000000, 0x1000, 2048, false},   /* a VM's */
    {0, 1, 0x10000, false},              /* memory_set's own */
    {0, 0x1000, 512, true},              /* ends where addresses do */
    {0, 1, 300, true},                   /* the same, byte by byte */
    {0, UINT64_C(1) << 52, 4095, false}, /* all addresses there are */
    {0, 0x10000, 12000, true},           /* thousands of areas */
};

static const struct fuzz_shape shapes[] = {
    {"48 bytes", {0, 0, 4, 0}, 6000, 5},
    {"1 MiB by 4 KiB", {1, 0, 8, 0}, 16000, 5},
    {"8 MiB from 1 GiB", {2, 0, 30, 0}, 60000, 4},
    {"64 KiB by bytes", {3, 0, 255, 0}, 400000, 2},
    {"2 MiB at the top", {4, 0, 12, 0}, 20000, 4},
    {"300 bytes at the top", {5, 0, 8, 0}, 12000, 3},
    {"all addresses", {6, 0, 60, 0}, 100000, 2},
    {"12,000 cells", {7, 0, 255, 0}, 600000, 1},
    {"a pool of four nodes", {1, 4, 8, 0}, 12000, 2},
    {"a pool of forty nodes", {2, 40, 30, 0}, 40000, 2},
};

static void open_changes(struct changes *list, uint32_t cells)
{
    list->hash = malloc((3 * (size_t)cells + 3) * sizeof(list->hash[0]));
}

static struct world *open_world(const uint8_t *data, size_t bytes)
{
    struct world *w = calloc(1, sizeof(*w));
    const struct space *s;
    uint32_t nodes;

    w->in = (struct fuzz_in){data, data + bytes};
    s = &spaces[fuzz_u8(&w->in) % (sizeof(spaces) / sizeof(spaces[0]))];
    nodes = fuzz_u8(&w->in);
    w->mood_period = 16u * fuzz_u8(&w->in);
    (void)fuzz_u8(&w->in);
    w->granule = s->granule;
    w->cells = s->cells;
    w->lo = s->top ? (TOP & ~(s->granule - 1)) - s->cells * s->granule : s->lo;
    w->hi = w->lo + s->cells * s->granule;
    w->leave = UINT32_MAX;
    nodes = nodes ? nodes : s->cells / 5 + 24;
    w->mem = aligned_alloc(64, (size_t)nodes * S2_NODE_BYTES);
    memset(w->mem, 0, (size_t)nodes * S2_NODE_BYTES);
    w->cell = calloc(w->cells + 1, sizeof(w->cell[0]));
    w->shade = calloc(w->cells + 1, sizeof(w->shade[0]));
    open_changes(&w->prepared, w->cells);
    open_changes(&w->taken, w->cells);
    open_changes(&w->committed, w->cells);
    open_changes(&w->released, w->cells);
    s2_pool_init(&w->pool, w->mem, (size_t)nodes * S2_NODE_BYTES);
    FUZZ_EQ(s2_area_set_init(&w->set, &w->pool, S2_IPA(w->lo), S2_IPA(w->hi), w->granule, w), S2_OK);
    return w;
}

static void close_world(struct world *w)
{
    free(w->prepared.hash);
    free(w->taken.hash);
    free(w->committed.hash);
    free(w->released.hash);
    free(w->shade);
    free(w->cell);
    free(w->mem);
    free(w);
}

/* --- operands ----------------------------------------------------------------------------------------------------- */

struct span {
    uint64_t start, end;
    uint32_t first, last; /* in cells; when it is a good range */
    enum s2_err err;      /* what a bad one gets */
};

enum skew { SKEW_NONE, SKEW_START, SKEW_END, SKEW_EMPTY, SKEW_REVERSED, SKEW_ABOVE, SKEW_BELOW, SKEW_WRAPS, SKEWS };

static void skew(const struct world *w, struct span *s)
{
    uint64_t start = s->start;

    switch (w->skew) {
    case SKEW_START:
        s->start += w->granule / 2; /* granule 1: stays good */
        break;
    case SKEW_END:
        s->end -= w->granule - 1;
        break;
    case SKEW_EMPTY:
        s->end = s->start;
        break;
    case SKEW_REVERSED:
        s->start = s->end;
        s->end = start;
        break;
    case SKEW_ABOVE: /* at the top it wraps around */
        s->end = w->hi + w->granule;
        break;
    case SKEW_BELOW: /* from 0 it wraps around */
        s->start = w->lo - w->granule;
        break;
    case SKEW_WRAPS:
        s->end = s->end - s->start - w->granule;
        break;
    default:
        break;
    }
}

/* Short ones mostly: they make many areas. */
static uint32_t length(struct world *w)
{
    uint32_t b = fuzz_u8(&w->in);

    if (b < 0xc0)
        return 1 + (b & 7);
    if (b < 0xfc)
        return 1 + (b & 31);
    b = fuzz_u8(&w->in);
    return b < 0xe0 ? 1 + b : 1 + (b & 31) * w->cells / 32;
}

static struct span pick(struct world *w)
{
    struct span s = {.first = fuzz_u16(&w->in) % w->cells};

    s.last = s.first + length(w);
    s.last = s.last < w->cells ? s.last : w->cells;
    s.start = address(w, s.first);
    s.end = address(w, s.last);
    skew(w, &s);
    w->skew = SKEW_NONE;
    s.err = model_range(w, s.start, s.end);
    if (!s.err) {
        s.first = index_of(w, s.start);
        s.last = index_of(w, s.end);
    }
    return s;
}

static struct s2_ipa_range range_of(const struct span *s)
{
    return (struct s2_ipa_range){S2_IPA(s->start), S2_IPA(s->end)};
}

/* --- an operation, with everything that must hold after it --------------------------------------------------------- */

struct call {
    struct s2_op op;
    struct s2_detail detail;
    enum s2_err want;  /* unless what the input injects comes first */
    uint32_t inserts;  /* for which it may need nodes, as the contract has it */
    uint32_t need;     /* that many nodes */
    bool moves_memory; /* takes and releases */
    uint64_t lo, hi;   /* the range, for the details */
    uint32_t held;     /* promised away for its time */
    /* the state before, if the operation may leave it as it was */
    bool kept;
    struct s2_area_set set;
    struct s2_pool pool;
    unsigned char *mem;
};

/* Nodes are compared byte by byte where there are few, else now and then. */
static bool keeps_nodes(const struct world *w)
{
    return w->pool.count <= 128 || fuzz.step % 64 == 0;
}

static void begin(struct world *w, struct call *c)
{
    bool injected = w->refuse_prepare || w->refuse_take || w->leave != UINT32_MAX || w->pool.count < 64;
    size_t bytes = (size_t)w->pool.count * S2_NODE_BYTES;

    c->kept = c->want || injected;
    c->need = s2_imap_need(&w->set.map, c->inserts);
    if (w->leave < w->pool.free) {
        c->held = w->pool.free - w->leave;
        FUZZ_EQ(s2_pool_reserve(&w->pool, c->held), S2_OK);
    }
    if (c->kept) {
        c->set = w->set;
        c->pool = w->pool;
        c->mem = keeps_nodes(w) ? malloc(bytes) : NULL;
        if (c->mem)
            memcpy(c->mem, w->mem, bytes);
    }
    changes_begin(w);
    s2_op_begin(&c->op, NULL, w->no_detail ? NULL : &c->detail);
}

static void unchanged(const struct world *w, const struct call *c)
{
    FUZZ_TRUE(memcmp(&w->set.map, &c->set.map, sizeof(c->set.map)) == 0);
    FUZZ_TRUE(memcmp(&w->pool, &c->pool, sizeof(c->pool)) == 0);
    FUZZ_TRUE(!c->mem || memcmp(w->mem, c->mem, (size_t)w->pool.count * S2_NODE_BYTES) == 0);
}

static void check_detail(const struct world *w, const struct call *c, enum s2_err err)
{
    FUZZ_EQ(c->detail.err, err);
    if (!err)
        return;
    FUZZ_TRUE(c->detail.what != NULL);
    if (err == S2_ENODES || w->refused)
        return;
    FUZZ_EQ(c->detail.axis, S2_AXIS_IPA);
    FUZZ_EQ(c->detail.asked_start, c->lo);
    FUZZ_EQ(c->detail.asked_end, c->hi);
    if (err == S2_ERANGE) {
        FUZZ_EQ(c->detail.found_start, w->lo);
        FUZZ_EQ(c->detail.found_end, w->hi);
    }
}

/* The code is right, what was injected included; true when the operation has been made. */
static bool finish(struct world *w, struct call *c, enum s2_err err)
{
    if (w->refused)
        FUZZ_EQ(err, w->refuse_with);
    else if (err == S2_ENODES && !c->want)
        FUZZ_TRUE(c->need > w->pool.free - w->pool.reserved); /* it is free to say so before it asks the backends */
    else
        FUZZ_EQ(err, c->want);
    if (!w->no_detail)
        check_detail(w, c, err);
    changes_end(w, err, c->moves_memory);
    FUZZ_TRUE(c->op.ended && w->set.busy == NULL);
    if (err && c->kept)
        unchanged(w, c);
    free(c->mem);
    s2_pool_unreserve(&w->pool, c->held);
    FUZZ_EQ(w->pool.reserved, 0);
    FUZZ_EQ(w->pool.free, w->pool.count - w->set.map.nodes);
    w->refuse_prepare = w->refuse_take = 0;
    w->leave = UINT32_MAX;
    w->reenter = w->no_detail = false;
    return !err;
}

/* --- operations --------------------------------------------------------------------------------------------------- */

static struct s2_area read_area(struct world *w, const struct span *s)
{
    uint32_t b = fuzz_u8(&w->in), c = fuzz_u8(&w->in);
    struct s2_area area = {.range = range_of(s),
                           .attr = S2_ATTR(1 + (b >> 2 & 3)),
                           .name = (uint16_t)(b >> 4 == 15),
                           .flags = (uint16_t)(c >> 5 == 7 ? c & 3 : 0)};
    enum kind kind = (b & 3) == 3 && c & 4 ? LOOSE : b & 1 ? LINEAR : OPAQUE;

    area.backend = &fuzz_backend[kind];
    area.backing = (kind == LINEAR ? s->start : 0) + ((c >> 3 & 3) == 3 ? w->granule * (c & 7) : 0);
    return area;
}

static void map(struct world *w, enum s2_map_mode mode)
{
    static const struct s2_backend no_commit = {.kind = "without commit"};
    struct span s = pick(w);
    struct s2_area area = read_area(w, &s), met;
    struct call c = {.lo = s.start, .hi = s.end, .want = s.err, .inserts = 2, .moves_memory = true};
    uint32_t found = s.err ? 0 : model_meets(w, s.first, s.last);
    uint32_t bad = area.name && area.attr.bits == 4 ? 1 + (area.flags & 1) : 0; /* now and then: no backend */
    const struct s2_backend *backend = area.backend;
    enum s2_err err;

    if (bad) {
        area.backend = bad == 1 ? NULL : &no_commit;
        c.want = c.want ? c.want : S2_EINVAL;
    } else if (!s.err && mode == S2_MAP_NEW && found < s.last) {
        c.want = S2_EEXIST;
    }
    FUZZ_TELL("map %s [%#llx, %#llx) %s attr %u name %u flags %u backing %#llx", mode == S2_MAP_NEW ? "new" : "replace",
              (unsigned long long)s.start, (unsigned long long)s.end, bad ? "no backend" : backend->kind,
              area.attr.bits, area.name, area.flags, (unsigned long long)area.backing);
    begin(w, &c);
    err = s2_area_set_map(&w->set, &c.op, &area, mode);
    if (err == S2_EEXIST && c.op.detail) {
        FUZZ_TRUE(model_area(w, found, &met));
        FUZZ_EQ(c.detail.found_start, met.range.start.v);
        FUZZ_EQ(c.detail.found_end, met.range.end.v);
    }
    if (finish(w, &c, err))
        model_map(w, &area, s.first, s.last);
    if (!s.err)
        compare_near(w, s.first, s.last);
}

static void map_new(struct world *w)
{
    map(w, S2_MAP_NEW);
}

static void map_replace(struct world *w)
{
    map(w, S2_MAP_REPLACE);
}

/* One area more comes of it: the range has something of an area on both sides. */
static bool makes_hole(const struct world *w, const struct span *s)
{
    return !s->err && s->first > 0 && model_meets(w, s->first, s->last) == s->first && !w->cell[s->first].first &&
           model_end(w, s->first) > s->last;
}

static void unmap(struct world *w)
{
    struct span s = pick(w);
    struct call c = {.lo = s.start, .hi = s.end, .want = s.err, .inserts = makes_hole(w, &s), .moves_memory = true};

    FUZZ_TELL("unmap [%#llx, %#llx)", (unsigned long long)s.start, (unsigned long long)s.end);
    begin(w, &c);
    if (finish(w, &c, s2_area_set_unmap(&w->set, &c.op, range_of(&s))))
        model_unmap(w, s.first, s.last);
    if (!s.err)
        compare_near(w, s.first, s.last);
}

static void clear(struct world *w)
{
    struct call c = {.lo = w->lo, .hi = w->hi, .moves_memory = true};

    if (fuzz_u8(&w->in) < 0xfc || fuzz_u8(&w->in) < 0xc0)
        return;
    FUZZ_TELL("clear");
    begin(w, &c);
    if (finish(w, &c, s2_area_set_clear(&w->set, &c.op))) {
        model_unmap(w, 0, w->cells);
        FUZZ_EQ(w->set.map.nodes, 0);
    }
    compare_all(w);
}

/* --- protect ------------------------------------------------------------------------------------------------------ */

/* What an update function does, as data, so that the model does the same. */
enum update { SET_TO, TOGGLE, LEAVE, SAME, NAMED_ONLY, BY_START, UPDATES };

struct protect {
    struct world *w;
    struct span s;
    enum update how;
    uint32_t to;
    unsigned *asked; /* by the cell where the area begins */
};

static bool update(const struct protect *p, const struct s2_area *area, uint32_t *attr)
{
    switch (p->how) {
    case SET_TO:
        *attr = p->to;
        return true;
    case TOGGLE:
        *attr ^= 1;
        return true;
    case LEAVE:
        *attr = 77; /* is not looked at */
        return false;
    case SAME:
        return true;
    case NAMED_ONLY:
        *attr = p->to;
        return area->name != 0;
    default:
        *attr = p->to;
        return index_of(p->w, area->range.start.v) % 2 != 0;
    }
}

/* Asked at most twice about each area that meets the range, as it was before, and about no other. */
static bool asked(void *arg, const struct s2_area *area, s2_attr *attr)
{
    struct protect *p = arg;
    struct s2_area was;

    FUZZ_TRUE(area->range.start.v < p->s.end && area->range.end.v > p->s.start);
    FUZZ_TRUE(model_area(p->w, index_of(p->w, area->range.start.v), &was));
    FUZZ_EQ(area->range.start.v, was.range.start.v);
    FUZZ_EQ(area->range.end.v, was.range.end.v);
    FUZZ_TRUE(area->backend == was.backend && area->backing == was.backing);
    FUZZ_TRUE(area->name == was.name && area->flags == was.flags);
    FUZZ_EQ(area->attr.bits, was.attr.bits);
    FUZZ_EQ(attr->bits, was.attr.bits);
    FUZZ_TRUE(++p->asked[index_of(p->w, area->range.start.v)] <= 2);
    return update(p, area, &attr->bits);
}

/* On the array. Joins come last, as they need both sides. */
static void model_protect(const struct protect *p)
{
    struct world *w = p->w;
    uint32_t at = model_meets(w, p->s.first, p->s.last), end;
    struct s2_area area;

    for (; at < p->s.last; at = model_meets(w, end, p->s.last)) {
        uint32_t attr;

        (void)model_area(w, at, &area);
        end = index_of(w, area.range.end.v);
        end = end < p->s.last ? end : p->s.last;
        attr = area.attr.bits;
        if (!update(p, &area, &attr) || attr == area.attr.bits)
            continue;
        model_cut(w, at);
        model_cut(w, end);
        for (uint32_t i = at; i < end; i++)
            w->cell[i].attr = attr;
    }
    for (uint32_t i = p->s.first; i <= p->s.last; i++)
        model_join(w, i);
}

static void protect(struct world *w)
{
    struct protect p = {.w = w, .s = pick(w)};
    struct call c = {.lo = p.s.start, .hi = p.s.end, .want = p.s.err, .inserts = 2};
    uint32_t b = fuzz_u8(&w->in);
    enum s2_err err;

    p.how = b < 0x80 ? SET_TO : b < 0xa0 ? TOGGLE : (enum update)(b % UPDATES);
    p.to = 1 + (b >> 3 & 3);
    FUZZ_TELL("protect [%#llx, %#llx) how %u to %u", (unsigned long long)p.s.start, (unsigned long long)p.s.end, p.how,
              p.to);
    p.asked = calloc(w->cells + 1, sizeof(p.asked[0]));
    begin(w, &c);
    err = s2_area_set_protect(&w->set, &c.op, range_of(&p.s), asked, &p);
    if (finish(w, &c, err)) {
        for (uint32_t i = p.s.first; i < p.s.last; i++)
            FUZZ_TRUE(w->cell[i].kind == HOLE || p.asked[model_first(w, i)] > 0);
        model_protect(&p);
    }
    free(p.asked);
    if (!p.s.err)
        compare_near(w, p.s.first, p.s.last);
}

/* --- lookups ------------------------------------------------------------------------------------------------------ */

static void same_area(bool found, const struct s2_area *got, bool there, const struct s2_area *want)
{
    FUZZ_EQ(found, there);
    if (!found)
        return;
    FUZZ_EQ(got->range.start.v, want->range.start.v);
    FUZZ_EQ(got->range.end.v, want->range.end.v);
    FUZZ_EQ(got->attr.bits, want->attr.bits);
    FUZZ_EQ(got->backing, want->backing);
    FUZZ_TRUE(got->backend == want->backend && got->name == want->name && got->flags == want->flags);
}

/* Any address, also outside; a byte inside a granule. */
static uint64_t read_address(struct world *w)
{
    uint32_t cell = fuzz_u16(&w->in), b = fuzz_u8(&w->in);

    if (b >= 0xfc)
        return (const uint64_t[]){0, TOP, w->lo - 1, w->hi}[b & 3];
    return address(w, cell % w->cells) + (b < 0x80 ? 0 : b < 0xc0 ? w->granule - 1 : w->granule / 3);
}

/* The first cell of which the end lies above the address; cells for none. */
static uint32_t cell_from(const struct world *w, uint64_t at)
{
    return at < w->lo ? 0 : at >= w->hi ? w->cells : index_of(w, at);
}

static void find(struct world *w)
{
    uint64_t at = read_address(w);
    uint32_t cell = cell_from(w, at), below;
    struct s2_area got, want;
    bool there;

    FUZZ_TELL("find %#llx", (unsigned long long)at);
    there = at >= w->lo && cell < w->cells && model_area(w, cell, &want);
    same_area(s2_area_set_find(&w->set, S2_IPA(at), &got), &got, there, &want);
    FUZZ_EQ(s2_area_set_find(&w->set, S2_IPA(at), NULL), there);

    cell = model_meets(w, cell, w->cells);
    there = cell < w->cells && model_area(w, cell, &want);
    same_area(s2_area_set_find_from(&w->set, S2_IPA(at), &got), &got, there, &want);

    below = cell_from(w, at);
    if (below < w->cells && address(w, below) < at)
        below++; /* the cell that holds the address begins below it */
    while (below > 0 && w->cell[below - 1].kind == HOLE)
        below--;
    there = below > 0 && model_area(w, below - 1, &want);
    same_area(s2_area_set_find_below(&w->set, S2_IPA(at), &got), &got, there, &want);
}

/* Any two addresses: an empty or a reversed range overlaps nothing. */
static void overlaps(struct world *w)
{
    uint64_t start = read_address(w), end = read_address(w);
    struct s2_area got, want;
    bool there = false;

    FUZZ_TELL("overlaps [%#llx, %#llx)", (unsigned long long)start, (unsigned long long)end);
    if (start < end) {
        uint32_t cell = model_meets(w, cell_from(w, start), w->cells);

        there = cell < w->cells && model_area(w, cell, &want) && want.range.start.v < end;
    }
    same_area(s2_area_set_overlaps(&w->set, (struct s2_ipa_range){S2_IPA(start), S2_IPA(end)}, &got), &got, there,
              &want);
}

/* --- gaps --------------------------------------------------------------------------------------------------------- */

/* A place that does, although perhaps not the lowest or highest. */
static bool is_free(const struct world *w, uint64_t at, uint64_t size, uint64_t align, uint64_t lo, uint64_t hi)
{
    uint32_t cell;

    if (at < lo || at < w->lo || at % align != 0 || at % w->granule != 0 || hi - at < size || w->hi - at < size)
        return false;
    cell = index_of(w, at);
    return model_meets(w, cell, cell + (uint32_t)(size / w->granule)) == cell + (uint32_t)(size / w->granule);
}

static void find_free(struct world *w)
{
    uint64_t hint = read_address(w), a = read_address(w), b = read_address(w), align, size, want_at = 0;
    uint32_t bits = fuzz_u8(&w->in), sizes = fuzz_u8(&w->in);
    enum s2_fit fit = bits & 1 ? S2_FIT_HIGHEST : S2_FIT_LOWEST;
    s2_ipa got = S2_IPA(99);
    enum s2_err want, err;
    unsigned tries = 0;

    size = w->granule * (sizes < 0xe0 ? 1 + sizes % 24 : sizes < 0xf8 ? sizes : w->cells - (sizes & 7));
    align = bits < 0x20 ? w->granule : w->granule << (bits >> 1 & 7);
    if (bits >= 0xf8) /* bad, far too large, or smaller than the granule */
        align = (const uint64_t[]){0, 3, w->granule * 3, UINT64_C(1) << 63, 1, 1, w->granule - 1, 0}[bits & 7];
    if (sizes == 0xff)
        size = bits & 2 ? 0 : w->granule / 2;
    if (bits & 0x40 && a > b) { /* else now and then the wrong way round */
        uint64_t swap = a;
        a = b;
        b = swap;
    }
    if (bits & 0x80)
        hint = fit == S2_FIT_HIGHEST ? b : a;
    FUZZ_TELL("find_free %s hint %#llx size %#llx limit [%#llx, %#llx) align %#llx",
              fit == S2_FIT_LOWEST ? "lowest" : "highest", (unsigned long long)hint, (unsigned long long)size,
              (unsigned long long)a, (unsigned long long)b, (unsigned long long)align);
    want = model_find_free(w, hint, size, a, b, align, fit, &want_at, &tries);
    err = s2_area_set_find_free(&w->set, S2_IPA(hint), size, (struct s2_ipa_range){S2_IPA(a), S2_IPA(b)}, align, fit,
                                &got);
    FUZZ_EQ(err, want);
    if (err) {
        FUZZ_EQ(got.v, 99);
        return;
    }
    if (fit == S2_FIT_LOWEST)
        FUZZ_TRUE(got.v >= hint);
    else
        FUZZ_TRUE(got.v <= hint && hint - got.v >= size);
    FUZZ_TRUE(is_free(w, got.v, size, align, a, b));
    if (tries < S2_IMAP_TRIES)
        FUZZ_EQ(got.v, want_at);
}

/* --- what comes over the next operation --------------------------------------------------------------------------- */

static void arm(struct world *w)
{
    static const enum s2_err codes[] = {S2_EREFUSED, S2_EPERM, S2_EFRAMES, S2_ETABLES, S2_EQUOTA, S2_ENODES, S2_EBUSY};
    uint32_t b = fuzz_u8(&w->in), how = fuzz_u8(&w->in);

    switch (b & 7) {
    case 0:
    case 1:
        w->refuse_prepare = 1 + (b >> 3 & 7);
        break;
    case 2:
    case 3:
        w->refuse_take = 1 + (b >> 3 & 7);
        break;
    case 4:
    case 5:
        w->leave = b >> 3 & 7;
        break;
    case 6:
        w->reenter = true;
        break;
    default:
        w->no_detail = true;
    }
    w->refuse_with = codes[how % (sizeof(codes) / sizeof(codes[0]))];
    w->refuse_told = how & 0x80;
    FUZZ_TELL("next: refuse prepare %u, take %u with %s; leave %d nodes%s%s", w->refuse_prepare, w->refuse_take,
              s2_err_name(w->refuse_with), (int)w->leave, w->reenter ? "; re-enter" : "",
              w->no_detail ? "; no detail" : "");
}

static void make_bad(struct world *w)
{
    w->skew = fuzz_u8(&w->in) % SKEWS;
}

/* Areas at equal distances: what makes a set large. */
static void comb(struct world *w)
{
    uint32_t first = fuzz_u16(&w->in) % w->cells, n = fuzz_u8(&w->in), stride = 1 + fuzz_u8(&w->in) % 4;

    FUZZ_TELL("comb: %u areas of a granule, %u granules apart, from %#llx", n, stride,
              (unsigned long long)address(w, first));
    for (; n > 0 && first < w->cells; n--, first += stride) {
        struct s2_area area = {.range = {S2_IPA(address(w, first)), S2_IPA(address(w, first + 1))},
                               .backend = &fuzz_backend[n & 1 ? OPAQUE : LOOSE],
                               .attr = S2_ATTR(1 + n % 3)};
        struct call c = {.lo = area.range.start.v, .hi = area.range.end.v, .inserts = 2, .moves_memory = true};

        begin(w, &c);
        if (finish(w, &c, s2_area_set_map(&w->set, &c.op, &area, S2_MAP_REPLACE)))
            model_map(w, &area, first, first + 1);
        fuzz.step++;
    }
    compare_near(w, first < w->cells ? first : w->cells - 1, w->cells);
}

/* --- the interpreter ---------------------------------------------------------------------------------------------- */

typedef void operation(struct world *w);

/* By the low six bits. What the contract promises to be rare is rare here. */
#define TIMES4(x)  x, x, x, x
#define TIMES8(x)  TIMES4(x), TIMES4(x)
#define TIMES12(x) TIMES8(x), TIMES4(x)
static operation *const ops[64] = {
    TIMES8(map_new),
    TIMES12(map_replace),
    TIMES12(unmap),
    TIMES12(protect),
    TIMES4(find),
    TIMES4(find_free),
    overlaps,
    overlaps,
    arm,
    arm,
    arm,
    make_bad,
    comb,
    clear,
};

/* The set grows and shrinks by turns: of each three periods, one where most unmaps are maps, one the other way round. */
static operation *chosen(const struct world *w, uint32_t b)
{
    operation *op = ops[b & 63];

    if (w->mood_period == 0 || b >> 6 == 0)
        return op;
    switch (fuzz.step / w->mood_period % 3) {
    case 0:
        return op == unmap ? map_replace : op;
    case 1:
        return op == map_new || op == map_replace ? unmap : op;
    default:
        return op;
    }
}

static void check(const struct world *w)
{
    uint64_t step = fuzz.step;

    fuzz_size(w->areas, w->set.map.height);
    if (w->areas <= 64 || step % 64 == 0)
        FUZZ_SOUND(s2_imap_check(&w->set.map)); /* the pool's free list too */
    if (step % 1000 == 0 || (w->cells <= 64 && step % 16 == 0))
        compare_all(w);
}

static uint64_t run_area(const uint8_t *data, size_t bytes)
{
    struct world *w = open_world(data, bytes);

    for (fuzz.step = 1; fuzz_more(&w->in); fuzz.step++) {
        operation *op = chosen(w, fuzz_u8(&w->in));

        if (op)
            op(w);
        check(w);
    }
    compare_all(w);
    close_world(w);
    return fuzz.step - 1;
}

const struct fuzz_target fuzz_target = {"area", run_area, shapes, sizeof(shapes) / sizeof(shapes[0])};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz.data = data;
    fuzz.bytes = bytes;
    (void)run_area(data, bytes);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Operations that change the set. */
#include "area_world.h"

#define LL(x) ((unsigned long long)(x))

/* --- operands ----------------------------------------------------------------------------------------------------- */

static struct s2_area read_area(struct world *w, struct s2_ipa_range range)
{
    uint32_t b = fuzz_u8(&w->in), c = fuzz_u8(&w->in);
    struct s2_area area = {.range = range,
                           .attr = S2_ATTR(1 + (b >> 2 & 3)),
                           .name = (uint16_t)(b >> 4 == 15),
                           .flags = (uint16_t)(c >> 5 == 7 ? c & 3 : 0)};
    enum kind kind = (b & 3) == 3 && c & 4 ? LOOSE : b & 1 ? LINEAR : OPAQUE;

    area.backend = &fuzz_backend[kind];
    area.backing = (kind == LINEAR ? range.start.v : 0) + ((c >> 3 & 3) == 3 ? w->granule * (c & 7) : 0);
    return area;
}

static void tell_area(const char *what, const struct s2_area *a)
{
    FUZZ_TELL("%s [%#llx, %#llx) %s attr %u name %u flags %u backing %#llx", what, LL(a->range.start.v),
              LL(a->range.end.v), a->backend ? a->backend->kind : "no backend", a->attr.bits, a->name, a->flags,
              LL(a->backing));
}

/* The area at, or next above, a place of the input. */
static bool read_old(struct world *w, struct s2_area *out)
{
    uint32_t cell = model_meets(w, fuzz_u16(&w->in) % w->cells, w->cells);

    return cell < w->cells && model_area(w, cell, out);
}

/* What the detail shows of a range in which something else was expected: the lowest area there, if there is one. */
static void want_found(struct world *w, struct call *c, enum s2_err err, uint32_t first, uint32_t last)
{
    uint32_t cell = model_meets(w, first, last);
    struct s2_area area;

    c->want = err;
    if (cell < last && model_area(w, cell, &area))
        c->found = area.range;
}

/* --- map, swap ---------------------------------------------------------------------------------------------------- */

static void apply_map(struct world *w, const struct call *c)
{
    model_map(w, c->arg, c->first, c->last);
}

/* Now and then an area comes without a backend, or with one that cannot commit. */
static bool spoil_backend(struct s2_area *area)
{
    static const struct s2_backend no_commit = {.kind = "without commit"};

    if (!area->name || area->attr.bits != 4)
        return false;
    area->backend = area->flags & 1 ? &no_commit : NULL;
    return true;
}

static void try_map(struct world *w, enum s2_map_mode mode)
{
    struct span s = read_span(w);
    struct s2_area area = read_area(w, range_of(&s));
    struct call c = call_on(w, mode == S2_MAP_NEW ? S2_AREA_OP_MAP : S2_AREA_OP_REPLACE, &s);

    c.apply = apply_map;
    c.arg = &area;
    if (spoil_backend(&area) && !c.want)
        c.want = S2_EINVAL;
    else if (!c.want && mode == S2_MAP_NEW && model_meets(w, s.first, s.last) < s.last)
        want_found(w, &c, S2_EEXIST, s.first, s.last);
    tell_area(mode == S2_MAP_NEW ? "map new" : "map replace", &area);
    call_begin(w, &c);
    (void)call_end(w, &c, s2_area_set_map(&w->set, &c.op, &area, mode));
}

void try_map_new(struct world *w)
{
    try_map(w, S2_MAP_NEW);
}

void try_map_replace(struct world *w)
{
    try_map(w, S2_MAP_REPLACE);
}

/* Part of an area that is there, mostly; the backend that is expected is mostly its own. */
void try_swap(struct world *w)
{
    struct span s = read_span(w);
    const struct s2_backend *expected = NULL;
    struct s2_area area = read_area(w, range_of(&s)), old;
    struct call c = call_on(w, S2_AREA_OP_SWAP, &s);
    uint32_t b = fuzz_u8(&w->in);
    bool there = !s.err && model_area(w, s.first, &old);

    if (there && b & 1 && old.range.end.v < s.end) { /* only as far as the area goes */
        c.asked.end = area.range.end = old.range.end;
        c.last = index_of(w, old.range.end.v);
    }
    if (b < 0xf8)
        expected = there && b < 0xe0 ? old.backend : &fuzz_backend[1 + b % (KINDS - 1)];
    c.apply = apply_map;
    c.arg = &area;
    if (!c.want && (spoil_backend(&area) || !expected))
        c.want = S2_EINVAL;
    else if (!c.want && (!there || old.range.end.v < c.asked.end.v || old.backend != expected))
        want_found(w, &c, S2_ENOENT, c.first, c.last);
    tell_area("swap", &area);
    FUZZ_TELL("  for %s", expected ? expected->kind : "none");
    call_begin(w, &c);
    (void)call_end(w, &c, s2_area_set_swap(&w->set, &c.op, &area, expected));
}

/* Areas at equal distances: what makes a set large. */
void try_comb(struct world *w)
{
    uint32_t first = fuzz_u16(&w->in) % w->cells, n = fuzz_u8(&w->in), stride = 1 + fuzz_u8(&w->in) % 4;

    FUZZ_TELL("comb: %u areas of a granule, %u granules apart, from %#llx", n, stride, LL(address(w, first)));
    for (; n > 0 && first < w->cells; n--, first += stride) {
        struct span s = {address(w, first), address(w, first + 1), first, first + 1, S2_OK};
        struct s2_area area = {
            .range = range_of(&s), .backend = &fuzz_backend[n & 1 ? OPAQUE : LOOSE], .attr = S2_ATTR(1 + n % 3)};
        struct call c = call_on(w, S2_AREA_OP_REPLACE, &s);

        c.apply = apply_map;
        c.arg = &area;
        call_begin(w, &c);
        (void)call_end(w, &c, s2_area_set_map(&w->set, &c.op, &area, S2_MAP_REPLACE));
        step(w);
    }
}

/* --- unmap, clear ------------------------------------------------------------------------------------------------- */

static void apply_unmap(struct world *w, const struct call *c)
{
    model_unmap(w, c->first, c->last);
}

void try_unmap(struct world *w)
{
    struct span s = read_span(w);
    struct call c = call_on(w, S2_AREA_OP_UNMAP, &s);

    c.apply = apply_unmap;
    FUZZ_TELL("unmap [%#llx, %#llx)", LL(s.start), LL(s.end));
    call_begin(w, &c);
    (void)call_end(w, &c, s2_area_set_unmap(&w->set, &c.op, range_of(&s)));
}

static bool same_but_range(const struct s2_area *a, const struct s2_area *b)
{
    return a->backend == b->backend && a->backing == b->backing && a->attr.bits == b->attr.bits && a->name == b->name &&
           a->flags == b->flags;
}

/* An area that is there, or one that differs from it in one thing. */
void try_unmap_expected(struct world *w)
{
    struct span s = read_span(w);
    struct s2_area area = {.range = range_of(&s), .backend = &fuzz_backend[OPAQUE]}, old;
    uint32_t b = fuzz_u8(&w->in);
    bool there;
    struct call c;

    if (!s.err && model_area(w, s.first, &old) && b < 0xe0)
        area = old;
    area.backing += (b & 31) == 1;
    area.attr.bits += (b & 31) == 2;
    area.name = (uint16_t)(area.name + ((b & 31) == 3));
    area.flags = (uint16_t)(area.flags + ((b & 31) == 4));
    if ((b & 31) == 5)
        area.backend = NULL;
    if ((b & 31) == 6)
        area.range.end.v += w->granule;
    s.start = area.range.start.v;
    s.end = area.range.end.v;
    s.err = model_range(w, s.start, s.end);
    s.first = s.err ? 0 : index_of(w, s.start);
    s.last = s.err ? 0 : index_of(w, s.end);
    c = call_on(w, S2_AREA_OP_EXPECTED, &s);
    c.apply = apply_unmap;
    there = !s.err && model_area(w, s.first, &old) && old.range.start.v == s.start && old.range.end.v == s.end &&
            same_but_range(&area, &old);
    if (!s.err && !there)
        want_found(w, &c, S2_ENOENT, s.first, s.last);
    tell_area("unmap expected", &area);
    call_begin(w, &c);
    (void)call_end(w, &c, s2_area_set_unmap_expected(&w->set, &c.op, &area));
}

void try_clear(struct world *w)
{
    struct span all = {w->lo, w->hi, 0, w->cells, S2_OK};
    struct call c = call_on(w, S2_AREA_OP_CLEAR, &all);

    c.apply = apply_unmap;
    FUZZ_TELL("clear");
    call_begin(w, &c);
    if (call_end(w, &c, s2_area_set_clear(&w->set, &c.op)))
        FUZZ_EQ(w->set.map.nodes, 0);
    compare_all(w);
}

/* --- extend, rename ----------------------------------------------------------------------------------------------- */

static void apply_extend(struct world *w, const struct call *c)
{
    struct s2_area area = *(const struct s2_area *)c->arg;
    uint64_t start = address(w, c->first);

    if (kind_of(area.backend) == LINEAR)
        area.backing -= area.range.start.v - start;
    model_map(w, &area, c->first, c->last);
}

/* Both ends of `to` by the input; outwards mostly. */
static struct span read_growth(struct world *w, const struct s2_area *old)
{
    uint32_t b = fuzz_u8(&w->in), c = fuzz_u8(&w->in);
    struct span s = {.start = old->range.start.v, .end = old->range.end.v};
    uint64_t down = b >= 0xf0 ? 0 - w->granule : b & 1 ? w->granule * (b >> 1 & 7) : 0;
    uint64_t up = c >= 0xf0 ? 0 - w->granule : c & 1 ? w->granule * (c >> 1 & 7) : 0;

    if (b < 0xf0 && down > s.start - w->lo && b & 0x40)
        down = s.start - w->lo;
    if (c < 0xf0 && up > w->hi - s.end && c & 0x40)
        up = w->hi - s.end;
    s.start -= down;
    s.end += up;
    s.err = model_range(w, s.start, s.end);
    return s;
}

static bool backing_wraps(const struct s2_area *old, const struct span *to)
{
    return kind_of(old->backend) == LINEAR && (old->backing < old->range.start.v - to->start ||
                                               old->backing > UINT64_MAX - (to->end - 1 - old->range.start.v));
}

/* The first thing that is wrong, in the order of the contract. */
static void want_extend(struct world *w, struct call *c, const struct s2_area *old, const struct span *to)
{
    uint32_t first = index_of(w, old->range.start.v), last = index_of(w, old->range.end.v);

    if (to->start > old->range.start.v || to->end < old->range.end.v) {
        c->want = S2_EINVAL;
        c->found = old->range;
    } else if (model_meets(w, c->first, first) < first) {
        c->asked.end = old->range.start;
        want_found(w, c, S2_EEXIST, c->first, first);
    } else if (model_meets(w, last, c->last) < c->last) {
        c->asked.start = old->range.end;
        want_found(w, c, S2_EEXIST, last, c->last);
    } else if (backing_wraps(old, to)) {
        c->want = S2_ERANGE;
        c->found = old->range;
    }
}

void try_extend(struct world *w)
{
    struct s2_area old = {.range = {S2_IPA(w->lo), S2_IPA(w->lo + w->granule)}};
    bool there = read_old(w, &old);
    struct span to = read_growth(w, &old);
    s2_ipa at = S2_IPA(old.range.end.v - 1);
    struct call c;

    to.first = to.err ? 0 : index_of(w, to.start);
    to.last = to.err ? 0 : index_of(w, to.end);
    c = call_on(w, S2_AREA_OP_EXTEND, &to);
    c.apply = apply_extend;
    c.arg = &old;
    there = there && w->skew == 0;
    if (!there) /* where no area is */
        at = S2_IPA(w->lo - 1);
    if (!to.err && !there)
        c.want = S2_ENOENT;
    else if (!to.err)
        want_extend(w, &c, &old, &to);
    w->skew = 0;
    if (!c.want && to.start == old.range.start.v && to.end == old.range.end.v)
        c.moves_memory = false; /* nothing happens */
    tell_area("extend", &old);
    FUZZ_TELL("  at %#llx to [%#llx, %#llx)", LL(at.v), LL(to.start), LL(to.end));
    w->extends = true;
    call_begin(w, &c);
    (void)call_end(w, &c, s2_area_set_extend(&w->set, &c.op, at, range_of(&to)));
    w->extends = false;
}

struct rename {
    uint16_t name;
};

static void apply_rename(struct world *w, const struct call *c)
{
    const struct rename *r = c->arg;

    for (uint32_t i = c->first; i < c->last; i++)
        w->cell[i].name = r->name;
    model_join(w, c->first);
    model_join(w, c->last);
}

void try_rename(struct world *w)
{
    uint64_t at = read_address(w);
    struct rename r = {fuzz_u8(&w->in) & 1};
    struct span s = {.start = at, .end = at};
    struct call c;
    struct s2_area old;
    bool there = at >= w->lo && at < w->hi && model_area(w, index_of(w, at), &old);

    if (there) {
        s.first = index_of(w, old.range.start.v);
        s.last = index_of(w, old.range.end.v);
    }
    c = call_on(w, S2_AREA_OP_RENAME, &s);
    c.apply = apply_rename;
    c.arg = &r;
    c.want = there ? S2_OK : S2_ENOENT;
    FUZZ_TELL("rename at %#llx to %u", LL(at), r.name);
    call_begin(w, &c);
    (void)call_end(w, &c, s2_area_set_rename(&w->set, &c.op, S2_IPA(at), r.name));
}

/* --- protect ------------------------------------------------------------------------------------------------------ */

/* What an update function does, as data, so that the array gets the same. */
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
    FUZZ_TRUE(same_but_range(area, &was));
    FUZZ_EQ(attr->bits, was.attr.bits);
    FUZZ_TRUE(++p->asked[index_of(p->w, area->range.start.v)] <= 2);
    return update(p, area, &attr->bits);
}

/* Joins come last, as they need both sides. */
static void apply_protect(struct world *w, const struct call *c)
{
    const struct protect *p = c->arg;
    uint32_t at = model_meets(w, c->first, c->last), end;
    struct s2_area area;

    for (; at < c->last; at = model_meets(w, end, c->last)) {
        uint32_t attr;

        (void)model_area(w, at, &area);
        end = index_of(w, area.range.end.v);
        end = end < c->last ? end : c->last;
        attr = area.attr.bits;
        if (!update(p, &area, &attr) || attr == area.attr.bits)
            continue;
        model_cut(w, at);
        model_cut(w, end);
        for (uint32_t i = at; i < end; i++)
            w->cell[i].attr = attr;
    }
    for (uint32_t i = c->first; i <= c->last; i++)
        model_join(w, i);
}

void try_protect(struct world *w)
{
    struct protect p = {.w = w, .s = read_span(w)};
    struct call c = call_on(w, S2_AREA_OP_PROTECT, &p.s);
    uint32_t b = fuzz_u8(&w->in);
    bool none = b == 0xff;
    enum s2_err err;

    p.how = b < 0x80 ? SET_TO : b < 0xa0 ? TOGGLE : (enum update)(b % UPDATES);
    p.to = 1 + (b >> 3 & 3);
    p.asked = calloc(w->cells + 1, sizeof(p.asked[0]));
    c.apply = apply_protect;
    c.arg = &p;
    if (none && !c.want)
        c.want = S2_EINVAL;
    FUZZ_TELL("protect [%#llx, %#llx) how %u to %u", LL(p.s.start), LL(p.s.end), p.how, p.to);
    call_begin(w, &c);
    err = s2_area_set_protect(&w->set, &c.op, range_of(&p.s), none ? NULL : asked, &p);
    for (uint32_t i = p.s.first; !err && i < p.s.last; i++)
        FUZZ_TRUE(w->cell[i].kind == HOLE || p.asked[model_first(w, i)] > 0);
    (void)call_end(w, &c, err);
    free(p.asked);
}

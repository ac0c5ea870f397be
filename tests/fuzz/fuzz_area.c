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
    {"a pool of twenty nodes", {1, 20, 4, 0}, 20000, 2},
    {"a pool of forty nodes", {2, 40, 30, 0}, 40000, 2},
};

static void open_changes(struct changes *list, uint32_t cells)
{
    list->hash = malloc((3 * (size_t)cells + 3) * sizeof(list->hash[0]));
}

/* A set is not made of anything. */
static void open_badly(struct world *w)
{
    s2_ipa lo = S2_IPA(w->lo), hi = S2_IPA(w->hi);

    FUZZ_EQ(s2_area_set_init(&w->set, &w->pool, lo, lo, w->granule, w), S2_EINVAL);
    FUZZ_EQ(s2_area_set_init(&w->set, &w->pool, hi, lo, w->granule, w), S2_EINVAL);
    FUZZ_EQ(s2_area_set_init(&w->set, &w->pool, lo, hi, 0, w), S2_EALIGN);
    FUZZ_EQ(s2_area_set_init(&w->set, &w->pool, lo, hi, 3 * w->granule, w), S2_EALIGN);
    FUZZ_EQ(s2_area_set_init(&w->set, &w->pool, lo, S2_IPA(w->hi - 1), 2 * w->granule, w), S2_EALIGN);
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
    open_badly(w);
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

struct span read_span(struct world *w)
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

uint64_t read_address(struct world *w)
{
    uint32_t cell = fuzz_u16(&w->in), b = fuzz_u8(&w->in);

    if (b >= 0xfc)
        return (const uint64_t[]){0, TOP, w->lo - 1, w->hi}[b & 3];
    return address(w, cell % w->cells) + (b < 0x80 ? 0 : b < 0xc0 ? w->granule - 1 : w->granule / 3);
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
    FUZZ_TELL("next: a range that is bad in way %u", w->skew);
}

/* Seldom: everything goes. Now and then: nodes are kept for unmaps, or given up. */
static void live(struct world *w)
{
    uint32_t b = fuzz_u8(&w->in), missing = S2_AREA_CUT_NODES - w->set.cut;
    enum s2_err want = w->pool.free - w->pool.reserved < missing ? S2_ENODES : S2_OK;

    if (b >= 0xfc && fuzz_u8(&w->in) >= 0xc0)
        try_clear(w);
    if (b < 0x40) {
        FUZZ_TELL("keep a cut");
        FUZZ_EQ(s2_area_set_keep_cut(&w->set), want);
        FUZZ_TRUE(want || (w->set.cut == S2_AREA_CUT_NODES && w->set.cut_most == S2_AREA_CUT_NODES));
    } else if (b < 0x50) {
        FUZZ_TELL("drop the cut");
        s2_area_set_drop_cut(&w->set);
        FUZZ_EQ(w->set.cut_most, 0);
    }
    FUZZ_EQ(w->pool.reserved, w->set.cut);
}

/* --- the interpreter ---------------------------------------------------------------------------------------------- */

typedef void operation(struct world *w);

/* By the low six bits. */
#define TWICE(x)  x, x
#define TIMES4(x) TWICE(x), TWICE(x)
#define TIMES8(x) TIMES4(x), TIMES4(x)
static operation *const ops[64] = {
    [0x00] = TIMES8(try_map_new),
    [0x08] = TIMES8(try_map_replace),
    [0x10] = TIMES8(try_unmap),
    [0x18] = TIMES8(try_protect),
    [0x20] = TIMES4(try_swap),
    [0x24] = TIMES4(try_extend),
    [0x28] = TWICE(try_rename),
    [0x2a] = TWICE(try_unmap_expected),
    [0x2c] = TIMES4(try_find_free),
    [0x30] = TWICE(try_find),
    [0x32] = try_around,
    [0x33] = try_overlaps,
    [0x34] = try_iterate,
    [0x35] = try_stats,
    [0x36] = TWICE(try_map_replace),
    [0x38] = TWICE(arm),
    [0x3a] = make_bad,
    [0x3b] = try_comb,
    [0x3c] = live,
    [0x3d] = try_unmap,
    [0x3e] = try_protect,
    [0x3f] = try_map_new,
};

/* The set grows and shrinks by turns: of each three periods, one where most unmaps are maps, one the other way round. */
static operation *chosen(const struct world *w, uint32_t b)
{
    operation *op = ops[b & 63];

    if (w->mood_period == 0 || b >> 6 == 0)
        return op;
    switch (fuzz.step / w->mood_period % 3) {
    case 0:
        return op == try_unmap ? try_map_replace : op;
    case 1:
        return op == try_map_new || op == try_map_replace ? try_unmap : op;
    default:
        return op;
    }
}

static uint64_t run_area(const uint8_t *data, size_t bytes)
{
    struct world *w = open_world(data, bytes);

    for (fuzz.step = 1; fuzz_more(&w->in); step(w))
        chosen(w, fuzz_u8(&w->in))(w);
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

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Any bytes as operations on two interval maps that share a pool, each made on a sorted array too.
 *
 * An input: four bytes that choose the world (struct keys, nodes, mood), then operations: a byte that says which, by its
 * low six bits (ops[]), and on which map, by bit 6; and its operands. */
#include "imap_model.h"

#include "base/pool.h"

#define MOST   20000u /* entries of a map */
#define WALKED 24u    /* entries that a walk or a cursor's tour goes over */

/* --- the world ---------------------------------------------------------------------------------------------------- */

struct keys {
    uint64_t lo, unit, units;
    uint32_t longest;  /* entry, in units */
    uint32_t nodes;    /* of the pool */
    uint8_t larger[2]; /* the alignments besides the unit that the map knows, as log2 */
};

static const struct keys keys[] = {
    {0, 1, 500, 12, 48, {0, 0}},                                        /* the root leaf and a little more */
    {0, 1, 6000, 12, 400, {4, 7}},                                      /* one or two levels of inner nodes */
    {0x40000000, 0x1000, 0x10000, 16, 1500, {21, 30}},                  /* guest memory */
    {0x80000000, 0x1000, 0x100000, 64, 2 * MOST / 6, {16, 21}},         /* thousands of entries: three levels */
    {0, 1, UINT64_MAX, UINT32_MAX, 1500, {12, 21}},                     /* gaps of more than 2^32 units */
    {UINT64_MAX - 4000, 1, 4000, 20, 300, {0, 3}},                      /* ends where keys do */
    {UINT64_C(0) - (1 << 24), 0x1000, (1 << 12) - 1, 9, 300, {16, 16}}, /* the same in pages */
};

static const struct fuzz_shape shapes[] = {
    {"500 keys", {0, 0, 1, 0}, 5000, 5},           {"6,000 keys", {1, 0, 4, 0}, 40000, 6},
    {"256 MiB by 4 KiB", {2, 0, 15, 0}, 60000, 5}, {"4 GiB by 4 KiB", {3, 0, 255, 0}, 600000, 4},
    {"all keys", {4, 0, 20, 0}, 60000, 3},         {"the top, by one", {5, 0, 4, 0}, 20000, 3},
    {"the top, by 4 KiB", {6, 0, 4, 0}, 20000, 3}, {"a pool of five nodes", {1, 5, 2, 0}, 8000, 2},
};

struct world {
    struct s2_pool pool;
    unsigned char *mem;
    struct s2_imap map[2];
    struct flat flat[2];
    const struct keys *keys;
    struct fuzz_in in;
    uint32_t mood_period;
    unsigned on; /* the map of the operation */
};

static struct s2_imap_align aligns(const struct keys *k)
{
    uint8_t unit = (uint8_t)__builtin_ctzll(k->unit);

    return (struct s2_imap_align){{unit, k->larger[0] ? k->larger[0] : unit, k->larger[1] ? k->larger[1] : unit}};
}

static struct world *open_world(const uint8_t *data, size_t bytes)
{
    struct world *w = calloc(1, sizeof(*w));
    uint32_t nodes;

    w->in = (struct fuzz_in){data, data + bytes};
    w->keys = &keys[fuzz_u8(&w->in) % (sizeof(keys) / sizeof(keys[0]))];
    nodes = fuzz_u8(&w->in);
    w->mood_period = 256u * fuzz_u8(&w->in);
    (void)fuzz_u8(&w->in);
    nodes = nodes ? nodes : w->keys->nodes;
    w->mem = aligned_alloc(64, (size_t)nodes * S2_NODE_BYTES);
    s2_pool_init(&w->pool, w->mem, (size_t)nodes * S2_NODE_BYTES);
    for (unsigned i = 0; i < 2; i++) {
        struct flat *f = &w->flat[i];

        *f = (struct flat){.room = MOST + 1, .lo = w->keys->lo, .unit = w->keys->unit};
        f->hi = f->lo + w->keys->units * f->unit;
        f->e = malloc(f->room * sizeof(f->e[0]));
        s2_imap_init(&w->map[i], &w->pool, f->lo, f->hi, aligns(w->keys));
    }
    return w;
}

static void close_world(struct world *w)
{
    for (unsigned i = 0; i < 2; i++) {
        s2_imap_clear(&w->map[i]);
        FUZZ_EQ(w->map[i].nodes, 0);
        free(w->flat[i].e);
    }
    FUZZ_EQ(w->pool.free, w->pool.count);
    FUZZ_SOUND(s2_pool_check(&w->pool));
    free(w->mem);
    free(w);
}

static struct s2_imap *map_of(struct world *w)
{
    return &w->map[w->on];
}

static struct flat *flat_of(struct world *w)
{
    return &w->flat[w->on];
}

/* --- operands ----------------------------------------------------------------------------------------------------- */

/* Anywhere, or beside an entry that is there. */
static uint64_t read_key(struct world *w)
{
    uint64_t at = fuzz_u16(&w->in);
    uint32_t b = fuzz_u8(&w->in);
    const struct flat *f = flat_of(w);
    const struct s2_ient *e;

    if (b < 0xa0 || f->count == 0) {
        at = (uint64_t)((unsigned __int128)w->keys->units * at >> 16);
        at += w->keys->units > 0x10000 ? b % (w->keys->units >> 16) : 0;
        return f->lo + at * f->unit;
    }
    e = &f->e[at % f->count];
    switch (b & 3) {
    case 0:
        return e->start;
    case 1:
        return e->end;
    case 2:
        return e->start + (e->end - e->start) / 2 / f->unit * f->unit;
    default:
        return b == 0xff ? UINT64_MAX : b == 0xfb ? 0 : e->start > f->lo ? e->start - f->unit : f->lo;
    }
}

static uint64_t read_length(struct world *w)
{
    uint64_t b = fuzz_u8(&w->in);

    if (w->keys->longest == UINT32_MAX)
        return UINT64_C(1) << b % 64; /* nearly as many of 2^40 as of one */
    return w->keys->unit * (1 + b % w->keys->longest);
}

static struct s2_ival read_value(struct world *w)
{
    uint64_t b = fuzz_u8(&w->in), step = fuzz.step;

    return (struct s2_ival){{step << 8 | b, ~step, b * 0x101010101010101u}};
}

/* Which entry of the array; count when there is none. */
static uint32_t read_entry(struct world *w)
{
    const struct flat *f = flat_of(w);
    uint32_t at = fuzz_u16(&w->in);

    return f->count ? at % f->count : 0;
}

/* --- comparing ---------------------------------------------------------------------------------------------------- */

static void same(bool found, const struct s2_ient *got, const struct s2_ient *want)
{
    FUZZ_EQ(found, want != NULL);
    if (!want)
        return;
    FUZZ_EQ(got->start, want->start);
    FUZZ_EQ(got->end, want->end);
    FUZZ_TRUE(memcmp(&got->val, &want->val, sizeof(got->val)) == 0);
}

/* Every lookup at one key. */
static void compare_at(struct world *w, uint64_t key)
{
    const struct s2_imap *map = map_of(w);
    const struct flat *f = flat_of(w);
    uint32_t at = flat_from(f, key), below = flat_below(f, key);
    const struct s2_ient *from = at < f->count ? &f->e[at] : NULL;
    struct s2_ient e;

    same(s2_imap_find_from(map, key, &e), &e, from);
    same(s2_imap_find(map, key, &e), &e, from && from->start <= key ? from : NULL);
    same(s2_imap_find_below(map, key, &e), &e, below > 0 ? &f->e[below - 1] : NULL);
}

/* Entry `at` and its neighbours, or the place where it was. */
static void compare_near(struct world *w, uint32_t at)
{
    const struct flat *f = flat_of(w);

    FUZZ_EQ(map_of(w)->count, f->count);
    if (at < f->count) {
        compare_at(w, f->e[at].start);
        compare_at(w, f->e[at].end);
    }
    if (at > 0 && at <= f->count)
        compare_at(w, f->e[at - 1].end - 1);
}

static void compare_all(struct world *w)
{
    const struct flat *f = flat_of(w);
    uint64_t key = 0;
    struct s2_ient e;

    FUZZ_SOUND(s2_imap_check(map_of(w)));
    for (uint32_t i = 0; i < f->count; i++, key = e.end)
        same(s2_imap_find_from(map_of(w), key, &e), &e, &f->e[i]);
    same(s2_imap_find_from(map_of(w), key, &e), &e, NULL);
}

/* --- edits -------------------------------------------------------------------------------------------------------- */

/* The nodes for n insertions; false: there are too few, which is right only if there are. */
static bool promise(struct world *w, uint32_t n, uint32_t *need)
{
    *need = s2_imap_need(map_of(w), n);
    if (s2_pool_reserve(&w->pool, *need)) {
        FUZZ_TRUE(*need > w->pool.free - w->pool.reserved);
        return false;
    }
    return true;
}

static void kept(struct world *w, uint32_t need, uint32_t before)
{
    s2_pool_unreserve(&w->pool, need);
    FUZZ_EQ(w->pool.reserved, 0);
    FUZZ_TRUE(map_of(w)->nodes <= before || map_of(w)->nodes - before <= need);
    FUZZ_EQ(w->pool.free, w->pool.count - w->map[0].nodes - w->map[1].nodes);
}

static void insert_at(struct world *w, uint64_t start, uint64_t bytes, struct s2_ival val)
{
    struct flat *f = flat_of(w);
    uint32_t at = flat_from(f, start), need, before = map_of(w)->nodes;
    struct s2_ient e = {.val = val};
    uint64_t from, to;

    start -= start % f->unit;
    if (at < f->count && f->e[at].start <= start)
        start = f->e[at++].end; /* taken: behind it then */
    flat_gap(f, at, &from, &to);
    if (start < from || start >= to || f->count == MOST || !promise(w, 1, &need))
        return;
    e.start = start;
    e.end = bytes < to - start ? start + bytes : to;
    FUZZ_TELL("map %u: insert [%#llx, %#llx)", w->on, (unsigned long long)e.start, (unsigned long long)e.end);
    s2_imap_insert(map_of(w), &e);
    flat_put(f, at, &e);
    kept(w, need, before);
    compare_near(w, at);
}

static void insert(struct world *w)
{
    uint64_t start = read_key(w), bytes = read_length(w);

    insert_at(w, start, bytes, read_value(w));
}

/* Many side by side, upwards or downwards: what fills nodes and makes the tree grow. What they need together was known
 * before. */
static void insert_run(struct world *w)
{
    uint64_t start = read_key(w), bytes = read_length(w);
    uint32_t b = fuzz_u8(&w->in), n = 1 + (b & 31), nodes = map_of(w)->nodes;
    uint32_t need = s2_imap_need(map_of(w), n), alone = s2_imap_need_alone(map_of(w), n);
    uint64_t stride = bytes + (b & 0x40 ? w->keys->unit : 0);

    FUZZ_TRUE(alone <= need);
    for (; n > 0; n--) {
        const struct flat *f = flat_of(w);

        insert_at(w, start, bytes, (struct s2_ival){{start, b, n}});
        FUZZ_TRUE(map_of(w)->nodes <= nodes + alone);
        fuzz.step++;
        if (b & 0x80 ? start - f->lo < stride : f->hi - start <= stride)
            break;
        start = b & 0x80 ? start - stride : start + stride;
    }
}

static void erase_at(struct world *w, uint32_t at)
{
    struct flat *f = flat_of(w);

    FUZZ_TELL("map %u: erase [%#llx, %#llx)", w->on, (unsigned long long)f->e[at].start,
              (unsigned long long)f->e[at].end);
    s2_imap_erase(map_of(w), f->e[at].start);
    flat_drop(f, at);
    kept(w, 0, map_of(w)->nodes);
    compare_near(w, at);
}

static void erase(struct world *w)
{
    uint32_t at = read_entry(w);

    if (at < flat_of(w)->count)
        erase_at(w, at);
}

/* Neighbours one after the other, upwards or downwards: what empties nodes. */
static void erase_run(struct world *w)
{
    uint32_t at = read_entry(w), b = fuzz_u8(&w->in);

    for (uint32_t n = 1 + (b & 31); n > 0 && at < flat_of(w)->count; n--) {
        erase_at(w, at);
        fuzz.step++;
        at -= b & 0x80 && at > 0;
    }
}

static void set(struct world *w)
{
    uint32_t at = read_entry(w);
    struct flat *f = flat_of(w);

    if (at >= f->count)
        return;
    f->e[at].val = read_value(w);
    FUZZ_TELL("map %u: set %#llx", w->on, (unsigned long long)f->e[at].start);
    s2_imap_set(map_of(w), f->e[at].start, &f->e[at].val);
    kept(w, 0, map_of(w)->nodes);
    compare_near(w, at);
}

/* Other ends for entry `at`, anywhere between its neighbours, often touching them. */
static void read_ends(struct world *w, uint32_t at, uint64_t *start, uint64_t *end)
{
    const struct flat *f = flat_of(w);
    uint64_t lo = at > 0 ? f->e[at - 1].end : f->lo, hi = at + 1 < f->count ? f->e[at + 1].start : f->hi;
    uint64_t units = (hi - lo) / f->unit, a = fuzz_u8(&w->in), b = fuzz_u8(&w->in);

    a = a < 0x40 ? 0 : a < 0x80 ? (f->e[at].start - lo) / f->unit : a % units;
    *start = lo + a * f->unit;
    units -= a;
    b = b < 0x40 ? units : 1 + b % units;
    *end = *start + b * f->unit;
}

static void resize(struct world *w)
{
    uint32_t at = read_entry(w);
    struct flat *f = flat_of(w);
    uint64_t start, end;

    if (at >= f->count)
        return;
    read_ends(w, at, &start, &end);
    FUZZ_TELL("map %u: resize [%#llx, %#llx) to [%#llx, %#llx)", w->on, (unsigned long long)f->e[at].start,
              (unsigned long long)f->e[at].end, (unsigned long long)start, (unsigned long long)end);
    s2_imap_resize(map_of(w), f->e[at].start, start, end);
    f->e[at].start = start;
    f->e[at].end = end;
    kept(w, 0, map_of(w)->nodes);
    compare_near(w, at);
}

static void clear(struct world *w)
{
    if (fuzz_u8(&w->in) < 0xfc || fuzz_u8(&w->in) < 0xc0)
        return;
    FUZZ_TELL("map %u: clear", w->on);
    s2_imap_clear(map_of(w));
    flat_of(w)->count = 0;
    FUZZ_EQ(map_of(w)->nodes, 0);
    kept(w, 0, 0);
    compare_all(w);
}

/* --- lookups ------------------------------------------------------------------------------------------------------ */

static void find(struct world *w)
{
    uint64_t key = read_key(w);

    key += fuzz_u8(&w->in) < 0x40 && key < UINT64_MAX;
    FUZZ_TELL("map %u: find %#llx", w->on, (unsigned long long)key);
    compare_at(w, key);
}

static void overlaps(struct world *w)
{
    uint64_t start = read_key(w), end = read_key(w);
    const struct flat *f = flat_of(w);
    uint32_t at = flat_from(f, start);
    struct s2_ient e;

    FUZZ_TELL("map %u: overlaps [%#llx, %#llx)", w->on, (unsigned long long)start, (unsigned long long)end);
    same(s2_imap_overlaps(map_of(w), start, end, &e), &e,
         start < end && at < f->count && f->e[at].start < end ? &f->e[at] : NULL);
}

struct walk {
    const struct flat *f;
    uint32_t at, calls, most;
};

static bool walked(void *arg, const struct s2_ient *e)
{
    struct walk *k = arg;

    FUZZ_TRUE(k->at < k->f->count && k->calls < k->most);
    same(true, e, &k->f->e[k->at++]);
    return ++k->calls < k->most;
}

static void walk(struct world *w)
{
    uint64_t start = read_key(w), end = read_key(w);
    const struct flat *f = flat_of(w);
    struct walk k = {.f = f, .at = flat_from(f, start), .most = 1 + fuzz_u8(&w->in) % WALKED};
    uint32_t want = 0;

    FUZZ_TELL("map %u: walk [%#llx, %#llx), at most %u", w->on, (unsigned long long)start, (unsigned long long)end,
              k.most);
    while (start < end && want < k.most && k.at + want < f->count && f->e[k.at + want].start < end)
        want++;
    s2_imap_walk(map_of(w), start, end, walked, &k);
    FUZZ_EQ(k.calls, want);
}

/* Alignments of which the map knows the room: the search is exact however many gaps it must pass by. */
static bool is_exact(const struct world *w, uint64_t align)
{
    struct s2_imap_align known = aligns(w->keys);

    for (unsigned i = 0; i < S2_IMAP_ALIGNS; i++)
        if (align == UINT64_C(1) << known.log2[i])
            return true;
    return align < w->keys->unit;
}

/* The place in the first gap that is so large that it must fit: what may come before the search gives up to look at each. */
static bool place_in_large(const struct world *w, uint64_t lo, uint64_t hi, uint64_t size, uint64_t align,
                           enum s2_fit fit, uint64_t *at)
{
    uint64_t unit = w->keys->unit, slack = align - unit, start;
    unsigned tries;

    if (size > UINT64_MAX - slack || flat_find_gap(&w->flat[w->on], lo, hi, size + slack, unit, fit, &start, &tries))
        return false;
    *at = (start + slack) / align * align; /* for either fit, as the search was for all of the room */
    return true;
}

/* Is the place in such a gap, of which the limits cut off a part? */
static bool in_large(const struct world *w, uint64_t at, uint64_t size, uint64_t align)
{
    const struct flat *f = &w->flat[w->on];
    uint64_t from, to;

    flat_gap(f, flat_from(f, at), &from, &to);
    return to - from >= size + align - w->keys->unit;
}

static void find_gap(struct world *w)
{
    uint64_t lo = read_key(w), hi = read_key(w), size = read_length(w), align, want_at = 0, got = 77, sure;
    uint32_t b = fuzz_u8(&w->in);
    enum s2_fit fit = b & 1 ? S2_FIT_HIGHEST : S2_FIT_LOWEST;
    enum s2_err want, err;
    unsigned tries;

    align = w->keys->unit << (b < 0x40 ? 0 : b >> 1 & 15);
    if (b >= 0x40 && b < 0x80)
        align = UINT64_C(1) << aligns(w->keys).log2[1 + (b >> 1 & 1)];
    if (b >= 0xfc)
        align = (const uint64_t[]){0, 3, UINT64_C(1) << 63, 1}[b & 3];
    if (b & 0x10) { /* no limits */
        lo = b & 0x20 ? 0 : lo;
        hi = UINT64_MAX;
    }
    if (b >= 0xf0 && b < 0xfc)
        size *= 16;
    size -= b == 0xfc ? size : 0;
    FUZZ_TELL("map %u: find_gap %s [%#llx, %#llx) size %#llx align %#llx", w->on,
              fit == S2_FIT_LOWEST ? "lowest" : "highest", (unsigned long long)lo, (unsigned long long)hi,
              (unsigned long long)size, (unsigned long long)align);
    want = flat_find_gap(flat_of(w), lo, hi, size, align, fit, &want_at, &tries);
    err = s2_imap_find_gap(map_of(w), lo, hi, size, align, fit, &got);
    FUZZ_TELL("  says %s, %#llx after %u", s2_err_name(err), (unsigned long long)got, tries);
    FUZZ_EQ(err, want);
    if (err) {
        FUZZ_EQ(got, 77);
        return;
    }
    FUZZ_TRUE(got >= lo && got < hi && hi - got >= size && got % align == 0);
    FUZZ_TRUE(flat_is_free(flat_of(w), got, size));
    if (tries < S2_IMAP_TRIES || is_exact(w, align))
        FUZZ_EQ(got, want_at);
    else if (!place_in_large(w, lo, hi, size, align, fit, &sure))
        FUZZ_TRUE(got == want_at || in_large(w, got, size, align));
    else if (fit == S2_FIT_LOWEST)
        FUZZ_TRUE(got >= want_at && got <= sure);
    else
        FUZZ_TRUE(got <= want_at && got >= sure);
}

/* --- cursors ------------------------------------------------------------------------------------------------------ */

static void same_place(struct world *w, const struct s2_imap_cursor *at, uint32_t i)
{
    const struct flat *f = flat_of(w);
    struct s2_ient e;

    same(s2_imap_get(at, &e), &e, i < f->count ? &f->e[i] : NULL);
}

static void cursor_put(struct world *w, struct s2_imap_cursor *at, uint32_t i)
{
    struct flat *f = flat_of(w);
    struct s2_ient e = {.val = read_value(w)};
    uint32_t need, before = map_of(w)->nodes;
    uint64_t from, to, units, skip = fuzz_u8(&w->in), bytes = read_length(w);

    flat_gap(f, i, &from, &to);
    units = (to - from) / f->unit;
    if (units == 0 || f->count == MOST || !promise(w, 1, &need))
        return;
    e.start = from + (skip < 0x80 ? 0 : skip % units) * f->unit;
    e.end = bytes < to - e.start ? e.start + bytes : to;
    FUZZ_TELL("  put [%#llx, %#llx)", (unsigned long long)e.start, (unsigned long long)e.end);
    s2_imap_put(map_of(w), at, &e);
    flat_put(f, i, &e);
    kept(w, need, before);
}

static void cursor_alter(struct world *w, struct s2_imap_cursor *at, uint32_t i)
{
    struct s2_ient e = {.val = read_value(w)};

    read_ends(w, i, &e.start, &e.end);
    FUZZ_TELL("  alter to [%#llx, %#llx)", (unsigned long long)e.start, (unsigned long long)e.end);
    s2_imap_alter(map_of(w), at, &e);
    flat_of(w)->e[i] = e;
    kept(w, 0, map_of(w)->nodes);
}

static void cursor_drop(struct world *w, struct s2_imap_cursor *at, uint32_t i)
{
    FUZZ_TELL("  drop");
    s2_imap_drop(map_of(w), at);
    flat_drop(flat_of(w), i);
    kept(w, 0, map_of(w)->nodes);
}

/* One step of a cursor that stands at entry i (count: the end); where it stands then. */
static uint32_t cursor_step(struct world *w, struct s2_imap_cursor *at, uint32_t i)
{
    const struct flat *f = flat_of(w);
    uint32_t how = fuzz_u8(&w->in) % 16;

    if (how < 4 && i < f->count) {
        FUZZ_TELL("  next");
        FUZZ_EQ(s2_imap_next(map_of(w), at), i + 1 < f->count);
        return i + 1;
    }
    if (how < 7) {
        FUZZ_TELL("  prev");
        FUZZ_EQ(s2_imap_prev(map_of(w), at), i > 0);
        return i - (i > 0);
    }
    if (how < 11)
        cursor_put(w, at, i);
    else if (i < f->count && how < 14)
        cursor_drop(w, at, i);
    else if (i < f->count)
        cursor_alter(w, at, i);
    return i;
}

static void cursor(struct world *w)
{
    uint64_t key = read_key(w);
    uint32_t i = flat_from(flat_of(w), key), steps = 1 + fuzz_u8(&w->in) % WALKED;
    struct s2_imap_cursor at;

    FUZZ_TELL("map %u: seek %#llx", w->on, (unsigned long long)key);
    FUZZ_EQ(s2_imap_seek(map_of(w), key, &at), i < flat_of(w)->count);
    same_place(w, &at, i);
    for (; steps > 0 && fuzz_more(&w->in); steps--, fuzz.step++) {
        i = cursor_step(w, &at, i);
        same_place(w, &at, i);
        if (map_of(w)->count <= 64)
            FUZZ_SOUND(s2_imap_check(map_of(w)));
    }
    compare_near(w, i);
}

/* --- the interpreter ---------------------------------------------------------------------------------------------- */

typedef void operation(struct world *w);

/* By the low six bits. */
#define TWICE(x)  x, x
#define TIMES4(x) TWICE(x), TWICE(x)
#define TIMES8(x) TIMES4(x), TIMES4(x)
static operation *const ops[64] = {
    [0x00] = TIMES8(insert),
    [0x08] = TIMES4(insert),
    [0x0c] = TIMES8(erase),
    [0x14] = TIMES4(resize),
    [0x18] = TIMES8(cursor),
    [0x20] = TIMES8(find_gap),
    [0x28] = TIMES4(find),
    [0x2c] = TIMES4(walk),
    [0x30] = TIMES4(insert_run),
    [0x34] = TIMES4(erase_run),
    [0x38] = TWICE(set),
    [0x3a] = TWICE(overlaps),
    [0x3c] = clear,
    [0x3d] = find,
    [0x3e] = insert,
    [0x3f] = erase,
};

/* The maps grow and shrink by turns: of each three periods, one where most erasures are insertions, one the other way
 * round. */
static operation *chosen(const struct world *w, uint32_t b)
{
    operation *op = ops[b & 63];

    if (w->mood_period == 0 || b >= 0xe0)
        return op;
    switch (fuzz.step / w->mood_period % 3) {
    case 0:
        return op == erase ? insert : op == erase_run ? insert_run : op;
    case 1:
        return op == insert ? erase : op == insert_run ? erase_run : op;
    default:
        return op;
    }
}

static void check(struct world *w)
{
    const struct s2_imap *map = map_of(w);
    uint64_t step = fuzz.step;

    if (map->count <= 64 || step % 64 == 0)
        FUZZ_SOUND(s2_imap_check(map));
    if (step % 1000 == 0)
        compare_all(w);
    fuzz_size(map->count, map->height);
}

static uint64_t run_imap(const uint8_t *data, size_t bytes)
{
    struct world *w = open_world(data, bytes);

    for (fuzz.step = 1; fuzz_more(&w->in); fuzz.step++) {
        uint32_t b = fuzz_u8(&w->in);
        operation *op = chosen(w, b);

        w->on = b >> 6 & 1;
        op(w);
        check(w);
    }
    for (w->on = 0; w->on < 2; w->on++)
        compare_all(w);
    close_world(w);
    return fuzz.step - 1;
}

const struct fuzz_target fuzz_target = {"imap", run_imap, shapes, sizeof(shapes) / sizeof(shapes[0])};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    fuzz.data = data;
    fuzz.bytes = bytes;
    (void)run_imap(data, bytes);
    return 0;
}

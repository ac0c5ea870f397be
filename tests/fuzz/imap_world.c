/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "imap_world.h"

struct s2_imap_align aligns(const struct keys *k)
{
    uint8_t unit = (uint8_t)__builtin_ctzll(k->unit);

    return (struct s2_imap_align){{unit, k->larger[0] ? k->larger[0] : unit, k->larger[1] ? k->larger[1] : unit}};
}

/* --- operands ----------------------------------------------------------------------------------------------------- */

uint64_t read_key(struct world *w)
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

uint64_t read_length(struct world *w)
{
    uint64_t b = fuzz_u8(&w->in);

    if (w->keys->longest == UINT32_MAX)
        return UINT64_C(1) << b % 64; /* nearly as many of 2^40 as of one */
    return w->keys->unit * (1 + b % w->keys->longest);
}

struct s2_ival read_value(struct world *w)
{
    uint64_t b = fuzz_u8(&w->in), step = fuzz.step;

    return (struct s2_ival){{step << 8 | b, ~step, b * 0x101010101010101u}};
}

uint32_t read_entry(struct world *w)
{
    const struct flat *f = flat_of(w);
    uint32_t at = fuzz_u16(&w->in);

    return f->count ? at % f->count : 0;
}

void read_ends(struct world *w, uint32_t at, uint64_t *start, uint64_t *end)
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

/* --- comparing ---------------------------------------------------------------------------------------------------- */

void same_entry(bool found, const struct s2_ient *got, const struct s2_ient *want)
{
    FUZZ_EQ(found, want != NULL);
    if (!want)
        return;
    FUZZ_EQ(got->start, want->start);
    FUZZ_EQ(got->end, want->end);
    FUZZ_TRUE(memcmp(&got->val, &want->val, sizeof(got->val)) == 0);
}

void compare_at(struct world *w, uint64_t key)
{
    const struct s2_imap *map = map_of(w);
    const struct flat *f = flat_of(w);
    uint32_t at = flat_from(f, key), below = flat_below(f, key);
    const struct s2_ient *from = at < f->count ? &f->e[at] : NULL;
    struct s2_ient e;

    same_entry(s2_imap_find_from(map, key, &e), &e, from);
    same_entry(s2_imap_find(map, key, &e), &e, from && from->start <= key ? from : NULL);
    same_entry(s2_imap_find_below(map, key, &e), &e, below > 0 ? &f->e[below - 1] : NULL);
}

void compare_all(struct world *w)
{
    const struct flat *f = flat_of(w);
    uint64_t key = 0;
    struct s2_ient e;

    FUZZ_SOUND(s2_imap_check(map_of(w)));
    for (uint32_t i = 0; i < f->count; i++, key = e.end)
        same_entry(s2_imap_find_from(map_of(w), key, &e), &e, &f->e[i]);
    same_entry(s2_imap_find_from(map_of(w), key, &e), &e, NULL);
}

static void compare_near(struct world *w, uint32_t at)
{
    const struct flat *f = flat_of(w);

    if (at < f->count) {
        compare_at(w, f->e[at].start);
        compare_at(w, f->e[at].end);
    }
    if (at > 0 && at <= f->count)
        compare_at(w, f->e[at - 1].end - 1);
}

void edited(struct world *w, uint32_t at, uint32_t n)
{
    const struct flat *f = flat_of(w);
    uint64_t from = at > 0 ? f->e[at - 1].start : f->lo, to = at + n < f->count ? f->e[at + n].end : f->hi;

    FUZZ_EQ(map_of(w)->count, f->count);
    FUZZ_TRUE(f->count > S2_IMAP_LEAF || map_of(w)->nodes == 0);
    compare_near(w, at);
    if (n > 1)
        compare_near(w, at + n);
    if (f->count > FUZZ_FEW) /* else step() */
        FUZZ_SOUND(s2_imap_check_near(map_of(w), from, to));
}

void step(struct world *w)
{
    const struct s2_imap *map = map_of(w);
    unsigned on = w->on;

    fuzz_size(map->count, map->height);
    if (map->count <= FUZZ_FEW)
        FUZZ_SOUND(s2_imap_check(map));
    for (w->on = 0; fuzz.step % FUZZ_ALL == 0 && w->on < 2; w->on++)
        compare_all(w);
    w->on = on;
    fuzz.step++;
}

/* --- nodes -------------------------------------------------------------------------------------------------------- */

bool promise(struct world *w, uint32_t n, uint32_t *need)
{
    *need = s2_imap_need(map_of(w), n);
    if (s2_pool_reserve(&w->pool, *need)) {
        FUZZ_TRUE(*need > w->pool.free - w->pool.reserved);
        return false;
    }
    return true;
}

void kept(struct world *w, uint32_t need, uint32_t before)
{
    s2_pool_unreserve(&w->pool, need);
    FUZZ_EQ(w->pool.reserved, 0);
    FUZZ_TRUE(map_of(w)->nodes <= before || map_of(w)->nodes - before <= need);
    FUZZ_EQ(w->pool.free, w->pool.count - w->map[0].nodes - w->map[1].nodes);
}

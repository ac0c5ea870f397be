/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Operations by key that change a map. */
#include "imap_world.h"

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
    edited(w, at, 1);
}

void try_insert(struct world *w)
{
    uint64_t start = read_key(w), bytes = read_length(w);

    insert_at(w, start, bytes, read_value(w));
}

/* Many side by side, upwards or downwards: what fills nodes and makes the tree grow. What they need together was known
 * before. */
void try_insert_run(struct world *w)
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
        step(w);
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
    edited(w, at, 0);
}

void try_erase(struct world *w)
{
    uint32_t at = read_entry(w);

    if (at < flat_of(w)->count)
        erase_at(w, at);
}

/* Neighbours one after the other, upwards or downwards: what empties nodes. */
void try_erase_run(struct world *w)
{
    uint32_t at = read_entry(w), b = fuzz_u8(&w->in);

    for (uint32_t n = 1 + (b & 31); n > 0 && at < flat_of(w)->count; n--) {
        erase_at(w, at);
        step(w);
        at -= b & 0x80 && at > 0;
    }
}

void try_set(struct world *w)
{
    uint32_t at = read_entry(w);
    struct flat *f = flat_of(w);

    if (at >= f->count)
        return;
    f->e[at].val = read_value(w);
    FUZZ_TELL("map %u: set %#llx", w->on, (unsigned long long)f->e[at].start);
    s2_imap_set(map_of(w), f->e[at].start, &f->e[at].val);
    kept(w, 0, map_of(w)->nodes);
    edited(w, at, 1);
}

void try_resize(struct world *w)
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
    edited(w, at, 1);
}

void try_clear(struct world *w)
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

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A cursor goes about in a map and edits it where it stands. */
#include "imap_world.h"

#define SPLICED 40u /* entries that go, or come, at once */
#define STEPS   24u /* of one cursor */

static void same_place(struct world *w, const struct s2_imap_cursor *at, uint32_t i)
{
    const struct flat *f = flat_of(w);
    struct s2_ient e;

    same_entry(s2_imap_get(at, &e), &e, i < f->count ? &f->e[i] : NULL);
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
    edited(w, i, 1);
}

static void cursor_alter(struct world *w, struct s2_imap_cursor *at, uint32_t i)
{
    struct s2_ient e = {.val = read_value(w)};

    read_ends(w, i, &e.start, &e.end);
    FUZZ_TELL("  alter to [%#llx, %#llx)", (unsigned long long)e.start, (unsigned long long)e.end);
    s2_imap_alter(map_of(w), at, &e);
    flat_of(w)->e[i] = e;
    kept(w, 0, map_of(w)->nodes);
    edited(w, i, 1);
}

static void cursor_drop(struct world *w, struct s2_imap_cursor *at, uint32_t i)
{
    FUZZ_TELL("  drop");
    s2_imap_drop(map_of(w), at);
    flat_drop(flat_of(w), i);
    kept(w, 0, map_of(w)->nodes);
    edited(w, i, 0);
}

/* So many come, spread over the room that there is: each with a byte that says how it lies in its share. */
static uint32_t read_comers(struct world *w, uint64_t from, uint64_t to, struct s2_ient e[SPLICED])
{
    uint64_t unit = flat_of(w)->unit, units = (to - from) / unit;
    uint32_t n = fuzz_u8(&w->in) % (SPLICED + 1);

    n = n < units ? n : (uint32_t)units;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t share = units / n, b = fuzz_u8(&w->in), skip = b < 0x80 ? 0 : b % share;

        e[i].start = from + (i * share + skip) * unit;
        e[i].end = b < 0x40 ? e[i].start + (share - skip) * unit : e[i].start + unit;
        e[i].val = (struct s2_ival){{fuzz.step, i, b}};
    }
    return n;
}

static void cursor_splice(struct world *w, struct s2_imap_cursor *at, uint32_t i)
{
    struct flat *f = flat_of(w);
    uint32_t out = fuzz_u8(&w->in) % (SPLICED + 1), in, need, before = map_of(w)->nodes;
    uint64_t from = i > 0 ? f->e[i - 1].end : f->lo, to;
    struct s2_ient e[SPLICED];

    out = out < f->count - i ? out : f->count - i;
    to = i + out < f->count ? f->e[i + out].start : f->hi;
    in = read_comers(w, from, to, e);
    if (f->count + in > MOST || !promise(w, in > out ? in - out : 0, &need))
        return;
    FUZZ_TELL("  splice: %u go, %u come", out, in);
    s2_imap_splice(map_of(w), at, out, e, in);
    for (; out > 0; out--)
        flat_drop(f, i);
    for (uint32_t k = 0; k < in; k++)
        flat_put(f, i + k, &e[k]);
    kept(w, need, before);
    edited(w, i, in);
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
    else if (how == 15)
        cursor_splice(w, at, i);
    else if (i < f->count && how < 14)
        cursor_drop(w, at, i);
    else if (i < f->count)
        cursor_alter(w, at, i);
    return i;
}

void try_cursor(struct world *w)
{
    uint64_t key = read_key(w);
    uint32_t i = flat_from(flat_of(w), key), steps = 1 + fuzz_u8(&w->in) % STEPS;
    struct s2_imap_cursor at;

    FUZZ_TELL("map %u: seek %#llx", w->on, (unsigned long long)key);
    FUZZ_EQ(s2_imap_seek(map_of(w), key, &at), i < flat_of(w)->count);
    same_place(w, &at, i);
    for (; steps > 0 && fuzz_more(&w->in); steps--, step(w)) {
        i = cursor_step(w, &at, i);
        same_place(w, &at, i);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Where every operation is tried: a zone with areas of one kind, in machines of several layouts. And the operations. */
#ifndef FAILURE_WORLD_H
#define FAILURE_WORLD_H

#include "space_state.h"

/* --- a zone: areas of one kind, and a device among them ------------------------------------------------------------------ */

enum kind { LINEAR, ALLOC, LAZY, OVERCOMMIT, TRAP, KINDS };
static const char *const kind_name[KINDS] = {"linear", "alloc", "lazy", "overcommitted", "trap"};

/* In the zone:
 *
 *     0    4      5    6   8      9        10         11     13
 *     | rw | hole | rw | r | hole | device | 5 pages  | hole |    MiB
 *
 * The five pages are rw and have holes on both sides. Two blocks begin at 0, none is whole at 5; a linear area's backing goes on throughout, so that all can join. */
#define ZONE      MIB(64)
#define ZONE_END  (ZONE + MIB(13))
#define LINEAR_PA (FRAME_BASE + MIB(18))
#define ZONES_PA  MIB(13)
#define SMALL     (MIB(10) + 16 * PAGE)

static inline struct s2_area area_of(enum kind kind, uint64_t from, uint64_t to, uint32_t bits)
{
    uint64_t ipa = ZONE + from, bytes = to - from;
    struct s2_area trap = area_trap(ipa, bytes, 7);

    trap.attr = S2_ATTR(bits);
    switch (kind) {
    case LINEAR:
        return area_linear(ipa, bytes, LINEAR_PA + from, bits);
    case ALLOC:
        return area_alloc(ipa, bytes, bits, 0);
    case LAZY:
        return area_alloc(ipa, bytes, bits, S2_AREA_LAZY);
    case OVERCOMMIT:
        return area_alloc(ipa, bytes, bits, S2_AREA_LAZY | S2_AREA_OVERCOMMIT);
    default:
        return trap;
    }
}

/* --- machines ------------------------------------------------------------------------------------------------------------ */

struct layout {
    const char *name;
    bool small_leaves, fragments, least;
    uint8_t chunk_log2;
    unsigned areas; /* at least so many in all */
};
static const struct layout layouts[] = {
    {"a root leaf with room", false, false, false, 0, 0},
    {"a full root leaf", false, false, false, 0, 16},
    {"trees with nodes", false, true, false, 0, 120},
    {"pages", true, true, true, 16, 15},
};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };

/* Chunks and ledger entries of one page, which join with nothing; and as many such pages for who asks for them. */
static inline void fragment(struct world *w)
{
    enum { FRAGMENTS = 40 };
    const uint64_t pa = FRAME_BASE + MIB(17);
    uint8_t was = w->space.cfg.chunk_log2;
    bool clean;

    for (uint64_t i = 0; i < 4 * FRAGMENTS; i += 2)
        assert_int_equal(s2_frames_alloc_at(&w->frames, pa_range(pa + i * PAGE, PAGE), &clean, NULL), S2_OK);
    w->space.cfg.chunk_log2 = 12;
    assert_int_equal(map_new(w, area_alloc(MIB(96), FRAGMENTS * PAGE, S2_RW, 0)), S2_OK);
    w->space.cfg.chunk_log2 = was;
    assert_true(w->space.chunks.count >= FRAGMENTS);
}

/* Devices on both sides of the zone. */
static inline void fill(struct world *w, unsigned areas)
{
    for (uint64_t i = 0; s2_area_set_count(&w->space.areas) < areas; i++) {
        uint64_t ipa = (i % 2 ? MIB(16) : MIB(128)) + 2 * i * PAGE;

        assert_int_equal(map_new(w, area_trap(ipa, PAGE, i)), S2_OK);
    }
}

/* The first frames are as a new machine has them, zero; to have them zeroed again, each time, would take long. */
static inline void mark_clean(struct world *w, uint64_t frames)
{
    memset(w->frames.region[0].clean, 0xff, frames / 8);
    w->frames.clean = frames;
}

static inline void touch(struct world *w, uint64_t from)
{
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(ZONE + from), "touched", 7, 0, false, &w->d), S2_OK);
}

static inline struct world *make_zone(const struct layout *l, enum kind kind)
{
    struct world_config wc = world_defaults();
    struct world *w;

    if (l->least)
        wc.caps = model_caps_least();
    wc.small_leaves = l->small_leaves;
    wc.chunk_log2 = l->chunk_log2;
    w = world_create(&wc);
    mark_clean(w, MIB(12) / PAGE);
    world_give(w, LINEAR_PA, ZONES_PA, VM, S2_RWX);
    if (l->fragments)
        fragment(w);
    assert_int_equal(map_new(w, area_of(kind, 0, MIB(4), S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_of(kind, MIB(5), MIB(6), S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_of(kind, MIB(6), MIB(8), S2_R)), S2_OK);
    assert_int_equal(map_new(w, area_trap(ZONE + MIB(9), MIB(1), 9)), S2_OK);
    assert_int_equal(map_new(w, area_of(kind, SMALL, SMALL + 5 * PAGE, S2_RW)), S2_OK);
    fill(w, l->areas);
    if (kind != TRAP) {
        touch(w, 0);
        touch(w, MIB(3));
        touch(w, MIB(5));
        touch(w, SMALL + PAGE);
    }
    world_run(w);
    if (kind != TRAP)
        assert_true(guest(w, ZONE, MODEL_WRITE).done);
    return w;
}

/* --- operations ---------------------------------------------------------------------------------------------------------- */

enum action {
    MAP,
    PIECES,
    REPLACE,
    SWAP,
    EXTEND,
    UNMAP,
    EXPECTED,
    RENAME,
    PROTECT,
    DROP_WRITE,
    SKIP_ALL,
    POPULATE,
    PROTECT_LONG,
    FAULT,
    COPY_IN,
    COPY_OUT,
    REFILL
};

#define FOR(kind) (1u << (kind))
#define ANY       (FOR(KINDS) - 1)
#define IS_LAZY   (FOR(LAZY) | FOR(OVERCOMMIT))
#define IS_MEMORY (ANY & ~FOR(TRAP))

struct scene {
    const char *name;
    enum action action;
    uint64_t from, to;
    uint32_t bits;
    unsigned kinds;
};

static const struct scene scenes[] = {
    {"map alone", MAP, MIB(11), MIB(11) + 3 * PAGE, S2_RW, ANY},
    {"map blocks alone", MAP, MIB(8) + MIB(3), MIB(13), S2_RWX, ANY},
    {"map pieces", PIECES, MIB(11), MIB(11) + 30 * PAGE, S2_RW, FOR(ALLOC)},
    {"map, joined below", MAP, MIB(4), MIB(4) + 5 * PAGE, S2_RW, ANY},
    {"map, joined above", MAP, MIB(5) - 5 * PAGE, MIB(5), S2_RW, ANY},
    {"map, joined on both sides", MAP, MIB(4), MIB(5), S2_RW, ANY},
    {"map beside what is unlike it", MAP, MIB(8), MIB(8) + 4 * PAGE, S2_RW, ANY},
    {"replace nothing", REPLACE, MIB(11), MIB(11) + 2 * PAGE, S2_RW, ANY},
    {"replace a middle", REPLACE, MIB(1), MIB(1) + 3 * PAGE, S2_R, ANY},
    {"replace a middle by its like", REPLACE, MIB(1), MIB(1) + 3 * PAGE, S2_RW, ANY},
    {"replace a head", REPLACE, 0, PAGE, S2_R, ANY},
    {"replace a tail", REPLACE, MIB(3), MIB(4), S2_R, ANY},
    {"replace a head, joined below", REPLACE, MIB(6), MIB(6) + 3 * PAGE, S2_RW, ANY},
    {"replace several, joined above", REPLACE, MIB(3) + PAGE, MIB(7), S2_R, ANY},
    {"replace several, joined on both sides", REPLACE, MIB(3), MIB(5) + KIB(512), S2_RW, ANY},
    {"replace whole ones", REPLACE, 0, MIB(8), S2_RX, ANY},
    {"swap a whole one", SWAP, MIB(5), MIB(6), S2_RX, ANY},
    {"swap a middle", SWAP, MIB(1), MIB(1) + 3 * PAGE, S2_R, ANY},
    {"swap a head, joined below", SWAP, MIB(6), MIB(6) + 3 * PAGE, S2_RW, ANY},
    {"extend up", EXTEND, 0, MIB(4) + 3 * PAGE, S2_RW, ANY},
    {"extend up, joined above", EXTEND, 0, MIB(5), S2_RW, ANY},
    {"extend down", EXTEND, MIB(5) - 3 * PAGE, MIB(6), S2_RW, ANY},
    {"extend at both ends", EXTEND, SMALL - 2 * PAGE, SMALL + 9 * PAGE, S2_RW, ANY},
    {"unmap what is expected", EXPECTED, 0, 0, 0, ANY},
    {"unmap what is expected beside another", EXPECTED, MIB(6), 0, 0, ANY},
    {"rename", RENAME, MIB(6), 0, 0, ANY},
    {"unmap a hole", UNMAP, MIB(4), MIB(5), 0, ANY},
    {"unmap a head", UNMAP, 0, PAGE, 0, ANY},
    {"unmap a block at the head", UNMAP, 0, MIB(2), 0, ANY},
    {"unmap a tail", UNMAP, MIB(4) - PAGE, MIB(4), 0, ANY},
    {"unmap a middle", UNMAP, MIB(1), MIB(1) + PAGE, 0, ANY},
    {"unmap across a block's end", UNMAP, MIB(1), MIB(3), 0, ANY},
    {"unmap several in part", UNMAP, MIB(3) + PAGE, MIB(7) + PAGE, 0, ANY},
    {"unmap a whole one", UNMAP, MIB(5), MIB(6), 0, ANY},
    {"unmap all", UNMAP, 0, MIB(13), 0, ANY},
    {"protect a whole one", PROTECT, 0, MIB(4), S2_R, ANY},
    {"protect a head", PROTECT, 0, PAGE, S2_R, ANY},
    {"protect a tail", PROTECT, MIB(4) - PAGE, MIB(4), S2_R, ANY},
    {"protect a middle", PROTECT, MIB(1), MIB(1) + PAGE, S2_R, ANY},
    {"protect a block", PROTECT, MIB(2), MIB(4), S2_RX, ANY},
    {"protect, joined below", PROTECT, MIB(6), MIB(8), S2_RW, ANY},
    {"protect a head, joined below", PROTECT, MIB(6), MIB(6) + PAGE, S2_RW, ANY},
    {"protect a tail, joined above", PROTECT, MIB(6) - PAGE, MIB(6), S2_R, ANY},
    {"protect several and holes", DROP_WRITE, MIB(1) + PAGE, SMALL + PAGE, 0, ANY},
    {"protect several whole ones", DROP_WRITE, 0, MIB(13), 0, ANY},
    {"protect, and skip all", SKIP_ALL, MIB(1), MIB(11), 0, ANY},
    {"populate in steps", POPULATE, MIB(4), MIB(5), S2_RW, FOR(ALLOC)},
    {"populate blocks in steps", POPULATE, MIB(11), MIB(13), S2_RWX, FOR(ALLOC)},
    {"protect in steps", PROTECT_LONG, MIB(1) + PAGE, SMALL + PAGE, 0, ANY},
    {"protect a middle in steps", PROTECT_LONG, MIB(1), MIB(1) + PAGE, 0, ANY},
    {"fault", FAULT, MIB(7), 0, 0, IS_LAZY},
    {"fault beside a chunk", FAULT, SMALL + 3 * PAGE, 0, 0, IS_LAZY},
    {"fault in a chunk", FAULT, PAGE, 0, 0, IS_LAZY},
    {"copy in", COPY_IN, MIB(7) + 5, 0, 0, IS_MEMORY},
    {"copy out", COPY_OUT, MIB(7) + 5, 0, 0, IS_MEMORY},
    {"refill", REFILL, 0, 0, 0, ANY},
};
enum { SCENES = sizeof scenes / sizeof scenes[0] };

static inline bool drop_write(void *arg, const struct s2_area *area, s2_attr *attr)
{
    (void)arg;
    if (area->backend == &s2_backend_trap && area->backing == 9)
        return false;
    attr->bits &= ~(uint32_t)S2_W;
    return true;
}
static inline bool skip_all(void *arg, const struct s2_area *area, s2_attr *attr)
{
    (void)arg;
    (void)attr;
    return area->range.start.v % MIB(2) != 0; /* leaves it, or says that it stays the same */
}

/* The area there. */
static inline struct s2_area area_at(struct world *w, uint64_t from)
{
    struct s2_area a;

    assert_true(s2_space_find(&w->space, S2_IPA(ZONE + from), &a));
    return a;
}

/* What comes before, and may not fail. */
static inline void ready(struct world *w, const struct scene *s)
{
    if (s->action == REFILL)
        s2_cache_drain(&w->space, &w->cache);
    if (s->action == FAULT)
        assert_int_equal(s2_cache_refill(&w->space, &w->cache), S2_OK);
}

/* *begun: what may be refused is behind. */
static inline enum s2_err populate(struct world *w, const struct s2_area *area, void (*begun)(void))
{
    struct s2_long l;
    enum s2_err err = s2_space_map_begin(&w->space, &l, area, &w->d);

    begun();
    if (err)
        return err;
    while (s2_space_map_step(&l, 100))
        ;
    s2_space_map_end(&l);
    return S2_OK;
}

static inline enum s2_err protect_long(struct world *w, struct s2_ipa_range range, void (*begun)(void))
{
    struct s2_long l;
    enum s2_err err = s2_space_protect_begin(&w->space, &l, range, drop_write, NULL, &w->d);

    begun();
    if (err)
        return err;
    while (s2_space_protect_step(&l, 100))
        ;
    return s2_space_protect_end(&l);
}

/* A guest's write, when all is ready for it; `lacks`: what stands for a fault that finds no memory. */
static inline enum s2_err fault(struct world *w, uint64_t ipa, enum s2_err lacks)
{
    struct s2_fault f = {.kind = S2_FAULT_TRANSLATION, .access = S2_ACCESS_READ, .has_ipa = true, .ipa = S2_IPA(ipa)};
    struct s2_fault_result out;
    enum s2_answer answer = s2_space_fault(&w->space, &w->cache, &f, &out);

    if (answer == S2_RETRY)
        return S2_OK;
    assert_int_equal(answer, S2_VIOLATION);
    assert_int_equal(out.why, S2_NO_MEMORY);
    return lacks;
}

/* In the area that grows to [from, to). */
static inline s2_ipa extended(const struct scene *s)
{
    const uint64_t start[] = {0, MIB(5), SMALL};
    unsigned i = 0;

    while (start[i] < s->from || start[i] >= s->to)
        i++;
    return S2_IPA(ZONE + start[i]);
}

/* With chunks of a page. */
static inline enum s2_err map_pieces(struct world *w, struct s2_area area)
{
    uint8_t was = w->space.cfg.chunk_log2;
    enum s2_err err;

    w->space.cfg.chunk_log2 = 12;
    err = map_new(w, area);
    w->space.cfg.chunk_log2 = was;
    return err;
}

static inline void nothing(void)
{
}

struct doing {
    const struct scene *scene;
    enum kind kind;
    enum s2_err lacks;   /* what a fault returns that finds no memory */
    void (*begun)(void); /* long work has begun */
};

static inline enum s2_err act(struct world *w, const struct doing *d)
{
    const struct scene *s = d->scene;
    struct s2_area area = area_of(d->kind, s->from, s->to, s->bits), there;
    char bytes[7] = "copied";

    switch (s->action) {
    case MAP:
        return map_new(w, area);
    case PIECES:
        return map_pieces(w, area);
    case REPLACE:
        return map_over(w, area);
    case SWAP:
        there = area_at(w, s->from);
        return s2_space_swap(&w->space, &area, there.backend, &w->d);
    case EXTEND:
        return s2_space_extend(&w->space, extended(s), area.range, &w->d);
    case EXPECTED:
        there = area_at(w, s->from);
        return s2_space_unmap_expected(&w->space, &there, &w->d);
    case RENAME:
        return s2_space_rename(&w->space, area.range.start, 5, &w->d);
    case UNMAP:
        return unmap(w, ZONE + s->from, s->to - s->from);
    case PROTECT:
        return protect(w, ZONE + s->from, s->to - s->from, s->bits);
    case DROP_WRITE:
        return s2_space_protect(&w->space, area.range, drop_write, NULL, &w->d);
    case SKIP_ALL:
        return s2_space_protect(&w->space, area.range, skip_all, NULL, &w->d);
    case POPULATE:
        return populate(w, &area, d->begun);
    case PROTECT_LONG:
        return protect_long(w, area.range, d->begun);
    case FAULT:
        return fault(w, ZONE + s->from, d->lacks);
    case COPY_IN:
        return s2_space_copy_in(&w->space, S2_IPA(ZONE + s->from), bytes, sizeof bytes, 0, false, &w->d);
    case COPY_OUT:
        return s2_space_copy_out(&w->space, bytes, S2_IPA(ZONE + s->from), sizeof bytes, S2_R, &w->d);
    case REFILL:
        return s2_cache_refill(&w->space, &w->cache);
    }
    return S2_OK;
}

/* Must never lack anything: what removes, and what leaves no more areas than there were. */
static inline bool never_lacks(const struct scene *s, uint64_t areas_before, uint64_t areas_after)
{
    return s->action == UNMAP || s->action == EXPECTED || s->action == RENAME ||
           ((s->action == PROTECT || s->action == DROP_WRITE || s->action == SKIP_ALL) && areas_after <= areas_before);
}

#endif

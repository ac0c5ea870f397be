/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the suites of long work share: worlds with neighbours on all sides. */
#ifndef LONG_WORLD_H
#define LONG_WORLD_H

#include "space_state.h"

static struct state before __attribute__((unused)), after __attribute__((unused));

/* --- worlds -------------------------------------------------------------------------------------------------------------- */

#define AREA  MIB(64)
#define BYTES (MIB(6) + 5 * PAGE)

struct kind {
    const char *name;
    bool small_leaves, clean, pieces;
    uint8_t chunk_log2;
    struct s2_caps (*caps)(void);
};
static const struct kind kinds[] = {
    {"blocks", false, false, false, 0, model_caps_most},
    {"pages", true, false, false, 0, model_caps_most},
    {"clean blocks", false, true, false, 0, model_caps_most},
    {"clean pages", true, true, false, 0, model_caps_least},
    {"pieces", false, false, true, 0, model_caps_most},
    {"small chunks", false, false, true, 14, model_caps_least},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

/* Memory with neighbours: areas below and above that the new one joins, others that share its tables. */
static inline struct world *make(const struct kind *k)
{
    struct world_config wc = world_defaults();
    struct world *w;
    bool clean;

    wc.caps = k->caps();
    wc.small_leaves = k->small_leaves;
    wc.chunk_log2 = k->chunk_log2;
    wc.nodes = 1024;
    wc.ledger_nodes = 2048;
    w = world_create(&wc);
    while (k->clean && s2_frames_scrub_step(&w->frames, 1024))
        ;
    for (uint64_t i = 0; k->pieces && i < 60; i++)
        assert_int_equal(s2_frames_alloc_at(&w->frames, pa_range(FRAME_BASE + i * 7 * PAGE, PAGE), &clean, NULL),
                         S2_OK);
    assert_int_equal(map_new(w, area_alloc(AREA - 3 * PAGE, 3 * PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(AREA + BYTES, PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(AREA + BYTES + PAGE, PAGE, S2_R, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(32), MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    world_run(w);
    assert_true(guest(w, AREA - PAGE, MODEL_WRITE).done);
    world_check(w);
    return w;
}

/* Until nothing is left to promote. */
static inline void promote_all(struct world *w)
{
    while (s2_space_promote_step(&w->space, 100))
        ;
}

static inline const struct s2_area *wanted(void)
{
    static struct s2_area a;

    a = area_alloc(AREA, BYTES, S2_RW, 0);
    return &a;
}
static inline enum s2_err begin_map(struct world *w, struct s2_long *l)
{
    return s2_space_map_begin(&w->space, l, wanted(), &w->d);
}

/* --- much to protect --- */

/* Read-only, but for what is a device. */
static inline bool read_only(void *arg, const struct s2_area *area, s2_attr *attr)
{
    unsigned *calls = arg;

    ++*calls;
    attr->bits &= ~(uint32_t)S2_W;
    return area->backend != &s2_backend_trap;
}

#define MANY MIB(128)

/* Six areas and holes: blocks, pages, what a guest has touched of lazy memory, emulated devices. */
static inline struct world *make_many(const struct kind *k)
{
    struct world *w = make(k);

    assert_int_equal(map_new(w, area_alloc(MANY, MIB(4), S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MANY + MIB(4), 70 * PAGE, S2_RWX, 0)), S2_OK);
    assert_int_equal(map_new(w, area_trap(MANY + MIB(5), PAGE, 7)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MANY + MIB(6), MIB(3), S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MANY + MIB(9), 9 * PAGE, S2_R, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MANY + MIB(10), MIB(3), S2_RW, 0)), S2_OK);
    for (uint64_t i = 0; i < 40; i++)
        assert_true(guest(w, MANY + MIB(6) + i * 17 * PAGE, MODEL_WRITE).done);
    world_check(w);
    return w;
}
static inline struct s2_ipa_range many(void)
{
    return ipa_range(MANY + MIB(1), MIB(11));
}

static inline enum s2_err begin_unmap(struct world *w, struct s2_long *l)
{
    return s2_space_unmap_begin(&w->space, l, many(), &w->d);
}

/* --- the end of a space that has begun to go ------------------------------------------------------------------------------- */

static inline void expect_nothing_left(struct world *w)
{
    while (s2_space_destroy_step(&w->space, 33))
        ;
    s2_space_destroy_end(&w->space);
    world_expect_nothing(w);
}

#endif

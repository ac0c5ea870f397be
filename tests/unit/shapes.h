/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A machine and a table for each combination of granule, DS, TLBIRANGE, TTL, FEAT_BBM, HAFDBS and of where the edited VM is
 * loaded; and edits that reserve as much as need says. */
#ifndef SHAPES_H
#define SHAPES_H

#include "unit.h"

#include <stdio.h>
#include <string.h>

#include <model.h>

#include "table/table.h"

#define RAM       0x40000000ull
#define RAM_BYTES (96ull << 20)
#define HIGH      ((15ull << 48) + RAM)
#define POOL_MAX  (RAM_BYTES >> 12)
#define GIB       (1ull << 30)
#define TIB       (1ull << 40)
/* Where the tests map, to the same PA: aligned to every run; FIRST also to every leaf, as range operations with no level hint
 * want it at 4K with DS (architecture rule 7). */
#define FIRST (8 * TIB)
#define AT    (FIRST + 64 * GIB)

#define MIXED (-9) /* instead of a level */

enum place { LOADED, OTHER_LOADED, NONE_LOADED, PLACES };

/* A granule, and whether with DS. What it has by level is the Arm ARM's (D8.3.1, D8.7.1), not asked of the library. */
struct shape {
    const char *name;
    uint8_t granule_log2, stride, block_level;
    bool ds;
    uint8_t members[4]; /* of a run, by level */
};
static const struct shape shapes[] = {
    {"4K", 12, 9, 1, false, {0, 16, 16, 16}},   {"4K DS", 12, 9, 0, true, {0, 16, 16, 16}},
    {"16K", 14, 11, 2, false, {0, 0, 32, 128}}, {"16K DS", 14, 11, 1, true, {0, 0, 32, 128}},
    {"64K", 16, 13, 1, false, {0, 0, 32, 32}},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0], BBMS = 3, COMBINATIONS = SHAPES * BBMS * PLACES * 8 };

struct combination {
    const struct shape *shape;
    bool range, ttl, hardware;
    uint8_t bbm;
    enum place place;
    char name[96];
};

/* What a row asks for besides. */
struct more {
    bool repeat, short_ranges;
    bool tracked; /* by faults where the CPU does not */
    bool high;    /* tables at the top of what a root and descriptors can say */
};

static const struct combination *now;
static struct more more;
static struct s2_port *m;
static struct s2_caps caps;
static struct s2_geometry geo;
static struct s2_tpool pool;
static struct s2_vmids vmids;
static struct s2_table mine, other;
static struct s2_tpage meta[POOL_MAX];

/* --- sizes ----------------------------------------------------------------------------------------------------------- */

static inline uint64_t leaf_bytes(int level)
{
    return 1ull << (now->shape->granule_log2 + (3 - level) * now->shape->stride);
}
#define PAGE  leaf_bytes(3)
#define BLOCK leaf_bytes(2)
/* Outputs of 52 bits. */
static inline bool is_wide(void)
{
    return now->shape->ds || now->shape->granule_log2 == 16;
}
static inline uint64_t run_bytes(int level)
{
    return now->shape->members[level] * leaf_bytes(level);
}
/* Every level that has leaves, every one that has runs. */
#define EACH_LEAF(level) for (int level = now->shape->block_level; level <= 3; level++)
#define EACH_RUN(level)                                                                                                \
    for (int level = now->shape->block_level; level <= 3; level++)                                                     \
        if (now->shape->members[level])

/* --- one combination ------------------------------------------------------------------------------------------------- */

static inline void load_none(void)
{
    s2_port_load_context(m, 0, 0);
    s2_port_barrier(m, S2_ISB);
}

static inline void make_table(struct s2_table *t, uint16_t id)
{
    assert_int_equal(s2_table_init(t, m, &caps, &geo, &pool, &vmids, POOL_MAX, id), S2_OK);
}

/* The table under test has run; then (settle) the combination's place holds. */
static inline void begin_with(struct more with)
{
    struct model_config cfg = {.cpus = 2, .strict = true, .bank = {{with.high ? HIGH : RAM, RAM_BYTES}}};
    struct s2_geometry_request req = {
        .granule = (enum s2_granule)now->shape->granule_log2,
        .ipa_bits = 48,
        .wide = now->shape->ds,
        .access_flag = now->hardware || with.tracked,
        .dirty = now->hardware || with.tracked,
    };
    struct s2_detail d;

    more = with;
    caps = model_caps_most();
    caps.tlbirange = now->range;
    caps.ttl = now->ttl;
    caps.bbm = now->bbm;
    caps.haf = caps.hdbs = now->hardware;
    caps.repeat_tlbi = with.repeat;
    caps.short_ranges = with.short_ranges;
    cfg.caps = caps;
    m = model_create(&cfg);
    if (with.tracked && !now->hardware)
        model_set_tracking(m, true, true);
    assert_int_equal(s2_geometry_make(&caps, &req, &geo, &d), S2_OK);
    assert_int_equal(geo.block_level, now->shape->block_level);
    assert_int_equal(s2_tpool_init(&pool, m, S2_PA(cfg.bank[0].base), RAM_BYTES, now->shape->granule_log2, meta),
                     S2_OK);
    s2_vmids_init(&vmids, m, caps.vmid_bits);
    make_table(&mine, 2);
    make_table(&other, 3);
    s2_table_load(&mine);
}

static inline void begin(void)
{
    begin_with((struct more){.repeat = false});
}

static inline void settle(void)
{
    if (now->place == OTHER_LOADED)
        s2_table_load(&other);
    else if (now->place == NONE_LOADED)
        load_none();
    model_expect_quiet(m);
    assert_true(model_ok(m));
    model_reset_counters(m);
}

static inline void finish(void)
{
    const char *wrong = s2_table_check(&mine);

    model_expect_quiet(m);
    if (!model_ok(m))
        wrong = "the model objects";
    if (wrong)
        fail_msg("%s: %s", now->name, wrong);
    model_destroy(m);
}

/* --- edits ------------------------------------------------------------------------------------------------------------ */

static inline struct s2_ipa_range span(uint64_t start, uint64_t bytes)
{
    return (struct s2_ipa_range){S2_IPA(start), S2_IPA(start + bytes)};
}
static inline struct s2_tstash take(uint32_t n)
{
    struct s2_tstash stash = S2_TSTASH_EMPTY;

    assert_int_equal(s2_tpool_take(&pool, &mine.quota, n, &stash), S2_OK);
    return stash;
}
static inline void done(struct s2_gather *g, struct s2_tstash *stash)
{
    s2_gather_flush(&mine, g);
    s2_gather_free(&mine, g);
    s2_tpool_give(&pool, &mine.quota, stash);
}
/* pa - ipa = offset; an odd page of offset keeps leaves at page size. */
static inline void map(uint64_t start, uint64_t bytes, uint64_t offset, uint32_t attr)
{
    s2_pa pa = S2_PA(start + offset);
    struct s2_tstash stash = take(s2_table_need_map(&mine, span(start, bytes), pa, false));
    struct s2_gather g;

    s2_gather_init(&g);
    s2_table_map(&mine, &stash, &g, span(start, bytes), pa, S2_ATTR(attr));
    done(&g, &stash);
}
static inline void unmap(uint64_t start, uint64_t bytes)
{
    struct s2_tstash stash = take(s2_table_need_cut(&mine, span(start, bytes)));
    struct s2_gather g;

    s2_gather_init(&g);
    s2_table_unmap(&mine, &stash, &g, span(start, bytes));
    done(&g, &stash);
}
static inline void protect(uint64_t start, uint64_t bytes, uint32_t attr)
{
    struct s2_tstash stash = take(s2_table_need_cut(&mine, span(start, bytes)));
    struct s2_gather g;

    s2_gather_init(&g);
    s2_table_protect(&mine, &stash, &g, span(start, bytes), S2_ATTR(attr));
    done(&g, &stash);
}
static inline struct s2_ipa_range everywhere(void *arg, s2_ipa ipa)
{
    (void)arg;
    (void)ipa;
    return span(0, 1ull << 48);
}
static inline struct s2_ipa_range nowhere(void *arg, s2_ipa ipa)
{
    (void)arg;
    return (struct s2_ipa_range){ipa, ipa};
}
/* One call, one flush. */
static inline bool promote(s2_within_fn *within)
{
    struct s2_tstash none = S2_TSTASH_EMPTY;
    struct s2_gather g;
    bool more_left;

    s2_gather_init(&g);
    more_left = s2_table_promote(&mine, &g, 4, within, NULL);
    done(&g, &none);
    return more_left;
}

/* --- the product ------------------------------------------------------------------------------------------------------ */

/* Those of the VM that is loaded, with every way to invalidate: or all. */
static inline void combinations(void (*row)(void), bool all)
{
    for (unsigned i = 0; i < COMBINATIONS; i++) {
        struct combination c = {.range = i & 1, .ttl = i & 2, .hardware = i & 4};

        c.bbm = (uint8_t)(i / 8 % BBMS);
        c.place = (enum place)(i / 8 / BBMS % PLACES);
        c.shape = &shapes[i / 8 / BBMS / PLACES];
        snprintf(c.name, sizeof c.name, "%s TLBIRANGE %d TTL %d BBM %d HAFDBS %d place %d", c.shape->name, c.range,
                 c.ttl, c.bbm, c.hardware, (int)c.place);
        now = &c;
        if (all || (c.range && c.ttl && c.place == LOADED))
            row();
    }
}
static inline void all_combinations(void **state)
{
    combinations(*(void (*const *)(void)) * state, true);
}
static inline void all_shapes(void **state)
{
    combinations(*(void (*const *)(void)) * state, false);
}

/* A test: DRIVER is one of the two above. */
#define ROW(name)                                                                                                      \
    {                                                                                                                  \
#name, DRIVER, NULL, NULL, (void *)(uintptr_t) & (void (*const[1])(void))                                      \
        {                                                                                                              \
            name                                                                                                       \
        }                                                                                                              \
    }

#endif

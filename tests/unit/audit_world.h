/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A whole machine with two VMs, and what its audit finds. */
#ifndef AUDIT_WORLD_H
#define AUDIT_WORLD_H

#include "space_world.h"

#include <stage2/audit.h>

#define LINEAR    MIB(16)
#define LINEAR_PA (FRAME_BASE + MIB(16))
#define THEIRS_PA (FRAME_BASE + MIB(20))
#define FREE_PA   (FRAME_BASE + MIB(26)) /* and above it */
#define ALLOC     MIB(32)
#define LAZY      MIB(48)
#define TRAP      MIB(64)
#define LONG      MIB(96)
#define DEVICE    MIB(128)

enum { FINDINGS = 32, ALL = 1u << 30 };

struct machine {
    struct world *w; /* its space is VM's */
    struct s2_space other;
    struct s2_pool nodes;
    void *node_mem;
    bool has_other, busy_caches;
    struct s2_audit_config cfg;
    struct s2_audit audit;
    struct s2_finding finding[FINDINGS];
    unsigned findings;
};

static inline struct s2_space *space_at(void *arg, unsigned i)
{
    struct machine *m = arg;

    return i == 0 ? &m->w->space : m->has_other ? &m->other : NULL;
}

static inline bool cached(void *arg, unsigned i, uint32_t *pages)
{
    struct machine *m = arg;

    *pages = i == 0 ? m->w->cache.tables.count : 0;
    return !m->busy_caches;
}

static inline void found(void *arg, const struct s2_finding *f)
{
    struct machine *m = arg;

    if (m->findings < FINDINGS)
        m->finding[m->findings++] = *f;
}

static inline void fill(struct s2_space *sp, uint64_t pa, uint64_t device)
{
    struct s2_area areas[] = {
        area_linear(LINEAR, MIB(2) + PAGE, pa, S2_RW),
        area_alloc(ALLOC, MIB(2) + PAGE, S2_RW, 0),
        area_alloc(LAZY, MIB(2), S2_RW, S2_AREA_LAZY),
        area_trap(TRAP, MIB(2), 1),
        area_linear(DEVICE, PAGE, device, S2_RW | S2_MT_DEV_nGnRE),
    };

    for (unsigned i = 0; i < sizeof areas / sizeof areas[0]; i++)
        assert_int_equal(s2_space_map(sp, &areas[i], S2_MAP_NEW, NULL), S2_OK);
    assert_int_equal(s2_space_copy_in(sp, S2_IPA(LAZY), "x", 1, 0, false, NULL), S2_OK);
}

/* All of an audit in steps of that budget. */
static inline uint64_t audit(struct machine *m, uint64_t budget)
{
    m->findings = 0;
    s2_audit_begin(&m->audit, &m->cfg);
    while (s2_audit_step(&m->audit, budget))
        ;
    assert_false(s2_audit_step(&m->audit, budget));
    assert_int_equal(s2_audit_end(&m->audit), m->findings);
    return m->findings;
}

static inline void clean(struct machine *m)
{
    if (audit(m, ALL))
        fprintf(stderr, "# vm %u: %s at 0x%llx\n", m->finding[0].vm, m->finding[0].detail.what,
                (unsigned long long)m->finding[0].detail.asked_start);
    assert_int_equal(m->findings, 0);
    assert_int_equal(audit(m, 1), 0);
    assert_int_equal(audit(m, 0), 0);
    /* While VMs run, not all is asked for, nor at once. */
    bool was = m->busy_caches;
    m->busy_caches = true;
    assert_int_equal(audit(m, 1), 0);
    m->busy_caches = was;
    assert_int_equal(model_locks_held(), 0);
}

/* One of the findings is this one; `start`: where it begins. */
static inline const struct s2_finding *finds(struct machine *m, uint16_t vm, const char *what, uint64_t start)
{
    (void)audit(m, ALL);
    for (unsigned i = 0; i < m->findings; i++)
        if (m->finding[i].vm == vm && !strcmp(m->finding[i].detail.what, what)) {
            assert_int_equal(m->finding[i].detail.asked_start, start);
            return &m->finding[i];
        }
    for (unsigned i = 0; i < m->findings; i++)
        fprintf(stderr, "# vm %u: %s at 0x%llx\n", m->finding[i].vm, m->finding[i].detail.what,
                (unsigned long long)m->finding[i].detail.asked_start);
    fail_msg("not found: %s", what);
    return NULL;
}

static inline int setup(void **state)
{
    struct world_config wc = world_defaults();
    struct machine *m = world_alloc(sizeof *m);
    struct s2_space_config other;
    struct world *w;

    memset(m, 0, sizeof *m);
    wc.not_strict = true; /* tables are scribbled on */
    wc.frame_quota /= 2;
    wc.table_pages = 128;
    m->w = w = world_create(&wc);
    m->node_mem = world_alloc((size_t)wc.nodes * S2_NODE_BYTES);
    s2_pool_init(&m->nodes, m->node_mem, (size_t)wc.nodes * S2_NODE_BYTES);
    other = w->cfg;
    other.id = OTHER;
    other.nodes = &m->nodes;
    assert_int_equal(s2_space_init(&m->other, &other, NULL), S2_OK);
    m->has_other = true;
    world_give(w, LINEAR_PA, MIB(4), VM, S2_RWX);
    world_give(w, THEIRS_PA, MIB(4), OTHER, S2_RWX);
    world_give(w, DEVICE_BASE, PAGE, VM, S2_RW);
    world_give(w, DEVICE_BASE + PAGE, PAGE, OTHER, S2_RW);
    fill(&w->space, LINEAR_PA, DEVICE_BASE);
    fill(&m->other, THEIRS_PA, DEVICE_BASE + PAGE);
    m->cfg = (struct s2_audit_config){.ledger = &w->ledger,
                                      .frames = &w->frames,
                                      .tables = &w->tables,
                                      .pools = 1,
                                      .vmids = &w->vmids,
                                      .spaces = 2,
                                      .space = space_at,
                                      .cached = cached,
                                      .found = found,
                                      .arg = m};
    clean(m);
    *state = m;
    return 0;
}

/* Once it is dying. */
static inline void finish_other(struct machine *m)
{
    while (s2_space_destroy_step(&m->other, 64))
        clean(m); /* dying is no finding */
    s2_space_destroy_end(&m->other);
    m->has_other = false;
    clean(m);
    while (s2_space_disown_step(&m->other))
        ;
}

static inline void end_other(struct machine *m)
{
    s2_space_destroy_begin(&m->other);
    finish_other(m);
}

static inline int teardown(void **state)
{
    struct machine *m = *state;

    clean(m);
    if (m->has_other)
        end_other(m);
    clean(m);
    world_check(m->w);
    world_destroy(m->w);
    free(m->node_mem);
    free(m);
    return 0;
}

static inline struct s2_ledger_entry entry_at(struct machine *m, uint64_t pa, uint64_t bytes)
{
    struct s2_ledger_entry e;

    assert_true(s2_ledger_find(&m->w->ledger, S2_PA(pa), &e));
    if (e.ipa.v != S2_IPA_NONE.v)
        e.ipa.v += pa - e.range.start.v;
    e.range = pa_range(pa, bytes);
    return e;
}

static inline uint64_t pa_of(struct s2_space *sp, uint64_t ipa)
{
    struct s2_leaf leaf;

    assert_true(s2_space_translate(sp, S2_IPA(ipa), &leaf));
    return leaf.pa.v + (ipa - leaf.range.start.v);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif

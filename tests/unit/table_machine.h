/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the table suites share: a strict machine, a pool, tables, and operations that reserve as much as need says, flush,
 * free, and look whether everything is as it should be. */
#ifndef TABLE_MACHINE_H
#define TABLE_MACHINE_H

#include "unit.h"

#include <string.h>

#include "model.h"
#include "table/table.h"

#define KIB      1024ull
#define MIB      (1024 * KIB)
#define GIB      (1024 * MIB)
#define TIB      (1024 * GIB)
#define PAGE     (4 * KIB)
#define POOL_PA  0x40000000ull
#define POOL_MAX 600u /* table pages */

struct machine {
    struct s2_port *port;
    struct s2_tpool pool;
    struct s2_tpage meta[POOL_MAX];
    struct s2_vmids vmids;
    struct s2_caps caps;
    struct s2_table t;
    uint32_t spare; /* pages that the last operation reserved and did not use */
};

struct machine_config {
    unsigned ipa_bits; /* 0: 40 */
    unsigned cpus;     /* 0: 2 */
    bool least;        /* the oldest CPU instead of the newest */
    bool access_flag, dirty;
    uint8_t bbm;  /* of the newest CPU */
    bool threads; /* for several: a machine that only counts */
    bool no_range, no_ttl, no_fwb, no_xnx, repeat, short_ranges;
};

static inline struct s2_ipa_range span(uint64_t start, uint64_t bytes)
{
    return (struct s2_ipa_range){S2_IPA(start), S2_IPA(start + bytes)};
}

static inline void table_create(struct machine *m, struct s2_table *t, const struct machine_config *cfg, uint16_t id)
{
    struct s2_geometry_request req = {
        .granule = S2_4K,
        .ipa_bits = (uint8_t)(cfg->ipa_bits ? cfg->ipa_bits : 40),
        .access_flag = cfg->access_flag,
        .dirty = cfg->dirty,
    };
    struct s2_geometry geo;

    assert_int_equal(s2_geometry_make(&m->caps, &req, &geo, NULL), S2_OK);
    assert_int_equal(s2_table_init(t, m->port, &m->caps, &geo, &m->pool, &m->vmids, POOL_MAX, id), S2_OK);
}

static inline void machine_create(struct machine *m, const struct machine_config *cfg)
{
    struct model_config model = {
        .cpus = cfg->cpus ? cfg->cpus : 2,
        .strict = !cfg->threads,
        .irqs_on = true,
        .any_frame = true,
        .bank = {{POOL_PA, POOL_MAX * PAGE}},
    };

    memset(m, 0, sizeof *m);
    m->caps = cfg->least ? model_caps_least() : model_caps_most();
    if (!cfg->least)
        m->caps.bbm = cfg->bbm;
    if (cfg->no_range)
        m->caps.tlbirange = false;
    if (cfg->no_ttl)
        m->caps.ttl = false;
    if (cfg->no_fwb)
        m->caps.fwb = false;
    if (cfg->no_xnx)
        m->caps.xnx = false;
    m->caps.repeat_tlbi = cfg->repeat;
    m->caps.short_ranges = cfg->short_ranges;
    model.caps = m->caps;
    m->port = model_create(&model);
    assert_int_equal(s2_tpool_init(&m->pool, m->port, S2_PA(POOL_PA), POOL_MAX * PAGE, 12, m->meta), S2_OK);
    s2_vmids_init(&m->vmids, m->port, m->caps.vmid_bits);
    table_create(m, &m->t, cfg, 1);
}

/* Loads a context on a CPU, which is then the current one. */
static inline void table_run(struct machine *m, struct s2_table *t, unsigned cpu)
{
    uint64_t irqs;

    model_set_cpu(m->port, cpu);
    irqs = s2_port_irq_mask(m->port);
    s2_table_load(t);
    s2_port_irq_restore(m->port, irqs);
}
static inline void table_leave(struct machine *m, unsigned cpu)
{
    uint64_t irqs;

    model_set_cpu(m->port, cpu);
    irqs = s2_port_irq_mask(m->port);
    s2_port_barrier(m->port, S2_DSB_ISH);
    s2_port_load_context(m->port, 0, 0);
    s2_port_barrier(m->port, S2_ISB);
    s2_port_irq_restore(m->port, irqs);
}

static inline void assert_sound(struct machine *m, struct s2_table *t)
{
    const char *wrong = s2_table_check(t);

    if (wrong)
        fail_msg("%s", wrong);
    assert_null(s2_tpool_check(&m->pool));
    assert_true(model_ok(m->port));
}

static inline uint64_t leaves_at(const struct s2_table *t, int level)
{
    struct s2_table_counts c;

    s2_table_count(t, &c);
    return c.leaves[level + 1];
}

/* --- operations: begin, edit as often as wanted, end ------------------------------------------------------------------ */

struct edit {
    struct machine *m;
    struct s2_table *t;
    struct s2_tstash stash;
    struct s2_gather g;
};

static inline struct edit edit_begin(struct machine *m, struct s2_table *t)
{
    struct edit e = {.m = m, .t = t, .stash = S2_TSTASH_EMPTY};

    s2_gather_init(&e.g);
    return e;
}
static inline void edit_reserve(struct edit *e, uint32_t pages)
{
    assert_int_equal(s2_tpool_take(&e->m->pool, &e->t->quota, pages, &e->stash), S2_OK);
}
static inline void edit_end(struct edit *e)
{
    s2_gather_flush(e->t, &e->g);
    s2_gather_free(e->t, &e->g);
    e->m->spare = e->stash.count;
    s2_tpool_give(&e->m->pool, &e->t->quota, &e->stash);
    assert_sound(e->m, e->t);
    model_expect_quiet(e->m->port);
    assert_true(model_ok(e->m->port));
}

static inline void table_map(struct machine *m, struct s2_table *t, struct s2_ipa_range r, uint64_t pa, uint32_t attr)
{
    struct edit e = edit_begin(m, t);

    edit_reserve(&e, s2_table_need_map(t, r, S2_PA(pa), false));
    s2_table_map(t, &e.stash, &e.g, r, S2_PA(pa), S2_ATTR(attr));
    assert_int_equal(e.stash.count, 0); /* exact */
    edit_end(&e);
}
static inline void table_unmap(struct machine *m, struct s2_table *t, struct s2_ipa_range r)
{
    struct edit e = edit_begin(m, t);

    edit_reserve(&e, s2_table_need_cut(t, r));
    s2_table_unmap(t, &e.stash, &e.g, r);
    assert_int_equal(e.stash.count, 0);
    edit_end(&e);
}
static inline void table_protect(struct machine *m, struct s2_table *t, struct s2_ipa_range r, uint32_t attr)
{
    struct edit e = edit_begin(m, t);

    edit_reserve(&e, s2_table_need_cut(t, r));
    s2_table_protect(t, &e.stash, &e.g, r, S2_ATTR(attr));
    edit_end(&e); /* blocks whose attributes do not change leave their pages: m->spare */
}
/* Unmap and map in one operation. */
static inline void table_remap(struct machine *m, struct s2_table *t, struct s2_ipa_range r, uint64_t pa, uint32_t attr)
{
    struct edit e = edit_begin(m, t);

    edit_reserve(&e, s2_table_need_cut(t, r) + s2_table_need_map(t, r, S2_PA(pa), true));
    s2_table_unmap(t, &e.stash, &e.g, r);
    s2_table_map(t, &e.stash, &e.g, r, S2_PA(pa), S2_ATTR(attr));
    edit_end(&e);
}
static inline void table_destroy(struct machine *m, struct s2_table *t)
{
    struct edit e = edit_begin(m, t);

    s2_table_detach_all(t, &e.g);
    edit_end(&e);
    for (unsigned cpu = 0; cpu < m->port->cpus; cpu++)
        table_leave(m, cpu);
    s2_table_fini(t);
    assert_int_equal(t->quota.used, 0);
}

static inline void machine_destroy(struct machine *m)
{
    table_destroy(m, &m->t);
    assert_int_equal(m->pool.free, m->pool.pages);
    assert_null(s2_tpool_check(&m->pool));
    assert_true(model_ok(m->port));
    model_destroy(m->port);
}

/* --- what is there ---------------------------------------------------------------------------------------------------- */

static inline void assert_leaf(struct s2_table *t, uint64_t ipa, uint64_t pa, uint32_t attr, int level)
{
    struct s2_leaf leaf;

    assert_true(s2_table_lookup(t, S2_IPA(ipa), &leaf));
    assert_int_equal(leaf.level, level);
    assert_int_equal(leaf.pa.v + (ipa - leaf.range.start.v), pa);
    assert_int_equal(leaf.attr.bits, attr);
    assert_int_equal(leaf.range.end.v - leaf.range.start.v, 1ull << s2_level_shift(&t->geo, level));
    assert_true(leaf.accessed || t->geo.track_access); /* else AF is set from the beginning (architecture rule 13) */
}
static inline void assert_hole(struct s2_table *t, uint64_t ipa, int level)
{
    struct s2_leaf leaf;

    assert_false(s2_table_lookup(t, S2_IPA(ipa), &leaf));
    assert_int_equal(leaf.level, level);
    assert_true(leaf.range.start.v <= ipa && ipa < leaf.range.end.v);
}
/* Linked table pages besides the roots. */
static inline uint32_t tables_used(const struct s2_table *t)
{
    return t->quota.used - t->geo.roots;
}

#endif

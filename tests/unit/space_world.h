/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A small machine with everything that an address space is made of, for the suites that test one. */
#ifndef SPACE_WORLD_H
#define SPACE_WORLD_H

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stage2/space.h>

#include "model.h"

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define PAGE   0x1000ull

enum { VM = S2_OWNER_FIRST_VM, OTHER = S2_OWNER_FIRST_VM + 1 };
#define RAM_BASE    0x40000000ull
#define TABLE_BYTES MIB(2)
#define FRAME_BASE  (RAM_BASE + TABLE_BYTES)
#define FRAME_BYTES MIB(32)
#define DEVICE_BASE 0x09000000ull
#define DEVICE_SIZE 0x10000ull
/* Of granules above 4K, whose tables take more. */
#define BIG_TABLE_BASE  0x80000000ull
#define BIG_TABLE_BYTES MIB(24)

struct world_config {
    struct s2_caps caps;
    unsigned ipa_bits, cpus;
    uint32_t table_pages, nodes, ledger_nodes;
    uint64_t frame_quota;
    bool small_leaves, not_strict, access_flag, dirty;
    uint8_t chunk_log2;
    enum s2_granule granule; /* 0: 4K */
    bool wide;               /* DS though the IPA size does not ask for it */
};

struct world {
    struct s2_port *port;
    struct s2_caps caps;
    struct s2_tpool tables;
    struct s2_vmids vmids;
    struct s2_frames frames;
    struct s2_ledger ledger;
    struct s2_pool nodes, ledger_nodes;
    struct s2_space_config cfg;
    struct s2_space space;
    struct s2_cache cache;
    struct s2_detail d;
    void *node_mem, *ledger_mem, *frame_mem, *meta;
};

static inline struct world_config world_defaults(void)
{
    return (struct world_config){.caps = model_caps_most(),
                                 .ipa_bits = 36,
                                 .table_pages = 256,
                                 .nodes = 256,
                                 .ledger_nodes = 512,
                                 .frame_quota = FRAME_BYTES / S2_FRAME};
}

static inline struct s2_ledger_entry ledger_entry(uint64_t start, uint64_t bytes, uint16_t owner, unsigned state)
{
    return (struct s2_ledger_entry){.range = {S2_PA(start), S2_PA(start + bytes)},
                                    .owner = owner,
                                    .state = (uint8_t)state,
                                    .rights = S2_RWX,
                                    .ipa = S2_IPA_NONE};
}

static inline void *world_alloc(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) & ~(size_t)63);

    assert_non_null(p);
    return p;
}

/* The pool of table pages. */
static inline void world_tables(struct world *w, enum s2_granule granule)
{
    uint64_t base = granule == S2_4K ? RAM_BASE : BIG_TABLE_BASE;
    uint64_t bytes = granule == S2_4K ? TABLE_BYTES : BIG_TABLE_BYTES;

    w->meta = world_alloc((bytes >> granule) * sizeof(struct s2_tpage));
    assert_int_equal(s2_tpool_init(&w->tables, w->port, S2_PA(base), bytes, granule, w->meta), S2_OK);
}

/* For the model, which holds a lock of its own: without the ledger's, by how entries are packed (ledger.c). */
static inline enum model_sharing world_sharing(void *arg, uint64_t pa)
{
    const struct world *w = arg;
    struct s2_ient e;

    if (!s2_imap_find(&w->ledger.map, pa, &e))
        return MODEL_EXCLUSIVE;
    switch (e.val.w[0] >> 16 & 0xff) {
    case S2_SHARED:
        return MODEL_SHARED;
    case S2_LENT:
        return MODEL_LENT;
    default:
        return MODEL_EXCLUSIVE;
    }
}

/* The machine without the space. */
static inline struct world *world_machine(const struct world_config *wc)
{
    struct world *w = world_alloc(sizeof *w);
    struct model_config mc = {.cpus = wc->cpus ? wc->cpus : 2, .strict = !wc->not_strict, .caps = wc->caps};
    struct s2_geometry_request req = {.granule = wc->granule ? wc->granule : S2_4K,
                                      .ipa_bits = (uint8_t)wc->ipa_bits,
                                      .wide = wc->wide,
                                      .access_flag = wc->access_flag,
                                      .dirty = wc->dirty};
    struct s2_ledger_entry hyp = ledger_entry(RAM_BASE, TABLE_BYTES, S2_OWNER_HYP, S2_HYP);
    struct s2_ledger_entry ram = ledger_entry(FRAME_BASE, FRAME_BYTES, S2_OWNER_NONE, S2_FREE);
    struct s2_ledger_entry dev = ledger_entry(DEVICE_BASE, DEVICE_SIZE, S2_OWNER_NONE, S2_DEVICE);

    memset(w, 0, sizeof *w);
    mc.bank[0] = (struct model_bank){RAM_BASE, TABLE_BYTES + FRAME_BYTES};
    mc.bank[1] = (struct model_bank){DEVICE_BASE, DEVICE_SIZE};
    mc.bank[2] = (struct model_bank){BIG_TABLE_BASE, req.granule == S2_4K ? 0 : BIG_TABLE_BYTES};
    w->port = model_create(&mc);
    model_script_sharing(w->port, world_sharing, w);
    w->caps = wc->caps;
    world_tables(w, req.granule);
    s2_vmids_init(&w->vmids, w->port, w->caps.vmid_bits);
    s2_frames_init(&w->frames, w->port);
    w->frame_mem = world_alloc(s2_frames_meta_bytes(S2_PA(FRAME_BASE), FRAME_BYTES));
    assert_int_equal(s2_frames_add(&w->frames, S2_PA(FRAME_BASE), FRAME_BYTES, w->frame_mem, NULL), S2_OK);
    s2_frames_free(&w->frames, (struct s2_pa_range){S2_PA(FRAME_BASE), S2_PA(FRAME_BASE + FRAME_BYTES)}, false, false);
    w->node_mem = world_alloc((size_t)wc->nodes * S2_NODE_BYTES);
    w->ledger_mem = world_alloc((size_t)wc->ledger_nodes * S2_NODE_BYTES);
    s2_pool_init(&w->nodes, w->node_mem, (size_t)wc->nodes * S2_NODE_BYTES);
    s2_pool_init(&w->ledger_nodes, w->ledger_mem, (size_t)wc->ledger_nodes * S2_NODE_BYTES);
    s2_ledger_init(&w->ledger, w->port, &w->ledger_nodes, 48);
    assert_int_equal(s2_ledger_add(&w->ledger, &hyp, NULL), S2_OK);
    assert_int_equal(s2_ledger_add(&w->ledger, &ram, NULL), S2_OK);
    assert_int_equal(s2_ledger_add(&w->ledger, &dev, NULL), S2_OK);

    w->cfg = (struct s2_space_config){.port = w->port,
                                      .caps = &w->caps,
                                      .id = VM,
                                      .tables = &w->tables,
                                      .table_pages = wc->table_pages,
                                      .vmids = &w->vmids,
                                      .frames = &w->frames,
                                      .frame_quota = wc->frame_quota,
                                      .ledger = &w->ledger,
                                      .nodes = &w->nodes,
                                      .chunk_log2 = wc->chunk_log2,
                                      .small_leaves = wc->small_leaves};
    assert_int_equal(s2_geometry_make(&w->caps, &req, &w->cfg.geometry, NULL), S2_OK);
    return w;
}

static inline struct world *world_create(const struct world_config *wc)
{
    struct world *w = world_machine(wc);

    assert_int_equal(s2_space_init(&w->space, &w->cfg, &w->d), S2_OK);
    s2_cache_init(&w->cache);
    return w;
}

/* Everything agrees with everything, and nothing is in the air. */
static inline void world_check(struct world *w)
{
    const char *wrong = s2_space_check(&w->space, &w->d);

    if (wrong)
        fprintf(stderr, "# %s at 0x%llx\n", wrong, (unsigned long long)w->d.asked_start);
    assert_null(wrong);
    assert_null(s2_frames_check(&w->frames));
    assert_null(s2_pool_check(&w->nodes));
    assert_null(s2_pool_check(&w->ledger_nodes));
    assert_null(s2_tpool_check(&w->tables));
    assert_int_equal(w->space.taken.count, 0);
    assert_null(w->ledger.pending);
    /* Every promise of nodes is covered. */
    assert_true(w->nodes.free >= w->nodes.reserved);
    assert_true(w->ledger_nodes.free >= w->ledger_nodes.reserved);
    assert_int_equal(model_locks_held(), 0);
    model_expect_quiet(w->port);
    assert_true(model_ok(w->port));
}

/* Takes the space down and sees that nothing is left of it. */
static inline void world_destroy_space(struct world *w)
{
    s2_cache_drain(&w->space, &w->cache);
    s2_space_destroy_begin(&w->space);
    while (s2_space_destroy_step(&w->space, 64))
        ;
    s2_space_destroy_end(&w->space);
    while (s2_space_disown_step(&w->space))
        ;
}

static inline void world_free(struct world *w)
{
    model_destroy(w->port);
    free(w->meta);
    free(w->frame_mem);
    free(w->node_mem);
    free(w->ledger_mem);
    free(w);
}

static inline void world_destroy(struct world *w)
{
    world_destroy_space(w);
    assert_int_equal(w->tables.free, w->tables.pages);
    assert_int_equal(w->frames.free, w->frames.total);
    assert_int_equal(w->frames.reserved, 0);
    assert_null(s2_frames_check(&w->frames));
    assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_OWNED), 0);
    assert_int_equal(s2_ledger_count(&w->ledger, VM, S2_DEVICE), 0);
    assert_int_equal(s2_ledger_count(&w->ledger, S2_OWNER_NONE, S2_FREE), FRAME_BYTES / PAGE);
    assert_int_equal(s2_ledger_count(&w->ledger, S2_OWNER_NONE, S2_DEVICE), DEVICE_SIZE / PAGE);
    assert_int_equal(w->nodes.free, w->nodes.count);
    assert_int_equal(w->nodes.reserved, 0);
    assert_int_equal(w->ledger_nodes.reserved, 0);
    model_expect_quiet(w->port);
    assert_true(model_ok(w->port));
    world_free(w);
}

/* The ledger says that [pa, pa + bytes) is `owner`'s now; RAM is taken out of the allocator. */
static inline void world_give(struct world *w, uint64_t pa, uint64_t bytes, uint16_t owner, unsigned rights)
{
    bool device = pa < RAM_BASE, clean;
    struct s2_ledger_entry e = ledger_entry(pa, bytes, owner, device ? S2_DEVICE : S2_OWNED);
    struct s2_claim c;

    e.rights = (uint8_t)rights;
    if (!device)
        assert_int_equal(s2_frames_alloc_at(&w->frames, e.range, &clean, NULL), S2_OK);
    assert_int_equal(s2_ledger_plan(&w->ledger, &c, S2_OWNER_NONE, device ? S2_DEVICE : S2_FREE, &e, NULL), S2_OK);
    s2_ledger_commit(&w->ledger, &c);
}

static inline struct s2_ipa_range ipa_range(uint64_t start, uint64_t bytes)
{
    return (struct s2_ipa_range){S2_IPA(start), S2_IPA(start + bytes)};
}

static inline struct s2_pa_range pa_range(uint64_t start, uint64_t bytes)
{
    return (struct s2_pa_range){S2_PA(start), S2_PA(start + bytes)};
}

static inline struct s2_area area_linear(uint64_t ipa, uint64_t bytes, uint64_t pa, uint32_t attr)
{
    return (struct s2_area){
        .range = ipa_range(ipa, bytes), .backend = &s2_backend_linear, .backing = pa, .attr = S2_ATTR(attr)};
}
static inline struct s2_area area_alloc(uint64_t ipa, uint64_t bytes, uint32_t attr, uint16_t flags)
{
    return (struct s2_area){
        .range = ipa_range(ipa, bytes), .backend = &s2_backend_alloc, .attr = S2_ATTR(attr), .flags = flags};
}
static inline struct s2_area area_trap(uint64_t ipa, uint64_t bytes, uint64_t handle)
{
    return (struct s2_area){.range = ipa_range(ipa, bytes),
                            .backend = &s2_backend_trap,
                            .backing = handle,
                            .attr = S2_ATTR(S2_RW | S2_MT_DEV_nGnRE)};
}

static inline enum s2_err map_new(struct world *w, struct s2_area a)
{
    return s2_space_map(&w->space, &a, S2_MAP_NEW, &w->d);
}
static inline enum s2_err map_over(struct world *w, struct s2_area a)
{
    return s2_space_map(&w->space, &a, S2_MAP_REPLACE, &w->d);
}
static inline enum s2_err unmap(struct world *w, uint64_t ipa, uint64_t bytes)
{
    return s2_space_unmap(&w->space, ipa_range(ipa, bytes), &w->d);
}
static inline bool set_attr(void *arg, const struct s2_area *area, s2_attr *attr)
{
    (void)area;
    *attr = *(const s2_attr *)arg;
    return true;
}
static inline enum s2_err protect(struct world *w, uint64_t ipa, uint64_t bytes, uint32_t bits)
{
    s2_attr attr = S2_ATTR(bits);

    return s2_space_protect(&w->space, ipa_range(ipa, bytes), set_attr, &attr, &w->d);
}

/* Leaves of the space at one level. */
static inline uint64_t leaves_at(struct world *w, int level)
{
    struct s2_space_stats s;

    s2_space_stats(&w->space, &s);
    return s.table.leaves[level + 1];
}

/* The VM runs on this CPU. */
static inline void world_run(struct world *w)
{
    uint64_t was = s2_port_irq_mask(w->port);

    s2_space_load(&w->space);
    s2_port_irq_restore(w->port, was);
}

/* An access by the guest, as EL2 sees it: the access, its fault decoded, the answer, until it is done or refused. */
struct attempt {
    bool done;
    uint64_t pa;
    enum s2_answer answer; /* the last one, when a fault was taken */
    struct s2_fault_result result;
    unsigned faults;
};

static inline struct attempt guest_as(struct world *w, uint64_t ipa, enum model_kind kind, bool el0)
{
    struct attempt a = {0};

    for (;;) {
        struct model_outcome o = model_access(w->port, ipa, kind, el0);
        struct s2_syndrome syn;
        struct s2_fault f;

        if (o.result == MODEL_DONE) {
            a.done = true;
            a.pa = o.pa;
            return a;
        }
        assert_true(a.faults++ < 200);
        model_syndrome(&o, ipa, ipa, kind, false, &syn);
        s2_fault_decode(w->port, &syn, el0, &f);
        a.answer = s2_space_fault(&w->space, &w->cache, &f, &a.result);
        if (a.answer == S2_NEED_REFILL) {
            if (s2_cache_refill(&w->space, &w->cache))
                return a;
        } else if (a.answer != S2_RETRY && a.answer != S2_RETRY_FLUSHED) {
            return a;
        }
    }
}
static inline struct attempt guest(struct world *w, uint64_t ipa, enum model_kind kind)
{
    return guest_as(w, ipa, kind, false);
}

/* For suites whose world is the usual one; and for those that end with their space there. */
static inline int world_setup(void **state)
{
    struct world_config wc = world_defaults();

    *state = world_create(&wc);
    return 0;
}
static inline int world_teardown(void **state)
{
    world_check(*state);
    world_destroy(*state);
    return 0;
}

#endif

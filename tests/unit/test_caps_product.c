/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Every combination of the optional features there is, at each granule, under the strict model: two VMs on two CPUs, one of which
 * has blocks, runs and pages, cut, protected, relaxed, replaced, faulted in, promoted and harvested, and then neither is left. */
#include "space_world.h"

/* What is mapped as blocks: no RAM, as nobody looks. */
#define WINDOW_PA    (1ull << 36)
#define WINDOW_BYTES (4ull << 30)
#define BLOCKS       (1ull << 34)
#define SMALL        (1ull << 33)
#define LAZY         (3ull << 32)

struct shape {
    enum s2_granule granule;
    int8_t start_level;
    uint64_t block, run; /* of level 2; a run of pages */
};
static const struct shape shapes[] = {
    {S2_4K, 1, MIB(2), KIB(64)},
    {S2_16K, 2, MIB(32), MIB(2)},
    {S2_64K, 2, MIB(512), MIB(2)},
};

struct features {
    bool tlbirange, ttl, fwb, xnx, hafdbs, cnp, vmid16, lpa2;
    uint8_t bbm;
};

struct scene {
    const struct shape *shape;
    struct world *w;
    struct s2_space other;
    struct s2_pool other_nodes;
    void *other_mem;
    uint64_t page;
    unsigned told;
};

static struct s2_caps caps_of(const struct features *f)
{
    struct s2_caps caps = model_caps_most();

    caps.tlbirange = f->tlbirange;
    caps.ttl = f->ttl;
    caps.fwb = f->fwb;
    caps.xnx = f->xnx;
    caps.haf = caps.hdbs = f->hafdbs;
    caps.cnp = f->cnp;
    caps.vmid_bits = f->vmid16 ? 16 : 8;
    caps.lpa2_4k = caps.lpa2_16k = f->lpa2;
    caps.pa_bits = f->lpa2 ? 52 : 48;
    caps.bbm = f->bbm;
    return caps;
}

static void open(struct scene *s, const struct features *f)
{
    struct s2_ledger_entry window = ledger_entry(WINDOW_PA, WINDOW_BYTES, VM, S2_DEVICE);
    struct world_config wc = world_defaults();
    struct s2_space_config other;

    wc.caps = caps_of(f);
    wc.granule = s->shape->granule;
    wc.wide = f->lpa2 && s->shape->granule != S2_64K;
    wc.access_flag = wc.dirty = true;
    wc.chunk_log2 = 21;
    s->w = world_create(&wc);
    memset(s->w->frames.region[0].clean, 0xff, FRAME_BYTES / S2_FRAME / 8); /* as a new machine has them: zero */
    s->w->frames.clean = FRAME_BYTES / S2_FRAME;
    s->page = 1ull << s->shape->granule;
    assert_int_equal(s->w->cfg.geometry.start_level, s->shape->start_level);
    model_set_tracking(s->w->port, !f->hafdbs, !f->hafdbs);
    assert_int_equal(s2_ledger_add(&s->w->ledger, &window, NULL), S2_OK);
    other = s->w->cfg;
    s->other_mem = world_alloc(64 * S2_NODE_BYTES);
    s2_pool_init(&s->other_nodes, s->other_mem, 64 * S2_NODE_BYTES);
    other.id = OTHER;
    other.nodes = &s->other_nodes;
    assert_int_equal(s2_space_init(&s->other, &other, &s->w->d), S2_OK);
}

/* What is done next is done by this CPU. */
static void on_cpu(struct scene *s, unsigned cpu, struct s2_space *sp)
{
    uint64_t irqs;

    model_set_cpu(s->w->port, cpu);
    irqs = s2_port_irq_mask(s->w->port);
    s2_space_load(sp);
    s2_port_irq_restore(s->w->port, irqs);
}

static void sound(struct scene *s)
{
    assert_null(s2_space_check(&s->w->space, &s->w->d));
    model_expect_quiet(s->w->port);
    assert_true(model_ok(s->w->port));
}

static void reads(struct scene *s, uint64_t ipa, uint64_t pa)
{
    struct attempt a = guest(s->w, ipa, MODEL_READ);

    assert_true(a.done);
    assert_int_equal(a.pa, pa);
}
static void refuses(struct scene *s, uint64_t ipa, enum model_kind kind, enum s2_violation why)
{
    struct attempt a = guest(s->w, ipa, kind);

    assert_false(a.done);
    assert_int_equal(a.answer, S2_VIOLATION);
    assert_int_equal(a.result.why, why);
}

static struct s2_leaf leaf_at(struct scene *s, uint64_t ipa)
{
    struct s2_leaf leaf;

    assert_true(s2_space_translate(&s->w->space, S2_IPA(ipa), &leaf));
    return leaf;
}

/* A block, a run and a page; each is cut but the page. */
static void blocks_runs_and_pages(struct scene *s)
{
    const uint64_t block = s->shape->block, run = s->shape->run, page = s->page, end = BLOCKS + block + run;
    struct world *w = s->w;

    assert_int_equal(map_new(w, area_linear(BLOCKS, block + run + page, WINDOW_PA, S2_RW)), S2_OK);
    assert_int_equal(leaf_at(s, BLOCKS).level, 2);
    assert_true(leaf_at(s, BLOCKS + block).contiguous);
    assert_false(leaf_at(s, end).contiguous);
    reads(s, BLOCKS + 5, WINDOW_PA + 5);
    reads(s, BLOCKS + block, WINDOW_PA + block);
    on_cpu(s, 1, &w->space);
    assert_true(guest(w, end + 8, MODEL_WRITE).done);
    assert_true(guest(w, BLOCKS + block + page, MODEL_WRITE).done);
    model_set_cpu(w->port, 0);
    assert_int_equal(unmap(w, BLOCKS + page, page), S2_OK);
    assert_int_equal(unmap(w, BLOCKS + block + page, page), S2_OK);
    sound(s);
    assert_false(leaf_at(s, BLOCKS + block).contiguous);
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        model_set_cpu(w->port, cpu);
        refuses(s, BLOCKS + page, MODEL_READ, S2_NO_AREA);
        refuses(s, BLOCKS + block + page, MODEL_WRITE, S2_NO_AREA);
        reads(s, BLOCKS, WINDOW_PA);
        reads(s, BLOCKS + block, WINDOW_PA + block);
    }
    model_set_cpu(w->port, 0);
    assert_int_equal(unmap(w, BLOCKS, block + run + page), S2_OK);
}

/* Rights go, and come back; memory becomes another kind; other memory comes. */
static void protect_relax_and_replace(struct scene *s)
{
    const uint64_t run = s->shape->run, page = s->page;
    struct world *w = s->w;

    assert_int_equal(map_new(w, area_linear(SMALL, 4 * run, WINDOW_PA + (2ull << 30), S2_RW)), S2_OK);
    assert_true(guest(w, SMALL + run, MODEL_WRITE).done);
    assert_int_equal(protect(w, SMALL + page, run, S2_R), S2_OK);
    sound(s);
    refuses(s, SMALL + page, MODEL_WRITE, S2_NO_PERMISSION);
    reads(s, SMALL + run, WINDOW_PA + (2ull << 30) + run);
    assert_true(guest(w, SMALL, MODEL_WRITE).done);
    on_cpu(s, 1, &w->space);
    reads(s, SMALL + page, WINDOW_PA + (2ull << 30) + page);
    model_set_cpu(w->port, 0);
    assert_int_equal(protect(w, SMALL + page, run, S2_RWX), S2_OK);
    model_set_cpu(w->port, 1); /* perhaps an older entry is still there */
    assert_true(guest(w, SMALL + page, MODEL_WRITE).done);
    assert_true(guest(w, SMALL + page, MODEL_EXEC).done);
    model_set_cpu(w->port, 0);
    assert_int_equal(protect(w, SMALL, 4 * run, S2_RW | S2_MT_NORMAL_NC), S2_OK);
    sound(s);
    assert_int_equal(map_over(w, area_linear(SMALL + 2 * run, run, WINDOW_PA + (3ull << 30), S2_R)), S2_OK);
    reads(s, SMALL + 2 * run, WINDOW_PA + (3ull << 30));
    reads(s, SMALL + 3 * run, WINDOW_PA + (2ull << 30) + 3 * run);
    assert_int_equal(unmap(w, SMALL, 4 * run), S2_OK);
    sound(s);
}

static bool told(void *arg, const struct s2_leaf *leaf)
{
    struct scene *s = arg;

    assert_true(leaf->dirty);
    s->told++;
    return true;
}

static void expect_told(struct scene *s, struct s2_ipa_range range, unsigned leaves)
{
    s->told = 0;
    assert_int_equal(s2_space_harvest(&s->w->space, range, S2_TOUCH_WRITE, told, s), S2_OK);
    assert_int_equal(s->told, leaves);
    model_expect_quiet(s->w->port);
}

/* Pages that faults bring become a run, by themselves; what was written is told, once. */
static void fault_promote_and_harvest(struct scene *s)
{
    const uint64_t run = s->shape->run, page = s->page;
    struct world *w = s->w;

    /* Chunks of 2 MiB come whole: leaves are pages at first where a block is larger. */
    w->space.cfg.small_leaves = true;
    assert_int_equal(map_new(w, area_alloc(LAZY, 2 * MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    for (uint64_t at = LAZY; at < LAZY + run; at += page)
        assert_true(guest(w, at, MODEL_READ).done);
    w->space.cfg.small_leaves = false;
    assert_false(leaf_at(s, LAZY).contiguous);
    while (s2_space_promote_step(&w->space, 4))
        model_expect_quiet(w->port);
    assert_true(leaf_at(s, LAZY).contiguous);
    sound(s);
    reads(s, LAZY + run - page, leaf_at(s, LAZY).pa.v + run - page);
    expect_told(s, ipa_range(LAZY, 2 * MIB(2)), 0);
    assert_true(guest(w, LAZY + 3 * page, MODEL_WRITE).done);
    assert_true(guest(w, LAZY + 2 * run - page, MODEL_WRITE).done);
    expect_told(s, ipa_range(LAZY, run), 1);
    expect_told(s, ipa_range(LAZY, run), 0);
    assert_true(guest(w, LAZY + page, MODEL_WRITE).done);
    expect_told(s, ipa_range(LAZY, run), 1);
}

/* Its guest's access, and its fault. */
static bool other_access(struct scene *s, struct s2_cache *cache, uint64_t ipa, enum model_kind kind)
{
    for (unsigned tries = 0; tries < 4; tries++) {
        struct model_outcome o = model_access(s->w->port, ipa, kind, false);
        struct s2_fault_result result;
        struct s2_syndrome syndrome;
        struct s2_fault fault;

        if (o.result == MODEL_DONE)
            return true;
        model_syndrome(&o, ipa, ipa, kind, false, &syndrome);
        s2_fault_decode(s->w->port, &syndrome, false, &fault);
        if (s2_space_fault(&s->other, cache, &fault, &result) == S2_VIOLATION)
            return false;
    }
    return false;
}

/* The CPU that edits a VM has the other one loaded. */
static void another_vm(struct scene *s)
{
    struct s2_area area = area_alloc(0, 2 * MIB(2), S2_RWX, 0);
    struct s2_cache cache;

    s2_cache_init(&cache);
    assert_int_equal(s2_space_map(&s->other, &area, S2_MAP_NEW, &s->w->d), S2_OK);
    on_cpu(s, 1, &s->other);
    for (unsigned kind = MODEL_READ; kind <= MODEL_EXEC; kind++)
        assert_true(other_access(s, &cache, MIB(2), (enum model_kind)kind));
    model_set_cpu(s->w->port, 0);
    assert_int_equal(s2_space_unmap(&s->other, ipa_range(MIB(2), s->page), &s->w->d), S2_OK);
    model_set_cpu(s->w->port, 1);
    assert_false(other_access(s, &cache, MIB(2), MODEL_READ));
    assert_true(other_access(s, &cache, MIB(2) + s->page, MODEL_WRITE));
    model_set_cpu(s->w->port, 0);
    s2_cache_drain(&s->other, &cache);
    assert_null(s2_space_check(&s->other, &s->w->d));
    sound(s);
}

static void destroy(struct s2_space *sp)
{
    s2_space_destroy_begin(sp);
    while (s2_space_destroy_step(sp, 1000))
        ;
    s2_space_destroy_end(sp);
}

static void close_all(struct scene *s)
{
    struct world *w = s->w;

    s2_cache_drain(&w->space, &w->cache);
    destroy(&w->space);
    destroy(&s->other);
    assert_int_equal(w->tables.free, w->tables.pages);
    assert_int_equal(w->frames.free, w->frames.total);
    assert_int_equal(w->nodes.free, w->nodes.count);
    assert_int_equal(s->other_nodes.free, s->other_nodes.count);
    assert_null(s2_tpool_check(&w->tables));
    model_expect_quiet(w->port);
    assert_true(model_ok(w->port));
    free(s->other_mem);
    world_free(w);
}

static void play(const struct shape *shape, const struct features *f)
{
    struct scene s = {.shape = shape};

    open(&s, f);
    on_cpu(&s, 0, &s.w->space);
    blocks_runs_and_pages(&s);
    another_vm(&s);
    protect_relax_and_replace(&s);
    fault_promote_and_harvest(&s);
    world_check(s.w);
    close_all(&s);
}

static void every_combination(void **state)
{
    enum { SWITCHES = 8, BBM_LEVELS = 3 };

    for (unsigned bits = 0; bits < 1u << SWITCHES; bits++)
        for (uint8_t bbm = 0; bbm < BBM_LEVELS; bbm++) {
            struct features f = {bits & 1,      bits >> 1 & 1, bits >> 2 & 1,
                                 bits >> 3 & 1, bits >> 4 & 1, bits >> 5 & 1,
                                 bits >> 6 & 1, bits >> 7 & 1, bbm};

            play(*state, &f);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"with pages of 4K", every_combination, NULL, NULL, (void *)(uintptr_t)&shapes[0]},
        {"with pages of 16K", every_combination, NULL, NULL, (void *)(uintptr_t)&shapes[1]},
        {"with pages of 64K", every_combination, NULL, NULL, (void *)(uintptr_t)&shapes[2]},
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

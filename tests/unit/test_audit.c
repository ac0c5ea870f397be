/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The audit of a whole machine with two VMs: everything that can be wrong is made so on purpose, is found, under the right name
 * and at the right place; and nothing is found in what is sound, whatever changes between two steps. */
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

static struct s2_space *space_at(void *arg, unsigned i)
{
    struct machine *m = arg;

    return i == 0 ? &m->w->space : m->has_other ? &m->other : NULL;
}

static bool cached(void *arg, unsigned i, uint32_t *pages)
{
    struct machine *m = arg;

    *pages = i == 0 ? m->w->cache.tables.count : 0;
    return !m->busy_caches;
}

static void found(void *arg, const struct s2_finding *f)
{
    struct machine *m = arg;

    if (m->findings < FINDINGS)
        m->finding[m->findings++] = *f;
}

static void fill(struct s2_space *sp, uint64_t pa, uint64_t device)
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
static uint64_t audit(struct machine *m, uint64_t budget)
{
    m->findings = 0;
    s2_audit_begin(&m->audit, &m->cfg);
    while (s2_audit_step(&m->audit, budget))
        ;
    assert_false(s2_audit_step(&m->audit, budget));
    assert_int_equal(s2_audit_end(&m->audit), m->findings);
    return m->findings;
}

static void clean(struct machine *m)
{
    if (audit(m, ALL))
        fprintf(stderr, "# vm %u: %s at 0x%llx\n", m->finding[0].vm, m->finding[0].detail.what,
                (unsigned long long)m->finding[0].detail.asked_start);
    assert_int_equal(m->findings, 0);
    assert_int_equal(audit(m, 1), 0);
    assert_int_equal(audit(m, 0), 0);
    assert_int_equal(model_locks_held(), 0);
}

/* One of the findings is this one; `start`: where it begins. */
static const struct s2_finding *finds(struct machine *m, uint16_t vm, const char *what, uint64_t start)
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

static int setup(void **state)
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
static void finish_other(struct machine *m)
{
    while (s2_space_destroy_step(&m->other, 64))
        clean(m); /* dying is no finding */
    s2_space_destroy_end(&m->other);
    m->has_other = false;
    clean(m);
    while (s2_space_disown_step(&m->other))
        ;
}

static void end_other(struct machine *m)
{
    s2_space_destroy_begin(&m->other);
    finish_other(m);
}

static int teardown(void **state)
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

/* --- nothing is found in what is sound ------------------------------------------------------------------------------- */

static void counts_what_it_looked_at(void **state)
{
    struct machine *m = *state;
    struct s2_space_stats s;
    uint64_t leaves = 0, entries = 0, frames = 0;
    struct s2_ledger_entry e;

    for (unsigned i = 0; i < 2; i++) {
        s2_space_stats(space_at(m, i), &s);
        for (unsigned k = 0; k < 5; k++)
            leaves += s.table.leaves[k];
    }
    for (s2_pa at = S2_PA(0); s2_ledger_next(&m->w->ledger, at, &e); at = e.range.end) {
        entries++;
        frames += (e.range.end.v - e.range.start.v) / PAGE;
    }
    (void)audit(m, ALL);
    assert_int_equal(m->audit.spaces, 2);
    assert_int_equal(m->audit.leaves, leaves);
    assert_int_equal(m->audit.entries, entries);
    assert_int_equal(m->audit.frames, frames);
    m->has_other = false;
    (void)audit(m, ALL);
    assert_int_equal(m->audit.spaces, 1);
    m->has_other = true;
}

/* Between any two steps: memory comes and goes, is taken by faults, scrubbed, worked on in steps. */
static void what_changes_between_steps_is_no_finding(void **state)
{
    struct machine *m = *state;
    struct world *w = m->w;
    struct s2_area grows = area_alloc(LONG, MIB(4), S2_RW, 0);
    s2_attr ro = S2_ATTR(S2_R);
    struct s2_long l, p;
    unsigned n = 0;

    m->findings = 0;
    assert_int_equal(s2_space_map_begin(&m->other, &l, &grows, NULL), S2_OK);
    assert_int_equal(s2_space_protect_begin(&w->space, &p, ipa_range(LINEAR, MIB(2)), set_attr, &ro, NULL), S2_OK);
    s2_audit_begin(&m->audit, &m->cfg);
    do {
        uint64_t at = MIB(160) + (n % 3) * MIB(2);

        if (n % 4 == 0)
            assert_int_equal(map_new(w, area_alloc(at, MIB(1) + PAGE, S2_RW, 0)), S2_OK);
        if (n % 4 == 2)
            assert_int_equal(unmap(w, MIB(160), MIB(8)), S2_OK);
        (void)s2_frames_scrub_step(&w->frames, 8);
        if (n % 2) {
            (void)s2_space_map_step(&l, 16);
            (void)s2_space_protect_step(&p, 16);
        }
        assert_int_equal(s2_cache_refill(&w->space, &w->cache), S2_OK);
        n++;
    } while (s2_audit_step(&m->audit, 1));
    assert_int_equal(m->findings, 0);
    assert_true(n > 20);
    while (s2_space_map_abort(&l, 64))
        clean(m);
    (void)s2_space_protect_end(&p);
    assert_int_equal(unmap(w, MIB(160), MIB(8)), S2_OK);
    clean(m);
}

static void long_work_under_way_is_no_finding(void **state)
{
    struct machine *m = *state;
    struct s2_area grows = area_alloc(LONG, MIB(4), S2_RW, 0);
    s2_attr ro = S2_ATTR(S2_R);
    struct s2_long l, p;

    assert_int_equal(s2_space_map_begin(&m->other, &l, &grows, NULL), S2_OK);
    assert_int_equal(s2_space_protect_begin(&m->other, &p, ipa_range(LINEAR, MIB(2) + PAGE), set_attr, &ro, NULL),
                     S2_OK);
    do
        clean(m);
    while (s2_space_map_step(&l, 300));
    s2_space_map_end(&l);
    do
        clean(m);
    while (s2_space_protect_step(&p, 1));
    (void)s2_space_protect_end(&p);
}

static void lazy_memory_and_caches_are_no_finding(void **state)
{
    struct machine *m = *state;
    struct world *w = m->w;

    world_run(w);
    for (uint64_t at = LAZY; at < LAZY + MIB(2); at += 37 * PAGE) {
        assert_true(guest(w, at, MODEL_WRITE).done);
        clean(m);
    }
    assert_int_equal(s2_cache_refill(&w->space, &w->cache), S2_OK);
    assert_true(w->cache.tables.count > 0);
    clean(m);
    m->busy_caches = true;
    clean(m);
    m->busy_caches = false;
}

/* --- the ledger and the allocator ---------------------------------------------------------------------------------------- */

static struct s2_ledger_entry entry_at(struct machine *m, uint64_t pa, uint64_t bytes)
{
    struct s2_ledger_entry e;

    assert_true(s2_ledger_find(&m->w->ledger, S2_PA(pa), &e));
    if (e.ipa.v != S2_IPA_NONE.v)
        e.ipa.v += pa - e.range.start.v;
    e.range = pa_range(pa, bytes);
    return e;
}

static uint64_t pa_of(struct s2_space *sp, uint64_t ipa)
{
    struct s2_leaf leaf;

    assert_true(s2_space_translate(sp, S2_IPA(ipa), &leaf));
    return leaf.pa.v + (ipa - leaf.range.start.v);
}

static void a_frame_that_was_freed_and_is_in_use(void **state)
{
    struct machine *m = *state;
    uint64_t pa = pa_of(&m->other, ALLOC + PAGE);
    bool is_clean;

    s2_frames_free(&m->w->frames, pa_range(pa, PAGE), false, false);
    (void)finds(m, OTHER, "is somebody's by the ledger, and the allocator has it free", pa);
    (void)finds(m, OTHER, "is an area's memory, and free", pa);
    assert_int_equal(s2_frames_alloc_at(&m->w->frames, pa_range(pa, PAGE), &is_clean, NULL), S2_OK);
}

static void a_frame_that_nobody_gave_back(void **state)
{
    struct machine *m = *state;
    uint64_t pa = FREE_PA + 3 * PAGE;
    bool is_clean;

    /* Taken, and nobody's. */
    assert_int_equal(s2_frames_alloc_at(&m->w->frames, pa_range(pa, 2 * PAGE), &is_clean, NULL), S2_OK);
    (void)finds(m, S2_OWNER_NONE, "is free by the ledger, and the allocator has given it to nobody", pa);
    assert_int_equal(m->findings, 1);
    s2_frames_free(&m->w->frames, pa_range(pa, 2 * PAGE), false, false);
    clean(m);
    /* The allocator has it again, and the ledger was not told. */
    struct s2_ledger_entry e = ledger_entry(pa, PAGE, VM, S2_OWNED), was = entry_at(m, pa, PAGE);
    e.pooled = true;
    s2_ledger_set(&m->w->ledger, &e);
    (void)finds(m, VM, "is somebody's by the ledger, and the allocator has it free", pa);
    (void)finds(m, VM, "holds other memory than the ledger says it took", m->w->space.frames_held + 1);
    s2_ledger_set(&m->w->ledger, &was);
}

/* While a space is destroyed, the ledger cannot tell whose fault it is: there are frames too many. */
static void a_frame_that_nobody_gave_back_while_a_space_goes(void **state)
{
    struct machine *m = *state;
    uint64_t pa = FREE_PA + 3 * PAGE;
    unsigned unknown = 0;
    bool is_clean;

    assert_int_equal(s2_frames_alloc_at(&m->w->frames, pa_range(pa, PAGE), &is_clean, NULL), S2_OK);
    s2_space_destroy_begin(&m->other);
    do {
        assert_int_equal(audit(m, ALL), 1);
        unknown += !strcmp(m->finding[0].detail.what, "more frames are in use than the ledger knows");
    } while (s2_space_destroy_step(&m->other, 1));
    assert_true(unknown > 0);
    s2_frames_free(&m->w->frames, pa_range(pa, PAGE), false, false);
    finish_other(m);
}

/* A second allocator, of two banks. */
static void one_allocator_of_several(void **state)
{
    enum { BANKS = 2 };
    static const uint64_t base[BANKS] = {MIB(8), MIB(10)};
    struct machine *m = *state;
    struct s2_frames second;
    void *mem[BANKS];
    bool is_clean;

    s2_frames_init(&second, m->w->port);
    for (unsigned i = 0; i < BANKS; i++) {
        struct s2_ledger_entry e = ledger_entry(base[i], MIB(1), S2_OWNER_NONE, S2_FREE);

        mem[i] = world_alloc(s2_frames_meta_bytes(S2_PA(base[i]), MIB(1)));
        assert_int_equal(s2_frames_add(&second, S2_PA(base[i]), MIB(1), mem[i], NULL), S2_OK);
        s2_frames_free(&second, pa_range(base[i], MIB(1)), false, false);
        assert_int_equal(s2_ledger_add(&m->w->ledger, &e, NULL), S2_OK);
    }
    s2_frames_join(&m->w->frames, &second);
    clean(m);
    for (unsigned i = 0; i < BANKS; i++) {
        uint64_t pa = base[i] + 5 * PAGE;

        assert_int_equal(s2_frames_alloc_at(&second, pa_range(pa, PAGE), &is_clean, NULL), S2_OK);
        (void)finds(m, S2_OWNER_NONE, "is free by the ledger, and the allocator has given it to nobody", pa);
        assert_int_equal(m->findings, 1);
        s2_frames_free(&second, pa_range(pa, PAGE), false, false);
    }
    clean(m);
    m->w->frames.next = &m->w->frames;
    for (unsigned i = 0; i < BANKS; i++) {
        s2_imap_erase(&m->w->ledger.map, base[i]);
        free(mem[i]);
    }
}

static void entries_that_are_wrong_by_themselves(void **state)
{
    struct machine *m = *state;
    struct s2_ledger *l = &m->w->ledger;
    uint64_t pa = FREE_PA;
    static const char what[] = "has an owner, a place or a share that does not go with its state";
    struct s2_ledger_entry was = entry_at(m, pa, PAGE), e;

    struct {
        uint16_t owner;
        uint8_t state;
        uint64_t ipa;
        uint32_t share;
        bool pooled;
    } wrong[] = {
        {VM, S2_FREE, S2_IPA_NONE.v, 0, false},
        {S2_OWNER_NONE, S2_FREE, MIB(1), 0, false},
        {S2_OWNER_NONE, S2_FREE, S2_IPA_NONE.v, 0, true},
        {S2_OWNER_NONE, S2_FREE, S2_IPA_NONE.v, 7, false},
        {VM, S2_HYP, S2_IPA_NONE.v, 0, false},
        {S2_OWNER_HYP, S2_HYP, MIB(1), 0, false},
        {S2_OWNER_HYP, S2_HYP, S2_IPA_NONE.v, 0, true},
        {S2_OWNER_HYP, S2_HYP, S2_IPA_NONE.v, 7, false},
        {S2_OWNER_NONE, S2_OWNED, S2_IPA_NONE.v, 0, false},
        {S2_OWNER_HYP, S2_OWNED, S2_IPA_NONE.v, 0, false},
        {VM, S2_OWNED, S2_IPA_NONE.v, 7, false},
        {VM, S2_SHARED, S2_IPA_NONE.v, 0, false},
        {S2_OWNER_NONE, S2_LENT, S2_IPA_NONE.v, 7, false},
        {S2_OWNER_HYP, S2_DEVICE, S2_IPA_NONE.v, 0, false},
        {S2_OWNER_NONE, S2_DEVICE, MIB(1), 0, false},
        {VM, S2_DEVICE, S2_IPA_NONE.v, 0, true},
        {VM, S2_DEVICE, S2_IPA_NONE.v, 7, false},
        {VM, S2_COLOURED, S2_IPA_NONE.v, 0, false},
        {S2_OWNER_NONE, S2_COLOURED, MIB(1), 0, false},
        {S2_OWNER_NONE, S2_COLOURED, S2_IPA_NONE.v, 0, true},
        {S2_OWNER_NONE, S2_COLOURED, S2_IPA_NONE.v, 7, false},
        {VM, 9, S2_IPA_NONE.v, 0, false},
    };

    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        e = was;
        e.owner = wrong[i].owner;
        e.state = wrong[i].state;
        e.ipa.v = wrong[i].ipa;
        e.share = wrong[i].share;
        e.pooled = wrong[i].pooled;
        s2_ledger_set(l, &e);
        (void)finds(m, e.owner, what, pa);
    }
    s2_ledger_set(l, &was);
}

static void a_ledger_that_leads_nowhere(void **state)
{
    struct machine *m = *state;
    struct s2_imap *map = &m->w->ledger.map;

    map->count++;
    assert_true(audit(m, ALL) == 1);
    assert_string_equal(m->finding[0].detail.what, s2_imap_check(map));
    assert_int_equal(m->finding[0].vm, S2_OWNER_HYP);
    assert_false(s2_audit_step(&m->audit, ALL));
    map->count--;
}

/* What belongs to a VM whose space is gone is mapped nowhere. */
static void what_a_vm_left_behind(void **state)
{
    struct machine *m = *state;
    struct s2_ledger_entry was = entry_at(m, FREE_PA, PAGE), e = was;

    end_other(m);
    e.owner = OTHER;
    e.state = S2_OWNED;
    e.ipa = S2_IPA(MIB(1));
    s2_ledger_set(&m->w->ledger, &e);
    (void)finds(m, OTHER, "is in use by the ledger, and its VM has no space", e.range.start.v);
    s2_ledger_set(&m->w->ledger, &was);
}

static void memory_that_no_allocator_has(void **state)
{
    struct machine *m = *state;
    struct s2_ledger_entry e = ledger_entry(MIB(8), PAGE, S2_OWNER_NONE, S2_FREE);

    assert_int_equal(s2_ledger_add(&m->w->ledger, &e, NULL), S2_OK);
    (void)finds(m, S2_OWNER_NONE, "belongs to an allocator, and none has it", MIB(8));
    s2_imap_erase(&m->w->ledger.map, MIB(8));
}

static void an_allocator_whose_counts_are_wrong(void **state)
{
    struct machine *m = *state;

    m->w->frames.clean++;
    (void)finds(m, S2_OWNER_HYP, "the count of clean frames is wrong", FRAME_BASE);
    m->w->frames.clean--;
    m->w->frames.region[0].count[0]++;
    (void)finds(m, S2_OWNER_HYP, "the count of free blocks is wrong", FRAME_BASE);
    m->w->frames.region[0].count[0]--;
}

/* --- spaces ------------------------------------------------------------------------------------------------------------------ */

static void a_frame_reachable_without_a_right(void **state)
{
    struct machine *m = *state;
    uint64_t pa = pa_of(&m->w->space, ALLOC + PAGE);
    struct s2_ledger_entry was = entry_at(m, pa, PAGE), e = was;

    e.owner = OTHER;
    s2_ledger_set(&m->w->ledger, &e);
    (void)finds(m, VM, "is mapped, and the ledger says that it is not this VM's", pa);
    (void)finds(m, OTHER, "is mapped by the ledger, not by its area", pa);
    e = was;
    e.rights = S2_R;
    s2_ledger_set(&m->w->ledger, &e);
    (void)finds(m, VM, "is mapped with rights that the ledger does not allow", pa);
    s2_ledger_set(&m->w->ledger, &was);
}

static void stale_rights(void **state)
{
    struct machine *m = *state;
    struct s2_ledger_entry was = entry_at(m, THEIRS_PA + MIB(3), PAGE), e = was;

    e.ipa = S2_IPA(MIB(100));
    s2_ledger_set(&m->w->ledger, &e);
    (void)finds(m, OTHER, "is mapped by the ledger, not by an area", THEIRS_PA + MIB(3));
    s2_ledger_set(&m->w->ledger, &was);
}

static void books_of_a_space(void **state)
{
    struct machine *m = *state;
    struct s2_space *sp = &m->other;
    uint32_t free = m->nodes.free;

    m->nodes.free--;
    (void)finds(m, OTHER, s2_pool_check(&m->nodes), 0);
    m->nodes.free = free;
    m->nodes.count++;
    (void)finds(m, OTHER, "has nodes that no map of it uses", m->nodes.count - 1);
    m->nodes.count--;
    m->nodes.reserved++;
    (void)finds(m, OTHER, "has nodes promised that nobody needs", m->nodes.reserved);
    m->nodes.reserved--;
    sp->areas.map.nodes++;
    (void)finds(m, OTHER, s2_imap_check(&sp->areas.map), 0);
    sp->areas.map.nodes--;
    sp->table.quota.used++;
    (void)finds(m, OTHER, "is charged for table pages that it has nowhere", sp->table.quota.used - 1);
    (void)finds(m, S2_OWNER_HYP, "has table pages that are charged to nobody, or twice", RAM_BASE);
    m->busy_caches = true; /* what vCPUs have in hand may be the rest, but the sum is what it is */
    (void)finds(m, S2_OWNER_HYP, "has table pages that are charged to nobody, or twice", RAM_BASE);
    assert_int_equal(m->findings, 1);
    m->busy_caches = false;
    sp->table.quota.used--;
    /* One wrong sum does not hide the next. */
    sp->frames_promised++;
    sp->frames_held++;
    sp->taken.count++;
    sp->cut_nodes += S2_CUT_NODES;
    (void)finds(m, OTHER, "has more in its cut reserve than belongs there", 0);
    (void)finds(m, OTHER, "promises other frames than its areas lack", sp->frames_promised - 1);
    (void)finds(m, OTHER, "holds another number of frames than its chunks have", sp->frames_held - 1);
    (void)finds(m, OTHER, "still holds what an operation took", 0);
    sp->cut_nodes -= S2_CUT_NODES;
    sp->taken.count--;
    sp->frames_held--;
    sp->frames_promised--;
}

/* Between two steps, while one of them has looked at half of it. */
static void a_space_that_goes_meanwhile(void **state)
{
    struct machine *m = *state;

    m->findings = 0;
    s2_audit_begin(&m->audit, &m->cfg);
    while (m->audit.spaces < 2)
        assert_true(s2_audit_step(&m->audit, 1));
    s2_space_destroy_begin(&m->other);
    while (s2_audit_step(&m->audit, 1))
        continue;
    assert_int_equal(m->findings, 0);
    assert_int_equal(m->audit.spaces, 2);
    finish_other(m);
}

static void table_pages(void **state)
{
    struct machine *m = *state;
    struct s2_tpool *p = &m->w->tables;
    struct s2_tpage *free = &p->meta[p->free_head];
    struct s2_ledger_entry e = ledger_entry(RAM_BASE, PAGE, S2_OWNER_NONE, S2_DEVICE);

    /* In use by its record, and on the free list. */
    free->level = S2_TPAGE_HELD;
    (void)finds(m, S2_OWNER_HYP, "a table page in use is on the free list", RAM_BASE);
    m->busy_caches = true;
    clean(m);
    m->busy_caches = false;
    free->level = S2_TPAGE_FREE;
    /* Linked by a table, and free by its record. */
    struct s2_tpage *root = &p->meta[s2_tpool_index(p, m->other.table.root)];
    int8_t level = root->level;
    root->level = S2_TPAGE_FREE;
    (void)finds(m, OTHER, "a table page is recorded as another one", 0);
    root->level = level;
    s2_ledger_set(&m->w->ledger, &e);
    (void)finds(m, S2_OWNER_HYP, "holds tables, and is not the hypervisor's by the ledger", RAM_BASE);
    e = ledger_entry(RAM_BASE, PAGE, S2_OWNER_HYP, S2_HYP);
    s2_ledger_set(&m->w->ledger, &e);
}

/* Table pages on their way back, pools without a page, of nobody, and none. */
static void pools_of_table_pages(void **state)
{
    struct machine *m = *state;
    struct s2_tpool *used = &m->w->tables, pools[2];
    struct s2_tpage *meta = world_alloc(used->pages * sizeof *meta);
    struct s2_ient e;

    m->w->space.table.detached = 1;
    clean(m);
    m->w->space.table.detached = 0;
    assert_int_equal(s2_tpool_init(&pools[0], m->w->port, used->base, TABLE_BYTES, S2_4K, meta), S2_OK);
    assert_int_equal(s2_tpool_init(&pools[1], m->w->port, used->base, 0, S2_4K, meta), S2_OK);
    m->cfg.tables = pools;
    m->cfg.pools = 2;
    clean(m);
    m->cfg.pools = 0;
    clean(m);
    m->cfg.tables = used;
    m->cfg.pools = 1;
    assert_true(s2_imap_find(&m->w->ledger.map, RAM_BASE, &e));
    s2_imap_erase(&m->w->ledger.map, RAM_BASE);
    (void)finds(m, S2_OWNER_HYP, "holds tables, and is not the hypervisor's by the ledger", RAM_BASE);
    s2_imap_insert(&m->w->ledger.map, &e);
    free(meta);
}

static void one_vmid_of_two_vms(void **state)
{
    struct machine *m = *state;
    uint64_t was;

    world_run(m->w);
    was = m->other.table.vmid.id;
    m->other.table.vmid.id = m->w->space.table.vmid.id;
    (void)finds(m, OTHER, "has a VMID that is another VM's, too", m->other.table.vmid.id & 0xffff);
    /* Those of an older generation say nothing. */
    m->w->vmids.generation += 0x10000;
    clean(m);
    m->w->vmids.generation -= 0x10000;
    m->other.table.vmid.id = was;
}

/* --- what the hypervisor maps ----------------------------------------------------------------------------------------------- */

static void hyp_leaf(struct machine *m, const struct s2_hyp_leaf *leaf, const char *what, uint64_t start)
{
    m->findings = 0;
    s2_audit_begin(&m->audit, &m->cfg);
    s2_audit_hyp_leaf(&m->audit, leaf);
    assert_int_equal(m->findings, what != NULL);
    assert_int_equal(m->audit.leaves, 1);
    if (!what)
        return;
    assert_int_equal(m->finding[0].vm, S2_OWNER_HYP);
    assert_string_equal(m->finding[0].detail.what, what);
    assert_int_equal(m->finding[0].detail.asked_start, start);
}

static void leaves_of_the_hypervisor(void **state)
{
    struct machine *m = *state;
    static const char not_own[] = "is mapped by the hypervisor, and not its own";
    struct s2_hyp_leaf good = {.va = MIB(1), .pa = pa_range(RAM_BASE, MIB(2)), .writable = true}, leaf = good;

    hyp_leaf(m, &good, NULL, 0);
    leaf.executable = true;
    hyp_leaf(m, &leaf, "is writable and executable for the hypervisor", RAM_BASE);
    leaf.writable = false;
    hyp_leaf(m, &leaf, NULL, 0);
    leaf = good;
    leaf.pa = pa_range(RAM_BASE + MIB(1), MIB(2)); /* on into free memory */
    hyp_leaf(m, &leaf, not_own, FRAME_BASE);
    leaf.pa = pa_range(LINEAR_PA, PAGE);
    hyp_leaf(m, &leaf, not_own, LINEAR_PA);
    assert_int_equal(m->finding[0].detail.holder, VM);
    leaf.pa = pa_range(DEVICE_BASE + PAGE, PAGE);
    hyp_leaf(m, &leaf, not_own, DEVICE_BASE + PAGE);
    assert_int_equal(m->finding[0].detail.holder, OTHER);
    leaf.pa = pa_range(MIB(8), PAGE); /* the machine knows nothing of it */
    hyp_leaf(m, &leaf, not_own, MIB(8));
    leaf.pa = pa_range(LINEAR_PA, PAGE);
    leaf.window = true;
    hyp_leaf(m, &leaf, "is behind a window that was left open", LINEAR_PA);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counts_what_it_looked_at),
        TEST(what_changes_between_steps_is_no_finding),
        TEST(long_work_under_way_is_no_finding),
        TEST(lazy_memory_and_caches_are_no_finding),
        TEST(a_frame_that_was_freed_and_is_in_use),
        TEST(a_frame_that_nobody_gave_back),
        TEST(a_frame_that_nobody_gave_back_while_a_space_goes),
        TEST(one_allocator_of_several),
        TEST(entries_that_are_wrong_by_themselves),
        TEST(a_ledger_that_leads_nowhere),
        TEST(what_a_vm_left_behind),
        TEST(memory_that_no_allocator_has),
        TEST(an_allocator_whose_counts_are_wrong),
        TEST(a_frame_reachable_without_a_right),
        TEST(stale_rights),
        TEST(books_of_a_space),
        TEST(a_space_that_goes_meanwhile),
        TEST(table_pages),
        TEST(pools_of_table_pages),
        TEST(one_vmid_of_two_vms),
        TEST(leaves_of_the_hypervisor),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

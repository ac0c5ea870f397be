/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The audit of a whole machine with two VMs: nothing is found in what is sound, whatever changes between two steps; and what the ledger
 * and the allocators can be at odds about is found, under the right name and at the right place. */
#include "audit_world.h"

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

static const char lost[] = "is free by the ledger, and the allocator has given it to nobody";

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
    assert_int_equal(finds(m, S2_OWNER_NONE, lost, pa)->detail.asked_end, pa + 2 * PAGE);
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

/* What a space that is being destroyed still holds is free by the ledger already, and no finding; what lies behind that is. */
static void a_frame_that_nobody_gave_back_while_a_space_goes(void **state)
{
    struct machine *m = *state;
    struct s2_ledger_entry e, last = {.ipa = S2_IPA(0)};
    bool is_clean;
    uint64_t pa;

    for (s2_pa at = S2_PA(0); s2_ledger_next(&m->w->ledger, at, &e); at = e.range.end)
        if (e.owner == OTHER && e.pooled)
            last = e;
    pa = last.range.end.v - PAGE;
    assert_int_equal(s2_space_unmap(&m->other, ipa_range(last.ipa.v + (pa - last.range.start.v), PAGE), NULL), S2_OK);
    assert_int_equal(s2_frames_alloc_at(&m->w->frames, pa_range(pa, PAGE), &is_clean, NULL), S2_OK);
    s2_space_destroy_begin(&m->other);
    do {
        assert_int_equal(finds(m, S2_OWNER_NONE, lost, pa)->detail.asked_end, pa + PAGE);
        assert_int_equal(m->findings, 1);
    } while (s2_space_destroy_step(&m->other, 1));
    s2_frames_free(&m->w->frames, pa_range(pa, PAGE), false, false);
    finish_other(m);
    assert_int_equal(s2_frames_alloc_at(&m->w->frames, pa_range(pa, PAGE), &is_clean, NULL), S2_OK);
    (void)finds(m, S2_OWNER_NONE, lost, pa);
    s2_frames_free(&m->w->frames, pa_range(pa, PAGE), false, false);
}

/* A run of them is told as one, as far as the budget lasts; of each entry the first. */
static void many_frames_that_nobody_gave_back(void **state)
{
    struct machine *m = *state;
    uint64_t pa = FREE_PA + 3 * PAGE;
    struct s2_ledger_entry e;
    bool is_clean;

    assert_int_equal(s2_frames_alloc_at(&m->w->frames, pa_range(pa, 9 * PAGE), &is_clean, NULL), S2_OK);
    assert_int_equal(s2_frames_alloc_at(&m->w->frames, pa_range(pa + MIB(1), PAGE), &is_clean, NULL), S2_OK);
    assert_int_equal(finds(m, S2_OWNER_NONE, lost, pa)->detail.asked_end, pa + 9 * PAGE);
    assert_int_equal(m->findings, 1);
    assert_int_equal(audit(m, 1), 1);
    assert_int_equal(m->finding[0].detail.asked_start, pa);
    assert_int_equal(m->finding[0].detail.asked_end, pa + PAGE);
    s2_frames_free(&m->w->frames, pa_range(pa, 9 * PAGE), false, false);
    assert_int_equal(finds(m, S2_OWNER_NONE, lost, pa + MIB(1))->detail.asked_end, pa + MIB(1) + PAGE);
    s2_frames_free(&m->w->frames, pa_range(pa + MIB(1), PAGE), false, false);
    assert_true(s2_ledger_find(&m->w->ledger, S2_PA(pa), &e));
    pa = e.range.end.v - 2 * PAGE; /* to the end of the entry */
    assert_int_equal(s2_frames_alloc_at(&m->w->frames, pa_range(pa, 2 * PAGE), &is_clean, NULL), S2_OK);
    assert_int_equal(finds(m, S2_OWNER_NONE, lost, pa)->detail.asked_end, pa + 2 * PAGE);
    s2_frames_free(&m->w->frames, pa_range(pa, 2 * PAGE), false, false);
}

/* Another CPU has a frame in hand when the audit looks at the allocator, without its space's lock; then it has put it where it
 * belongs. */
struct in_hand {
    struct machine *m;
    uint64_t pa;
    bool gives, has;
    unsigned times;
};

static void handles(void *arg, const struct s2_lock *lock, bool taken)
{
    struct in_hand *h = arg;
    struct world *w = h->m->w;
    struct s2_ledger_entry e = ledger_entry(h->pa, PAGE, S2_OWNER_NONE, h->gives ? S2_FREE : S2_OWNED);
    bool is_clean;

    e.owner = h->gives ? S2_OWNER_NONE : VM;
    if (lock == &w->space.lock && taken && h->has) {
        if (h->gives)
            s2_frames_free(&w->frames, pa_range(h->pa, PAGE), false, false);
        else
            s2_ledger_set(&w->ledger, &e);
        h->has = false;
    } else if (lock == &w->space.lock && !taken && !h->has && h->times) {
        h->times--;
        h->has = true;
        e = ledger_entry(h->pa, PAGE, S2_OWNER_NONE, S2_FREE);
        if (h->gives)
            assert_int_equal(s2_frames_alloc_at(&w->frames, pa_range(h->pa, PAGE), &is_clean, NULL), S2_OK);
        else
            s2_ledger_set(&w->ledger, &e);
    }
}

static void frames_in_hand_are_no_finding(void **state)
{
    struct machine *m = *state;
    struct s2_ledger_entry none = ledger_entry(FREE_PA + PAGE, PAGE, S2_OWNER_NONE, S2_FREE);

    for (unsigned gives = 0; gives < 2; gives++) {
        struct in_hand h = {.m = m, .pa = FREE_PA + PAGE, .gives = gives, .has = true, .times = 3};
        bool is_clean;

        assert_int_equal(s2_frames_alloc_at(&m->w->frames, none.range, &is_clean, NULL), S2_OK);
        model_script_lock(m->w->port, handles, &h);
        assert_int_equal(audit(m, 1), 0);
        model_script_lock(m->w->port, NULL, NULL);
        assert_int_equal(h.times, 0);
        if (h.has || !gives)
            s2_frames_free(&m->w->frames, none.range, false, false);
        s2_ledger_set(&m->w->ledger, &none);
        clean(m);
    }
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
        (void)finds(m, S2_OWNER_NONE, lost, pa);
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

/* While VMs run, structures are looked at part by part, whatever the steps, and told of once. */
static void told_once(struct machine *m, const char *what)
{
    for (uint64_t budget = 1; budget < 512; budget *= 3) {
        assert_int_equal(audit(m, budget), 1);
        assert_int_equal(m->finding[0].vm, S2_OWNER_HYP);
        assert_string_equal(m->finding[0].detail.what, what);
    }
}

/* Every other page of some free memory looks different. */
static void many_entries(struct machine *m, unsigned rights)
{
    enum { PIECES = 100 };

    for (unsigned i = 0; i < PIECES; i++) {
        struct s2_ledger_entry e = ledger_entry(FREE_PA + (2 * i + 1) * PAGE, PAGE, S2_OWNER_NONE, S2_FREE);

        e.rights = (uint8_t)rights;
        s2_ledger_set(&m->w->ledger, &e);
    }
}

static void structures_while_vms_run(void **state)
{
    struct machine *m = *state;
    struct s2_frame_region *r = &m->w->frames.region[0];
    struct s2_imap *map = &m->w->ledger.map;
    uint64_t frame = (FREE_PA + 3 * PAGE - FRAME_BASE) / PAGE;
    struct s2_imap_cursor last;
    unsigned order = 0;

    m->busy_caches = true;
    r->free[0][frame / 64] ^= 1ull << frame % 64;
    told_once(m, "a frame lies in two free blocks");
    r->free[0][frame / 64] ^= 1ull << frame % 64;
    while (!r->count[order])
        order++;
    r->hint[order] += 1000;
    told_once(m, "a free block lies below the hint");
    r->hint[order] -= 1000;
    assert_true(map->height > 0);
    map->root.inner.end[0]++;
    told_once(m, "a child's end is not what its parent says");
    map->root.inner.end[0]--;
    many_entries(m, S2_RW);
    assert_int_equal(audit(m, 1), 0);
    assert_true(s2_imap_seek(map, FRAME_BASE + FRAME_BYTES - 1, &last));
    last.leaf->order ^= 1;
    told_once(m, "a leaf's order names a slot twice");
    last.leaf->order ^= 1;
    many_entries(m, S2_RWX);
    /* Sums wait until none does. */
    m->w->frames.clean++;
    map->count++;
    assert_int_equal(audit(m, 1), 0);
    map->count--;
    m->w->frames.clean--;
    m->busy_caches = false;
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
        TEST(many_frames_that_nobody_gave_back),
        TEST(frames_in_hand_are_no_finding),
        TEST(one_allocator_of_several),
        TEST(entries_that_are_wrong_by_themselves),
        TEST(a_ledger_that_leads_nowhere),
        TEST(structures_while_vms_run),
        TEST(what_a_vm_left_behind),
        TEST(memory_that_no_allocator_has),
        TEST(an_allocator_whose_counts_are_wrong),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

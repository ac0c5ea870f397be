/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Lessons from the field that no other suite covers by itself. docs/testing.md says which test covers which. */
#include "space_world.h"

#include "space/inner.h"

#define GIB(n) ((uint64_t)(n) << 30)

enum { SHARED_PA = 0x40800000 }; /* memory that a test gives to the VM */
#define EC_DATA_ABORT       (0x24ull << 26)
#define TRANSLATION_LEVEL_3 0x07u

static struct world *make(unsigned ipa_bits, bool small_leaves)
{
    struct world_config wc = world_defaults();

    wc.ipa_bits = ipa_bits;
    wc.small_leaves = small_leaves;
    return world_create(&wc);
}

static int setup(void **state)
{
    *state = make(36, false);
    return 0;
}

static uint64_t *slot_of(struct world *w, uint64_t ipa, uint64_t *desc)
{
    struct s2_walk_step steps[5];
    unsigned n = s2_space_walk(&w->space, S2_IPA(ipa), steps);

    assert_true(n > 0);
    *desc = steps[n - 1].desc;
    return model_ram(w->port, steps[n - 1].slot.v);
}

/* --- invalidation -------------------------------------------------------------------------------------------------- */

/* T10: a vCPU faults while a leaf is broken; when its fault is looked at, the leaf is there again. */
static void t10_a_fault_in_a_break_window_is_retried(void **state)
{
    struct world *w = *state;
    struct s2_syndrome syn = {EC_DATA_ABORT | TRANSLATION_LEVEL_3, 0, 0};
    struct s2_fault_result r;
    struct s2_fault f;

    assert_int_equal(map_new(w, area_alloc(0, PAGE, S2_RW, 0)), S2_OK);
    world_run(w);
    assert_true(guest(w, 0, MODEL_WRITE).done);
    s2_fault_decode(w->port, &syn, false, &f);
    assert_int_equal(protect(w, 0, PAGE, S2_RW | S2_MT_NORMAL_NC), S2_OK);
    model_reset_counters(w->port);
    assert_int_equal(s2_space_fault(&w->space, &w->cache, &f, &r), S2_RETRY);
    assert_int_equal(model_tlbis(w->port), 0);
    assert_true(guest(w, 0, MODEL_WRITE).done);
}

/* --- tables -------------------------------------------------------------------------------------------------------- */

/* G4 for a fault: where a space is to have pages only, a lazy chunk of 2 MiB is mapped page by page. */
static void g4_a_space_of_pages_faults_pages(void **state)
{
    struct world *w = make(36, true);

    (void)state;
    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    world_run(w);
    assert_true(guest(w, 5 * PAGE, MODEL_WRITE).done);
    assert_int_equal(w->space.frames_held, 512);
    assert_int_equal(leaves_at(w, 2), 0);
    assert_int_equal(leaves_at(w, 3), 1);
    world_check(w);
    world_destroy(w);
}

/* G8: what is not there is passed over, in tables and between areas. */
static void g8_holes_do_not_stop_an_operation(void **state)
{
    static const uint64_t there[] = {0, 3 * PAGE, MIB(2) + PAGE, MIB(64), GIB(5), GIB(9) + MIB(2)};
    enum { N = sizeof there / sizeof there[0] };
    struct world *w = *state;
    struct s2_space_stats s;

    for (unsigned i = 0; i < N; i++)
        assert_int_equal(map_new(w, area_alloc(there[i], PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(protect(w, 0, GIB(10), S2_R), S2_OK);
    for (unsigned i = 0; i < N; i++) {
        struct s2_leaf leaf;

        assert_true(s2_space_translate(&w->space, S2_IPA(there[i]), &leaf));
        assert_int_equal(leaf.attr.bits, S2_R);
    }
    assert_int_equal(unmap(w, PAGE, GIB(10) - PAGE), S2_OK);
    s2_space_stats(&w->space, &s);
    assert_int_equal(s.areas, 1);
    assert_int_equal(s.mapped_bytes, PAGE);
    assert_int_equal(s.frames_held, 1);
}

/* G10: an entry that hardware ignores and that is not zero goes with the rest, and the counts agree afterwards. */
static void g10_invalid_entries_with_contents_are_cleared(void **state)
{
    struct world *w = *state;
    uint64_t desc, *slot;
    struct s2_gather g;
    struct s2_tstash none = S2_TSTASH_EMPTY;

    assert_int_equal(map_new(w, area_alloc(0, 2 * PAGE, S2_RW, 0)), S2_OK);
    slot = slot_of(w, PAGE, &desc);
    *slot = desc & ~1ull;
    s2_gather_init(&g);
    s2_space_lock(&w->space);
    s2_table_unmap(&w->space.table, &none, &g, ipa_range(PAGE, PAGE));
    s2_gather_flush(&w->space.table, &g);
    assert_int_equal(*slot, 0);
    assert_null(s2_table_check(&w->space.table));
    s2_table_unmap(&w->space.table, &none, &g, ipa_range(0, PAGE));
    s2_gather_flush(&w->space.table, &g);
    s2_gather_free(&w->space.table, &g);
    s2_space_unlock(&w->space);
    assert_null(s2_table_check(&w->space.table));
    assert_int_equal(w->space.table.quota.used, w->space.cfg.geometry.roots + w->space.cut.count);
    assert_int_equal(unmap(w, 0, 2 * PAGE), S2_OK);
}

/* G11: whatever software marks say, the output address is what it was. */
static void g11_marks_are_not_in_the_address(void **state)
{
    struct world *w = *state;
    uint64_t first, desc;

    assert_int_equal(map_new(w, area_alloc(0, PAGE, S2_RW, 0)), S2_OK);
    (void)slot_of(w, 0, &first);
    for (unsigned mark = 0; mark < 16; mark++) {
        assert_int_equal(protect(w, 0, PAGE, S2_RW | mark << S2_SW_SHIFT), S2_OK);
        (void)slot_of(w, 0, &desc);
        assert_int_equal(desc, first | (uint64_t)mark << 55);
    }
}

/* G12: giving an empty table back is decided by its count, not by a look at its entries. */
static void g12_no_table_is_scanned(void **state)
{
    struct world *w = *state;
    uint32_t pages;

    assert_int_equal(map_new(w, area_alloc(0, PAGE, S2_RW, 0)), S2_OK);
    pages = w->space.table.quota.used;
    assert_int_equal(map_new(w, area_alloc(MIB(2) - PAGE, PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(w->space.table.quota.used, pages);
    model_reset_counters(w->port);
    assert_int_equal(unmap(w, MIB(2) - PAGE, PAGE), S2_OK);
    assert_int_equal(w->space.table.quota.used, pages);
    assert_true(w->port->count.loads < 16);
    model_reset_counters(w->port);
    assert_int_equal(unmap(w, 0, PAGE), S2_OK);
    assert_int_equal(w->space.table.quota.used, pages - 2);
    assert_true(w->port->count.loads < 16);
}

/* G13: two vCPUs found no chunk under the shared lock; the second sees the first one's under the exclusive lock. */
static void g13_what_was_seen_is_looked_at_again(void **state)
{
    struct world *w = *state;

    assert_int_equal(map_new(w, area_alloc(0, PAGE, S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(s2_lazy_fetch(&w->space, S2_IPA(0)), S2_OK);
    assert_int_equal(w->space.frames_held, 1);
    assert_int_equal(s2_lazy_fetch(&w->space, S2_IPA(0)), S2_OK);
    assert_int_equal(w->space.frames_held, 1);
    assert_int_equal(w->space.chunks.count, 1);
}

/* --- all or nothing ------------------------------------------------------------------------------------------------ */

/* A1: the top level of a 48-bit space has no blocks, so even a congruent 512 GiB needs the table below it. */
static void a1_tables_are_counted_where_a_level_has_no_blocks(void **state)
{
    struct world *w = make(48, false);
    struct s2_table *t = &w->space.table;

    (void)state;
    assert_int_equal(t->geo.start_level, 0);
    assert_int_equal(s2_table_need_map(t, ipa_range(0, GIB(512)), S2_PA(0), true), 1);
    assert_int_equal(s2_table_need_map(t, ipa_range(0, GIB(512)), S2_PA(0), false), 1);
    assert_int_equal(s2_table_need_map(t, ipa_range(GIB(511), GIB(2)), S2_PA(GIB(511)), true), 2);
    world_check(w);
    world_destroy(w);
}

/* A5, O6: a backend takes back what it took in this operation, and nothing else. */
static void a5_what_was_taken_goes_back(void **state)
{
    static const uint16_t flags[] = {S2_AREA_LAZY, S2_AREA_LAZY | S2_AREA_OVERCOMMIT, 0};
    const struct s2_backend *b = &s2_backend_alloc;
    struct world *w = *state;
    uint64_t reserved, free = w->frames.free;

    assert_int_equal(map_new(w, area_alloc(0, PAGE, S2_RW, S2_AREA_LAZY)), S2_OK);
    reserved = w->frames.reserved;
    assert_int_equal(w->space.frames_promised, 1);
    for (unsigned i = 0; i < 3; i++) {
        struct s2_area a = area_alloc(MIB(2), MIB(1), S2_RW, flags[i]);
        struct s2_change c = {.step = S2_STEP_MAP, .area = a, .part = a.range, .attr = a.attr};
        struct s2_op op;

        s2_space_lock(&w->space);
        s2_op_begin(&op, &w->space, &w->d);
        assert_int_equal(b->prepare(&w->space, &op, &c), S2_OK);
        assert_int_equal(s2_op_reserve(&op), S2_OK);
        assert_int_equal(b->take(&w->space, &op, &c), S2_OK);
        assert_int_equal(w->space.frames_promised, 1 + (flags[i] == S2_AREA_LAZY ? MIB(1) / PAGE : 0));
        assert_int_equal(w->space.frames_held, flags[i] ? 0 : MIB(1) / PAGE);
        assert_int_equal(free - w->frames.free, flags[i] ? 0 : MIB(1) / PAGE);
        b->undo(&w->space, &op, &c);
        s2_op_end(&op);
        s2_space_unlock(&w->space);
        s2_op_dispose(&op);
        assert_int_equal(w->space.frames_promised, 1);
        assert_int_equal(w->space.frames_held, 0);
        assert_int_equal(w->frames.reserved, reserved);
        assert_int_equal(w->frames.free, free);
    }
}

/* A8: a step of a destruction gives back no more tables, and no more frames, than its budget. */
static void a8_each_step_of_a_destruction_is_bounded(void **state)
{
    struct world *w = make(36, true);
    uint64_t steps = 0, tables, frames;

    (void)state;
    assert_int_equal(map_new(w, area_alloc(0, MIB(3), S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(GIB(3), MIB(1), S2_RW, 0)), S2_OK);
    tables = w->tables.free;
    frames = w->frames.free;
    s2_space_destroy_begin(&w->space);
    for (bool left = true; left; steps++) {
        enum { BUDGET = 8 };

        left = s2_space_destroy_step(&w->space, BUDGET);
        assert_true(w->tables.free - tables <= BUDGET);
        assert_true(w->frames.free - frames <= BUDGET);
        tables = w->tables.free;
        frames = w->frames.free;
    }
    assert_true(steps > MIB(4) / PAGE / 8);
    s2_space_destroy_end(&w->space);
    assert_int_equal(w->frames.free, w->frames.total);
    assert_int_equal(w->tables.free, w->tables.pages);
    assert_true(model_ok(w->port));
    world_free(w);
}

/* --- ownership ----------------------------------------------------------------------------------------------------- */

/* O2, O4: a transition names whom it expects, and nobody else's frame changes hands: every owner and state that a frame can
 * have now, against every one that a transition may expect. */
static void o4_only_the_expected_holder_gives(void **state)
{
    static const struct {
        uint16_t owner;
        enum s2_frame_state state;
    } holder[] = {{S2_OWNER_NONE, S2_FREE}, {VM, S2_OWNED},  {OTHER, S2_OWNED},
                  {S2_OWNER_HYP, S2_HYP},   {VM, S2_DEVICE}, {S2_OWNER_NONE, S2_DEVICE}};
    enum { N = sizeof holder / sizeof holder[0] };
    struct world *w = *state;
    struct s2_detail d;

    for (unsigned is = 0; is < N; is++) {
        struct s2_ledger_entry e = ledger_entry(SHARED_PA, PAGE, holder[is].owner, holder[is].state);

        s2_ledger_set(&w->ledger, &e);
        for (unsigned expected = 0; expected < N; expected++) {
            struct s2_ledger_entry want = ledger_entry(SHARED_PA, PAGE, OTHER + 1, S2_OWNED);
            enum s2_err err, right = is == expected ? S2_OK : S2_EPERM;
            struct s2_claim c;

            err = s2_ledger_plan(&w->ledger, &c, holder[expected].owner, holder[expected].state, &want, &d);
            assert_int_equal(err, right);
            if (err)
                assert_int_equal(d.holder, holder[is].owner);
            s2_ledger_drop(&w->ledger, &c);
        }
        /* And only the holder's own may be mapped. */
        assert_int_equal(map_new(w, area_linear(GIB(1), PAGE, SHARED_PA, S2_RW)),
                         holder[is].owner == VM ? S2_OK : S2_EPERM);
        if (holder[is].owner == VM)
            assert_int_equal(unmap(w, GIB(1), PAGE), S2_OK);
    }
    {
        struct s2_ledger_entry back = ledger_entry(SHARED_PA, PAGE, S2_OWNER_NONE, S2_FREE);

        s2_ledger_set(&w->ledger, &back);
    }
}

/* O3, O7: memory that was scrubbed once, used, and given back is scrubbed again before anybody has it. */
static void o7_used_memory_is_clean_for_its_next_owner(void **state)
{
    struct world *w = *state;
    char secret[] = "secret", seen[sizeof secret];
    static const char zero[sizeof secret];
    struct s2_leaf before, after;

    while (s2_frames_scrub_step(&w->frames, 4096))
        ;
    assert_int_equal(w->frames.clean, w->frames.total);
    assert_int_equal(map_new(w, area_alloc(0, PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(0), secret, sizeof secret, S2_W, false, NULL), S2_OK);
    assert_true(s2_space_translate(&w->space, S2_IPA(0), &before));
    assert_int_equal(unmap(w, 0, PAGE), S2_OK);
    assert_int_equal(w->frames.clean, w->frames.total - 1);
    assert_int_equal(map_new(w, area_alloc(GIB(1), PAGE, S2_RW, 0)), S2_OK);
    assert_true(s2_space_translate(&w->space, S2_IPA(GIB(1)), &after));
    assert_int_equal(after.pa.v, before.pa.v); /* the same frame: the lowest that is free */
    assert_int_equal(s2_space_copy_out(&w->space, seen, S2_IPA(GIB(1)), sizeof seen, S2_R, NULL), S2_OK);
    assert_memory_equal(seen, zero, sizeof seen);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(t10_a_fault_in_a_break_window_is_retried),
        TEST(g8_holes_do_not_stop_an_operation),
        TEST(g10_invalid_entries_with_contents_are_cleared),
        TEST(g11_marks_are_not_in_the_address),
        TEST(g12_no_table_is_scanned),
        TEST(g13_what_was_seen_is_looked_at_again),
        TEST(a5_what_was_taken_goes_back),
        TEST(o4_only_the_expected_holder_gives),
        TEST(o7_used_memory_is_clean_for_its_next_owner),
        cmocka_unit_test(g4_a_space_of_pages_faults_pages),
        cmocka_unit_test(a1_tables_are_counted_where_a_level_has_no_blocks),
        cmocka_unit_test(a8_each_step_of_a_destruction_is_bounded),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

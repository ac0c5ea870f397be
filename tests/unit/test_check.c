/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* s2_space_check: each way in which areas, tables, chunks, ledger and counts can disagree is found; what
 * hardware may change is not. */
#include "space_world.h"

#include "space/inner.h"
#include "table/engine.h"

#define LINEAR    MIB(16)
#define LINEAR_PA (FRAME_BASE + MIB(16))
#define ALLOC     MIB(32)
#define LAZY      MIB(48)
#define TRAP      MIB(64)

#define AF         (1ull << 10)
#define WRITE      (1ull << 7)
#define DBM        (1ull << 51)
#define CONTIGUOUS (1ull << 52)

static int setup(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w;

    wc.not_strict = true; /* tables are scribbled on */
    w = world_create(&wc);
    world_give(w, LINEAR_PA, MIB(4), VM, S2_RWX);
    assert_int_equal(map_new(w, area_linear(LINEAR, MIB(2) + PAGE, LINEAR_PA, S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(ALLOC, MIB(2) + PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(LAZY, MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(map_new(w, area_trap(TRAP, MIB(2), 1)), S2_OK);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(LAZY), "x", 1, 0, false, NULL), S2_OK);
    assert_null(s2_space_check(&w->space, &w->d));
    *state = w;
    return 0;
}

static bool no_more(void *arg, const struct s2_detail *d)
{
    (void)d;
    ++*(unsigned *)arg;
    return false;
}

/* Asked in two parts, what all of it says and what each range does, one of them has it, and ends with it. */
static void finds(struct world *w, const char *what)
{
    const char *wrong = s2_space_check(&w->space, &w->d);
    unsigned found = 0;
    uint64_t leaves = 0;
    bool on = s2_check_totals(&w->space, no_more, &found);

    assert_int_equal(found, !on);
    if (on)
        assert_false(s2_check_range(&w->space, ipa_range(0, 1ull << 36), no_more, &found, &leaves));
    assert_int_equal(found, 1);

    assert_non_null(wrong);
    assert_string_equal(wrong, what);
    assert_string_equal(w->d.what, what);
}

/* The descriptor that translates ipa, or would. */
static struct s2_walk_step last_step(struct world *w, uint64_t ipa)
{
    struct s2_walk_step steps[5];
    unsigned n = s2_space_walk(&w->space, S2_IPA(ipa), steps);

    assert_true(n > 0);
    return steps[n - 1];
}
static uint64_t *descriptor(struct world *w, uint64_t ipa)
{
    return model_ram(w->port, last_step(w, ipa).slot.v);
}

/* The table in which the leaf of ipa stands. */
static struct s2_node node(struct world *w, uint64_t ipa)
{
    struct s2_walk_step step = last_step(w, ipa);
    uint64_t bytes = s2_node_bytes(&w->space.table, step.level);

    return s2_node_at(&w->space.table, S2_PA(step.slot.v & ~(PAGE - 1)), step.level, ipa & ~(bytes - 1));
}

/* A leaf that changed behind the engine's back does not go with its table's sum; if that is made to agree, what it says is
 * compared. */
static void with_descriptor(struct world *w, uint64_t ipa, uint64_t flip, const char *what)
{
    uint64_t *desc = descriptor(w, ipa), was = *desc;
    struct s2_node n = node(w, ipa);
    uint64_t sum = n.page->sum;

    *desc ^= flip;
    finds(w, "the sum of a table's leaves is wrong");
    n.page->sum += s2_leaf_sum(&w->space.table, &n, ipa, *desc) - s2_leaf_sum(&w->space.table, &n, ipa, was);
    assert_true(n.page->sum != sum);
    finds(w, what);
    *desc = was;
    n.page->sum = sum;
    assert_null(s2_space_check(&w->space, &w->d));
}

static void leaves_that_say_something_else(void **state)
{
    struct world *w = *state;

    with_descriptor(w, LINEAR, MIB(2), "is mapped to another address than its area says");
    with_descriptor(w, LINEAR + MIB(2), PAGE, "is mapped to another address than its area says");
    with_descriptor(w, ALLOC, MIB(4), "is mapped to another address than its area says");
    assert_int_equal(w->d.axis, S2_AXIS_IPA);
    assert_int_equal(w->d.asked_start, ALLOC);
    with_descriptor(w, ALLOC, WRITE, "is mapped with other attributes than its area has");
    with_descriptor(w, LINEAR + MIB(2), 1ull << 54, "is mapped with other attributes than its area has");
    with_descriptor(w, ALLOC, 3ull << 2, "is mapped with other attributes than its area has");
}

/* A table's own books, and its runs: found before any area is looked at. */
static void tables_that_are_wrong_inside(void **state)
{
    struct world *w = *state;
    struct s2_node n;

    assert_int_equal(map_new(w, area_linear(MIB(96), 32 * PAGE, LINEAR_PA + MIB(3), S2_RW)), S2_OK);
    n = node(w, MIB(96));
    n.page->sum++;
    finds(w, "the sum of a table's leaves is wrong");
    n.page->sum--;
    n.page->valid++;
    finds(w, "the count of entries in a table is wrong");
    n.page->valid--;
    for (unsigned i = 0; i < 32; i++)
        assert_true(n.slots[i] & CONTIGUOUS);
    n.slots[16] ^= CONTIGUOUS;
    finds(w, "a leaf is marked contiguous, and the first of its run is not");
    n.slots[16] ^= CONTIGUOUS;
    n.slots[31] ^= CONTIGUOUS;
    finds(w, "a run of contiguous leaves is not whole");
    for (unsigned i = 24; i < 31; i++)
        n.slots[i] ^= CONTIGUOUS;
    finds(w, "a run of contiguous leaves is not whole");
    for (unsigned i = 16; i < 24; i++)
        n.slots[i] ^= CONTIGUOUS;
    assert_null(s2_space_check(&w->space, &w->d)); /* it says no more than that there might be one */
    for (unsigned i = 16; i < 32; i++)
        n.slots[i] ^= CONTIGUOUS;
    for (unsigned i = 0; i < 2; i++) {
        n.slots[5] ^= i ? PAGE : WRITE;
        finds(w, "the leaves of a contiguous run do not agree");
        n.slots[5] ^= i ? PAGE : WRITE;
    }
    assert_null(s2_space_check(&w->space, &w->d));
    assert_int_equal(unmap(w, MIB(96), 32 * PAGE), S2_OK);
}

static void what_hardware_changes_does_not_count(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w;
    uint64_t *desc;

    (void)state;
    wc.not_strict = wc.access_flag = wc.dirty = true;
    w = world_create(&wc);
    assert_int_equal(map_new(w, area_alloc(0, MIB(2), S2_RW, 0)), S2_OK);
    desc = descriptor(w, 0);
    assert_true(*desc & DBM);
    assert_null(s2_space_check(&w->space, &w->d));
    *desc |= WRITE;
    assert_null(s2_space_check(&w->space, &w->d));
    *desc &= ~AF;
    assert_null(s2_space_check(&w->space, &w->d));
    world_destroy(w);
}

/* Through the engine, behind the areas' back. */
static void tables_with_more_or_less_than_the_areas(void **state)
{
    struct world *w = *state;
    struct s2_tstash stash = S2_TSTASH_EMPTY;
    struct s2_gather g;

    s2_gather_init(&g);
    assert_int_equal(s2_tpool_take(&w->tables, &w->space.table.quota, 8, &stash), S2_OK);
    s2_table_map(&w->space.table, &stash, &g, ipa_range(TRAP, PAGE), S2_PA(LINEAR_PA), S2_ATTR(S2_RW));
    finds(w, "is mapped, and its area has no memory there");
    s2_table_unmap(&w->space.table, &stash, &g, ipa_range(TRAP, PAGE));
    s2_table_map(&w->space.table, &stash, &g, ipa_range(MIB(80), PAGE), S2_PA(LINEAR_PA), S2_ATTR(S2_RW));
    finds(w, "is mapped, and no one area covers it");
    assert_int_equal(w->d.asked_start, MIB(80));
    s2_table_unmap(&w->space.table, &stash, &g, ipa_range(MIB(80), PAGE));
    s2_table_unmap(&w->space.table, &stash, &g, ipa_range(LINEAR + MIB(2), PAGE));
    finds(w, "is not wholly mapped");
    s2_table_map(&w->space.table, &stash, &g, ipa_range(LINEAR + MIB(2), PAGE), S2_PA(LINEAR_PA + MIB(2)),
                 S2_ATTR(S2_RW));
    assert_null(s2_space_check(&w->space, &w->d));
    s2_table_unmap(&w->space.table, &stash, &g, ipa_range(ALLOC + PAGE, PAGE));
    finds(w, "is not wholly populated");
    struct s2_leaf leaf;
    assert_true(s2_space_translate(&w->space, S2_IPA(ALLOC), &leaf));
    s2_table_map(&w->space.table, &stash, &g, ipa_range(ALLOC + PAGE, PAGE), S2_PA(leaf.pa.v + PAGE), S2_ATTR(S2_RW));
    assert_null(s2_space_check(&w->space, &w->d));
    s2_gather_flush(&w->space.table, &g);
    s2_gather_free(&w->space.table, &g);
    s2_tpool_give(&w->tables, &w->space.table.quota, &stash);
}

static void areas_that_say_something_else(void **state)
{
    struct world *w = *state;
    struct s2_imap *m = &w->space.areas.map;
    struct s2_ient e;

    /* The area goes: its leaves stay. */
    assert_true(s2_imap_find(m, LINEAR, &e));
    s2_imap_erase(m, LINEAR);
    finds(w, "is mapped, and no one area covers it");
    s2_imap_insert(m, &e);
    /* It ends inside a leaf, or goes on past the last one. */
    s2_imap_resize(m, LINEAR, LINEAR, LINEAR + MIB(1));
    finds(w, "is mapped, and no one area covers it");
    s2_imap_resize(m, LINEAR, LINEAR, LINEAR + MIB(2) + 2 * PAGE);
    finds(w, "is not wholly mapped");
    s2_imap_resize(m, LINEAR, LINEAR, LINEAR + MIB(2) + PAGE);
    assert_true(s2_imap_find(m, ALLOC, &e));
    s2_imap_resize(m, ALLOC, ALLOC, ALLOC + MIB(2) + 2 * PAGE);
    finds(w, "is not wholly populated");
    s2_imap_resize(m, ALLOC, ALLOC, ALLOC + MIB(2) + PAGE);
    /* A lazy one that is gone leaves its chunk behind. */
    assert_true(s2_imap_find(m, LAZY, &e));
    s2_imap_erase(m, LAZY);
    w->space.frames_promised = 0;
    finds(w, "is memory of an area that is not there");
    s2_imap_insert(m, &e);
    w->space.frames_promised = 0;
}

static void chunks_that_say_something_else(void **state)
{
    struct world *w = *state;
    struct s2_imap *m = &w->space.chunks;
    struct s2_ival moved;
    struct s2_ient e;

    assert_true(s2_imap_find(m, ALLOC, &e));
    moved = e.val;
    moved.w[0] += MIB(2);
    s2_imap_set(m, ALLOC, &moved);
    finds(w, "is mapped to another address than its area says");
    s2_imap_set(m, ALLOC, &e.val);
    s2_imap_erase(m, ALLOC);
    finds(w, "is mapped, and its area has no memory there");
    s2_imap_insert(m, &e);
    assert_true(s2_imap_find(m, LAZY, &e));
    s2_imap_erase(m, LAZY);
    finds(w, "promises other frames than its areas lack");
    w->space.frames_promised = 512;
    finds(w, "holds another number of frames than its chunks have");
    w->space.frames_held -= 512;
    finds(w, "is mapped by the ledger, not by its area");
    w->space.frames_promised = 0;
    w->space.frames_held += 512;
    s2_imap_insert(m, &e);
    e = (struct s2_ient){TRAP, TRAP + PAGE, {{FRAME_BASE + MIB(30), 0, 0}}};
    s2_imap_insert(m, &e);
    finds(w, "has chunks of memory, and is not of a kind that has any");
    s2_imap_erase(m, TRAP);
}

static void ledgers_that_say_something_else(void **state)
{
    struct world *w = *state;
    struct s2_ledger_entry e, was;
    struct s2_leaf leaf;

    assert_true(s2_space_translate(&w->space, S2_IPA(ALLOC), &leaf));
    for (unsigned i = 0; i < 2; i++) {
        uint64_t ipa = i ? LINEAR : ALLOC, pa = i ? LINEAR_PA : leaf.pa.v;

        assert_true(s2_ledger_find(&w->ledger, S2_PA(pa), &was));
        was.range = pa_range(pa + PAGE, PAGE);
        was.ipa = S2_IPA(ipa + PAGE);
        e = was;
        e.owner = OTHER;
        s2_ledger_set(&w->ledger, &e);
        finds(w, "is mapped, and the ledger says that it is not this VM's");
        assert_int_equal(w->d.axis, S2_AXIS_PA);
        assert_int_equal(w->d.asked_start, pa + PAGE);
        e = was;
        e.state = S2_FREE;
        s2_ledger_set(&w->ledger, &e);
        finds(w, "is mapped, and the ledger says that it is not this VM's");
        e = was;
        e.rights = S2_R;
        s2_ledger_set(&w->ledger, &e);
        finds(w, "is mapped with rights that the ledger does not allow");
        e = was;
        e.ipa.v += PAGE;
        s2_ledger_set(&w->ledger, &e);
        finds(w, "is mapped, and the ledger says at another place");
        e.ipa = S2_IPA_NONE;
        s2_ledger_set(&w->ledger, &e);
        finds(w, "is mapped, and the ledger says at another place");
        s2_ledger_set(&w->ledger, &was);
        assert_null(s2_space_check(&w->space, &w->d));
    }
    /* Mapped by the ledger alone. */
    was = ledger_entry(LINEAR_PA + MIB(3), PAGE, VM, S2_OWNED);
    e = was;
    e.ipa = S2_IPA(MIB(100));
    s2_ledger_set(&w->ledger, &e);
    finds(w, "is mapped by the ledger, not by an area");
    e.ipa = S2_IPA(TRAP);
    s2_ledger_set(&w->ledger, &e);
    finds(w, "is mapped by the ledger, not by its area");
    e.ipa = S2_IPA(LINEAR); /* where other frames are */
    s2_ledger_set(&w->ledger, &e);
    finds(w, "is mapped by the ledger, not by its area");
    assert_int_equal(w->d.asked_start, LINEAR_PA + MIB(3));
    s2_ledger_set(&w->ledger, &was);
}

static void memory_that_the_machine_has_not(void **state)
{
    struct world *w = *state;
    struct s2_ient e;

    assert_true(s2_imap_find(&w->ledger.map, LINEAR_PA, &e));
    s2_imap_erase(&w->ledger.map, e.start);
    finds(w, "is mapped, and is no memory that the machine has");
    assert_int_equal(w->d.axis, S2_AXIS_PA);
    assert_int_equal(w->d.asked_start, LINEAR_PA);
    s2_imap_insert(&w->ledger.map, &e);
}

/* Each of the maps is looked at by itself first. */
static void maps_that_are_wrong_inside(void **state)
{
    struct world *w = *state;
    struct s2_imap *maps[] = {&w->space.areas.map, &w->space.chunks, &w->ledger.map};

    for (unsigned i = 0; i < 3; i++) {
        const char *wrong;

        maps[i]->count++;
        wrong = s2_imap_check(maps[i]);
        assert_non_null(wrong);
        if (i < 2)
            finds(w, wrong);
        else /* who asks in parts asks the ledger for itself */
            assert_string_equal(s2_space_check(&w->space, &w->d), wrong);
        assert_int_equal(w->d.axis, S2_AXIS_NONE);
        maps[i]->count--;
        assert_null(s2_space_check(&w->space, &w->d));
    }
}

static void memory_that_is_free_and_mapped(void **state)
{
    struct world *w = *state;
    struct s2_leaf leaf;
    bool clean;

    assert_true(s2_space_translate(&w->space, S2_IPA(ALLOC + PAGE), &leaf));
    s2_frames_free(&w->frames, pa_range(leaf.pa.v + PAGE, PAGE), false, false);
    finds(w, "is an area's memory, and free");
    assert_int_equal(w->d.asked_start, leaf.pa.v + PAGE);
    assert_int_equal(s2_frames_alloc_at(&w->frames, pa_range(leaf.pa.v + PAGE, PAGE), &clean, NULL), S2_OK);
}

static void counts_that_are_wrong(void **state)
{
    struct world *w = *state;
    struct s2_space *sp = &w->space;

    sp->frames_held++;
    finds(w, "holds another number of frames than its chunks have");
    sp->frames_held--;
    sp->frames_promised++;
    finds(w, "promises other frames than its areas lack");
    sp->frames_promised--;
    sp->cfg.frame_quota = 1;
    finds(w, "holds and promises more frames than its quota");
    sp->cfg.frame_quota = FRAME_BYTES / PAGE;
    sp->table.quota.limit = 1;
    finds(w, "uses more table pages than its quota");
    sp->table.quota.limit = 256;
    sp->cut_nodes++;
    finds(w, "has more in its cut reserve than belongs there");
    sp->cut_nodes--;
    sp->cut.count++;
    finds(w, "has more in its cut reserve than belongs there");
    sp->cut.count--;
    sp->taken.count++;
    finds(w, "still holds what an operation took");
    sp->taken.count--;
    w->tables.meta[s2_tpool_index(&w->tables, sp->table.root)].sum++;
    finds(w, "the sum of a table's leaves is wrong");
    w->tables.meta[s2_tpool_index(&w->tables, sp->table.root)].sum--;
}

/* Areas whose attributes differ only in what this CPU cannot tell apart still have leaves of their own, so that taking one
 * away whole cuts nothing. */
static void areas_that_look_alike_share_no_leaf(void **state)
{
    struct world_config wc = world_defaults();
    uint64_t pa = FRAME_BASE + (-FRAME_BASE & (MIB(2) - 1));
    struct world *w;

    (void)state;
    wc.caps.xnx = false;
    w = world_create(&wc);
    world_give(w, pa, MIB(2), VM, S2_RWX);
    assert_int_equal(map_new(w, area_linear(0, MIB(2), pa, S2_R)), S2_OK);
    assert_int_equal(leaves_at(w, 2), 1);
    assert_int_equal(protect(w, 0, MIB(1), S2_R | S2_X | S2_STRICTER_OK), S2_OK);
    world_check(w);
    assert_int_equal(leaves_at(w, 3), 512);
    assert_int_equal(unmap(w, 0, MIB(1)), S2_OK);
    assert_int_equal(leaves_at(w, 3), 256);
    world_check(w);
    world_destroy(w);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(leaves_that_say_something_else),
        T(tables_that_are_wrong_inside),
        T(what_hardware_changes_does_not_count),
        T(tables_with_more_or_less_than_the_areas),
        T(areas_that_say_something_else),
        T(chunks_that_say_something_else),
        T(ledgers_that_say_something_else),
        T(memory_that_the_machine_has_not),
        T(maps_that_are_wrong_inside),
        T(memory_that_is_free_and_mapped),
        T(counts_that_are_wrong),
        cmocka_unit_test(areas_that_look_alike_share_no_leaf),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

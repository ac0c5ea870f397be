/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* All or nothing: every operation is tried with 0, 1, 2, ... of each resource left until it succeeds. Each failure names
 * the resource and leaves areas, chunks, leaves, ledger, allocator, quotas and reserves as they were. */
#include "space_state.h"

static struct state before, after;

/* --- a world where every tree has more than its inline root --------------------------------------------------------------- */

#define TRAPS     MIB(128)
#define FRAGMENTS MIB(96)
#define LINEAR_PA (FRAME_BASE + MIB(24))

static struct world *populated(void)
{
    struct world_config wc = world_defaults();
    struct world *w;
    bool clean;

    wc.nodes = 512;
    wc.ledger_nodes = 1024;
    w = world_create(&wc);
    while (w->frames.clean < MIB(8) / PAGE)
        (void)s2_frames_scrub_step(&w->frames, MIB(1) / PAGE);
    world_give(w, LINEAR_PA, MIB(4), VM, S2_RWX);
    world_give(w, DEVICE_BASE, 2 * PAGE, VM, S2_RWX);
    /* Fragmented memory in the last 4 MiB, used up by one area: 40 chunks, 80 ledger entries. */
    for (uint64_t i = 0; i < 80; i += 2)
        assert_int_equal(s2_frames_alloc_at(&w->frames, pa_range(FRAME_BASE + MIB(28) + i * PAGE, PAGE), &clean, NULL),
                         S2_OK);
    assert_int_equal(map_new(w, area_alloc(FRAGMENTS, 40 * PAGE, S2_RW, 0)), S2_OK);
    /* More of it, in pieces of two pages, for who asks for no larger ones. */
    for (uint64_t i = 0; i < 256; i += 4)
        assert_int_equal(s2_frames_alloc_at(&w->frames, pa_range(FRAME_BASE + MIB(29) + i * PAGE, PAGE), &clean, NULL),
                         S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(16), MIB(4), LINEAR_PA, S2_RWX)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(0, MIB(4), S2_RWX, 0)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(32), MIB(4), S2_RW, S2_AREA_LAZY)), S2_OK);
    for (uint64_t i = 0; i < 40; i++)
        assert_int_equal(map_new(w, area_trap(TRAPS + 2 * i * PAGE, PAGE, i)), S2_OK);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(MIB(32)), "x", 1, 0, false, NULL), S2_OK);
    world_run(w);
    assert_true(guest(w, PAGE, MODEL_WRITE).done);
    assert_true(guest(w, MIB(32) + PAGE, MODEL_WRITE).done);
    assert_true(guest(w, MIB(17), MODEL_WRITE).done);
    world_check(w);
    return w;
}

/* --- operations ----------------------------------------------------------------------------------------------------------- */

typedef enum s2_err operation(struct world *w);

static enum s2_err map_alloc(struct world *w)
{
    return map_new(w, area_alloc(MIB(64), MIB(2) + 3 * PAGE, S2_RW, 0));
}
static enum s2_err map_alloc_in_pieces(struct world *w)
{
    w->space.cfg.chunk_log2 = 13;
    w->space.cfg.small_leaves = true;
    return map_new(w, area_alloc(MIB(64) + PAGE, 60 * PAGE, S2_RW, 0));
}
static enum s2_err map_lazy(struct world *w)
{
    return map_new(w, area_alloc(MIB(64), MIB(2) + PAGE, S2_RW, S2_AREA_LAZY));
}
static enum s2_err map_device(struct world *w)
{
    return map_new(w, area_linear(MIB(80) + PAGE, PAGE, DEVICE_BASE, S2_RW | S2_MT_DEV_nGnRE));
}
static enum s2_err map_trap(struct world *w)
{
    return map_new(w, area_trap(TRAPS + PAGE, PAGE, 1000));
}
static enum s2_err replace_by_alloc(struct world *w)
{
    return map_over(w, area_alloc(MIB(1), MIB(16), S2_RX, 0));
}
static enum s2_err replace_by_lazy(struct world *w)
{
    return map_over(w, area_alloc(MIB(33), MIB(12), S2_RW, S2_AREA_LAZY));
}
static enum s2_err replace_by_linear(struct world *w)
{
    return map_over(w, area_linear(MIB(17), MIB(2), LINEAR_PA + MIB(1), S2_R));
}
static enum s2_err replace_by_trap(struct world *w)
{
    return map_over(w, area_trap(MIB(1) + PAGE, MIB(40), 5));
}
static enum s2_err unmap_middle(struct world *w)
{
    return unmap(w, MIB(1), PAGE);
}
static enum s2_err unmap_middle_of_linear(struct world *w)
{
    return unmap(w, MIB(17), MIB(2));
}
static enum s2_err unmap_much(struct world *w)
{
    return unmap(w, MIB(1), MIB(32));
}
static enum s2_err unmap_fragments(struct world *w)
{
    return unmap(w, FRAGMENTS, 40 * PAGE);
}
static enum s2_err unmap_all(struct world *w)
{
    return unmap(w, 0, 1ull << 36);
}
static enum s2_err protect_middle(struct world *w)
{
    return protect(w, MIB(1), PAGE, S2_R);
}
static bool drop_write(void *arg, const struct s2_area *area, s2_attr *attr)
{
    (void)arg;
    if (area->backend == &s2_backend_trap)
        return false;
    attr->bits &= ~(uint32_t)S2_W;
    return true;
}
static enum s2_err protect_much(struct world *w)
{
    return s2_space_protect(&w->space, ipa_range(MIB(1), MIB(100)), drop_write, NULL, &w->d);
}
static enum s2_err copy_to_lazy(struct world *w)
{
    return s2_space_copy_in(&w->space, S2_IPA(MIB(34) + 5), "hello", 5, S2_W, false, &w->d);
}
static enum s2_err refill(struct world *w)
{
    s2_cache_drain(&w->space, &w->cache);
    return s2_cache_refill(&w->space, &w->cache);
}

/* `never`: resources that the operation may not fail for. */
static void try_all(operation *run, unsigned never)
{
    enum { MANY = 100000 };

    for (unsigned r = 0; r < RESOURCES; r++) {
        struct world *w = populated();
        enum s2_err err = S2_EINVAL;
        uint32_t left, step;

        /* Frames fail by the hundred; no need to try each number. */
        for (left = 0, step = 1; err && left < MANY; left += step) {
            struct hoard h;

            hoard(w, r, left, &h);
            state_take(&before, w, EXACT);
            err = run(w);
            assert_true(w->nodes.free >= w->nodes.reserved);
            assert_true(w->ledger_nodes.free >= w->ledger_nodes.reserved);
            if (err) {
                state_take(&after, w, EXACT);
                assert_int_equal(err, lack_of(r));
                expect_same(&before, &after, "refused");
                assert_false(never & 1u << r);
            }
            unhoard(w, &h);
            if (err && r >= FRAMES && left > 8)
                step = 97;
        }
        assert_int_equal(err, S2_OK);
        world_dismantle(w);
    }
}

#define ALWAYS          (~0u)
#define FAILS_FOR(mask) (~(unsigned)(mask))
#define BIT(r)          (1u << (r))

#define OPERATION(fn, never)                                                                                           \
    static void fn##_is_all_or_nothing(void **state)                                                                   \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        try_all(fn, never);                                                                                            \
    }

OPERATION(map_alloc, 0)
OPERATION(map_alloc_in_pieces, 0)
OPERATION(map_lazy, BIT(TABLES))
OPERATION(map_device, BIT(FRAMES) | BIT(FRAME_QUOTA))
OPERATION(map_trap, FAILS_FOR(BIT(NODES)))
OPERATION(replace_by_alloc, 0)
OPERATION(replace_by_lazy, 0)
OPERATION(replace_by_linear, BIT(FRAMES) | BIT(FRAME_QUOTA))
OPERATION(replace_by_trap, BIT(FRAMES) | BIT(FRAME_QUOTA))
OPERATION(unmap_middle, ALWAYS)
OPERATION(unmap_middle_of_linear, ALWAYS)
OPERATION(unmap_much, ALWAYS)
OPERATION(unmap_fragments, ALWAYS)
OPERATION(unmap_all, ALWAYS)
OPERATION(protect_middle, FAILS_FOR(BIT(NODES) | BIT(TABLES) | BIT(TABLE_QUOTA)))
OPERATION(protect_much, FAILS_FOR(BIT(NODES) | BIT(TABLES) | BIT(TABLE_QUOTA)))
OPERATION(copy_to_lazy, FAILS_FOR(BIT(NODES) | BIT(LEDGER_NODES)))
OPERATION(refill, FAILS_FOR(BIT(TABLES)))

/* With nothing left of anything, and the cut reserve gone too, a cut is refused before any edit; what needs none works. */
static void an_empty_reserve_refuses_cuts_alone(void **state)
{
    struct world *w = populated();
    struct hoard h[3];

    (void)state;
    for (unsigned r = NODES; r <= TABLES; r++)
        hoard(w, r, 0, &h[r]);
    /* Four blocks: as many table pages as the reserve has. */
    assert_int_equal(unmap(w, MIB(1), PAGE), S2_OK);
    assert_int_equal(unmap(w, MIB(17), PAGE), S2_OK);
    assert_int_equal(unmap(w, MIB(3), PAGE), S2_OK);
    assert_int_equal(unmap(w, MIB(19), PAGE), S2_OK);
    assert_int_equal(w->space.cut.count, 0);
    state_take(&before, w, EXACT);
    assert_int_equal(unmap(w, MIB(33), PAGE), S2_ECUT);
    state_take(&after, w, EXACT);
    expect_same(&before, &after, "refused");
    assert_int_equal(unmap(w, MIB(32), MIB(4)), S2_OK);
    assert_int_equal(unmap(w, 0, MIB(4)), S2_OK);
    assert_int_equal(unmap(w, TRAPS, PAGE), S2_OK);
    world_check(w);
    /* Destroying needs nothing. */
    s2_cache_drain(&w->space, &w->cache);
    s2_space_destroy_begin(&w->space);
    while (s2_space_destroy_step(&w->space, 1))
        ;
    s2_space_destroy_end(&w->space);
    while (s2_space_disown_step(&w->space))
        ;
    for (unsigned r = NODES; r <= TABLES; r++)
        unhoard(w, &h[r]);
    assert_int_equal(w->tables.free, w->tables.pages);
    assert_int_equal(w->nodes.free, w->nodes.count);
    assert_int_equal(w->nodes.reserved, 0);
    assert_int_equal(w->ledger_nodes.reserved, 0);
    assert_true(model_ok(w->port));
    world_free(w);
}

/* Of every 32 frames the first and the eighth are the hypervisor's: what is left has no neighbours to merge with. */
static struct world *shattered(void)
{
    struct world_config wc = world_defaults();
    struct world *w;
    bool clean;

    wc.ledger_nodes = 1024;
    w = world_create(&wc);
    for (uint64_t pa = FRAME_BASE; pa < FRAME_BASE + MIB(8); pa += 32 * PAGE)
        for (uint64_t i = 0; i <= 7; i += 7) {
            struct s2_ledger_entry e = ledger_entry(pa + i * PAGE, PAGE, S2_OWNER_HYP, S2_HYP);

            assert_int_equal(s2_frames_alloc_at(&w->frames, e.range, &clean, NULL), S2_OK);
            s2_ledger_set(&w->ledger, &e);
        }
    w->space.cfg.chunk_log2 = 16;
    return w;
}

/* Whatever an operation takes of nodes was promised to it, also when the leaves of the trees are full: nothing but
 * promises is left before, and all promises of others are covered after. */
static void cut_with_nothing_left(struct world *w, uint64_t ipa)
{
    struct hoard h[2];

    for (unsigned r = NODES; r <= LEDGER_NODES; r++)
        hoard(w, r, 0, &h[r]);
    assert_int_equal(unmap(w, ipa, PAGE), S2_OK);
    covered(w);
    for (unsigned r = NODES; r <= LEDGER_NODES; r++)
        unhoard(w, &h[r]);
    /* Any operation fills the cut reserve again. */
    assert_int_equal(map_new(w, area_trap(MIB(16) + ipa, PAGE, 0)), S2_OK);
    assert_int_equal(unmap(w, MIB(16) + ipa, PAGE), S2_OK);
    world_check(w);
}

/* Of each chunk some pages in the middle, so that the ledger's leaves are full, then one at an end. Returns whether that one took
 * a node for some chunk, which hangs on how full the leaves are just there. */
static bool cut_chunks(uint64_t end)
{
    enum { CHUNKS = 48, CHUNK_PAGES = 16, CUTS = 6 };
    const uint64_t page[CUTS] = {2, 4, 6, 8, 10, end};
    struct world *w = shattered();
    bool grew[CUTS] = {false};

    assert_int_equal(map_new(w, area_alloc(0, CHUNKS * CHUNK_PAGES * PAGE, S2_RW, 0)), S2_OK);
    assert_int_equal(w->space.chunks.count, CHUNKS);
    for (unsigned cut = 0; cut < CUTS; cut++)
        for (uint64_t i = 0; i < CHUNKS; i++) {
            uint32_t nodes = w->ledger.map.nodes;

            cut_with_nothing_left(w, (i * CHUNK_PAGES + page[cut]) * PAGE);
            grew[cut] |= w->ledger.map.nodes > nodes;
        }
    assert_true(grew[1] && grew[3]);
    world_dismantle(w);
    return grew[CUTS - 1];
}

static void promises_cover_every_cut(void **state)
{
    bool high = cut_chunks(15), low = cut_chunks(0);

    (void)state;
    assert_true(high || low);
}

static void promises_cover_every_fault(void **state)
{
    struct world *w = shattered();

    (void)state;
    w->space.cfg.chunk_log2 = 12;
    assert_int_equal(map_new(w, area_alloc(0, 200 * PAGE, S2_RW, S2_AREA_LAZY)), S2_OK);
    for (uint64_t i = 0; i < 100; i++)
        for (unsigned r = NODES; r < RESOURCES; r++) {
            struct s2_fault f = {.kind = S2_FAULT_TRANSLATION, .has_ipa = true, .ipa = S2_IPA(2 * i * PAGE)};
            struct s2_fault_result out;
            struct hoard h;

            assert_int_equal(s2_cache_refill(&w->space, &w->cache), S2_OK);
            hoard(w, r < FRAMES ? r : RESOURCES, 0, &h);
            enum s2_answer answer = s2_space_fault(&w->space, &w->cache, &f, &out);
            covered(w);
            assert_true(answer == S2_RETRY || (r <= LEDGER_NODES && out.why == S2_NO_MEMORY));
            unhoard(w, &h);
        }
    assert_true(w->space.chunks.height > 0);
    world_dismantle(w);
}

/* A fault in a lazy area that finds no nodes stops this VM with a reason, and takes nothing. */
static void a_fault_takes_all_or_nothing(void **state)
{
    struct world *w = populated();

    (void)state;
    for (unsigned r = NODES; r <= LEDGER_NODES; r++) {
        enum s2_answer last = S2_VIOLATION;

        for (uint32_t left = 0; last == S2_VIOLATION; left++) {
            struct s2_fault f = {.kind = S2_FAULT_TRANSLATION, .has_ipa = true, .ipa = S2_IPA(MIB(34) + 7 * PAGE * r)};
            struct s2_fault_result out;
            struct hoard h;

            hoard(w, r, left, &h);
            assert_int_equal(s2_cache_refill(&w->space, &w->cache), S2_OK);
            state_take(&before, w, EXACT);
            last = s2_space_fault(&w->space, &w->cache, &f, &out);
            state_take(&after, w, EXACT);
            if (last == S2_VIOLATION) {
                assert_int_equal(out.why, S2_NO_MEMORY);
                expect_same(&before, &after, "a fault without memory");
            }
            unhoard(w, &h);
        }
        assert_int_equal(unmap(w, MIB(34), MIB(2)), S2_OK);
        assert_int_equal(map_new(w, area_alloc(MIB(34), MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    }
    world_dismantle(w);
}

int main(void)
{
#define O(fn) cmocka_unit_test(fn##_is_all_or_nothing)
    const struct CMUnitTest tests[] = {
        O(map_alloc),
        O(map_alloc_in_pieces),
        O(map_lazy),
        O(map_device),
        O(map_trap),
        O(replace_by_alloc),
        O(replace_by_lazy),
        O(replace_by_linear),
        O(replace_by_trap),
        O(unmap_middle),
        O(unmap_middle_of_linear),
        O(unmap_much),
        O(unmap_fragments),
        O(unmap_all),
        O(protect_middle),
        O(protect_much),
        O(copy_to_lazy),
        O(refill),
        cmocka_unit_test(an_empty_reserve_refuses_cuts_alone),
        cmocka_unit_test(promises_cover_every_cut),
        cmocka_unit_test(promises_cover_every_fault),
        cmocka_unit_test(a_fault_takes_all_or_nothing),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The model tested on break-before-make, the life of tables and frames, threads and size. */
#include <pthread.h>

#include "hand_tables.h"

/* --- break-before-make ------------------------------------------------------------------------------------------- */

static void test_change_in_place(void **state)
{
    static const uint64_t to[] = {(FRAME + FOUR_K) | RW | PAGE, FRAME | (RW & ~MEM_WB) | MEM_NC | PAGE,
                                  FRAME | (RW & ~SH_IN) | 2ull << 8 | PAGE, FRAME | RW | CONTIG | PAGE};
    for (unsigned i = 0; i < sizeof to / sizeof to[0]; i++) {
        begin();
        store(TABLE3, 0, to[i]);
        caught("break-before-make");
        teardown(state);
        setup(state);
    }
}

static void test_remap(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    flush(0);
    store(TABLE3, 0, (FRAME + FOUR_K) | RW | PAGE);
    barrier(S2_DSB_ISHST);
    good();
}

static void test_make_before_flush(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    barrier(S2_DSB_ISHST);
    store(TABLE3, 0, (FRAME + FOUR_K) | RW | PAGE);
    caught("break-before-make");
}

static void test_make_before_flush_is_done(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_VMALLS12E1IS, 0);
    store(TABLE3, 0, (FRAME + FOUR_K) | RW | PAGE);
    caught("break-before-make");
}

/* An entry whose VALID is clear is none for hardware, whatever else it says: to clear it is to break. */
static void test_broken_with_contents(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, (FRAME | RW | PAGE) & ~VALID);
    flush(0);
    good();
    assert_int_equal(model_access(m, 0, MODEL_READ, false).result, MODEL_TRANSLATION_FAULT);
    store(TABLE3, 0, FRAME | (RW & ~MEM_WB) | MEM_NC | PAGE);
    barrier(S2_DSB_ISHST);
    good();
    store(TABLE3, 0, (FRAME | (RW & ~MEM_WB) | MEM_NC | PAGE) & ~VALID);
    barrier(S2_DSB_ISHST);
    caught_late("no invalidation has covered");
    store(TABLE3, 0, FRAME | RW | PAGE);
    caught("break-before-make");
}

static void test_split(void **state)
{
    (void)state;
    begin();
    fill_as(SPARE, FRAME_2, RW);
    store(TABLE2, 1, 0);
    flush(TWO_M);
    store(TABLE2, 1, SPARE | TABLE);
    barrier(S2_DSB_ISHST);
    good();
    assert_int_equal(model_access(m, TWO_M + 5 * FOUR_K, MODEL_READ, false).pa, FRAME_2 + 5 * FOUR_K);
    good();
}

static void test_split_in_place(void **state)
{
    (void)state;
    begin();
    fill_as(SPARE, FRAME_2, RW);
    store(TABLE2, 1, SPARE | TABLE);
    caught("break-before-make");
}

static void split_with_bbm(uint64_t attr)
{
    struct model_config cfg = {.strict = true, .caps = model_caps_most()};
    cfg.bank[0] = (struct model_bank){RAM, RAM_END - RAM};
    cfg.caps.fwb = false;
    model_destroy(m);
    m = model_create(&cfg);
    begin();
    fill_as(SPARE, FRAME_2, attr);
    store(TABLE2, 1, SPARE | TABLE);
}

static void test_split_with_bbm_level_2(void **state)
{
    (void)state;
    split_with_bbm(RW);
    assert_true(model_ok(m));
    flush_all();
    good();
    split_with_bbm(RO); /* size alone may change */
    caught("break-before-make");
    split_with_bbm(RW);
    barrier(S2_DSB_ISH);
    caught_late("no invalidation has covered");
}

static void test_collapse_leaves_a_leaf(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 1, (FRAME + FOUR_K) | RW | PAGE);
    barrier(S2_DSB_ISHST);
    store(TABLE2, 0, 0);
    flush(0); /* the table and one leaf go; the leaf of page 1 stays (T4) */
    store(TABLE2, 0, FRAME | RW | BLOCK);
    caught("while VMID 1 IPA 0x1000 level 3 leaf");
}

/* --- tables ------------------------------------------------------------------------------------------------------ */

static void test_detach(void **state)
{
    (void)state;
    begin();
    store(TABLE2, 0, 0);
    flush(0);
    s2_port_zero(m, slot(TABLE3, 0), FOUR_K);
    good();
}

static void test_leaf_only_form_keeps_tables(void **state)
{
    (void)state;
    begin();
    store(TABLE2, 0, 0);
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_IPAS2LE1IS, 0);
    barrier(S2_DSB_ISH);
    tlbi(S2_TLBI_VMALLE1IS, 0);
    barrier(S2_DSB_ISH);
    caught_late("level 2 table");
}

static void test_leaf_only_range_keeps_tables(void **state)
{
    static const struct {
        enum s2_tlbi op, all;
        enum s2_barrier done;
        bool gone;
    } form[] = {{S2_TLBI_RIPAS2LE1IS, S2_TLBI_VMALLE1IS, S2_DSB_ISH, false},
                {S2_TLBI_RIPAS2E1IS, S2_TLBI_VMALLE1IS, S2_DSB_ISH, true},
                {S2_TLBI_RIPAS2LE1, S2_TLBI_VMALLE1, S2_DSB_NSH, false},
                {S2_TLBI_RIPAS2E1, S2_TLBI_VMALLE1, S2_DSB_NSH, true}};
    for (unsigned i = 0; i < 4; i++) {
        begin();
        store(TABLE2, 0, 0);
        barrier(S2_DSB_ISHST);
        tlbi(form[i].op, 1ull << 46 | 7ull << 39 | 1ull << 44); /* 8 x 64 pages: all that the table reaches */
        barrier(form[i].done);
        tlbi(form[i].all, 0);
        barrier(form[i].done);
        if (form[i].gone)
            good();
        else
            caught_late("level 2 table");
        teardown(state);
        setup(state);
    }
}

/* Where nothing was mapped, too, a walker may go on through a table that it remembers. */
static void test_walk_through_detached(void **state)
{
    (void)state;
    begin();
    store(TABLE2, 0, 0);
    barrier(S2_DSB_ISHST);
    tlbi(S2_TLBI_IPAS2LE1IS, 0);
    barrier(S2_DSB_ISH);
    tlbi(S2_TLBI_VMALLE1IS, 0);
    barrier(S2_DSB_ISH);
    model_access(m, 9 * FOUR_K, MODEL_READ, false);
    caught("IPA 0x9000 is accessed while this CPU may hold VMID 1 IPA 0 level 2 table");
}

static void test_write_into_detached(void **state)
{
    (void)state;
    begin();
    store(TABLE2, 0, 0);
    store(TABLE3, 0, 0);
    caught("detached and before its flush");
    s2_port_zero(m, slot(TABLE3, 0), FOUR_K);
    caught("a walk cache may still reach it");
}

static void test_detached_deep(void **state)
{
    (void)state;
    begin();
    store(ROOT, 0, 0);
    barrier(S2_DSB_ISHST);
    /* TABLE3 stays reachable through the entry of the root as long as that may be cached. */
    tlbi(S2_TLBI_IPAS2E1IS, TWO_M >> 12);
    barrier(S2_DSB_ISH);
    store(TABLE3, 0, 0);
    caught("detached and before its flush");
    flush_all();
    store(TABLE3, 0, 0);
    good();
}

static void test_reuse_before_flush(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    flush(0);
    good();
    store(TABLE2, 0, 0);
    store(TABLE2, 3, TABLE3 | TABLE);
    caught("is linked again before its flush");
}

static void test_linked_twice(void **state)
{
    (void)state;
    begin();
    store(TABLE2, 3, TABLE3 | TABLE);
    caught("linked twice");
}

static void test_overwritten_while_reachable(void **state)
{
    (void)state;
    begin();
    s2_port_zero(m, slot(TABLE3, 0), FOUR_K);
    caught("overwritten while a root reaches it");
}

static void test_plain_link(void **state)
{
    (void)state;
    begin();
    fill_as(SPARE, FRAME, RO);
    s2_port_pte_store(m, slot(TABLE2, 2), SPARE | TABLE);
    caught("linked at IPA 0x400000 by a plain store");
}

static void test_plain_link_after_barrier(void **state)
{
    (void)state;
    begin();
    fill_as(SPARE, FRAME, RO);
    barrier(S2_DSB_ISHST);
    s2_port_pte_store(m, slot(TABLE2, 2), SPARE | TABLE);
    barrier(S2_DSB_ISHST);
    good();
}

static void test_map_without_barrier(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 5, FRAME | RO | PAGE);
    caught_late("made [0x5000, 0x6000) valid and no DSB");
    model_access(m, 5 * FOUR_K, MODEL_READ, false);
    caught("no DSB after its mapping");
}

/* --- frames ------------------------------------------------------------------------------------------------------ */

static void scrub(uint64_t pa, size_t bytes, bool clean)
{
    void *va = s2_port_window_map(m, S2_PA(pa), bytes);
    s2_port_zero(m, va, bytes);
    if (clean)
        s2_port_clean_poc(m, va, bytes);
    s2_port_window_unmap(m, va, bytes);
}

static void test_scrub_before_flush(void **state)
{
    (void)state;
    begin();
    store(TABLE3, 0, 0);
    barrier(S2_DSB_ISHST);
    scrub(FRAME, FOUR_K, true);
    caught("frame 0x84000000 is written while");
}

static void test_pool_before_flush(void **state)
{
    (void)state;
    struct s2_lock lock = {{0}};
    begin();
    store(TABLE2, 0, 0);
    barrier(S2_DSB_ISHST);
    s2_port_lock(m, &lock, S2_LOCK_TPOOL, 0);
    caught("the table pool is entered before the flush");
    s2_port_unlock(m, &lock);
    flush(0);
    s2_port_lock(m, &lock, S2_LOCK_FRAMES, 0);
    s2_port_unlock(m, &lock);
    good();
}

static void test_clean(void **state)
{
    (void)state;
    begin();
    scrub(FRAME, TWO_M, true);
    good();
    scrub(FRAME, FOUR_K, false);
    model_access(m, 0, MODEL_READ, false);
    caught("not cleaned to PoC");
    caught_late("1 frames were written and not cleaned");
}

static void test_clean_of_a_part(void **state)
{
    (void)state;
    void *va = s2_port_window_map(m, S2_PA(FRAME), TWO_M);
    s2_port_zero(m, va, TWO_M);
    s2_port_clean_poc(m, va, TWO_M - FOUR_K);
    s2_port_window_unmap(m, va, TWO_M);
    caught_late("1 frames were written and not cleaned");
}

static void test_code(void **state)
{
    (void)state;
    static const uint32_t code[2] = {0xd503201f, 0xd503201f};
    begin();
    void *va = s2_port_window_map(m, S2_PA(FRAME), sizeof code);
    s2_port_copy(m, va, code, sizeof code);
    s2_port_clean_poc(m, va, sizeof code);
    s2_port_window_unmap(m, va, sizeof code);
    model_access(m, 0, MODEL_READ, false);
    assert_true(model_ok(m));
    model_access(m, 4, MODEL_EXEC, false);
    caught("not synced");
    va = s2_port_window_map(m, S2_PA(FRAME), sizeof code);
    s2_port_sync_code(m, va, sizeof code);
    s2_port_window_unmap(m, va, sizeof code);
    model_access(m, 4, MODEL_EXEC, false);
    good();
}

static void test_windows(void **state)
{
    (void)state;
    void *va = s2_port_window_map(m, S2_PA(RAM + TWO_M - FOUR_K), 2 * FOUR_K);
    caught("crosses a multiple of 2 MiB");
    s2_port_window_unmap(m, va, FOUR_K);
    caught("not mapped");
    caught_late("a window still mapped");
    s2_port_window_map(m, S2_PA(RAM), FOUR_K);
    s2_port_window_map(m, S2_PA(RAM), FOUR_K);
    caught("more than 2 windows");
}

/* --- threads ----------------------------------------------------------------------------------------------------- */

#define THREADS 4u
#define ROUNDS  4000u

static struct shared {
    struct s2_lock lock;
    uint64_t written, seen;
} shared;

/* Three readers for a writer, and every thread edits slots of its own table page on its own CPU. */
static void *one_thread(void *arg)
{
    unsigned cpu = (unsigned)(uintptr_t)arg;
    model_set_cpu(m, cpu);
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (i % 4) {
            s2_port_lock_shared(m, &shared.lock, S2_LOCK_SPACE, 1);
            __atomic_fetch_add(&shared.seen, shared.written & 1, __ATOMIC_RELAXED);
            s2_port_unlock_shared(m, &shared.lock);
        } else {
            s2_port_lock(m, &shared.lock, S2_LOCK_SPACE, 1);
            shared.written += 2;
            s2_port_unlock(m, &shared.lock);
        }
        uint64_t *mine = slot(TABLE3, cpu * 128 + i % 128);
        s2_port_pte_cas(m, mine, s2_port_pte_load(m, mine), FRAME | RO | SOFT | PAGE);
        barrier(S2_DSB_ISHST);
    }
    return NULL;
}

static void run_threads(void)
{
    pthread_t thread[THREADS];
    memset(&shared, 0, sizeof shared);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, one_thread, (void *)(uintptr_t)i), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(shared.written, 2 * THREADS * ROUNDS / 4);
    assert_int_equal(shared.seen, 0);
    assert_int_equal(m->count.locks, THREADS * ROUNDS);
}

static void test_threads(void **state)
{
    (void)state;
    for (int strict = 0; strict < 2; strict++) {
        struct model_config cfg = {.cpus = THREADS, .strict = strict, .caps = model_caps_most()};
        cfg.bank[0] = (struct model_bank){RAM, RAM_END - RAM};
        cfg.caps.fwb = false;
        model_destroy(m);
        m = model_create(&cfg);
        store(TABLE2, 0, TABLE3 | TABLE);
        store(ROOT, 0, TABLE2 | TABLE);
        load(VTTBR_A);
        run_threads();
        good();
    }
}

/* --- size -------------------------------------------------------------------------------------------------------- */

/* 2^18 pages appear, go with their table and are invalidated at once, and 10^5 go one by one: no step may look at all. */
static void test_large(void **state)
{
    (void)state;
    const uint64_t tables = RAM + 0x100000;
    begin();
    for (unsigned i = 0; i < 512; i++) {
        for (unsigned p = 0; p < 512; p += 128)
            s2_port_pte_fill(m, slot(tables + i * FOUR_K, p), 128, FRAME | RO | PAGE, 0);
        store(SPARE, i, (tables + i * FOUR_K) | TABLE);
    }
    store(ROOT, 1, SPARE | TABLE);
    barrier(S2_DSB_ISHST);
    good();
    for (unsigned i = 0; i < 100000; i++) {
        store(tables + i / 512 * FOUR_K, i % 512, 0);
        flush(ONE_G + i * FOUR_K);
    }
    good();
    store(ROOT, 1, 0);
    flush_all();
    good();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_change_in_place),
        CASE(test_remap),
        CASE(test_make_before_flush),
        CASE(test_make_before_flush_is_done),
        CASE(test_broken_with_contents),
        CASE(test_split),
        CASE(test_split_in_place),
        CASE(test_split_with_bbm_level_2),
        CASE(test_collapse_leaves_a_leaf),
        CASE(test_detach),
        CASE(test_leaf_only_form_keeps_tables),
        CASE(test_leaf_only_range_keeps_tables),
        CASE(test_walk_through_detached),
        CASE(test_write_into_detached),
        CASE(test_detached_deep),
        CASE(test_reuse_before_flush),
        CASE(test_linked_twice),
        CASE(test_overwritten_while_reachable),
        CASE(test_plain_link),
        CASE(test_plain_link_after_barrier),
        CASE(test_map_without_barrier),
        CASE(test_pool_before_flush),
        CASE(test_scrub_before_flush),
        CASE(test_clean),
        CASE(test_clean_of_a_part),
        CASE(test_code),
        CASE(test_windows),
        CASE(test_threads),
        CASE(test_large),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Leaves that faults install, under the shared lock: what is built, what is lost to another vCPU, and that nothing leaks. */
#include "table_fixture.h"

#include <pthread.h>
#include <stdlib.h>

static struct s2_tstash cache_of(uint32_t n)
{
    struct s2_tstash cache = S2_TSTASH_EMPTY;

    assert_int_equal(s2_tpool_draw(&m.pool, &m.t.quota, n, &cache), S2_OK);
    return cache;
}

static void install(void **state)
{
    struct s2_ipa_range area = span(MIB, 2 * GIB);
    struct s2_tstash cache = S2_TSTASH_EMPTY;
    uint32_t need = 99;

    (void)state;
    assert_int_equal(s2_table_install(&m.t, &cache, area, S2_IPA(MIB + 7), S2_PA(PA0 + MIB + 7), S2_ATTR(S2_RW), &need),
                     S2_NO_TABLE);
    assert_int_equal(need, 2);
    cache = cache_of(1);
    assert_int_equal(s2_table_install(&m.t, &cache, area, S2_IPA(MIB), S2_PA(PA0 + MIB), S2_ATTR(S2_RW), &need),
                     S2_NO_TABLE);
    assert_int_equal(cache.count, 1);
    s2_tpool_give(&m.pool, &m.t.quota, &cache);
    cache = cache_of(3);
    model_reset_counters(m.port);
    assert_int_equal(s2_table_install(&m.t, &cache, area, S2_IPA(MIB + 7), S2_PA(PA0 + MIB + 7), S2_ATTR(S2_RW), &need),
                     S2_INSTALLED);
    assert_int_equal(model_tlbis(m.port), 0);
    assert_int_equal(model_dsbs(m.port), 1);
    assert_int_equal(cache.count, 1);
    assert_leaf(&m.t, MIB, PA0 + MIB, S2_RW, 3);
    assert_hole(&m.t, MIB + PAGE, 3);
    assert_int_equal(s2_table_install(&m.t, &cache, area, S2_IPA(MIB), S2_PA(PA0), S2_ATTR(S2_R), &need), S2_WAS_THERE);
    assert_leaf(&m.t, MIB, PA0 + MIB, S2_RW, 3);
    /* 2M where it fits; a page at the start where the area does not cover a block, or a table stands. */
    assert_int_equal(s2_table_install(&m.t, &cache, area, S2_IPA(5 * MIB), S2_PA(PA0 + 5 * MIB), S2_ATTR(S2_RW), &need),
                     S2_INSTALLED);
    assert_leaf(&m.t, 4 * MIB, PA0 + 4 * MIB, S2_RW, 2);
    assert_int_equal(
        s2_table_install(&m.t, &cache, area, S2_IPA(GIB + 5 * MIB), S2_PA(PA0 + GIB + 5 * MIB), S2_ATTR(S2_RW), &need),
        S2_INSTALLED);
    assert_leaf(&m.t, GIB, PA0 + GIB, S2_RW, 1);
    assert_int_equal(
        s2_table_install(&m.t, &cache, area, S2_IPA(MIB + PAGE), S2_PA(PA0 + MIB + PAGE), S2_ATTR(S2_RW), &need),
        S2_INSTALLED);
    assert_leaf(&m.t, MIB + PAGE, PA0 + MIB + PAGE, S2_RW, 3);
    assert_int_equal(cache.count, 1);
    s2_tpool_give(&m.pool, &m.t.quota, &cache);
    assert_sound(&m, &m.t);
    model_expect_quiet(m.port);
}

/* Another vCPU is faster, at the last moment: with the same leaf, with another one in the same table, with a table where a
 * block was meant. What was built in vain goes back all zero, and what is needed now is built. */
struct rival {
    struct s2_tstash cache;
    struct s2_ipa_range area;
    uint64_t ipa;
};

static void rival_installs(void *arg)
{
    struct rival *r = arg;
    uint32_t need;

    assert_int_equal(
        s2_table_install(&m.t, &r->cache, r->area, S2_IPA(r->ipa), S2_PA(PA0 + r->ipa), S2_ATTR(S2_R), &need),
        S2_INSTALLED);
}

static void assert_returned(struct s2_tstash *cache)
{
    for (uint32_t p = cache->head; p != S2_TPAGE_NONE; p = m.meta[p].link) {
        const uint64_t *page = model_ram(m.port, s2_tpool_pa(&m.pool, p).v);

        assert_int_equal(m.meta[p].level, S2_TPAGE_HELD);
        assert_int_equal(m.meta[p].flags, S2_TPAGE_ZERO);
        for (unsigned w = 0; w < PAGE / sizeof *page; w++)
            assert_int_equal(page[w], 0);
    }
    s2_tpool_give(&m.pool, &m.t.quota, cache);
}

static void install_loses(void **state)
{
    static const struct {
        struct s2_ipa_range rival_area;
        uint64_t ipa, rival_ipa;
        enum s2_install done;
        uint32_t left;
    } rows[] = {
        {{S2_IPA(0), S2_IPA(MIB)}, PAGE, PAGE, S2_WAS_THERE, 3},                        /* the same page */
        {{S2_IPA(0), S2_IPA(MIB)}, PAGE, 5 * PAGE, S2_INSTALLED, 3},                    /* the same tables */
        {{S2_IPA(0), S2_IPA(8 * MIB)}, PAGE, 4 * MIB, S2_INSTALLED, 2},                 /* one table more is needed */
        {{S2_IPA(2 * MIB), S2_IPA(3 * MIB)}, 4 * MIB, 2 * MIB, S2_INSTALLED, 3},        /* a block beside it */
        {{S2_IPA(4 * MIB), S2_IPA(5 * MIB)}, 4 * MIB, 4 * MIB + PAGE, S2_INSTALLED, 3}, /* a page in its place */
    };

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct s2_ipa_range area = span(0, rows[i].ipa >= 4 * MIB ? 8 * MIB : MIB);
        struct rival rival = {cache_of(3), rows[i].rival_area, rows[i].rival_ipa};
        struct s2_tstash cache = cache_of(3);
        uint32_t need;

        model_script_cas(m.port, rival_installs, &rival);
        assert_int_equal(
            s2_table_install(&m.t, &cache, area, S2_IPA(rows[i].ipa), S2_PA(PA0 + rows[i].ipa), S2_ATTR(S2_RW), &need),
            rows[i].done);
        assert_int_equal(cache.count, rows[i].left);
        assert_returned(&cache);
        assert_returned(&rival.cache);
        assert_sound(&m, &m.t);
        assert_leaf(&m.t, rows[i].ipa, PA0 + rows[i].ipa, rows[i].done == S2_INSTALLED ? S2_RW : S2_R,
                    rows[i].ipa == 4 * MIB && i == 3 ? 2 : 3);
        table_unmap(&m, &m.t, span(0, GIB));
        assert_int_equal(tables_used(&m.t), 0);
    }
}

/* Several CPUs fault on the same pages: each leaf once, no table lost, what a loser built goes back all zero. */
#define RACERS     4u
#define RACE_PAGES (4 * MIB / PAGE)

static struct s2_lock race_lock;

struct racer {
    pthread_t thread;
    unsigned cpu, installed;
    struct s2_tstash cache;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    struct s2_ipa_range area = span(GIB, RACE_PAGES * PAGE);

    model_set_cpu(m.port, r->cpu);
    for (unsigned i = 0; i < RACE_PAGES; i++) {
        uint64_t offset = (i * 97 % RACE_PAGES) * PAGE;
        enum s2_install done;
        uint32_t need;

        s2_port_lock_shared(m.port, &race_lock, S2_LOCK_SPACE, 1);
        done = s2_table_install(&m.t, &r->cache, area, S2_IPA(GIB + offset), S2_PA(PA0 + PAGE + offset), S2_ATTR(S2_RW),
                                &need);
        s2_port_unlock_shared(m.port, &race_lock);
        if (done == S2_NO_TABLE)
            abort();
        r->installed += done == S2_INSTALLED;
    }
    return NULL;
}

static void install_race(void **state)
{
    static const struct machine_config cfg = {.cpus = RACERS, .threads = true};

    (void)state;
    for (unsigned round = 0; round < 30; round++) {
        struct racer racers[RACERS] = {0};
        uint32_t left = 0, installed = 0;

        machine_create(&m, &cfg);
        memset(&race_lock, 0, sizeof race_lock);
        for (unsigned i = 0; i < RACERS; i++) {
            racers[i].cpu = i;
            racers[i].cache = cache_of(3);
        }
        for (unsigned i = 0; i < RACERS; i++)
            assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
        for (unsigned i = 0; i < RACERS; i++) {
            assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
            installed += racers[i].installed;
            left += racers[i].cache.count;
            assert_returned(&racers[i].cache);
        }
        assert_int_equal(installed, RACE_PAGES);
        assert_int_equal(left, RACERS * 3 - 3);
        assert_int_equal(leaves_at(&m.t, 3), RACE_PAGES);
        assert_sound(&m, &m.t);
        model_set_cpu(m.port, 0);
        machine_destroy(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON(install, setup),
        ON(install_loses, setup),
        cmocka_unit_test(install_race),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

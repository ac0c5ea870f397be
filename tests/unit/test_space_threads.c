/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* vCPUs that fault side by side while the map changes under them. */
#include "space_world.h"

#include <pthread.h>

enum { VCPUS = 3, FAULTS = 20000, EDITS = 300, STEPPED = 40, PAGES = 4096 };

struct vcpu {
    struct world *w;
    pthread_t thread;
    unsigned index;
    unsigned answers[S2_VIOLATION + 1], wrong;
};

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void *faults(void *arg)
{
    struct vcpu *v = arg;
    uint32_t seed = v->index + 1;
    struct s2_cache cache;

    model_set_cpu(v->w->port, v->index + 1);
    s2_cache_init(&cache);
    for (unsigned i = 0; i < FAULTS; i++) {
        struct s2_fault f = {.kind = S2_FAULT_TRANSLATION, .has_ipa = true, .ipa = S2_IPA(next(&seed) % PAGES * PAGE)};
        struct s2_fault_result r;
        enum s2_answer answer = s2_space_fault(&v->w->space, &cache, &f, &r);

        v->answers[answer]++;
        if (answer == S2_NEED_REFILL)
            v->wrong += s2_cache_refill(&v->w->space, &cache) != S2_OK;
        else if (answer == S2_VIOLATION)
            v->wrong += r.why != S2_NO_AREA;
        else
            v->wrong += answer != S2_RETRY;
    }
    s2_cache_drain(&v->w->space, &cache);
    return NULL;
}

/* The whole address space is one lazy area, and each vCPU faults in it. Pages alone; or what they complete is promoted, by whom
 * it may be. */
static struct world *start(struct vcpu v[VCPUS], bool promotes)
{
    struct world_config wc = world_defaults();
    struct world *w;

    wc.not_strict = true;
    wc.small_leaves = !promotes;
    wc.chunk_log2 = promotes ? 17 : 15;
    wc.cpus = VCPUS + 1;
    wc.nodes = 1024;
    wc.ledger_nodes = 4096;
    w = world_create(&wc);
    assert_int_equal(map_new(w, area_alloc(0, PAGES * PAGE, S2_RW, S2_AREA_LAZY)), S2_OK);
    for (unsigned i = 0; i < VCPUS; i++) {
        v[i].w = w;
        v[i].index = i;
        assert_int_equal(pthread_create(&v[i].thread, NULL, faults, &v[i]), 0);
    }
    return w;
}

static void stop(struct vcpu v[VCPUS], struct world *w)
{
    for (unsigned i = 0; i < VCPUS; i++) {
        assert_int_equal(pthread_join(v[i].thread, NULL), 0);
        assert_int_equal(v[i].wrong, 0);
        assert_true(v[i].answers[S2_RETRY] > 0);
    }
    world_check(w);
    world_destroy(w);
}

static const bool small = false, promotes = true;

static void vcpus_fault_while_the_map_changes(void **state)
{
    struct vcpu v[VCPUS] = {{0}};
    struct world *w = start(v, *(const bool *)*state);
    uint32_t seed = 99;

    for (unsigned i = 0; i < EDITS; i++) {
        uint64_t at = next(&seed) % (PAGES - 600) * PAGE, bytes = (1 + next(&seed) % 600) * PAGE;

        assert_int_equal(unmap(w, at, bytes), S2_OK);
        if (i % 2)
            assert_int_equal(map_over(w, area_alloc(at, bytes, S2_RW, S2_AREA_LAZY)), S2_OK);
        else
            assert_int_equal(map_over(w, area_alloc(at, bytes, S2_RW, 0)), S2_OK);
        assert_null(s2_space_check(&w->space, &w->d));
    }
    stop(v, w);
}

static void vcpus_fault_while_it_changes_in_steps(void **state)
{
    struct vcpu v[VCPUS] = {{0}};
    struct world *w = start(v, *(const bool *)*state);
    uint32_t seed = 7;

    for (unsigned i = 0; i < STEPPED; i++) {
        uint64_t at = next(&seed) % (PAGES - 600) * PAGE, bytes = (1 + next(&seed) % 600) * PAGE;
        struct s2_area a = area_alloc(at, bytes, S2_RW, 0);
        s2_attr attr = S2_ATTR(i % 2 ? S2_RW : S2_R);
        struct s2_long l;

        assert_int_equal(s2_space_protect_begin(&w->space, &l, a.range, set_attr, &attr, NULL), S2_OK);
        while (s2_space_protect_step(&l, 50))
            assert_null(s2_space_check(&w->space, &w->d));
        assert_int_equal(s2_space_protect_end(&l), S2_OK);
        assert_int_equal(unmap(w, at, bytes), S2_OK);
        assert_int_equal(s2_space_map_begin(&w->space, &l, &a, NULL), S2_OK);
        while (s2_space_map_step(&l, 50))
            assert_null(s2_space_check(&w->space, &w->d));
        if (i % 3)
            s2_space_map_end(&l);
        else
            while (s2_space_map_abort(&l, 50))
                assert_null(s2_space_check(&w->space, &w->d));
    }
    stop(v, w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(vcpus_fault_while_the_map_changes, (void *)(uintptr_t)&small),
        cmocka_unit_test_prestate(vcpus_fault_while_the_map_changes, (void *)(uintptr_t)&promotes),
        cmocka_unit_test_prestate(vcpus_fault_while_it_changes_in_steps, (void *)(uintptr_t)&small),
        cmocka_unit_test_prestate(vcpus_fault_while_it_changes_in_steps, (void *)(uintptr_t)&promotes),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

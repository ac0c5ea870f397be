/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Three VMs that share, lend, donate and take back, map, unmap and fault, go and come back, on several threads at once, under an
 * audit that never ends. Guests write all the while: what is zeroed while somebody reaches it still is a race that the thread
 * sanitizer sees. SEED= and STEPS= choose others. */
#include "share_chaos.h"

#include <pthread.h>
#include <sched.h>

enum { THREADS = 4, STEPS = 600 };

static struct {
    pthread_rwlock_t beside[VMS], steps[VMS], audit;
    bool over;
} at_once;

static bool chaos_enter(unsigned vm, enum chaos_need need)
{
    if (need == CHAOS_ALONE)
        assert_int_equal(pthread_rwlock_wrlock(&at_once.beside[vm]), 0);
    else
        assert_int_equal(pthread_rwlock_rdlock(&at_once.beside[vm]), 0);
    if (need == CHAOS_BEGIN)
        assert_int_equal(pthread_rwlock_wrlock(&at_once.steps[vm]), 0);
    else if (need == CHAOS_STEPS)
        assert_int_equal(pthread_rwlock_rdlock(&at_once.steps[vm]), 0);
    return true;
}

static void chaos_leave(unsigned vm, enum chaos_need need)
{
    if (need == CHAOS_BEGIN || need == CHAOS_STEPS)
        assert_int_equal(pthread_rwlock_unlock(&at_once.steps[vm]), 0);
    assert_int_equal(pthread_rwlock_unlock(&at_once.beside[vm]), 0);
}

/* VMs are at work beside a step of the audit. */
static bool chaos_enter_audit(bool is_audit)
{
    if (is_audit)
        assert_int_equal(pthread_rwlock_rdlock(&at_once.audit), 0);
    else
        assert_int_equal(pthread_rwlock_wrlock(&at_once.audit), 0);
    return true;
}

static void chaos_leave_audit(bool is_audit)
{
    (void)is_audit;
    assert_int_equal(pthread_rwlock_unlock(&at_once.audit), 0);
}

/* A VM goes while others are at work on it, and comes back. */
static void restart(unsigned vm)
{
    uint32_t handle = 0;
    bool mine;

    (void)chaos_enter(vm, CHAOS_BEGIN);
    mine = !__atomic_exchange_n(&chaos.is_destroyed[vm], true, __ATOMIC_ACQ_REL);
    if (mine)
        s2_space_destroy_begin(chaos_space(vm));
    chaos_leave(vm, CHAOS_BEGIN);
    if (!mine)
        return;
    chaos_revoke_shares(vm);
    chaos_end_steps(vm);
    while (chaos_has_shares(vm, &handle)) { /* with a VM that is going, too */
        handle = 0;
        sched_yield();
    }
    (void)chaos_enter_audit(false);
    (void)chaos_enter(vm, CHAOS_ALONE);
    chaos_end(vm);
    chaos_make(vm);
    chaos_leave(vm, CHAOS_ALONE);
    chaos_leave_audit(false);
}

struct worker {
    pthread_t thread;
    unsigned index, steps;
    uint64_t seed;
};

static void *work(void *arg)
{
    struct worker *t = arg;

    model_set_cpu(chaos.x->w->port, t->index);
    for (unsigned i = 0; i < t->steps; i++) {
        unsigned vm = (unsigned)chaos_random(&t->seed, VMS);

        if (chaos_random(&t->seed, 120))
            chaos_step(vm, &t->seed);
        else
            restart(vm);
    }
    return NULL;
}

static void *watch(void *arg)
{
    model_set_cpu(chaos.x->w->port, THREADS);
    while (!__atomic_load_n(&at_once.over, __ATOMIC_ACQUIRE))
        chaos_audit();
    return arg;
}

static void run(const struct world_config *wc, uint64_t seed, unsigned steps)
{
    struct worker t[THREADS];
    pthread_t auditor;

    chaos_begin(*wc);
    at_once.over = false;
    for (unsigned i = 0; i < THREADS; i++) {
        t[i] = (struct worker){.index = i, .steps = steps, .seed = (seed * THREADS + i + 1) * 0x9e3779b97f4a7c15ull};
        assert_int_equal(pthread_create(&t[i].thread, NULL, work, &t[i]), 0);
    }
    assert_int_equal(pthread_create(&auditor, NULL, watch, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(t[i].thread, NULL), 0);
    __atomic_store_n(&at_once.over, true, __ATOMIC_RELEASE);
    assert_int_equal(pthread_join(auditor, NULL), 0);
    assert_true(model_ok(chaos.x->w->port));
    chaos_tell(seed);
    chaos_finish(&t[0].seed);
}

static void all_at_once(void **state)
{
    static const uint8_t chunks[] = {12, 14, 21};
    const char *seed = getenv("SEED"), *steps = getenv("STEPS");
    uint64_t first = seed ? strtoull(seed, NULL, 0) : 1;

    (void)state;
    for (unsigned i = 0; i < VMS; i++) {
        assert_int_equal(pthread_rwlock_init(&at_once.beside[i], NULL), 0);
        assert_int_equal(pthread_rwlock_init(&at_once.steps[i], NULL), 0);
    }
    assert_int_equal(pthread_rwlock_init(&at_once.audit, NULL), 0);
    for (unsigned i = 0; i < 3; i++) {
        struct world_config wc = world_defaults();

        wc.not_strict = true;
        wc.chunk_log2 = chunks[i];
        wc.cpus = THREADS + 1;
        run(&wc, first + i, steps ? (unsigned)strtoul(steps, NULL, 0) : STEPS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_at_once)};

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

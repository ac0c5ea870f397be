/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What test_share_threads does, on the strict model: each call is interrupted, wherever it gives up a lock, by a whole one of
 * another CPU. Two threads, of which one runs, so that a run depends on its seed alone. SEED= and STEPS= choose others. */
#include "share_chaos.h"

#include <pthread.h>

enum { STEPS = 900, FIRST_CPU = VMS, OTHER_CPU, CPUS };

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t turned;
    pthread_t other;
    bool others_turn, over;
    bool restarts; /* the other one has begun to take a VM down, and waits for the first one now and then */
    uint64_t seed, interrupts, meetings;
    bool blocked[VMS]; /* the first one holds the space's lock */
    unsigned beside[VMS], steps[VMS], begins[VMS], alone[VMS];
    bool audits, no_audit;
} turn;

static bool is_other(void)
{
    return turn.others_turn;
}

static void give_turn(bool to_other)
{
    turn.others_turn = to_other;
    pthread_cond_broadcast(&turn.turned);
    while (turn.others_turn == to_other)
        pthread_cond_wait(&turn.turned, &turn.mutex);
}

/* What cannot be now is not. */
static bool chaos_enter(unsigned vm, enum chaos_need need)
{
    if (turn.alone[vm] || (is_other() && turn.blocked[vm]))
        return false;
    if ((need == CHAOS_STEPS && turn.begins[vm]) || (need == CHAOS_BEGIN && turn.steps[vm]) ||
        (need == CHAOS_ALONE && turn.beside[vm]))
        return false;
    turn.alone[vm] += need == CHAOS_ALONE;
    turn.begins[vm] += need == CHAOS_BEGIN;
    turn.steps[vm] += need == CHAOS_STEPS;
    turn.beside[vm]++;
    return true;
}

static void chaos_leave(unsigned vm, enum chaos_need need)
{
    turn.alone[vm] -= need == CHAOS_ALONE;
    turn.begins[vm] -= need == CHAOS_BEGIN;
    turn.steps[vm] -= need == CHAOS_STEPS;
    turn.beside[vm]--;
}

static bool chaos_enter_audit(bool is_audit)
{
    if (turn.audits || turn.no_audit)
        return false;
    turn.audits = is_audit;
    turn.no_audit = !is_audit;
    return true;
}

static void chaos_leave_audit(bool is_audit)
{
    (void)is_audit;
    turn.audits = turn.no_audit = false;
}

/* --- life ------------------------------------------------------------------------------------------------------------- */

static void load(unsigned cpu, unsigned vm)
{
    struct s2_port *port = chaos.x->w->port;
    uint64_t was;

    model_set_cpu(port, cpu);
    was = s2_port_irq_mask(port);
    s2_space_load(chaos_space(vm));
    s2_port_irq_restore(port, was);
}

/* No CPU runs it from now on. */
static void unload(unsigned vm, unsigned cpu)
{
    for (unsigned i = 0; i < VMS; i++)
        load(i, i == vm ? (vm + 1) % VMS : i);
    model_set_cpu(chaos.x->w->port, cpu);
}

/* For what an interrupted call is at work on. */
static void let_go_on(void)
{
    if (is_other())
        give_turn(false);
}

static void take_down(unsigned vm)
{
    bool more = true;
    uint32_t handle;

    turn.begins[vm]++;
    s2_space_destroy_begin(chaos_space(vm));
    turn.begins[vm]--;
    while (more) {
        chaos_revoke_shares(vm);
        if (chaos_enter(vm, CHAOS_BESIDE)) {
            more = s2_space_destroy_step(chaos_space(vm), 16);
            chaos_leave(vm, CHAOS_BESIDE);
        }
        let_go_on();
    }
    for (handle = 0; chaos_has_shares(vm, &handle) || turn.beside[vm] || turn.audits; handle = 0) {
        chaos_revoke_shares(vm);
        let_go_on();
    }
}

static void restart(unsigned vm)
{
    unsigned cpu = is_other() ? OTHER_CPU : FIRST_CPU;

    for (unsigned i = 0; i < VMS; i++)
        if (turn.alone[i] || chaos.is_destroyed[i])
            return;
    if (turn.steps[vm] || turn.blocked[vm] || turn.audits || turn.no_audit)
        return;
    chaos.is_destroyed[vm] = true;
    turn.restarts = is_other();
    unload(vm, cpu);
    take_down(vm);
    turn.alone[vm]++;
    turn.no_audit = true;
    chaos_end(vm);
    chaos_make(vm);
    turn.no_audit = false;
    load(vm, vm);
    model_set_cpu(chaos.x->w->port, cpu);
    turn.alone[vm]--;
    turn.restarts = false;
}

/* --- turns ------------------------------------------------------------------------------------------------------------- */

static void anything(void)
{
    unsigned vm = (unsigned)chaos_random(&turn.seed, VMS);

    if (!chaos_random(&turn.seed, is_other() ? 25 : 60))
        restart(vm);
    else if (is_other() && chaos_random(&turn.seed, 2))
        chaos_share_step(vm, &turn.seed);
    else if (!chaos_random(&turn.seed, 40) && !turn.audits && !turn.no_audit && !is_other())
        chaos_audit();
    else
        chaos_step(vm, &turn.seed);
}

static void *other(void *arg)
{
    model_set_cpu(chaos.x->w->port, OTHER_CPU);
    pthread_mutex_lock(&turn.mutex);
    while (!turn.others_turn)
        pthread_cond_wait(&turn.turned, &turn.mutex);
    while (!turn.over) {
        anything();
        give_turn(false);
    }
    turn.others_turn = false;
    pthread_cond_broadcast(&turn.turned);
    pthread_mutex_unlock(&turn.mutex);
    return arg;
}

/* The first one has just given up a lock. */
static void interrupted(void *arg, const struct s2_lock *lock, bool taken)
{
    unsigned spaces = 0;

    (void)arg;
    (void)lock;
    if (taken || is_other() || chaos_random(&turn.seed, 4))
        return;
    for (unsigned vm = 0; vm < VMS; vm++) {
        turn.blocked[vm] = model_holds(&chaos_space(vm)->lock, false);
        spaces += turn.blocked[vm];
    }
    if (model_locks_held() != spaces)
        return; /* others would wait for it */
    turn.interrupts++;
    turn.meetings += spaces;
    give_turn(true);
    memset(turn.blocked, 0, sizeof turn.blocked);
}

/* --- what guests reach ------------------------------------------------------------------------------------------------- */

/* Each CPU runs its VM: what the tables say is what it gets, and it writes there. */
static void look_around(void)
{
    for (unsigned vm = 0; vm < VMS; vm++)
        for (unsigned i = 0; i < 8 && !chaos.is_destroyed[vm]; i++) {
            uint64_t at = chaos_range(&turn.seed).start.v,
                     pa = share_access(chaos.x, (uint16_t)(VM + vm), at, MODEL_READ);
            struct s2_leaf leaf = {.pa = S2_PA(0)};
            bool there = s2_space_translate(chaos_space(vm), S2_IPA(at), &leaf) && leaf.attr.bits & S2_R;

            assert_int_equal(pa, there ? leaf.pa.v + (at - leaf.range.start.v) : UINT64_MAX);
            pa = share_access(chaos.x, (uint16_t)(VM + vm), at, MODEL_WRITE);
            if (pa != UINT64_MAX)
                *(uint64_t *)model_ram(chaos.x->w->port, pa) = vm + 1;
        }
    model_set_cpu(chaos.x->w->port, FIRST_CPU);
}

static void run(const struct world_config *wc, uint64_t seed, unsigned steps)
{
    memset(&turn.blocked, 0, sizeof turn.blocked);
    turn.seed = seed * 0x9e3779b97f4a7c15ull;
    turn.over = turn.others_turn = turn.restarts = false;
    turn.interrupts = turn.meetings = 0;
    chaos_begin(*wc);
    for (unsigned vm = 0; vm < VMS; vm++)
        load(vm, vm);
    model_set_cpu(chaos.x->w->port, FIRST_CPU);
    pthread_mutex_lock(&turn.mutex);
    assert_int_equal(pthread_create(&turn.other, NULL, other, NULL), 0);
    for (unsigned i = 0; i < steps; i++) {
        model_script_lock(chaos.x->w->port, interrupted, NULL);
        anything();
        model_script_lock(chaos.x->w->port, NULL, NULL);
        look_around();
        assert_true(model_ok(chaos.x->w->port));
        if (i % 16 == 0)
            share_check(chaos.x);
    }
    while (turn.restarts)
        give_turn(true);
    turn.over = true;
    give_turn(true);
    pthread_mutex_unlock(&turn.mutex);
    assert_int_equal(pthread_join(turn.other, NULL), 0);
    chaos_tell(seed);
    printf("# %llu interrupts, %llu with a space locked\n", (unsigned long long)turn.interrupts,
           (unsigned long long)turn.meetings);
    chaos_finish(&turn.seed);
}

static void one_interrupts_another(void **state)
{
    static const uint8_t chunks[] = {12, 14, 21};
    const char *seed = getenv("SEED"), *steps = getenv("STEPS");
    uint64_t first = seed ? strtoull(seed, NULL, 0) : 1;

    (void)state;
    assert_int_equal(pthread_mutex_init(&turn.mutex, NULL), 0);
    assert_int_equal(pthread_cond_init(&turn.turned, NULL), 0);
    for (unsigned i = 0; i < 3; i++) {
        struct world_config wc = world_defaults();

        wc.chunk_log2 = chunks[i];
        wc.cpus = CPUS;
        run(&wc, first + i, steps ? (unsigned)strtoul(steps, NULL, 0) : STEPS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_interrupts_another)};

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

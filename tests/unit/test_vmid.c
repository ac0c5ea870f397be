/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* VMIDs (T12): unique, never 0, kept by VMs that run through a rollover, one ALLE1IS for each rollover. */
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <stage2/vmid.h>

#include "model.h"

#define CPUS 3u
#define BITS 3u /* numbers 1 to 7 */
#define VMS  12u

static struct s2_port *port;
static struct s2_vmids ids;

static int setup(void **state)
{
    struct model_config cfg = {.cpus = CPUS, .caps = model_caps_least(), .bank = {{0x40000000, 1 << 20}}};

    (void)state;
    port = model_create(&cfg);
    s2_vmids_init(&ids, port, BITS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    model_destroy(port);
    return 0;
}

static uint16_t run_on(unsigned cpu, struct s2_vmid *v)
{
    model_set_cpu(port, cpu);
    return s2_vmid_activate(&ids, v);
}

static void first_numbers(void **state)
{
    struct s2_vmid v[7] = {{0}};

    (void)state;
    for (unsigned i = 0; i < 7; i++) {
        assert_false(s2_vmid_live(&ids, &v[i]));
        assert_int_equal(run_on(0, &v[i]), i + 1);
        assert_true(s2_vmid_live(&ids, &v[i]));
        assert_int_equal(run_on(1, &v[i]), i + 1); /* the same for every vCPU */
        assert_int_equal(run_on(0, &v[i]), i + 1);
    }
    assert_int_equal(model_tlbis(port), 0);
}

static void rollover_is_one_broadcast(void **state)
{
    struct s2_vmid v[8] = {{0}};

    (void)state;
    for (unsigned i = 0; i < 7; i++)
        run_on(0, &v[i]);
    model_reset_counters(port);
    assert_int_equal(run_on(0, &v[7]), 1); /* 7 is the one that was active */
    assert_int_equal(port->count.tlbi[S2_TLBI_ALLE1IS], 1);
    assert_int_equal(model_tlbis(port), 1);
    assert_int_equal(model_dsbs(port), 2);
    for (unsigned i = 0; i < 6; i++)
        assert_false(s2_vmid_live(&ids, &v[i]));
    assert_true(s2_vmid_live(&ids, &v[6])); /* its CPU may have gone on for a moment */
    assert_true(s2_vmid_live(&ids, &v[7]));
}

static void running_vms_keep_their_number(void **state)
{
    struct s2_vmid guest = {0}, other[VMS] = {{0}};
    uint16_t number;

    (void)state;
    number = run_on(1, &guest);
    for (unsigned round = 0; round < 5; round++)
        for (unsigned i = 0; i < VMS; i++) {
            assert_int_not_equal(run_on(0, &other[i]), number);
            assert_true(s2_vmid_live(&ids, &guest));
        }
    assert_true(model_tlbis(port) > 5);
    /* A second vCPU of it on the other CPU gets the number that the first runs with. */
    assert_int_equal(run_on(0, &guest), number);
    assert_int_equal(run_on(1, &guest), number);
}

/* Reserved on two CPUs, renewed from one: the other still counts in the next rollover. */
static void two_vcpus_through_two_rollovers(void **state)
{
    struct s2_vmid guest = {0}, other[VMS] = {{0}}, local = {0};
    uint16_t number = run_on(0, &guest);

    (void)state;
    assert_int_equal(run_on(1, &guest), number);
    for (unsigned i = 0; i < 7; i++)
        run_on(2, &other[i]);
    assert_int_equal(model_tlbis(port), 1);
    assert_int_equal(run_on(0, &guest), number);
    run_on(0, &local); /* CPU 0 turns to something else; CPU 1 has run on all the time */
    for (unsigned i = 0; i < 7; i++)
        run_on(2, &other[i]);
    assert_int_equal(model_tlbis(port), 2);
    assert_true(s2_vmid_live(&ids, &guest));
    assert_int_equal(run_on(0, &guest), number);
}

static void freed_numbers_come_back(void **state)
{
    struct s2_vmid v[8] = {{0}}, again = {0};

    (void)state;
    for (unsigned i = 0; i < 7; i++)
        run_on(0, &v[i]);
    s2_vmid_free(&ids, &v[2]);
    assert_false(s2_vmid_live(&ids, &v[2]));
    assert_int_equal(run_on(0, &again), 3);
    assert_int_equal(model_tlbis(port), 0);
    /* That CPU loaded 3 last: it is kept back until the rollover after it loads another. */
    s2_vmid_free(&ids, &again);
    assert_int_equal(run_on(1, &v[7]), 1);
    assert_int_equal(port->count.tlbi[S2_TLBI_ALLE1IS], 1);
    s2_vmid_free(&ids, &v[0]); /* of the old generation */
    s2_vmid_free(&ids, &v[0]); /* never had one now */
}

static void left_numbers_come_back(void **state)
{
    struct s2_vmid v = {0}, other = {0};

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(run_on(0, &v), 1);
        assert_int_equal(run_on(1, &v), 1);
        model_set_cpu(port, 0);
        s2_vmid_leave(&ids);
        model_set_cpu(port, 1);
        s2_vmid_leave(&ids);
        assert_true(s2_vmid_live(&ids, &v)); /* what TLBs hold is still to be flushed */
        s2_vmid_free(&ids, &v);
        ids.next = 1;
    }
    /* One CPU alone is not all of them. */
    run_on(0, &v);
    run_on(1, &v);
    s2_vmid_leave(&ids);
    s2_vmid_free(&ids, &v);
    ids.next = 1;
    assert_int_equal(run_on(1, &other), 2);
    assert_int_equal(model_tlbis(port), 0);
}

/* Who left before a rollover has another number after it, of which nothing is cached. */
static void left_before_a_rollover(void **state)
{
    struct s2_vmid v[8] = {{0}};

    (void)state;
    run_on(1, &v[0]);
    s2_vmid_leave(&ids);
    for (unsigned i = 1; i < 8; i++)
        run_on(0, &v[i]);
    assert_int_equal(model_tlbis(port), 1);
    assert_false(s2_vmid_live(&ids, &v[0]));
    assert_int_equal(v[7].id & 0xffff, 1);
    assert_int_not_equal(run_on(1, &v[0]), 1);
}

/* Two VMs never share a number while both are live, whatever happens. */
static void never_shared(void **state)
{
    struct s2_vmid v[VMS] = {{0}};
    unsigned running[CPUS] = {0, 1, 2};

    (void)state;
    srand(1);
    run_on(0, &v[0]);
    run_on(1, &v[1]);
    run_on(2, &v[2]);
    for (unsigned step = 0; step < 5000; step++) {
        unsigned cpu = (unsigned)rand() % CPUS, vm = (unsigned)rand() % VMS;

        if (rand() % 16 == 0 && vm != running[0] && vm != running[1] && vm != running[2]) {
            s2_vmid_free(&ids, &v[vm]);
            continue;
        }
        assert_int_not_equal(run_on(cpu, &v[vm]), 0);
        running[cpu] = vm;
        for (unsigned a = 0; a < VMS; a++)
            for (unsigned b = a + 1; b < VMS; b++)
                if (s2_vmid_live(&ids, &v[a]) && s2_vmid_live(&ids, &v[b]))
                    assert_int_not_equal(v[a].id & 0xffff, v[b].id & 0xffff);
        for (unsigned c = 0; c < CPUS; c++)
            assert_true(s2_vmid_live(&ids, &v[running[c]]));
    }
}

struct question {
    struct s2_vmid *v;
    bool live, answered;
};

static void *ask(void *arg)
{
    struct question *q = arg;

    model_set_cpu(port, 2);
    q->live = s2_vmid_live(&ids, q->v);
    __atomic_store_n(&q->answered, true, __ATOMIC_RELEASE);
    return NULL;
}

/* Whoever asks while a VM that runs on gets its number in the new generation, waits: for a moment neither the reservation
 * nor the VM's own id tells that it runs. */
static void live_throughout_a_renewal(void **state)
{
    struct s2_vmid v[8] = {{0}};
    struct question q = {.v = &v[0]};
    uint64_t renewed, tickets;
    pthread_t thread;

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        run_on(i != 0, &v[i]); /* the first one stays on its CPU through the rollover */
    assert_int_equal(model_tlbis(port), 1);
    assert_true(s2_vmid_live(&ids, &v[0]));
    assert_int_equal(ids.reserved[0], v[0].id);
    renewed = ids.generation | (v[0].id & 0xffff);
    s2_port_lock(port, &ids.lock, S2_LOCK_VMIDS, 0);
    tickets = ids.lock.word[0];
    ids.reserved[0] = renewed;
    assert_int_equal(pthread_create(&thread, NULL, ask, &q), 0);
    while (!__atomic_load_n(&q.answered, __ATOMIC_ACQUIRE) &&
           __atomic_load_n(&ids.lock.word[0], __ATOMIC_RELAXED) == tickets)
        sched_yield();
    v[0].id = renewed;
    s2_port_unlock(port, &ids.lock);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(q.live);
}

static void wide(void **state)
{
    static struct s2_vmid v[65536];

    (void)state;
    memset(v, 0, sizeof v);
    s2_vmids_init(&ids, port, 16);
    for (unsigned i = 0; i < 65535; i++)
        assert_int_equal(run_on(0, &v[i]), i + 1);
    assert_int_equal(model_tlbis(port), 0);
    assert_int_equal(run_on(0, &v[65535]), 1);
    assert_int_equal(model_tlbis(port), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(first_numbers),
        TEST(rollover_is_one_broadcast),
        TEST(running_vms_keep_their_number),
        TEST(two_vcpus_through_two_rollovers),
        TEST(freed_numbers_come_back),
        TEST(left_numbers_come_back),
        TEST(left_before_a_rollover),
        TEST(never_shared),
        TEST(live_throughout_a_renewal),
        TEST(wide),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

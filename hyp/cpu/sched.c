/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include <cpu/sched.h>

#include <boot/arm.h>
#include <boot/hooks.h>
#include <cpu/hooks.h>
#include <cpu/internal.h>

#define NEVER UINT64_MAX

/* --- the list of those that are ready: under cpu->lock ------------------------------------------------------------------ */

static void push(struct cpu *cpu, struct vcpu *v)
{
    v->state = VCPU_READY;
    v->ready_next = NULL;
    if (cpu->ready_head == NULL)
        cpu->ready_head = v;
    else
        cpu->ready_tail->ready_next = v;
    cpu->ready_tail = v;
}

static struct vcpu *pop(struct cpu *cpu)
{
    struct vcpu *v = cpu->ready_head;
    if (v != NULL) {
        cpu->ready_head = v->ready_next;
        v->state = VCPU_RUNNING;
    }
    return v;
}

static void take_out(struct cpu *cpu, struct vcpu *v)
{
    struct vcpu *before = NULL;
    for (struct vcpu *p = cpu->ready_head; p != NULL; before = p, p = p->ready_next) {
        if (p != v)
            continue;
        if (before == NULL)
            cpu->ready_head = v->ready_next;
        else
            before->ready_next = v->ready_next;
        if (cpu->ready_tail == v)
            cpu->ready_tail = before;
        return;
    }
}

/* --- from any CPU ---------------------------------------------------------------------------------------------------------- */

static void kick_if_remote(const struct cpu *cpu)
{
    if (cpu != this_cpu())
        cpu_kick(cpu->index);
}

void sched_add(struct vcpu *v)
{
    struct cpu *cpu = cpu_at(v->cpu);
    lock_take(&cpu->lock);
    if (!v->known) {
        v->peer = cpu->all;
        __atomic_store_n(&cpu->all, v, __ATOMIC_RELEASE); /* its CPU goes through the list without the lock */
        v->known = true;
    }
    bool added = v->state == VCPU_OFF && v->leaving == LEAVE_NOT;
    if (added)
        push(cpu, v);
    lock_drop(&cpu->lock);
    if (added)
        kick_if_remote(cpu);
}

void sched_wake(struct vcpu *v)
{
    struct cpu *cpu = cpu_at(v->cpu);
    lock_take(&cpu->lock);
    bool running = v->state == VCPU_RUNNING;
    bool woke = v->state == VCPU_BLOCKED;
    if (woke)
        push(cpu, v);
    v->woken |= running;
    lock_drop(&cpu->lock);
    if (woke || running)
        kick_if_remote(cpu);
}

void sched_block(struct vcpu *v)
{
    struct cpu *cpu = this_cpu();
    lock_take(&cpu->lock);
    if (!v->woken && v->leaving == LEAVE_NOT)
        v->state = VCPU_BLOCKED;
    lock_drop(&cpu->lock);
}

void sched_yield(struct vcpu *v)
{
    (void)v; /* the one that runs here */
    this_cpu()->slice_over = true;
}

static bool ask_to_leave(struct vcpu *v, enum vcpu_leave how)
{
    struct cpu *cpu = cpu_at(v->cpu);
    lock_take(&cpu->lock);
    bool there = v->state != VCPU_OFF && (v->state != VCPU_PAUSED || how == LEAVE_STOP);
    bool asked = there && v->leaving < how;
    if (asked) {
        v->leaving = how;
        cpu->leave_asked = true;
    }
    lock_drop(&cpu->lock);
    if (asked)
        kick_if_remote(cpu);
    return asked;
}

void sched_stop(struct vcpu *v)
{
    (void)ask_to_leave(v, LEAVE_STOP);
}

bool sched_pause(struct vcpu *v)
{
    return ask_to_leave(v, LEAVE_PAUSE);
}

void sched_resume(struct vcpu *v)
{
    struct cpu *cpu = cpu_at(v->cpu);
    lock_take(&cpu->lock);
    bool resumed = v->state == VCPU_PAUSED && v->leaving == LEAVE_NOT;
    if (resumed)
        push(cpu, v);
    lock_drop(&cpu->lock);
    if (resumed)
        kick_if_remote(cpu);
}

bool sched_is_off(const struct vcpu *v)
{
    return __atomic_load_n(&v->state, __ATOMIC_ACQUIRE) == VCPU_OFF;
}

/* --- on its own CPU --------------------------------------------------------------------------------------------------------- */

/* One that is to stop or to pause, in no list any more; null: none left. */
static struct vcpu *next_leaving(struct cpu *cpu)
{
    struct vcpu *v;
    lock_take(&cpu->lock);
    for (v = cpu->all; v != NULL && v->leaving == LEAVE_NOT; v = v->peer)
        ;
    if (v == NULL)
        cpu->leave_asked = false;
    else if (v->state == VCPU_READY)
        take_out(cpu, v);
    lock_drop(&cpu->lock);
    return v;
}

static void let_go_of_those_asked(struct cpu *cpu)
{
    while (cpu->leave_asked) {
        struct vcpu *v = next_leaving(cpu);
        if (v == NULL)
            return;
        vcpu_save(v);
        lock_take(&cpu->lock);
        bool stops = v->leaving == LEAVE_STOP;
        if (v->state == VCPU_READY) /* a wake-up may have come in between */
            take_out(cpu, v);
        v->woken = false;
        v->leaving = LEAVE_NOT;
        __atomic_store_n(&v->state, stops ? VCPU_OFF : VCPU_PAUSED, __ATOMIC_RELEASE);
        lock_drop(&cpu->lock);
        if (stops)
            sched_stopped(v);
        else
            sched_paused(v);
    }
}

/* Timers whose time has come, and when the next one will. */
static uint64_t run_timers(struct cpu *cpu)
{
    uint64_t now = cpu_ticks(), next = console_poll(now);
    trace_drain();
    for (struct vcpu *v = cpu->all; v != NULL; v = v->peer) {
        if (v->state == VCPU_OFF || v->state == VCPU_PAUSED)
            continue;
        uint64_t deadline = vtimer_deadline(v);
        if (deadline <= now) {
            vtimer_expire(v);
            deadline = vtimer_deadline(v);
        }
        next = deadline < next ? deadline : next;
    }
    return next;
}

static void arm_timer(struct cpu *cpu, uint64_t deadline)
{
    if (cpu->timer == deadline)
        return;
    cpu->timer = deadline;
    reg_write(cnthp_cval_el2, deadline);
    reg_write(cnthp_ctl_el2, deadline == NEVER ? 0 : CNTHP_ENABLE);
}

/* The interrupt of EL2's timer: its condition goes, the loop looks at what is due and arms it again. */
static void timer_fired(void)
{
    reg_write(cnthp_ctl_el2, 0);
    isb();
    this_cpu()->timer = NEVER;
}

void sched_init(void)
{
    irq_set_hyp_timer(timer_fired);
}

/* A step of the work that waits for idle time. It may use libfdt, and that the FP/SIMD registers. */
static bool background_step(const struct cpu *cpu, bool is_idle)
{
    struct vcpu *v = cpu->loaded;
    if (v != NULL)
        fp_save(&v->fp);
    bool more = vm_idle_step(is_idle);
    if (v != NULL)
        fp_restore(&v->fp);
    return more;
}

static void idle(struct cpu *cpu)
{
    uint64_t begin = cpu_ticks();
    bool more = background_step(cpu, true);
    arm_timer(cpu, run_timers(cpu));
    /* Whoever makes a vCPU of this CPU ready sends an interrupt, which stays pending since they are masked: then WFI does
     * not wait. Locally nobody else is at work. */
    if (!more && __atomic_load_n(&cpu->ready_head, __ATOMIC_ACQUIRE) == NULL && !cpu->leave_asked) {
        dsb(sy);
        wfi();
    }
    irq_handle();
    cpu->idle_ticks += cpu_ticks() - begin;
}

/* Does anybody want this CPU when the slice is over: another vCPU, or work that would wait for idle time in vain? */
static bool somebody_waits(const struct cpu *cpu)
{
    return __atomic_load_n(&cpu->ready_head, __ATOMIC_ACQUIRE) != NULL || vm_work_waits();
}

/* Until the guest did something that a look around is due after. Who wants this CPU sends an interrupt. */
static void run_guest(struct vcpu *v)
{
    enum exit_class c;
    do {
        __atomic_store_n(&v->woken, false, __ATOMIC_RELAXED); /* the flush sees what it was for */
        vgic_flush(v);
        c = vcpu_enter(v);
        vgic_sync(v);
        if (c == EXIT_IRQ)
            irq_handle();
    } while (exit_handle(v, c) && reg_read(isr_el1) == 0);
}

/* Runs v until its slice is over while others wait, or it does not want to run. */
static void run(struct cpu *cpu, struct vcpu *v)
{
    uint64_t slice = cpu_ticks_per_second() * CONFIG_TIME_SLICE_MS / 1000;
    uint64_t begin = cpu_ticks();
    vcpu_load(v);
    cpu->slice_end = begin + slice;
    cpu->slice_over = false;
    while (v->state == VCPU_RUNNING && !cpu->leave_asked && !cpu->slice_over) {
        uint64_t next = run_timers(cpu);
        bool others = somebody_waits(cpu);
        if (others && cpu_ticks() >= cpu->slice_end)
            break;
        arm_timer(cpu, others && cpu->slice_end < next ? cpu->slice_end : next);
        if (v->cleaning) {
            vm_clean_step(v);
            irq_handle();
            continue;
        }
        run_guest(v);
    }
    v->ran_ticks += cpu_ticks() - begin;
    lock_take(&cpu->lock);
    if (v->state == VCPU_RUNNING)
        push(cpu, v);
    lock_drop(&cpu->lock);
}

_Noreturn void sched_run(void)
{
    struct cpu *cpu = this_cpu();
    cpu->timer = NEVER;
    reg_write(cnthp_ctl_el2, 0);
    smp_release();
    for (;;) {
        let_go_of_those_asked(cpu);
        lock_take(&cpu->lock);
        struct vcpu *v = pop(cpu);
        lock_drop(&cpu->lock);
        if (v == NULL) {
            idle(cpu);
            continue;
        }
        run(cpu, v);
        /* Where guests leave no idle time the work goes on all the same, a step per slice. */
        if (somebody_waits(cpu))
            background_step(cpu, false);
    }
}

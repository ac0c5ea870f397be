/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The life of a VM: what is asked of it, from any CPU, and what its vCPUs do. What takes long is work.c's. */
#include "vm/vm.h"

#include <boot/boot.h>
#include <boot/print.h>
#include <cpu/cpu.h>
#include <cpu/hooks.h>
#include <cpu/sched.h>

#include "vm/audit.h"

/* --- the last one ------------------------------------------------------------------------------------------------- */

bool vm_anything_left(void)
{
    bool left = false;
    for (unsigned i = 0; i < vm_count() && !left; i++) {
        struct vm *vm = vm_at(i);
        if (vm == NULL)
            continue;
        /* From stopped to work to running it goes under the lock: without it both may be seen in between, and the machine
         * be switched off under a VM that comes up again. */
        lock_take(&vm->lock);
        left = vm->state == VM_RUNNING || vm->state == VM_PAUSED || vm->state == VM_STOPPING || vm_is_being_made(vm);
        lock_drop(&vm->lock);
    }
    return left;
}

static bool halt_wanted(void)
{
    size_t bytes;
    const char *option = boot_option("on-all-stopped", &bytes);
    return option != NULL ? bytes == 4 && __builtin_memcmp(option, "halt", 4) == 0 : host.manifest.halt;
}

void vm_end_if_last(void)
{
    if (vm_anything_left())
        return;
    if (CONFIG_VMID_BITS != 0)
        print("bulkhead: VMIDs of %u bits were dealt out %lu times\n", host.vmids.bits,
              (unsigned long)(host.vmids.generation >> 16));
    if (halt_wanted()) {
        audit_at_end();
        print("bulkhead: every VM has stopped; the console stays up\n");
        return;
    }
    vm_before_power_off();
    print("bulkhead: every VM has stopped; powering off\n");
    boot_power_off();
}

/* --- off ---------------------------------------------------------------------------------------------------------- */

static bool any_cpu_on(const struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpus; i++)
        if (vm->power[i] != POWER_OFF)
            return true;
    return false;
}

static bool is_up(const struct vm *vm)
{
    return vm->state == VM_RUNNING || vm->state == VM_PAUSED;
}

/* Of one on which work is done, or whose vCPUs are about to be off. */
static const char *whereto(const struct vm *vm)
{
    switch (vm->goal) {
    case GOAL_ABSENT:
        return "is being destroyed";
    case GOAL_READY:
        return "is being defined";
    case GOAL_RUNNING:
        return "is being started";
    default:
        return "is being stopped";
    }
}

static bool is_on_the_way(const struct vm *vm)
{
    return vm->state == VM_STOPPING || vm_is_being_made(vm);
}

static void look_for_work(const struct vm *vm)
{
    cpu_kick(vm->vcpu[0].cpu); /* there, if nowhere is idle */
}

/* v has left its CPU, for a while or for good. vm->lock held; true: it was the last one to pause. */
static bool has_left(struct vm *vm, const struct vcpu *v)
{
    bool was = vm->pausing != 0;
    vm->pausing &= ~(1u << v->index);
    bool last = was && vm->pausing == 0 && vm->state == VM_PAUSED;
    if (last)
        vm->paused_at = cpu_ticks();
    return last;
}

/* Under vm->lock from here to each vCPU: whoever comes next finds all of them on their way out. Else one who is slow might stop those
 * of the run after this, and of two who want different ends neither would know what the other has done. Which end it was is said by the
 * last of them, ahead of all that follows from it. */
static void begin_end(struct vm *vm, enum vm_goal goal, const char *why)
{
    vm->state = VM_STOPPING;
    vm->goal = goal;
    vm->why = why;
    vm->quiet = goal == GOAL_RUNNING && !pace_says(&vm->pace, cpu_ticks(), cpu_ticks_per_second());
    for (unsigned i = 0; i < vm->vcpus; i++)
        sched_stop(&vm->vcpu[i]);
}

static void print_stopped(const struct vm *vm, const char *why)
{
    print("bulkhead: vm %s: stopped: %s\n", vm->name, why);
}

/* No vCPU is left, and the VM STOPPING until all of it is said: work on it would overtake this CPU, which may wait for the line. */
static void end(struct vm *vm, bool restarts, const char *why)
{
    vm_end_output(vm);
    if (!restarts)
        print_stopped(vm, why);
    else if (!vm->quiet)
        print("bulkhead: vm %s: restarting after start %lu: %s\n", vm->name, (unsigned long)vm->starts, why);
    if (!vm->quiet)
        vm_print_exits(vm);
    host_print_memory(vm, "stopped");
    lock_take(&vm->lock);
    bool goes_on = vm->goal == GOAL_RUNNING || vm->goal == GOAL_ABSENT;
    vm->state = VM_STOPPED;
    if (goes_on)
        vm_work_begin(vm, WORK_DESTROY, vm->goal);
    lock_drop(&vm->lock);
    if (goes_on)
        cpu_kick(this_cpu()->index); /* the rest is done in idle time: look for it */
    else
        vm_end_if_last();
}

void sched_stopped(struct vcpu *v)
{
    struct vm *vm = v->vm;
    lock_take(&vm->lock);
    vm->power[v->index] = POWER_OFF;
    bool last = !any_cpu_on(vm), paused = has_left(vm, v);
    if (last && is_up(vm))
        begin_end(vm, GOAL_STOPPED, "all its vCPUs are off");
    bool restarts = vm->goal == GOAL_RUNNING;
    const char *why = vm->why;
    if (last)
        vm->why = NULL;
    lock_drop(&vm->lock);
    if (last)
        end(vm, restarts, why);
    else if (paused)
        host_print_memory(vm, "paused");
}

/* vm->lock held. */
static const char *try_end(struct vm *vm, enum vm_goal goal, const char *why)
{
    if (!is_up(vm))
        return is_on_the_way(vm) ? whereto(vm) : "is not running";
    begin_end(vm, goal, why);
    return NULL;
}

/* On the way to run (again): it will not come to that. vm->lock held. */
static bool turn_back(struct vm *vm)
{
    bool turns = is_on_the_way(vm) && vm->goal == GOAL_RUNNING;
    if (turns) {
        vm->goal = GOAL_STOPPED;
        vm->quiet = false;
    }
    return turns;
}

const char *vm_stop(struct vm *vm, const char *why)
{
    lock_take(&vm->lock);
    bool turns = turn_back(vm), said_later = vm->why != NULL;
    const char *refusal = turns ? NULL : try_end(vm, GOAL_STOPPED, why);
    if (turns && said_later)
        vm->why = why;
    lock_drop(&vm->lock);
    if (turns && !said_later)
        print_stopped(vm, why);
    return refusal;
}

bool vm_end(struct vm *vm, const char *why)
{
    lock_take(&vm->lock);
    bool ends = try_end(vm, GOAL_STOPPED, why) == NULL;
    lock_drop(&vm->lock);
    return ends;
}

const char *vm_restart(struct vm *vm, const char *why)
{
    lock_take(&vm->lock);
    const char *refusal = try_end(vm, GOAL_RUNNING, why);
    lock_drop(&vm->lock);
    return refusal;
}

const char *vm_destroy(struct vm *vm)
{
    const char *refusal = NULL;
    lock_take(&vm->lock);
    if (is_up(vm)) {
        begin_end(vm, GOAL_ABSENT, "to be destroyed");
    } else if (is_on_the_way(vm)) {
        refusal = vm->goal == GOAL_ABSENT ? whereto(vm) : NULL;
        vm->goal = GOAL_ABSENT;
        vm->quiet = false;
        if (vm->why != NULL) /* not said yet */
            vm->why = "to be destroyed";
    } else if (vm->state == VM_ABSENT) {
        refusal = "is not defined";
    } else {
        vm->quiet = false;
        vm_work_begin(vm, WORK_DESTROY, GOAL_ABSENT);
    }
    lock_drop(&vm->lock);
    look_for_work(vm);
    return refusal;
}

/* --- on ----------------------------------------------------------------------------------------------------------- */

const char *vm_define(struct vm *vm)
{
    const char *refusal = NULL;
    lock_take(&vm->lock);
    if (is_on_the_way(vm))
        refusal = whereto(vm);
    else if (vm->state != VM_ABSENT)
        refusal = "is defined already";
    else
        vm_work_begin(vm, WORK_CLAIM, GOAL_READY);
    vm->quiet = false;
    lock_drop(&vm->lock);
    look_for_work(vm);
    return refusal;
}

const char *vm_start(struct vm *vm)
{
    const char *refusal = NULL;
    lock_take(&vm->lock);
    if (is_on_the_way(vm)) {
        bool may = vm->goal == GOAL_READY || vm->goal == GOAL_STOPPED;
        refusal = may ? NULL : whereto(vm);
        vm->goal = may ? GOAL_RUNNING : vm->goal;
    } else if (is_up(vm)) {
        refusal = "is running already";
    } else {
        vm_work_begin(vm,
                      vm->state == VM_READY    ? WORK_LOAD
                      : vm->state == VM_ABSENT ? WORK_CLAIM
                                               : WORK_DESTROY,
                      GOAL_RUNNING);
        vm->quiet = false;
    }
    lock_drop(&vm->lock);
    look_for_work(vm);
    return refusal;
}

/* --- for a while -------------------------------------------------------------------------------------------------- */

const char *vm_pause(struct vm *vm)
{
    lock_take(&vm->lock);
    bool may = vm->state == VM_RUNNING;
    if (may) {
        vm->state = VM_PAUSED;
        vm->quiet = false;
        vm->paused_at = cpu_ticks();
        for (unsigned i = 0; i < vm->vcpus; i++)
            if (sched_pause(&vm->vcpu[i]))
                vm->pausing |= 1u << i;
    }
    bool is_last = may && vm->pausing == 0;
    const char *refusal = vm->state == VM_PAUSED && !may ? "is paused already" : "is not running";
    lock_drop(&vm->lock);
    if (is_last) /* what it has left is on its way to be off */
        host_print_memory(vm, "paused");
    return may ? NULL : refusal;
}

void sched_paused(struct vcpu *v)
{
    struct vm *vm = v->vm;
    lock_take(&vm->lock);
    bool last = has_left(vm, v);
    lock_drop(&vm->lock);
    if (last)
        host_print_memory(vm, "paused");
}

/* Virtual time goes on from where the last vCPU saw it. */
const char *vm_resume(struct vm *vm)
{
    const char *refusal = NULL;
    lock_take(&vm->lock);
    if (vm->state != VM_PAUSED)
        refusal = "is not paused";
    else if (vm->pausing != 0)
        refusal = "is still being paused";
    if (refusal == NULL) {
        uint64_t stood = cpu_ticks() - vm->paused_at;
        vm->state = VM_RUNNING;
        for (unsigned i = 0; i < vm->vcpus; i++)
            vm->timer[i].offset += stood;
        for (unsigned i = 0; i < vm->vcpus; i++)
            sched_resume(&vm->vcpu[i]);
    }
    lock_drop(&vm->lock);
    if (refusal == NULL)
        host_print_memory(vm, "resumed");
    return refusal;
}

/* --- one vCPU ----------------------------------------------------------------------------------------------------- */

bool vm_cpu_on(struct vm *vm, unsigned index, uint64_t entry, uint64_t context, enum vm_power *was)
{
    struct vcpu *v = &vm->vcpu[index];
    lock_take(&vm->lock);
    *was = vm->power[index];
    bool ok = is_up(vm) && *was == POWER_OFF; /* paused: the caller has not left its CPU yet */
    if (ok) {
        vm->power[index] = POWER_ON;
        vgic_reset_vcpu(v);
        vtimer_init(v->timer, vm->timer[0].offset); /* one virtual time for the whole VM */
        vcpu_reset(v, entry, context);
        sched_add(v);
        if (vm->state == VM_PAUSED && sched_pause(v))
            vm->pausing |= 1u << index;
    }
    lock_drop(&vm->lock);
    return ok;
}

void vm_cpu_off(struct vcpu *v)
{
    struct vm *vm = v->vm;
    lock_take(&vm->lock);
    if (vm->power[v->index] == POWER_ON)
        vm->power[v->index] = POWER_LEAVING;
    lock_drop(&vm->lock);
    sched_stop(v);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The life of a VM: loaded, started, stopped, started again. What takes long is done in steps in idle time, so that the
 * other VMs do not notice. */
#include "vm/vm.h"

#include <boot/boot.h>
#include <boot/print.h>
#include <cpu/cpu.h>
#include <cpu/hooks.h>
#include <cpu/sched.h>

#include "vm/guestdtb.h"

enum {
    STEP_FRAMES = 256,     /* scrubbed, or freed, in one step */
    IDLE_FRAMES = 64,      /* scrubbed in advance, each time a CPU goes idle */
    STEP_BYTES = 2u << 20, /* copied in one step */
};

static void end_if_last(void);

/* --- work --------------------------------------------------------------------------------------------------------- */

static void print_problem(void *arg, const char *line)
{
    (void)arg;
    print("bulkhead: %s\n", line);
}

static unsigned works; /* how many VMs have something to be done */

static void set_work(struct vm *vm, enum vm_work work)
{
    if ((vm->work == WORK_NONE) != (work == WORK_NONE))
        __atomic_fetch_add(&works, work == WORK_NONE ? -1u : 1u, __ATOMIC_RELAXED);
    vm->work_part = 0;
    vm->work_done = 0;
    /* Other CPUs look at this word to see whether there is something to do. */
    __atomic_store_n(&vm->work, work, __ATOMIC_RELEASE);
}

static void destroy_step(struct vm *vm)
{
    if (vm->has_space && vm->work_done == 0) {
        for (unsigned i = 0; i < vm->vcpus; i++)
            s2_cache_drain(&vm->space, &vm->vcpu[i].cache);
        s2_space_destroy_begin(&vm->space);
        vm->work_done = 1;
    }
    if (vm->has_space && s2_space_destroy_step(&vm->space, STEP_FRAMES))
        return;
    if (vm->has_space)
        s2_space_destroy_end(&vm->space);
    vm->has_space = false;
    set_work(vm, WORK_SCRUB);
}

/* RAM at chosen places stays the VM's, so nobody else scrubs it. What else it gets is scrubbed when it is built. */
static void scrub_step(struct vm *vm)
{
    for (; vm->work_part < vm->cfg->regions; vm->work_part++, vm->work_done = 0) {
        const struct manifest_region *r = &vm->cfg->region[vm->work_part];
        uint64_t left = r->chosen ? r->size - vm->work_done : 0, bytes = STEP_FRAMES * S2_FRAME;
        if (left == 0)
            continue;
        bytes = left < bytes ? left : bytes;
        s2_frames_zero(host.port, S2_PA(r->pa + vm->work_done), bytes);
        vm->work_done += bytes;
        return;
    }
    set_work(vm, WORK_BUILD);
}

/* Puts the generated device tree to its place. The buffers are shared: one VM is worked on at a time. */
static bool load_tree(struct vm *vm, struct problems *p)
{
    static uint64_t tree[MANIFEST_DTB_BYTES / sizeof(uint64_t)], scratch[MANIFEST_DTB_BYTES / sizeof(uint64_t)];
    struct s2_detail d = {.err = S2_OK};
    struct text subject = {.used = 0};
    if (!guestdtb_build(tree, scratch, sizeof(tree), vm->cfg, &vm->plan, &host.machine, p))
        return false;
    d.err = s2_space_copy_in(&vm->space, S2_IPA(vm->plan.dtb.start), tree, sizeof(tree), 0, false, &d);
    if (d.err == S2_OK)
        return true;
    text_add(&subject, "vm %s: its device tree: ", vm->name);
    host_explain(p, subject.s, &d);
    return false;
}

static void launch(struct vm *vm)
{
    uint64_t now = cpu_ticks();
    vgic_reset(&vm->vgic);
    vuart_reset(&vm->uart);
    for (unsigned i = 0; i < vm->vcpus; i++) {
        vtimer_init(&vm->timer[i], now);
        s2_cache_init(&vm->vcpu[i].cache);
    }
    vm->starts++;
    lock_take(&vm->lock);
    vm->goal = GOAL_STOPPED;
    /* Before sched_add, from which on another CPU may ask for more work. */
    vm->state = VM_RUNNING;
    set_work(vm, WORK_NONE);
    vm->power[0] = POWER_ON;
    vcpu_reset(&vm->vcpu[0], vm->plan.entry, vm->plan.dtb.start);
    sched_add(&vm->vcpu[0]);
    lock_drop(&vm->lock);
}

/* What was begun cannot be ended, and problems have said why. */
static void give_up(struct vm *vm)
{
    vm->state = VM_ABSENT;
    set_work(vm, WORK_NONE);
    print("bulkhead: vm %s: cannot be started\n", vm->name);
    if (!vm->booting)
        end_if_last();
}

static void load_step(struct vm *vm, struct problems *p)
{
    for (; vm->work_part < vm->plan.parts; vm->work_part++, vm->work_done = 0) {
        const struct load_part *part = &vm->plan.part[vm->work_part];
        uint64_t left = part->bytes - vm->work_done, bytes = left < STEP_BYTES ? left : STEP_BYTES;
        if (left == 0)
            continue;
        struct s2_detail d = {.err = S2_OK};
        d.err = s2_space_copy_in(&vm->space, S2_IPA(part->room.start + vm->work_done), part->data + vm->work_done,
                                 (size_t)bytes, 0, !vm->cfg->region[part->region].no_execute, &d);
        if (d.err != S2_OK) {
            struct text subject = {.used = 0};
            text_add(&subject, "vm %s: %s: ", vm->name, part->what);
            host_explain(p, subject.s, &d);
            give_up(vm);
            return;
        }
        vm->work_done += bytes;
        return;
    }
    if (!load_tree(vm, p)) {
        give_up(vm);
        return;
    }
#ifdef CONFIG_SELFTEST_AT
    selftest_at(vm);
#endif
    launch(vm);
}

void vm_work_begin(struct vm *vm, enum vm_work work, enum vm_goal goal)
{
    vm->goal = goal;
    set_work(vm, work);
}

bool vm_work_step(struct vm *vm, struct problems *p)
{
    bool ok = false;
    switch (vm->work) {
    case WORK_NONE:
        return false;
    case WORK_DESTROY:
        destroy_step(vm);
        break;
    case WORK_SCRUB:
        scrub_step(vm);
        break;
    case WORK_BUILD:
        if (vm_build_step(vm, &ok, p))
            break;
        if (!ok)
            give_up(vm);
        else
            set_work(vm, vm->booting ? WORK_NONE : WORK_LOAD);
        break;
    case WORK_LOAD:
        load_step(vm, p);
        break;
    default:
        break;
    }
    return true;
}

/* Guests pay for what is done to their own VM, and for no other: time that is not idle comes from CPUs it runs on. */
static bool is_due(const struct vm *vm, bool idle)
{
    if (vm == NULL || __atomic_load_n(&vm->work, __ATOMIC_ACQUIRE) == WORK_NONE)
        return false;
    bool here = idle;
    for (unsigned i = 0; i < vm->vcpus && !here; i++)
        here = vm->vcpu[i].cpu == this_cpu()->index;
    return here;
}

bool vm_work_waits(void)
{
    bool due = false;
    if (__atomic_load_n(&works, __ATOMIC_RELAXED) != 0)
        for (unsigned i = 0; i < vm_count() && !due; i++)
            due = is_due(vm_at(i), false);
    return due;
}

bool vm_idle_step(bool idle)
{
    static bool busy;
    struct problems p = {print_problem, NULL, 0};
    bool more = false;
    if (idle && selftest_hammer_step())
        return true;
    if (__atomic_test_and_set(&busy, __ATOMIC_ACQUIRE)) /* who is at it may not be the one that goes on with it */
        return __atomic_load_n(&works, __ATOMIC_RELAXED) != 0;
    for (unsigned i = 0; i < vm_count() && !more; i++) {
        struct vm *vm = vm_at(i);
        more = is_due(vm, idle) && vm_work_step(vm, &p);
    }
    if (!more) /* in advance, a little each time, since guests may share what this CPU runs on */
        (void)s2_frames_scrub_step(&host.frames, IDLE_FRAMES);
    __atomic_clear(&busy, __ATOMIC_RELEASE);
    return more;
}

/* --- start and stop ----------------------------------------------------------------------------------------------- */

static bool any_cpu_on(const struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpus; i++)
        if (vm->power[i] != POWER_OFF)
            return true;
    return false;
}

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
        left = vm->state == VM_RUNNING || vm->state == VM_STOPPING ||
               __atomic_load_n(&vm->work, __ATOMIC_ACQUIRE) != WORK_NONE;
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

static void end_if_last(void)
{
    if (vm_anything_left())
        return;
    if (CONFIG_VMID_BITS != 0)
        print("bulkhead: VMIDs of %u bits were dealt out %lu times\n", host.vmids.bits,
              (unsigned long)(host.vmids.generation >> 16));
    if (halt_wanted()) {
        print("bulkhead: every VM has stopped; the console stays up\n");
        return;
    }
    print("bulkhead: every VM has stopped; powering off\n");
    boot_power_off();
}

/* vm->lock held: every vCPU is off. */
static void stopped(struct vm *vm)
{
    vm->state = VM_STOPPED;
    if (vm->goal == GOAL_RUNNING)
        set_work(vm, WORK_DESTROY);
}

void sched_stopped(struct vcpu *v)
{
    struct vm *vm = v->vm;
    lock_take(&vm->lock);
    vm->power[v->index] = POWER_OFF;
    bool last = !any_cpu_on(vm), by_itself = vm->state == VM_RUNNING, again = vm->goal == GOAL_RUNNING, quiet = vm->quiet;
    if (last)
        stopped(vm);
    lock_drop(&vm->lock);
    if (!last)
        return;
    vm_end_output(vm);
    if (by_itself)
        print("bulkhead: vm %s: stopped: all its vCPUs are off\n", vm->name);
    if (!quiet)
        vm_print_exits(vm);
    if (again)
        cpu_kick(this_cpu()->index); /* the rest is done in idle time: look for it */
    else
        end_if_last();
}

static const char *end_run(struct vm *vm, bool again, const char *why)
{
    lock_take(&vm->lock);
    bool running = vm->state == VM_RUNNING;
    if (running) {
        vm->state = VM_STOPPING;
        vm->goal = again ? GOAL_RUNNING : GOAL_STOPPED;
        vm->quiet = again && !pace_says(&vm->pace, cpu_ticks(), cpu_ticks_per_second());
    }
    lock_drop(&vm->lock);
    if (!running)
        return "is not running";
    if (!again)
        print("bulkhead: vm %s: stopped: %s\n", vm->name, why);
    else if (!vm->quiet)
        print("bulkhead: vm %s: restarting after %lu starts: %s\n", vm->name, (unsigned long)vm->starts, why);
    for (unsigned i = 0; i < vm->vcpus; i++)
        if (__atomic_load_n(&vm->power[i], __ATOMIC_RELAXED) != POWER_OFF)
            sched_stop(&vm->vcpu[i]);
    return NULL;
}

const char *vm_stop(struct vm *vm, const char *why)
{
    return end_run(vm, false, why);
}

const char *vm_restart(struct vm *vm, const char *why)
{
    return end_run(vm, true, why);
}

const char *vm_start(struct vm *vm)
{
    lock_take(&vm->lock);
    if (__atomic_load_n(&vm->work, __ATOMIC_ACQUIRE) == WORK_NONE) {
        if (vm->state == VM_READY)
            set_work(vm, WORK_LOAD);
        else if (vm->state == VM_STOPPED || vm->state == VM_ABSENT)
            set_work(vm, WORK_DESTROY);
    }
    lock_drop(&vm->lock);
    cpu_kick(vm->vcpu[0].cpu); /* there, if nowhere is idle */
    return NULL;
}

/* --- one vCPU ----------------------------------------------------------------------------------------------------- */

bool vm_cpu_on(struct vm *vm, unsigned index, uint64_t entry, uint64_t context, enum vm_power *was)
{
    struct vcpu *v = &vm->vcpu[index];
    lock_take(&vm->lock);
    *was = vm->power[index];
    bool ok = vm->state == VM_RUNNING && *was == POWER_OFF;
    if (ok) {
        vm->power[index] = POWER_ON;
        vgic_reset_vcpu(v);
        vtimer_init(v->timer, vm->timer[0].offset); /* one virtual time for the whole VM */
        vcpu_reset(v, entry, context);
        sched_add(v);
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

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What takes long in the life of a VM, done in bounded steps in idle time, so that the other VMs do not notice. Each kind of work
 * leads to the next, as far as the goal says; the goal may change between any two steps. */
#include "vm/vm.h"

#include <boot/boot.h>
#include <boot/print.h>
#include <cpu/cpu.h>
#include <cpu/hooks.h>
#include <cpu/sched.h>

#include "vm/audit.h"
#include "vm/colours.h"
#include "vm/guestdtb.h"

enum {
    STEP_FRAMES = 256,     /* scrubbed, or freed, in one step */
    IDLE_FRAMES = 64,      /* scrubbed in advance, each time a CPU goes idle */
    STEP_BYTES = 2u << 20, /* copied in one step */
};

static void print_problem(void *arg, const char *line)
{
    (void)arg;
    print("bulkhead: %s\n", line);
}

static unsigned works; /* how many VMs have something to be done */

/* vm->lock held. */
static void set_work(struct vm *vm, enum vm_work work)
{
    if ((vm->work == WORK_NONE) != (work == WORK_NONE))
        __atomic_fetch_add(&works, work == WORK_NONE ? -1u : 1u, __ATOMIC_RELAXED);
    vm->work_part = 0;
    vm->work_done = 0;
    /* Other CPUs look at this word to see whether there is something to do. */
    __atomic_store_n(&vm->work, work, __ATOMIC_RELEASE);
}

void vm_work_begin(struct vm *vm, enum vm_work work, enum vm_goal goal)
{
    vm->goal = goal;
    set_work(vm, work);
}

/* To the next work; with none: the VM is in that state, and waits there. */
static void go_on(struct vm *vm, enum vm_work work, enum vm_state state)
{
    lock_take(&vm->lock);
    vm->state = state;
    set_work(vm, work);
    lock_drop(&vm->lock);
}

bool vm_is_being_made(const struct vm *vm)
{
    enum vm_work work = __atomic_load_n(&vm->work, __ATOMIC_ACQUIRE);
    return work != WORK_NONE && work != WORK_RESIZE;
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void begin_destruction(struct vm *vm)
{
    lock_take(&vm->lock);
    vm_resize_forget(vm);
    lock_drop(&vm->lock);
    if (!vm->has_space)
        return;
    for (unsigned i = 0; i < vm->vcpus; i++)
        s2_cache_drain(&vm->space, &vm->vcpu[i].cache);
    s2_space_destroy_begin(&vm->space);
}

static void destroy_step(struct vm *vm)
{
    if (vm->work_done == 0) {
        if (vm->has_space && vm_shares_end_step(vm))
            return;
        begin_destruction(vm);
        vm->work_done = 1;
        return;
    }
    if (vm->has_space && s2_space_destroy_step(&vm->space, STEP_FRAMES))
        return;
    if (vm->has_space)
        s2_space_destroy_end(&vm->space);
    vm->has_space = false;
    lock_take(&vm->lock);
    bool stays = vm->goal == GOAL_STOPPED; /* a restart that was turned back */
    vm->state = VM_STOPPED;
    set_work(vm, stays ? WORK_NONE : vm->goal == GOAL_ABSENT ? WORK_DISOWN : WORK_SCRUB);
    lock_drop(&vm->lock);
    if (stays)
        vm_end_if_last();
}

static void disown_step(struct vm *vm)
{
    if (vm_disown_step(vm))
        return;
    go_on(vm, WORK_NONE, VM_ABSENT);
    host_print_memory(vm, "destroyed");
    if (!vm->booting)
        vm_end_if_last();
}

/* What was begun cannot be ended, and problems have said why. */
static void give_up(struct vm *vm)
{
    print("bulkhead: vm %s: cannot be %s\n", vm->name, vm->goal == GOAL_READY ? "defined" : "started");
    lock_take(&vm->lock);
    vm_work_begin(vm, WORK_DESTROY, GOAL_ABSENT);
    lock_drop(&vm->lock);
}

/* --- the beginning ------------------------------------------------------------------------------------------------ */

static void claim_step(struct vm *vm, struct problems *p)
{
    if (vm_claim(vm, p))
        go_on(vm, WORK_SCRUB, vm->state);
    else
        give_up(vm);
}

/* RAM at chosen places is the VM's own, so nobody else scrubs it. What else it gets is scrubbed when it is built. */
static void scrub_step(struct vm *vm)
{
    if (vm->work_part == 0 && vm->work_done == 0)
        colours_take_back(vm->id); /* what it had before it was started again */
    for (; vm->work_part < vm->cfg->regions; vm->work_part++, vm->work_done = 0) {
        const struct manifest_region *r = &vm->cfg->region[vm->work_part];
        if (colours_give_step(vm->id, r, STEP_FRAMES)) {
            vm->work_done = 1;
            return;
        }
        uint64_t left = r->chosen ? r->size - vm->work_done : 0, bytes = STEP_FRAMES * S2_FRAME;
        if (left == 0)
            continue;
        bytes = left < bytes ? left : bytes;
        s2_frames_zero(host.port, S2_PA(r->pa + vm->work_done), bytes);
        vm->work_done += bytes;
        return;
    }
    go_on(vm, WORK_BUILD, vm->state);
}

static void build_step(struct vm *vm, struct problems *p)
{
    bool ok;
    if (vm_build_step(vm, &ok, p))
        return;
    if (!ok) {
        give_up(vm);
        return;
    }
    lock_take(&vm->lock);
    bool waits = vm->goal == GOAL_READY;
    vm->state = VM_READY;
    set_work(vm, waits ? WORK_NONE : WORK_LOAD);
    lock_drop(&vm->lock);
    if (waits && !vm->booting)
        host_print_memory(vm, "defined");
}

/* Puts the generated device tree to its place. The buffers are shared: one step is taken at a time. */
static bool load_tree(struct vm *vm, struct problems *p)
{
    static uint64_t tree[MANIFEST_DTB_BYTES / sizeof(uint64_t)], scratch[MANIFEST_DTB_BYTES / sizeof(uint64_t)];
    struct s2_detail d = {.err = S2_OK};
    struct text subject;
    text_begin(&subject);
    if (!guestdtb_build(tree, scratch, sizeof(tree), vm->cfg, &vm->plan, &host.machine, p))
        return false;
    d.err = s2_space_copy_in(&vm->space, S2_IPA(vm->plan.dtb.start), tree, sizeof(tree), 0, false, &d);
    if (d.err == S2_OK)
        return true;
    text_add(&subject, "vm %s: its device tree: ", vm->name);
    host_explain(p, subject.s, &d);
    return false;
}

/* Nothing of an earlier run is left; false: it is not to run after all. */
static bool launch(struct vm *vm)
{
    uint64_t now = cpu_ticks();
    vgic_reset(&vm->vgic);
    vuart_reset(&vm->uart);
    for (unsigned i = 0; i < vm->vcpus; i++) {
        vtimer_init(&vm->timer[i], now);
        s2_cache_init(&vm->vcpu[i].cache);
    }
    lock_take(&vm->lock);
    bool wanted = vm->goal == GOAL_RUNNING;
    if (wanted) {
        vm->starts++;
        vm->goal = GOAL_STOPPED;
        vm->pausing = 0;
        /* Behind vgic_reset: a bit that outlived its ring would keep all that follow from ringing. */
        __atomic_store_n(&vm->events, 0, __ATOMIC_RELAXED);
        /* Before sched_add, from which on another CPU may ask for more work. */
        vm->state = VM_RUNNING;
        set_work(vm, WORK_NONE);
        vm->power[0] = POWER_ON;
        vcpu_reset(&vm->vcpu[0], vm->plan.entry, vm->plan.dtb.start);
        sched_add(&vm->vcpu[0]);
    }
    lock_drop(&vm->lock);
    return wanted;
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
            struct text subject;
            text_begin(&subject);
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
    if (launch(vm))
        host_print_memory(vm, "started");
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

/* Where another goal was set meanwhile. A destruction is always ended: half of it is no state to stay in. True: nothing to do. */
static bool turn(struct vm *vm)
{
    bool stops = false;
    lock_take(&vm->lock);
    bool making = vm->work >= WORK_CLAIM && vm->work <= WORK_LOAD;
    if (making && vm->goal == GOAL_ABSENT) {
        set_work(vm, WORK_DESTROY);
    } else if (making && vm->goal == GOAL_STOPPED) {
        stops = true;
        vm->state = vm->work == WORK_CLAIM ? VM_ABSENT : VM_STOPPED; /* nothing of it is claimed yet */
        set_work(vm, WORK_NONE);
    }
    lock_drop(&vm->lock);
    if (stops)
        vm_end_if_last();
    return stops;
}

static void resize_step(struct vm *vm)
{
    if (vm_resize_step(vm))
        return;
    lock_take(&vm->lock);
    if (vm->work == WORK_RESIZE)
        set_work(vm, vm_resize_wanted(vm) ? WORK_RESIZE : WORK_NONE);
    lock_drop(&vm->lock);
}

bool vm_work_step(struct vm *vm, struct problems *p)
{
    if (turn(vm))
        return true;
    switch (__atomic_load_n(&vm->work, __ATOMIC_ACQUIRE)) {
    case WORK_NONE:
        return false;
    case WORK_DESTROY:
        destroy_step(vm);
        break;
    case WORK_DISOWN:
        disown_step(vm);
        break;
    case WORK_CLAIM:
        claim_step(vm, p);
        break;
    case WORK_SCRUB:
        scrub_step(vm);
        break;
    case WORK_BUILD:
        build_step(vm, p);
        break;
    case WORK_LOAD:
        load_step(vm, p);
        break;
    case WORK_RESIZE:
        resize_step(vm);
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

/* --- one CPU at a time ---------------------------------------------------------------------------------------------- */

static unsigned worker; /* the CPU that takes a step, + 1 */

static bool take_turn(void)
{
    unsigned nobody = 0;
    return __atomic_compare_exchange_n(&worker, &nobody, this_cpu()->index + 1, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

bool vm_work_hold(void)
{
    bool mine = __atomic_load_n(&worker, __ATOMIC_RELAXED) == this_cpu()->index + 1;
    while (!mine && !take_turn())
        lock_relax();
    return !mine;
}

void vm_work_release(bool held)
{
    if (held)
        __atomic_store_n(&worker, 0, __ATOMIC_RELEASE);
}

/* The next VM's step, so that none waits for others that always want one. */
static bool next_step(bool idle)
{
    static unsigned next;
    struct problems p = {print_problem, NULL, 0};
    bool done = false;
    for (unsigned i = 0; i < vm_count() && !done; i++) {
        struct vm *vm = vm_at(next++ % vm_count());
        done = is_due(vm, idle) && vm_work_step(vm, &p);
    }
    return done;
}

bool vm_idle_step(bool idle)
{
    if (idle && selftest_hammer_step())
        return true;
    if (!take_turn()) /* who is at it may not be the one that goes on with it */
        return __atomic_load_n(&works, __ATOMIC_RELAXED) != 0 || selftest_cycles_on();
    if (idle)
        selftest_cycles_step();
    bool more = next_step(idle);
    more |= idle && audit_watch();
    if (!more) /* in advance, a little each time, since guests may share what this CPU runs on */
        (void)host_scrub_step(IDLE_FRAMES);
    vm_work_release(true);
    return more || selftest_cycles_on();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A virtual machine: what the manifest says of it, its address space, its vCPUs and emulated devices, and its life.
 *
 *              define             start               pause
 *   VM_ABSENT --------> VM_READY -------> VM_RUNNING <------> VM_PAUSED
 *       ^                  |                  | ^     resume      |
 *       |          destroy |     stop, restart| | start, restart  | stop, restart, destroy: of all that run
 *       |                  |          destroy v |                 v
 *       +------------------+----------- VM_STOPPED <------- VM_STOPPING (until every vCPU is OFF)
 *
 * ABSENT: nothing is held but this record and the memory of its nodes, which come from a pool that takes nothing back, and its
 * number on the console; all of it is used again. What takes long (vm.work) is done in bounded steps in idle time, one at a
 * time, VM after VM, to where `goal` says. A define that cannot be, for want of anything, leaves the VM ABSENT, and so does a restart.
 *
 * `lock` covers state, goal, why, work, power, pausing and added. It is taken before a space's and a CPU's run-queue lock and
 * never while one is held. */
#ifndef VM_VM_H
#define VM_VM_H

#include <boot/lock.h>
#include <cpu/vcpu.h>
#include <device/console.h>
#include <device/mmio.h>
#include <device/vgic.h>
#include <device/vtimer.h>
#include <device/vuart.h>

#include "vm/host.h"
#include "vm/loader.h"
#include "vm/pace.h"

enum vm_state { VM_ABSENT, VM_READY, VM_RUNNING, VM_PAUSED, VM_STOPPING, VM_STOPPED };
/* Where work leads, and what is to come when every vCPU is OFF. */
enum vm_goal { GOAL_STOPPED, GOAL_READY, GOAL_RUNNING, GOAL_ABSENT };
/* PSCI's view of a vCPU (DEN0022 5.7). LEAVING: CPU_OFF was called and its CPU has not let go of it. */
enum vm_power { POWER_OFF, POWER_LEAVING, POWER_ON };
enum { VM_DEV_GICD, VM_DEV_GICR, VM_DEV_UART, VM_DEVS };

/* s2_area.name: which table of names, and the index in it. */
enum {
    VM_NAME_REGION = 0,
    VM_NAME_DEVICE = 0x100,
    VM_NAME_EMULATED = 0x200,
    VM_NAME_ADDED = 0x300,
    VM_NAME_SHARED = 0x400, /* retrieved by the guest; all have one name */
    VM_NAME_WINDOW = 0x500,
};

/* What is being done, in bounded steps. RESIZE alone goes on beside a VM that runs. */
enum vm_work {
    WORK_NONE,
    WORK_DESTROY,
    WORK_DISOWN,
    WORK_CLAIM,
    WORK_SCRUB,
    WORK_BUILD,
    WORK_LOAD,
    WORK_RESIZE,
};

/* What a guest is told by vm_event: bits of vm.events. */
enum vm_event_bit {
    EVENT_OFFERED,
    EVENT_WITHDRAWN,
    EVENT_RUNG,
    EVENT_RELINQUISHED,
    EVENT_MEMORY_ADDED,
    EVENT_MEMORY_ASKED,
    EVENT_MEMORY_REMOVED,
};

/* Memory that was added at run time. What is growing or leaving does so in steps; a restart forgets it all. */
enum { VM_ADDED = 8 };
enum added_state { ADDED_NONE, ADDED_GROWING, ADDED_THERE, ADDED_ASKED, ADDED_LEAVING };
struct added {
    uint64_t ipa, bytes;
    enum added_state state;
};

struct vm {
    const struct manifest_vm *cfg;
    const char *name;
    unsigned index;
    uint16_t id; /* owner number in the ledger */
    struct lock lock;
    enum vm_state state;
    enum vm_goal goal;
    const char *why; /* STOPPING: what ended it, while that is not said */
    bool quiet;      /* its life goes without saying, as it was said too often; pace: when it was */
    uint64_t pace;
    enum vm_power power[MANIFEST_VCPUS];
    enum vm_work work;
    unsigned work_part; /* region or image part that is next */
    uint64_t work_done; /* bytes of it */
    bool booting;       /* the first build does not wait for idle time */
    uint64_t starts;
    uint32_t pausing;   /* vCPUs that are still to leave their CPUs */
    uint64_t paused_at; /* when the last one had: virtual time stands still from then on */
    uint32_t events;    /* enum vm_event_bit, since the guest last asked */
    struct added added[VM_ADDED];

    struct s2_pool nodes;
    void *node_memory;
    struct s2_space space;
    bool has_space;
    struct s2_long steps; /* of the region that is being built, or of what is added or leaves */
    struct load_plan plan;

    struct vgic vgic;
    struct vuart uart;
    struct console_guest console;
    unsigned console_number; /* CONSOLE_NONE: it has none */
    struct mmio_dev dev[VM_DEVS];
    unsigned vcpus;
    struct vcpu vcpu[MANIFEST_VCPUS];
    struct vgic_vcpu gic[MANIFEST_VCPUS];
    struct vtimer timer[MANIFEST_VCPUS];
};

/* The VMs of the manifest in its order; null for one that the manifest's check refused. */
unsigned vm_count(void);
struct vm *vm_at(unsigned index);

/* --- vm.c: making one ---------------------------------------------------------------------------------------------- */

/* Makes the record; nothing is held. Null, after a problem, when there is no room. */
struct vm *vm_create(const struct manifest_vm *cfg, unsigned index, struct problems *p);
/* What it has alone for as long as it is defined: RAM at chosen places, devices, interrupts. False, after a problem, when it
 * cannot have all of it; what it got by then is for vm_disown_step. */
bool vm_claim(struct vm *vm, struct problems *p);
/* Gives back one piece of that; true while more is left. pre: there is no space, no vCPU runs. Never fails. */
bool vm_disown_step(struct vm *vm);
/* The next bounded step of making address space and areas. True while more is left; then *ok says whether all of it is there. If
 * not, there was a problem, and what is there is for the work of destroying. */
bool vm_build_step(struct vm *vm, bool *ok, struct problems *p);

/* --- work.c: what takes long ---------------------------------------------------------------------------------------- */

/* pre: vm->lock is held, or nobody else knows of the VM yet. */
void vm_work_begin(struct vm *vm, enum vm_work work, enum vm_goal goal);
/* Takes the next bounded step of vm->work; false when there is nothing to do. One CPU at a time. */
bool vm_work_step(struct vm *vm, struct problems *p);
/* Waits until no other CPU takes a step, of this or of scrubbing free memory, and keeps them from it until it is released with
 * what this returned; also from within a step. */
bool vm_work_hold(void);
void vm_work_release(bool held);
/* A restart, a destruction, a definition: nothing else can be asked for but to stop it, or to destroy it after all. */
bool vm_is_being_made(const struct vm *vm);
/* When the last VM has stopped or gone, the machine may be switched off. */
void vm_end_if_last(void);

/* --- life.c: transitions. Any CPU; each begins what it says and returns null, or a static phrase that says why it cannot be done
 * now ("is not running"), with no effect. ---------------------------------------------------------------------------- */

const char *vm_define(struct vm *vm);
/* Of one that was never run it loads the images; of one that has run all is made anew; of one that is absent it defines it, too. */
const char *vm_start(struct vm *vm);
/* Its vCPUs leave their CPUs and keep all that they have. Its virtual time stands still, and so do its timers; the machine's
 * physical counter, which guests can read too, does not. Interrupts and input wait for it. */
const char *vm_pause(struct vm *vm);
const char *vm_resume(struct vm *vm);
/* STOPPING, and STOPPED when every vCPU is OFF. Also ends a restart that is under way. why: static text. */
const char *vm_stop(struct vm *vm, const char *why);
/* The same for what the VM itself does, on any of its vCPUs: no effect when its run is being ended already. So a reset that one
 * has asked for comes, whatever others do until they are off. True: this is how it ends. */
bool vm_end(struct vm *vm, const char *why);
/* As vm_stop, and then from pristine images again. Not to be told from a first start by the guest. */
const char *vm_restart(struct vm *vm, const char *why);
/* The same, and then all that it held goes back. */
const char *vm_destroy(struct vm *vm);
/* Is there a VM that runs or is paused, or one that is being worked on? */
bool vm_anything_left(void);
/* CPU_ON and CPU_OFF of PSCI. on: false when the vCPU is not off or the VM is being stopped. */
bool vm_cpu_on(struct vm *vm, unsigned index, uint64_t entry, uint64_t context, enum vm_power *was);
void vm_cpu_off(struct vcpu *v);

/* --- resize.c: memory of a VM that runs or is paused; any CPU, phrases as above ---------------------------------------- */

/* Adds that much, a multiple of the granule and within the manifest's spare-memory; at *ipa, in steps, then
 * EVENT_MEMORY_ADDED. */
const char *vm_grow(struct vm *vm, uint64_t bytes, uint64_t *ipa);
/* Asks the guest to give back what was added there (EVENT_MEMORY_ASKED); `now`: takes it. */
const char *vm_shrink(struct vm *vm, uint64_t ipa, uint64_t bytes, bool now);
/* The guest gives it back: in steps, then EVENT_MEMORY_REMOVED. All or nothing: S2_EPERM: it shares, lends or donates a part
 * of it, or has put something else where it donated one; S2_ENOENT: was not added; S2_EBUSY: other steps are under way; S2_EDYING: does not
 * run; an unmap's. */
enum s2_err vm_give_back(struct vm *vm, uint64_t ipa, uint64_t bytes);
/* One step of that, for work.c; true while more is left. */
bool vm_resize_step(struct vm *vm);
/* pre: vm->lock is held. */
bool vm_resize_wanted(struct vm *vm);
/* Nothing of it is there any more. pre: vm->lock is held. */
void vm_resize_forget(struct vm *vm);

/* --- sharing between VMs -------------------------------------------------------------------------------------------- */

/* event.c: it happened; rings the guest's doorbell. Any CPU, with or without vm->lock. */
void vm_event(struct vm *vm, unsigned bit);
/* shares.c: the next share that this VM owns is withdrawn, and taken from who holds it; or the next that it holds is let go. True
 * while more may be left. Before its space is destroyed, when none of its vCPUs runs. */
bool vm_shares_end_step(struct vm *vm);

/* The name of an area of this VM, as the manifest has it. */
const char *vm_area_name(const struct vm *vm, uint16_t tag);
const char *vm_state_name(enum vm_state state);
const char *vm_work_name(enum vm_work work); /* ", being loaded"; empty when there is none */
/* host.c: "bulkhead: vm NAME: STEP; RAM free ..", after each step of its life. */
void host_print_memory(struct vm *vm, const char *step);

/* What its guest has sent, to the end of the unfinished line, is on its way, as far as there is room for last words. */
void vm_end_output(struct vm *vm);

/* exit.c */
void vcpu_wait(struct vcpu *v); /* WFI: until there is something for it */
void vm_print_exits(const struct vm *vm);
/* psci.c: answers the call in x0..x7 of v. */
void psci_call(struct vcpu *v);
/* report.c */
void vm_report_fault(struct vcpu *v, const struct s2_fault *f, const struct s2_fault_result *r);
/* banner.c */
void banner_print(void);
void banner_print_columns(void);
void banner_print_areas(struct vm *vm);
/* selftest.c: asks the CPU's own walker about every page of every area. */
void selftest_at(struct vm *vm);
/* selftest_geometry.c: the same about every geometry, when the boot arguments ask for it. */
void selftest_geometries(void);
/* selftest_hammer.c. An edit of the memory of a guest that runs, on a CPU that is idle; true: call again. Before a fault is
 * looked at; and is it one that such an edit explains, so that it is to be tried again? */
#ifdef CONFIG_SELFTEST_HAMMER
bool selftest_hammer_step(void);
void selftest_hammer_fault(const struct vcpu *v, const struct s2_fault *f);
bool selftest_hammer_retry(const struct vcpu *v, const struct s2_fault *f, enum s2_violation why);
#else
static inline bool selftest_hammer_step(void)
{
    return false;
}
static inline void selftest_hammer_fault(const struct vcpu *v, const struct s2_fault *f)
{
    (void)v, (void)f;
}
static inline bool selftest_hammer_retry(const struct vcpu *v, const struct s2_fault *f, enum s2_violation why)
{
    (void)v, (void)f, (void)why;
    return false;
}
#endif
/* selftest_cycles.c. A VM is destroyed and defined again, over and over, by a CPU that is idle; while it is on, none sleeps. */
#ifdef CONFIG_SELFTEST_CYCLES
bool selftest_cycles_on(void);
void selftest_cycles_step(void);
#else
static inline bool selftest_cycles_on(void)
{
    return false;
}
static inline void selftest_cycles_step(void)
{
}
#endif
/* monitor/ */
void monitor_init(void);

#endif

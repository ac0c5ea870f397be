/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A virtual machine: what the manifest says of it, its address space, its vCPUs and emulated devices, and its life.
 *
 *                build         start                 stop, restart                 every vCPU is OFF
 *   VM_ABSENT ---------> VM_READY ---------> VM_RUNNING ----------------> VM_STOPPING ----------------> VM_STOPPED
 *       ^                    ^                                                                              |
 *       |                    +--- vm_work_step: destroy, scrub, build, load (restart or start asked) -------+
 *       +--- a build that failed
 *
 * `lock` covers state, again, power and on. It is taken before a CPU's run-queue lock and never while one is held. */
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

enum vm_state { VM_ABSENT, VM_READY, VM_RUNNING, VM_STOPPING, VM_STOPPED };
/* PSCI's view of a vCPU (DEN0022 5.7). LEAVING: CPU_OFF was called and its CPU has not let go of it. */
enum vm_power { POWER_OFF, POWER_LEAVING, POWER_ON };
enum { VM_DEV_GICD, VM_DEV_GICR, VM_DEV_UART, VM_DEVS };

/* s2_area.name: which table of names, and the index in it. */
enum { VM_NAME_REGION = 0, VM_NAME_DEVICE = 0x100, VM_NAME_EMULATED = 0x200 };

/* What is left of a restart, done in bounded steps. */
enum vm_work { WORK_NONE, WORK_DESTROY, WORK_SCRUB, WORK_BUILD, WORK_LOAD };

struct vm {
    const struct manifest_vm *cfg;
    const char *name;
    unsigned index;
    uint16_t id; /* owner number in the ledger */
    struct lock lock;
    enum vm_state state;
    bool again; /* to be started again when it has stopped */
    bool quiet; /* which goes without saying, as it was said too often; pace: when it was */
    uint64_t pace;
    enum vm_power power[MANIFEST_VCPUS];
    enum vm_work work;
    unsigned work_part; /* region or image part that is next */
    uint64_t work_done; /* bytes of it */
    bool booting;       /* the first build does not wait for idle time */
    uint64_t starts;

    struct s2_pool nodes;
    void *node_memory;
    struct s2_space space;
    bool has_space;
    struct s2_long populate; /* of the region that is being built */
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

/* The VMs of the manifest in its order; null for one that was refused. */
unsigned vm_count(void);
struct vm *vm_at(unsigned index);

/* --- vm.c: making one ---------------------------------------------------------------------------------------------- */

/* Makes the record; nothing is mapped. Null, after a problem, when there is no room. */
struct vm *vm_create(const struct manifest_vm *cfg, unsigned index, struct problems *p);
/* Its share of the machine for good: RAM at chosen places, devices, interrupts. */
bool vm_claim(struct vm *vm, struct problems *p);
/* It is not to be run; what it was given stays out of use. */
void vm_forget(struct vm *vm);
/* The next bounded step of making address space and areas: ABSENT or STOPPED -> READY. True while more is left. ABSENT after
 * the last one: there was a problem, and nothing is held. */
bool vm_build_step(struct vm *vm, struct problems *p);

/* --- life.c -------------------------------------------------------------------------------------------------------- */

void vm_work_begin(struct vm *vm, enum vm_work work);
/* Takes the next bounded step of vm->work; false when there is nothing to do. One CPU at a time. */
bool vm_work_step(struct vm *vm, struct problems *p);
/* Any CPU. A VM that is READY is loaded and started; one that is STOPPED or ABSENT is built anew first. */
void vm_start(struct vm *vm);
/* Any CPU. STOPPING, and STOPPED when every vCPU is OFF. No effect on one that does not run. */
void vm_stop(struct vm *vm, const char *why);
/* The same, and then from pristine images again. */
void vm_restart(struct vm *vm, const char *why);
/* Is there a VM that runs, or one that is being worked on? */
bool vm_anything_left(void);
/* CPU_ON and CPU_OFF of PSCI. on: false when the vCPU is not off or the VM is being stopped. */
bool vm_cpu_on(struct vm *vm, unsigned index, uint64_t entry, uint64_t context, enum vm_power *was);
void vm_cpu_off(struct vcpu *v);

/* The name of an area of this VM, as the manifest has it. */
const char *vm_area_name(const struct vm *vm, uint16_t tag);
const char *vm_state_name(enum vm_state state);
const char *vm_work_name(enum vm_work work); /* ", being loaded"; empty when there is none */

/* What its guest has sent, to the end of the unfinished line, is on its way. */
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
/* monitor/ */
void monitor_init(void);

#endif

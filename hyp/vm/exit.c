/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Why a guest came out, and what is done about it. Whatever the guest does ends here in bounded time: it goes on, it gets
 * an exception, or its VM is stopped. */
#include <string.h>

#include <boot/arm.h>
#include <boot/print.h>
#include <cpu/hooks.h>
#include <cpu/inject.h>
#include <cpu/sched.h>
#include <cpu/serror.h>
#include <cpu/sysreg.h>

#include "vm/calls.h"
#include "vm/exits.h"
#include "vm/vm.h"

/* ESR_EL2.EC (Arm ARM D19.2.37), those that a guest can cause with the traps that are set. */
enum {
    EC_SHIFT = 26,
    EC_MASK = 0x3f,
    EC_WFX = 0x01,
    EC_CP15_32 = 0x03,
    EC_CP15_64 = 0x04,
    EC_CP14_32 = 0x05,
    EC_CP14_LDC = 0x06,
    EC_CP10 = 0x08,
    EC_CP14_64 = 0x0c,
    EC_HVC = 0x16,
    EC_SMC = 0x17,
    EC_SYSREG = 0x18,
    EC_INSN_ABORT = 0x20,
    EC_DATA_ABORT = 0x24,
};
enum { WFX_KIND = 3, WFX_WFI = 0 };
enum { CALL_IMMEDIATE = 0xffff };
/* A refill may find its pages taken by another vCPU of the VM; the retry is bounded. */
enum { FAULT_TRIES = 4 };

void vcpu_wait(struct vcpu *v)
{
    /* A virtual SError that waits ends WFI whether PSTATE.A masks it or not (Arm ARM D1.7.2), as an interrupt does. */
    if (!vgic_pending(v) && (v->hcr & HCR_VSE) == 0)
        sched_block(v);
}

static void handle_wfx(struct vcpu *v)
{
    bool wfi = (v->exit.esr & WFX_KIND) == WFX_WFI;
    vcpu_skip(v);
    if (!wfi) /* WFE; and those with a time-out, which a guest is not offered, may return early */
        sched_yield(v);
    else
        vcpu_wait(v);
}

#ifdef CONFIG_MEASURE_FAULTS
/* An exit as the guest words it, for faults that take two vCPUs or a stale entry in a TLB to happen. */
enum { CALL_PRETEND = 1 };

static bool pretend(struct vcpu *v)
{
    if ((v->exit.esr & CALL_IMMEDIATE) != CALL_PRETEND)
        return false;
    v->exit = (struct s2_syndrome){.esr = v->regs.x[0], .far = v->regs.x[1], .hpfar = v->regs.x[2]};
    return true;
}
#else
static bool pretend(struct vcpu *v)
{
    (void)v;
    return false;
}
#endif

static void handle_call(struct vcpu *v)
{
    if ((v->exit.esr & CALL_IMMEDIATE) != 0)
        v->regs.x[0] = UINT64_MAX; /* not supported: the calling convention reserves all other immediates */
    else if (calls_has((uint32_t)v->regs.x[0]))
        calls_answer(v);
    else
        psci_call(v);
}

/* --- aborts ------------------------------------------------------------------------------------------------------- */

static uint64_t sign_extend(uint64_t value, unsigned size_log2)
{
    unsigned shift = 64 - (8u << size_log2);
    return (uint64_t)((int64_t)(value << shift) >> shift);
}

/* False: no device answers that access. */
static bool emulate(struct vcpu *v, const struct s2_fault *f, const struct s2_fault_result *r)
{
    const struct mmio_dev *dev = (const struct mmio_dev *)(uintptr_t)r->area.backing;
    struct mmio m = {
        .offset = r->offset,
        .size_log2 = f->size_log2,
        .write = f->access == S2_ACCESS_WRITE,
        .value = vcpu_get(v, f->reg),
    };
    uint64_t window = r->area.range.end.v - r->area.range.start.v;
    v->exits[EXITS_MMIO]++;
    if (f->maintenance) { /* there is nothing behind a register that a cache could hold */
        vcpu_skip(v);
        return true;
    }
    if (m.size_log2 > 3 || m.offset > window - (1ull << m.size_log2) || !mmio_access(dev, v, &m))
        return false;
    if (!m.write) {
        if (f->sign_extend)
            m.value = sign_extend(m.value, m.size_log2);
        vcpu_set(v, f->reg, f->reg64 ? m.value : (uint32_t)m.value);
    }
    vcpu_skip(v);
    return true;
}

/* True: the guest is not to be told. */
static bool beyond_guest(struct vcpu *v, enum serror_blame blame, const char *what)
{
    if (blame == SERROR_HYPERVISOR)
        panic("an error that is not contained, ESR 0x%lx, while vm %s ran", v->exit.esr, v->vm->name);
    if (blame == SERROR_VM)
        (void)vm_end(v->vm, what);
    return blame == SERROR_VM;
}

static void violation(struct vcpu *v, const struct s2_fault *f, const struct s2_fault_result *r)
{
    /* What a machine without a hypervisor would have told the guest too, it is told, whatever the policy. */
    bool inject = r->why == S2_NOT_OURS || (v->vm->cfg->inject && r->why != S2_NO_MEMORY && r->why != S2_STUCK);
    if (f->kind == S2_FAULT_EXTERNAL &&
        beyond_guest(v, abort_blame(v->exit.esr), "an external abort on a walk of its translation tables"))
        return;
    if (inject) { /* the walker reads, but it is the fetch that fails */
        bool fetch = (v->exit.esr >> EC_SHIFT & EC_MASK) == EC_INSN_ABORT;
        inject_abort(v, v->exit.far, fetch, f->on_walk);
        return;
    }
    /* One report for each run, so that it is paced as ends are: this vCPU is not off yet, and the last to be tells of the end. */
    if (vm_end(v->vm, r->why == S2_NO_MEMORY ? "memory that was promised without cover has run out"
                                             : "an access that no area allows"))
        vm_report_fault(v, f, r);
}

/* True: the fault is resolved, and the access is made again. */
static bool handle_abort(struct vcpu *v)
{
    struct s2_fault f;
    struct s2_fault_result r; /* s2_space_fault fills it */
    s2_fault_decode(v->space->cfg.port, &v->exit, vcpu_from_el0(v), &f);
    selftest_hammer_fault(v, &f);
    for (unsigned i = 0; i < FAULT_TRIES; i++) {
        switch (s2_space_fault(v->space, &v->cache, &f, &r)) {
        case S2_RETRY:
        case S2_RETRY_FLUSHED:
            return true;
        case S2_EMULATE:
            if (emulate(v, &f, &r))
                return false;
            r.why = S2_NO_AREA;
            violation(v, &f, &r);
            return false;
        case S2_NEED_REFILL:
            if (s2_cache_refill(v->space, &v->cache) == S2_OK)
                continue;
            r.why = S2_NO_MEMORY;
            violation(v, &f, &r);
            return false;
        case S2_VIOLATION:
            if (!selftest_hammer_retry(v, &f, r.why))
                violation(v, &f, &r);
            return false;
        }
    }
    return false;
}

/* --- the exit ----------------------------------------------------------------------------------------------------- */

static void count(struct vcpu *v, enum exit_kind kind)
{
    v->exits[kind]++;
}

static bool handle_sync(struct vcpu *v)
{
    switch (v->exit.esr >> EC_SHIFT & EC_MASK) {
    case EC_WFX:
        count(v, EXITS_WFX);
        handle_wfx(v);
        break;
    case EC_HVC: /* returns behind the instruction by itself */
        count(v, EXITS_HVC);
        if (pretend(v))
            return handle_sync(v);
        handle_call(v);
        break;
    case EC_SMC: /* trapped, so it has not been executed */
        count(v, EXITS_SMC);
        vcpu_skip(v);
        handle_call(v);
        break;
    case EC_SYSREG:
    case EC_CP15_32:
    case EC_CP15_64:
    case EC_CP14_32:
    case EC_CP14_LDC:
    case EC_CP10:
    case EC_CP14_64:
        count(v, EXITS_SYSREG);
        (void)sysreg_emulate(v); /* or UNDEFINED, injected by it */
        break;
    case EC_DATA_ABORT:
        count(v, EXITS_DATA_ABORT);
        return handle_abort(v);
    case EC_INSN_ABORT:
        count(v, EXITS_INSN_ABORT);
        return handle_abort(v);
    default: /* of a feature that the guest was not offered */
        count(v, EXITS_OTHER);
        inject_undef(v);
    }
    return false;
}

static void handle_serror(struct vcpu *v)
{
    enum serror_blame blame = serror_blame(v->exit.esr);
    if (!beyond_guest(v, blame, "an SError that lost the state of a vCPU") && blame == SERROR_GUEST)
        inject_serror(v);
}

bool exit_handle(struct vcpu *v, enum exit_class c)
{
    switch (c) {
    case EXIT_IRQ:
        count(v, EXITS_IRQ);
        break;
    case EXIT_SERROR:
        count(v, EXITS_SERROR);
        handle_serror(v);
        break;
    case EXIT_SYNC:
        return handle_sync(v);
    }
    return false;
}

const char *vm_exit_name(enum exit_kind kind)
{
    static const char names[EXIT_KINDS][11] = {"irq",        "wfx",        "hvc",  "smc",    "sysreg",
                                               "data-abort", "insn-abort", "mmio", "serror", "other"};
    return names[kind];
}

uint64_t vm_exits(const struct vm *vm, enum exit_kind kind)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < vm->vcpus; i++)
        sum += vm->vcpu[i].exits[kind];
    return sum;
}

void vm_print_exits(const struct vm *vm)
{
    struct text t;
    text_begin(&t);
    for (unsigned kind = 0; kind < EXIT_KINDS; kind++)
        if (vm_exits(vm, kind) != 0)
            text_add(&t, " %s %u", vm_exit_name(kind), vm_exits(vm, kind));
    print("bulkhead: vm %s: exits:%s\n", vm->name, t.used == 0 ? " none" : t.s);
}

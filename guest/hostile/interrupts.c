/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Interrupts, as many as there can be. */
#include "hostile/calls.h"

#define ICC_PMR           S3_0_C4_C6_0
#define ICC_SGI1R         S3_0_C12_C11_5
#define ICC_SRE           S3_0_C12_C12_5
#define ICC_GRP1          S3_0_C12_C12_7
#define WRITE(reg, value) WRITE_REG(reg, value)
#define SGI_ALL_BUT_ME    (1ul << 40)
enum {
    GICD_ISENABLER = 0x100,
    GICD_ISPENDR = 0x200,
    GICD_WORDS = 32,
    GICR_WAKER = 0x14,
    GICR_SGI = 0x10000,
    GICR_IGROUPR0 = GICR_SGI + 0x80,
    GICR_ISENABLER0 = GICR_SGI + 0x100,
    GICD_CTLR_ENABLE = 1u << 1 | 1u << 4,
    ALL_PRIORITIES = 0xff,
    STORM = 16,
    ONE_OF = 8,
};

static uint64_t redistributor(unsigned vcpu)
{
    return GUEST_GICR + vcpu * (uint64_t)GUEST_GICR_BYTES;
}

static void open_for(unsigned vcpu)
{
    store32(GUEST_GICD, GICD_CTLR_ENABLE);
    store32(redistributor(vcpu) + GICR_WAKER, 0);
    store32(redistributor(vcpu) + GICR_IGROUPR0, ~0u);
    store32(redistributor(vcpu) + GICR_ISENABLER0, ~0u);
}

static void pend(void)
{
    WRITE(ICC_SRE, 1);
    open_for(guest_cpu());
    WRITE(ICC_PMR, ALL_PRIORITIES);
    WRITE(ICC_GRP1, 1);
    WRITE_REG(cntv_cval_el0, 0);
    WRITE_REG(cntv_ctl_el0, 1);
}

/* Another vCPU may undo all that before it waits; vCPU 0 sees to those that wait. */
bool may_wait(void)
{
    pend();
    return guest_cpu() != 0;
}

void revive(void)
{
    for (unsigned vcpu = 1; vcpu < hostile.vcpus; vcpu++) {
        if (guest_hvc(PSCI_AFFINITY_INFO, vcpu, 0, 0) != 0)
            (void)guest_hvc(PSCI_CPU_ON, vcpu, (uint64_t)guest_secondary, vcpu);
        open_for(vcpu);
    }
    WRITE(ICC_SGI1R, SGI_ALL_BUT_ME | (arbitrary() & 15) << 24);
}

static void everything_pending(uint64_t r)
{
    for (unsigned word = 0; word < GICD_WORDS; word++) {
        store32(GUEST_GICD + GICD_ISENABLER + word * 4ul, ~0u);
        store32(GUEST_GICD + GICD_ISPENDR + word * 4ul, (uint32_t)(r >> word % 32));
    }
}

void interrupts_act(void)
{
    uint64_t r = arbitrary();
    switch (r % ONE_OF) {
    case 0:
        for (unsigned i = 0; i < STORM; i++)
            WRITE(ICC_SGI1R, (r >> 8 & 1 ? SGI_ALL_BUT_ME : 0xffff) | (uint64_t)i << 24);
        break;
    case 1:
        everything_pending(r);
        break;
    case 2: /* a timer whose time has come already, not masked, not served */
        pend();
        break;
    case 3:
        havoc_timers(r >> 8);
        break;
    case 4:
        for (uint64_t handle = 0; handle < STORM; handle++)
            call((uint64_t[CALL_REGISTERS]){HYPERCALL(HV_RING), handle, 0, 0});
        break;
    case 5:
        fault_expect(); /* where there is one vCPU it has one redistributor */
        havoc_registers(1);
        (void)fault_seen();
        break;
    default:
        havoc_interface(r >> 8);
    }
    count(INTERRUPTS, false);
}

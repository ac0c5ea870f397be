/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "probe/probe.h"

#define GICD_TYPER  (0x08000000ul + 0x0004)
#define GICD_PIDR2  (0x08000000ul + 0xffe8)
#define UART_PERIPH (GUEST_UART + 0xfe0)
#define UART_IMSC   (GUEST_UART + 0x38)
enum { PIDR2_ARCH_GICV3 = 3, PL011_PART = 0x11, IMSC_TX = 1u << 5, PATIENCE_MS = 2000, SLEEP_MS = 20, SGI = 5 };

void check_devices(void)
{
    ok(load32(UART_PERIPH) == PL011_PART, "UART: the window answers as a PL011");
    ok((load32(GICD_PIDR2) >> 4 & 0xf) == PIDR2_ARCH_GICV3, "GIC: the distributor answers as a GICv3");
    ok((load32(GICD_TYPER) & 0x1f) > 0, "GIC: the distributor has shared interrupts");
    /* Without a valid syndrome the access cannot be emulated: it is refused, and nobody comes to harm. */
    ok(injected(try_read_pair(GUEST_UART), EC_DATA_ABORT, GUEST_UART), "UART: a load of two registers is refused");
    ok(injected(try_call(GUEST_UART), EC_INSN_ABORT, GUEST_UART), "UART: a fetch is refused");
}

static bool arrives(unsigned intid)
{
    return gic_wait(PATIENCE_MS) == intid;
}

void check_interrupts(void)
{
    gic_init();
    gic_enable(INTID_VTIMER);
    uint64_t before = now_ms();
    vtimer_arm_ms(SLEEP_MS);
    ok(arrives(INTID_VTIMER) && now_ms() - before >= SLEEP_MS, "virtual timer: its interrupt arrives, not early");
    vtimer_arm_ms(SLEEP_MS);
    before = now_ms();
    __asm__ volatile("wfi");
    timers_off();
    ok(now_ms() - before < PATIENCE_MS, "virtual timer: wakes WFI");
    gic_wait(0);
    gic_disable(INTID_VTIMER);

    gic_enable(INTID_PTIMER);
    ptimer_arm_ms(SLEEP_MS);
    ok(arrives(INTID_PTIMER), "physical timer: its interrupt arrives");
    timers_off();
    gic_disable(INTID_PTIMER);

    gic_enable(SGI);
    gic_send_sgi(SGI, 0);
    ok(arrives(SGI), "SGI to oneself arrives");

    gic_enable(INTID_UART);
    store32(UART_IMSC, IMSC_TX);
    put_char('#');
    put_char('\n');
    ok(arrives(INTID_UART), "UART: its interrupt arrives when the FIFO has room");
    store32(UART_IMSC, 0);
    gic_disable(INTID_UART);
    while (gic_wait(0) != INTID_NONE)
        ;
    ok(gic_wait(SLEEP_MS) == INTID_NONE, "no interrupt without a cause");
}

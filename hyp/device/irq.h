/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Who handles which physical interrupt. irq_handle is declared in cpu/hooks.h. */
#ifndef DEVICE_IRQ_H
#define DEVICE_IRQ_H

#include <stdbool.h>

/* IRQ_FORWARDED: the interrupt stays active, a guest's virtual interrupt of the same source will deactivate it. */
enum irq_result { IRQ_DONE, IRQ_FORWARDED };

/* Runs with interrupts masked on the CPU that acknowledged it. */
typedef enum irq_result irq_fn(unsigned intid, void *arg);

/* A private interrupt (below 32) gets its handler on every CPU and is enabled by each in gic_init_cpu if registered
 * by then, else with gic_enable. An SPI is routed, given its trigger and enabled by the caller. False: there is no such
 * INTID, or it has a handler. */
bool irq_register(unsigned intid, irq_fn *fn, void *arg);
/* pre: disabled. */
void irq_unregister(unsigned intid);
bool irq_registered(unsigned intid);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The real PL011. */
#ifndef DEVICE_PL011_H
#define DEVICE_PL011_H

#include <stdbool.h>
#include <stdint.h>

/* Leaves line format and baud rate as the firmware set them; enables both directions and the FIFOs. */
void pl011_init(volatile void *base);
/* False: its FIFO is full. */
bool pl011_put(volatile void *base, char c);
/* Is something on its way still? */
bool pl011_busy(volatile void *base);
/* The next character received, -1 when there is none. */
int pl011_get(volatile void *base);
/* From now on characters received raise its interrupt; if asked for, also that a FIFO that was full has room again. */
void pl011_interrupt(volatile void *base, bool room);

#endif

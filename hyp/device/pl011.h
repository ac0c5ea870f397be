/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The real PL011, polled for output, interrupting for input. */
#ifndef DEVICE_PL011_H
#define DEVICE_PL011_H

#include <stdint.h>

/* Leaves line format and baud rate as the firmware set them; enables both directions and the FIFOs. */
void pl011_init(volatile void *base);
void pl011_put(volatile void *base, char c);
/* The next character received, -1 when there is none. */
int pl011_get(volatile void *base);
/* From now on characters received raise its interrupt. */
void pl011_enable_input(volatile void *base);

#endif

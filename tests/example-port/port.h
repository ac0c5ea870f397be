/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#ifndef EXAMPLE_PORT_H
#define EXAMPLE_PORT_H

#include <s2_port.h>

#define EXAMPLE_RAM   0x40000000ull
#define EXAMPLE_BYTES (64ull << 20)

/* The machine: RAM, the loaded context, and what was done to it. */
struct s2_port {
    unsigned char *ram;
    uint64_t vttbr, vtcr;
    unsigned long stores, tlbis, barriers;
};

#endif

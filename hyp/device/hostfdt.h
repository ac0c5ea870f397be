/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What drivers ask of the machine's device tree, which boot/ has checked. */
#ifndef DEVICE_HOSTFDT_H
#define DEVICE_HOSTFDT_H

#include <stdbool.h>
#include <stdint.h>

/* The node of the console, which the hypervisor keeps: what stdout-path names (a path or an alias, perhaps with
 * ":options") if that is a PL011, else the first PL011. Negative: there is none. */
int hostfdt_console(const void *fdt);
/* The index-th range of "reg". False: there is none, or its cell counts are beyond us. */
bool hostfdt_reg(const void *fdt, int node, unsigned index, uint64_t *pa, uint64_t *bytes);
/* A property of one cell, or the value given when it is absent. */
uint32_t hostfdt_cell(const void *fdt, int node, const char *name, uint32_t otherwise);
/* The INTID of the index-th interrupt (GICv3 binding), 0: there is none, or it goes to another controller. */
unsigned hostfdt_interrupt(const void *fdt, int node, unsigned index, bool *edge);

#endif

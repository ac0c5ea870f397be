/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What boot/ and cpu/ read from the host's device tree. Not for use once guests run: libfdt touches FP registers. */
#ifndef BOOT_FDT_H
#define BOOT_FDT_H

#include <stdbool.h>
#include <stdint.h>

/* Checks and maps the tree: boot_info.fdt and fdt_pa. Null when it is sound, else a phrase. */
const char *fdt_open(uint64_t pa);
/* RAM, reservations, initrd, boot arguments into boot_info. */
void fdt_read_host(void);
/* Finds room for the pool, as high in RAM as it goes; false when there is none. */
bool fdt_choose_pool(uint64_t bytes);
bool fdt_psci_is_hvc(void);
/* Each enabled CPU: its affinity, and whether PSCI starts it. */
void fdt_each_cpu(void (*fn)(uint64_t mpidr, bool psci));

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the loader handed over and where things lie, found once at boot and constant from then on. */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOT_MAX_BANKS    8u
#define BOOT_MAX_RESERVED 32u

struct boot_range {
    uint64_t start, end; /* half-open, physical */
};

struct boot_info {
    const void *fdt;                       /* the host DTB, checked by tree_check, mapped read-only */
    struct boot_range fdt_pa;              /* [pa, pa + totalsize) */
    struct boot_range image;               /* the hypervisor from its header to the end of bss, whole pages */
    struct boot_range pool;                /* where mem_alloc takes from */
    struct boot_range initrd;              /* /chosen linux,initrd-start/end: the bundle; empty when none was passed */
    struct boot_range ram[BOOT_MAX_BANKS]; /* /memory, ascending */
    unsigned rams;
    /* What the firmware keeps: memory reservations and /reserved-memory. Not the four ranges above. */
    struct boot_range reserved[BOOT_MAX_RESERVED];
    unsigned reserveds;
    const char *bootargs; /* /chosen bootargs, never null */
    uint64_t entry_ticks; /* CNTPCT_EL0 at the first instruction */
    bool psci_hvc;        /* conduit of the host's PSCI when it is HVC (entry at EL1); else SMC */
};

extern struct boot_info boot_info;

/* The value of the option `name=value` of the boot arguments: its start, its length in *bytes; null when absent. */
const char *boot_option(const char *name, size_t *bytes);
/* The same as a decimal number; `absent` when it is. */
uint64_t boot_number(const char *name, uint64_t absent);

/* A call to the firmware by the SMC calling convention. */
int64_t boot_smc(uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3);
/* Host PSCI SYSTEM_OFF and SYSTEM_RESET. */
_Noreturn void boot_power_off(void);
_Noreturn void boot_reset(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The manifest (docs/manifest.md) as data. Plain C without any state, compiled on the host and at EL2; input is not
 * trusted. Strings point into the device tree it was parsed from. */
#ifndef VM_MANIFEST_H
#define VM_MANIFEST_H

#include "vm/machine.h"
#include "vm/problem.h"

struct bundle;

enum {
    MANIFEST_VMS = 16,
    MANIFEST_VCPUS = 8,
    MANIFEST_REGIONS = 16,
    MANIFEST_DEVICES = 8,
    MANIFEST_NAME = 32, /* bytes of a name, the closing zero included */
};

struct manifest_region {
    const char *name;
    uint64_t ipa, size;
    uint64_t pa; /* when chosen */
    bool chosen; /* pa or identity was given */
    bool lazy, overcommit, read_only, no_execute;
    const char *image; /* or null */
};

struct manifest_device {
    const char *name;
    const char *path;       /* or null */
    const char *compatible; /* or null */
    int node;               /* of path in the machine's device tree; -1: none */
    uint64_t pa, size, ipa;
    uint8_t spis;
    uint16_t spi[MACHINE_DEVICE_SPIS];
    bool edge, unsafe_dma;
    bool ipa_given, size_given, spis_given;
    bool resolved; /* pa and size are known (a path needs the machine) */
};

struct manifest_vm {
    const char *name;
    bool ok; /* no problem was found with it */
    const char *image, *initrd, *bootargs, *overlay;
    uint64_t load_offset, entry_offset;
    unsigned vcpus;
    unsigned cpus; /* entries of cpu: 0 for none given, 1 for all alike, or vcpus */
    uint16_t cpu[MANIFEST_VCPUS];
    unsigned ipa_bits; /* 0: as needed */
    unsigned granule_log2;
    uint64_t table_pages; /* 0: as needed */
    bool pages_only, psci_smc, inject, stop_on_reset, manual, no_uart;
    uint64_t uart_ipa, gicd_ipa, gicr_ipa;
    unsigned uart_spi;
    unsigned regions, devices;
    int boot_region; /* index, -1: none */
    struct manifest_region region[MANIFEST_REGIONS];
    struct manifest_device device[MANIFEST_DEVICES];
};

struct manifest {
    const void *fdt;
    const char *compatible;
    bool halt; /* on-all-stopped */
    unsigned vms;
    struct manifest_vm vm[MANIFEST_VMS];
};

/* Reads the tree. False: unusable as a whole. A VM with a problem has ok = false. */
bool manifest_parse(struct manifest *m, const void *fdt, size_t bytes, struct problems *p);
/* The address bits that a VM gets on a machine of pa_bits. */
unsigned manifest_ipa_bits(const struct manifest_vm *v, unsigned pa_bits);
/* Compares the VMs with themselves, each other, the machine (null: not known) and the bundle (null: not known);
 * resolves devices given by path. Clears ok where there is a problem. */
void manifest_check(struct manifest *m, const struct machine *machine, const struct bundle *bundle, struct problems *p);

static inline struct range manifest_region_ipa(const struct manifest_region *r)
{
    return (struct range){r->ipa, r->ipa + r->size};
}
static inline struct range manifest_region_pa(const struct manifest_region *r)
{
    return (struct range){r->pa, r->pa + r->size};
}

/* The emulated devices' windows. The UART's takes the whole granule, of which its registers are the start. */
#define MANIFEST_UART_BYTES 0x1000ull
#define MANIFEST_GICD_BYTES 0x10000ull
#define MANIFEST_GICR_BYTES 0x20000ull /* per vCPU */
/* What the device tree gets at the start of the boot RAM. */
#define MANIFEST_DTB_BYTES 0x10000ull

#endif

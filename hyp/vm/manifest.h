/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The manifest (docs/manifest.md) as data. Plain C without any state, compiled on the host and at EL2; input is not
 * trusted. Strings point into the device tree it was parsed from. */
#ifndef VM_MANIFEST_H
#define VM_MANIFEST_H

#include <stage2/rights.h>

#include "vm/machine.h"
#include "vm/problem.h"

struct bundle;
struct manifest;

enum {
    MANIFEST_VMS = 16,
    MANIFEST_VCPUS = 8,
    MANIFEST_REGIONS = 16,
    MANIFEST_DEVICES = 8,
    MANIFEST_WINDOWS = 16,
    MANIFEST_BORROWERS = 8, /* of one window */
    MANIFEST_POOLS = 8,     /* named memory regions */
    MANIFEST_NAME = 32,     /* bytes of a name, the closing zero included */
};

struct manifest_region {
    const char *name;
    uint64_t ipa, size;
    uint64_t pa; /* when chosen */
    bool chosen; /* pa or identity was given */
    bool lazy, overcommit, read_only, no_execute;
    const char *image; /* or null */
    const char *from;  /* the named memory region that it comes from, or null */
    uint64_t colours;  /* of that region; 0: it has none */
    unsigned pool;     /* with colours: its index */
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
    const struct manifest *in;
    bool ok; /* no problem was found with it */
    const char *image, *initrd, *bootargs, *overlay;
    uint64_t load_offset, entry_offset;
    unsigned vcpus;
    unsigned cpus; /* entries of cpu: 0 for none given, 1 for all alike, or vcpus */
    uint16_t cpu[MANIFEST_VCPUS];
    unsigned ipa_bits; /* 0: as needed */
    unsigned granule_log2;
    uint64_t table_pages;  /* 0: as needed */
    uint64_t spare_memory; /* bytes that it may get beyond its regions */
    bool pages_only, psci_smc, inject, stop_on_reset, manual, no_uart;
    uint64_t uart_ipa, gicd_ipa, gicr_ipa;
    unsigned uart_spi;
    unsigned doorbell_spi; /* manifest_check chooses one when none is given */
    bool doorbell_given;
    unsigned regions, devices;
    int boot_region; /* index, -1: none */
    int pool;        /* of all that it has at no chosen place: index in the manifest's, -1: general memory */
    struct manifest_region region[MANIFEST_REGIONS];
    struct manifest_device device[MANIFEST_DEVICES];
};

/* Memory that one VM owns and others see. */
struct manifest_borrower {
    const char *name; /* of the VM */
    unsigned vm;      /* index; MANIFEST_VMS: no such VM */
    uint64_t ipa;
    uint8_t rights; /* S2_R, ... */
};
struct manifest_window {
    const char *name;
    bool ok; /* no problem was found with it; else it is not made */
    uint64_t size;
    const char *owner_name;
    unsigned owner; /* index; MANIFEST_VMS: no such VM */
    uint64_t ipa;   /* where the owner has it */
    unsigned borrowers;
    struct manifest_borrower borrower[MANIFEST_BORROWERS];
};

/* Named memory: RAM at a chosen place that serves the VMs whose regions say so, and nobody else. */
struct manifest_pool {
    const char *name;
    bool ok, coloured;
    uint64_t pa, size;
};

struct manifest {
    const void *fdt;
    const char *compatible;
    bool halt; /* on-all-stopped */
    unsigned vms, windows, pools;
    struct manifest_vm vm[MANIFEST_VMS];
    struct manifest_window window[MANIFEST_WINDOWS];
    struct manifest_pool pool[MANIFEST_POOLS];
};

/* What a VM sees of a window. The owner reads and writes, and executes what any borrower may execute. */
struct manifest_view {
    const struct manifest_window *window;
    bool owner;
    uint64_t ipa;
    uint8_t rights;
};
/* Of the window with that index, when it is one that will be made and this VM has a part in it. */
bool manifest_view(const struct manifest_vm *v, unsigned window, struct manifest_view *out);
/* Bytes that this VM's memory needs at no chosen place, its windows included; saturates. all: overcommitted memory, too. */
uint64_t manifest_memory(const struct manifest_vm *v, bool all);

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

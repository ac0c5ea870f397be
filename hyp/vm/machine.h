/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The machine, as its device tree describes it: RAM, what is reserved in it, CPUs, devices. Plain data, made by libfdt
 * on the host (for the checker) as at EL2. */
#ifndef VM_MACHINE_H
#define VM_MACHINE_H

#include "vm/problem.h"

struct s2_caps;

enum {
    MACHINE_BANKS = 8,
    MACHINE_RESERVED = 32,
    MACHINE_DEVICES = 96,
    MACHINE_CPUS = 64,
    MACHINE_DEVICE_SPIS = 8,
    MACHINE_WINDOWS = 8,
};

struct machine_device {
    struct range reg;
    int node; /* offset in the device tree */
    const char *name;
    const char *compatible; /* the first word, or null */
    bool no_dma;            /* known to be no bus master */
    bool hypervisor;        /* the console and the interrupt controller: ours */
    bool edge;              /* of its interrupts */
    uint8_t spis;
    uint16_t spi[MACHINE_DEVICE_SPIS];
};

struct machine_reserved {
    struct range range;
    const char *name;
    bool hypervisor; /* ours: image, pool, bundle, device tree; else firmware's or so */
};

struct machine {
    const void *fdt;
    unsigned banks, reserved, devices, windows, cpus;
    uint64_t mpidr[MACHINE_CPUS];
    const struct s2_caps *caps; /* what all CPUs can do; null: not known */
    unsigned pa_bits;           /* 0: not known */
    unsigned spis;              /* of the interrupt controller; 0: not known */
    struct range bank[MACHINE_BANKS];
    struct machine_reserved res[MACHINE_RESERVED];
    struct machine_device device[MACHINE_DEVICES];
    struct range window[MACHINE_WINDOWS]; /* behind a PCI bridge: what it hands on */
    struct range initrd;                  /* empty: none */
    const char *bootargs;
};

/* False (and a problem) when fdt is no device tree or lists no RAM. What exceeds the arrays is a problem too. */
bool machine_parse(struct machine *m, const void *fdt, size_t bytes, struct problems *p);
/* Adds a reserved range; adjacent parts of RAM stay as they are. False when the array is full. */
bool machine_reserve(struct machine *m, struct range r, const char *name, bool hypervisor);
/* Bytes of RAM; free: less what is reserved. */
uint64_t machine_ram(const struct machine *m, bool free);
/* The device whose registers begin the node at `path`, or the first that meets r; null when there is none. */
const struct machine_device *machine_device_at(const struct machine *m, const char *path);
const struct machine_device *machine_device_in(const struct machine *m, struct range r);

#endif

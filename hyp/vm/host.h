/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The machine at EL2: what it has, who owns which frame, and the pools that all VMs draw on. Made once at boot. */
#ifndef VM_HOST_H
#define VM_HOST_H

#include <stage2/caps.h>
#include <stage2/frames.h>
#include <stage2/ledger.h>
#include <stage2/tpool.h>
#include <stage2/vmid.h>

#include "vm/bundle.h"
#include "vm/machine.h"
#include "vm/manifest.h"
#include "vm/shape.h"

struct host {
    struct s2_port *port;
    struct s2_caps caps; /* what all CPUs can do */
    struct machine machine;
    struct s2_frames frames;                         /* general memory */
    struct s2_frames *pool[MANIFEST_POOLS];          /* named memory, as in the manifest; null: it was refused */
    struct s2_frames *allocator[1 + MANIFEST_POOLS]; /* all of these */
    unsigned allocators;
    struct s2_ledger ledger;
    struct s2_pool ledger_nodes;
    struct s2_tpool tables[SHAPES]; /* by shape_index; without pages where no VM has that granule */
    struct s2_vmids vmids;
    struct bundle bundle;
    struct manifest manifest;
};
extern struct host host;

/* Reads the host's device tree; nothing is in the ledger yet. False, after a message, when the machine cannot be used. */
bool host_init(struct problems *p);
/* Opens and checks the bundle and its manifest. False, after a message, when there is nothing to run. */
bool host_read_bundle(struct problems *p);

/* memory.c: makes the ledger, as large as the VMs' memory asks for, enters RAM and devices into it, and makes an allocator of each named
 * region and one of all other RAM. False, after a message, when there is no room for the books. */
bool host_make_memory(struct problems *p);
/* Where that VM's memory comes from. */
struct s2_frames *host_frames(const struct manifest_vm *v);
/* Frames of all of them. */
struct host_ram {
    uint64_t total, free, clean, reserved;
};
struct host_ram host_ram(void);
/* One idle step: zeroes at most `budget` free frames; true while some are left that may hold something. */
bool host_scrub_step(uint64_t budget);

/* Divides the memory for table pages among the granules that VMs of the manifest have. False, after a message, when there is
 * none. */
bool host_make_tables(struct problems *p);
/* "4K: 3810, 3790 free": the pools that have pages. */
void host_describe_tables(struct text *t);

/* RAM at a chosen place, and devices, for as long as the VM is defined. After a message false. */
bool host_give_ram(uint16_t vm, struct range pa, struct problems *p, const char *subject);
bool host_give_device(uint16_t vm, struct range pa, struct problems *p, const char *subject);
/* One run of what the ledger still shows as that VM's is nobody's again, RAM dirty; it has no address space any more. False when
 * nothing was left. Never fails. */
bool host_take_back(uint16_t vm);
/* Who that owner of the ledger's is; null: nobody. */
const char *host_holder_name(uint32_t owner);
/* ", physical 0x..0x..: is held by another 0x..0x.. of vm a": what a detail says beyond its code. */
void host_add_detail(struct text *t, const struct s2_detail *d);
/* One line about what was refused and why: subject, the error's phrase, what was asked, what stands in the way and whose
 * that is: "vm b: memory/ram: is not this VM's to use, physical 0x..0x..: is held by another 0x..0x.. of vm a". */
void host_explain(struct problems *p, const char *subject, const struct s2_detail *d);

#endif

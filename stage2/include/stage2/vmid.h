/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* VMIDs with generations: 0 is reserved; when they run out one broadcast starts a new generation and VMs that run keep
 * theirs. */
#ifndef STAGE2_VMID_H
#define STAGE2_VMID_H

#include <stdbool.h>
#include <stdint.h>

#include <stage2/port_types.h>

/* Fixed: it shapes a structure that a program and the library both know. */
#define S2_MAX_CPUS 256u

/* generation << 16 | vmid; 0: never had one. */
struct s2_vmid {
    uint64_t id;
};

struct s2_vmids {
    struct s2_lock lock;
    struct s2_port *port;
    uint64_t generation; /* in the high bits, as in s2_vmid.id */
    uint32_t bits, next;
    unsigned cpus; /* those below have activated something */
    uint64_t active[S2_MAX_CPUS], reserved[S2_MAX_CPUS];
    uint64_t used[65536 / 64];
};

/* bits: 8 or 16, or fewer for tests; more numbers than twice the CPUs, plus one. Never fails. */
void s2_vmids_init(struct s2_vmids *v, struct s2_port *port, unsigned bits);
/* On the CPU about to enter the VM, interrupts masked: makes v->id current and active here; returns the VMID. May do
 * one ALLE1IS (rollover). */
uint16_t s2_vmid_activate(struct s2_vmids *v, struct s2_vmid *vmid);
/* Can the TLBs of any CPU hold anything under this VMID? False: never ran, or from an older generation. */
bool s2_vmid_live(struct s2_vmids *v, const struct s2_vmid *vmid);
/* The same; and when true, the VMID stays this VM's, because the lock is held until s2_vmid_release. For who loads it on a
 * CPU that does not run the VM: no rollover could know. */
bool s2_vmid_hold(struct s2_vmids *v, const struct s2_vmid *vmid);
void s2_vmid_release(struct s2_vmids *v);
/* This CPU, interrupts masked, holds no VM's VMID any more: VTTBR_EL2 names another, and an ISB came behind that. */
void s2_vmid_leave(struct s2_vmids *v);
/* After the VM's last flush, a whole-VMID one: the VMID may be used again, at once unless a CPU loaded no other since and has not
 * left it. */
void s2_vmid_free(struct s2_vmids *v, struct s2_vmid *vmid);

#endif

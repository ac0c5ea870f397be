/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The audit: everything that says who has which frame, against everything else that does. Ledger, frame allocators, table
 * pools, VMIDs, each space, the shares, and what the hypervisor itself maps. It reads only, and reports each finding.
 *
 * It goes in steps, and VMs run meanwhile. Nothing is compared that was not read under the locks that keep it together: what
 * one space holds under its lock; an entry of the ledger and the allocator's bits under those two locks. All spaces' locks, taken in
 * the order of their ids, are held for no more than: a frame that nobody seems to have, to see whether somebody has it in hand; the
 * table of shares; some runs of them; the sum of a pool's table pages. So nothing that changes between two steps, or beside one, is ever
 * a finding. What would be in the air even so is the caller's to keep away: DURING A STEP no space is made, ended or disowned,
 * no memory is given away at chosen places, and no free memory is scrubbed. Between steps all that may be.
 *
 * Sums that change with every operation and take long to count (free blocks by size, entries and nodes of the ledger's map, the free
 * list of table pages) are compared when no VM runs, by `cached`; the structures themselves always. One that is not divided is how many
 * entries of the ledger each VM has: that takes the ledger's lock for all of them. */
#ifndef STAGE2_AUDIT_H
#define STAGE2_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include <stage2/space.h>

/* detail.what: a static phrase; the range is what is wrong, the found range and holder what it collides with. */
struct s2_finding {
    uint16_t vm; /* whose it is, or who has it; S2_OWNER_HYP, or S2_OWNER_NONE when nobody is to name */
    struct s2_detail detail;
};

struct s2_audit_config {
    struct s2_ledger *ledger;
    struct s2_frames *frames; /* and those that are joined with it: every allocator of the machine */
    struct s2_tpool *tables;  /* every pool of table pages; those without pages do not count */
    unsigned pools;
    struct s2_vmids *vmids;
    unsigned spaces;
    /* These two take no lock: an allocator's, a pool's or the ledger's may be held. */
    /* i < spaces, by ascending id; null: there is none now. One that is being destroyed is a space until its end. */
    struct s2_space *(*space)(void *arg, unsigned i);
    /* How many table pages the caches of its vCPUs hold. False: they are in use, and nothing is said of them now. */
    bool (*cached)(void *arg, unsigned i, uint32_t *pages);
    void (*found)(void *arg, const struct s2_finding *f);
    void *arg;
};

/* The record lives with the caller. Fields are the audit's own; counts may be read. */
struct s2_audit {
    const struct s2_audit_config *cfg;
    unsigned phase, part;
    uint64_t at;
    uint16_t vm;   /* of the space that is looked at, */
    unsigned told; /* and how much was found in it: no more than some is told */
    bool blind;    /* something is so wrong that what lies behind it cannot be looked at */
    uint64_t spaces, leaves, entries, frames, findings;
};

void s2_audit_begin(struct s2_audit *a, const struct s2_audit_config *cfg);
/* Looks at about `budget` leaves, entries or words of bit maps under any one lock, and of a space at one table of pages at least, and
 * at the ledger's entries. True while more is left. */
bool s2_audit_step(struct s2_audit *a, uint64_t budget);

/* What the hypervisor maps for itself, which the caller walks: once for each leaf, at any time between begin and end. */
struct s2_hyp_leaf {
    uint64_t va;
    struct s2_pa_range pa;
    bool writable, executable;
    bool window; /* onto frames of VMs, for the moment: none should be open */
};
void s2_audit_hyp_leaf(struct s2_audit *a, const struct s2_hyp_leaf *leaf);

/* How many findings there were. */
uint64_t s2_audit_end(const struct s2_audit *a);

#endif

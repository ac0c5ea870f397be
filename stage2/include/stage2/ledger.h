/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The ledger: who owns which frame, and who else may use it. RAM and device frames alike; one interval map over physical addresses,
 * so that it costs bytes per VM and not per page. The map path asks it: no descriptor exists without a right.
 *
 *   FREE --take--> OWNED(vm) --give back--> FREE       (RAM: give back only after unmap, flush; it is dirty then)
 *   DEVICE(none) --take--> DEVICE(vm) --give back--> DEVICE(none)
 *   HYP: the hypervisor's image, stacks, tables, the bundle. Never given away.
 *   OWNED(vm) --share--> SHARED(vm) --unshare--> OWNED(vm)                          (share.h draws the states of a share)
 *   OWNED(vm) --lend, donate--> LENT(vm) --reclaim--> OWNED(vm)
 *                               LENT(vm) --retrieve of a donation--> OWNED(receiver)
 *
 *   FREE --s2_colours_add--> COLOURED: whose a frame of it is, the records of its region say (colours.h). s2_ledger_find answers for
 *   such a frame as for one that is OWNED by who holds it; s2_ledger_next, which goes through the entries, does not.
 *
 * A range that no entry covers is no memory that the machine told us of; nothing maps it. */
#ifndef STAGE2_LEDGER_H
#define STAGE2_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include <stage2/addr.h>
#include <stage2/error.h>
#include <stage2/imap.h>
#include <stage2/port_types.h>

enum { S2_OWNER_NONE = 0, S2_OWNER_HYP = 1, S2_OWNER_FIRST_VM = 2, S2_OWNER_MAX = 0xffff };

enum s2_frame_state { S2_FREE, S2_HYP, S2_OWNED, S2_SHARED, S2_LENT, S2_DEVICE, S2_COLOURED };

struct s2_ledger_entry {
    struct s2_pa_range range;
    uint16_t owner;
    uint8_t state;  /* enum s2_frame_state */
    uint8_t rights; /* S2_R | S2_W | S2_X | S2_UX: the most that a leaf may allow */
    uint32_t share; /* SHARED, LENT: its handle (share.h); else 0 */
    s2_ipa ipa;     /* where the owner maps range.start; S2_IPA_NONE while it does not */
    bool pooled;    /* an alloc area's, from the frame allocator, to which it goes back with the area */
};

/* A planned change: the range must match {owner, state} wholly; it lives with the operation until confirmed or
 * dropped, and meanwhile other plans that meet it get S2_EBUSY. */
struct s2_claim {
    struct s2_ledger_entry want;
    uint32_t nodes; /* promised */
    bool pending;
    struct s2_claim *next;
};

struct s2_share;

/* What one VM takes up: entries, and runs in its shares. */
struct s2_ledger_account {
    uint32_t held, limit;
};

struct s2_ledger {
    struct s2_lock lock;
    struct s2_port *port;
    struct s2_imap map;
    struct s2_claim *pending;
    struct s2_share *share; /* the table (share.h) */
    unsigned shares, shares_each;
    struct s2_colours *colours; /* coloured regions (colours.h) */
    struct s2_ledger_account *account;
    unsigned accounts;
};

void s2_ledger_init(struct s2_ledger *l, struct s2_port *port, struct s2_pool *pool, uint8_t pa_bits);
/* At boot: makes an entry where none is. S2_EEXIST (names the holder), S2_EALIGN, S2_EINVAL, S2_ERANGE, S2_ENODES. */
S2_NODISCARD enum s2_err s2_ledger_add(struct s2_ledger *l, const struct s2_ledger_entry *e, struct s2_detail *d);

/* At boot, before a VM has anything: from now on what the n owners from S2_OWNER_FIRST_VM on take up is counted, exactly, and what
 * would take one of them beyond its limit is refused with S2_EQUOTA: it is out of nodes alone, as if the ledger were full. All
 * limits are UINT32_MAX at first. Each entry of a VM leaves at most one more of free memory behind it, so that twice the sum of
 * limits bounds the map, whatever patterns VMs make. */
void s2_ledger_quota(struct s2_ledger *l, struct s2_ledger_account *account, unsigned n);
void s2_ledger_limit(struct s2_ledger *l, uint16_t owner, uint32_t limit);
/* What the owner takes up; 0 when it is not counted. */
uint32_t s2_ledger_held(struct s2_ledger *l, uint16_t owner);

/* Plan that [range) which is {from_owner, from_state} throughout becomes *want. Reads the ledger under its lock, takes
 * the promise of nodes. S2_EPERM: another owner or state (detail: first such range and its holder); S2_ENOENT: not
 * known memory; S2_EBUSY; S2_ENODES; S2_EQUOTA; S2_EALIGN; S2_EINVAL. */
S2_NODISCARD enum s2_err s2_ledger_plan(struct s2_ledger *l, struct s2_claim *c, uint16_t from_owner,
                                        enum s2_frame_state from_state, const struct s2_ledger_entry *want,
                                        struct s2_detail *d);
void s2_ledger_commit(struct s2_ledger *l, struct s2_claim *c); /* never fails */
void s2_ledger_drop(struct s2_ledger *l, struct s2_claim *c);   /* never fails; no effect when not pending */

/* For changes that must not fail (what an unmap gives back): nodes are promised ahead, once, and kept.
 * s2_ledger_promise: nodes for n later calls of s2_ledger_set on behalf of that owner; S2_ENODES; S2_EQUOTA when it has no room for as
 * many entries, though nothing keeps it for them: what draws on a promise may go beyond the limit by an entry for each end inside
 * an entry, and then there is no further promise until the VM has less again. s2_ledger_set: pre: no pending claim meets the
 * range, every frame of it is in the ledger and the caller's to change, and one promise for each range of which an end lies
 * inside an entry; one that ends where entries end takes no node. Never fails. */
S2_NODISCARD enum s2_err s2_ledger_promise(struct s2_ledger *l, uint16_t owner, uint32_t n);
void s2_ledger_unpromise(struct s2_ledger *l, uint32_t n);
void s2_ledger_set(struct s2_ledger *l, const struct s2_ledger_entry *want);
/* The same for the length of one operation, counted for the map as it is and therefore cheaper: *nodes for n calls, each of which
 * gives the owner at most one entry more. */
S2_NODISCARD enum s2_err s2_ledger_reserve(struct s2_ledger *l, uint16_t owner, uint32_t n, uint32_t *nodes);
void s2_ledger_unreserve(struct s2_ledger *l, uint32_t nodes);

/* The right that `owner` holds on the whole of range: S2_OK when every frame is its own (OWNED or DEVICE) and allows
 * `rights`; else S2_EPERM or S2_ENOENT with detail. */
S2_NODISCARD enum s2_err s2_ledger_check(struct s2_ledger *l, uint16_t owner, struct s2_pa_range range, uint8_t rights,
                                         struct s2_detail *d);
/* What that VM may do with the frame at pa, and where it has it mapped (S2_IPA_NONE: nowhere): its own, or shared with or lent
 * to it. *end: as far as the answer holds; pa + 1 where the machine has no memory. Rights 0: nothing. */
uint8_t s2_ledger_right(struct s2_ledger *l, uint16_t vm, s2_pa pa, s2_ipa *at, s2_pa *end);
bool s2_ledger_find(struct s2_ledger *l, s2_pa pa, struct s2_ledger_entry *out);
/* First entry with end > pa; for iteration. Takes and drops the lock at each call. */
bool s2_ledger_next(struct s2_ledger *l, s2_pa pa, struct s2_ledger_entry *out);
/* Frames in that state of that owner. */
uint64_t s2_ledger_count(struct s2_ledger *l, uint16_t owner, enum s2_frame_state state);

#endif

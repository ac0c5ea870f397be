/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the files of the audit share. */
#ifndef STAGE2_SPACE_AUDIT_H
#define STAGE2_SPACE_AUDIT_H

#include <stage2/audit.h>

#include "frame/ledger.h"

/* audit.c: a finding; a range of memory; a count that is not what it should be: both, and no range. With or without locks. */
void s2_audit_report(struct s2_audit *a, uint16_t vm, const struct s2_detail *d);
void s2_audit_report_pa(struct s2_audit *a, uint16_t vm, uint64_t start, uint64_t end, const char *what);
void s2_audit_report_count(struct s2_audit *a, uint16_t vm, uint64_t is, uint64_t should_be, const char *what);
/* The i-th space; null: there is none now. */
struct s2_space *s2_audit_space_at(const struct s2_audit *a, unsigned i);

struct s2_space *s2_audit_space_of(const struct s2_audit *a, uint16_t vm);
/* Does no VM run? Then what takes long may be done at once, and sums that change with every operation be asked for. */
bool s2_audit_quiet(const struct s2_audit *a);
/* Nobody is in the middle of an operation then, nor has anything in hand. Held for what is short, or goes in steps. */
void s2_audit_lock_all(const struct s2_audit *a);
void s2_audit_unlock_all(const struct s2_audit *a);

/* --- the parts; bool: true while more is left, from a->at on ----------------------------------------------------------- */

/* audit_ledger.c: the ledger's own structure, and coloured memory; the i-th account; entries one by one; each allocator's blocks;
 * and what an allocator has given to nobody. */
bool s2_audit_ledger(struct s2_audit *a, uint64_t budget);
void s2_audit_account(struct s2_audit *a, unsigned i);
bool s2_audit_entries(struct s2_audit *a, uint64_t budget);
struct s2_frames *s2_audit_allocator(const struct s2_audit *a, unsigned i); /* null: there are not so many */
bool s2_audit_blocks(struct s2_audit *a, struct s2_frames *f, uint64_t budget);
bool s2_audit_leaks(struct s2_audit *a, struct s2_frames *f, uint64_t budget);

/* audit_hyp.c: a pool of table pages; all VMIDs. */
void s2_audit_pool(struct s2_audit *a, struct s2_tpool *p);
void s2_audit_vmids(struct s2_audit *a);

/* audit_space.c: the next slice of the i-th space, under its lock. */
bool s2_audit_space(struct s2_audit *a, unsigned i, uint64_t budget);

/* --- audit_shares.c: the caller holds the ledger's lock ---------------------------------------------------------------- */

/* What is wrong with an entry that says it is in a share; null: nothing. */
const char *s2_audit_shared_entry(const struct s2_ledger *l, const struct s2_ledger_full *full);
/* Has somebody what is in that share, or is at work on it, though its owner may be gone? */
bool s2_audit_share_in_use(const struct s2_ledger *l, uint32_t handle);
/* What is wrong with the frames of a share from *offset on, *where, as far as the budget lasts. No operation is at work on it. */
const char *s2_audit_share_part(const struct s2_ledger *l, const struct s2_share *s, uint64_t *offset, uint64_t *budget,
                                struct s2_pa_range *where);
static inline const char *s2_audit_share_record(const struct s2_ledger *l, const struct s2_share *s,
                                                struct s2_pa_range *where)
{
    uint64_t offset = 0, budget = UINT64_MAX;

    return s2_audit_share_part(l, s, &offset, &budget, where);
}
/* All shares, from a->at on; true while more is left. */
bool s2_audit_share_runs(struct s2_audit *a, uint64_t budget);
/* Is every node of the ledger's pool free, or in a map? *are: so many. */
bool s2_audit_share_nodes(const struct s2_ledger *l, uint64_t *are);

#endif

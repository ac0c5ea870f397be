/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The table engine, internal to stage2/: programs one space's translation tables. It knows no areas, no ledger and no
 * frames; `void` functions cannot fail, their callers have counted and reserved first. Caller's lock: the space's,
 * exclusive, unless said. Invalidation: recorded in the gather, done by s2_gather_flush. */
#ifndef STAGE2_TABLE_H
#define STAGE2_TABLE_H

#include <stage2/gather.h>
#include <stage2/table_types.h>

S2_NODISCARD enum s2_err s2_table_init(struct s2_table *t, struct s2_port *port, const struct s2_caps *caps,
                                       const struct s2_geometry *geo, struct s2_tpool *pool, struct s2_vmids *vmids,
                                       uint32_t page_limit, uint16_t id);

/* Table pages that mapping [range) -> pa can take, by walking non-leaf levels only. `as_empty`: count as if nothing
 * were mapped there (it is being replaced). */
uint32_t s2_table_need_map(const struct s2_table *t, struct s2_ipa_range range, s2_pa pa, bool as_empty);
/* pre: no valid leaf in range. The largest leaves that IPA, PA and range allow, chosen per sub-range. */
void s2_table_map(struct s2_table *t, struct s2_tstash *stash, struct s2_gather *g, struct s2_ipa_range range, s2_pa pa,
                  s2_attr attr);

/* Table pages for cutting blocks at the two ends of range: 0 .. 2 x (3 - L). */
uint32_t s2_table_need_cut(const struct s2_table *t, struct s2_ipa_range range);
void s2_table_unmap(struct s2_table *t, struct s2_tstash *stash, struct s2_gather *g, struct s2_ipa_range range);
/* Every valid leaf in range gets attr (permissions, memory type, software bits); outputs, access flag and dirty state
 * stay. Relaxations are recorded as local. */
void s2_table_protect(struct s2_table *t, struct s2_tstash *stash, struct s2_gather *g, struct s2_ipa_range range,
                      s2_attr attr);

/* The fault path, lock held shared: installs one leaf of at most `max_level_shift` bytes at ipa by compare-and-swap,
 * taking tables from `cache`. */
enum s2_install {
    S2_INSTALLED, /* a leaf that was not there: no invalidation needed */
    S2_WAS_THERE, /* an equal or better one is there: retry */
    S2_NO_TABLE,  /* the cache is too small; *need pages would do */
};
enum s2_install s2_table_install(struct s2_table *t, struct s2_tstash *cache, struct s2_ipa_range within, s2_ipa ipa,
                                 s2_pa pa, s2_attr attr, uint32_t *need);

/* Lock shared. True when a valid leaf translates ipa; *out is filled either way. */
bool s2_table_lookup(const struct s2_table *t, s2_ipa ipa, struct s2_leaf *out);
/* Ascending, every valid leaf that meets range, until fn says false. */
typedef bool s2_leaf_fn(void *arg, const struct s2_leaf *leaf);
void s2_table_visit(const struct s2_table *t, struct s2_ipa_range range, s2_leaf_fn *fn, void *arg);
/* The descriptors a walk of ipa reads, root first, at most 5; returns how many. */
unsigned s2_table_walk(const struct s2_table *t, s2_ipa ipa, struct s2_walk_step steps[5]);

/* Unlinks everything and records it as one whole-VMID flush. The root itself goes back with s2_table_fini. */
void s2_table_detach_all(struct s2_table *t, struct s2_gather *g);
/* After the flush: the root, the VMID. pre: nothing mapped. */
void s2_table_fini(struct s2_table *t);

/* --- gather and context ------------------------------------------------------------------------------------------ */

void s2_gather_init(struct s2_gather *g);
/* Orders new descriptors, invalidates what was recorded, for this table's VMID wherever it is or is not loaded. */
void s2_gather_flush(struct s2_table *t, struct s2_gather *g);
/* pre: flushed. Frees detached tables by reading non-leaf levels only; no lock needed. */
void s2_gather_free(struct s2_table *t, struct s2_gather *g);
/* Makes the table's context the loaded one on this CPU (VTTBR, VTCR, ISB). Interrupts masked. */
void s2_table_load(struct s2_table *t);

/* Consistency of the table by itself: counts, reserved bits, congruent outputs, no table page twice. Null when sound. */
const char *s2_table_check(const struct s2_table *t);

#endif

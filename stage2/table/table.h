/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The table engine, internal to stage2/: programs one space's translation tables. It knows no areas, no ledger and no
 * frames; `void` functions cannot fail, their callers have counted and reserved first. Caller's lock: the space's,
 * exclusive, unless said. Invalidation: recorded in the gather, done by s2_gather_flush at the operation's end; a function
 * that must have it earlier (break-before-make) flushes by itself. Ranges are inside the IPA size and aligned to the
 * granule, attributes passed s2_attr_check, outputs are below the PA size. */
#ifndef STAGE2_TABLE_H
#define STAGE2_TABLE_H

#include <stage2/gather.h>
#include <stage2/table_types.h>

/* Takes the root from the pool. S2_EINVAL: the pool's granule is another, or it lies beyond what descriptors can address;
 * S2_EQUOTA, S2_ETABLES. */
S2_NODISCARD enum s2_err s2_table_init(struct s2_table *t, struct s2_port *port, const struct s2_caps *caps,
                                       const struct s2_geometry *geo, struct s2_tpool *pool, struct s2_vmids *vmids,
                                       uint32_t page_limit, uint16_t id);

/* Table pages that mapping [range) -> pa can take, by walking non-leaf levels only. `as_empty`: count as if nothing
 * were mapped there (it is being replaced). Without as_empty exact; with it an upper bound: tables that also hold
 * something outside the range, and so stay, are counted. */
uint32_t s2_table_need_map(const struct s2_table *t, struct s2_ipa_range range, s2_pa pa, bool as_empty);
/* Table pages that range lacks for leaves of the last level wherever nothing is mapped in it; but those that the range
 * which ends at `before`, not above this one, lacks too (0: there is none). `as_empty` as above. */
uint32_t s2_table_lack(const struct s2_table *t, struct s2_ipa_range range, s2_ipa before, bool as_empty);
/* Of the leaves that s2_table_map makes of range -> pa, the first: its bytes. */
uint64_t s2_table_leaf_bytes(const struct s2_table *t, struct s2_ipa_range range, s2_pa pa);
/* pre: no valid leaf in range. The largest leaves that IPA, PA and range allow, chosen per sub-range. When the gather
 * holds an invalidation or a split that meets the range, it is flushed first: a remap is break-before-make. */
void s2_table_map(struct s2_table *t, struct s2_tstash *stash, struct s2_gather *g, struct s2_ipa_range range, s2_pa pa,
                  s2_attr attr);

/* Table pages for cutting blocks at the two ends of range: 0 .. 2 x (3 - L). Exact. */
uint32_t s2_table_need_cut(const struct s2_table *t, struct s2_ipa_range range);
/* Holes are fine. Blocks at the ends are split with the hole in place; tables that become empty go to the gather. */
void s2_table_unmap(struct s2_table *t, struct s2_tstash *stash, struct s2_gather *g, struct s2_ipa_range range);
/* Every valid leaf in range gets attr (permissions, memory type, software bits); outputs, access flag and, while the
 * leaf stays writable, dirty state stay. A leaf that lies in range and is so already: no edit; a block that range cuts is
 * split even then, so that no leaf lies in two areas. Relaxations are recorded as local; a change of memory type or
 * shareability, and any change while hardware updates descriptors, is break - flush - make inside. */
void s2_table_protect(struct s2_table *t, struct s2_tstash *stash, struct s2_gather *g, struct s2_ipa_range range,
                      s2_attr attr);

/* Lock shared. True when a valid leaf translates ipa; *out is filled either way. */
bool s2_table_lookup(const struct s2_table *t, s2_ipa ipa, struct s2_leaf *out);
/* Whether there is one, and no more. pre: ipa is below the limit. */
bool s2_table_has(const struct s2_table *t, s2_ipa ipa);
/* Ascending, every valid leaf that meets range, until fn says false. */
void s2_table_visit(const struct s2_table *t, struct s2_ipa_range range, s2_leaf_fn *fn, void *arg);

/* Tells of every leaf in range that was accessed, or written (`what`), since it was mapped or last told of, and makes it
 * clean again; the flush that makes the next access or write be seen is recorded. A run of leaves with the Contiguous bit is
 * told as one, of all or none. pre: the geometry tracks `what`. fn may stop it by saying false: what it was told of is clean. */
void s2_table_harvest(struct s2_table *t, struct s2_gather *g, struct s2_ipa_range range, unsigned what, s2_leaf_fn *fn,
                      void *arg);
/* Lock shared. An access that hardware does not record, to a leaf that is there: what the geometry tracks is set by
 * compare-and-swap, in all of a run. False: nothing was missing there. The caller flushes locally after a permission fault. */
bool s2_table_touch(struct s2_table *t, s2_ipa ipa, bool write);

/* Promotion. Edits and installs mark where a run of leaves may have become one that a larger leaf, or the Contiguous bit, can
 * say. s2_table_promote looks there: at most `budget` folds and collapses, each inside what `within` says of its first
 * address (an area, or nothing: an empty range). True when marks are left. Lock exclusive; recorded in the gather, which it
 * may flush. A table that only its size keeps from being a block costs one look at its metadata. */
typedef struct s2_ipa_range s2_within_fn(void *arg, s2_ipa ipa);
static inline bool s2_table_marked(const struct s2_table *t)
{
    return __atomic_load_n(&t->marked_end, __ATOMIC_RELAXED) != 0;
}
bool s2_table_promote(struct s2_table *t, struct s2_gather *g, unsigned budget, s2_within_fn *within, void *arg);

/* The fault path, lock held shared: installs one leaf at ipa (-> pa, both rounded down) by compare-and-swap, the largest
 * one that `within`, ipa and pa allow and where no table stands, taking tables from `cache`. Ends with the barrier that
 * makes it visible to walkers. */
enum s2_install {
    S2_INSTALLED, /* a leaf that was not there: no invalidation needed */
    S2_WAS_THERE, /* a leaf is there, whatever it allows: retry */
    S2_NO_TABLE,  /* the cache is too small; *need pages would do */
};
enum s2_install s2_table_install(struct s2_table *t, struct s2_tstash *cache, struct s2_ipa_range within, s2_ipa ipa,
                                 s2_pa pa, s2_attr attr, uint32_t *need);

/* By reading non-leaf levels only. Lock shared. */
void s2_table_count(const struct s2_table *t, struct s2_table_counts *out);
/* The descriptors a walk of ipa reads, root first, at most 5; returns how many; 0 beyond the IPA size. */
unsigned s2_table_walk(const struct s2_table *t, s2_ipa ipa, struct s2_walk_step steps[5]);

/* Unlinks everything and records it as one whole-VMID flush. The root itself goes back with s2_table_fini. */
void s2_table_detach_all(struct s2_table *t, struct s2_gather *g);
/* After the flush: the root, the VMID. pre: nothing mapped, loaded nowhere. */
void s2_table_fini(struct s2_table *t);

/* --- gather and context ------------------------------------------------------------------------------------------ */

void s2_gather_init(struct s2_gather *g);
/* Orders new descriptors, invalidates what was recorded, for this table's VMID wherever it is or is not loaded, and
 * publishes the tables of split blocks. The gather may be used further; only its detached tables are left. */
void s2_gather_flush(struct s2_table *t, struct s2_gather *g);
/* Pages that were taken and not used go back with those that the gather frees. */
void s2_gather_spare(struct s2_table *t, struct s2_gather *g, struct s2_tstash *unused);
/* pre: flushed. One dead page goes to the stash instead. False: there is none. */
bool s2_gather_reuse(struct s2_table *t, struct s2_gather *g, struct s2_tstash *stash);
/* pre: flushed. Gives detached tables back, by reading at most the levels above those that lead to tables of pages. No lock
 * needed, and none wanted. The table lives at least until t->detached has come down. */
void s2_gather_free(struct s2_table *t, struct s2_gather *g);
/* The same in steps of `budget` trees, each a table that leads to tables of pages, or less; true while more is left. */
bool s2_gather_free_step(struct s2_table *t, struct s2_gather *g, uint32_t budget);
/* Makes the table's context the loaded one on this CPU (VTTBR, VTCR, ISB). Interrupts masked. */
void s2_table_load(struct s2_table *t);

/* Invalidations on this CPU alone, each complete on return. No lock, except that the space lives. */

/* A permission fault on a descriptor that is good: IPAS2E1, VMALLE1 (architecture rule 3). */
void s2_table_flush_local(struct s2_table *t, s2_ipa ipa);
/* A TLB conflict abort: VMALLS12E1 (rule 4). */
void s2_table_flush_local_all(struct s2_table *t);
/* Between two vCPUs of this VM on this CPU, while it is loaded: VMALLE1 (T13). */
void s2_table_flush_vcpu(struct s2_table *t);

/* Consistency of the table by itself: counts, reserved bits, congruent outputs, no table page twice. Null when sound.
 * No other operation on this table meanwhile. */
const char *s2_table_check(const struct s2_table *t);
/* The same of those tables that meet the range. */
const char *s2_table_check_range(const struct s2_table *t, struct s2_ipa_range range);

#endif

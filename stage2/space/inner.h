/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the files of this floor share. Unless said otherwise the caller holds the space's lock exclusively. */
#ifndef STAGE2_SPACE_INNER_H
#define STAGE2_SPACE_INNER_H

#include <stage2/space.h>

#include "base/bits.h"
#include "frame/ledger.h"
#include "table/table.h"

#include <s2_port.h>

/* A port may leave the checks of cfg.audit out. */
#ifndef S2_PORT_CHECKS
#define S2_PORT_CHECKS true
#endif

static inline void s2_space_lock(struct s2_space *sp)
{
    s2_port_lock(sp->cfg.port, &sp->lock, S2_LOCK_SPACE, sp->cfg.id);
}
static inline void s2_space_unlock(struct s2_space *sp)
{
    s2_port_unlock(sp->cfg.port, &sp->lock);
}
static inline void s2_space_lock_shared(struct s2_space *sp)
{
    s2_port_lock_shared(sp->cfg.port, &sp->lock, S2_LOCK_SPACE, sp->cfg.id);
}
static inline void s2_space_unlock_shared(struct s2_space *sp)
{
    s2_port_unlock_shared(sp->cfg.port, &sp->lock);
}

static inline uint64_t s2_range_bytes(struct s2_ipa_range r)
{
    return r.end.v - r.start.v;
}
static inline struct s2_ipa_range s2_range_meet(struct s2_ipa_range a, struct s2_ipa_range b)
{
    return (struct s2_ipa_range){S2_IPA(s2_max_u64(a.start.v, b.start.v)), S2_IPA(s2_min_u64(a.end.v, b.end.v))};
}
static inline struct s2_pa_range s2_pa_run(s2_pa pa, uint64_t bytes)
{
    return (struct s2_pa_range){pa, S2_PA(pa.v + bytes)};
}

/* --- op.c ---------------------------------------------------------------------------------------------------------- */

/* Fills the cut reserve up as far as pool and quota allow; true when it is full. */
bool s2_cut_refill(struct s2_space *sp);
void s2_cut_release(struct s2_space *sp);

/* --- space.c ------------------------------------------------------------------------------------------------------- */

/* Can the space's descriptors name all of that memory? S2_ERANGE. */
S2_NODISCARD enum s2_err s2_space_reaches(const struct s2_space *sp, struct s2_pa_range run, struct s2_detail *d);
S2_NODISCARD enum s2_err s2_space_attr(const struct s2_space *sp, s2_attr attr, struct s2_detail *d);
/* Table pages for mapping range -> pa with the leaves that this space uses, and with pages throughout. */
uint32_t s2_map_need(const struct s2_space *sp, struct s2_ipa_range range, s2_pa pa, bool replacing);
uint32_t s2_pages_need(const struct s2_space *sp, struct s2_ipa_range range, bool replacing);
void s2_map_run(struct s2_space *sp, struct s2_op *op, struct s2_ipa_range range, s2_pa pa, s2_attr attr);
/* What backends that map do alike for a part that goes or changes; nothing for other steps. */
void s2_edit_run(struct s2_space *sp, struct s2_op *op, const struct s2_change *c);
struct s2_tquota s2_space_quota(struct s2_space *sp);
/* The quota keeps the table pages that lazy areas can need, those that stand there already among them, since these may go
 * when a neighbour does. Only where that would make the quota refuse, what stands there is told apart. promise: for one
 * area more, S2_EQUOTA; counts with the operation's recount, after the areas changed. take: as s2_tpool_take. */
S2_NODISCARD enum s2_err s2_tables_promise(struct s2_space *sp, struct s2_ipa_range range);
void s2_tables_recount(struct s2_space *sp);
S2_NODISCARD enum s2_err s2_tables_take(struct s2_space *sp, uint32_t n, struct s2_tstash *stash);
/* Memory behind range, from pa on, is unmapped, in one operation with all of `goes`. How many ends of `goes` lie in that range
 * and inside a ledger entry rather than at its end: 0 .. 2. Where areas meet inside of `goes` none is cut, since the entry
 * goes as a whole: as far as the IPAs that it names go, all that it covers does. */
uint32_t s2_ledger_cuts(struct s2_space *sp, struct s2_ipa_range range, s2_pa pa, struct s2_ipa_range goes);
/* The end of what goes of an entry from `at` on, which is mapped at ipa. */
static inline s2_pa s2_ledger_goes(const struct s2_ledger_entry *e, s2_pa at, s2_ipa ipa, struct s2_ipa_range goes)
{
    return S2_PA(s2_min_u64(e->range.end.v, at.v + (goes.end.v - ipa.v)));
}
/* The memory behind ipa, which is in the area, by its kind. The lock held shared is enough. */
bool s2_area_memory(const struct s2_space *sp, const struct s2_area *area, s2_ipa ipa, struct s2_ipa_range *run,
                    s2_pa *pa);
S2_INLINE bool s2_area_lazy(const struct s2_area *a)
{
    return a->backend == &s2_backend_alloc && (a->flags & S2_AREA_LAZY);
}
/* Lazy, with a frame promised for each page. */
static inline bool s2_area_promised(const struct s2_area *a)
{
    return s2_area_lazy(a) && !(a->flags & S2_AREA_OVERCOMMIT);
}

/* Begins an operation on the range and takes the lock, which s2_space_leave gives up, whatever this says. In order: a space
 * that is being taken down, a range that long work is busy with; S2_EDYING, S2_EBUSY. */
S2_NODISCARD enum s2_err s2_space_enter(struct s2_space *sp, struct s2_op *op, struct s2_ipa_range range,
                                        struct s2_detail *d);
/* Gives up the lock, disposes of what the operation left, and returns err. */
enum s2_err s2_space_leave(struct s2_op *op, enum s2_err err);
/* What of an area is wrong by itself. */
S2_NODISCARD enum s2_err s2_space_check_area(const struct s2_space *sp, const struct s2_area *a, struct s2_detail *d);

/* --- check.c ---------------------------------------------------------------------------------------------------------- */

/* A finding; false: no more are wanted. */
typedef bool s2_check_fn(void *arg, const struct s2_detail *d);
/* What only all of a space says, and what can be told of a range by itself: its leaves, areas, chunks and the entries of the ledger.
 * True when nothing was so wrong, or so many things, that there is no going on. Counts leaves. */
bool s2_check_totals(struct s2_space *sp, s2_check_fn *found, void *arg);
bool s2_check_range(struct s2_space *sp, struct s2_ipa_range range, s2_check_fn *found, void *arg, uint64_t *leaves);
/* At the end of an operation on that range, which may be empty, where cfg.audit says so: the range, or every so often all. */
void s2_check_operation(struct s2_space *sp, struct s2_ipa_range range);

/* --- promote.c ------------------------------------------------------------------------------------------------------- */

/* Begins the gather, promotes what is marked as far as the space wants that, and flushes. The caller frees the gather's tables
 * once the lock is given up. True when marks are left. */
bool s2_promote(struct s2_space *sp, struct s2_gather *g, unsigned budget);
/* Gives up the lock; what an operation marked is promoted before. */
void s2_unlock_promoting(struct s2_space *sp);
/* Without the lock, and only if it is free. */
void s2_promote_after_fault(struct s2_space *sp);

/* --- long.c, long_map.c, long_protect.c ------------------------------------------------------------------------------ */

/* The long work whose range meets this one, or null. The lock held shared is enough. */
struct s2_long *s2_long_meeting(const struct s2_space *sp, struct s2_ipa_range range);
void s2_long_link(struct s2_long *l, struct s2_space *sp);
void s2_long_unlink(struct s2_long *l);
/* The space is taken down: what each holds goes to it. */
void s2_longs_end(struct s2_space *sp);
void s2_long_map_give_up(struct s2_long *l);
void s2_long_protect_give_up(struct s2_long *l);

/* What counts in the quota, at most: what is shared may become less at any time, more only under the space's lock. */
static inline uint64_t s2_frames_charged(const struct s2_space *sp)
{
    return sp->frames_held + sp->frames_promised + __atomic_load_n(&sp->frames_shared, __ATOMIC_RELAXED);
}

/* What the quota leaves. */
static inline uint64_t s2_frames_left(const struct s2_space *sp)
{
    return sp->cfg.frame_quota - s2_frames_charged(sp);
}

/* --- chunks.c: the memory of alloc areas ---------------------------------------------------------------------------- */

struct s2_chunk {
    struct s2_ipa_range range;
    s2_pa pa;
    bool dirty; /* taken and not zeroed yet */
};

/* The part of a chunk at or after range.start inside range. The lock held shared is enough. */
bool s2_chunk_next(const struct s2_imap *map, struct s2_ipa_range range, struct s2_chunk *out);
/* The chunk that holds ipa, as far as it lies in the area. The lock held shared is enough. */
bool s2_chunk_around(const struct s2_space *sp, const struct s2_area *area, s2_ipa ipa, struct s2_chunk *out);
/* Takes frames for all of range into sp->taken; on an error takes none. The op holds the promise of the frames. */
S2_NODISCARD enum s2_err s2_chunks_take(struct s2_space *sp, struct s2_op *op, struct s2_ipa_range range);
void s2_chunks_untake(struct s2_space *sp, struct s2_op *op);
/* Zeroes what is dirty of the range of sp->taken and makes the ledger say whose it is. */
void s2_chunks_own(struct s2_space *sp, struct s2_ipa_range range);
/* Moves sp->taken to sp->chunks. */
void s2_chunks_settle(struct s2_space *sp);
/* For long work: sp->taken becomes the VM's as it is, dirty or not, and no chunk of it joins others until its mark is
 * taken off, when it counts as clean. mark: not 0, another one for each work under way. */
void s2_chunks_hold(struct s2_space *sp, uint64_t mark);
void s2_chunks_unmark(struct s2_space *sp, struct s2_ipa_range range);
/* Nodes for taking range out of sp->chunks: only a hole in the middle of a chunk needs any. */
uint32_t s2_chunk_cut_nodes(const struct s2_space *sp, struct s2_ipa_range range);
/* Gives the frames of range back: ledger, then allocator; all of `goes` does in the same operation. untouched: nothing but
 * zeroes was written. Returns how many they were. */
uint64_t s2_chunks_release(struct s2_space *sp, struct s2_ipa_range range, struct s2_ipa_range goes, bool untouched);
/* Memory for one chunk of a lazy area around ipa, as large as alignment, area and neighbours allow. */
S2_NODISCARD enum s2_err s2_chunk_fault(struct s2_space *sp, const struct s2_area *area, s2_ipa ipa);

/* The frames of a share come into sp->taken, zero or the VM's own; and not after all. */
S2_NODISCARD enum s2_err s2_chunks_adopt(struct s2_space *sp, struct s2_op *op, struct s2_ipa_range range);
void s2_chunks_unadopt(struct s2_space *sp);
/* The frames of range have gone into a share. */
void s2_chunks_leave(struct s2_space *sp, struct s2_ipa_range range);

/* --- backend_shared.c ------------------------------------------------------------------------------------------------ */

#define S2_SHARED_OFFSET ((1ull << 48) - 1)
static inline uint64_t s2_shared_backing(uint32_t handle)
{
    return (uint64_t)s2_share_index(handle) << 48;
}
static inline unsigned s2_shared_index(const struct s2_area *area)
{
    return (unsigned)(area->backing >> 48);
}
static inline uint64_t s2_shared_offset(const struct s2_area *area)
{
    return area->backing & S2_SHARED_OFFSET;
}

/* --- fault.c --------------------------------------------------------------------------------------------------------- */

/* Takes the exclusive lock and gets the chunk of a lazy area at ipa, if that is still wanted. */
S2_NODISCARD enum s2_err s2_lazy_fetch(struct s2_space *sp, s2_ipa ipa);

/* --- backend_linear.c ------------------------------------------------------------------------------------------------ */

static inline s2_pa s2_linear_pa(const struct s2_area *area, s2_ipa ipa)
{
    return S2_PA(area->backing + (ipa.v - area->range.start.v));
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Long work on a space in steps, so that no step holds the space's lock for long: a large area populated, a large range
 * protected or unmapped. Begin checks all and takes all that can fail; on an error nothing has changed. Steps cannot fail for want of
 * anything. Meanwhile the range is busy: a map, an unmap, a protect or other long work that meets it gets S2_EBUSY, and
 * detail names the busy range. Faults, copies and lookups go on, and see what is done as new and what is not as old.
 * s2_space_check holds between any two calls.
 *
 * The record lives with the caller, who calls begin, steps and end in turn, one at a time, and moves it nowhere meanwhile.
 * s2_space_destroy_begin ends long work by itself, and may not come during a step: what it took goes back with the space;
 * later calls do nothing. Locks: each call takes the space's lock itself. */
#ifndef STAGE2_LONG_H
#define STAGE2_LONG_H

#include <stdbool.h>
#include <stdint.h>

#include <stage2/area.h>
#include <stage2/error.h>
#include <stage2/op.h>

/* Fields are the library's own; `done` may be read: everything of the range below it is as it will be. */
struct s2_long {
    struct s2_space *space; /* null: over */
    struct s2_long *next;
    struct s2_ipa_range range; /* busy */
    s2_ipa done;
    struct s2_op op;       /* populate: what begin took, for all steps */
    struct s2_ahead ahead; /* protect, unmap: the same, each step being an operation of its own */
    bool populates, aborts, unmaps;

    struct s2_area area; /* populate: */
    s2_ipa clean;        /* memory below is zeroed; in an abort: was mapped */

    s2_update_fn *update; /* protect: */
    void *arg;
    s2_ipa until; /* the area at `done` ends here; what update said of it: */
    s2_attr attr;
    bool changes;
    enum s2_err refused; /* unmap, too */

    uint32_t promises; /* unmap: changes of the ledger that cut an entry */
};

/* An alloc area that is neither lazy nor replaces anything; other areas are short work, S2_EINVAL. Errors as s2_space_map.
 * Frames, nodes and table pages are taken and the ledger says whose they are, all in one hold that grows with the chunks
 * (2 MiB each where memory is not in pieces), not with the frames. The area then grows from its start, marked
 * S2_AREA_GROWING: an access above `done` meets no area. A range that s2_space_find_free finds may be busy. */
S2_NODISCARD enum s2_err s2_space_map_begin(struct s2_space *sp, struct s2_long *l, const struct s2_area *area,
                                            struct s2_detail *d);
/* Zeroes what is dirty of the next memory, outside the lock and at most `budget` frames (4K) of it, then maps under the
 * lock what is clean, in at most `budget` leaves, the same ones that s2_space_map would choose. Runs of contiguous
 * leaves that `budget` allows are made whole; others are when promotion finds them. One barrier; no invalidation. True while
 * more is left. */
bool s2_space_map_step(struct s2_long *l, uint64_t budget);
/* Does whatever is left, and makes the area one like others: it loses its mark and merges with equal neighbours. */
void s2_space_map_end(struct s2_long *l);
/* Instead of the end: takes the area away again, from the top down, at most `budget` leaves in a call. Memory goes back by
 * whole entries of the ledger, when no leaf of one is left, so that no node is needed however small the steps; frames that
 * were never mapped count in `budget` as leaves do, but an entry of them goes in one call. True while more is left; all is
 * then as it was before begin, the memory that was mapped dirty. Never fails. */
bool s2_space_map_abort(struct s2_long *l, uint64_t budget);

/* Checks as s2_space_protect does. `update` is asked once about each area now, and once when the work comes to it; its
 * answer then holds for all of that area. */
S2_NODISCARD enum s2_err s2_space_protect_begin(struct s2_space *sp, struct s2_long *l, struct s2_ipa_range range,
                                                s2_update_fn *update, void *arg, struct s2_detail *d);
/* Changes at most `budget` leaves of one area, or one run of contiguous leaves that has more, and flushes. Areas that do not
 * change cost one of the budget each. True while more is left. */
bool s2_space_protect_step(struct s2_long *l, uint64_t budget);
/* At any time: what is done stays done, what is not stays as it was. S2_OK, or the code of a backend, not one of the
 * library's own, that refused a piece after it had agreed to the whole; the steps stopped there. */
enum s2_err s2_space_protect_end(struct s2_long *l);

/* Checks as s2_space_unmap does. Takes as much as the cut reserve of a space has, whatever the range: S2_ECUT when that is not
 * there, perhaps where s2_space_unmap would have needed nothing. */
S2_NODISCARD enum s2_err s2_space_unmap_begin(struct s2_space *sp, struct s2_long *l, struct s2_ipa_range range,
                                              struct s2_detail *d);
/* Unmaps from the start of the range on, flushes, and gives memory back: where the call returns nobody reaches what lies below
 * `done`, where there is no area any more; guests have the rest as before, and may touch lazy memory there for the first time.
 * At most `budget` leaves and pieces, a piece being what lies together and has one entry in the ledger, or an area of a kind
 * that the library cannot cut; or one piece, whatever its size: one edit of ledger, chunks and areas each, and in the tables
 * one store for each of the highest entries that it covers. (s2_space_unmap does all of it in one hold. What that costs grows
 * with the pieces, not with the pages: of 1 GiB in blocks of 2 MiB that lie apart, 512 such edits and 512 stores.) True while
 * more is left. */
bool s2_space_unmap_step(struct s2_long *l, uint64_t budget);
/* Does whatever is left. S2_OK, or the code of a backend, not one of the library's own, that refused a piece after it had
 * agreed to the whole; the steps stopped there, and all from `done` on is as it was. */
enum s2_err s2_space_unmap_end(struct s2_long *l);
/* Instead of the end: what is done stays done, and all from `done` on as it is. */
void s2_space_unmap_stop(struct s2_long *l);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the files of the area set share. */
#ifndef STAGE2_SPACE_AREA_SET_H
#define STAGE2_SPACE_AREA_SET_H

#include <stage2/area.h>
#include <stage2/backend.h>

/* The backing of the part that begins at `start`, which may lie outside where the area is to be extended. */
uint64_t s2_area_backing_at(const struct s2_area *area, s2_ipa start);
/* Everything of an area but its range, in the 24 bytes of an entry, and back. */
struct s2_ival s2_area_pack(const struct s2_area *area);
struct s2_area s2_area_unpack(const struct s2_ient *e);
struct s2_ient s2_area_entry(const struct s2_area *area);
void s2_area_insert(struct s2_area_set *set, const struct s2_area *area);
/* The area that starts at `start` becomes *area; its order among the others stays. */
void s2_area_replace(struct s2_area_set *set, s2_ipa start, const struct s2_area *area);

/* The part of an area that lies in range, with the backing of its start. pre: they meet. */
struct s2_area s2_area_part(const struct s2_area *area, struct s2_ipa_range range);
/* May the two become one? */
bool s2_area_joins(const struct s2_area *low, const struct s2_area *high);

/* The area that starts where this one does becomes it, and one with the neighbours that it joins. */
void s2_area_settle(struct s2_area_set *set, const struct s2_area *area);
/* The MERGEs of that, ascending: how many of the two. */
unsigned s2_area_merges(const struct s2_area_set *set, const struct s2_area *area, struct s2_change c[2]);
/* S2_EEXIST: an area is in the way, with both ranges. An empty or inverted range is free. */
S2_NODISCARD enum s2_err s2_area_check_free(const struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range);

/* Opens an operation: marks the set busy with it, wipes op->detail. S2_EBUSY, S2_EINVAL, S2_EALIGN, S2_ERANGE; then op
 * has been ended, unless it is the very one that is under way, whose detail stays as it is. */
S2_NODISCARD enum s2_err s2_area_enter(struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range);
/* The refusal of an operation on `range` for an area that is there: `found`, or null for none. */
enum s2_err s2_area_refuse(struct s2_op *op, enum s2_err err, struct s2_ipa_range range, const struct s2_area *found,
                           const char *what);
/* Closes it: ends op, fills up the kept cut, returns err. */
enum s2_err s2_area_leave(struct s2_area_set *set, struct s2_op *op, enum s2_err err);
/* The plan of a protect alone; the operation stays open. How many areas the range meets. */
S2_NODISCARD enum s2_err s2_area_plan_protect(struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range,
                                              s2_update_fn *update, void *arg, uint64_t *areas);
/* The plan of an unmap alone; the operation stays open, unless it has not begun. */
S2_NODISCARD enum s2_err s2_area_plan_unmap(struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range);
/* Asks the backend; a refusal without a story of its own gets one. */
S2_NODISCARD enum s2_err s2_area_prepare(const struct s2_area_set *set, struct s2_op *op, const struct s2_change *c);
/* The same for what a backend's `take` says. */
enum s2_err s2_area_refused(struct s2_op *op, enum s2_err err, const struct s2_change *c);
/* Promises the nodes of `inserts` insertions to op and reserves. `cut`: an unmap, which may use the nodes that are kept. */
S2_NODISCARD enum s2_err s2_area_reserve(struct s2_area_set *set, struct s2_op *op, uint32_t inserts, bool cut);

/* What an operation does with its changes: each phase wholly before the next. */
enum s2_phase { S2_PREPARE, S2_TAKE, S2_COMMIT, S2_RELEASE };
/* One phase of n changes, ascending, until one is refused; *done counts those that were not. Commit and release cannot fail. */
enum s2_err s2_area_phase(const struct s2_area_set *set, struct s2_op *op, enum s2_phase phase,
                          const struct s2_change *c, unsigned n, uint64_t *done);
/* Takes back what was taken, last first: the n changes are the last of `end`, of which the first `taken` have been taken.
 * How many come before them. */
uint64_t s2_area_undo(const struct s2_area_set *set, struct s2_op *op, const struct s2_change *c, unsigned n,
                      uint64_t end, uint64_t taken);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the files of the area set share. */
#ifndef STAGE2_SPACE_AREA_SET_H
#define STAGE2_SPACE_AREA_SET_H

#include <stage2/area.h>
#include <stage2/backend.h>

/* Everything of an area but its range, in the 24 bytes of an entry, and back. */
struct s2_ival s2_area_pack(const struct s2_area *area);
struct s2_area s2_area_unpack(const struct s2_ient *e);
void s2_area_insert(struct s2_area_set *set, const struct s2_area *area);
/* The area that starts at `start` becomes *area; its order among the others stays. */
void s2_area_replace(struct s2_area_set *set, s2_ipa start, const struct s2_area *area);

/* The part of an area that lies in range, with the backing of its start. pre: they meet. */
struct s2_area s2_area_part(const struct s2_area *area, struct s2_ipa_range range);
/* May the two become one? */
bool s2_area_joins(const struct s2_area *low, const struct s2_area *high);

/* The area that starts where this one does becomes it, and one with the neighbours that it joins. */
void s2_area_settle(struct s2_area_set *set, const struct s2_area *area);
/* S2_EINVAL, S2_EEXIST: no backend that commits; in new mode, an area is in the way. */
S2_NODISCARD enum s2_err s2_area_check_new(const struct s2_area_set *set, struct s2_detail *d,
                                           const struct s2_area *area, enum s2_map_mode mode);

/* Opens an operation: marks the set busy with it, wipes op->detail. S2_EBUSY, S2_EINVAL, S2_EALIGN, S2_ERANGE; then op
 * has been ended, unless it is the very one that is under way. */
S2_NODISCARD enum s2_err s2_area_enter(struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range);
/* Closes it: ends op, returns err. */
enum s2_err s2_area_leave(struct s2_area_set *set, struct s2_op *op, enum s2_err err);
/* The plan of a protect alone; the operation stays open. How many areas the range meets. */
S2_NODISCARD enum s2_err s2_area_plan_protect(struct s2_area_set *set, struct s2_op *op, struct s2_ipa_range range,
                                              s2_update_fn *update, void *arg, uint64_t *areas);
/* Asks the backend; a refusal without a story of its own gets one. */
S2_NODISCARD enum s2_err s2_area_prepare(const struct s2_area_set *set, struct s2_op *op, const struct s2_change *c);
/* The same for what a backend's `take` says. */
enum s2_err s2_area_refused(struct s2_op *op, enum s2_err err, const struct s2_change *c);
/* Promises the nodes of `inserts` insertions to op and reserves. */
S2_NODISCARD enum s2_err s2_area_reserve(const struct s2_area_set *set, struct s2_op *op, uint32_t inserts);

#endif

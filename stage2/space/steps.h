/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Long work of which each step is an operation of its own, with what begin took ahead (op.h): to protect, to unmap. Lock held. */
#ifndef STAGE2_SPACE_STEPS_H
#define STAGE2_SPACE_STEPS_H

#include <stage2/long.h>

/* What l->op took is for all of them. */
void s2_steps_take_over(struct s2_long *l, struct s2_space *sp);
/* What is in use of the nodes that were taken ahead is no longer promised, and the other way round. */
void s2_steps_settle_nodes(struct s2_long *l, uint32_t before, uint32_t now);
/* It is over: the table pages that were taken ahead go with those of `left`. */
void s2_steps_end(struct s2_long *l, struct s2_gather *left);
/* The space is taken down (inner.h). */
void s2_long_unmap_give_up(struct s2_long *l);

#endif

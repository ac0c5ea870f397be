/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Nodes of the interval map split, join and share, so that all leaves stay at one depth. */
#ifndef STAGE2_BASE_IMAP_BALANCE_H
#define STAGE2_BASE_IMAP_BALANCE_H

#include "base/imap_node.h"

/* The cursor's leaf is full: splits what is full from there up. The cursor stays at its place, its leaf has a free slot. */
void s2_imap_make_room(struct s2_imap *map, struct s2_imap_cursor *at);
/* The cursor's leaf has lost an entry. If it has fewer than S2_IMAP_LEAF_MIN now, it joins or shares, and so on up from there; if
 * all that is left of the map fits in the root, it goes there. True: something moved, and the cursor does not know its way any
 * more. */
bool s2_imap_mend(struct s2_imap *map, const struct s2_imap_cursor *at);

#endif

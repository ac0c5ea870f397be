/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What somebody may do with memory: the ledger says the most, an area's attribute what is so. */
#ifndef STAGE2_RIGHTS_H
#define STAGE2_RIGHTS_H

enum {
    S2_R = 1u << 0,
    S2_W = 1u << 1,
    S2_X = 1u << 2,  /* execute at EL1 */
    S2_UX = 1u << 3, /* execute at EL0 */
    S2_RW = S2_R | S2_W,
    S2_RX = S2_R | S2_X | S2_UX,
    S2_RWX = S2_RW | S2_X | S2_UX,
    S2_PERM_MASK = S2_RWX,
};

#endif

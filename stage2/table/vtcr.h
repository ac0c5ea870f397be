/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Fields of VTCR_EL2 (D24.2.182) and VTTBR_EL2 (D24.2.183). */
#ifndef STAGE2_TABLE_VTCR_H
#define STAGE2_TABLE_VTCR_H

#define VTCR_T0SZ_SHIFT 0
#define VTCR_SL0_SHIFT  6
#define VTCR_IRGN0_WBWA (1ull << 8)
#define VTCR_ORGN0_WBWA (1ull << 10)
#define VTCR_SH0_INNER  (3ull << 12)
#define VTCR_TG0_SHIFT  14 /* 0: 4K, 1: 64K, 2: 16K */
#define VTCR_PS_SHIFT   16
#define VTCR_VS         (1ull << 19)
#define VTCR_HA         (1ull << 21)
#define VTCR_HD         (1ull << 22)
#define VTCR_RES1       (1ull << 31)
#define VTCR_DS         (1ull << 32) /* 52-bit descriptors (FEAT_LPA2) */
#define VTCR_SL2_SHIFT  33

#define VTTBR_CNP              (1ull << 0)
#define VTTBR_BADDR_HIGH_SHIFT 2
#define VTTBR_BADDR            (0xffffffffffffull)
#define VTTBR_VMID_SHIFT       48

#endif

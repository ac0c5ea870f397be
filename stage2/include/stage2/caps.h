/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the CPUs can do, as a value: the safe minimum over all of them, passed in, never read from a register inside
 * the library. Every optional feature has a fallback. */
#ifndef STAGE2_CAPS_H
#define STAGE2_CAPS_H

#include <stdbool.h>
#include <stdint.h>

/* The ID registers that matter, as read on one CPU (Arm ARM D19.2). */
struct s2_idregs {
    uint64_t mmfr0, mmfr1, mmfr2, mmfr3, isar0, ctr;
};

struct s2_caps {
    uint8_t pa_bits;               /* 32, 36, 40, 42, 44, 48 or 52 (ID_AA64MMFR0_EL1.PARange) */
    uint8_t vmid_bits;             /* 8 or 16 */
    uint8_t bbm;                   /* FEAT_BBM level 0..2 */
    bool gran4k, gran16k, gran64k; /* usable at stage 2 (TGran*_2, 0 = as stage 1) */
    bool lpa2_4k, lpa2_16k;        /* 52-bit descriptors at that granule (VTCR_EL2.DS) */
    bool tlbirange;                /* FEAT_TLBIRANGE */
    bool ttl;                      /* FEAT_TTL */
    bool fwb;                      /* FEAT_S2FWB */
    bool xnx;                      /* FEAT_XNX */
    bool haf, hdbs;                /* hardware access flag, dirty state */
    bool cnp;                      /* FEAT_TTCNP */
    bool repeat_tlbi;              /* an erratum of some core: every invalidation and its DSB are done twice (T11) */
    bool short_ranges;  /* an erratum: range invalidations of 4 GiB and more may do nothing; none is issued */
    bool small_va;      /* FEAT_TTST: T0SZ up to 48 */
    bool idc, dic;      /* CTR_EL0: no clean / no invalidate needed for instruction fetch */
    uint8_t dline_log2; /* smallest data cache line, log2 bytes */
    uint8_t iline_log2;
};

/* Decodes one CPU's registers. Values that the Arm ARM reserves count as the feature's absence, a reserved PARange as
 * 32 bits; 56 bits count as the 52 that these descriptors can hold. repeat_tlbi and short_ranges are off: MIDR_EL1 or the
 * user decides, the caller sets them. Never fails. */
void s2_caps_decode(const struct s2_idregs *regs, struct s2_caps *out);
/* *into becomes what both can do (and the errata of either). */
void s2_caps_meet(struct s2_caps *into, const struct s2_caps *other);
/* Would meeting `late` lower `have`? (A CPU that comes late and would is refused.) `what` names the first such field. */
bool s2_caps_lowers(const struct s2_caps *have, const struct s2_caps *late, const char **what);
/* Masks features by name, as a boot argument gives them: "tlbirange,ttl,bbm,fwb,xnx,hafdbs,vmid16,cnp,lpa2". Returns
 * the first unknown word's offset, or -1. */
long s2_caps_mask(struct s2_caps *caps, const char *list);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include <cpu/serror.h>

/* ESR_ELx.ISS of an SError (Arm ARM D19.2.37) */
#define ISS_IDS           (UINT64_C(1) << 24) /* the rest is implementation defined */
#define ISS_AET(esr)      ((esr) >> 10 & 7u)
#define ISS_SET(esr)      ((esr) >> 11 & 3u)
#define ISS_DFSC          0x3fu
#define DFSC_ASYNC        0x11u /* AET says how bad; other codes: uncategorized */
#define DFSC_ACCESS       0x10u /* SET says how bad, 0 without FEAT_RAS */
#define DFSC_PARITY       0x18u
#define SET_UNCONTAINABLE 2u

enum { AET_UNCONTAINABLE = 0, AET_UNRECOVERABLE = 1, AET_RESTARTABLE = 2, AET_RECOVERABLE = 3, AET_CORRECTED = 6 };

enum serror_blame serror_blame(uint64_t esr)
{
    if ((esr & ISS_IDS) != 0 || (esr & ISS_DFSC) != DFSC_ASYNC)
        return SERROR_GUEST;
    switch (ISS_AET(esr)) {
    case AET_CORRECTED:
    case AET_RESTARTABLE:
        return SERROR_NOBODY;
    case AET_RECOVERABLE:
        return SERROR_GUEST;
    case AET_UNRECOVERABLE:
        return SERROR_VM;
    case AET_UNCONTAINABLE:
    default:
        return SERROR_HYPERVISOR;
    }
}

enum serror_blame abort_blame(uint64_t esr)
{
    uint64_t code = esr & ISS_DFSC;
    if (code == DFSC_ACCESS)
        return ISS_SET(esr) == SET_UNCONTAINABLE ? SERROR_HYPERVISOR : SERROR_GUEST;
    /* All others are on a walk. Of stage 2, or with HCR_EL2.TEA of stage 1: nothing tells them apart, and an abort told to
     * the guest would not mend our tables. */
    return code == DFSC_PARITY ? SERROR_GUEST : SERROR_VM;
}

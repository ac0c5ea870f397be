/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Whose trouble an SError is that was taken while a guest ran, or was pending when it was left. Plain logic. */
#ifndef CPU_SERROR_H
#define CPU_SERROR_H

#include <stdint.h>

enum serror_blame {
    SERROR_NOBODY,     /* corrected: carry on */
    SERROR_GUEST,      /* contained, the guest can be told: inject_serror */
    SERROR_VM,         /* the state of the vCPU is lost: stop the VM */
    SERROR_HYPERVISOR, /* not contained: stop the machine */
};

/* esr: ESR_EL2 of the SError. Without FEAT_RAS, or with a syndrome that is implementation defined, nothing says how bad
 * it is; it came from what the guest did. */
enum serror_blame serror_blame(uint64_t esr);
/* The same of a synchronous external abort that a guest's access or fetch met. */
enum serror_blame abort_blame(uint64_t esr);

#endif

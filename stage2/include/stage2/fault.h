/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Stage-2 faults: what the syndrome says, and what is to be done. */
#ifndef STAGE2_FAULT_H
#define STAGE2_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include <stage2/addr.h>
#include <stage2/area.h>
#include <stage2/port_types.h>

/* As read on the exit. */
struct s2_syndrome {
    uint64_t esr, far, hpfar;
};

enum s2_fault_kind {
    S2_FAULT_TRANSLATION,
    S2_FAULT_PERMISSION,
    S2_FAULT_ACCESS_FLAG,
    S2_FAULT_ADDRESS_SIZE,
    S2_FAULT_TLB_CONFLICT, /* DFSC 0b110000: local VMALLS12E1 and retry, also with FEAT_BBM */
    S2_FAULT_ATOMIC,       /* unsupported atomic, 0b110101 */
    S2_FAULT_EXTERNAL,     /* synchronous external abort, on the access or on a walk: not a memory map's business */
    S2_FAULT_OTHER,
};
enum s2_access { S2_ACCESS_READ, S2_ACCESS_WRITE, S2_ACCESS_EXEC };

struct s2_fault {
    enum s2_fault_kind kind;
    enum s2_access access;
    int8_t level;
    bool on_walk;        /* while walking the guest's stage 1 (S1PTW) */
    bool user;           /* taken from EL0: the caller sets it from SPSR_EL2 */
    bool has_ipa, retry; /* retry: AT failed because the guest changed its stage 1 meanwhile */
    s2_ipa ipa;          /* byte address when the offset is known */
    uint64_t va;
    bool isv; /* the access is described: */
    bool sign_extend, reg64, acquire;
    bool maintenance; /* a cache maintenance instruction: counts as a read, and nothing is to be emulated */
    uint8_t size_log2, reg;
};

/* Decodes a Data or Instruction Abort from a lower EL. HPFAR_EL2 is used only where the Arm ARM says it is valid
 * (architecture rule 1); else the IPA comes from AT S1E1R, which finds every page that a guest without FEAT_S1PIE can map
 * (the caller hides that feature). FnV: no address, has_ipa false. Never fails. */
void s2_fault_decode(struct s2_port *port, const struct s2_syndrome *syn, bool user, struct s2_fault *out);
/* "write to unmapped memory", ... for reports. */
const char *s2_fault_phrase(const struct s2_fault *fault);

enum s2_answer {
    S2_RETRY,         /* run the vCPU again */
    S2_RETRY_FLUSHED, /* the same, a stale local translation was flushed */
    S2_EMULATE,       /* an emulated area: out->area, out->offset */
    S2_NEED_REFILL,   /* s2_cache_refill, then again */
    S2_VIOLATION,     /* by the VM's policy: stop or inject; out says why */
};
enum s2_violation {
    S2_NO_VIOLATION,
    S2_NO_AREA,       /* below the IPA limit, in no area */
    S2_BEYOND_IPA,    /* above the IPA limit */
    S2_NO_PERMISSION, /* the area does not allow that access */
    S2_NO_MEMORY,     /* overcommitted, and nothing is left */
    S2_NO_SYNDROME,   /* an emulated area, and the access cannot be (ISV = 0) */
    S2_NOT_OURS,      /* external abort, atomic to memory that has none, ... */
    S2_STUCK,         /* no progress after S2_FAULT_REPEATS retries at one address */
};
#define S2_FAULT_REPEATS 64u

struct s2_fault_result {
    struct s2_area area; /* of the address, when has_area */
    bool has_area;
    uint64_t offset; /* EMULATE: ipa - area.range.start */
    enum s2_violation why;
};
const char *s2_violation_phrase(enum s2_violation why);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* From syndrome registers to what happened (Arm ARM D24.2.40 ESR_EL2, D24.2.76 HPFAR_EL2). */
#include <stage2/fault.h>

#include "base/bits.h"
#include "base/words.h"

#include <s2_port.h>

/* ESR_EL2 */
enum { ESR_EC_HIGH = 31, ESR_EC_LOW = 26, EC_INSTRUCTION_ABORT_LOWER = 0x20 };
#define ESR_ISV   (1ull << 24)
#define ESR_SSE   (1ull << 21)
#define ESR_SF    (1ull << 15)
#define ESR_AR    (1ull << 14)
#define ESR_FNV   (1ull << 10)
#define ESR_CM    (1ull << 8)
#define ESR_S1PTW (1ull << 7)
#define ESR_WNR   (1ull << 6)
enum { ESR_SAS_HIGH = 23, ESR_SAS_LOW = 22, ESR_SRT_HIGH = 20, ESR_SRT_LOW = 16, ESR_FSC_HIGH = 5, ESR_FSC_LOW = 0 };

/* Fault status codes. Those of a level come in fours, level in the low bits; level -1 has codes of its own (rule 2). */
enum {
    FSC_ADDRESS_SIZE = 0x00,
    FSC_TRANSLATION = 0x04,
    FSC_ACCESS_FLAG = 0x08,
    FSC_PERMISSION = 0x0c,
    FSC_EXTERNAL = 0x10,
    FSC_EXTERNAL_WALK_MINUS_1 = 0x13,
    FSC_EXTERNAL_WALK = 0x14,
    FSC_PARITY = 0x18,
    FSC_PARITY_WALK_MINUS_1 = 0x1b,
    FSC_PARITY_WALK = 0x1c,
    FSC_ADDRESS_SIZE_MINUS_1 = 0x29,
    FSC_TRANSLATION_MINUS_1 = 0x2b,
    FSC_TLB_CONFLICT = 0x30,
    FSC_UNSUPPORTED_ATOMIC = 0x35,
    FSC_LEVEL_MASK = 3,
};

/* HPFAR_EL2.FIPA, bits [43:4], holds IPA[51:12]. */
enum { FIPA_HIGH = 43, FIPA_LOW = 4, PAGE_LOG2 = 12 };
/* PAR_EL1 */
#define PAR_F (1ull << 0)
enum { PAR_PA_HIGH = 51, PAR_PA_LOW = 12 };

static void classify(unsigned fsc, struct s2_fault *out)
{
    static const uint8_t of_a_level[] = {S2_FAULT_ADDRESS_SIZE, S2_FAULT_TRANSLATION, S2_FAULT_ACCESS_FLAG,
                                         S2_FAULT_PERMISSION};
    unsigned group = fsc & ~(unsigned)FSC_LEVEL_MASK;

    out->level = (int8_t)(fsc & FSC_LEVEL_MASK);
    if (fsc < FSC_EXTERNAL) {
        out->kind = (enum s2_fault_kind)of_a_level[fsc / (FSC_LEVEL_MASK + 1)];
        return;
    }
    out->kind = S2_FAULT_EXTERNAL;
    if (group == FSC_EXTERNAL_WALK || group == FSC_PARITY_WALK)
        return;
    out->level = -1;
    switch (fsc) {
    case FSC_ADDRESS_SIZE_MINUS_1:
        out->kind = S2_FAULT_ADDRESS_SIZE;
        break;
    case FSC_TRANSLATION_MINUS_1:
        out->kind = S2_FAULT_TRANSLATION;
        break;
    case FSC_TLB_CONFLICT:
        out->kind = S2_FAULT_TLB_CONFLICT;
        break;
    case FSC_UNSUPPORTED_ATOMIC:
        out->kind = S2_FAULT_ATOMIC;
        break;
    case FSC_EXTERNAL:
    case FSC_EXTERNAL_WALK_MINUS_1:
    case FSC_PARITY:
    case FSC_PARITY_WALK_MINUS_1:
        break;
    default:
        out->kind = S2_FAULT_OTHER;
    }
}

/* On a walk of the guest's stage 1, WnR speaks of the instruction. The walker reads descriptors; it writes one (access
 * flag, dirty state) only after it read it, so its permission faults are of the write. Cache maintenance reports itself
 * as a write and changes nothing. */
static enum s2_access access_of(uint64_t esr, const struct s2_fault *f)
{
    if (f->on_walk)
        return f->kind == S2_FAULT_PERMISSION ? S2_ACCESS_WRITE : S2_ACCESS_READ;
    if (s2_bits_get(esr, ESR_EC_HIGH, ESR_EC_LOW) == EC_INSTRUCTION_ABORT_LOWER)
        return S2_ACCESS_EXEC;
    return esr & ESR_WNR && !f->maintenance ? S2_ACCESS_WRITE : S2_ACCESS_READ;
}

/* HPFAR_EL2 is UNKNOWN after a permission fault that was not taken on a walk (rule 1), and for what is not a fault of
 * the memory map at all. */
static bool hpfar_valid(const struct s2_fault *f)
{
    switch (f->kind) {
    case S2_FAULT_TRANSLATION:
    case S2_FAULT_ACCESS_FLAG:
    case S2_FAULT_ADDRESS_SIZE:
        return true;
    case S2_FAULT_PERMISSION:
        return f->on_walk;
    case S2_FAULT_TLB_CONFLICT:
    case S2_FAULT_ATOMIC:
    case S2_FAULT_EXTERNAL:
    case S2_FAULT_OTHER:
        break;
    }
    return false;
}

static void find_ipa(struct s2_port *port, const struct s2_syndrome *syn, struct s2_fault *out)
{
    uint64_t in_page = out->va & ((1ull << PAGE_LOG2) - 1), par;

    if (hpfar_valid(out)) {
        /* On a walk FAR_EL2 is the address that was being translated, not the descriptor's. */
        out->ipa.v = s2_bits_get(syn->hpfar, FIPA_HIGH, FIPA_LOW) << PAGE_LOG2 | (out->on_walk ? 0 : in_page);
        out->has_ipa = true;
        return;
    }
    if (out->kind != S2_FAULT_PERMISSION)
        return;
    /* As a read by EL1, whoever made the access and whatever it was: no AP encoding forbids that, so that AT tells also of a
     * page that EL0 may only execute (D8.4; PAN does not count, FEAT_S1PIE is no guest's). */
    par = s2_port_at_s1(port, out->va, false, false);
    if (par & PAR_F) {
        out->retry = true; /* the guest changed its stage 1 meanwhile: it will fault again, or not */
        return;
    }
    out->ipa.v = (par & s2_bits_mask(PAR_PA_HIGH, PAR_PA_LOW)) | in_page;
    out->has_ipa = true;
}

void s2_fault_decode(struct s2_port *port, const struct s2_syndrome *syn, bool user, struct s2_fault *out)
{
    uint64_t esr = syn->esr;
    bool data = s2_bits_get(esr, ESR_EC_HIGH, ESR_EC_LOW) != EC_INSTRUCTION_ABORT_LOWER;

    *out = (struct s2_fault){.user = user, .ipa = S2_IPA_NONE, .va = syn->far};
    classify((unsigned)s2_bits_get(esr, ESR_FSC_HIGH, ESR_FSC_LOW), out);
    out->on_walk = esr & ESR_S1PTW;
    out->maintenance = data && (esr & ESR_CM);
    out->access = access_of(esr, out);
    out->isv = data && (esr & ESR_ISV) && !out->on_walk;
    if (out->isv) {
        out->size_log2 = (uint8_t)s2_bits_get(esr, ESR_SAS_HIGH, ESR_SAS_LOW);
        out->reg = (uint8_t)s2_bits_get(esr, ESR_SRT_HIGH, ESR_SRT_LOW);
        out->sign_extend = esr & ESR_SSE;
        out->reg64 = esr & ESR_SF;
        out->acquire = esr & ESR_AR;
    }
    /* FnV is defined for external aborts only (RES0 otherwise), which have no IPA anyway. */
    if (esr & ESR_FNV && out->kind == S2_FAULT_EXTERNAL)
        out->va = 0;
    else
        find_ipa(port, syn, out);
}

const char *s2_fault_phrase(const struct s2_fault *f)
{
    /* clang-format off */
    static const char phrases[] = /* of a read, a write and a fetch, in the order of enum s2_fault_kind */
        "read of unmapped memory\0" "write to unmapped memory\0"
        "instruction fetch from unmapped memory\0"
        "read of memory that may not be read\0" "write to memory that may not be written\0"
        "instruction fetch from memory that may not be executed\0"
        "read of memory without access flag\0" "write to memory without access flag\0"
        "instruction fetch from memory without access flag\0"
        "read beyond the guest's physical address size\0" "write beyond the guest's physical address size\0"
        "instruction fetch beyond the guest's physical address size\0"
        "TLB conflict on a read\0" "TLB conflict on a write\0"
        "TLB conflict on an instruction fetch\0"
        "\0" "\0" "\0" /* atomic, see below */
        "external abort on a read\0" "external abort on a write\0"
        "external abort on an instruction fetch\0"
        "fault of another kind on a read\0" "fault of another kind on a write\0"
        "fault of another kind on an instruction fetch";
    /* clang-format on */
    enum { ACCESSES = S2_ACCESS_EXEC + 1 };

    if (f->kind == S2_FAULT_ATOMIC)
        return "atomic access to memory that has none";
    return s2_word(phrases, (unsigned)f->kind * ACCESSES + (unsigned)f->access);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the Arm ARM (DDI 0487) says of the stage-2 regime: VTTBR_EL2, VTCR_EL2 and descriptors. Written from its tables
 * alone; nothing of stage2/table is used here, so that one mistake is not made twice. */
#ifndef MODEL_ARCH_H
#define MODEL_ARCH_H

#include <stdbool.h>
#include <stdint.h>

#include <stage2/caps.h>

#define ARCH_LAST_LEVEL  3
#define ARCH_FIRST_LEVEL (-1)
#define ARCH_ROOTS_MAX   16u
#define ARCH_RUN_MAX     128u

struct arch_machine {
    struct s2_caps caps;
    bool fwb; /* HCR_EL2.FWB */
    /* Faults keep track of accesses, of writes, where hardware does not: leaves without AF, DBM without HD are meant so. */
    bool soft_access, soft_dirty;
};

struct arch_regime {
    uint64_t root;
    uint16_t vmid;
    unsigned granule, stride; /* log2 bytes of a page; index bits of a level */
    unsigned ipa_bits, pa_bits;
    int start;
    unsigned roots;
    bool ds, ha, hd;
    bool wide64; /* 64K descriptors with OA[51:48] in [15:12] */
};

/* Null when the pair is legal on this machine, else what is wrong with it. */
const char *arch_regime(const struct arch_machine *machine, uint64_t vttbr, uint64_t vtcr, struct arch_regime *out);

static inline unsigned arch_shift(const struct arch_regime *r, int level)
{
    return r->granule + (unsigned)(ARCH_LAST_LEVEL - level) * r->stride;
}

enum arch_kind { ARCH_INVALID, ARCH_TABLE, ARCH_LEAF };

struct arch_desc {
    enum arch_kind kind;
    uint64_t out;                   /* output address, or that of the next table */
    bool read, write, x_el1, x_el0; /* write: also when HD may make it so */
    bool write_now;                 /* S2AP[1] itself */
    unsigned memattr, sh;
    bool af, contiguous, dbm, nt;
};

struct arch_desc arch_decode(const struct arch_machine *machine, const struct arch_regime *r, int level, uint64_t desc);
/* Null when a valid descriptor at that level obeys the rules, else which it breaks. Invalid ones always do. */
const char *arch_malformed(const struct arch_machine *machine, const struct arch_regime *r, int level, uint64_t desc);
bool arch_valid(int level, uint64_t desc);
/* How many members a run with the Contiguous bit has at that level; 0: the bit is not allowed there, or the run would exceed
 * the input size. */
unsigned arch_run(const struct arch_regime *r, int level);
static inline uint64_t arch_run_bytes(const struct arch_regime *r, int level)
{
    return (uint64_t)arch_run(r, level) << arch_shift(r, level);
}

/* How a live leaf may differ from the one it replaces. */
enum arch_change {
    ARCH_SAME,    /* no translation differs: access flag, software bits */
    ARCH_RELAX,   /* more is allowed, nothing else differs */
    ARCH_TIGHTEN, /* permissions differ otherwise */
    ARCH_REPLACE, /* needs break-before-make (D8.16.1) */
};
enum arch_change arch_compare(const struct arch_desc *was, const struct arch_desc *now);
/* Does an older copy hide accesses or writes that the new descriptor is to tell of: the access flag or the dirty state went? */
bool arch_forgets(const struct arch_regime *r, const struct arch_desc *was, const struct arch_desc *now);

#endif

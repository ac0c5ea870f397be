/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The shape of a space's tables, computed at run time: granule, IPA size, start level, concatenation, VTCR_EL2. */
#ifndef STAGE2_GEOMETRY_H
#define STAGE2_GEOMETRY_H

#include <stdbool.h>
#include <stdint.h>

#include <stage2/addr.h>
#include <stage2/caps.h>
#include <stage2/error.h>

enum s2_granule { S2_4K = 12, S2_16K = 14, S2_64K = 16 }; /* log2 bytes */

struct s2_geometry {
    uint8_t granule_log2; /* enum s2_granule */
    uint8_t ipa_bits;     /* 16..52 */
    uint8_t pa_bits;      /* output address bits that a descriptor of this space may carry */
    int8_t start_level;   /* -1..3, as the Arm ARM counts */
    int8_t block_level;   /* L: the lowest level number at which leaves may be blocks; 3: pages only */
    uint8_t stride;       /* index bits per level: granule_log2 - 3 */
    uint16_t roots;       /* concatenated root tables: 1, 2, 4, 8, 16 */
    /* By level + 1: log2 of the bytes that an entry covers; and of the leaves in a contiguous run (D8.7.1), 0 where the
     * Contiguous bit is not used. */
    uint8_t shift[5], run_log2[5];
    bool ds;           /* VTCR_EL2.DS: 52-bit descriptors of 4K and 16K granules (FEAT_LPA2) */
    bool track_access; /* leaves that no fault installs begin with AF = 0; the CPU sets it (HA), or a fault does */
    bool track_dirty;  /* writable leaves begin clean; the CPU marks them (HD), or a fault does */
    uint64_t vtcr;     /* the value for VTCR_EL2, VS and HA/HD included */
};

struct s2_geometry_request {
    enum s2_granule granule;
    uint8_t ipa_bits;
    uint8_t most_roots; /* root tables to concatenate at most: 1, 2, 4, 8, 16; 0: as many as help (16) */
    /* 52-bit descriptors (DS) also where the IPA size does not ask for them, for outputs above 48 bits. At 64K, which has those
     * without DS, nothing. */
    bool wide;
    bool no_runs;            /* never the Contiguous bit */
    bool access_flag, dirty; /* track accesses, writes: by the CPU where it can (HAFDBS), else by faults */
};

/* Chooses the highest start level number that concatenation within most_roots allows, on a CPU with these capabilities
 * (D8.2). S2_EUNSUP: a CPU lacks the granule, the size, 52-bit descriptors or the start level that so few roots would need, with
 * detail->what saying which and found_end holding the largest IPA size that this granule can have, in bits (0: none);
 * S2_EINVAL: not a size, a granule or a number of roots that exists. Never fails otherwise. */
S2_NODISCARD enum s2_err s2_geometry_make(const struct s2_caps *caps, const struct s2_geometry_request *req,
                                          struct s2_geometry *out, struct s2_detail *d);

/* log2 of the bytes that one entry at `level` covers. */
static inline unsigned s2_level_shift(const struct s2_geometry *g, int level)
{
    return g->shift[level + 1];
}
static inline uint64_t s2_granule_bytes(const struct s2_geometry *g)
{
    return 1ull << g->granule_log2;
}
static inline uint64_t s2_ipa_limit(const struct s2_geometry *g)
{
    return 1ull << g->ipa_bits;
}

#endif

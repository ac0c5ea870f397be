/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The rule that says from the design's table what an edit may cost. It is given what changes, in bytes and levels, and knows
 * nothing of the engine; every kind of TLBI and of barrier has to have its number. */
#ifndef BUDGET_H
#define BUDGET_H

#define DRIVER all_combinations
#include "shapes.h"

/* --- the rule -------------------------------------------------------------------------------------------------------- */

/* A flush of leaves in [start, start + bytes): all of one level, or MIXED. */
struct flush {
    uint64_t start, bytes;
    int level;
    unsigned how;
};
enum {
    TABLES = 1, /* some went */
    LOCAL = 2,  /* for this CPU only */
    MAKE = 4,   /* what was broken, or comes in its place, is made afterwards */
};

/* A change of size alone is broken first, but at FEAT_BBM level 2 (rule 12) where only software writes (rule 13). */
static inline bool size_breaks(void)
{
    return now->bbm < 2 || now->hardware;
}

static inline bool hinted(const struct flush *f)
{
    return now->ttl && f->level != MIXED && !(f->how & TABLES); /* T2 */
}

/* One range operation reaches 2^21 pages, in units of 2^1, 2^6, 2^11, 2^16 (C5.5.22). At 4K with DS none whose base is not
 * aligned to level 0 where no level is given: there the texts disagree (rule 7), and the whole VMID is right. */
static inline bool has_range(const struct flush *f)
{
    uint64_t unit = 2 * PAGE;

    while (f->bytes > 32 * unit && unit < PAGE << 16)
        unit <<= 5;
    if (f->bytes > 32 * unit)
        return false;
    if (more.short_ranges && (f->bytes + unit - 1) / unit * unit >= 4 * GIB) /* rule 10 */
        return false;
    return !(now->shape->ds && now->shape->granule_log2 == 12 && (!hinted(f) || f->level == 0) &&
             f->start % (512 * GIB));
}

static inline void same(const char *what, unsigned i, uint64_t got, uint64_t want)
{
    if (got != want)
        fail_msg("%s: %s %u: %llu, expected %llu", now->name, what, i, (unsigned long long)got,
                 (unsigned long long)want);
}

/* Exactly these invalidations, by kind, and exactly these barriers. */
static inline void issued(const uint64_t tlbi[S2_TLBI_ALLE1 + 1], const uint64_t dsb[S2_ISB], uint64_t hints)
{
    for (unsigned i = 0; i <= S2_TLBI_ALLE1; i++)
        same("TLBI of kind", i, m->count.tlbi[i], tlbi[i]);
    for (unsigned i = 0; i < S2_ISB; i++)
        same("barriers of kind", i, m->count.barrier[i], dsb[i]);
    same("level hints", 0, m->count.hints, hints);
}

/* So many DSB ISHST and nothing else. */
static inline void barriers(uint64_t n)
{
    const uint64_t tlbi[S2_TLBI_ALLE1 + 1] = {0}, dsb[S2_ISB] = {[S2_DSB_ISHST] = n};

    issued(tlbi, dsb, 0);
    same("contexts loaded", 0, m->count.contexts, 0);
}
static inline void nothing(void)
{
    barriers(0);
}

static inline void flushed(uint64_t start, uint64_t bytes, int level, unsigned how)
{
    const struct flush f = {start, bytes, level, how};
    const bool tables = how & TABLES, local = how & LOCAL, make = how & MAKE;
    const uint64_t leaves = bytes / leaf_bytes(level == MIXED ? 3 : level), times = more.repeat ? 2 : 1;
    const bool range = leaves > 1 && now->range && has_range(&f);
    const bool each = leaves == 1 || (!now->range && leaves <= 8);
    const enum s2_barrier done_by = local ? S2_DSB_NSH : S2_DSB_ISH;
    uint64_t tlbi[S2_TLBI_ALLE1 + 1] = {0}, dsb[S2_ISB] = {0}, hints = 0;

    dsb[now->place == LOADED ? S2_DSB_ISHST : S2_DSB_ISH]++; /* T5 */
    if (range || each) {
        enum s2_tlbi ipa = tables ? S2_TLBI_IPAS2E1IS : S2_TLBI_IPAS2LE1IS;

        if (range)
            ipa = tables ? S2_TLBI_RIPAS2E1IS : S2_TLBI_RIPAS2LE1IS;
        tlbi[local ? (int)ipa + (S2_TLBI_IPAS2E1 - S2_TLBI_IPAS2E1IS) : (int)ipa] = times * (range ? 1 : leaves);
        tlbi[local ? S2_TLBI_VMALLE1 : S2_TLBI_VMALLE1IS] = times;
        dsb[done_by] += 2 * times;
        if (hinted(&f) && !(range && level == 0)) /* a range has no hint for level 0 */
            hints = times * (range ? 1 : leaves);
    } else {
        tlbi[local ? S2_TLBI_VMALLS12E1 : S2_TLBI_VMALLS12E1IS] = times;
        dsb[done_by] += times;
    }
    if (make)
        dsb[S2_DSB_ISHST]++;
    issued(tlbi, dsb, hints);
    same("contexts loaded", 0, m->count.contexts, now->place == LOADED ? 0 : 2);
    /* The design's table. */
    assert_true(model_tlbis(m) <= (now->range || leaves == 1 ? 2 : 9) * times);
    assert_true(model_dsbs(m) <= 3 + (times - 1) * 2 + make);
}

#endif

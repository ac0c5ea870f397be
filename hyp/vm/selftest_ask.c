/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Asks the CPU's own walker about one address of a scratch space, and compares its answers with what was asked for and with what the
 * space says of itself. */
#ifdef CONFIG_SELFTEST_GEOMETRY

#include <boot/print.h>

#include "vm/at.h"
#include "vm/selftest_geometry.h"

#define PAR_STAGE2     (1ull << 9)
#define PAR_FST_SHIFT  1u
#define PAR_FST_MASK   0x3full
#define PAR_ATTR_SHIFT 56u

enum {
    FST_TRANSLATION = 0x04, /* + level (D24.2.122) */
    FST_ACCESS_FLAG = 0x08,
    FST_PERMISSION = 0x0c,
    FST_TRANSLATION_MINUS_1 = 0x2b,
    REPORTED = 20, /* differences that are printed one by one */
};

static bool faults(uint64_t par, unsigned fst)
{
    return (par & PAR_FAULT) != 0 && (par & PAR_STAGE2) != 0 && (par >> PAR_FST_SHIFT & PAR_FST_MASK) == fst;
}

static bool translates(uint64_t par, uint64_t pa, uint32_t attr)
{
    static const uint8_t types[] = {[S2_MT_NORMAL_WB >> S2_MT_SHIFT] = 0xff,
                                    [S2_MT_NORMAL_NC >> S2_MT_SHIFT] = 0x44,
                                    [S2_MT_DEV_nGnRE >> S2_MT_SHIFT] = 0x04};
    return (par & PAR_FAULT) == 0 && (par & PAR_ADDRESS) == pa &&
           par >> PAR_ATTR_SHIFT == types[(attr & S2_MT_MASK) >> S2_MT_SHIFT];
}

void scratch_differs(struct scratch *s, uint64_t ipa, const char *what, uint64_t par)
{
    s->differ++;
    if (s->reported++ < REPORTED)
        print("bulkhead: geometry: 0x%lx %s, PAR_EL1 0x%lx\n", (unsigned long)ipa, what, (unsigned long)par);
}

/* What the CPU says once what it does not track by itself was tracked for it, as after the fault of a guest. */
static uint64_t ask_tracked(struct scratch *s, uint64_t ipa, bool write, int level)
{
    uint64_t par = at_ask(ipa, write);
    struct s2_fault f = {.access = write ? S2_ACCESS_WRITE : S2_ACCESS_READ, .has_ipa = true, .ipa = S2_IPA(ipa)};
    struct s2_fault_result r;
    if (s->geo.track_access && !s->caps.haf && faults(par, FST_ACCESS_FLAG + (unsigned)level))
        f.kind = S2_FAULT_ACCESS_FLAG;
    else if (s->geo.track_dirty && !s->caps.hdbs && write && faults(par, FST_PERMISSION + (unsigned)level))
        f.kind = S2_FAULT_PERMISSION;
    else
        return par;
    f.level = (int8_t)level;
    enum s2_answer answer = s2_space_fault(&s->space, &s->cache, &f, &r);
    return answer == S2_RETRY || answer == S2_RETRY_FLUSHED ? at_ask(ipa, write) : par;
}

void scratch_expect_leaf(struct scratch *s, uint64_t ipa, const struct piece *p, int level)
{
    uint64_t pa = ipa ^ s->flip;
    bool writable = (p->attr & S2_W) != 0;
    struct s2_leaf leaf;
    s->asked++;
    if (!s2_space_translate(&s->space, S2_IPA(ipa), &leaf) || leaf.pa.v + (ipa - leaf.range.start.v) != pa) {
        scratch_differs(s, ipa, "is translated otherwise by the space", at_ask(ipa, false));
        return;
    }
    uint64_t read = ask_tracked(s, ipa, false, leaf.level), write = at_ask(ipa, true);
    if (writable)
        write = ask_tracked(s, ipa, true, leaf.level);
    if (level != SCRATCH_ANY_LEVEL && (leaf.level != level || leaf.contiguous != p->run))
        scratch_differs(s, ipa, "lies in a leaf of another kind", (uint64_t)leaf.level);
    else if (!translates(read, pa, p->attr))
        scratch_differs(s, ipa, "is not read where it should be", read);
    else if (writable ? !translates(write, pa, p->attr) : !faults(write, FST_PERMISSION + (unsigned)leaf.level))
        scratch_differs(s, ipa, writable ? "is not written where it is read" : "is not write-protected at its level",
                        write);
}

void scratch_expect_hole(struct scratch *s, uint64_t ipa)
{
    struct s2_walk_step steps[5];
    struct s2_leaf leaf;
    unsigned n = s2_space_walk(&s->space, S2_IPA(ipa), steps);
    int level = n == 0 ? SCRATCH_ANY_LEVEL : steps[n - 1].level;
    unsigned fst = level < 0 ? FST_TRANSLATION_MINUS_1 : FST_TRANSLATION + (unsigned)level;
    uint64_t read = at_ask(ipa, false), write = at_ask(ipa, true);
    s->asked++;
    if (s2_space_translate(&s->space, S2_IPA(ipa), &leaf))
        scratch_differs(s, ipa, "is translated by the space, and is nothing", read);
    else if (level == SCRATCH_ANY_LEVEL ? (read & write & PAR_FAULT) == 0 : !faults(read, fst) || !faults(write, fst))
        scratch_differs(s, ipa, "should be no translation at its level", read);
}

static const struct piece *piece_at(const struct scratch *s, uint64_t ipa)
{
    for (unsigned i = 0; i < s->pieces; i++)
        if (ipa >= s->piece[i].ipa && ipa - s->piece[i].ipa < s->piece[i].bytes)
            return &s->piece[i];
    return NULL;
}

void scratch_expect_any(struct scratch *s, uint64_t ipa)
{
    const struct piece *p = piece_at(s, ipa);
    if (p != NULL)
        scratch_expect_leaf(s, ipa, p, p->level);
    else
        scratch_expect_hole(s, ipa);
}

#else
typedef int selftest_ask_is_off; /* ISO C wants something in every file */
#endif

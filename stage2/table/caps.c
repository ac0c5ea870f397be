/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Capabilities: from ID registers, their minimum, and masks by name. */
#include <stage2/caps.h>

#include <stddef.h>

#include "base/bits.h"
#include "base/words.h"

static unsigned field(uint64_t reg, unsigned low)
{
    return (unsigned)s2_bits_get(reg, low + 3, low);
}

/* ID fields whose values up to `known` are defined, each including the ones below; the rest is reserved. */
static unsigned level(uint64_t reg, unsigned low, unsigned known)
{
    unsigned value = field(reg, low);

    return value <= known ? value : 0;
}

/* ID_AA64MMFR0_EL1.PARange. Value 7 is 56 bits, of which VMSAv8-64 descriptors hold 52. */
static uint8_t pa_bits(uint64_t mmfr0)
{
    static const uint8_t bits[] = {32, 36, 40, 42, 44, 48, 52, 52};
    unsigned value = field(mmfr0, 0);

    return value < sizeof bits ? bits[value] : bits[0];
}

/* How one granule is told: TGran*_2 for stage 2, where 0 says "as stage 1" and the stage-1 field answers. */
struct granule_fields {
    uint8_t stage1, stage2;          /* low bit of the fields in ID_AA64MMFR0_EL1 */
    uint8_t stage1_plain, stage1_52; /* their values for "supported", "with 52 bits" */
    bool has_52;
};

static void granule(uint64_t mmfr0, const struct granule_fields *f, bool *usable, bool *lpa2)
{
    enum { AS_STAGE1 = 0, SUPPORTED = 2, WITH_52 = 3 };
    unsigned s2 = field(mmfr0, f->stage2), s1 = field(mmfr0, f->stage1);
    bool wide = f->has_52 && (s2 == AS_STAGE1 ? s1 == f->stage1_52 : s2 == WITH_52);

    *usable = wide || (s2 == AS_STAGE1 ? s1 == f->stage1_plain : s2 == SUPPORTED);
    *lpa2 = wide;
}

static void granules(uint64_t mmfr0, struct s2_caps *out)
{
    static const struct granule_fields g4k = {28, 40, 0, 1, true}, g16k = {20, 32, 1, 2, true},
                                       g64k = {24, 36, 0, 0, false};
    bool none;

    granule(mmfr0, &g4k, &out->gran4k, &out->lpa2_4k);
    granule(mmfr0, &g16k, &out->gran16k, &out->lpa2_16k);
    granule(mmfr0, &g64k, &out->gran64k, &none);
}

void s2_caps_decode(const struct s2_idregs *regs, struct s2_caps *out)
{
    enum { WORD_LOG2 = 2, VMID_16 = 2, TLB_RANGE = 2, HAFDBS_DIRTY = 2, HAFDBS_KNOWN = 4 };
    unsigned hafdbs = level(regs->mmfr1, 0, HAFDBS_KNOWN);

    *out = (struct s2_caps){
        .pa_bits = pa_bits(regs->mmfr0),
        .vmid_bits = level(regs->mmfr1, 4, VMID_16) == VMID_16 ? 16 : 8,
        .bbm = (uint8_t)level(regs->mmfr2, 52, 2),
        .tlbirange = level(regs->isar0, 56, TLB_RANGE) == TLB_RANGE,
        .ttl = level(regs->mmfr2, 48, 1),
        .fwb = level(regs->mmfr2, 40, 1),
        .xnx = level(regs->mmfr1, 28, 1),
        .haf = hafdbs > 0,
        .hdbs = hafdbs >= HAFDBS_DIRTY,
        .cnp = level(regs->mmfr2, 0, 1),
        .small_va = level(regs->mmfr2, 28, 1),
        .idc = s2_bits_get(regs->ctr, 28, 28),
        .dic = s2_bits_get(regs->ctr, 29, 29),
        .dline_log2 = (uint8_t)(field(regs->ctr, 16) + WORD_LOG2),
        .iline_log2 = (uint8_t)(field(regs->ctr, 0) + WORD_LOG2),
    };
    granules(regs->mmfr0, out);
}

/* Every capability as data, each a byte of struct s2_caps and in its order: its name and its mask word, or none. */
/* clang-format off */
static const char capabilities[] =
    "pa_bits\0"      "\0"
    "vmid_bits\0"    "vmid16\0"
    "bbm\0"          "bbm\0"
    "gran4k\0"       "\0"
    "gran16k\0"      "\0"
    "gran64k\0"      "\0"
    "lpa2_4k\0"      "lpa2\0"
    "lpa2_16k\0"     "lpa2\0"
    "tlbirange\0"    "tlbirange\0"
    "ttl\0"          "ttl\0"
    "fwb\0"          "fwb\0"
    "xnx\0"          "xnx\0"
    "haf\0"          "hafdbs\0"
    "hdbs\0"         "hafdbs\0"
    "cnp\0"          "cnp\0"
    "repeat_tlbi\0"  "\0"
    "short_ranges\0" "\0"
    "small_va\0"     "\0"
    "idc\0"          "\0"
    "dic\0"          "\0"
    "dline_log2\0"   "\0"
    "iline_log2\0";
/* clang-format on */
enum { CAPABILITIES = sizeof(struct s2_caps), VMID_BITS = offsetof(struct s2_caps, vmid_bits), VMID_BITS_LEAST = 8 };

_Static_assert(sizeof(bool) == 1, "capabilities are single bytes");

static const char *name_of(unsigned capability)
{
    return s2_word(capabilities, 2 * (size_t)capability);
}

static const char *word_of(unsigned capability)
{
    return s2_word(capabilities, 2 * (size_t)capability + 1);
}

/* The least of what CPUs can do, and the errata of any. */
static uint8_t met(unsigned capability, uint8_t a, uint8_t b)
{
    bool erratum =
        capability == offsetof(struct s2_caps, repeat_tlbi) || capability == offsetof(struct s2_caps, short_ranges);

    return erratum == (a > b) ? a : b;
}

void s2_caps_meet(struct s2_caps *into, const struct s2_caps *other)
{
    uint8_t *a = (uint8_t *)into;
    const uint8_t *b = (const uint8_t *)other;

    for (unsigned i = 0; i < CAPABILITIES; i++)
        a[i] = met(i, a[i], b[i]);
}

bool s2_caps_lowers(const struct s2_caps *have, const struct s2_caps *late, const char **what)
{
    const uint8_t *a = (const uint8_t *)have, *b = (const uint8_t *)late;

    for (unsigned i = 0; i < CAPABILITIES; i++)
        if (met(i, a[i], b[i]) != a[i]) {
            *what = name_of(i);
            return true;
        }
    return false;
}

static bool same_word(const char *word, const char *text, size_t n)
{
    size_t i = 0;

    while (i < n && word[i] && word[i] == text[i])
        i++;
    return i == n && !word[i];
}

static bool mask_word(struct s2_caps *caps, const char *text, size_t n)
{
    uint8_t *values = (uint8_t *)caps;
    bool known = false;

    for (unsigned i = 0; i < CAPABILITIES && n > 0; i++) {
        if (!same_word(word_of(i), text, n))
            continue;
        known = true;
        values[i] = met(i, values[i], i == VMID_BITS ? VMID_BITS_LEAST : 0);
    }
    return known;
}

long s2_caps_mask(struct s2_caps *caps, const char *list)
{
    size_t at = 0;

    while (list[at]) {
        size_t n = 0;

        while (list[at + n] && list[at + n] != ',')
            n++;
        if (!mask_word(caps, list + at, n))
            return (long)at;
        at += n;
        if (list[at] == ',' && !list[++at])
            return (long)at; /* a comma with no word after it */
    }
    return -1;
}

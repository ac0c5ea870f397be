/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What this CPU can do, and what all of them can. */
#include <string.h>

#include <boot/arm.h>
#include <boot/boot.h>
#include <boot/lock.h>
#include <boot/print.h>
#include <cpu/ids.h>
#include <cpu/internal.h>
#include <sysregs_switch.h>

#define FIELD_MASK  0xfu
#define DFR0_BRPS   12u
#define DFR0_WRPS   20u
#define MASK_OPTION "mask"
#define MASK_LENGTH 128u
#define AFFINITY    UINT64_C(0xff00ffffff)

static struct {
    struct lock lock;
    bool any, fixed;
    struct s2_caps caps;
    struct cpu_ids raw, guest;
    uint64_t features_all, features_any;
} all;

const struct s2_caps *cpu_caps(void)
{
    return &all.caps;
}
const struct cpu_ids *cpu_guest_ids(void)
{
    return &all.guest;
}
uint64_t cpu_features_all(void)
{
    return all.features_all;
}
uint64_t cpu_features_any(void)
{
    return all.features_any;
}

void caps_probe(struct cpu *cpu)
{
    cpu->mpidr = reg_read(mpidr_el1) & AFFINITY;
    cpu->midr = reg_read(midr_el1);
    sysregs_read_ids(&cpu->ids);
    cpu->features = sysregs_features(&cpu->ids);
    uint64_t dfr0 = cpu->ids.reg[IDX_ID_AA64DFR0_EL1];
    cpu->brps = dfr0 >> DFR0_BRPS & FIELD_MASK;
    cpu->wrps = dfr0 >> DFR0_WRPS & FIELD_MASK;
    const struct s2_idregs regs = {
        .mmfr0 = cpu->ids.reg[IDX_ID_AA64MMFR0_EL1],
        .mmfr1 = cpu->ids.reg[IDX_ID_AA64MMFR1_EL1],
        .mmfr2 = cpu->ids.reg[IDX_ID_AA64MMFR2_EL1],
        .mmfr3 = cpu->ids.reg[IDX_ID_AA64MMFR3_EL1],
        .isar0 = cpu->ids.reg[IDX_ID_AA64ISAR0_EL1],
        .ctr = reg_read(ctr_el0),
    };
    s2_caps_decode(&regs, &cpu->caps);
#ifdef CONFIG_REPEAT_TLBI
    cpu->caps.repeat_tlbi = true;
#endif
#ifdef CONFIG_TLBI_SHORT_RANGES
    cpu->caps.short_ranges = true;
#endif
}

bool caps_accept(struct cpu *cpu)
{
    const char *what = NULL;
    lock_take(&all.lock);
    if (all.fixed) {
        struct cpu_ids sum = all.raw;
        bool lowers_ids = ids_meet(&sum, &cpu->ids);
        if (s2_caps_lowers(&all.caps, &cpu->caps, &what))
            cpu->refused = what;
        else if (lowers_ids || (all.features_any | cpu->features) != all.features_any)
            cpu->refused = "its ID registers differ";
    } else if (!all.any) {
        all.any = true;
        all.caps = cpu->caps;
        all.raw = cpu->ids;
        all.features_all = all.features_any = cpu->features;
    } else {
        s2_caps_meet(&all.caps, &cpu->caps);
        (void)ids_meet(&all.raw, &cpu->ids);
        all.features_all &= cpu->features;
        all.features_any |= cpu->features;
    }
    lock_drop(&all.lock);
    return cpu->refused == NULL;
}

static void mask(const char *where, const char *list, size_t bytes)
{
    char text[MASK_LENGTH];
    if (bytes == 0)
        return;
    if (bytes >= sizeof(text)) {
        print("bulkhead: %s: the list of features to mask is too long\n", where);
        return;
    }
    memcpy(text, list, bytes);
    text[bytes] = '\0';
    long unknown = s2_caps_mask(&all.caps, text);
    if (unknown >= 0)
        print("bulkhead: %s: no feature '%s'\n", where, &text[unknown]);
}

void caps_fix(void)
{
    size_t bytes = 0;
    const char *list = boot_option(MASK_OPTION, &bytes);
    lock_take(&all.lock);
    mask("CONFIG_CAPS_MASK", CONFIG_CAPS_MASK, sizeof(CONFIG_CAPS_MASK) - 1);
    if (list != NULL)
        mask("boot argument " MASK_OPTION, list, bytes);
    ids_show(&all.raw, &all.guest);
    all.fixed = true;
    lock_drop(&all.lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Registers that trap, by the rules generated from sysregs.tbl. */
#include <cpu/sysreg.h>

#include <boot/arm.h>
#include <cpu/hooks.h>
#include <cpu/ids.h>
#include <cpu/inject.h>
#include <cpu/internal.h>
#include <sysregs_switch.h>
#define WITH_SYSREG_RULES
#include <sysregs_table.h>

/* One access as ESR_ELx.ISS tells it (Arm ARM D19.2.37, EC 0x18). */
struct access {
    unsigned op1, crm, reg;
    uint16_t key;
    bool read;
};

static struct access decode(uint64_t iss)
{
    unsigned op0 = iss >> 20 & 3, op2 = iss >> 17 & 7, op1 = iss >> 14 & 7, crn = iss >> 10 & 15, crm = iss >> 1 & 15;
    return (struct access){
        .op1 = op1,
        .crm = crm,
        .reg = iss >> 5 & 31,
        .key = (uint16_t)(op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2),
        .read = (iss & 1) != 0,
    };
}

/* Break- and watchpoints are runs: CRm is the number. */
static uint16_t first_of_run(uint16_t key)
{
    const uint16_t crm = 15u << 3, op2 = 3, runs = 2u << 14 | 4; /* op0 = 2, op2 = 4 to 7 */
    return (key & ~(crm | op2)) == runs ? key & (uint16_t)~crm : key;
}

static bool is_run(const struct sysreg_rule *rule)
{
    return rule->exists == RULE_BRP || rule->exists == RULE_WRP;
}

static const struct sysreg_rule *find(uint16_t key)
{
    const size_t all = sizeof(sysreg_keys) / sizeof(sysreg_keys[0]);
    size_t low = 0, high = all;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (sysreg_keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < all && sysreg_keys[low] == key ? &sysreg_rules[low] : NULL;
}

/* Does the register exist for guests of this machine? */
static bool exists(const struct sysreg_rule *rule, unsigned number)
{
    uint64_t dfr0 = cpu_guest_ids()->reg[IDX_ID_AA64DFR0_EL1];
    if (rule->exists >= RULE_FEATURE)
        return cpu_features_all() >> (rule->exists - RULE_FEATURE) & 1;
    if (rule->exists == RULE_BRP)
        return number <= (dfr0 >> 12 & 0xf);
    if (rule->exists == RULE_WRP)
        return number <= (dfr0 >> 20 & 0xf);
    return true;
}

static uint64_t read_id(const struct vcpu *v, unsigned index)
{
    uint64_t value = cpu_guest_ids()->reg[index];
    return index == IDX_ID_AA64MMFR0_EL1 ? ids_limit_pa(value, v->space->cfg.geometry.ipa_bits) : value;
}

uint64_t sysreg_id(unsigned crm, unsigned op2)
{
    const struct sysreg_rule *rule = find((uint16_t)(3u << 14 | crm << 3 | op2));
    return rule != NULL && rule->kind == RULE_ID ? cpu_guest_ids()->reg[rule->word] : 0;
}

static bool caches_on(uint64_t sctlr)
{
    return (sctlr & (SCTLR_M | SCTLR_C)) == (SCTLR_M | SCTLR_C);
}

/* A translation register written while HCR_EL2.TVM waits for the caches to be switched (docs/sysregs.md, Set and way). */
static void write_live(struct vcpu *v, unsigned word, uint64_t value)
{
    bool was = caches_on(reg_read(sctlr_el1));
    sysregs_write_live(word, value);
    isb();
    bool on = caches_on(reg_read(sctlr_el1));
    if (was == on)
        return;
    vm_clean_begin(v);
    if (on)
        v->hcr &= ~HCR_TVM;
}

static void access_shadow(struct vcpu *v, const struct sysreg_rule *rule, struct access a, uint64_t *value)
{
    uint64_t *shadow = (uint64_t *)&v->sys + rule->word + (is_run(rule) ? a.crm : 0);
    if (a.read) {
        *value = *shadow;
        return;
    }
    *shadow = *value & sysreg_values[rule->value];
    if (is_run(rule))
        switch_load_debug(v); /* all of them: code for one by its number would be as much again */
    else
        sysregs_write_live(rule->word, *shadow);
}

/* False: UNDEFINED. */
static bool emulate(struct vcpu *v, const struct sysreg_rule *rule, struct access a, uint64_t *value)
{
    const bool read = a.read;
    const uint64_t number = sysreg_values[rule->value];
    switch ((enum rule_kind)rule->kind) {
    case RULE_SHADOW:
        access_shadow(v, rule, a, value);
        return true;
    case RULE_RAZ:
    case RULE_VALUE:
        if (read)
            *value = number;
        return true;
    case RULE_HOST:
        if (read)
            *value = sysregs_host(a.key);
        return read;
    case RULE_ID:
        if (read)
            *value = read_id(v, rule->word);
        return read;
    case RULE_VTIMER:
        vtimer_access(v, (enum vtimer_reg)number, !read, value);
        return true;
    case RULE_VGIC:
        return vgic_access(v, (enum vgic_reg)number, !read, value);
    case RULE_SETWAY:
        if ((v->hcr & HCR_TVM) == 0) /* of a loop, the first */
            vm_clean_begin(v);
        v->hcr |= HCR_TVM;
        return !read;
    case RULE_LIVE:
        if (!read)
            write_live(v, rule->word, *value);
        return !read;
    }
    return false;
}

bool sysreg_emulate(struct vcpu *v)
{
    struct access a = decode(v->exit.esr);
    const struct sysreg_rule *rule = ESR_EC(v->exit.esr) == ESR_EC_MSR ? find(first_of_run(a.key)) : NULL;
    /* EL0 has names of its own: op1 = 3. */
    bool allowed = rule != NULL && exists(rule, a.crm) && (!vcpu_from_el0(v) || a.op1 == 3);
    uint64_t value = a.read ? 0 : vcpu_get(v, a.reg);
    if (!allowed || !emulate(v, rule, a, &value)) {
        inject_undef(v);
        return false;
    }
    if (a.read)
        vcpu_set(v, a.reg, value);
    vcpu_skip(v);
    return true;
}

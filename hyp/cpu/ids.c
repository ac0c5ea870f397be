/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include <cpu/ids.h>

#define WITH_ID_RULES
#include <sysregs_table.h>

#define FIELD_BITS    4u
#define FIELD_MASK    UINT64_C(0xf)
#define REGISTER_BITS 64u

static bool less(uint64_t a, uint64_t b, bool is_signed)
{
    uint64_t flip = is_signed ? UINT64_C(1) << (FIELD_BITS - 1) : 0; /* orders two's complement as unsigned */
    return (a ^ flip) < (b ^ flip);
}

bool ids_meet(struct cpu_ids *into, const struct cpu_ids *other)
{
    bool lowered = false;
    for (unsigned i = 0; i < IDX_COUNT; i++) {
        const struct id_rule *rule = &id_rules[i];
        for (unsigned shift = 0; shift < REGISTER_BITS; shift += FIELD_BITS) {
            uint64_t field = FIELD_MASK << shift;
            uint64_t have = into->reg[i] >> shift & FIELD_MASK, its = other->reg[i] >> shift & FIELD_MASK;
            if ((id_values[rule->keep] & field) == 0 || !less(its, have, (id_values[rule->is_signed] & field) != 0))
                continue;
            into->reg[i] = (into->reg[i] & ~field) | its << shift;
            lowered = true;
        }
    }
    return lowered;
}

void ids_show(const struct cpu_ids *raw, struct cpu_ids *guest)
{
    for (unsigned i = 0; i < IDX_COUNT; i++) {
        const struct id_rule *rule = &id_rules[i];
        guest->reg[i] = id_values[rule->fixed];
        for (unsigned shift = 0; shift < REGISTER_BITS; shift += FIELD_BITS) {
            if ((id_values[rule->keep] & FIELD_MASK << shift) == 0)
                continue;
            uint64_t have = raw->reg[i] >> shift & FIELD_MASK, most = id_values[rule->most] >> shift & FIELD_MASK;
            guest->reg[i] |= (have < most ? have : most) << shift; /* signed fields have no bound: most is 0xf */
        }
    }
}

uint64_t ids_limit_pa(uint64_t mmfr0, unsigned ipa_bits)
{
    static const uint8_t bits[] = {32, 36, 40, 42, 44, 48, 52};
    uint64_t range = mmfr0 & FIELD_MASK;
    if (range >= sizeof(bits))
        range = sizeof(bits) - 1;
    while (range > 0 && bits[range] > ipa_bits)
        range--;
    return (mmfr0 & ~FIELD_MASK) | range;
}

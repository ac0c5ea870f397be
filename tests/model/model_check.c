/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A whole tree looked at once: every descriptor, and runs with the Contiguous bit. */
#include <inttypes.h>
#include <stdlib.h>

#include "model_watch.h"

struct survey {
    struct s2_port *m;
    struct arch_machine machine;
    struct arch_regime regime;
    model_leaf_fn *fn;
    void *arg;
};

static void check_run(const struct survey *v, int level, uint64_t ipa, const uint64_t *slot)
{
    unsigned member;
    const char *odd = run_odd(&v->machine, &v->regime, level, slot, &member);
    if (odd)
        model_violate(v->m, "contiguous run: IPA %#" PRIx64 " level %d %s, member %u", ipa, level, odd, member);
}

/* At most five levels deep. */
static void survey_table(const struct survey *v, uint64_t table, uint64_t bytes, int level, uint64_t ipa)
{
    const struct arch_regime *r = &v->regime;
    const uint64_t *slot = (const uint64_t *)(const void *)model_host(v->m, table);
    if (!slot) {
        model_violate(v->m, "a table at %#" PRIx64 ", where there is no RAM", table);
        return;
    }
    for (uint64_t i = 0; i < bytes / sizeof *slot; i++) {
        uint64_t at = ipa + (i << arch_shift(r, level)), desc = slot[i];
        const char *bad = arch_malformed(&v->machine, r, level, desc);
        if (arch_run(r, level) && i % arch_run(r, level) == 0)
            check_run(v, level, at, &slot[i]);
        if (!bad && arch_valid(level, desc) && at >> r->ipa_bits)
            bad = "beyond the IPA size";
        if (bad) {
            model_violate(v->m, "descriptor %#" PRIx64 " at level %d, IPA %#" PRIx64 ": %s", desc, level, at, bad);
            continue;
        }
        struct arch_desc d = arch_decode(&v->machine, r, level, desc);
        if (d.kind == ARCH_TABLE)
            survey_table(v, d.out, 1ull << r->granule, level + 1, at);
        if (d.kind != ARCH_LEAF)
            continue;
        if (v->fn)
            v->fn(v->arg, at, 1ull << arch_shift(r, level), d.out, desc);
    }
}

void model_survey(struct s2_port *m, uint64_t vttbr, uint64_t vtcr, model_leaf_fn *fn, void *arg)
{
    struct survey v = {.m = m, .machine = model_machine(m), .fn = fn, .arg = arg};
    const char *bad = arch_regime(&v.machine, vttbr, vtcr, &v.regime);
    if (bad)
        model_violate(m, "VTTBR %#" PRIx64 " VTCR %#" PRIx64 ": %s", vttbr, vtcr, bad);
    else
        survey_table(&v, v.regime.root, (uint64_t)v.regime.roots << v.regime.granule, v.regime.start, 0);
}

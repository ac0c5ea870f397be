/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What an edit of a table issues, for suites that count it: TLBI and DSB by kind, and the usual answers. */
#ifndef ISSUED_H
#define ISSUED_H

#include "table_machine.h"

#define PA0 0x80000000ull

static struct machine m;

/* What an operation issued. */
struct issued {
    unsigned tlbi, dsb;               /* in all */
    unsigned ipa, range, vmid, whole; /* broadcast: by IPA, by range, VMALLE1IS, VMALLS12E1IS */
    unsigned local;                   /* of any kind */
};

static inline struct issued issued(void)
{
    const uint64_t *t = m.port->count.tlbi;

    return (struct issued){
        .tlbi = (unsigned)model_tlbis(m.port),
        .dsb = (unsigned)model_dsbs(m.port),
        .ipa = (unsigned)(t[S2_TLBI_IPAS2E1IS] + t[S2_TLBI_IPAS2LE1IS]),
        .range = (unsigned)(t[S2_TLBI_RIPAS2E1IS] + t[S2_TLBI_RIPAS2LE1IS]),
        .vmid = (unsigned)t[S2_TLBI_VMALLE1IS],
        .whole = (unsigned)t[S2_TLBI_VMALLS12E1IS],
        .local = (unsigned)(t[S2_TLBI_IPAS2E1] + t[S2_TLBI_IPAS2LE1] + t[S2_TLBI_RIPAS2E1] + t[S2_TLBI_RIPAS2LE1] +
                            t[S2_TLBI_VMALLE1] + t[S2_TLBI_VMALLS12E1]),
    };
}

static inline void expect(struct issued want)
{
    struct issued got = issued();

    if (memcmp(&got, &want, sizeof got))
        fail_msg("tlbi %u dsb %u ipa %u range %u vmid %u whole %u local %u", got.tlbi, got.dsb, got.ipa, got.range,
                 got.vmid, got.whole, got.local);
}

static const struct issued nothing = {.tlbi = 0, .dsb = 0};
static const struct issued one_barrier = {.dsb = 1};
static const struct issued by_ipa = {.tlbi = 2, .dsb = 3, .ipa = 1, .vmid = 1};
static const struct issued by_range = {.tlbi = 2, .dsb = 3, .range = 1, .vmid = 1};
static const struct issued by_vmid = {.tlbi = 1, .dsb = 2, .whole = 1};

static inline struct issued and_make(struct issued i)
{
    i.dsb++;
    return i;
}

static inline void create(const struct machine_config *cfg)
{
    machine_create(&m, cfg);
    table_run(&m, &m.t, 1);
    table_run(&m, &m.t, 0);
}

static inline void fresh_map(struct s2_ipa_range r, uint64_t pa, uint32_t attr)
{
    table_map(&m, &m.t, r, pa, attr);
    model_reset_counters(m.port);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The audit of the whole machine, one part after the other. */
#include <stage2/audit.h>

#include "frame/ledger.h"
#include "space/audit.h"
#include "space/inner.h"

enum phase { LEDGER, ACCOUNTS, ENTRIES, ALLOCATORS, LEAKS, SHARES, RUNS, TABLES, VMIDS, SPACES, PHASES };

void s2_audit_report(struct s2_audit *a, uint16_t vm, const struct s2_detail *d)
{
    struct s2_finding f = {vm, *d};

    a->findings++;
    a->cfg->found(a->cfg->arg, &f);
}

void s2_audit_report_pa(struct s2_audit *a, uint16_t vm, uint64_t start, uint64_t end, const char *what)
{
    struct s2_detail d;

    (void)s2_refuse(&d, S2_EINVAL, S2_AXIS_PA, start, end, what);
    s2_audit_report(a, vm, &d);
}

void s2_audit_report_count(struct s2_audit *a, uint16_t vm, uint64_t is, uint64_t should_be, const char *what)
{
    struct s2_detail d;

    (void)s2_refuse(&d, S2_EINVAL, S2_AXIS_NONE, is, should_be, what);
    s2_audit_report(a, vm, &d);
}

struct s2_space *s2_audit_space_at(const struct s2_audit *a, unsigned i)
{
    return a->cfg->space(a->cfg->arg, i);
}

struct s2_space *s2_audit_space_of(const struct s2_audit *a, uint16_t vm)
{
    for (unsigned i = 0; i < a->cfg->spaces; i++) {
        struct s2_space *sp = s2_audit_space_at(a, i);

        if (sp && sp->cfg.id == vm)
            return sp;
    }
    return NULL;
}

bool s2_audit_quiet(const struct s2_audit *a)
{
    bool quiet = true;
    uint32_t cached;

    for (unsigned i = 0; i < a->cfg->spaces && quiet; i++)
        quiet = !s2_audit_space_at(a, i) || a->cfg->cached(a->cfg->arg, i, &cached);
    return quiet;
}

void s2_audit_lock_all(const struct s2_audit *a)
{
    for (unsigned i = 0; i < a->cfg->spaces; i++)
        if (s2_audit_space_at(a, i))
            s2_space_lock(s2_audit_space_at(a, i));
}

void s2_audit_unlock_all(const struct s2_audit *a)
{
    for (unsigned i = a->cfg->spaces; i-- > 0;)
        if (s2_audit_space_at(a, i))
            s2_space_unlock(s2_audit_space_at(a, i));
}

/* --- shares ------------------------------------------------------------------------------------------------------------ */

/* Under all spaces' locks, so that nobody is between two steps of a share's life. */
static void audit_shares(struct s2_audit *a)
{
    struct s2_ledger *l = a->cfg->ledger;
    uint64_t nodes;

    s2_ledger_lock(l);
    if (!s2_audit_share_nodes(l, &nodes))
        s2_audit_report_count(a, S2_OWNER_HYP, nodes, l->map.pool->count,
                              "the ledger has nodes that no map of it uses");
    for (unsigned i = 0; i < l->shares; i++) {
        const struct s2_share *s = &l->share[i];

        for (unsigned k = 0; s->phase != S2_SHARE_UNUSED && k < s->borrowers; k++)
            if (s->borrower[k].mapped && !s2_audit_space_of(a, s->borrower[k].vm))
                s2_audit_report_count(a, s->borrower[k].vm, s->borrower[k].mapped, 0,
                                      "has memory of a share, and no space");
    }
    s2_ledger_unlock(l);
}

static void audit_all_shares(struct s2_audit *a)
{
    s2_audit_lock_all(a);
    audit_shares(a);
    s2_audit_unlock_all(a);
}

static bool audit_runs(struct s2_audit *a, uint64_t budget)
{
    bool more;

    s2_audit_lock_all(a);
    s2_ledger_lock(a->cfg->ledger);
    more = s2_audit_share_runs(a, budget);
    s2_ledger_unlock(a->cfg->ledger);
    s2_audit_unlock_all(a);
    return more;
}

/* --- step by step -------------------------------------------------------------------------------------------------------------- */

void s2_audit_begin(struct s2_audit *a, const struct s2_audit_config *cfg)
{
    *a = (struct s2_audit){.cfg = cfg};
}

/* The part of the phase; false: it has no more. Each is one step or more. */
static bool has_part(const struct s2_audit *a)
{
    switch (a->phase) {
    case ACCOUNTS:
        return a->part < a->cfg->ledger->accounts;
    case ALLOCATORS:
    case LEAKS:
        return s2_audit_allocator(a, a->part) != NULL;
    case TABLES:
        return a->part < a->cfg->pools;
    case SPACES:
        return a->part < a->cfg->spaces;
    default:
        return a->part == 0;
    }
}

/* True: the part goes on. */
static bool audit_part(struct s2_audit *a, uint64_t budget)
{
    switch (a->phase) {
    case LEDGER:
        return s2_audit_ledger(a, budget);
    case ACCOUNTS:
        s2_audit_account(a, a->part);
        return false;
    case ENTRIES:
        return s2_audit_entries(a, budget);
    case ALLOCATORS:
        return s2_audit_blocks(a, s2_audit_allocator(a, a->part), budget);
    case LEAKS:
        return s2_audit_leaks(a, s2_audit_allocator(a, a->part), budget);
    case SHARES:
        audit_all_shares(a);
        return false;
    case RUNS:
        return audit_runs(a, budget);
    case TABLES:
        s2_audit_pool(a, &a->cfg->tables[a->part]);
        return false;
    case VMIDS:
        s2_audit_vmids(a);
        return false;
    default:
        return s2_audit_space(a, a->part, budget);
    }
}

bool s2_audit_step(struct s2_audit *a, uint64_t budget)
{
    if (a->phase == PHASES || a->blind)
        return false;
    if (has_part(a) && audit_part(a, budget ? budget : 1))
        return true;
    a->at = 0;
    a->part++;
    if (!has_part(a)) {
        a->part = 0;
        a->phase++;
    }
    return a->phase != PHASES && !a->blind;
}

uint64_t s2_audit_end(const struct s2_audit *a)
{
    return a->findings;
}

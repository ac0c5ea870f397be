/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Shares against the ledger, both ways, under its lock. What each VM shows of them is the matter of its space (check.c). */
#include "space/audit.h"

const char *s2_audit_shared_entry(const struct s2_ledger *l, const struct s2_ledger_full *full)
{
    const struct s2_share *s = s2_share_of(l, full->entry.share);
    struct s2_ient run;

    if (!s)
        return "is in a share that there is not";
    if (s->owner != full->entry.owner)
        return "is in a share of another VM's";
    if (!s2_imap_find(&s->runs, full->offset, &run) ||
        run.val.w[0] + (full->offset - run.start) != full->entry.range.start.v)
        return "is not what its share has there";
    return NULL;
}

bool s2_audit_share_in_use(const struct s2_ledger *l, uint32_t handle)
{
    const struct s2_share *s = s2_share_of(l, handle);
    bool in_use = s && (s->scrubbing || s->phase == S2_SHARE_CLOSING);

    for (unsigned i = 0; s && i < s->borrowers; i++)
        in_use |= s->borrower[i].state != S2_BORROW_OFFERED;
    return in_use;
}

/* Does the entry at pa say that it is in this record's share? */
static bool says_so(const struct s2_ledger *l, const struct s2_share *s, s2_pa pa, s2_pa *end)
{
    struct s2_ledger_full full;

    if (!s2_ledger_look(l, pa, &full) || s2_share_of(l, full.entry.share) != s)
        return false;
    *end = full.entry.range.end;
    return true;
}

const char *s2_audit_share_record(const struct s2_ledger *l, const struct s2_share *s, struct s2_pa_range *where)
{
    struct s2_ient run;
    s2_pa end;

    for (uint64_t at = 0; s2_imap_find_from(&s->runs, at, &run); at = run.end) {
        *where = (struct s2_pa_range){S2_PA(run.val.w[0]), S2_PA(run.val.w[0] + (run.end - run.start))};
        for (; where->start.v < where->end.v; where->start = end)
            if (!says_so(l, s, where->start, &end))
                return "is in a share, and the ledger does not say so";
    }
    return NULL;
}

bool s2_audit_share_nodes(const struct s2_ledger *l, uint64_t *are)
{
    *are = (uint64_t)l->map.nodes + l->map.pool->free;
    for (unsigned i = 0; i < l->shares; i++)
        if (l->share[i].phase != S2_SHARE_UNUSED)
            *are += l->share[i].runs.nodes;
    return *are == l->map.pool->count;
}

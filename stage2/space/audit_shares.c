/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Shares against the ledger, both ways, under its lock. What each VM shows of them is the matter of its space (check.c). */
#include "frame/share.h"
#include "space/audit.h"
#include "space/inner.h"

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
    bool in_use = s && (s->scrubbing || s2_share_wants_scrub(s) || s->phase == S2_SHARE_CLOSING);

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

const char *s2_audit_share_part(const struct s2_ledger *l, const struct s2_share *s, uint64_t *offset, uint64_t *budget,
                                struct s2_pa_range *where)
{
    struct s2_ient run;
    s2_pa end;

    while (*budget && s2_imap_find_from(&s->runs, *offset, &run)) {
        --*budget;
        *offset = s2_max_u64(*offset, run.start);
        where->start.v = run.val.w[0] + (*offset - run.start);
        where->end.v = run.val.w[0] + (run.end - run.start);
        if (!says_so(l, s, where->start, &end))
            return "is in a share, and the ledger does not say so";
        *offset += s2_min_u64(end.v, where->end.v) - where->start.v;
    }
    return NULL;
}

bool s2_audit_share_runs(struct s2_audit *a, uint64_t budget)
{
    enum { INDEX_SHIFT = 48 };
    const struct s2_ledger *l = a->cfg->ledger;
    uint64_t offset = a->at & S2_SHARED_OFFSET, i = a->at >> INDEX_SHIFT;
    struct s2_pa_range where;

    while (i < l->shares && budget) {
        const struct s2_share *s = &l->share[i];
        const char *wrong = s->phase == S2_SHARE_UNUSED ? NULL : s2_audit_share_part(l, s, &offset, &budget, &where);

        if (wrong)
            s2_audit_report_pa(a, s->owner, where.start.v, where.end.v, wrong);
        if (wrong || budget) { /* on to the next one */
            i++;
            offset = 0;
        }
    }
    a->at = i << INDEX_SHIFT | offset;
    return i < l->shares;
}

bool s2_audit_share_nodes(const struct s2_ledger *l, uint64_t *are)
{
    *are = (uint64_t)l->map.nodes + l->map.pool->free;
    for (unsigned i = 0; i < l->shares; i++)
        if (l->share[i].phase != S2_SHARE_UNUSED)
            *are += l->share[i].runs.nodes;
    return *are == l->map.pool->count;
}

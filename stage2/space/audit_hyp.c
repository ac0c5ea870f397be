/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What is the hypervisor's: pools of table pages, VMIDs, and its own map. */
#include <stage2/audit.h>

#include "frame/ledger.h"
#include "space/audit.h"
#include "space/inner.h"

/* --- table pages ---------------------------------------------------------------------------------------------------------- */

/* All that a pool gave out is charged to somebody: both change under its lock. *quiet: nobody has pages in hand. */
static const char *check_pool(const struct s2_audit *a, struct s2_tpool *p, uint64_t *sum)
{
    const char *wrong = NULL;
    bool quiet = true;
    uint32_t cached;

    s2_port_lock(p->port, &p->lock, S2_LOCK_TPOOL, 0);
    *sum = p->free;
    for (unsigned i = 0; i < a->cfg->spaces; i++) {
        struct s2_space *sp = s2_audit_space_at(a, i);

        if (!sp || sp->table.pool != p)
            continue;
        *sum += sp->table.quota.used;
        quiet = quiet && !__atomic_load_n(&sp->table.detached, __ATOMIC_ACQUIRE) && !sp->dying &&
                a->cfg->cached(a->cfg->arg, i, &cached);
    }
    if (*sum != p->pages)
        wrong = "has table pages that are charged to nobody, or twice";
    else if (quiet)
        wrong = s2_tpool_check(p);
    s2_port_unlock(p->port, &p->lock);
    return wrong;
}

void s2_audit_pool(struct s2_audit *a, struct s2_tpool *p)
{
    uint64_t end = p->base.v + ((uint64_t)p->pages << p->granule_log2), sum;
    struct s2_ledger_entry e;
    const char *wrong;

    if (!p->pages)
        return;
    for (uint64_t pa = p->base.v; pa < end; pa = e.range.end.v)
        if (!s2_ledger_find(a->cfg->ledger, S2_PA(pa), &e) || e.state != S2_HYP) {
            s2_audit_report_pa(a, S2_OWNER_HYP, pa, end, "holds tables, and is not the hypervisor's by the ledger");
            break;
        }
    s2_audit_lock_all(a);
    wrong = check_pool(a, p, &sum);
    s2_audit_unlock_all(a);
    if (wrong)
        s2_audit_report_pa(a, S2_OWNER_HYP, p->base.v, end, wrong);
}

/* --- VMIDs ---------------------------------------------------------------------------------------------------------------- */

void s2_audit_vmids(struct s2_audit *a)
{
    enum { NUMBERS = 0xffff };
    struct s2_vmids *v = a->cfg->vmids;
    uint16_t twice = S2_OWNER_NONE;
    uint64_t number = 0;

    s2_port_lock(v->port, &v->lock, S2_LOCK_VMIDS, 0);
    for (unsigned i = 0; i < a->cfg->spaces; i++)
        for (unsigned k = 0; k < i; k++) {
            const struct s2_space *one = s2_audit_space_at(a, i), *other = s2_audit_space_at(a, k);

            /* Of an older generation it is nobody's any more, until it is renewed. */
            if (!one || !other || one->table.vmid.id != other->table.vmid.id ||
                (one->table.vmid.id & ~(uint64_t)NUMBERS) != v->generation)
                continue;
            twice = one->cfg.id;
            number = one->table.vmid.id & NUMBERS;
        }
    s2_port_unlock(v->port, &v->lock);
    if (twice)
        s2_audit_report_count(a, twice, number, number, "has a VMID that is another VM's, too");
}

/* --- what the hypervisor maps --------------------------------------------------------------------------------------------- */

void s2_audit_hyp_leaf(struct s2_audit *a, const struct s2_hyp_leaf *leaf)
{
    struct s2_ledger_entry e = {.owner = S2_OWNER_NONE};

    a->leaves++;
    if (leaf->writable && leaf->executable)
        s2_audit_report_pa(a, S2_OWNER_HYP, leaf->pa.start.v, leaf->pa.end.v,
                           "is writable and executable for the hypervisor");
    if (leaf->window) {
        s2_audit_report_pa(a, S2_OWNER_HYP, leaf->pa.start.v, leaf->pa.end.v, "is behind a window that was left open");
        return;
    }
    for (s2_pa at = leaf->pa.start; at.v < leaf->pa.end.v; at = e.range.end) {
        struct s2_detail d;

        if (s2_ledger_find(a->cfg->ledger, at, &e) && e.state == S2_HYP)
            continue;
        (void)s2_refuse_found(&d, S2_EPERM, S2_AXIS_PA, at.v, leaf->pa.end.v, e.range.start.v, e.range.end.v,
                              "is mapped by the hypervisor, and not its own");
        d.holder = e.owner;
        s2_audit_report(a, S2_OWNER_HYP, &d);
        break;
    }
}

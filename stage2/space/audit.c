/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The audit of the whole machine, one part after the other. */
#include <stage2/audit.h>
#include <stage2/colours.h>

#include "frame/ledger.h"
#include "frame/region.h"
#include "space/audit.h"
#include "space/inner.h"

enum phase { LEDGER, ENTRIES, ALLOCATORS, SUMS, TABLES, VMIDS, SPACES, PHASES };

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

static struct s2_space *space_of(const struct s2_audit *a, uint16_t vm)
{
    for (unsigned i = 0; i < a->cfg->spaces; i++) {
        struct s2_space *sp = s2_audit_space_at(a, i);

        if (sp && sp->cfg.id == vm)
            return sp;
    }
    return NULL;
}

static void lock_all(const struct s2_audit *a)
{
    for (unsigned i = 0; i < a->cfg->spaces; i++)
        if (s2_audit_space_at(a, i))
            s2_space_lock(s2_audit_space_at(a, i));
}

static void unlock_all(const struct s2_audit *a)
{
    for (unsigned i = a->cfg->spaces; i-- > 0;)
        if (s2_audit_space_at(a, i))
            s2_space_unlock(s2_audit_space_at(a, i));
}

/* --- the allocators' view ------------------------------------------------------------------------------------------- */

static void lock_frames(struct s2_frames *f)
{
    s2_port_lock(f->port, &f->lock, S2_LOCK_FRAMES, 0);
}

static void unlock_frames(struct s2_frames *f)
{
    s2_port_unlock(f->port, &f->lock);
}

/* Allocator by allocator; null behind the last one. */
static struct s2_frames *next_allocator(const struct s2_audit *a, const struct s2_frames *f)
{
    return f->next == a->cfg->frames ? NULL : f->next;
}

/* What of the range lies in the bank; false: nothing. */
static bool in_bank(const struct s2_frame_region *r, struct s2_pa_range range, struct s2_pa_range *part)
{
    part->start.v = s2_max_u64(range.start.v, r->base.v);
    part->end.v = s2_min_u64(range.end.v, s2_region_end(r));
    return part->start.v < part->end.v;
}

static uint64_t bytes_in(const struct s2_frames *f, struct s2_pa_range range)
{
    struct s2_pa_range part;
    uint64_t bytes = 0;

    for (unsigned i = 0; i < f->regions; i++)
        if (in_bank(&f->region[i], range, &part))
            bytes += part.end.v - part.start.v;
    return bytes;
}

/* Is a frame of the range free? *pa: the first such. */
static bool any_free(struct s2_frames *f, struct s2_pa_range range, s2_pa *pa)
{
    bool any;

    lock_frames(f);
    any = s2_frames_any_free(f, range, pa);
    unlock_frames(f);
    return any;
}

/* The first frame of the range that is not free. */
static bool any_used(struct s2_frames *f, struct s2_pa_range range, uint64_t *pa)
{
    struct s2_pa_range part;
    bool any = false;
    unsigned order;

    lock_frames(f);
    for (unsigned i = 0; i < f->regions && !any; i++) {
        if (!in_bank(&f->region[i], range, &part))
            continue;
        *pa = part.start.v;
        while (*pa < part.end.v && s2_region_block(&f->region[i], *pa, &order, pa))
            continue;
        any = *pa < part.end.v;
    }
    unlock_frames(f);
    return any;
}

/* --- the ledger, entry by entry ------------------------------------------------------------------------------------------ */

static void audit_ledger(struct s2_audit *a)
{
    struct s2_ledger *l = a->cfg->ledger;
    struct s2_detail d;
    const char *wrong;

    s2_ledger_lock(l);
    wrong = s2_imap_check(&l->map);
    a->blind = wrong != NULL;
    s2_ledger_unlock(l);
    if (wrong)
        s2_audit_report_count(a, S2_OWNER_HYP, 0, 0, wrong);
    if (!a->blind && (wrong = s2_colours_check(l, &d)) != NULL)
        s2_audit_report_pa(a, S2_OWNER_HYP, d.asked_start, d.asked_end, wrong);
}

/* What of an entry is wrong by itself. */
static const char *entry_alone(const struct s2_ledger_entry *e)
{
    bool vm = e->owner >= S2_OWNER_FIRST_VM, mapped = e->ipa.v != S2_IPA_NONE.v, ok = false;

    switch (e->state) {
    case S2_FREE:
        ok = e->owner == S2_OWNER_NONE && !mapped && !e->pooled && !e->share;
        break;
    case S2_HYP:
        ok = e->owner == S2_OWNER_HYP && !mapped && !e->pooled && !e->share;
        break;
    case S2_OWNED:
        ok = vm && !e->share;
        break;
    case S2_SHARED:
    case S2_LENT:
        ok = vm && e->share;
        break;
    case S2_DEVICE:
        ok = (vm || (e->owner == S2_OWNER_NONE && !mapped)) && !e->pooled && !e->share;
        break;
    case S2_COLOURED:
        ok = e->owner == S2_OWNER_NONE && !mapped && !e->pooled && !e->share;
        break;
    }
    return ok ? NULL : "has an owner, a place or a share that does not go with its state";
}

/* Under the ledger's lock. Who gives a frame back changes the ledger first, and who takes one changes it last: so what is not free
 * here is in use there, always. */
static void audit_entry(struct s2_audit *a, const struct s2_ledger_full *full)
{
    const struct s2_ledger_entry *e = &full->entry;
    const char *wrong = entry_alone(e);
    uint64_t known = 0;
    s2_pa pa;

    if (!wrong && e->share)
        wrong = s2_audit_shared_entry(a->cfg->ledger, full);
    a->entries++;
    a->frames += (e->range.end.v - e->range.start.v) / S2_FRAME;
    if (wrong)
        s2_audit_report_pa(a, e->owner, e->range.start.v, e->range.end.v, wrong);
    for (struct s2_frames *f = a->cfg->frames; f; f = next_allocator(a, f)) {
        known += bytes_in(f, e->range);
        if (e->state != S2_FREE && any_free(f, e->range, &pa))
            s2_audit_report_pa(a, e->owner, pa.v, pa.v + S2_FRAME,
                               "is somebody's by the ledger, and the allocator has it free");
    }
    if ((e->state == S2_FREE || e->pooled) && known != e->range.end.v - e->range.start.v)
        s2_audit_report_pa(a, e->owner, e->range.start.v, e->range.end.v, "belongs to an allocator, and none has it");
    if (e->owner >= S2_OWNER_FIRST_VM && (e->pooled || e->ipa.v != S2_IPA_NONE.v) && !space_of(a, e->owner) &&
        !s2_audit_share_in_use(a->cfg->ledger, e->share))
        s2_audit_report_pa(a, e->owner, e->range.start.v, e->range.end.v,
                           "is in use by the ledger, and its VM has no space");
}

static bool audit_entries(struct s2_audit *a, uint64_t budget)
{
    struct s2_ledger *l = a->cfg->ledger;
    struct s2_ledger_full full;
    struct s2_ient e;
    bool more = true;

    s2_ledger_lock(l);
    for (; budget && more; budget--) {
        more = s2_imap_find_from(&l->map, a->at, &e);
        if (more) {
            (void)s2_ledger_look(l, S2_PA(e.start), &full);
            a->at = e.end;
            audit_entry(a, &full);
        }
    }
    s2_ledger_unlock(l);
    return more;
}

/* --- sums -------------------------------------------------------------------------------------------------------------- */

static void audit_allocators(struct s2_audit *a)
{
    for (struct s2_frames *f = a->cfg->frames; f; f = next_allocator(a, f)) {
        const char *wrong;

        lock_frames(f);
        wrong = s2_frames_check(f);
        unlock_frames(f);
        if (wrong)
            s2_audit_report_pa(a, S2_OWNER_HYP, f->region[0].base.v, s2_region_end(&f->region[0]), wrong);
    }
}

/* What the ledger calls free, and the allocator does not. */
static void report_leaks(struct s2_audit *a, struct s2_frames *f)
{
    struct s2_ledger_entry e;
    uint64_t pa;

    for (s2_pa at = S2_PA(0); s2_ledger_next(a->cfg->ledger, at, &e); at = e.range.end)
        if (e.state == S2_FREE && any_used(f, e.range, &pa))
            s2_audit_report_pa(a, S2_OWNER_NONE, pa, pa + S2_FRAME,
                               "is free by the ledger, and the allocator has given it to nobody");
}

/* What spaces that are being destroyed still hold, though the ledger, whose entries go whole, calls it free. */
static uint64_t dying_bytes(const struct s2_audit *a, const struct s2_frames *f)
{
    struct s2_ledger_entry e;
    uint64_t bytes = 0;
    struct s2_chunk c;

    for (unsigned i = 0; i < a->cfg->spaces; i++) {
        struct s2_space *sp = s2_audit_space_at(a, i);
        struct s2_ipa_range left;

        if (!sp || !sp->dying)
            continue;
        left = (struct s2_ipa_range){S2_IPA(0), S2_IPA(s2_ipa_limit(&sp->cfg.geometry))};
        for (; s2_chunk_next(&sp->chunks, left, &c); left.start = c.range.end) {
            struct s2_pa_range run = s2_pa_run(c.pa, s2_range_bytes(c.range));

            /* cover: what an area holds is in the ledger, from which nothing goes */
            for (; run.start.v < run.end.v && s2_ledger_find(a->cfg->ledger, run.start, &e); run.start = e.range.end)
                if (e.state == S2_FREE)
                    bytes += bytes_in(f, (struct s2_pa_range){run.start, S2_PA(s2_min_u64(run.end.v, e.range.end.v))});
        }
    }
    return bytes;
}

/* Every frame that is not free has somebody whose it is. Under all spaces' locks, so that nobody has frames in hand. */
static void audit_frame_sum(struct s2_audit *a, struct s2_frames *f)
{
    uint64_t dying = dying_bytes(a, f) / S2_FRAME, held = dying, used;
    struct s2_ledger_entry e;

    for (s2_pa at = S2_PA(0); s2_ledger_next(a->cfg->ledger, at, &e); at = e.range.end)
        if (e.state != S2_FREE)
            held += bytes_in(f, e.range) / S2_FRAME;
    lock_frames(f);
    used = f->total - f->free;
    unlock_frames(f);
    if (used > held && !dying)
        report_leaks(a, f);
    else if (used > held)
        s2_audit_report_count(a, S2_OWNER_NONE, used, held, "more frames are in use than the ledger knows");
}

/* Under all spaces' locks, so that nobody is between two steps of a share's life. */
static void audit_shares(struct s2_audit *a)
{
    struct s2_ledger *l = a->cfg->ledger;
    struct s2_pa_range where;
    uint64_t nodes;

    s2_ledger_lock(l);
    if (!s2_audit_share_nodes(l, &nodes))
        s2_audit_report_count(a, S2_OWNER_HYP, nodes, l->map.pool->count,
                              "the ledger has nodes that no map of it uses");
    for (unsigned i = 0; i < l->shares; i++) {
        const struct s2_share *s = &l->share[i];
        const char *wrong = s->phase == S2_SHARE_UNUSED ? NULL : s2_audit_share_record(l, s, &where);

        if (wrong)
            s2_audit_report_pa(a, s->owner, where.start.v, where.end.v, wrong);
        for (unsigned k = 0; s->phase != S2_SHARE_UNUSED && k < s->borrowers; k++)
            if (s->borrower[k].mapped && !space_of(a, s->borrower[k].vm))
                s2_audit_report_count(a, s->borrower[k].vm, s->borrower[k].mapped, 0,
                                      "has memory of a share, and no space");
    }
    s2_ledger_unlock(l);
}

static void audit_sums(struct s2_audit *a)
{
    lock_all(a);
    audit_shares(a);
    for (struct s2_frames *f = a->cfg->frames; f; f = next_allocator(a, f))
        audit_frame_sum(a, f);
    unlock_all(a);
}

/* --- table pages ------------------------------------------------------------------------------------------------------------ */

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
        quiet = quiet && !sp->table.detached && !sp->dying && a->cfg->cached(a->cfg->arg, i, &cached);
    }
    if (*sum != p->pages)
        wrong = "has table pages that are charged to nobody, or twice";
    else if (quiet)
        wrong = s2_tpool_check(p);
    s2_port_unlock(p->port, &p->lock);
    return wrong;
}

static void audit_pool(struct s2_audit *a, struct s2_tpool *p)
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
    lock_all(a);
    wrong = check_pool(a, p, &sum);
    unlock_all(a);
    if (wrong)
        s2_audit_report_pa(a, S2_OWNER_HYP, p->base.v, end, wrong);
}

/* --- VMIDs ------------------------------------------------------------------------------------------------------------------- */

static void audit_vmids(struct s2_audit *a)
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

/* --- what the hypervisor maps -------------------------------------------------------------------------------------------------- */

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

/* --- step by step -------------------------------------------------------------------------------------------------------------- */

void s2_audit_begin(struct s2_audit *a, const struct s2_audit_config *cfg)
{
    *a = (struct s2_audit){.cfg = cfg};
}

/* Parts of the phase; each is one step or more. */
static unsigned parts(const struct s2_audit *a)
{
    switch (a->phase) {
    case TABLES:
        return a->cfg->pools;
    case SPACES:
        return a->cfg->spaces;
    default:
        return 1;
    }
}

/* True: the part goes on. */
static bool audit_part(struct s2_audit *a, uint64_t budget)
{
    switch (a->phase) {
    case LEDGER:
        audit_ledger(a);
        return false;
    case ENTRIES:
        return audit_entries(a, budget);
    case ALLOCATORS:
        audit_allocators(a);
        return false;
    case SUMS:
        audit_sums(a);
        return false;
    case TABLES:
        audit_pool(a, &a->cfg->tables[a->part]);
        return false;
    case VMIDS:
        audit_vmids(a);
        return false;
    default:
        return s2_audit_space(a, a->part, budget);
    }
}

bool s2_audit_step(struct s2_audit *a, uint64_t budget)
{
    if (a->phase == PHASES || a->blind)
        return false;
    if (a->part < parts(a) && audit_part(a, budget ? budget : 1))
        return true;
    a->at = 0;
    if (++a->part >= parts(a)) {
        a->part = 0;
        a->phase++;
    }
    return a->phase != PHASES && !a->blind;
}

uint64_t s2_audit_end(const struct s2_audit *a)
{
    return a->findings;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* One space of the audit, a slice at a time. */
#include <stage2/audit.h>
#include <stage2/colours.h>

#include "space/audit.h"
#include "space/inner.h"

enum { FINDINGS_EACH = 16, BEGUN = 1 };

/* Frames of this VM's that the ledger knows to be from an allocator. */
static uint64_t pooled_frames(struct s2_space *sp)
{
    struct s2_ledger_entry e;
    uint64_t bytes = 0;

    for (s2_pa at = S2_PA(0); s2_ledger_next(sp->cfg.ledger, at, &e); at = e.range.end)
        if (e.owner == sp->cfg.id && e.state == S2_OWNED && e.pooled)
            bytes += e.range.end.v - e.range.start.v;
    return bytes / S2_FRAME;
}

/* Table pages in its tables, and kept for cuts and for long work. */
static uint64_t pages_in_use(const struct s2_space *sp)
{
    struct s2_table_counts c;
    uint64_t pages = sp->cut.count;

    s2_table_count(&sp->table, &c);
    for (unsigned i = 0; i < sizeof c.tables / sizeof c.tables[0]; i++)
        pages += c.tables[i];
    for (const struct s2_long *l = sp->longs; l; l = l->next)
        pages += (l->populates ? l->op.stash : l->ahead.tables).count;
    return pages;
}

/* Nodes promised to the cut reserve and to long work. */
static uint32_t nodes_promised(const struct s2_space *sp)
{
    uint32_t nodes = sp->cut_nodes;

    for (const struct s2_long *l = sp->longs; l; l = l->next)
        nodes += l->populates ? l->op.pool[0].taken : l->ahead.nodes;
    return nodes;
}

/* Bytes of coloured areas in the range. */
static uint64_t coloured_bytes(const struct s2_space *sp, struct s2_ipa_range range)
{
    uint64_t bytes = 0;
    struct s2_area area;

    for (; s2_area_set_find_from(&sp->areas, range.start, &area) && area.range.start.v < range.end.v;
         range.start = area.range.end)
        if (area.backend == &s2_backend_coloured)
            bytes += s2_range_bytes(s2_range_meet(area.range, range));
    return bytes;
}

/* Of each piece of coloured memory so much is counted as mapped as areas show, now that no operation is under way. */
static void audit_coloured(struct s2_audit *a, const struct s2_space *sp)
{
    struct s2_colour_piece p;

    for (unsigned i = 0; s2_colours_list(sp->cfg.ledger, i, &p); i++) {
        uint64_t shown;

        if (p.vm != sp->cfg.id)
            continue;
        shown = coloured_bytes(sp, (struct s2_ipa_range){p.is.ipa, S2_IPA(p.is.ipa.v + p.is.bytes)});
        if (shown != p.mapped)
            s2_audit_report_count(a, p.vm, shown, p.mapped, "shows another part of coloured memory than is counted");
    }
}

/* Under the space's lock. */
static void audit_books(struct s2_audit *a, unsigned i, struct s2_space *sp)
{
    const struct s2_pool *nodes = sp->cfg.nodes;
    uint64_t pages = pages_in_use(sp), frames = pooled_frames(sp);
    uint32_t maps = sp->areas.map.nodes + sp->chunks.nodes + sp->taken.nodes, cached = 0;

    if (sp->wrong)
        s2_audit_report(a, sp->cfg.id, &sp->wrong_detail);
    audit_coloured(a, sp);
    if (maps + nodes->free != nodes->count)
        s2_audit_report_count(a, sp->cfg.id, maps + nodes->free, nodes->count, "has nodes that no map of it uses");
    else if (nodes->reserved != nodes_promised(sp))
        s2_audit_report_count(a, sp->cfg.id, nodes->reserved, nodes_promised(sp),
                              "has nodes promised that nobody needs");
    if (frames != sp->frames_held)
        s2_audit_report_count(a, sp->cfg.id, frames, sp->frames_held,
                              "holds other memory than the ledger says it took");
    if (!__atomic_load_n(&sp->table.detached, __ATOMIC_ACQUIRE) && a->cfg->cached(a->cfg->arg, i, &cached) &&
        pages + cached != s2_space_quota(sp).used)
        s2_audit_report_count(a, sp->cfg.id, pages + cached, s2_space_quota(sp).used,
                              "is charged for table pages that it has nowhere");
}

static bool found(void *arg, const struct s2_detail *d)
{
    struct s2_audit *a = arg;

    s2_audit_report(a, a->vm, d);
    return ++a->told < FINDINGS_EACH;
}

static bool first_leaf(void *arg, const struct s2_leaf *leaf)
{
    *(uint64_t *)arg = leaf->range.start.v;
    return false;
}

/* From a->at on, over what holds nothing, as far as `budget` leaves can reach, and to the end of what one table of them says: to
 * check a table costs all of it. */
static struct s2_ipa_range next_slice(const struct s2_audit *a, const struct s2_space *sp, uint64_t budget)
{
    enum { ABOVE_PAGES = 2 };
    uint64_t limit = s2_ipa_limit(&sp->cfg.geometry), granule_log2 = sp->cfg.geometry.granule_log2, place = limit;
    uint64_t table = 1ull << s2_level_shift(&sp->cfg.geometry, ABOVE_PAGES);
    struct s2_ipa_range rest = {S2_IPA(a->at), S2_IPA(limit)};
    struct s2_area area;
    struct s2_ient e;

    s2_table_visit(&sp->table, rest, first_leaf, &place);
    if (s2_area_set_find_from(&sp->areas, rest.start, &area))
        place = s2_min_u64(place, area.range.start.v);
    if (s2_imap_find_from(&sp->chunks, a->at, &e))
        place = s2_min_u64(place, e.start);
    place = s2_max_u64(place, a->at);
    if (budget < (limit - place) >> granule_log2)
        rest.end.v = s2_min_u64((place + (budget << granule_log2) + table - 1) & ~(table - 1), limit);
    return rest;
}

/* Under the space's lock. First what all of it says; a->at is odd then, as no address is. */
static bool audit_slice(struct s2_audit *a, unsigned i, struct s2_space *sp, uint64_t budget)
{
    struct s2_ipa_range slice;

    if (a->at == 0) {
        a->spaces++;
        a->told = 0;
        a->vm = sp->cfg.id;
        if (!s2_check_totals(sp, found, a))
            return false;
        audit_books(a, i, sp);
        a->at = BEGUN;
        return true;
    }
    a->at &= ~(uint64_t)BEGUN;
    slice = next_slice(a, sp, budget);
    a->at = slice.end.v | BEGUN;
    return s2_check_range(sp, slice, found, a, &a->leaves) && slice.end.v < s2_ipa_limit(&sp->cfg.geometry);
}

bool s2_audit_space(struct s2_audit *a, unsigned i, uint64_t budget)
{
    struct s2_space *sp = s2_audit_space_at(a, i);
    bool more = false;

    if (!sp)
        return false;
    s2_space_lock(sp);
    if (!sp->dying)
        more = audit_slice(a, i, sp, budget);
    else if (a->at == 0)
        a->spaces++;
    s2_space_unlock(sp);
    return more;
}

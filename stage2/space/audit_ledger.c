/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The ledger against the frame allocators. */
#include <stage2/audit.h>
#include <stage2/colours.h>

#include "frame/ledger.h"
#include "frame/region.h"
#include "space/audit.h"
#include "space/inner.h"

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

/* --- the ledger, entry by entry ---------------------------------------------------------------------------------------- */

/* Coloured memory of VMs that have no space. What those have that are there, their own part says (audit_space.c). */
static void audit_colours(struct s2_audit *a, struct s2_ledger *l)
{
    struct s2_colour_piece p;
    struct s2_detail d;
    const char *wrong = s2_colours_check(l, &d);

    if (wrong)
        s2_audit_report_pa(a, S2_OWNER_HYP, d.asked_start, d.asked_end, wrong);
    for (unsigned i = 0; s2_colours_list(l, i, &p); i++)
        if (p.mapped && !s2_audit_space_of(a, p.vm))
            s2_audit_report_count(a, p.vm, p.mapped, 0, "has coloured memory mapped, and no space");
}

/* The map, leaf by leaf from a->at on: each way down is looked at before it is gone. */
static const char *check_map(struct s2_audit *a, const struct s2_imap *map, uint64_t budget, bool *more)
{
    const char *wrong = NULL;
    struct s2_imap_cursor at;
    struct s2_ient e = {.end = 0};

    for (*more = true; budget; budget -= s2_min_u64(budget, S2_IMAP_LEAF)) {
        wrong = s2_imap_check_near(map, a->at, a->at);
        *more = !wrong && s2_imap_seek(map, a->at, &at);
        if (!*more)
            break;
        at.rank = at.leaf->count - 1u;
        (void)s2_imap_get(&at, &e);
        a->at = e.end;
    }
    return wrong;
}

bool s2_audit_ledger(struct s2_audit *a, uint64_t budget)
{
    struct s2_ledger *l = a->cfg->ledger;
    const char *wrong;
    bool more = false;

    s2_ledger_lock(l);
    wrong = s2_audit_quiet(a) ? s2_imap_check(&l->map) : check_map(a, &l->map, budget, &more);
    a->blind = wrong != NULL;
    s2_ledger_unlock(l);
    if (wrong)
        s2_audit_report_count(a, S2_OWNER_HYP, 0, 0, wrong);
    else if (!more)
        audit_colours(a, l);
    return more;
}

void s2_audit_account(struct s2_audit *a, unsigned i)
{
    struct s2_ledger *l = a->cfg->ledger;
    uint16_t vm = (uint16_t)(S2_OWNER_FIRST_VM + i);
    uint64_t has, held;

    s2_ledger_lock(l);
    held = l->account[i].held;
    has = s2_ledger_entries(l, vm);
    for (unsigned k = 0; k < l->shares; k++)
        if (l->share[k].phase != S2_SHARE_UNUSED && l->share[k].owner == vm)
            has += l->share[k].runs.count;
    s2_ledger_unlock(l);
    if (has != held)
        s2_audit_report_count(a, vm, has, held, "takes up another number of ledger entries than it is charged for");
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
        if (e->state != S2_FREE && s2_frames_any_free(f, e->range, &pa))
            s2_audit_report_pa(a, e->owner, pa.v, pa.v + S2_FRAME,
                               "is somebody's by the ledger, and the allocator has it free");
    }
    if ((e->state == S2_FREE || e->pooled) && known != e->range.end.v - e->range.start.v)
        s2_audit_report_pa(a, e->owner, e->range.start.v, e->range.end.v, "belongs to an allocator, and none has it");
    if (e->owner >= S2_OWNER_FIRST_VM && (e->pooled || e->ipa.v != S2_IPA_NONE.v) && !s2_audit_space_of(a, e->owner) &&
        !s2_audit_share_in_use(a->cfg->ledger, e->share))
        s2_audit_report_pa(a, e->owner, e->range.start.v, e->range.end.v,
                           "is in use by the ledger, and its VM has no space");
}

bool s2_audit_entries(struct s2_audit *a, uint64_t budget)
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

/* --- the allocators, one by one ------------------------------------------------------------------------------------------ */

struct s2_frames *s2_audit_allocator(const struct s2_audit *a, unsigned i)
{
    struct s2_frames *f = a->cfg->frames;

    for (; f && i; i--)
        f = next_allocator(a, f);
    return f;
}

/* A part of one of its banks: a->at frames of all of them come before. */
static const char *check_blocks(struct s2_audit *a, const struct s2_frames *f, uint64_t budget, bool *more)
{
    enum { FRAMES_EACH = 64 }; /* a word of a bit map */
    const struct s2_frame_region *r = f->region;
    struct s2_region_sums sums = {.free = 0};
    uint64_t before = a->at, n;

    for (; r < f->region + f->regions && before >= r->frames; r++)
        before -= r->frames;
    *more = r < f->region + f->regions;
    if (!*more)
        return NULL;
    n = (r->frames - before) / FRAMES_EACH > budget ? budget * FRAMES_EACH : r->frames - before;
    a->at += n;
    return s2_region_check_part(r, r->base.v + before * S2_FRAME, r->base.v + (before + n) * S2_FRAME, &sums);
}

bool s2_audit_blocks(struct s2_audit *a, struct s2_frames *f, uint64_t budget)
{
    const char *wrong;
    bool more = false;

    lock_frames(f);
    wrong = s2_audit_quiet(a) ? s2_frames_check(f) : check_blocks(a, f, budget, &more);
    unlock_frames(f);
    if (wrong)
        s2_audit_report_pa(a, S2_OWNER_HYP, f->region[0].base.v, s2_region_end(&f->region[0]), wrong);
    return more && !wrong;
}

/* --- what nobody has --------------------------------------------------------------------------------------------------- */

/* Is the frame at pa one of the allocator's, and in use? *end comes down to where the answer may be another one. */
static bool in_use(struct s2_frames *f, s2_pa pa, s2_pa *end)
{
    bool used = false;

    lock_frames(f);
    for (unsigned i = 0; i < f->regions; i++) {
        const struct s2_frame_region *r = &f->region[i];
        uint64_t to = r->base.v;
        unsigned order;

        if (s2_region_holds(r, pa.v)) {
            used = !s2_region_block(r, pa.v, &order, &to);
            to = used ? pa.v + S2_FRAME : to;
        }
        if (to > pa.v)
            end->v = s2_min_u64(end->v, to);
    }
    unlock_frames(f);
    return used;
}

/* From a->at on, a frame that the ledger calls free, and the allocator does not. Looks at so many entries and free blocks. */
static bool find_suspect(struct s2_audit *a, struct s2_frames *f, uint64_t *budget, bool *more)
{
    struct s2_ledger *l = a->cfg->ledger;
    struct s2_ledger_full full;
    bool suspect = false;
    struct s2_ient e;

    s2_ledger_lock(l);
    while ((*more = s2_imap_find_from(&l->map, a->at, &e)) && *budget && !suspect) {
        s2_pa end = S2_PA(e.end);

        (void)s2_ledger_look(l, S2_PA(e.start), &full);
        a->at = s2_max_u64(a->at, e.start);
        suspect = full.entry.state == S2_FREE && in_use(f, S2_PA(a->at), &end);
        if (!suspect)
            a->at = end.v;
        --*budget;
    }
    s2_ledger_unlock(l);
    return suspect;
}

/* Does a space that is being destroyed still hold the frame, though the ledger, whose entries go whole, calls it free? */
static bool dying_has(const struct s2_audit *a, s2_pa pa, s2_pa *end)
{
    for (unsigned i = 0; i < a->cfg->spaces; i++) {
        const struct s2_space *sp = s2_audit_space_at(a, i);
        struct s2_ipa_range left = {S2_IPA(0), S2_IPA_NONE};
        struct s2_chunk c;

        for (; sp && sp->dying && s2_chunk_next(&sp->chunks, left, &c); left.start = c.range.end) {
            end->v = c.pa.v + s2_range_bytes(c.range);
            if (pa.v - c.pa.v < s2_range_bytes(c.range))
                return true;
        }
    }
    return false;
}

/* The end of the run of frames from `at` on that are in use and nobody's; `at`: there is none before *next. */
static s2_pa lost_until(const struct s2_audit *a, struct s2_frames *f, s2_pa at, s2_pa limit, uint64_t budget,
                        s2_pa *next)
{
    for (; at.v < limit.v && budget; at.v += S2_FRAME, budget--) {
        *next = limit;
        if (!in_use(f, at, next) || dying_has(a, at, next))
            break;
    }
    return at;
}

/* Under all spaces' locks nobody has frames in hand. Of each entry the first run is told. */
static void look_closer(struct s2_audit *a, struct s2_frames *f, uint64_t budget)
{
    s2_pa at = S2_PA(a->at), end = at, next = at;
    struct s2_ledger_entry e = {.state = S2_HYP};

    s2_audit_lock_all(a);
    (void)s2_ledger_find(a->cfg->ledger, at, &e);
    if (e.state == S2_FREE) {
        end = lost_until(a, f, at, e.range.end, budget, &next);
        a->at = end.v > at.v ? e.range.end.v : s2_min_u64(next.v, e.range.end.v);
    }
    s2_audit_unlock_all(a);
    if (end.v > at.v)
        s2_audit_report_pa(a, S2_OWNER_NONE, at.v, end.v,
                           "is free by the ledger, and the allocator has given it to nobody");
}

bool s2_audit_leaks(struct s2_audit *a, struct s2_frames *f, uint64_t budget)
{
    bool more;

    while (find_suspect(a, f, &budget, &more))
        look_closer(a, f, budget + 1);
    return more;
}

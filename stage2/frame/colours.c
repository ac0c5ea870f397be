/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include <stage2/colours.h>

#include "base/bits.h"
#include "frame/ledger.h"

#include <stage2/frames.h>

/* --- which frame is which: pure ------------------------------------------------------------------------------------ */

static uint64_t unit_bytes(const struct s2_colouring *c)
{
    return 1ull << c->unit_log2;
}

static uint64_t stripe_bytes(const struct s2_colouring *c)
{
    return unit_bytes(c) << c->colours_log2;
}

/* What of a stripe is in the mask. */
static uint64_t row_bytes(const struct s2_colouring *c)
{
    return (uint64_t)s2_popcount(c->mask) << c->unit_log2;
}

static uint64_t stripes_in(const struct s2_colouring *c)
{
    return c->bytes / row_bytes(c);
}

/* How many colours of the mask are below this one. */
static unsigned rank(uint64_t mask, unsigned colour)
{
    return s2_popcount(mask & ((1ull << colour) - 1));
}

/* The colour of the mask with so many of them below. */
static unsigned nth_colour(uint64_t mask, uint64_t n)
{
    for (; n; n--)
        mask &= mask - 1;
    return s2_ctz(mask);
}

static bool has_all(const struct s2_colouring *c)
{
    return s2_popcount(c->mask) == 1u << c->colours_log2;
}

void s2_colouring_run(const struct s2_colouring *c, s2_ipa ipa, struct s2_ipa_range *run, s2_pa *pa)
{
    uint64_t off = ipa.v - c->ipa.v, row = off / row_bytes(c);
    unsigned low = nth_colour(c->mask, off % row_bytes(c) >> c->unit_log2), high = low + 1;
    unsigned colours = 1u << c->colours_log2;

    if (has_all(c)) {
        *run = (struct s2_ipa_range){c->ipa, S2_IPA(c->ipa.v + c->bytes)};
        *pa = c->start;
        return;
    }
    while (low > 0 && c->mask >> (low - 1) & 1)
        low--;
    while (high < colours && c->mask >> high & 1)
        high++;
    run->start = S2_IPA(c->ipa.v + row * row_bytes(c) + ((uint64_t)rank(c->mask, low) << c->unit_log2));
    run->end = S2_IPA(run->start.v + ((uint64_t)(high - low) << c->unit_log2));
    *pa = S2_PA(c->start.v + row * stripe_bytes(c) + ((uint64_t)low << c->unit_log2));
}

bool s2_colouring_find(const struct s2_colouring *c, s2_pa pa, s2_ipa *ipa)
{
    uint64_t off = pa.v - c->start.v, row = off / stripe_bytes(c);
    unsigned colour = (unsigned)(off % stripe_bytes(c) >> c->unit_log2);

    if (pa.v < c->start.v || row >= stripes_in(c) || !(c->mask >> colour & 1))
        return false;
    *ipa = S2_IPA(c->ipa.v + row * row_bytes(c) + ((uint64_t)rank(c->mask, colour) << c->unit_log2) +
                  (pa.v & (unit_bytes(c) - 1)));
    return true;
}

static s2_pa colouring_end(const struct s2_colouring *c)
{
    return S2_PA(c->start.v + stripes_in(c) * stripe_bytes(c));
}

static bool meets(const struct s2_colouring *a, const struct s2_colouring *b)
{
    return (a->mask & b->mask) && a->start.v < colouring_end(b).v && b->start.v < colouring_end(a).v;
}

static bool sees(const struct s2_colour_piece *p, uint16_t vm, uint64_t start, uint64_t end)
{
    return p->state == S2_COLOUR_HELD && p->vm == vm && p->is.ipa.v < end && start < p->is.ipa.v + p->is.bytes;
}

/* --- records, under the lock ---------------------------------------------------------------------------------------- */

/* The next record behind p that is in use; null: the first one, of the regions from c on. */
static struct s2_colour_piece *next_piece(struct s2_colours **c, struct s2_colour_piece *p)
{
    for (p = p ? p + 1 : *c ? (*c)->piece : NULL; *c; p = *c ? (*c)->piece : NULL) {
        for (; p < (*c)->piece + (*c)->pieces; p++)
            if (p->state != S2_COLOUR_UNUSED)
                return p;
        *c = (*c)->next;
    }
    return NULL;
}

/* The VM's first piece that is seen in [start, end). */
static struct s2_colour_piece *piece_at(struct s2_ledger *l, uint16_t vm, uint64_t start, uint64_t end)
{
    struct s2_colours *c = l->colours;
    struct s2_colour_piece *p = NULL;

    while ((p = next_piece(&c, p)) != NULL)
        if (sees(p, vm, start, end))
            break;
    return p;
}

void s2_colours_resolve(const struct s2_ledger *l, s2_pa pa, struct s2_ledger_entry *e)
{
    struct s2_colours *c = l->colours;
    struct s2_ipa_range run;
    s2_ipa ipa;

    for (struct s2_colour_piece *p = NULL; (p = next_piece(&c, p)) != NULL;) {
        if (p->state != S2_COLOUR_HELD || !s2_colouring_find(&p->is, pa, &ipa))
            continue;
        s2_colouring_run(&p->is, ipa, &run, &e->range.start);
        e->range.end = S2_PA(e->range.start.v + (run.end.v - run.start.v));
        e->ipa = run.start;
        e->owner = p->vm;
        e->state = S2_OWNED;
        return;
    }
    /* cover: the entry is of a region */
    for (c = l->colours; c && (pa.v < c->range.start.v || pa.v >= c->range.end.v);)
        c = c->next;
    if (c) {
        e->range.start = S2_PA(pa.v & ~((1ull << c->unit_log2) - 1));
        e->range.end = S2_PA(e->range.start.v + (1ull << c->unit_log2));
    }
}

/* --- regions -------------------------------------------------------------------------------------------------------- */

static struct s2_colouring whole_of(const struct s2_colours *c)
{
    return (struct s2_colouring){.start = c->range.start,
                                 .bytes = c->range.end.v - c->range.start.v,
                                 .mask = UINT64_MAX >> (64 - (1u << c->colours_log2)),
                                 .colours_log2 = c->colours_log2,
                                 .unit_log2 = c->unit_log2};
}

enum s2_err s2_colours_add(struct s2_ledger *l, struct s2_colours *c, struct s2_pa_range range, unsigned colours,
                           unsigned unit_log2, struct s2_colour_piece *piece, unsigned pieces, struct s2_detail *d)
{
    struct s2_ledger_entry want = {
        .range = range, .owner = S2_OWNER_NONE, .state = S2_COLOURED, .rights = S2_RWX, .ipa = S2_IPA_NONE};
    struct s2_claim claim;
    enum s2_err err;

    if (colours < 2 || colours > S2_COLOURS_MOST || colours & (colours - 1) || unit_log2 < S2_FRAME_LOG2 ||
        unit_log2 > 16 || pieces == 0)
        return s2_ledger_refuse(d, S2_EINVAL, range, "cannot be divided into such colours");
    if ((range.start.v | range.end.v) & (((uint64_t)colours << unit_log2) - 1))
        return s2_ledger_refuse(d, S2_EALIGN, range, "is not a number of whole stripes of colours");
    err = s2_ledger_plan(l, &claim, S2_OWNER_NONE, S2_FREE, &want, d);
    if (err)
        return err;
    *c = (struct s2_colours){.range = range,
                             .colours_log2 = (uint8_t)s2_ctz(colours),
                             .unit_log2 = (uint8_t)unit_log2,
                             .pieces = pieces,
                             .piece = piece};
    for (unsigned i = 0; i < pieces; i++)
        piece[i] = (struct s2_colour_piece){.state = S2_COLOUR_UNUSED};
    piece[0] = (struct s2_colour_piece){.is = whole_of(c), .state = S2_COLOUR_DIRTY};
    s2_ledger_commit(l, &claim);
    s2_ledger_lock(l);
    c->next = l->colours;
    l->colours = c;
    s2_ledger_unlock(l);
    return S2_OK;
}

/* --- give and take back ---------------------------------------------------------------------------------------------- */

/* What is wrong with it, and the code for that. */
static const char *check_wish(const struct s2_colours *c, uint16_t vm, const struct s2_colouring *want,
                              enum s2_err *err)
{
    if (vm < S2_OWNER_FIRST_VM || want->bytes == 0 || want->mask == 0 || want->mask & ~whole_of(c).mask) {
        *err = S2_EINVAL;
        return "asks for no colours, or for such as there are not";
    }
    if ((want->bytes | want->ipa.v) & (unit_bytes(want) - 1)) {
        *err = S2_EALIGN;
        return "is not aligned to the frames of the colours";
    }
    if (want->bytes > c->range.end.v - c->range.start.v) {
        *err = S2_EFRAMES;
        return "needs more memory than the region has";
    }
    if (want->ipa.v + want->bytes + stripe_bytes(want) < want->ipa.v) {
        *err = S2_ERANGE;
        return "wraps around";
    }
    return NULL;
}

/* The lowest place in the region with nothing of these colours; `clean`: or nothing but dirty ones. */
static bool find_room(struct s2_colours *c, struct s2_colouring *want, bool or_dirty)
{
    uint64_t bytes = stripes_in(want) * stripe_bytes(want);

    want->start = c->range.start;
    for (unsigned i = 0; bytes <= c->range.end.v - want->start.v;) {
        const struct s2_colour_piece *p = &c->piece[i];

        if (i == c->pieces)
            return true;
        i++;
        if (p->state == S2_COLOUR_UNUSED || (or_dirty && p->state == S2_COLOUR_DIRTY) || !meets(&p->is, want))
            continue;
        want->start = colouring_end(&p->is);
        i = 0;
    }
    return false;
}

static struct s2_colour_piece *unused_piece(struct s2_colours *c)
{
    for (unsigned i = 0; i < c->pieces; i++)
        if (c->piece[i].state == S2_COLOUR_UNUSED)
            return &c->piece[i];
    return NULL;
}

/* Under the lock; *p: the record to use. */
static enum s2_err find_piece(struct s2_ledger *l, struct s2_colours *c, uint16_t vm, struct s2_colouring *want,
                              struct s2_colour_piece **p, struct s2_detail *d)
{
    uint64_t start = want->ipa.v, end = want->ipa.v + want->bytes;
    const struct s2_colour_piece *there = piece_at(l, vm, start, end);

    *p = unused_piece(c);
    if (there)
        return s2_refuse_found(d, S2_EEXIST, S2_AXIS_IPA, start, end, there->is.ipa.v,
                               there->is.ipa.v + there->is.bytes, "is where the VM has coloured memory");
    if (!find_room(c, want, true))
        return s2_refuse(d, S2_EFRAMES, S2_AXIS_IPA, start, end, "needs more memory of those colours than is free");
    if (!find_room(c, want, false))
        return s2_refuse(d, S2_EBUSY, S2_AXIS_IPA, start, end, "needs memory that is being scrubbed");
    return *p ? S2_OK : s2_refuse(d, S2_ENODES, S2_AXIS_IPA, start, end, "needs more records than the region has");
}

enum s2_err s2_colours_give(struct s2_ledger *l, struct s2_colours *c, uint16_t vm, uint64_t mask, uint64_t bytes,
                            s2_ipa ipa, struct s2_detail *d)
{
    struct s2_colouring want = {
        .ipa = ipa, .bytes = bytes, .mask = mask, .colours_log2 = c->colours_log2, .unit_log2 = c->unit_log2};
    enum s2_err err = S2_OK;
    const char *wrong = check_wish(c, vm, &want, &err);
    struct s2_colour_piece *p;

    if (wrong)
        return s2_refuse(d, err, S2_AXIS_IPA, ipa.v, ipa.v + bytes, wrong);
    want.bytes = (bytes + row_bytes(&want) - 1) / row_bytes(&want) * row_bytes(&want);
    s2_ledger_lock(l);
    err = find_piece(l, c, vm, &want, &p, d);
    if (!err)
        *p = (struct s2_colour_piece){.is = want, .vm = vm, .state = S2_COLOUR_HELD};
    s2_ledger_unlock(l);
    if (!err && d)
        *d = (struct s2_detail){
            .axis = S2_AXIS_PA, .found_start = want.start.v, .found_end = colouring_end(&want).v, .holder = vm};
    return err;
}

bool s2_colours_take_back(struct s2_ledger *l, uint16_t vm)
{
    struct s2_colour_piece *p = NULL;
    struct s2_colours *c;

    s2_ledger_lock(l);
    c = l->colours;
    while ((p = next_piece(&c, p)) != NULL)
        if (p->state == S2_COLOUR_HELD && p->vm == vm && p->mapped == 0)
            break;
    if (p) {
        p->state = S2_COLOUR_DIRTY;
        p->vm = S2_OWNER_NONE;
        p->is.ipa = S2_IPA(0);
    }
    s2_ledger_unlock(l);
    return p != NULL;
}

/* --- scrubbing ------------------------------------------------------------------------------------------------------- */

/* Under the lock: a dirty piece that no other CPU is at; *left: there are dirty ones. */
static struct s2_colour_piece *dirty_piece(struct s2_colours *c, bool *left)
{
    struct s2_colour_piece *found = NULL;

    *left = false;
    for (unsigned i = 0; i < c->pieces; i++) {
        if (c->piece[i].state != S2_COLOUR_DIRTY)
            continue;
        *left = true;
        if (!found && !c->piece[i].scrubbing)
            found = &c->piece[i];
    }
    return found;
}

static void zero(struct s2_port *port, const struct s2_colouring *c, uint64_t from, uint64_t to)
{
    struct s2_ipa_range run;
    s2_pa pa;

    for (uint64_t bytes; from < to; from += bytes) {
        s2_colouring_run(c, S2_IPA(from), &run, &pa);
        bytes = s2_min_u64(run.end.v, to) - from;
        s2_frames_zero(port, S2_PA(pa.v + (from - run.start.v)), bytes);
    }
}

bool s2_colours_scrub_step(struct s2_ledger *l, struct s2_colours *c, uint64_t budget)
{
    struct s2_colour_piece *p;
    uint64_t to;
    bool left;

    s2_ledger_lock(l);
    p = dirty_piece(c, &left);
    if (p)
        p->scrubbing = true;
    s2_ledger_unlock(l);
    if (!p)
        return left;
    /* Nobody else changes a piece that is being scrubbed. */
    to = p->scrubbed + s2_min_u64(budget, (p->is.bytes - p->scrubbed) / S2_FRAME) * S2_FRAME;
    zero(l->port, &p->is, p->scrubbed, to);
    s2_ledger_lock(l);
    p->scrubbed = to;
    p->scrubbing = false;
    if (to == p->is.bytes)
        p->state = S2_COLOUR_UNUSED;
    (void)dirty_piece(c, &left);
    s2_ledger_unlock(l);
    return left;
}

/* --- the map path ---------------------------------------------------------------------------------------------------- */

bool s2_colours_at(struct s2_ledger *l, uint16_t vm, s2_ipa ipa, struct s2_colouring *out)
{
    const struct s2_colour_piece *p;

    s2_ledger_lock(l);
    p = piece_at(l, vm, ipa.v, ipa.v + 1);
    if (p)
        *out = p->is;
    s2_ledger_unlock(l);
    return p != NULL;
}

/* Under the lock: where what the VM has from ipa on ends; ipa itself when that is nothing. */
static uint64_t end_at(struct s2_ledger *l, uint16_t vm, uint64_t ipa)
{
    const struct s2_colour_piece *p = piece_at(l, vm, ipa, ipa + 1);

    return p ? p->is.ipa.v + p->is.bytes : ipa;
}

/* Under the lock. */
static void count(struct s2_ledger *l, uint16_t vm, struct s2_ipa_range range, bool more)
{
    struct s2_colour_piece *p;

    /* cover: what an area has is a piece's */
    while (range.start.v < range.end.v && (p = piece_at(l, vm, range.start.v, range.start.v + 1)) != NULL) {
        uint64_t end = s2_min_u64(range.end.v, p->is.ipa.v + p->is.bytes), bytes = end - range.start.v;

        p->mapped = more ? p->mapped + bytes : p->mapped - bytes;
        range.start.v = end;
    }
}

enum s2_err s2_colours_use(struct s2_ledger *l, uint16_t vm, struct s2_ipa_range range, struct s2_detail *d)
{
    uint64_t at = range.start.v, end = at;
    enum s2_err err = S2_OK;

    s2_ledger_lock(l);
    do {
        at = end;
        end = end_at(l, vm, at);
    } while (at < end && end < range.end.v);
    if (end < range.end.v)
        err = s2_refuse(d, S2_EPERM, S2_AXIS_IPA, range.start.v, range.end.v,
                        "is in part not the place of coloured memory of the VM's");
    else
        count(l, vm, range, true);
    s2_ledger_unlock(l);
    return err;
}

void s2_colours_unuse(struct s2_ledger *l, uint16_t vm, struct s2_ipa_range range)
{
    s2_ledger_lock(l);
    count(l, vm, range, false);
    s2_ledger_unlock(l);
}

/* --- for people and tools -------------------------------------------------------------------------------------------- */

bool s2_colours_list(struct s2_ledger *l, unsigned n, struct s2_colour_piece *out)
{
    struct s2_colour_piece *p;
    struct s2_colours *c;

    s2_ledger_lock(l);
    c = l->colours;
    p = next_piece(&c, NULL);
    for (; p && n; n--)
        p = next_piece(&c, p);
    if (p)
        *out = *p;
    s2_ledger_unlock(l);
    return p != NULL;
}

/* Under the lock: what is wrong with one record. */
static const char *check_piece(struct s2_ledger *l, const struct s2_colours *c, const struct s2_colour_piece *p)
{
    struct s2_colours *others = l->colours;
    struct s2_ipa_range seen = {p->is.ipa, S2_IPA(p->is.ipa.v + p->is.bytes)};
    struct s2_colour_piece *q = NULL;

    if (p->is.start.v < c->range.start.v || colouring_end(&p->is).v > c->range.end.v)
        return "is a coloured piece outside of its region";
    while ((q = next_piece(&others, q)) != NULL) {
        if (q == p)
            continue;
        if (meets(&p->is, &q->is))
            return "is coloured memory that two have";
        if (p->state == S2_COLOUR_HELD && sees(q, p->vm, seen.start.v, seen.end.v))
            return "is coloured memory that is seen where other is";
    }
    return NULL;
}

static const char *check_pieces(struct s2_ledger *l, struct s2_detail *d)
{
    struct s2_colours *c = l->colours;
    struct s2_colour_piece *p = NULL;
    const char *wrong = NULL;

    s2_ledger_lock(l);
    while (!wrong && (p = next_piece(&c, p)) != NULL) {
        wrong = check_piece(l, c, p);
        if (wrong)
            (void)s2_ledger_refuse(d, S2_EINVAL, (struct s2_pa_range){p->is.start, colouring_end(&p->is)}, wrong);
    }
    s2_ledger_unlock(l);
    return wrong;
}

const char *s2_colours_check(struct s2_ledger *l, struct s2_detail *d)
{
    const char *wrong = check_pieces(l, d);
    struct s2_ledger_entry e;

    for (struct s2_colours *c = l->colours; c && !wrong; c = c->next)
        for (s2_pa at = c->range.start; at.v < c->range.end.v && !wrong; at = e.range.end) {
            if (s2_ledger_next(l, at, &e) && e.range.start.v <= at.v && e.state == S2_COLOURED)
                continue;
            wrong = "is a coloured region that the ledger does not have";
            (void)s2_ledger_refuse(d, S2_EINVAL, c->range, wrong);
        }
    return wrong;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "frame/ledger.h"

#include <stage2/frames.h>

/* A change cuts at most the two entries at its ends, and puts at most one in: two insertions. */
enum { CHANGE_INSERTS = 2 };

/* For a change that others may come before: height + 2 nodes for each insertion (s2_imap_need), and one more, since they may
 * have made the map one level higher by then. That all entries fit in the root now says nothing of then. */
uint32_t s2_ledger_change_nodes(const struct s2_ledger *l)
{
    return CHANGE_INSERTS * (l->map.height + 3u);
}

/* Promises that last (s2_ledger_promise) must not depend on how high the map is when they are made, so they are counted for the
 * insertion that makes it as high as any map can be. */
enum { HIGHEST = S2_IMAP_HEIGHT - 1 + 2, PROMISE_NODES = CHANGE_INSERTS * HIGHEST };

#define OVER_QUOTA "needs more ledger entries than the VM's quota allows"

/* --- entries and values: w[0] = owner, state, rights, share; w[1] = IPA; w[2] = offset in the share, and in its lowest bit pooled */

static struct s2_ival pack(const struct s2_ledger_entry *e, uint64_t offset)
{
    return (struct s2_ival){
        {(uint64_t)e->owner | (uint64_t)e->state << 16 | (uint64_t)e->rights << 24 | (uint64_t)e->share << 32, e->ipa.v,
         offset | e->pooled}};
}

static struct s2_ledger_entry unpack(const struct s2_ient *e)
{
    return (struct s2_ledger_entry){
        .range = {S2_PA(e->start), S2_PA(e->end)},
        .owner = (uint16_t)e->val.w[0],
        .state = (uint8_t)(e->val.w[0] >> 16),
        .rights = (uint8_t)(e->val.w[0] >> 24),
        .share = (uint32_t)(e->val.w[0] >> 32),
        .ipa = S2_IPA(e->val.w[1]),
        .pooled = e->val.w[2] & 1,
    };
}

/* The value of the part of an entry that begins `offset` bytes into it. */
static struct s2_ival part_value(struct s2_ival val, uint64_t offset)
{
    if (val.w[1] != S2_IPA_NONE.v)
        val.w[1] += offset;
    if (val.w[0] >> 32)
        val.w[2] += offset;
    return val;
}

static bool joins(const struct s2_ient *low, const struct s2_ient *high)
{
    struct s2_ival on = part_value(low->val, low->end - low->start);

    return low->end == high->start && on.w[0] == high->val.w[0] && on.w[1] == high->val.w[1] &&
           on.w[2] == high->val.w[2];
}

/* --- edits, under the lock, nodes reserved ----------------------------------------------------------------------- */

/* A change of the map, which is one splice. `at`: the first entry that goes, or before which what comes is put. */
struct change {
    struct s2_imap *map;
    struct s2_imap_cursor at;
    struct s2_ient mine, low, high; /* what comes, and what lies below and above it: */
    bool has_low, has_high;
    bool cuts_low, cuts_high; /* parts of entries that stick out, not whole ones beside it */
    unsigned out;
};

/* What the range meets, and what is next to it. */
static void look_around(struct change *c)
{
    struct s2_imap_cursor behind, before;
    struct s2_ient e = {0, 0, {{0}}};

    (void)s2_imap_seek(c->map, c->mine.start, &c->at);
    behind = before = c->at;
    if (s2_imap_get(&behind, &e) && e.start < c->mine.start) {
        c->has_low = c->cuts_low = true;
        c->low = (struct s2_ient){e.start, c->mine.start, e.val};
    } else if (s2_imap_prev(c->map, &before)) {
        c->has_low = s2_imap_get(&before, &c->low);
    }
    for (; s2_imap_get(&behind, &e) && e.start < c->mine.end; c->out++) {
        c->cuts_high = e.end > c->mine.end;
        c->high = (struct s2_ient){c->mine.end, e.end, part_value(e.val, c->mine.end - e.start)};
        (void)s2_imap_next(c->map, &behind);
    }
    c->has_high = c->cuts_high;
    if (!c->cuts_high)
        c->has_high = s2_imap_get(&behind, &c->high);
}

/* --- what each owner takes up --------------------------------------------------------------------------------------- */

static struct s2_ledger_account *account_of(const struct s2_ledger *l, uint16_t owner)
{
    unsigned i = (unsigned)owner - S2_OWNER_FIRST_VM; /* of those below: beyond all */

    return i < l->accounts ? &l->account[i] : NULL;
}

void s2_ledger_charge(struct s2_ledger *l, uint16_t owner, int32_t n)
{
    struct s2_ledger_account *a = account_of(l, owner);

    if (a)
        a->held += (uint32_t)n;
}

uint64_t s2_ledger_entries(const struct s2_ledger *l, uint16_t owner)
{
    struct s2_imap_cursor at;
    struct s2_ient e;
    uint64_t n = 0;

    for (bool ok = s2_imap_seek(&l->map, 0, &at); ok && s2_imap_get(&at, &e); ok = s2_imap_next(&l->map, &at))
        n += (uint16_t)e.val.w[0] == owner;
    return n;
}

bool s2_ledger_may_have(const struct s2_ledger *l, uint16_t owner, uint32_t n)
{
    const struct s2_ledger_account *a = account_of(l, owner);

    return !a || (a->held <= a->limit && n <= a->limit - a->held);
}

/* The entries that a change takes out and puts in. */
static void charge_change(struct s2_ledger *l, const struct change *c, const struct s2_ient *in, unsigned n)
{
    struct s2_imap_cursor at = c->at;
    struct s2_ient e;

    for (unsigned i = 0; i < c->out && s2_imap_get(&at, &e); i++) {
        s2_ledger_charge(l, (uint16_t)e.val.w[0], -1);
        (void)s2_imap_next(&l->map, &at);
    }
    while (n-- > 0)
        s2_ledger_charge(l, (uint16_t)in[n].val.w[0], 1);
}

void s2_ledger_apply(struct s2_ledger *l, const struct s2_ledger_entry *want, uint64_t offset)
{
    struct change c = {.map = &l->map, .mine = {want->range.start.v, want->range.end.v, pack(want, offset)}};
    struct s2_ient in[3];
    unsigned n = 0;

    look_around(&c);
    if (c.has_low && joins(&c.low, &c.mine)) {
        c.mine = (struct s2_ient){c.low.start, c.mine.end, c.low.val};
        c.out += !c.cuts_low && s2_imap_prev(c.map, &c.at);
    } else if (c.cuts_low) {
        in[n++] = c.low;
    }
    if (c.has_high && joins(&c.mine, &c.high)) {
        c.mine.end = c.high.end;
        c.out += !c.cuts_high;
        c.cuts_high = false;
    }
    in[n++] = c.mine;
    if (c.cuts_high)
        in[n++] = c.high;
    if (l->accounts)
        charge_change(l, &c, in, n);
    s2_imap_splice(c.map, &c.at, c.out, in, n);
}

/* --- refusals ---------------------------------------------------------------------------------------------------- */

enum s2_err s2_ledger_refuse(struct s2_detail *d, enum s2_err err, struct s2_pa_range range, const char *what)
{
    return s2_refuse(d, err, S2_AXIS_PA, range.start.v, range.end.v, what);
}

enum s2_err s2_ledger_refuse_found(struct s2_detail *d, enum s2_err err, struct s2_pa_range range, const char *what,
                                   const struct s2_ledger_entry *found)
{
    if (d) {
        (void)s2_ledger_refuse(d, err, range, what);
        d->found_start = found->range.start.v;
        d->found_end = found->range.end.v;
        d->holder = found->owner;
    }
    return err;
}

enum s2_err s2_ledger_check_range(const struct s2_ledger *l, struct s2_pa_range range, struct s2_detail *d)
{
    if (range.start.v >= range.end.v)
        return s2_ledger_refuse(d, S2_EINVAL, range, "is empty or wraps");
    if ((range.start.v | range.end.v) & (S2_FRAME - 1))
        return s2_ledger_refuse(d, S2_EALIGN, range, "is not aligned to a frame");
    if (range.end.v > l->map.hi)
        return s2_ledger_refuse(d, S2_ERANGE, range, "lies beyond the physical address size");
    return S2_OK;
}

uint32_t s2_ledger_ends(const struct s2_ledger *l, struct s2_pa_range range)
{
    struct s2_ient e;
    uint32_t ends = 0;

    if (s2_imap_find(&l->map, range.start.v, &e))
        ends += e.start < range.start.v;
    if (s2_imap_find(&l->map, range.end.v - 1, &e))
        ends += e.end > range.end.v;
    return ends;
}

static struct s2_claim *pending_on(struct s2_ledger *l, struct s2_pa_range range)
{
    for (struct s2_claim *c = l->pending; c; c = c->next)
        if (c->want.range.start.v < range.end.v && range.start.v < c->want.range.end.v)
            return c;
    return NULL;
}

/* Under the lock: every frame of the range is in an entry that `owner` has in `state`. */
static enum s2_err covered(struct s2_ledger *l, struct s2_pa_range range, uint16_t owner, enum s2_frame_state state,
                           struct s2_detail *d)
{
    for (uint64_t pa = range.start.v; pa < range.end.v;) {
        struct s2_ient e;
        if (!s2_imap_find(&l->map, pa, &e))
            return s2_ledger_refuse(d, S2_ENOENT, range, "is in part no memory that the machine has");
        struct s2_ledger_entry found = unpack(&e);
        if (found.owner != owner || found.state != state)
            return s2_ledger_refuse_found(d, S2_EPERM, range, "is held by another", &found);
        pa = e.end;
    }
    return S2_OK;
}

enum s2_err s2_ledger_check_held(struct s2_ledger *l, struct s2_pa_range range, uint16_t owner,
                                 enum s2_frame_state state, struct s2_detail *d)
{
    struct s2_claim *other = pending_on(l, range);

    if (other)
        return s2_ledger_refuse_found(d, S2_EBUSY, range, "meets a range that another operation is changing",
                                      &other->want);
    return covered(l, range, owner, state, d);
}

/* --- the public face --------------------------------------------------------------------------------------------- */

void s2_ledger_init(struct s2_ledger *l, struct s2_port *port, struct s2_pool *pool, uint8_t pa_bits)
{
    *l = (struct s2_ledger){.port = port};
    s2_imap_init(&l->map, pool, 0, 1ull << pa_bits, S2_IMAP_BYTES);
}

void s2_ledger_quota(struct s2_ledger *l, struct s2_ledger_account *account, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        account[i] = (struct s2_ledger_account){0, UINT32_MAX};
    l->account = account;
    l->accounts = n;
}

void s2_ledger_limit(struct s2_ledger *l, uint16_t owner, uint32_t limit)
{
    struct s2_ledger_account *a = account_of(l, owner);

    s2_ledger_lock(l);
    if (a)
        a->limit = limit;
    s2_ledger_unlock(l);
}

uint32_t s2_ledger_held(struct s2_ledger *l, uint16_t owner)
{
    const struct s2_ledger_account *a = account_of(l, owner);

    s2_ledger_lock(l);
    uint32_t held = a ? a->held : 0;
    s2_ledger_unlock(l);
    return held;
}

enum s2_err s2_ledger_add(struct s2_ledger *l, const struct s2_ledger_entry *e, struct s2_detail *d)
{
    enum s2_err err = s2_ledger_check_range(l, e->range, d);
    struct s2_ient met;

    if (err)
        return err;
    s2_ledger_lock(l);
    uint32_t nodes = s2_ledger_change_nodes(l);
    if (s2_imap_overlaps(&l->map, e->range.start.v, e->range.end.v, &met)) {
        struct s2_ledger_entry found = unpack(&met);
        err = s2_ledger_refuse_found(d, S2_EEXIST, e->range, "overlaps what is known already", &found);
    } else if (s2_pool_reserve(l->map.pool, nodes)) {
        err = s2_ledger_refuse(d, S2_ENODES, e->range, "needs more ledger nodes than there are");
    } else {
        s2_ledger_apply(l, e, 0);
        s2_pool_unreserve(l->map.pool, nodes);
    }
    s2_ledger_unlock(l);
    return err;
}

enum s2_err s2_ledger_plan(struct s2_ledger *l, struct s2_claim *c, uint16_t from_owner, enum s2_frame_state from_state,
                           const struct s2_ledger_entry *want, struct s2_detail *d)
{
    enum s2_err err = s2_ledger_check_range(l, want->range, d);

    *c = (struct s2_claim){.want = *want};
    if (err)
        return err;
    s2_ledger_lock(l);
    err = s2_ledger_check_held(l, want->range, from_owner, from_state, d);
    if (!err && !s2_ledger_may_have(l, want->owner, from_owner == want->owner ? s2_ledger_ends(l, want->range) : 1))
        err = s2_ledger_refuse(d, S2_EQUOTA, want->range, OVER_QUOTA);
    if (err == S2_OK) {
        c->nodes = s2_ledger_change_nodes(l);
        if (s2_pool_reserve(l->map.pool, c->nodes)) {
            err = s2_ledger_refuse(d, S2_ENODES, want->range, "needs more ledger nodes than there are");
        } else {
            c->pending = true;
            c->next = l->pending;
            l->pending = c;
        }
    }
    s2_ledger_unlock(l);
    return err;
}

/* Under the lock. */
static void retire(struct s2_ledger *l, struct s2_claim *c)
{
    struct s2_claim **link = &l->pending;

    while (*link != c)
        link = &(*link)->next;
    *link = c->next;
    c->pending = false;
    s2_pool_unreserve(l->map.pool, c->nodes);
}

void s2_ledger_commit(struct s2_ledger *l, struct s2_claim *c)
{
    s2_ledger_lock(l);
    s2_ledger_apply(l, &c->want, 0);
    retire(l, c);
    s2_ledger_unlock(l);
}

void s2_ledger_drop(struct s2_ledger *l, struct s2_claim *c)
{
    if (!c->pending)
        return;
    s2_ledger_lock(l);
    retire(l, c);
    s2_ledger_unlock(l);
}

enum s2_err s2_ledger_promise(struct s2_ledger *l, uint16_t owner, uint32_t n)
{
    s2_ledger_lock(l);
    enum s2_err err = S2_EQUOTA;
    if (s2_ledger_may_have(l, owner, n))
        err = s2_pool_reserve(l->map.pool, n * PROMISE_NODES);
    s2_ledger_unlock(l);
    return err;
}

void s2_ledger_unpromise(struct s2_ledger *l, uint32_t n)
{
    s2_ledger_lock(l);
    s2_pool_unreserve(l->map.pool, n * PROMISE_NODES);
    s2_ledger_unlock(l);
}

enum s2_err s2_ledger_reserve(struct s2_ledger *l, uint16_t owner, uint32_t n, uint32_t *nodes)
{
    enum s2_err err = S2_EQUOTA;

    s2_ledger_lock(l);
    /* Each change by itself: others change the map and take nodes in between. */
    uint32_t need = n < UINT32_MAX / PROMISE_NODES ? n * s2_ledger_change_nodes(l) : UINT32_MAX;
    if (s2_ledger_may_have(l, owner, n))
        err = s2_pool_reserve(l->map.pool, need);
    s2_ledger_unlock(l);
    *nodes = err ? 0 : need;
    return err;
}

void s2_ledger_unreserve(struct s2_ledger *l, uint32_t nodes)
{
    s2_ledger_lock(l);
    s2_pool_unreserve(l->map.pool, nodes);
    s2_ledger_unlock(l);
}

void s2_ledger_set(struct s2_ledger *l, const struct s2_ledger_entry *want)
{
    s2_ledger_lock(l);
    s2_ledger_apply(l, want, 0);
    s2_ledger_unlock(l);
}

enum s2_err s2_ledger_check(struct s2_ledger *l, uint16_t owner, struct s2_pa_range range, uint8_t rights,
                            struct s2_detail *d)
{
    enum s2_err err = s2_ledger_check_range(l, range, d);

    if (err)
        return err;
    s2_ledger_lock(l);
    for (uint64_t pa = range.start.v; pa < range.end.v && !err;) {
        struct s2_ient e;
        if (!s2_imap_find(&l->map, pa, &e)) {
            err = s2_ledger_refuse(d, S2_ENOENT, range, "is in part no memory that the machine has");
            break;
        }
        struct s2_ledger_entry found = unpack(&e);
        if (found.owner != owner || (found.state != S2_OWNED && found.state != S2_DEVICE))
            err = s2_ledger_refuse_found(d, S2_EPERM, range, "is held by another", &found);
        else if (rights & ~found.rights)
            err = s2_ledger_refuse_found(d, S2_EPERM, range, "does not allow that access", &found);
        pa = e.end;
    }
    s2_ledger_unlock(l);
    return err;
}

bool s2_ledger_look(const struct s2_ledger *l, s2_pa pa, struct s2_ledger_full *out)
{
    struct s2_ient e;

    if (!s2_imap_find(&l->map, pa.v, &e))
        return false;
    *out = (struct s2_ledger_full){unpack(&e), e.val.w[2] & ~1ull};
    return true;
}

bool s2_ledger_find(struct s2_ledger *l, s2_pa pa, struct s2_ledger_entry *out)
{
    struct s2_ledger_full full;

    s2_ledger_lock(l);
    bool found = s2_ledger_look(l, pa, &full);
    if (found && full.entry.state == S2_COLOURED)
        s2_colours_resolve(l, pa, &full.entry);
    s2_ledger_unlock(l);
    if (found)
        *out = full.entry;
    return found;
}

bool s2_ledger_next(struct s2_ledger *l, s2_pa pa, struct s2_ledger_entry *out)
{
    struct s2_ient e;

    s2_ledger_lock(l);
    bool found = s2_imap_find_from(&l->map, pa.v, &e);
    s2_ledger_unlock(l);
    if (found)
        *out = unpack(&e);
    return found;
}

struct tally {
    uint16_t owner;
    enum s2_frame_state state;
    uint64_t bytes;
};

static bool add_up(void *arg, const struct s2_ient *e)
{
    struct tally *t = arg;
    struct s2_ledger_entry entry = unpack(e);

    if (entry.owner == t->owner && entry.state == t->state)
        t->bytes += e->end - e->start;
    return true;
}

uint64_t s2_ledger_count(struct s2_ledger *l, uint16_t owner, enum s2_frame_state state)
{
    struct tally t = {owner, state, 0};

    s2_ledger_lock(l);
    s2_imap_walk(&l->map, 0, l->map.hi, add_up, &t);
    s2_ledger_unlock(l);
    return t.bytes / S2_FRAME;
}

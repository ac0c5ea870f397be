/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The life of a share, from the offer to the close; share.h draws it. Frames in a share have ledger entries of their own, which
 * end where its runs do: to make them somebody's again needs no node, so that drop, give and close cannot fail. */
#include "base/bits.h"
#include "frame/ledger.h"

#define OFFSETS (1ull << 48) /* no share is larger */
enum { GENERATION_SHIFT = 16 };

static struct s2_pa_range pa_range(uint64_t pa, uint64_t bytes)
{
    return (struct s2_pa_range){S2_PA(pa), S2_PA(pa + bytes)};
}

static enum s2_err refuse(struct s2_detail *d, enum s2_err err, const char *what)
{
    return s2_refuse(d, err, S2_AXIS_NONE, 0, 0, what);
}

/* One that is there, but is not to be known by who asks, is answered as one that is not. */
static enum s2_err unknown(struct s2_detail *d)
{
    return refuse(d, S2_ENOENT, "is no share of this VM's");
}

static uint32_t handle_of(const struct s2_ledger *l, const struct s2_share *s)
{
    return (uint32_t)s->generation << GENERATION_SHIFT | (uint32_t)(s - l->share + 1);
}

struct s2_share *s2_share_of(const struct s2_ledger *l, uint32_t handle)
{
    unsigned index = s2_share_index(handle);
    struct s2_share *s;

    if (index >= l->shares)
        return NULL;
    s = &l->share[index];
    return s->phase != S2_SHARE_UNUSED && handle_of(l, s) == handle ? s : NULL;
}

/* One that is whole. */
static struct s2_share *made(const struct s2_ledger *l, uint32_t handle)
{
    struct s2_share *s = s2_share_of(l, handle);

    return s && s->phase != S2_SHARE_MAKING ? s : NULL;
}

static struct s2_borrower *borrower_of(struct s2_share *s, uint16_t vm)
{
    for (unsigned i = 0; i < s->borrowers; i++)
        if (s->borrower[i].vm == vm)
            return &s->borrower[i];
    return NULL;
}

static const struct s2_borrower *holder_of(const struct s2_share *s)
{
    for (unsigned i = 0; i < s->borrowers; i++)
        if (s->borrower[i].state != S2_BORROW_OFFERED)
            return &s->borrower[i];
    return NULL;
}

void s2_share_init(struct s2_ledger *l, struct s2_share *table, unsigned n, unsigned each)
{
    enum { MOST = 0xfffe };

    l->share = table;
    l->shares = n < MOST ? n : MOST;
    l->shares_each = each;
}

/* --- the offer ------------------------------------------------------------------------------------------------------ */

static const char *wrong_borrower(const struct s2_offer *o, unsigned i, uint16_t owner)
{
    uint8_t rights = o->borrower[i].rights;

    if (o->borrower[i].vm < S2_OWNER_FIRST_VM)
        return "is offered to nobody that there can be";
    if (o->borrower[i].vm == owner)
        return "is offered to its owner";
    if (!(rights & S2_R) || (rights & ~(unsigned)S2_PERM_MASK))
        return "is offered without the right to read, or with unknown rights";
    for (unsigned k = 0; k < i; k++)
        if (o->borrower[k].vm == o->borrower[i].vm)
            return "is offered to one VM twice";
    return NULL;
}

static enum s2_err check_offer(const struct s2_offer *o, uint16_t owner, uint32_t allowed, struct s2_detail *d)
{
    unsigned most = o->kind == S2_SHARE ? S2_SHARE_BORROWERS : 1;

    if (o->kind > S2_DONATE || o->borrowers == 0 || o->borrowers > most)
        return refuse(d, S2_EINVAL, "is offered to nobody, or to too many");
    for (unsigned i = 0; i < o->borrowers; i++) {
        const char *what = wrong_borrower(o, i, owner);

        if (what)
            return refuse(d, S2_EINVAL, what);
    }
    for (unsigned i = 0; i < o->borrowers; i++)
        if (o->borrower[i].rights & ~allowed)
            return refuse(d, S2_EPERM, "is offered with rights that the owner does not have");
    return S2_OK;
}

/* A record that is free; *mine: how many this owner has. In a table that has room for all owners each has a part of its own, so that
 * nobody learns from his handles what others share. */
static struct s2_share *free_record(struct s2_ledger *l, uint16_t owner, unsigned *mine)
{
    unsigned first = (owner - (unsigned)S2_OWNER_FIRST_VM) * l->shares_each;
    struct s2_share *found = NULL;

    *mine = 0;
    for (unsigned i = 0; i < l->shares; i++) {
        struct s2_share *s = &l->share[(first + i) % l->shares];

        if (s->phase != S2_SHARE_UNUSED)
            *mine += s->owner == owner;
        else if (!found)
            found = s;
    }
    return found;
}

static void fill(struct s2_ledger *l, struct s2_share *s, uint16_t owner, const struct s2_offer *o,
                 const struct s2_share_was *was, struct s2_frames *frames)
{
    *s = (struct s2_share){.generation = (uint16_t)(s->generation + 1),
                           .owner = owner,
                           .kind = (uint8_t)o->kind,
                           .phase = S2_SHARE_MAKING,
                           .borrowers = (uint8_t)o->borrowers,
                           .was = *was,
                           .frames = frames};
    for (unsigned i = 0; i < o->borrowers; i++)
        s->borrower[i] =
            (struct s2_borrower){.vm = o->borrower[i].vm, .rights = o->borrower[i].rights, .ipa = S2_IPA_NONE};
    s2_imap_init(&s->runs, l->map.pool, 0, OFFSETS, S2_IMAP_BYTES);
}

enum s2_err s2_share_begin(struct s2_ledger *l, uint16_t owner, const struct s2_offer *o,
                           const struct s2_share_was *was, struct s2_frames *frames, uint32_t *handle,
                           struct s2_detail *d)
{
    enum s2_err err = check_offer(o, owner, was->attr, d);
    struct s2_share *s;
    unsigned mine;

    if (err)
        return err;
    s2_ledger_lock(l);
    s = free_record(l, owner, &mine);
    if (mine >= l->shares_each) {
        err = refuse(d, S2_EQUOTA, "is one share more than its owner may have");
    } else if (!s) {
        err = refuse(d, S2_ENODES, "is one share more than there can be");
    } else {
        fill(l, s, owner, o, was, frames);
        *handle = handle_of(l, s);
    }
    s2_ledger_unlock(l);
    return err;
}

/* --- frames into it, and out of it ------------------------------------------------------------------------------------ */

static uint8_t offered_rights(const struct s2_share *s)
{
    uint8_t rights = 0;

    for (unsigned i = 0; i < s->borrowers; i++)
        rights |= s->borrower[i].rights;
    return rights;
}

/* Does the whole run have the rights that are offered, and is it like those before it? */
static enum s2_err check_alike(const struct s2_ledger *l, const struct s2_share *s, struct s2_pa_range run,
                               struct s2_ledger_entry *first, struct s2_detail *d)
{
    for (s2_pa at = run.start; at.v < run.end.v;) {
        struct s2_ledger_full f;

        (void)s2_ledger_look(l, at, &f); /* is there: it is all the owner's */
        if (at.v == run.start.v)
            *first = f.entry;
        if (offered_rights(s) & ~f.entry.rights)
            return s2_ledger_refuse_found(d, S2_EPERM, run, "does not allow that access", &f.entry);
        if (f.entry.pooled != (s->bytes ? s->pooled : first->pooled) ||
            f.entry.rights != (s->bytes ? s->rights : first->rights))
            return s2_ledger_refuse_found(d, S2_EPERM, run, "mixes memory of different kinds", &f.entry);
        at = f.entry.range.end;
    }
    return S2_OK;
}

static void put_run(struct s2_ledger *l, struct s2_share *s, struct s2_pa_range run)
{
    uint64_t bytes = run.end.v - run.start.v;
    struct s2_ient last, e = {s->bytes, s->bytes + bytes, {{run.start.v, 0, 0}}};

    if (s->bytes && s2_imap_find(&s->runs, s->bytes - 1, &last) &&
        last.val.w[0] + (last.end - last.start) == run.start.v) {
        s2_imap_resize(&s->runs, last.start, last.start, e.end);
    } else {
        s2_imap_insert(&s->runs, &e);
        s2_ledger_charge(l, s->owner, 1);
    }
    s->bytes += bytes;
}

/* The ledger says that the run is in the share. */
static void enter(struct s2_ledger *l, struct s2_share *s, struct s2_pa_range run, const struct s2_ledger_entry *was)
{
    struct s2_ledger_entry e = {.range = run,
                                .owner = s->owner,
                                .state = s->kind == S2_SHARE ? S2_SHARED : S2_LENT,
                                .rights = was->rights,
                                .share = handle_of(l, s),
                                .ipa = S2_IPA(s->was.ipa.v + s->bytes),
                                .pooled = was->pooled};

    s2_ledger_apply(l, &e, s->bytes);
    s->pooled = was->pooled;
    s->rights = was->rights;
    put_run(l, s, run);
}

enum s2_err s2_share_add(struct s2_ledger *l, uint32_t handle, struct s2_pa_range run, struct s2_detail *d)
{
    enum s2_err err = s2_ledger_check_range(l, run, d);
    struct s2_ledger_entry was = {.pooled = false};
    struct s2_share *s;

    if (err)
        return err;
    s2_ledger_lock(l);
    s = s2_share_of(l, handle);
    if (!s || s->phase != S2_SHARE_MAKING || run.end.v - run.start.v > OFFSETS - s->bytes)
        err = s2_ledger_refuse(d, S2_EINVAL, run, "is of no share in the making, or too large");
    if (!err)
        err = s2_ledger_check_held(l, run, s->owner, S2_OWNED, d);
    if (!err)
        err = check_alike(l, s, run, &was, d);
    if (!err && !s2_ledger_may_have(l, s->owner, s2_ledger_ends(l, run) + 1))
        err = s2_ledger_refuse(d, S2_EQUOTA, run, "needs more ledger entries than the VM's quota allows");
    if (!err) {
        uint32_t nodes = s2_ledger_change_nodes(l) + s2_imap_need(&s->runs, 1);

        if (s2_pool_reserve(l->map.pool, nodes)) {
            err = s2_ledger_refuse(d, S2_ENODES, run, "needs more ledger nodes than there are");
        } else {
            enter(l, s, run, &was);
            s2_pool_unreserve(l->map.pool, nodes);
        }
    }
    s2_ledger_unlock(l);
    return err;
}

/* Under the lock. Every run of it as *want says, from want->ipa on (or nowhere), in no share. */
static void settle_runs(struct s2_ledger *l, struct s2_share *s, struct s2_ledger_entry want)
{
    struct s2_ient e;
    s2_ipa ipa = want.ipa;

    for (uint64_t at = 0; s2_imap_find_from(&s->runs, at, &e); at = e.end) {
        want.range = pa_range(e.val.w[0], e.end - e.start);
        if (ipa.v != S2_IPA_NONE.v)
            want.ipa.v = ipa.v + e.start;
        s2_ledger_apply(l, &want, 0);
    }
}

static struct s2_ledger_entry owned(const struct s2_share *s, uint16_t vm, s2_ipa ipa, uint8_t rights)
{
    return (struct s2_ledger_entry){.owner = vm, .state = S2_OWNED, .rights = rights, .ipa = ipa, .pooled = s->pooled};
}

/* Under the lock. */
static void forget(struct s2_ledger *l, struct s2_share *s)
{
    s2_ledger_charge(l, s->owner, -(int32_t)s->runs.count);
    s2_imap_clear(&s->runs);
    s->phase = S2_SHARE_UNUSED;
}

void s2_share_commit(struct s2_ledger *l, uint32_t handle)
{
    struct s2_share *s;

    s2_ledger_lock(l);
    s = s2_share_of(l, handle);
    s->phase = S2_SHARE_OPEN;
    s->owner_has = s->kind == S2_DONATE ? 0 : s->bytes;
    s2_ledger_unlock(l);
}

void s2_share_drop(struct s2_ledger *l, uint32_t handle)
{
    struct s2_share *s;

    s2_ledger_lock(l);
    s = s2_share_of(l, handle);
    settle_runs(l, s, owned(s, s->owner, s->was.ipa, s->rights));
    forget(l, s);
    s2_ledger_unlock(l);
}

void s2_share_give(struct s2_ledger *l, uint32_t handle, uint16_t vm, s2_ipa ipa)
{
    struct s2_share *s;

    s2_ledger_lock(l);
    s = s2_share_of(l, handle);
    settle_runs(l, s, owned(s, vm, ipa, vm == s->owner ? s->rights : s->borrower[0].rights));
    s2_ledger_unlock(l);
}

/* --- taking ----------------------------------------------------------------------------------------------------------- */

static bool wants_scrub(const struct s2_share *s)
{
    if (s->scrubbed == s->bytes)
        return false;
    return s->kind == S2_DONATE ? s->phase == S2_SHARE_OPEN
                                : s->kind == S2_LEND && s->phase == S2_SHARE_ENDING && s->touched;
}

static enum s2_err check_taker(const struct s2_share *s, const struct s2_borrower *b, uint8_t rights,
                               struct s2_detail *d)
{
    if (s->phase == S2_SHARE_ENDING)
        return refuse(d, S2_EBUSY, "is being withdrawn");
    if (b->state == S2_BORROW_HELD)
        return refuse(d, S2_EEXIST, "is had already");
    if (b->state == S2_BORROW_TAKING)
        return refuse(d, S2_EBUSY, "is being taken");
    if (s->scrubbing || wants_scrub(s))
        return refuse(d, S2_EBUSY, "is being scrubbed");
    if (!(rights & S2_R) || (rights & ~(unsigned)S2_PERM_MASK))
        return refuse(d, S2_EINVAL, "is asked for without the right to read, or with unknown rights");
    if (rights & ~(unsigned)b->rights)
        return refuse(d, S2_EPERM, "is not offered with these rights");
    return S2_OK;
}

/* Under the ledger's lock. */
static enum s2_err begin_taking(struct s2_ledger *l, struct s2_share *s, struct s2_borrower *b, uint8_t rights,
                                struct s2_detail *d)
{
    enum s2_err err = check_taker(s, b, rights, d);

    if (!err && s->kind == S2_DONATE && !s2_ledger_may_have(l, b->vm, (uint32_t)s->runs.count))
        err = refuse(d, S2_EQUOTA, "needs more ledger entries than the VM's quota allows");
    if (!err) {
        b->state = S2_BORROW_TAKING;
        b->has = rights;
    }
    return err;
}

enum s2_err s2_share_take_begin(struct s2_ledger *l, uint32_t handle, uint16_t vm, uint8_t rights, struct s2_detail *d)
{
    struct s2_borrower *b;
    struct s2_share *s;
    enum s2_err err;

    s2_ledger_lock(l);
    s = made(l, handle);
    b = s ? borrower_of(s, vm) : NULL;
    err = b ? begin_taking(l, s, b, rights, d) : unknown(d);
    s2_ledger_unlock(l);
    return err;
}

void s2_share_take_commit(struct s2_ledger *l, uint32_t handle, uint16_t vm, s2_ipa ipa)
{
    struct s2_borrower *b;
    struct s2_share *s;

    s2_ledger_lock(l);
    s = s2_share_of(l, handle);
    b = borrower_of(s, vm);
    b->state = S2_BORROW_HELD;
    b->ipa = ipa;
    b->mapped = s->bytes;
    s->touched |= (b->has & S2_W) != 0;
    s->scrubbed = 0;
    if (s->kind == S2_DONATE) {
        settle_runs(l, s, owned(s, vm, ipa, b->rights));
        forget(l, s);
    }
    s2_ledger_unlock(l);
}

/* --- the end ---------------------------------------------------------------------------------------------------------- */

enum s2_err s2_share_end_begin(struct s2_ledger *l, uint32_t handle, uint16_t owner, enum s2_share_end how,
                               struct s2_detail *d)
{
    enum s2_err err = S2_OK;
    struct s2_share *s;

    s2_ledger_lock(l);
    s = made(l, handle);
    if (!s || s->owner != owner)
        err = unknown(d);
    else if (how != S2_END_ANY && (how == S2_UNSHARE) != (s->kind == S2_SHARE))
        err = refuse(d, S2_EINVAL, "is shared and not lent, or lent and not shared");
    else
        s->phase = S2_SHARE_ENDING;
    s2_ledger_unlock(l);
    return err;
}

static enum s2_err check_closable(const struct s2_share *s, struct s2_detail *d)
{
    const struct s2_borrower *b = holder_of(s);

    if (s->phase != S2_SHARE_ENDING)
        return refuse(d, S2_EINVAL, "is not being withdrawn");
    if (s->scrubbing || wants_scrub(s))
        (void)refuse(d, S2_EBUSY, "is being scrubbed");
    if (b) {
        (void)refuse(d, S2_EBUSY, "is had by another still");
        if (d)
            d->holder = b->vm;
    }
    return b || s->scrubbing || wants_scrub(s) ? S2_EBUSY : S2_OK;
}

enum s2_err s2_share_end_ready(struct s2_ledger *l, uint32_t handle, uint16_t owner, struct s2_detail *d)
{
    struct s2_share *s;
    enum s2_err err;

    s2_ledger_lock(l);
    s = made(l, handle);
    err = s && s->owner == owner ? check_closable(s, d) : unknown(d);
    s2_ledger_unlock(l);
    return err;
}

/* Under the lock; the frames of the first run go to the allocator once the ledger says so. False: none is left. */
static bool free_run(struct s2_ledger *l, struct s2_share *s)
{
    struct s2_ledger_entry nobodys = {.owner = S2_OWNER_NONE, .state = S2_FREE, .rights = S2_RWX, .ipa = S2_IPA_NONE};
    struct s2_ient e;

    if (!s2_imap_find_from(&s->runs, 0, &e))
        return false;
    s2_imap_erase(&s->runs, e.start);
    s2_ledger_charge(l, s->owner, -1);
    nobodys.range = pa_range(e.val.w[0], e.end - e.start);
    s2_ledger_apply(l, &nobodys, 0);
    s2_frames_free(s->frames, nobodys.range, false, false);
    return true;
}

/* Under the lock. */
static void close_share(struct s2_ledger *l, struct s2_share *s, bool back)
{
    if (back || !s->pooled)
        settle_runs(l, s, owned(s, s->owner, back ? s->was.ipa : S2_IPA_NONE, s->rights));
    else
        while (free_run(l, s))
            ;
    forget(l, s);
}

void s2_share_close(struct s2_ledger *l, uint32_t handle, bool back)
{
    s2_ledger_lock(l);
    close_share(l, s2_share_of(l, handle), back);
    s2_ledger_unlock(l);
}

/* Under the lock: nobody has anything of it, and nobody is about to. A loan that would be its owner's at once, with what the
 * borrower wrote, waits for the scrub and the reclaim. */
static bool is_left(const struct s2_share *s)
{
    bool is_dirty = !s->pooled && !s->orphaned && wants_scrub(s);

    return !s->owner_has && s->phase == S2_SHARE_ENDING && !holder_of(s) && !s->scrubbing && !is_dirty;
}

/* A donation that its owner takes back is the owner's, though he has no area of it. */
static void close_if_left(struct s2_ledger *l, struct s2_share *s)
{
    if (s->kind != S2_DONATE && is_left(s))
        close_share(l, s, false);
}

void s2_share_take_drop(struct s2_ledger *l, uint32_t handle, uint16_t vm)
{
    struct s2_share *s;

    s2_ledger_lock(l);
    s = s2_share_of(l, handle);
    borrower_of(s, vm)->state = S2_BORROW_OFFERED;
    close_if_left(l, s); /* the owner went meanwhile */
    s2_ledger_unlock(l);
}

/* The owner's areas go first when it is taken down, and borrowers who could not be reached then leave later: whoever is last
 * shuts the door. */
void s2_share_let_go(struct s2_ledger *l, unsigned index, uint16_t vm, uint64_t bytes)
{
    struct s2_share *s = &l->share[index];
    struct s2_borrower *b;

    s2_ledger_lock(l);
    b = borrower_of(s, vm);
    if (b) {
        b->mapped -= bytes;
        if (!b->mapped) {
            b->state = S2_BORROW_OFFERED;
            b->ipa = S2_IPA_NONE;
        }
    } else {
        s->owner_has -= bytes;
    }
    if (!s->owner_has)
        s->phase = S2_SHARE_ENDING;
    if (is_left(s))
        close_share(l, s, false);
    s2_ledger_unlock(l);
}

bool s2_share_orphan(struct s2_ledger *l, uint16_t owner)
{
    bool left = false;

    s2_ledger_lock(l);
    for (unsigned i = 0; i < l->shares; i++) {
        struct s2_share *s = &l->share[i];

        if (s->phase == S2_SHARE_UNUSED || s->owner != owner)
            continue;
        s->phase = S2_SHARE_ENDING;
        s->orphaned = true;
        if (is_left(s))
            close_share(l, s, false);
        else
            left |= s->kind == S2_DONATE; /* it is being taken, or scrubbed, at this moment */
    }
    s2_ledger_unlock(l);
    return left;
}

/* --- scrubbing -------------------------------------------------------------------------------------------------------- */

bool s2_share_scrub_step(struct s2_ledger *l, uint32_t handle, uint64_t budget)
{
    uint64_t most = (s2_min_u64(budget, OFFSETS / S2_FRAME) + !budget) * S2_FRAME, bytes, at;
    struct s2_pa_range piece;
    struct s2_share *s;
    struct s2_ient e;
    bool left;

    s2_ledger_lock(l);
    s = made(l, handle);
    left = s && (s->scrubbing || (wants_scrub(s) && !holder_of(s)));
    if (!left || s->scrubbing) {
        s2_ledger_unlock(l);
        return left;
    }
    at = s->scrubbed;
    (void)s2_imap_find(&s->runs, at, &e);
    bytes = s2_min_u64(most, e.end - at);
    piece = pa_range(e.val.w[0] + (at - e.start), bytes);
    s->scrubbing = true; /* so that nobody takes it, and it is not closed */
    s2_ledger_unlock(l);

    s2_frames_zero(l->port, piece.start, bytes);

    s2_ledger_lock(l);
    s->scrubbing = false;
    s->scrubbed = at + bytes;
    left = wants_scrub(s);
    close_if_left(l, s); /* the owner went meanwhile */
    s2_ledger_unlock(l);
    return left;
}

/* --- who has what ----------------------------------------------------------------------------------------------------- */

uint32_t s2_share_handle(struct s2_ledger *l, unsigned index)
{
    uint32_t handle;

    s2_ledger_lock(l);
    handle = handle_of(l, &l->share[index]);
    s2_ledger_unlock(l);
    return handle;
}

struct s2_share_side s2_share_side(struct s2_ledger *l, unsigned index, uint16_t vm)
{
    struct s2_share_side side = {0};
    struct s2_share *s;

    if (index >= l->shares)
        return side;
    s = &l->share[index];
    s2_ledger_lock(l);
    if (s->phase != S2_SHARE_UNUSED) {
        const struct s2_borrower *b = borrower_of(s, vm);

        side.owner = s->owner == vm;
        side.pooled = s->pooled;
        side.has = side.owner ? s->kind == S2_SHARE : b && b->state != S2_BORROW_OFFERED;
        side.rights = side.owner ? s->rights : b ? b->has : 0;
        side.bytes = s->bytes;
    }
    s2_ledger_unlock(l);
    return side;
}

bool s2_share_run(struct s2_ledger *l, unsigned index, uint64_t offset, uint64_t *run_offset, s2_pa *pa,
                  uint64_t *bytes)
{
    struct s2_ient e;
    bool found;

    s2_ledger_lock(l);
    found = s2_imap_find(&l->share[index].runs, offset, &e);
    s2_ledger_unlock(l);
    if (!found)
        return false;
    *run_offset = e.start;
    *pa = S2_PA(e.val.w[0]);
    *bytes = e.end - e.start;
    return true;
}

/* Under the lock: what a VM has of an entry that is shared with or lent to it. */
static uint8_t borrowed(const struct s2_ledger *l, uint16_t vm, const struct s2_ledger_full *f, s2_ipa *at)
{
    struct s2_share *s = s2_share_of(l, f->entry.share);
    const struct s2_borrower *b = s ? borrower_of(s, vm) : NULL;

    if (!b || b->state == S2_BORROW_OFFERED)
        return 0;
    if (b->state == S2_BORROW_HELD)
        *at = S2_IPA(b->ipa.v + f->offset);
    return b->has;
}

uint8_t s2_ledger_right(struct s2_ledger *l, uint16_t vm, s2_pa pa, s2_ipa *at, s2_pa *end)
{
    struct s2_ledger_full f;
    uint8_t rights = 0;

    *at = S2_IPA_NONE;
    s2_ledger_lock(l);
    if (!s2_ledger_look(l, pa, &f)) {
        *end = S2_PA(pa.v + 1);
    } else {
        if (f.entry.state == S2_COLOURED)
            s2_colours_resolve(l, pa, &f.entry);
        *end = f.entry.range.end;
        if (f.entry.owner != vm) {
            rights = f.entry.share ? borrowed(l, vm, &f, at) : 0;
        } else if (f.entry.state == S2_OWNED || f.entry.state == S2_DEVICE || f.entry.state == S2_SHARED) {
            rights = f.entry.rights;
            *at = f.entry.ipa;
        }
        if (at->v != S2_IPA_NONE.v)
            at->v += pa.v - f.entry.range.start.v;
    }
    s2_ledger_unlock(l);
    return rights;
}

static struct s2_share_info info_of(const struct s2_ledger *l, const struct s2_share *s)
{
    struct s2_share_info info = {.handle = handle_of(l, s),
                                 .owner = s->owner,
                                 .kind = s->kind,
                                 .phase = s->phase,
                                 .borrowers = s->borrowers,
                                 .pooled = s->pooled,
                                 .owner_has = s->owner_has,
                                 .bytes = s->bytes,
                                 .scrubbed = s->scrubbed,
                                 .frames = s->frames,
                                 .was = s->was};

    for (unsigned i = 0; i < s->borrowers; i++)
        info.borrower[i] = s->borrower[i];
    return info;
}

bool s2_share_info(struct s2_ledger *l, uint32_t handle, struct s2_share_info *out)
{
    const struct s2_share *s;

    s2_ledger_lock(l);
    s = made(l, handle);
    if (s)
        *out = info_of(l, s);
    s2_ledger_unlock(l);
    return s != NULL;
}

bool s2_share_next(struct s2_ledger *l, uint32_t behind, struct s2_share_info *out)
{
    bool found = false;

    s2_ledger_lock(l);
    for (unsigned i = behind & 0xffffu; i < l->shares && !found; i++) {
        found = l->share[i].phase > S2_SHARE_MAKING;
        if (found)
            *out = info_of(l, &l->share[i]);
    }
    s2_ledger_unlock(l);
    return found;
}

const struct s2_borrower *s2_share_borrower(const struct s2_share_info *info, uint16_t vm)
{
    for (unsigned i = 0; i < info->borrowers; i++)
        if (info->borrower[i].vm == vm)
            return &info->borrower[i];
    return NULL;
}

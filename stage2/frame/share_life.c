/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The life of a share, from the first who takes it to the close; stage2/share.h draws it. */
#include "base/bits.h"
#include "frame/share.h"

/* --- taking ----------------------------------------------------------------------------------------------------------- */

bool s2_share_wants_scrub(const struct s2_share *s)
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
        return s2_share_refuse(d, S2_EBUSY, "is being withdrawn");
    if (b->state == S2_BORROW_HELD)
        return s2_share_refuse(d, S2_EEXIST, "is had already");
    if (b->state == S2_BORROW_TAKING)
        return s2_share_refuse(d, S2_EBUSY, "is being taken");
    if (s->scrubbing || s2_share_wants_scrub(s))
        return s2_share_refuse(d, S2_EBUSY, "is being scrubbed");
    if (!(rights & S2_R) || (rights & ~(unsigned)S2_PERM_MASK))
        return s2_share_refuse(d, S2_EINVAL, "is asked for without the right to read, or with unknown rights");
    if (rights & ~(unsigned)b->rights)
        return s2_share_refuse(d, S2_EPERM, "is not offered with these rights");
    return S2_OK;
}

/* Under the ledger's lock. */
static enum s2_err begin_taking(struct s2_ledger *l, struct s2_share *s, struct s2_borrower *b, uint8_t rights,
                                struct s2_detail *d)
{
    enum s2_err err = check_taker(s, b, rights, d);

    if (!err && s->kind == S2_DONATE && !s2_ledger_may_have(l, b->vm, (uint32_t)s->runs.count))
        err = s2_share_refuse(d, S2_EQUOTA, "needs more ledger entries than the VM's quota allows");
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
    s = s2_share_made(l, handle);
    b = s ? s2_share_borrower_of(s, vm) : NULL;
    err = b ? begin_taking(l, s, b, rights, d) : s2_share_unknown(d);
    s2_ledger_unlock(l);
    return err;
}

void s2_share_take_commit(struct s2_ledger *l, uint32_t handle, uint16_t vm, s2_ipa ipa)
{
    struct s2_borrower *b;
    struct s2_share *s;

    s2_ledger_lock(l);
    s = s2_share_of(l, handle);
    b = s2_share_borrower_of(s, vm);
    if (s->kind == S2_DONATE) {
        s2_share_settle(l, s, s2_share_owned(s, vm, ipa, b->rights));
        s2_share_forget(s);
    } else {
        b->state = S2_BORROW_HELD;
        b->ipa = ipa;
        b->mapped = s->bytes;
        s->touched |= (b->has & S2_W) != 0;
        s->scrubbed = 0;
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
    s = s2_share_made(l, handle);
    if (!s || s->owner != owner)
        err = s2_share_unknown(d);
    else if (how != S2_END_ANY && (how == S2_UNSHARE) != (s->kind == S2_SHARE))
        err = s2_share_refuse(d, S2_EINVAL, "is shared and not lent, or lent and not shared");
    else
        s->phase = S2_SHARE_ENDING;
    s2_ledger_unlock(l);
    return err;
}

static enum s2_err check_closable(const struct s2_share *s, struct s2_detail *d)
{
    const struct s2_borrower *b = s2_share_holder(s);

    if (s->phase != S2_SHARE_ENDING)
        return s2_share_refuse(d, S2_EINVAL, "is not being withdrawn");
    if (s->scrubbing || s2_share_wants_scrub(s))
        (void)s2_share_refuse(d, S2_EBUSY, "is being scrubbed");
    if (b) {
        (void)s2_share_refuse(d, S2_EBUSY, "is had by another still");
        if (d)
            d->holder = b->vm;
    }
    return b || s->scrubbing || s2_share_wants_scrub(s) ? S2_EBUSY : S2_OK;
}

enum s2_err s2_share_end_ready(struct s2_ledger *l, uint32_t handle, uint16_t owner, struct s2_detail *d)
{
    struct s2_share *s;
    enum s2_err err;

    s2_ledger_lock(l);
    s = s2_share_made(l, handle);
    err = s && s->owner == owner ? check_closable(s, d) : s2_share_unknown(d);
    s2_ledger_unlock(l);
    return err;
}

/* Under the lock. From now on nobody finds it. */
static void close_share(struct s2_ledger *l, struct s2_share *s, bool back)
{
    const struct s2_ledger_entry nobodys = {.state = S2_FREE, .rights = S2_RWX, .ipa = S2_IPA_NONE};

    s->phase = S2_SHARE_CLOSING;
    if (back || !s->pooled)
        s2_share_settle(l, s, s2_share_owned(s, s->owner, back ? s->was.ipa : S2_IPA_NONE, s->rights));
    else
        s2_share_settle(l, s, nobodys);
    s2_share_forget(s);
}

void s2_share_close(struct s2_ledger *l, uint32_t handle, bool back)
{
    s2_ledger_lock(l);
    close_share(l, s2_share_of(l, handle), back);
    s2_ledger_unlock(l);
}

/* Under the lock: nobody has anything of it, and nobody is about to. A loan that would be its owner's at once, with what the
 * borrower wrote, waits for the scrub alone. */
static bool is_left(const struct s2_share *s)
{
    bool is_dirty = !s->pooled && s2_share_wants_scrub(s);

    return !s->owner_has && s->phase == S2_SHARE_ENDING && !s2_share_holder(s) && !s->scrubbing && !is_dirty;
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
    s2_share_borrower_of(s, vm)->state = S2_BORROW_OFFERED;
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
    b = s2_share_borrower_of(s, vm);
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
        s2_share_uncharge(s);
        if (s->phase != S2_SHARE_CLOSING)
            s->phase = S2_SHARE_ENDING;
        if (is_left(s))
            close_share(l, s, false);
        else /* at this moment it is being closed, taken, or scrubbed */
            left |= s->kind == S2_DONATE || s->scrubbing || s->phase == S2_SHARE_CLOSING;
    }
    s2_ledger_unlock(l);
    return left;
}

/* --- scrubbing -------------------------------------------------------------------------------------------------------- */

bool s2_share_scrub_step(struct s2_ledger *l, uint32_t handle, uint64_t budget)
{
    uint64_t most = (s2_min_u64(budget, S2_SHARE_OFFSETS / S2_FRAME) + !budget) * S2_FRAME, bytes, at;
    struct s2_pa_range piece;
    struct s2_share *s;
    struct s2_ient e;
    bool left;

    s2_ledger_lock(l);
    s = s2_share_made(l, handle);
    left = s && (s->scrubbing || (s2_share_wants_scrub(s) && !s2_share_holder(s)));
    if (!left || s->scrubbing) {
        s2_ledger_unlock(l);
        return left;
    }
    at = s->scrubbed;
    (void)s2_imap_find(&s->runs, at, &e);
    bytes = s2_min_u64(most, e.end - at);
    piece = s2_share_frames(e.val.w[0] + (at - e.start), bytes);
    s->scrubbing = true; /* so that nobody takes it, and it is not closed */
    s2_ledger_unlock(l);

    s2_frames_zero(l->port, piece.start, bytes);

    s2_ledger_lock(l);
    s->scrubbing = false;
    s->scrubbed = at + bytes;
    left = s2_share_wants_scrub(s);
    close_if_left(l, s); /* the owner went meanwhile */
    s2_ledger_unlock(l);
    return left;
}

/* Under the lock: a loan of a chosen place that nobody has, nor the owner an area of. */
static bool is_left_dirty(const struct s2_share *s, uint16_t owner)
{
    return s->phase == S2_SHARE_ENDING && s->owner == owner && !s->owner_has && s2_share_wants_scrub(s) &&
           !s2_share_holder(s);
}

bool s2_share_scrub_left(struct s2_ledger *l, uint16_t owner, uint64_t budget)
{
    uint32_t handle = 0;

    s2_ledger_lock(l);
    for (unsigned i = 0; i < l->shares && !handle; i++)
        if (is_left_dirty(&l->share[i], owner))
            handle = s2_share_handle_of(l, &l->share[i]);
    s2_ledger_unlock(l);
    if (handle)
        (void)s2_share_scrub_step(l, handle, budget);
    return handle != 0;
}

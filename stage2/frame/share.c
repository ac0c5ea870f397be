/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Offers: records of shares, and the frames in them. These have ledger entries of their own, which end where the share's runs do: to
 * make them somebody's again needs no node, so that drop, give and close cannot fail. */
#include "frame/share.h"

struct s2_share *s2_share_of(const struct s2_ledger *l, uint32_t handle)
{
    unsigned index = s2_share_index(handle);
    struct s2_share *s;

    if (index >= l->shares)
        return NULL;
    s = &l->share[index];
    return s->phase != S2_SHARE_UNUSED && s2_share_handle_of(l, s) == handle ? s : NULL;
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

enum s2_err s2_share_check_offer(const struct s2_offer *o, uint16_t owner, uint32_t allowed, struct s2_detail *d)
{
    unsigned most = o->kind == S2_SHARE ? S2_SHARE_BORROWERS : 1;

    if (o->kind > S2_DONATE || o->borrowers == 0 || o->borrowers > most)
        return s2_share_refuse(d, S2_EINVAL, "is offered to nobody, or to too many");
    for (unsigned i = 0; i < o->borrowers; i++) {
        const char *what = wrong_borrower(o, i, owner);

        if (what)
            return s2_share_refuse(d, S2_EINVAL, what);
    }
    for (unsigned i = 0; i < o->borrowers; i++)
        if (o->borrower[i].rights & ~allowed)
            return s2_share_refuse(d, S2_EPERM, "is offered with rights that the owner does not have");
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
    s2_imap_init(&s->runs, l->map.pool, 0, S2_SHARE_OFFSETS, S2_IMAP_BYTES);
}

enum s2_err s2_share_begin(struct s2_ledger *l, uint16_t owner, const struct s2_offer *o,
                           const struct s2_share_was *was, struct s2_frames *frames, uint32_t *handle,
                           struct s2_detail *d)
{
    enum s2_err err = s2_share_check_offer(o, owner, was->attr, d);
    struct s2_share *s;
    unsigned mine;

    if (err)
        return err;
    s2_ledger_lock(l);
    s = free_record(l, owner, &mine);
    if (mine >= l->shares_each) {
        err = s2_share_refuse(d, S2_EQUOTA, "is one share more than its owner may have");
    } else if (!s) {
        err = s2_share_refuse(d, S2_ENODES, "is one share more than there can be");
    } else {
        fill(l, s, owner, o, was, frames);
        *handle = s2_share_handle_of(l, s);
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
                                .share = s2_share_handle_of(l, s),
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
    if (!s || s->phase != S2_SHARE_MAKING || run.end.v - run.start.v > S2_SHARE_OFFSETS - s->bytes)
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

/* So many runs at once under the lock, since a large share may be in thousands. */
enum { RUNS_AT_ONCE = 64 };

static void settle_run(struct s2_ledger *l, struct s2_share *s, const struct s2_ient *run, struct s2_ledger_entry want)
{
    want.range = s2_share_frames(run->val.w[0], run->end - run->start);
    if (want.ipa.v != S2_IPA_NONE.v)
        want.ipa.v += run->start;
    s2_imap_erase(&s->runs, run->start);
    s2_ledger_charge(l, s->owner, -1);
    s2_ledger_apply(l, &want, 0);
    if (want.state == S2_FREE) /* once the ledger says so */
        s2_frames_free(s->frames, want.range, false, false);
}

void s2_share_settle(struct s2_ledger *l, struct s2_share *s, struct s2_ledger_entry want)
{
    struct s2_ient run;

    for (unsigned n = 1; s2_imap_find_from(&s->runs, 0, &run); n++) {
        settle_run(l, s, &run, want);
        if (n % RUNS_AT_ONCE == 0) {
            s2_ledger_unlock(l);
            s2_ledger_lock(l);
        }
    }
}

void s2_share_uncharge(struct s2_share *s)
{
    if (s->charged)
        __atomic_store_n(s->charged, *s->charged - s->bytes / S2_FRAME, __ATOMIC_RELAXED);
    s->charged = NULL;
}

void s2_share_forget(struct s2_share *s)
{
    s2_share_uncharge(s);
    s->phase = S2_SHARE_UNUSED;
}

void s2_share_commit(struct s2_ledger *l, uint32_t handle, uint64_t *charged)
{
    struct s2_share *s;

    s2_ledger_lock(l);
    s = s2_share_of(l, handle);
    s->phase = S2_SHARE_OPEN;
    s->owner_has = s->kind == S2_DONATE ? 0 : s->bytes;
    s->charged = s->pooled ? charged : NULL;
    if (s->charged)
        __atomic_store_n(s->charged, *s->charged + s->bytes / S2_FRAME, __ATOMIC_RELAXED);
    s2_ledger_unlock(l);
}

void s2_share_drop(struct s2_ledger *l, uint32_t handle)
{
    struct s2_share *s;

    s2_ledger_lock(l);
    s = s2_share_of(l, handle);
    s2_share_settle(l, s, s2_share_owned(s, s->owner, s->was.ipa, s->rights));
    s2_share_forget(s);
    s2_ledger_unlock(l);
}

void s2_share_give(struct s2_ledger *l, uint32_t handle, uint16_t vm, s2_ipa ipa)
{
    struct s2_share *s;

    s2_ledger_lock(l);
    s = s2_share_of(l, handle);
    s2_share_settle(l, s, s2_share_owned(s, vm, ipa, vm == s->owner ? s->rights : s->borrower[0].rights));
    s2_ledger_unlock(l);
}

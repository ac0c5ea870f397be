/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Who has what of a share: for areas, for the checker, and for who asks. */
#include "frame/share.h"

struct s2_borrower *s2_share_borrower_of(struct s2_share *s, uint16_t vm)
{
    for (unsigned i = 0; i < s->borrowers; i++)
        if (s->borrower[i].vm == vm)
            return &s->borrower[i];
    return NULL;
}

const struct s2_borrower *s2_share_holder(const struct s2_share *s)
{
    for (unsigned i = 0; i < s->borrowers; i++)
        if (s->borrower[i].state != S2_BORROW_OFFERED)
            return &s->borrower[i];
    return NULL;
}

uint32_t s2_share_handle(struct s2_ledger *l, unsigned index)
{
    uint32_t handle;

    s2_ledger_lock(l);
    handle = s2_share_handle_of(l, &l->share[index]);
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
        const struct s2_borrower *b = s2_share_borrower_of(s, vm);

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
    const struct s2_borrower *b = s ? s2_share_borrower_of(s, vm) : NULL;

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
    struct s2_share_info info = {.handle = s2_share_handle_of(l, s),
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
    s = s2_share_made(l, handle);
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
        found = s2_share_is_whole(&l->share[i]);
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

uint64_t s2_share_charge(struct s2_ledger *l, const uint64_t *charged, uint64_t *is)
{
    uint64_t bytes = 0;

    s2_ledger_lock(l);
    for (unsigned i = 0; i < l->shares; i++)
        if (l->share[i].phase != S2_SHARE_UNUSED && l->share[i].charged == charged)
            bytes += l->share[i].bytes;
    *is = *charged;
    s2_ledger_unlock(l);
    return bytes / S2_FRAME;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Memory that VMs let each other use. Each call edits one space, under its lock; the record in the ledger holds the sides together,
 * so that no two spaces are ever locked at once. */
#include "space/area_set.h"
#include "space/inner.h"

static enum s2_err refuse(struct s2_detail *d, enum s2_err err, struct s2_ipa_range range, const char *what)
{
    return s2_refuse(d, err, S2_AXIS_IPA, range.start.v, range.end.v, what);
}

/* --- the owner shares, lends, donates ----------------------------------------------------------------------------------- */

static enum s2_err check_owned(const struct s2_space *sp, const struct s2_offer *o, struct s2_area *a,
                               struct s2_detail *d)
{
    uint64_t granule = s2_granule_bytes(&sp->cfg.geometry);
    struct s2_ipa_range r = o->range;

    if (r.start.v >= r.end.v)
        return refuse(d, S2_EINVAL, r, "is empty or wraps");
    if ((r.start.v | r.end.v) & (granule - 1))
        return refuse(d, S2_EALIGN, r, "is not aligned to the granule");
    if (!s2_area_set_find(&sp->areas, r.start, a) || a->range.end.v < r.end.v)
        return refuse(d, S2_ENOENT, r, "does not lie in one area");
    if ((a->backend != &s2_backend_alloc && a->backend != &s2_backend_linear) ||
        (a->attr.bits & S2_MT_MASK) > S2_MT_NORMAL_NC)
        return refuse(d, S2_EPERM, r, "is not memory that can be shared");
    if (o->kind == S2_DONATE && a->backend != &s2_backend_alloc)
        return refuse(d, S2_EPERM, r, "is memory at a chosen place");
    return S2_OK;
}

/* Is it an offer that may be made, and is memory there that nobody touched yet? *c: what there is around `at`, or else all of it. */
static enum s2_err look(struct s2_space *sp, const struct s2_offer *o, s2_ipa at, bool *lacks, struct s2_chunk *c,
                        struct s2_detail *d)
{
    struct s2_area a = {.backend = NULL};
    enum s2_err err;

    c->range = o->range;
    s2_space_lock_shared(sp);
    err =
        sp->dying ? refuse(d, S2_EDYING, o->range, "is of a space that is being destroyed") : check_owned(sp, o, &a, d);
    if (!err)
        err = s2_share_check_offer(o, sp->cfg.id, a.attr.bits, d);
    *lacks = !err && s2_area_lazy(&a) && !s2_chunk_around(sp, &a, at, c);
    s2_space_unlock_shared(sp);
    return err;
}

/* Memory of a lazy area that nobody touched yet cannot be shown to anybody. So much of it in one call, and none for an offer that
 * is wrong by itself, or by the areas as they are. */
enum { CHUNKS_AT_ONCE = 4 };

static enum s2_err populate(struct s2_space *sp, const struct s2_offer *o, struct s2_detail *d)
{
    unsigned fetched = 0;
    enum s2_err err = S2_OK;

    for (s2_ipa at = o->range.start; at.v < o->range.end.v && !err;) {
        struct s2_chunk c;
        bool lacks;

        err = look(sp, o, at, &lacks, &c, d);
        if (!lacks)
            at = c.range.end;
        else if (fetched++ == CHUNKS_AT_ONCE)
            err = refuse(d, S2_EBUSY, o->range, "is being populated");
        else if ((err = s2_lazy_fetch(sp, at)) != S2_OK)
            err = refuse(d, err, o->range, "needs memory that is not there");
    }
    return err;
}

/* All frames of the range, in order. */
static enum s2_err add_frames(struct s2_space *sp, const struct s2_area *a, struct s2_ipa_range range, uint32_t handle,
                              struct s2_detail *d)
{
    enum s2_err err = S2_OK;
    struct s2_ipa_range run;
    s2_pa pa;

    for (s2_ipa at = range.start; at.v < range.end.v && !err; at = run.end) {
        if (!s2_area_memory(sp, a, at, &run, &pa))
            return refuse(d, S2_EBUSY, range, "is being populated");
        pa.v += at.v - run.start.v;
        run = s2_range_meet(run, (struct s2_ipa_range){at, range.end});
        err = s2_share_add(sp->cfg.ledger, handle, s2_pa_run(pa, s2_range_bytes(run)), d);
    }
    return err;
}

static enum s2_err begin_share(struct s2_space *sp, const struct s2_offer *o, const struct s2_area *a, uint32_t *handle,
                               struct s2_detail *d)
{
    struct s2_share_was was = {o->range.start, a->attr.bits, a->name, a->flags};
    enum s2_err err = s2_share_begin(sp->cfg.ledger, sp->cfg.id, o, &was, sp->cfg.frames, handle, d);

    if (err)
        return err;
    err = add_frames(sp, a, o->range, *handle, d);
    if (err)
        s2_share_drop(sp->cfg.ledger, *handle);
    return err;
}

/* What the areas show of it from now on: the same memory, nothing, or no area. */
static enum s2_err show(struct s2_space *sp, struct s2_op *op, const struct s2_offer *o, const struct s2_area *was)
{
    struct s2_area a = {.range = o->range,
                        .backend = &s2_backend_shared,
                        .backing = s2_shared_backing(op->share),
                        .attr = was->attr,
                        .name = was->name};

    if (o->kind == S2_DONATE)
        return s2_area_set_unmap(&sp->areas, op, o->range);
    if (o->kind == S2_LEND)
        a.attr.bits &= ~(uint32_t)S2_PERM_MASK;
    return s2_area_set_map(&sp->areas, op, &a, S2_MAP_REPLACE);
}

enum s2_err s2_space_share(struct s2_space *sp, const struct s2_offer *o, uint32_t *handle, struct s2_detail *d)
{
    enum s2_err err = populate(sp, o, d);
    struct s2_area was = {.backend = NULL};
    struct s2_op op;

    if (err)
        return err;
    err = s2_space_enter(sp, &op, o->range, d);
    if (!err)
        err = check_owned(sp, o, &was, d);
    if (!err)
        err = begin_share(sp, o, &was, &op.share, d);
    if (!err) {
        err = show(sp, &op, o, &was);
        if (err) {
            s2_share_drop(sp->cfg.ledger, op.share);
        } else {
            *handle = op.share;
            s2_share_commit(sp->cfg.ledger, op.share, &sp->frames_shared);
        }
    }
    return s2_space_leave(&op, err);
}

/* A share that concerns this VM; of another it is to learn nothing, not even by what is busy where that would lie. */
static struct s2_share_info known(const struct s2_space *sp, uint32_t handle)
{
    struct s2_share_info info;

    if (s2_share_info(sp->cfg.ledger, handle, &info) &&
        (info.owner == sp->cfg.id || s2_share_borrower(&info, sp->cfg.id)))
        return info;
    return (struct s2_share_info){.bytes = 0};
}

/* With the lock held: what it was before, when the lock was not? A handle may be guessed before there is a share of that name. */
static bool is_known(const struct s2_space *sp, uint32_t handle, const struct s2_share_info *before)
{
    return known(sp, handle).bytes == before->bytes;
}

static enum s2_err unknown(struct s2_detail *d)
{
    return s2_refuse(d, S2_ENOENT, S2_AXIS_NONE, 0, 0, "is no share of this VM's");
}

/* --- a borrower retrieves ------------------------------------------------------------------------------------------------ */

/* The area that it is to be, once it is this VM's to take. */
static enum s2_err plan_retrieve(struct s2_space *sp, const struct s2_share_info *info, s2_ipa at, uint8_t rights,
                                 struct s2_area *a, struct s2_detail *d)
{
    const uint32_t kind = S2_MT_MASK | S2_SH_MASK;

    a->range = (struct s2_ipa_range){at, S2_IPA(at.v + info->bytes)};
    a->attr = S2_ATTR((info->was.attr & kind) | rights);
    if (info->kind != S2_DONATE) {
        a->backend = &s2_backend_shared;
        a->backing = s2_shared_backing(info->handle);
        return s2_space_attr(sp, a->attr, d);
    }
    if (info->frames != sp->cfg.frames)
        return refuse(d, S2_EPERM, a->range, "is memory of another region than this VM's");
    a->backend = &s2_backend_alloc;
    return s2_space_attr(sp, a->attr, d);
}

static enum s2_err retrieve(struct s2_space *sp, struct s2_op *op, const struct s2_share_info *info, s2_ipa at,
                            uint8_t rights, uint16_t name)
{
    struct s2_area a = {.name = name};
    enum s2_err err = plan_retrieve(sp, info, at, rights, &a, op->detail);

    op->share = info->handle;
    if (!err)
        err = s2_area_set_map(&sp->areas, op, &a, S2_MAP_NEW);
    if (err)
        s2_share_take_drop(sp->cfg.ledger, info->handle, sp->cfg.id);
    else
        s2_share_take_commit(sp->cfg.ledger, info->handle, sp->cfg.id, at);
    return err;
}

enum s2_err s2_space_retrieve(struct s2_space *sp, uint32_t handle, s2_ipa at, uint8_t rights, uint16_t name,
                              struct s2_detail *d)
{
    struct s2_share_info info = known(sp, handle);
    struct s2_op op;
    enum s2_err err;

    err = s2_space_enter(sp, &op, (struct s2_ipa_range){at, S2_IPA(at.v + info.bytes)}, d);
    if (!err)
        err = s2_share_take_begin(sp->cfg.ledger, handle, sp->cfg.id, rights, d);
    if (!err && !is_known(sp, handle, &info)) {
        s2_share_take_drop(sp->cfg.ledger, handle, sp->cfg.id);
        err = unknown(d);
    } else if (!err) {
        err = retrieve(sp, &op, &info, at, rights, name);
    }
    return s2_space_leave(&op, err);
}

/* --- a borrower gives up, or has to ---------------------------------------------------------------------------------------- */

/* With the lock held: where this VM has it. */
static bool held_range(struct s2_space *sp, uint32_t handle, struct s2_ipa_range *range)
{
    struct s2_share_info info;
    const struct s2_borrower *b = NULL;

    if (s2_share_info(sp->cfg.ledger, handle, &info))
        b = s2_share_borrower(&info, sp->cfg.id);
    if (!b || b->state != S2_BORROW_HELD)
        return false;
    *range = (struct s2_ipa_range){b->ipa, S2_IPA(b->ipa.v + info.bytes)};
    return true;
}

/* The next area in range that shows that share. */
static bool next_of(const struct s2_space *sp, uint32_t handle, struct s2_ipa_range *range, struct s2_area *out)
{
    while (s2_area_set_find_from(&sp->areas, range->start, out) && out->range.start.v < range->end.v) {
        range->start = out->range.end;
        if (out->backend == &s2_backend_shared && s2_shared_index(out) == s2_share_index(handle))
            return true;
    }
    return false;
}

/* Whole areas, one after the other: nothing is cut, so nothing is needed. The op is begun anew for each. */
static void unmap_all(struct s2_space *sp, uint32_t handle, struct s2_ipa_range range)
{
    struct s2_area a;
    struct s2_op op;
    enum s2_err err;

    while (next_of(sp, handle, &range, &a)) {
        s2_op_begin(&op, sp, NULL);
        s2_op_may_cut(&op);
        err = s2_area_set_unmap(&sp->areas, &op, a.range);
        (void)err;
        s2_op_dispose(&op);
    }
}

enum s2_err s2_space_relinquish(struct s2_space *sp, uint32_t handle, struct s2_detail *d)
{
    struct s2_ipa_range none = {S2_IPA(0), S2_IPA(0)}, range;
    struct s2_op op;
    enum s2_err err = s2_space_enter(sp, &op, none, d);

    if (!err && !held_range(sp, handle, &range))
        err = s2_refuse(d, S2_ENOENT, S2_AXIS_NONE, 0, 0, "is no share that this VM has");
    if (!err)
        unmap_all(sp, handle, range);
    return s2_space_leave(&op, err);
}

void s2_space_revoke(struct s2_space *sp, uint32_t handle)
{
    struct s2_ipa_range range;

    s2_space_lock(sp);
    /* Of a space that is being taken down all translations have gone, flushed; its steps let go of the rest. */
    if (!sp->dying && held_range(sp, handle, &range))
        unmap_all(sp, handle, range);
    s2_space_unlock(sp);
}

/* --- the owner takes it back ------------------------------------------------------------------------------------------------ */

/* Is nothing else at its place? */
static enum s2_err check_place(const struct s2_space *sp, uint32_t handle, struct s2_ipa_range range,
                               struct s2_detail *d)
{
    struct s2_area a;

    for (s2_ipa at = range.start; s2_area_set_find_from(&sp->areas, at, &a) && a.range.start.v < range.end.v;
         at = a.range.end)
        if (a.backend != &s2_backend_shared || s2_shared_index(&a) != s2_share_index(handle))
            return s2_refuse_found(d, S2_EEXIST, S2_AXIS_IPA, range.start.v, range.end.v, a.range.start.v,
                                   a.range.end.v, "cannot come back to where it was");
    return S2_OK;
}

static enum s2_err take_back(struct s2_space *sp, struct s2_op *op, const struct s2_share_info *info,
                             struct s2_ipa_range range)
{
    struct s2_area a = {.range = range,
                        .backend = info->pooled ? &s2_backend_alloc : &s2_backend_linear,
                        .attr = S2_ATTR(info->was.attr),
                        .name = info->was.name,
                        .flags = info->was.flags};
    enum s2_err err = check_place(sp, info->handle, range, op->detail);
    uint64_t offset, bytes;
    s2_pa pa = S2_PA(0);

    op->share = info->handle;
    if (!info->pooled) {
        (void)s2_share_run(sp->cfg.ledger, s2_share_index(info->handle), 0, &offset, &pa, &bytes);
        a.backing = pa.v;
    }
    if (!err)
        err = s2_area_set_map(&sp->areas, op, &a, S2_MAP_REPLACE);
    if (!err)
        s2_share_close(sp->cfg.ledger, info->handle, true);
    return err;
}

enum s2_err s2_space_reclaim(struct s2_space *sp, uint32_t handle, struct s2_detail *d)
{
    struct s2_share_info info = known(sp, handle);
    struct s2_ipa_range range;
    struct s2_op op;
    enum s2_err err;

    range = (struct s2_ipa_range){info.was.ipa, S2_IPA(info.was.ipa.v + info.bytes)};
    err = s2_space_enter(sp, &op, range, d);
    if (!err)
        err = s2_share_end_ready(sp->cfg.ledger, handle, sp->cfg.id, d);
    if (!err && !is_known(sp, handle, &info))
        err = unknown(d);
    if (!err)
        err = take_back(sp, &op, &info, range);
    return s2_space_leave(&op, err);
}

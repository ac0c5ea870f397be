/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Access to a guest's memory through windows, one at a time and never larger than one, the lock dropped in between. */
#include "space/inner.h"

enum direction { INTO_GUEST, OUT_OF_GUEST };

/* What is left of a copy. */
struct copy {
    s2_ipa ipa;
    size_t bytes;
    enum direction direction;
    const unsigned char *from; /* INTO_GUEST */
    unsigned char *to;         /* OUT_OF_GUEST */
    bool code;
    uint32_t need;
    struct s2_detail *d;
};

static enum s2_err refuse(const struct copy *c, enum s2_err err, const char *what)
{
    return s2_refuse(c->d, err, S2_AXIS_IPA, c->ipa.v, c->ipa.v + c->bytes, what);
}

/* The attribute says how the guest sees the frames, the ledger what they are. */
static bool has_device(struct s2_space *sp, s2_pa at, s2_pa end)
{
    struct s2_ledger_entry e;

    for (; at.v < end.v; at = e.range.end)
        if (!s2_ledger_find(sp->cfg.ledger, at, &e) || e.state == S2_DEVICE)
            return true;
    return false;
}

/* The loader's right ends where another's memory begins. */
static bool is_anothers(struct s2_space *sp, const struct copy *c, const struct s2_area *a)
{
    return c->direction == INTO_GUEST && a->backend == &s2_backend_shared &&
           !(s2_share_side(sp->cfg.ledger, s2_shared_index(a), sp->cfg.id).rights & S2_W);
}

/* What the area's kind has for all of the copy that lies in it: RAM. Alloc areas have that, or will when it is fetched. */
static enum s2_err check_memory(struct s2_space *sp, const struct copy *c, const struct s2_area *a)
{
    uint64_t end = s2_min_u64(c->ipa.v + c->bytes, a->range.end.v);
    struct s2_ipa_range run;
    s2_pa pa;

    if (a->backend == &s2_backend_alloc)
        return S2_OK;
    if (is_anothers(sp, c, a))
        return refuse(c, S2_EPERM, "is in part another's, and only to be read");
    for (s2_ipa at = S2_IPA(s2_max_u64(c->ipa.v, a->range.start.v)); at.v < end; at = run.end) {
        if (!s2_area_memory(sp, a, at, &run, &pa))
            return refuse(c, S2_EPERM, "is in part not memory");
        if (has_device(sp, S2_PA(pa.v + (at.v - run.start.v)),
                       S2_PA(pa.v + (s2_min_u64(end, run.end.v) - run.start.v))))
            return refuse(c, S2_EPERM, "is in part a device");
    }
    return S2_OK;
}

/* Memory that may be reached by a cacheable window, and the rights asked for. */
static enum s2_err check_area(struct s2_space *sp, const struct copy *c, const struct s2_area *a)
{
    enum s2_err err = check_memory(sp, c, a);

    if (err)
        return err;
    if ((a->attr.bits & S2_MT_MASK) > S2_MT_NORMAL_NC)
        return refuse(c, S2_EPERM, "is in part a device");
    if (c->need & ~a->attr.bits)
        return refuse(c, S2_EPERM, "is in part not open to that access");
    return S2_OK;
}

/* Lock held shared: every byte lies in an area that allows it. */
static enum s2_err check(struct s2_space *sp, const struct copy *c)
{
    uint64_t end = c->ipa.v + c->bytes;
    struct s2_area a;

    if (end < c->ipa.v)
        return refuse(c, S2_EINVAL, "wraps around");
    if (c->need & ~(uint32_t)S2_PERM_MASK)
        return refuse(c, S2_EINVAL, "asks for rights that there are not");
    if (sp->dying)
        return refuse(c, S2_EDYING, "is of a space that is being destroyed");
    for (s2_ipa at = c->ipa; at.v < end; at = a.range.end) {
        enum s2_err err;

        if (!s2_area_set_find(&sp->areas, at, &a))
            return refuse(c, S2_ENOENT, "is in part in no area");
        err = check_area(sp, c, &a);
        if (err)
            return err;
    }
    return S2_OK;
}

/* Lock held shared. The frames at c->ipa: as many bytes as lie together, in one window. False: nothing is there yet. */
static bool find_run(struct s2_space *sp, const struct copy *c, const struct s2_area *a, s2_pa *pa, size_t *bytes)
{
    struct s2_ipa_range run;

    if (!s2_area_memory(sp, a, c->ipa, &run, pa))
        return false;
    pa->v += c->ipa.v - run.start.v;
    *bytes = (size_t)s2_min_u64(s2_min_u64(c->bytes, run.end.v - c->ipa.v), S2_PORT_WINDOW - pa->v % S2_PORT_WINDOW);
    return true;
}

/* Through one window, which is of whole frames. */
static void move(struct s2_space *sp, const struct copy *c, s2_pa pa, size_t bytes)
{
    struct s2_port *port = sp->cfg.port;
    uint64_t below = pa.v & (S2_FRAME - 1);
    size_t span = (size_t)((below + bytes + S2_FRAME - 1) & ~(S2_FRAME - 1));
    unsigned char *window = s2_port_window_map(port, S2_PA(pa.v - below), span), *va = window + below;

    if (c->direction == OUT_OF_GUEST) {
        s2_port_copy(port, c->to, va, bytes);
    } else {
        s2_port_copy(port, va, c->from, bytes);
        /* A guest with its MMU off reads past the caches (architecture rule 19). */
        s2_port_clean_poc(port, va, bytes);
        if (c->code)
            s2_port_sync_code(port, va, bytes);
    }
    s2_port_window_unmap(port, window, span);
}

/* One piece: *done bytes of it were copied; 0 when a chunk had to be fetched first. */
static enum s2_err copy_piece(struct s2_space *sp, const struct copy *c, size_t *done)
{
    struct s2_area a;
    enum s2_err err;
    bool there = false;
    s2_pa pa;

    *done = 0;
    s2_space_lock_shared(sp);
    err = check(sp, c);
    if (!err) {
        (void)s2_area_set_find(&sp->areas, c->ipa, &a);
        there = find_run(sp, c, &a, &pa, done);
        if (there)
            move(sp, c, pa, *done);
    }
    s2_space_unlock_shared(sp);
    if (err || there)
        return err;
    err = s2_lazy_fetch(sp, c->ipa);
    return err ? refuse(c, err, "needs memory that is not there") : S2_OK;
}

static enum s2_err copy(struct s2_space *sp, struct copy c)
{
    while (c.bytes) {
        size_t done;
        enum s2_err err = copy_piece(sp, &c, &done);

        if (err)
            return err;
        c.ipa.v += done;
        c.bytes -= done;
        if (c.direction == OUT_OF_GUEST)
            c.to += done;
        else
            c.from += done;
    }
    return S2_OK;
}

enum s2_err s2_space_copy_in(struct s2_space *sp, s2_ipa to, const void *from, size_t bytes, uint32_t need, bool code,
                             struct s2_detail *d)
{
    return copy(sp, (struct copy){to, bytes, INTO_GUEST, .from = from, .code = code, .need = need, .d = d});
}

enum s2_err s2_space_copy_out(struct s2_space *sp, void *to, s2_ipa from, size_t bytes, uint32_t need,
                              struct s2_detail *d)
{
    return copy(sp, (struct copy){from, bytes, OUT_OF_GUEST, .to = to, .need = need, .d = d});
}

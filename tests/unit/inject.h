/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Stands between the library and whatever may refuse it something: its pools, and the prepare and take of its own backends
 * (linked with --wrap, see tools/make/host.mk). Counts all of these calls in one row and refuses the k-th. A suite includes
 * this once. */
#ifndef INJECT_H
#define INJECT_H

#include "unit.h"

#include <stage2/backend.h>
#include <stage2/frames.h>
#include <stage2/space.h>
#include <stage2/tpool.h>

enum site { NO_SITE, AT_NODES, AT_TABLES, AT_PROMISE, AT_FRAMES, AT_BLOCK, AT_PREPARE, AT_TAKE, SITES };

static struct {
    unsigned from, burst; /* refuses the calls from, from + 1, ... of one site, `burst` of them; 0: none */
    unsigned calls;
    enum site fired; /* where it did */
    unsigned refused, count[SITES];
    unsigned held; /* takes of backends not undone */
} inject;

static inline void inject_arm(unsigned from, unsigned burst)
{
    memset(&inject, 0, sizeof inject);
    inject.from = from;
    inject.burst = burst;
}

static inline void inject_disarm(void)
{
    inject.from = 0;
}

static inline bool inject_at(enum site site)
{
    inject.count[site]++;
    inject.calls++;
    if (!inject.from || inject.calls < inject.from || inject.refused == inject.burst ||
        (inject.fired && inject.fired != site))
        return false;
    inject.fired = site;
    inject.refused++;
    return true;
}

static inline enum s2_err inject_error(enum site site)
{
    static const enum s2_err err[SITES] = {
        [AT_NODES] = S2_ENODES,  [AT_TABLES] = S2_ETABLES,   [AT_PROMISE] = S2_EQUOTA, [AT_FRAMES] = S2_EFRAMES,
        [AT_BLOCK] = S2_EFRAMES, [AT_PREPARE] = S2_EREFUSED, [AT_TAKE] = S2_EREFUSED};

    return err[site];
}

/* --- pools --------------------------------------------------------------------------------------------------------------- */

#define INJECT(site, fn, params, args)                                                                                 \
    enum s2_err __real_##fn params;                                                                                    \
    enum s2_err __wrap_##fn params;                                                                                    \
    enum s2_err __wrap_##fn params                                                                                     \
    {                                                                                                                  \
        return inject_at(site) ? inject_error(site) : __real_##fn args;                                                \
    }

INJECT(AT_NODES, s2_pool_reserve, (struct s2_pool * pool, uint32_t n), (pool, n))
INJECT(AT_FRAMES, s2_frames_reserve, (struct s2_frames * f, uint64_t n), (f, n))
INJECT(AT_BLOCK, s2_frames_alloc, (struct s2_frames * f, unsigned order, bool reserved, struct s2_block *out),
       (f, order, reserved, out))
INJECT(AT_TABLES, s2_tpool_take, (struct s2_tpool * p, struct s2_tquota *q, uint32_t n, struct s2_tstash *s),
       (p, q, n, s))
INJECT(AT_TABLES, s2_tpool_draw, (struct s2_tpool * p, struct s2_tquota *q, uint32_t n, struct s2_tstash *s),
       (p, q, n, s))
INJECT(AT_TABLES, s2_tpool_take_root, (struct s2_tpool * p, struct s2_tquota *q, unsigned n, s2_pa *root),
       (p, q, n, root))
enum s2_err s2_tables_promise(struct s2_space *sp, struct s2_ipa_range range); /* of the library's inner.h */
INJECT(AT_PROMISE, s2_tables_promise, (struct s2_space * sp, struct s2_ipa_range range), (sp, range))

/* --- backends: the wrapped one is the library's to everybody but itself ---------------------------------------------------- */

static inline struct s2_change inject_real(const struct s2_change *c, const struct s2_backend *real)
{
    struct s2_change r = *c;

    r.area.backend = real;
    return r;
}

#define INJECT_BACKEND(name)                                                                                           \
    extern const struct s2_backend __real_s2_backend_##name;                                                           \
    static enum s2_err name##_prepare(void *ctx, struct s2_op *op, const struct s2_change *c)                          \
    {                                                                                                                  \
        struct s2_change r = inject_real(c, &__real_s2_backend_##name);                                                \
                                                                                                                       \
        if (inject_at(AT_PREPARE))                                                                                     \
            return S2_EREFUSED;                                                                                        \
        return r.area.backend->prepare ? r.area.backend->prepare(ctx, op, &r) : S2_OK;                                 \
    }                                                                                                                  \
    static enum s2_err name##_take(void *ctx, struct s2_op *op, const struct s2_change *c)                             \
    {                                                                                                                  \
        struct s2_change r = inject_real(c, &__real_s2_backend_##name);                                                \
        enum s2_err err = inject_at(AT_TAKE) ? S2_EREFUSED : S2_OK;                                                    \
                                                                                                                       \
        if (!err && r.area.backend->take)                                                                              \
            err = r.area.backend->take(ctx, op, &r);                                                                   \
        inject.held += !err;                                                                                           \
        return err;                                                                                                    \
    }                                                                                                                  \
    static void name##_undo(void *ctx, struct s2_op *op, const struct s2_change *c)                                    \
    {                                                                                                                  \
        struct s2_change r = inject_real(c, &__real_s2_backend_##name);                                                \
                                                                                                                       \
        inject.held--;                                                                                                 \
        if (r.area.backend->undo)                                                                                      \
            r.area.backend->undo(ctx, op, &r);                                                                         \
    }                                                                                                                  \
    static void name##_commit(void *ctx, struct s2_op *op, const struct s2_change *c)                                  \
    {                                                                                                                  \
        struct s2_change r = inject_real(c, &__real_s2_backend_##name);                                                \
                                                                                                                       \
        r.area.backend->commit(ctx, op, &r);                                                                           \
    }                                                                                                                  \
    static void name##_release(void *ctx, struct s2_op *op, const struct s2_change *c)                                 \
    {                                                                                                                  \
        struct s2_change r = inject_real(c, &__real_s2_backend_##name);                                                \
                                                                                                                       \
        if (r.area.backend->release)                                                                                   \
            r.area.backend->release(ctx, op, &r);                                                                      \
    }                                                                                                                  \
    extern struct s2_backend __wrap_s2_backend_##name;                                                                 \
    struct s2_backend __wrap_s2_backend_##name

INJECT_BACKEND(linear);
INJECT_BACKEND(alloc);
INJECT_BACKEND(trap);

/* Before anything else; what is not wrapped is the library's. */
static inline void inject_backends(void)
{
#define WRAP(name)                                                                                                     \
    __wrap_s2_backend_##name = __real_s2_backend_##name;                                                               \
    __wrap_s2_backend_##name.prepare = name##_prepare;                                                                 \
    __wrap_s2_backend_##name.take = name##_take;                                                                       \
    __wrap_s2_backend_##name.undo = name##_undo;                                                                       \
    __wrap_s2_backend_##name.commit = name##_commit;                                                                   \
    __wrap_s2_backend_##name.release = name##_release
    WRAP(linear);
    WRAP(alloc);
    WRAP(trap);
#undef WRAP
}

#endif

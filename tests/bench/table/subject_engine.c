/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The table engine by itself, each operation as struct s2_op makes it: count, take, edit, flush, give back. */
#include <stdlib.h>

#include "world.h"

struct engine {
    struct table_world w;
    struct s2_table t;
    struct s2_tstash cache; /* a vCPU's */
};

static void *engine_create(struct arena *a, enum sequence seq)
{
    struct engine *e = calloc(1, sizeof(*e));
    struct s2_geometry geo;

    if (!e)
        abort();
    table_world_make(&e->w, a, seq == SEQ_DIRTY, &geo);
    world_must(s2_table_init(&e->t, &e->w.port, &e->w.caps, &geo, &e->w.pool, &e->w.vmids, a->pages, 1));
    s2_table_load(&e->t);
    e->cache = S2_TSTASH_EMPTY;
    return e;
}

static void engine_release(void *s)
{
    struct engine *e = s;

    table_world_free(&e->w);
    free(e);
}

struct edit {
    struct s2_tstash stash;
    struct s2_gather g;
};

static inline bool begin(struct engine *e, struct edit *edit, uint32_t pages)
{
    edit->stash = S2_TSTASH_EMPTY;
    s2_gather_init(&edit->g);
    return s2_tpool_take(&e->w.pool, &e->t.quota, pages, &edit->stash) == S2_OK;
}

static inline void end(struct engine *e, struct edit *edit)
{
    s2_gather_flush(&e->t, &edit->g);
    s2_gather_spare(&e->t, &edit->g, &edit->stash);
    if (edit->g.detached)
        s2_gather_free(&e->t, &edit->g);
}

static struct s2_ipa_range range_of(const struct job *j)
{
    return (struct s2_ipa_range){S2_IPA(j->ipa), S2_IPA(jobs_end(j))};
}

static unsigned engine_map(void *s, const struct jobs *jobs)
{
    struct engine *e = s;
    unsigned done = 0;

    for (unsigned i = 0; i < jobs->n; i++) {
        const struct job *j = &jobs->job[i];
        struct edit edit;

        work_isolate();
        if (!begin(e, &edit, s2_table_need_map(&e->t, range_of(j), S2_PA(j->pa), false)))
            continue;
        s2_table_map(&e->t, &edit.stash, &edit.g, range_of(j), S2_PA(j->pa), S2_ATTR(S2_RW));
        end(e, &edit);
        done++;
    }
    return done;
}

/* The cache is topped up by so many pages as the tables below the root are levels, when the fault finds it too small. */
static unsigned engine_fault(void *s, const struct jobs *jobs)
{
    struct engine *e = s;
    unsigned done = 0;

    for (unsigned i = 0; i < jobs->n; i++) {
        const struct job *j = &jobs->job[i];
        enum s2_install how = S2_NO_TABLE;
        uint32_t need, levels = (uint32_t)(3 - e->t.geo.start_level);

        work_isolate();
        for (unsigned tries = 0; tries < 2 && how == S2_NO_TABLE; tries++) {
            how = s2_table_install(&e->t, &e->cache, range_of(j), S2_IPA(j->ipa), S2_PA(j->pa), S2_ATTR(S2_RW), &need);
            if (how == S2_NO_TABLE &&
                s2_tpool_draw(&e->w.pool, &e->t.quota, levels - e->cache.count, &e->cache) != S2_OK)
                break;
        }
        done += how == S2_INSTALLED;
    }
    s2_tpool_give(&e->w.pool, &e->t.quota, &e->cache);
    return done;
}

static unsigned engine_unmap(void *s, const struct jobs *jobs)
{
    struct engine *e = s;
    unsigned done = 0;

    for (unsigned i = 0; i < jobs->n; i++) {
        const struct job *j = &jobs->job[i];
        struct edit edit;

        work_isolate();
        if (!begin(e, &edit, s2_table_need_cut(&e->t, range_of(j))))
            continue;
        s2_table_unmap(&e->t, &edit.stash, &edit.g, range_of(j));
        end(e, &edit);
        done++;
    }
    return done;
}

static unsigned engine_protect(void *s, const struct jobs *jobs)
{
    struct engine *e = s;
    unsigned done = 0;

    for (unsigned i = 0; i < jobs->n; i++) {
        const struct job *j = &jobs->job[i];
        struct edit edit;

        work_isolate();
        if (!begin(e, &edit, s2_table_need_cut(&e->t, range_of(j))))
            continue;
        s2_table_protect(&e->t, &edit.stash, &edit.g, range_of(j), S2_ATTR(S2_R));
        end(e, &edit);
        done++;
    }
    return done;
}

static uint64_t engine_lookup(void *s, const uint64_t *ipa, unsigned n, const uint64_t *zero)
{
    const struct engine *e = s;
    uint64_t sum = 0, pa = 0;

    for (unsigned i = 0; i < n; i++) {
        struct s2_leaf leaf;

        s2_table_lookup(&e->t, S2_IPA(ipa[i] + (pa & *zero)), &leaf);
        pa = leaf.pa.v;
        sum += pa;
    }
    return sum;
}

static void engine_destroy(void *s)
{
    struct engine *e = s;
    struct edit edit;

    (void)begin(e, &edit, 0);
    s2_table_detach_all(&e->t, &edit.g);
    end(e, &edit);
    s2_table_fini(&e->t);
}

static void engine_account(void *s, struct account *out)
{
    struct engine *e = s;

    table_world_account(&e->w, &e->t, 0, out);
}

const struct subject subject_engine = {
    .name = "engine",
    .what = "Bulkhead's table engine: pages counted and taken, edit, flush, pages given back",
    .counts = true,
    .create = engine_create,
    .release = engine_release,
    .map = engine_map,
    .fault = engine_fault,
    .unmap = engine_unmap,
    .protect = engine_protect,
    .lookup = engine_lookup,
    .destroy = engine_destroy,
    .account = engine_account,
};

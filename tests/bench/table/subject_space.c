/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The same through the whole address space: areas of the linear kind, whose frames the ledger shows as the VM's. */
#include <stdlib.h>

#include <stage2/space.h>

#include "world.h"

enum {
    VM = S2_OWNER_FIRST_VM,
    AREAS_IN_A_NODE = 4, /* at least, on average (s2_imap_capacity) */
};
#define FRAMES_PA (RAM_PA - BLOCK) /* what no area of these takes */

struct nodes {
    struct s2_pool pool;
    void *memory;
};
struct space_subject {
    struct table_world w;
    struct s2_frames frames;
    struct s2_ledger ledger;
    struct nodes areas, ledger_nodes;
    void *frames_memory;
    struct s2_space space;
};

static void nodes_make(struct nodes *n, uint64_t entries)
{
    size_t bytes = (size_t)(entries / AREAS_IN_A_NODE + 256) * S2_NODE_BYTES;

    n->memory = aligned_alloc(64, bytes);
    if (!n->memory)
        abort();
    s2_pool_init(&n->pool, n->memory, bytes);
}

static void *space_create(struct arena *a, enum sequence seq)
{
    struct space_subject *s = calloc(1, sizeof(*s));
    struct s2_ledger_entry ram = {.range = {S2_PA(RAM_PA), S2_PA(RAM_PA + RAM_SIZE)},
                                  .owner = VM,
                                  .state = S2_OWNED,
                                  .rights = S2_RWX,
                                  .ipa = S2_IPA_NONE};
    /* No workload makes more areas of its table pages: W7 three of one, W6 hardly more than one. */
    uint64_t areas = 3ull * a->pages;
    struct s2_space_config cfg = {.id = VM, .table_pages = a->pages, .frame_quota = BLOCK / S2_FRAME};

    if (!s)
        abort();
    table_world_make(&s->w, a, seq == SEQ_DIRTY, &cfg.geometry);
    s2_frames_init(&s->frames, &s->w.port);
    s->frames_memory = calloc(1, s2_frames_meta_bytes(S2_PA(FRAMES_PA), BLOCK));
    world_must(s2_frames_add(&s->frames, S2_PA(FRAMES_PA), BLOCK, s->frames_memory, NULL));
    nodes_make(&s->areas, areas);
    nodes_make(&s->ledger_nodes, areas);
    s2_ledger_init(&s->ledger, &s->w.port, &s->ledger_nodes.pool, 48);
    world_must(s2_ledger_add(&s->ledger, &ram, NULL));
    cfg.port = &s->w.port;
    cfg.caps = &s->w.caps;
    cfg.tables = &s->w.pool;
    cfg.vmids = &s->w.vmids;
    cfg.frames = &s->frames;
    cfg.ledger = &s->ledger;
    cfg.nodes = &s->areas.pool;
    world_must(s2_space_init(&s->space, &cfg, NULL));
    s2_space_load(&s->space);
    return s;
}

static void space_release(void *subject)
{
    struct space_subject *s = subject;

    table_world_free(&s->w);
    free(s->frames_memory);
    free(s->areas.memory);
    free(s->ledger_nodes.memory);
    free(s);
}

static struct s2_ipa_range range_of(const struct job *j)
{
    return (struct s2_ipa_range){S2_IPA(j->ipa), S2_IPA(jobs_end(j))};
}

static unsigned space_map(void *subject, const struct jobs *jobs)
{
    struct space_subject *s = subject;
    unsigned done = 0;

    for (unsigned i = 0; i < jobs->n; i++) {
        const struct job *j = &jobs->job[i];
        struct s2_area area = {
            .range = range_of(j), .backend = &s2_backend_linear, .backing = j->pa, .attr = S2_ATTR(S2_RW)};
        struct s2_detail d;

        work_isolate();
        done += s2_space_map(&s->space, &area, S2_MAP_NEW, &d) == S2_OK;
    }
    return done;
}

static unsigned space_unmap(void *subject, const struct jobs *jobs)
{
    struct space_subject *s = subject;
    unsigned done = 0;

    for (unsigned i = 0; i < jobs->n; i++) {
        struct s2_detail d;

        work_isolate();
        done += s2_space_unmap(&s->space, range_of(&jobs->job[i]), &d) == S2_OK;
    }
    return done;
}

static bool read_only(void *arg, const struct s2_area *area, s2_attr *attr)
{
    (void)arg;
    (void)area;
    *attr = S2_ATTR(S2_R);
    return true;
}

static unsigned space_protect(void *subject, const struct jobs *jobs)
{
    struct space_subject *s = subject;
    unsigned done = 0;

    for (unsigned i = 0; i < jobs->n; i++) {
        struct s2_detail d;

        work_isolate();
        done += s2_space_protect(&s->space, range_of(&jobs->job[i]), read_only, NULL, &d) == S2_OK;
    }
    return done;
}

static void space_destroy(void *subject)
{
    struct space_subject *s = subject;

    s2_space_destroy_begin(&s->space);
    while (s2_space_destroy_step(&s->space, RAM_SIZE / S2_FRAME))
        ;
    s2_space_destroy_end(&s->space);
}

static void space_account(void *subject, struct account *out)
{
    struct space_subject *s = subject;

    table_world_account(&s->w, &s->space.table, s->space.cut.count, out);
}

const struct subject subject_space = {
    .name = "space",
    .what = "Bulkhead's whole address space: area set, ledger, linear areas, then the engine",
    .counts = true,
    .create = space_create,
    .release = space_release,
    .map = space_map,
    .unmap = space_unmap,
    .protect = space_protect,
    .destroy = space_destroy,
    .account = space_account,
};

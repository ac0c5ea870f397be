/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* vCPUs that fault side by side while the map changes under them. */
#include "space_world.h"

#include <pthread.h>

enum { VCPUS = 3, FAULTS = 12000, EDITS = 150, STEPPED = 25, TORN = 300 };
#define BYTES MIB(16)

/* Leaves of one page alone; or what faults complete is promoted, by whom it may be. */
struct setting {
    enum s2_granule granule;
    uint8_t chunk_log2;
    bool promotes, tracks; /* accesses and writes, by faults */
};

struct vcpu {
    struct world *w;
    pthread_t thread;
    unsigned index;
    uint64_t page;
    unsigned answers[S2_VIOLATION + 1], wrong;
};

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Where access flag and dirty state are kept by faults, of all these kinds. */
static struct s2_fault random_fault(const struct vcpu *v, uint32_t *seed)
{
    static const enum s2_fault_kind kinds[] = {S2_FAULT_TRANSLATION, S2_FAULT_TRANSLATION, S2_FAULT_ACCESS_FLAG,
                                               S2_FAULT_PERMISSION};
    uint64_t at = next(seed) % (BYTES / v->page) * v->page;
    bool tracks = v->w->cfg.geometry.track_access;

    return (struct s2_fault){.kind = tracks ? kinds[next(seed) % 4] : S2_FAULT_TRANSLATION,
                             .access = tracks && next(seed) % 2 ? S2_ACCESS_WRITE : S2_ACCESS_READ,
                             .has_ipa = true,
                             .ipa = S2_IPA(at)};
}

static bool expected(enum s2_answer answer, const struct s2_fault *f, const struct s2_fault_result *r)
{
    if (answer == S2_VIOLATION)
        return r->why == S2_NO_AREA || (r->why == S2_NO_PERMISSION && f->access == S2_ACCESS_WRITE);
    return answer == S2_RETRY || (answer == S2_RETRY_FLUSHED && f->kind == S2_FAULT_PERMISSION);
}

static void *faults(void *arg)
{
    struct vcpu *v = arg;
    uint32_t seed = v->index + 1;
    struct s2_cache cache;

    model_set_cpu(v->w->port, v->index + 1);
    s2_cache_init(&cache);
    for (unsigned i = 0; i < FAULTS; i++) {
        struct s2_fault f = random_fault(v, &seed);
        struct s2_fault_result r;
        enum s2_answer answer = s2_space_fault(&v->w->space, &cache, &f, &r);

        v->answers[answer]++;
        if (answer == S2_NEED_REFILL)
            v->wrong += s2_cache_refill(&v->w->space, &cache) != S2_OK;
        else
            v->wrong += !expected(answer, &f, &r);
    }
    s2_cache_drain(&v->w->space, &cache);
    return NULL;
}

/* The whole address space is one lazy area, and each vCPU faults in it. */
static struct world *start(struct vcpu v[VCPUS], const struct setting *set)
{
    struct world_config wc = world_defaults();
    struct world *w;

    wc.not_strict = true;
    wc.granule = set->granule;
    wc.small_leaves = !set->promotes;
    wc.chunk_log2 = set->chunk_log2;
    wc.access_flag = wc.dirty = set->tracks;
    wc.caps.haf = wc.caps.hdbs = false;
    wc.cpus = VCPUS + 1;
    wc.nodes = 1024;
    wc.ledger_nodes = 4096;
    w = world_create(&wc);
    assert_int_equal(map_new(w, area_alloc(0, BYTES, S2_RW, S2_AREA_LAZY)), S2_OK);
    for (unsigned i = 0; i < VCPUS; i++) {
        v[i].w = w;
        v[i].index = i;
        v[i].page = 1ull << set->granule;
        assert_int_equal(pthread_create(&v[i].thread, NULL, faults, &v[i]), 0);
    }
    return w;
}

/* Up to a seventh of it. */
static struct s2_ipa_range random_range(const struct world *w, uint32_t *seed)
{
    uint64_t page = s2_granule_bytes(&w->cfg.geometry), most = BYTES / page / 7;
    uint64_t at = next(seed) % (BYTES / page - most), pages = 1 + next(seed) % most;

    return ipa_range(at * page, pages * page);
}

static void stop(struct vcpu v[VCPUS], struct world *w)
{
    for (unsigned i = 0; i < VCPUS; i++) {
        assert_int_equal(pthread_join(v[i].thread, NULL), 0);
        assert_int_equal(v[i].wrong, 0);
        assert_true(v[i].answers[S2_RETRY] > 0);
    }
    world_check(w);
    world_destroy(w);
}

static void vcpus_fault_while_the_map_changes(void **state)
{
    struct vcpu v[VCPUS] = {{0}};
    struct world *w = start(v, *state);
    uint32_t seed = 99;

    for (unsigned i = 0; i < EDITS; i++) {
        struct s2_ipa_range r = random_range(w, &seed);
        struct s2_area area = {.range = r, .backend = &s2_backend_alloc, .attr = S2_ATTR(S2_RW)};

        assert_int_equal(s2_space_unmap(&w->space, r, NULL), S2_OK);
        area.flags = i % 2 ? S2_AREA_LAZY : 0;
        assert_int_equal(map_over(w, area), S2_OK);
        assert_null(s2_space_check(&w->space, &w->d));
    }
    stop(v, w);
}

static bool heard(void *arg, const struct s2_leaf *leaf)
{
    *(uint64_t *)arg += leaf->accessed;
    return true;
}

/* Blocks and runs are cut by rights, grow together again, are told of; areas come and go. */
static void vcpus_fault_while_leaves_are_torn_and_promoted(void **state)
{
    const struct setting *set = *state;
    struct vcpu v[VCPUS] = {{0}};
    struct world *w = start(v, set);
    uint64_t accessed = 0;
    uint32_t seed = 3;

    for (unsigned i = 0; i < TORN; i++) {
        struct s2_ipa_range r = random_range(w, &seed);
        uint64_t bytes = r.end.v - r.start.v;
        struct s2_area area = {.range = r, .backend = &s2_backend_alloc, .attr = S2_ATTR(S2_RW), .flags = S2_AREA_LAZY};

        switch (next(&seed) % 8) {
        case 0:
            assert_int_equal(s2_space_unmap(&w->space, r, NULL), S2_OK);
            break;
        case 1:
        case 2:
            assert_int_equal(map_over(w, area), S2_OK);
            break;
        case 3:
            assert_int_equal(protect(w, r.start.v, bytes, S2_R), S2_OK);
            break;
        case 4:
            assert_int_equal(protect(w, 0, BYTES, S2_RW), S2_OK);
            break;
        case 5:
            s2_space_promotion(&w->space, next(&seed) % 4);
            break;
        case 6:
            if (set->tracks)
                assert_int_equal(s2_space_harvest(&w->space, r, S2_TOUCH_ACCESS | S2_TOUCH_WRITE, heard, &accessed),
                                 S2_OK);
            break;
        default:
            (void)s2_space_promote_step(&w->space, 1 + next(&seed) % 8);
        }
        if (i % 8 == 0)
            assert_null(s2_space_check(&w->space, &w->d));
    }
    stop(v, w);
}

static void vcpus_fault_while_it_changes_in_steps(void **state)
{
    struct vcpu v[VCPUS] = {{0}};
    struct world *w = start(v, *state);
    uint32_t seed = 7;

    for (unsigned i = 0; i < STEPPED; i++) {
        struct s2_area a = {.range = random_range(w, &seed), .backend = &s2_backend_alloc, .attr = S2_ATTR(S2_RW)};
        s2_attr attr = S2_ATTR(i % 2 ? S2_RW : S2_R);
        struct s2_long l;

        assert_int_equal(s2_space_protect_begin(&w->space, &l, a.range, set_attr, &attr, NULL), S2_OK);
        while (s2_space_protect_step(&l, 50))
            assert_null(s2_space_check(&w->space, &w->d));
        assert_int_equal(s2_space_protect_end(&l), S2_OK);
        assert_int_equal(s2_space_unmap(&w->space, a.range, NULL), S2_OK);
        assert_int_equal(s2_space_map_begin(&w->space, &l, &a, NULL), S2_OK);
        while (s2_space_map_step(&l, 50))
            assert_null(s2_space_check(&w->space, &w->d));
        if (i % 3)
            s2_space_map_end(&l);
        else
            while (s2_space_map_abort(&l, 50))
                assert_null(s2_space_check(&w->space, &w->d));
    }
    stop(v, w);
}

static const struct setting small = {S2_4K, 15, false, false}, runs = {S2_4K, 17, true, false},
                            blocks = {S2_4K, 21, true, false}, tracked = {S2_4K, 17, true, true},
                            large = {S2_64K, 21, true, false}, large_tracked = {S2_64K, 17, true, true};

#define WITH(test, how)                                                                                                \
    {                                                                                                                  \
#test ", " #how, test, NULL, NULL, (void *)(uintptr_t)&how                                                     \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(vcpus_fault_while_the_map_changes, small),
        WITH(vcpus_fault_while_the_map_changes, runs),
        WITH(vcpus_fault_while_the_map_changes, large),
        WITH(vcpus_fault_while_it_changes_in_steps, small),
        WITH(vcpus_fault_while_it_changes_in_steps, runs),
        WITH(vcpus_fault_while_it_changes_in_steps, large),
        WITH(vcpus_fault_while_leaves_are_torn_and_promoted, small),
        WITH(vcpus_fault_while_leaves_are_torn_and_promoted, runs),
        WITH(vcpus_fault_while_leaves_are_torn_and_promoted, blocks),
        WITH(vcpus_fault_while_leaves_are_torn_and_promoted, tracked),
        WITH(vcpus_fault_while_leaves_are_torn_and_promoted, large),
        WITH(vcpus_fault_while_leaves_are_torn_and_promoted, large_tracked),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

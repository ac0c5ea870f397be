/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Faults while others change the same addresses: whatever was done between two holds of the lock, and just before a
 * compare-and-swap, the answer is what is true then. The races are played by scripts of the model, so that each is certain. */
#include "space_world.h"

#include "space/inner.h"

#define LAZY MIB(2)

static int setup(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w = world_create(&wc);

    assert_int_equal(map_new(w, area_alloc(LAZY, MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    *state = w;
    return 0;
}

/* --- between two holds of the lock ------------------------------------------------------------------------------------- */

/* Once, when the space's lock is dropped for the n-th time: what another CPU does then. */
struct other {
    struct world *w;
    void (*act)(struct world *w);
    unsigned drops;
};

static void other_cpu(void *arg, const struct s2_lock *lock, bool taken)
{
    struct other *o = arg;

    if (lock == &o->w->space.lock && !taken && o->drops && --o->drops == 0)
        o->act(o->w);
}

/* The answer to a fault on the first page; its lock is held shared, exclusively for the chunk, and shared again. */
static enum s2_answer fault_while(struct world *w, void (*act)(struct world *w), unsigned drops,
                                  struct s2_fault_result *r)
{
    struct s2_fault f = {.kind = S2_FAULT_TRANSLATION, .access = S2_ACCESS_READ, .has_ipa = true, .ipa = S2_IPA(LAZY)};
    struct other o = {w, act, drops};
    enum s2_answer answer;

    assert_int_equal(s2_cache_refill(&w->space, &w->cache), S2_OK);
    model_script_lock(w->port, other_cpu, &o);
    answer = s2_space_fault(&w->space, &w->cache, &f, r);
    model_script_lock(w->port, NULL, NULL);
    assert_int_equal(o.drops, 0);
    return answer;
}

static void unmaps(struct world *w)
{
    assert_int_equal(unmap(w, LAZY, MIB(2)), S2_OK);
}
static void populates(struct world *w)
{
    assert_int_equal(map_over(w, area_alloc(LAZY, MIB(2), S2_RW, 0)), S2_OK);
}
static void maps_anew(struct world *w)
{
    assert_int_equal(unmap(w, LAZY, MIB(2)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(LAZY, MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
}
static void fetches(struct world *w)
{
    assert_int_equal(s2_lazy_fetch(&w->space, S2_IPA(LAZY + PAGE)), S2_OK);
    assert_int_equal(w->space.frames_held, 512);
}
static void destroys(struct world *w)
{
    s2_cache_drain(&w->space, &w->cache);
    s2_space_destroy_begin(&w->space);
}

static void memory_is_taken_only_where_it_is_still_wanted(void **state)
{
    struct world *w = *state;
    struct s2_fault_result r;

    assert_int_equal(fault_while(w, unmaps, 1, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_AREA);
    assert_int_equal(w->space.frames_held, 0);
    assert_int_equal(map_new(w, area_alloc(LAZY, MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(fault_while(w, fetches, 1, &r), S2_RETRY);
    assert_int_equal(w->space.frames_held, 512);
    assert_int_equal(leaves_at(w, 2), 1);
    maps_anew(w);
    assert_int_equal(fault_while(w, populates, 1, &r), S2_RETRY);
    assert_int_equal(w->space.frames_held, 512);
    assert_int_equal(r.area.flags, 0);
    world_check(w);
}

static void a_dying_space_takes_none(void **state)
{
    struct world_config wc = world_defaults();
    struct world *w = world_create(&wc);
    struct s2_fault_result r;

    (void)state;
    assert_int_equal(map_new(w, area_alloc(LAZY, MIB(2), S2_RW, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(fault_while(w, destroys, 1, &r), S2_VIOLATION);
    assert_int_equal(r.why, S2_NO_AREA);
    assert_false(r.has_area);
    assert_int_equal(w->space.frames_held, 0);
    assert_int_equal(w->frames.free, w->frames.total);
    while (s2_space_destroy_step(&w->space, 64))
        ;
    s2_space_destroy_end(&w->space);
    assert_int_equal(w->frames.reserved, 0);
    assert_int_equal(w->tables.free, w->tables.pages);
    world_free(w);
}

/* The chunk went with its area, and another lazy area is there: the guest faults again. */
static void memory_that_went_again_is_a_retry(void **state)
{
    struct world *w = *state;
    struct s2_fault_result r;

    assert_int_equal(fault_while(w, maps_anew, 2, &r), S2_RETRY);
    assert_int_equal(w->space.frames_held, 0);
    assert_int_equal(leaves_at(w, 2) + leaves_at(w, 3), 0);
    world_check(w);
    world_run(w);
    assert_true(guest(w, LAZY, MODEL_READ).done);
}

/* --- just before a compare-and-swap ------------------------------------------------------------------------------------ */

static struct world *racing;
static uint64_t installed_pa;

/* Another vCPU maps the page for which the lock is held shared. */
static void installs(void *arg)
{
    struct s2_ipa_range page = ipa_range(LAZY + PAGE, PAGE);
    struct s2_chunk c;
    uint32_t need;

    assert_true(s2_chunk_next(&racing->space.chunks, page, &c));
    installed_pa = c.pa.v;
    assert_int_equal(s2_table_install(&racing->space.table, arg, page, page.start, c.pa, S2_ATTR(S2_RW), &need),
                     S2_INSTALLED);
}

static void the_second_of_two_installers_tries_again(void **state)
{
    struct s2_fault f = {
        .kind = S2_FAULT_TRANSLATION, .access = S2_ACCESS_WRITE, .has_ipa = true, .ipa = S2_IPA(LAZY + PAGE)};
    struct s2_tstash stash = S2_TSTASH_EMPTY;
    struct world *w = *state;
    struct s2_fault_result r;

    w->space.cfg.small_leaves = true;
    world_run(w);
    assert_true(guest(w, LAZY, MODEL_WRITE).done);
    racing = w;
    model_script_cas(w->port, installs, &stash);
    assert_int_equal(s2_space_fault(&w->space, &w->cache, &f, &r), S2_RETRY);
    assert_int_equal(leaves_at(w, 3), 2);
    assert_int_equal(guest(w, LAZY + PAGE, MODEL_WRITE).pa, installed_pa);
    assert_int_equal(stash.count, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(memory_is_taken_only_where_it_is_still_wanted),
        T(memory_that_went_again_is_a_retry),
        T(the_second_of_two_installers_tries_again),
        cmocka_unit_test(a_dying_space_takes_none),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Random operations on a space, against an oracle that knows one page at a time and nothing of trees, chunks or tables.
 * After every step the checker runs, the model has seen no stale translation, and the areas are those of the oracle. */
#include "random_space.h"

enum { STEPS = 1000 };

/* --- steps ------------------------------------------------------------------------------------------------------------- */

static void step_map(struct run *r)
{
    enum s2_map_mode mode = below(r, 2) ? S2_MAP_NEW : S2_MAP_REPLACE;
    struct s2_ipa_range range = random_range(r);
    uint64_t first = range.start.v / PAGE, end = range.end.v / PAGE;
    enum kind kind;
    struct s2_area a = random_area(r, range, &kind);
    enum s2_err err = s2_space_map(&r->w->space, &a, mode, &r->w->d), want = S2_OK;

    if (refused_as_busy(r, first, end, err))
        return;
    if (mode == S2_MAP_NEW && meets(r, first, end))
        want = S2_EEXIST;
    else if (kind == LINEAR && frames_taken(r, &a, mode))
        want = S2_EPERM;
    if (want == S2_OK && short_of_something(err)) {
        r->refused++;
        return;
    }
    assert_int_equal(err, want);
    if (err || (mode == S2_MAP_REPLACE && same_already(r, &a, kind)))
        return;
    remember(r, &a, kind);
    r->done[kind]++;
}

static void step_unmap(struct run *r)
{
    struct s2_ipa_range range = random_range(r);
    enum s2_err err = s2_space_unmap(&r->w->space, range, &r->w->d);

    if (refused_as_busy(r, range.start.v / PAGE, range.end.v / PAGE, err))
        return;
    assert_int_equal(err, S2_OK);
    forget(r, range.start.v / PAGE, range.end.v / PAGE);
    r->done[UNMAP]++;
}

/* Takes the write right from what is called 1, gives it to the rest; traps are left alone. */
static bool by_name(void *arg, const struct s2_area *area, s2_attr *attr)
{
    (void)arg;
    if (area->backend == &s2_backend_trap || !(attr->bits & S2_R))
        return false;
    attr->bits = area->name ? attr->bits & ~(uint32_t)S2_W : attr->bits | S2_W;
    return true;
}

static void now_by_name(struct run *r, struct s2_ipa_range range)
{
    for (uint64_t i = range.start.v / PAGE; i < range.end.v / PAGE; i++) {
        struct page *p = &r->page[i];

        if (p->kind == NONE || p->kind == TRAP || !(p->attr & S2_R))
            continue;
        p->attr = p->name ? p->attr & ~(uint32_t)S2_W : p->attr | S2_W;
    }
}

static void step_protect(struct run *r)
{
    struct s2_ipa_range range = random_range(r);
    enum s2_err err = s2_space_protect(&r->w->space, range, by_name, NULL, &r->w->d);

    if (refused_as_busy(r, range.start.v / PAGE, range.end.v / PAGE, err))
        return;
    if (short_of_something(err)) {
        r->refused++;
        return;
    }
    assert_int_equal(err, S2_OK);
    now_by_name(r, range);
    r->done[PROTECT]++;
}

/* --- steps that insist on an area -------------------------------------------------------------------------------------- */

/* As it stands there; false: none. */
static bool area_at(const struct run *r, uint64_t i, struct s2_area *a)
{
    const struct page *p = &r->page[i];
    uint64_t first, end;

    if (p->kind == NONE)
        return false;
    area_around(r, i, &first, &end);
    *a = (struct s2_area){.range = ipa_range(first * PAGE, (end - first) * PAGE),
                          .backend = backend_of(p->kind),
                          .backing = r->page[first].backing,
                          .attr = S2_ATTR(p->attr),
                          .name = p->name,
                          .flags = flags_of(p->kind)};
    return true;
}

/* Often one with an area, and never of one that touches busy pages, which is not known well enough. */
static uint64_t random_page(struct run *r)
{
    uint64_t i, first, end;

    for (unsigned tries = 0;; tries++) {
        i = below(r, PAGES);
        area_around(r, i, &first, &end);
        if ((r->page[i].kind != NONE || tries > 15) && !is_busy(r, first ? first - 1 : 0, end + 1))
            return i;
    }
}

static void step_extend(struct run *r)
{
    uint64_t i = random_page(r), most = below(r, 4) ? 5 : 600, low = below(r, most), high = below(r, most), first, end;
    enum s2_err err, want = S2_OK;
    struct s2_ipa_range to;
    struct s2_area a;
    bool there = area_at(r, i, &a);

    if (!there)
        a = area_trap(i * PAGE, PAGE, 0);
    first = a.range.start.v / PAGE;
    end = a.range.end.v / PAGE;
    low = low > first ? first : low;
    high = high > PAGES - end ? PAGES - end : high;
    to = ipa_range((first - low) * PAGE, (low + end - first + high) * PAGE);
    err = s2_space_extend(&r->w->space, S2_IPA(i * PAGE), to, &r->w->d);
    if (refused_as_busy(r, first - low, end + high, err))
        return;
    if (!there)
        want = S2_ENOENT;
    else if (meets(r, first - low, first) || meets(r, end, end + high))
        want = S2_EEXIST;
    if (want == S2_OK && a.backend == &s2_backend_linear) {
        struct s2_area below_it = area_linear(to.start.v, low * PAGE, a.backing - low * PAGE, 0);
        struct s2_area above_it =
            area_linear(a.range.end.v, high * PAGE, a.backing + (a.range.end.v - a.range.start.v), 0);

        if ((low && frames_taken(r, &below_it, S2_MAP_NEW)) || (high && frames_taken(r, &above_it, S2_MAP_NEW)))
            want = S2_EPERM;
    }
    if (want == S2_OK && short_of_something(err)) {
        r->refused++;
        return;
    }
    assert_int_equal(err, want);
    if (err)
        return;
    for (uint64_t k = first - low; k < end + high; k++) {
        if (k >= first && k < end)
            continue;
        r->page[k] = (struct page){r->page[i].kind, a.attr.bits, a.name, a.backing, 0};
        if (a.backend == &s2_backend_linear) {
            r->page[k].backing += k * PAGE - a.range.start.v;
            r->own_mapped[own_index(r->page[k].backing)] = true;
        }
    }
    r->done[EXTEND] += low + high > 0;
}

static void step_swap(struct run *r)
{
    uint64_t i = random_page(r), first, end;
    const struct s2_backend *expected;
    enum s2_err err, want = S2_OK;
    struct s2_ipa_range range;
    struct s2_area is, a;
    enum kind kind;

    if (!area_at(r, i, &is))
        is = area_trap(i * PAGE, PAGE, 0);
    expected = below(r, 8) ? is.backend : &s2_backend_trap;
    range = is.range;
    if (below(r, 2))
        range.start.v += below(r, (range.end.v - range.start.v) / PAGE) * PAGE;
    if (below(r, 2))
        range.end.v -= below(r, (range.end.v - range.start.v) / PAGE) * PAGE;
    if (!below(r, 8) && range.end.v < PAGES * PAGE)
        range.end.v += PAGE;
    first = range.start.v / PAGE;
    end = range.end.v / PAGE;
    a = random_area(r, range, &kind);
    err = s2_space_swap(&r->w->space, &a, expected, &r->w->d);
    if (refused_as_busy(r, first, end, err))
        return;
    if (!area_at(r, first, &is) || is.range.end.v < range.end.v || is.backend != expected)
        want = S2_ENOENT;
    else if (kind == LINEAR && frames_taken(r, &a, S2_MAP_REPLACE))
        want = S2_EPERM;
    if (want == S2_OK && short_of_something(err)) {
        r->refused++;
        return;
    }
    assert_int_equal(err, want);
    if (err)
        return;
    remember(r, &a, kind);
    r->done[SWAP]++;
}

static void step_rename(struct run *r)
{
    uint64_t i = random_page(r);
    uint16_t name = (uint16_t)below(r, 2);
    struct s2_area a;
    bool there = area_at(r, i, &a);
    enum s2_err err = s2_space_rename(&r->w->space, S2_IPA(i * PAGE + below(r, PAGE)), name, &r->w->d);

    assert_int_equal(err, there ? S2_OK : S2_ENOENT);
    if (!there)
        return;
    for (uint64_t k = a.range.start.v / PAGE; k < a.range.end.v / PAGE; k++)
        r->page[k].name = name;
    r->done[RENAME]++;
}

static void step_expected(struct run *r)
{
    uint64_t i = random_page(r);
    enum s2_err want = S2_OK;
    struct s2_area a;

    if (!area_at(r, i, &a)) {
        a = area_trap(i * PAGE, PAGE, 0);
        want = S2_ENOENT;
    } else if (below(r, 4) == 0) {
        a.name ^= 1;
        want = S2_ENOENT;
    }
    assert_int_equal(s2_space_unmap_expected(&r->w->space, &a, &r->w->d), want);
    if (want)
        return;
    forget(r, a.range.start.v / PAGE, a.range.end.v / PAGE);
    r->done[EXPECTED]++;
}

/* --- long work --------------------------------------------------------------------------------------------------------- */

static void begin_work(struct run *r)
{
    struct s2_ipa_range range = random_range(r);
    struct s2_area a = area_alloc(range.start.v, range.end.v - range.start.v, S2_RW, 0);
    bool populate = below(r, 2);
    enum s2_err err, want = S2_OK;

    a.name = (uint16_t)below(r, 2);
    err = populate ? s2_space_map_begin(&r->w->space, &r->work, &a, &r->w->d)
                   : s2_space_protect_begin(&r->w->space, &r->work, range, by_name, NULL, &r->w->d);
    if (populate && meets(r, range.start.v / PAGE, range.end.v / PAGE))
        want = S2_EEXIST;
    if (want == S2_OK && short_of_something(err)) {
        r->refused++;
        return;
    }
    assert_int_equal(err, want);
    if (!err)
        r->busy = range;
}

static void step_work(struct run *r)
{
    bool aborts = !below(r, 3), populates = r->work.populates;
    struct s2_area a = r->work.area;

    if (r->busy.start.v == r->busy.end.v) {
        begin_work(r);
        return;
    }
    if (below(r, 3)) {
        (void)(populates ? s2_space_map_step(&r->work, 1 + below(r, 700))
                         : s2_space_protect_step(&r->work, 1 + below(r, 40)));
        return;
    }
    if (!populates) {
        while (s2_space_protect_step(&r->work, 1 + below(r, 40)))
            world_check(r->w);
        assert_int_equal(s2_space_protect_end(&r->work), S2_OK);
        now_by_name(r, r->busy);
        r->done[PROTECTED]++;
    } else if (aborts) {
        while (s2_space_map_abort(&r->work, 1 + below(r, 700)))
            world_check(r->w);
        r->done[ABORTED]++;
    } else {
        s2_space_map_end(&r->work);
        remember(r, &a, ALLOC);
        r->done[POPULATED]++;
    }
    r->busy = ipa_range(0, 0);
}

/* --- steps of the guest ------------------------------------------------------------------------------------------------ */

static unsigned char *content(struct run *r, struct page *p)
{
    return is_own(p) ? &r->own[own_index(p->backing)] : &p->byte;
}

static void step_access(struct run *r)
{
    uint64_t i = below(r, PAGES);
    struct page *p = &r->page[i];
    enum model_kind kind = (enum model_kind)below(r, 3);
    static const uint32_t right[] = {S2_R, S2_W, S2_X};
    bool allowed = p->kind != NONE && p->kind != TRAP && (p->attr & right[kind]);
    struct attempt a;

    if (is_busy(r, i, i + 1))
        return;
    model_set_cpu(r->w->port, (unsigned)below(r, 2));
    world_run(r->w);
    a = guest(r->w, i * PAGE, kind);
    if (allowed && !a.done) {
        /* Only what nobody promised may run out. */
        assert_true(p->kind == OVERCOMMIT && (a.answer == S2_NEED_REFILL || a.result.why == S2_NO_MEMORY));
        r->refused++;
        return;
    }
    assert_int_equal(a.done, allowed);
    if (!allowed) {
        assert_int_equal(a.result.why, p->kind == NONE   ? S2_NO_AREA
                                       : p->kind == TRAP ? S2_NO_SYNDROME
                                                         : S2_NO_PERMISSION);
        return;
    }
    if (p->kind == LINEAR)
        assert_int_equal(a.pa, p->backing);
    unsigned char *byte = model_ram(r->w->port, a.pa);
    assert_int_equal(*byte, *content(r, p));
    if (kind == MODEL_WRITE)
        *byte = *content(r, p) = (unsigned char)below(r, 256);
}

static void step_copy(struct run *r)
{
    static unsigned char bytes[16 * PAGE];
    uint64_t first = below(r, PAGES - 16), n = 1 + below(r, 15);
    bool in = below(r, 2), there = true, promised = true;
    enum s2_err err;

    for (uint64_t i = first; i < first + n; i++) {
        there &= r->page[i].kind != NONE && r->page[i].kind != TRAP;
        promised &= r->page[i].kind != OVERCOMMIT;
    }
    if (is_busy(r, first, first + n))
        return;
    memset(bytes, (int)below(r, 256), sizeof bytes);
    err = in ? s2_space_copy_in(&r->w->space, S2_IPA(first * PAGE), bytes, n * PAGE, 0, true, &r->w->d)
             : s2_space_copy_out(&r->w->space, bytes, S2_IPA(first * PAGE), n * PAGE, 0, &r->w->d);
    assert_int_equal(err == S2_EPERM || err == S2_ENOENT, !there);
    if (!there)
        return;
    if (err) {
        assert_false(promised);
        assert_true(short_of_something(err));
        /* What was copied before memory ran out is there. */
        for (uint64_t i = first; in && i < first + n; i++) {
            unsigned char now;

            if (s2_space_copy_out(&r->w->space, &now, S2_IPA(i * PAGE), 1, 0, NULL) == S2_OK)
                *content(r, &r->page[i]) = now;
        }
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        if (in)
            *content(r, &r->page[first + i]) = bytes[0];
        else
            assert_int_equal(bytes[i * PAGE], *content(r, &r->page[first + i]));
    }
}

static void run(const struct world_config *wc, uint64_t seed)
{
    struct run *r = world_alloc(sizeof *r);

    memset(r, 0, sizeof *r);
    r->seed = seed;
    r->w = world_create(wc);
    memset(model_ram(r->w->port, FRAME_BASE), 0xa5, FRAME_BYTES);
    memset(r->own, 0xa5, sizeof r->own);
    world_give(r->w, OWN_PA, OWN_PAGES * PAGE, VM, S2_RWX);
    for (unsigned i = 0; i < STEPS; i++) {
        switch (below(r, 16)) {
        case 0:
        case 1:
            step_map(r);
            break;
        case 2:
            step_unmap(r);
            break;
        case 3:
            step_protect(r);
            break;
        case 4:
            step_copy(r);
            break;
        case 5:
            step_extend(r);
            break;
        case 6:
            step_swap(r);
            break;
        case 7:
            step_rename(r);
            break;
        case 8:
            step_expected(r);
            break;
        case 9:
        case 10:
            step_work(r);
            break;
        default:
            step_access(r);
        }
        world_check(r->w);
        compare_areas(r);
    }
    for (unsigned i = LINEAR; i < DONE; i++)
        assert_true(r->done[i] > 0);
    model_set_cpu(r->w->port, 0);
    world_destroy(r->w);
    free(r);
}

static void with_every_feature(void **state)
{
    struct world_config wc = world_defaults();

    (void)state;
    run(&wc, 0x9e3779b97f4a7c15);
}

static void with_the_oldest_cpu(void **state)
{
    struct world_config wc = world_defaults();

    (void)state;
    wc.caps = model_caps_least();
    wc.ipa_bits = 40;
    run(&wc, 0xd1b54a32d192ed03);
}

static void with_small_chunks_and_little_of_anything(void **state)
{
    struct world_config wc = world_defaults();

    (void)state;
    wc.chunk_log2 = 14;
    wc.small_leaves = true;
    wc.table_pages = 40;
    wc.nodes = 72;
    wc.frame_quota = MIB(8) / PAGE;
    run(&wc, 0x94d049bb133111eb);
}

static void with_hardware_access_and_dirty_state(void **state)
{
    struct world_config wc = world_defaults();

    (void)state;
    wc.access_flag = wc.dirty = true;
    run(&wc, 0xbf58476d1ce4e5b9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_every_feature),
        cmocka_unit_test(with_the_oldest_cpu),
        cmocka_unit_test(with_small_chunks_and_little_of_anything),
        cmocka_unit_test(with_hardware_access_and_dirty_state),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

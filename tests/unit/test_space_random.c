/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Random operations on a space, against an oracle that knows one page at a time and nothing of trees, chunks or tables.
 * After every step the checker runs, the model has seen no stale translation, and the areas are those of the oracle. */
#include "random_guest.h"

enum { STEPS = 1000 };

/* --- steps ------------------------------------------------------------------------------------------------------------- */

static void step_map(struct run *r)
{
    enum s2_map_mode mode = below(r, 2) ? S2_MAP_NEW : S2_MAP_REPLACE;
    struct s2_ipa_range range = random_range(r);
    uint64_t first = range.start.v / page_bytes, end = range.end.v / page_bytes;
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

    if (refused_as_busy(r, range.start.v / page_bytes, range.end.v / page_bytes, err))
        return;
    assert_int_equal(err, S2_OK);
    forget(r, range.start.v / page_bytes, range.end.v / page_bytes);
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
    for (uint64_t i = range.start.v / page_bytes; i < range.end.v / page_bytes; i++) {
        struct page *p = &r->page[i];

        if (p->kind == NONE || p->kind == TRAP || !(p->attr & S2_R))
            continue;
        p->attr = p->name ? p->attr & ~(uint32_t)S2_W : p->attr | S2_W;
        p->written = p->written && !p->name;
    }
}

static void step_protect(struct run *r)
{
    struct s2_ipa_range range = random_range(r);
    enum s2_err err = s2_space_protect(&r->w->space, range, by_name, NULL, &r->w->d);

    if (refused_as_busy(r, range.start.v / page_bytes, range.end.v / page_bytes, err))
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
    *a = (struct s2_area){.range = ipa_range(first * page_bytes, (end - first) * page_bytes),
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
        i = below(r, all_pages);
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
        a = area_trap(i * page_bytes, page_bytes, 0);
    first = a.range.start.v / page_bytes;
    end = a.range.end.v / page_bytes;
    low = low > first ? first : low;
    high = high > all_pages - end ? all_pages - end : high;
    to = ipa_range((first - low) * page_bytes, (low + end - first + high) * page_bytes);
    err = s2_space_extend(&r->w->space, S2_IPA(i * page_bytes), to, &r->w->d);
    if (refused_as_busy(r, first - low, end + high, err))
        return;
    if (!there)
        want = S2_ENOENT;
    else if (meets(r, first - low, first) || meets(r, end, end + high))
        want = S2_EEXIST;
    if (want == S2_OK && a.backend == &s2_backend_linear) {
        struct s2_area below_it = area_linear(to.start.v, low * page_bytes, a.backing - low * page_bytes, 0);
        struct s2_area above_it =
            area_linear(a.range.end.v, high * page_bytes, a.backing + (a.range.end.v - a.range.start.v), 0);

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
        r->page[k] = (struct page){r->page[i].kind, a.attr.bits, a.name, a.backing, 0, false};
        if (a.backend == &s2_backend_linear) {
            r->page[k].backing += k * page_bytes - a.range.start.v;
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
        is = area_trap(i * page_bytes, page_bytes, 0);
    expected = below(r, 8) ? is.backend : &s2_backend_trap;
    range = is.range;
    if (below(r, 2))
        range.start.v += below(r, (range.end.v - range.start.v) / page_bytes) * page_bytes;
    if (below(r, 2))
        range.end.v -= below(r, (range.end.v - range.start.v) / page_bytes) * page_bytes;
    if (!below(r, 8) && range.end.v < all_pages * page_bytes)
        range.end.v += page_bytes;
    first = range.start.v / page_bytes;
    end = range.end.v / page_bytes;
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
    enum s2_err err = s2_space_rename(&r->w->space, S2_IPA(i * page_bytes + below(r, page_bytes)), name, &r->w->d);

    assert_int_equal(err, there ? S2_OK : S2_ENOENT);
    if (!there)
        return;
    for (uint64_t k = a.range.start.v / page_bytes; k < a.range.end.v / page_bytes; k++)
        r->page[k].name = name;
    r->done[RENAME]++;
}

static void step_expected(struct run *r)
{
    uint64_t i = random_page(r);
    enum s2_err want = S2_OK;
    struct s2_area a;

    if (!area_at(r, i, &a)) {
        a = area_trap(i * page_bytes, page_bytes, 0);
        want = S2_ENOENT;
    } else if (below(r, 4) == 0) {
        a.name ^= 1;
        want = S2_ENOENT;
    }
    assert_int_equal(s2_space_unmap_expected(&r->w->space, &a, &r->w->d), want);
    if (want)
        return;
    forget(r, a.range.start.v / page_bytes, a.range.end.v / page_bytes);
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
    if (populate && meets(r, range.start.v / page_bytes, range.end.v / page_bytes))
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

static void run(const struct world_config *wc, uint64_t seed)
{
    struct run *r = world_alloc(sizeof *r);

    memset(r, 0, sizeof *r);
    r->seed = seed;
    r->w = world_create(wc);
    if (wc->dirty && !wc->caps.hdbs)
        model_set_tracking(r->w->port, true, true);
    page_bytes = s2_granule_bytes(&r->w->cfg.geometry);
    all_pages = SPACE_BYTES / page_bytes;
    own_pages = OWN_BYTES / page_bytes;
    memset(model_ram(r->w->port, FRAME_BASE), 0xa5, FRAME_BYTES);
    memset(r->own, 0xa5, sizeof r->own);
    world_give(r->w, OWN_PA, own_pages * page_bytes, VM, S2_RWX);
    for (unsigned i = 0; i < STEPS; i++) {
        switch (below(r, 18)) {
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
        case 11:
            step_sweep(r);
            break;
        case 12:
            step_harvest(r);
            break;
        default:
            step_access(r);
        }
        world_check(r->w);
        compare_areas(r);
    }
    for (unsigned i = LINEAR; i < FOLDED; i++)
        assert_true(r->done[i] > 0);
    assert_true(r->done[FOLDED] > 0 || wc->chunk_log2 < 16);
    assert_int_equal(r->done[TOLD] > 0, wc->dirty);
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
    wc.frame_quota = MIB(8) / S2_FRAME;
    run(&wc, 0x94d049bb133111eb);
}

static void with_hardware_access_and_dirty_state(void **state)
{
    struct world_config wc = world_defaults();

    (void)state;
    wc.access_flag = wc.dirty = true;
    run(&wc, 0xbf58476d1ce4e5b9);
}

/* Chunks smaller than what faults complete together. */
static void small_chunks(enum s2_granule granule, uint8_t chunk_log2, bool tracked, uint64_t seed)
{
    struct world_config wc = world_defaults();

    wc.granule = granule;
    wc.chunk_log2 = chunk_log2;
    wc.access_flag = wc.dirty = tracked;
    wc.caps.haf = wc.caps.hdbs = false;
    wc.caps.bbm = (uint8_t)(seed % 3);
    run(&wc, seed);
}

static void where_faults_complete_runs(void **state)
{
    (void)state;
    small_chunks(S2_4K, 16, false, 0x2545f4914f6cdd1d);
    small_chunks(S2_4K, 17, true, 0x9e6c63d0876a9a47);
}
static void with_pages_of_16k(void **state)
{
    (void)state;
    small_chunks(S2_16K, 0, false, 11);
    small_chunks(S2_16K, 21, true, 11);
}
static void with_pages_of_64k(void **state)
{
    (void)state;
    small_chunks(S2_64K, 0, true, 16);
    small_chunks(S2_64K, 21, true, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_every_feature),
        cmocka_unit_test(with_the_oldest_cpu),
        cmocka_unit_test(with_small_chunks_and_little_of_anything),
        cmocka_unit_test(with_hardware_access_and_dirty_state),
        cmocka_unit_test(where_faults_complete_runs),
        cmocka_unit_test(with_pages_of_16k),
        cmocka_unit_test(with_pages_of_64k),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

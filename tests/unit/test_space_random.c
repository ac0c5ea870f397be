/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Random operations on a space, against an oracle that knows one page at a time and nothing of trees, chunks or tables.
 * After every step the checker runs, the model has seen no stale translation, and the areas are those of the oracle. */
#include "space_world.h"

#ifdef __SANITIZE_ADDRESS__
enum { STEPS = 300 };
#else
enum { STEPS = 1000 };
#endif
enum { PAGES = 8192, OWN_PAGES = 1024 };
#define OWN_PA (FRAME_BASE + MIB(24))

enum kind { NONE, LINEAR, ALLOC, LAZY, OVERCOMMIT, TRAP };
struct page {
    enum kind kind;
    uint32_t attr;
    uint16_t name;
    uint64_t backing; /* linear: PA; trap: handle */
    unsigned char byte;
};

struct run {
    struct world *w;
    uint64_t seed;
    struct page page[PAGES];
    unsigned char own[OWN_PAGES]; /* content of the linear frames */
    bool own_mapped[OWN_PAGES];
    unsigned done[8], refused;
};

static uint64_t below(struct run *r, uint64_t n)
{
    r->seed ^= r->seed << 13;
    r->seed ^= r->seed >> 7;
    r->seed ^= r->seed << 17;
    return r->seed % n;
}

static const uint32_t attrs[] = {S2_RW, S2_R, S2_RWX, S2_RX, 0, S2_RW | S2_MT_NORMAL_NC, S2_RW | 5u << S2_SW_SHIFT};

/* A range that is often of whole blocks and often of a few pages. */
static struct s2_ipa_range random_range(struct run *r)
{
    uint64_t unit = below(r, 3) ? 1 + below(r, 40) : 512, start, pages;

    start = below(r, PAGES / unit) * unit;
    pages = (1 + below(r, 4)) * unit;
    if (start + pages > PAGES)
        pages = PAGES - start;
    return ipa_range(start * PAGE, pages * PAGE);
}

/* --- the oracle ------------------------------------------------------------------------------------------------------ */

static bool is_own(const struct page *p)
{
    return p->kind == LINEAR;
}

static uint64_t own_index(uint64_t pa)
{
    return (pa - OWN_PA) / PAGE;
}

static void forget(struct run *r, uint64_t first, uint64_t end)
{
    for (uint64_t i = first; i < end; i++) {
        if (is_own(&r->page[i]))
            r->own_mapped[own_index(r->page[i].backing)] = false;
        r->page[i] = (struct page){NONE, 0, 0, 0, 0};
    }
}

static bool meets(const struct run *r, uint64_t first, uint64_t end)
{
    for (uint64_t i = first; i < end; i++)
        if (r->page[i].kind != NONE)
            return true;
    return false;
}

static bool short_of_something(enum s2_err err)
{
    return err == S2_ENODES || err == S2_ETABLES || err == S2_EFRAMES || err == S2_EQUOTA;
}

static void compare_areas(struct run *r)
{
    uint64_t at = 0;
    struct s2_area a;

    for (s2_ipa from = S2_IPA(0); s2_space_next(&r->w->space, from, &a); from = a.range.end) {
        for (; at < a.range.start.v / PAGE; at++)
            assert_int_equal(r->page[at].kind, NONE);
        for (; at < a.range.end.v / PAGE; at++) {
            const struct page *p = &r->page[at];
            uint64_t off = at * PAGE - a.range.start.v;

            assert_int_equal(p->attr, a.attr.bits);
            assert_int_equal(p->name, a.name);
            assert_ptr_equal(a.backend, p->kind == LINEAR ? &s2_backend_linear
                                        : p->kind == TRAP ? &s2_backend_trap
                                                          : &s2_backend_alloc);
            if (p->kind == LINEAR)
                assert_int_equal(a.backing + off, p->backing);
            if (p->kind == TRAP)
                assert_int_equal(a.backing, p->backing);
        }
    }
    for (; at < PAGES; at++)
        assert_int_equal(r->page[at].kind, NONE);
}

/* --- steps ------------------------------------------------------------------------------------------------------------- */

static struct s2_area random_area(struct run *r, struct s2_ipa_range range, enum kind *kind)
{
    uint64_t bytes = range.end.v - range.start.v, own = below(r, 2) ? 512 * below(r, 2) : below(r, OWN_PAGES);
    uint32_t attr = attrs[below(r, sizeof attrs / sizeof *attrs)];
    struct s2_area a;

    *kind = (enum kind)(1 + below(r, 5));
    if (*kind == LINEAR && bytes > OWN_PAGES * PAGE)
        *kind = ALLOC;
    switch (*kind) {
    case LINEAR:
        a = area_linear(range.start.v, bytes, OWN_PA + own * PAGE, attr);
        break;
    case TRAP:
        a = area_trap(range.start.v, bytes, below(r, 3));
        break;
    case LAZY:
        a = area_alloc(range.start.v, bytes, attr, S2_AREA_LAZY);
        break;
    case OVERCOMMIT:
        a = area_alloc(range.start.v, bytes, attr, S2_AREA_LAZY | S2_AREA_OVERCOMMIT);
        break;
    default:
        *kind = ALLOC;
        a = area_alloc(range.start.v, bytes, attr, 0);
    }
    a.name = (uint16_t)below(r, 2);
    return a;
}

/* Are the frames of this linear area mapped elsewhere, or not the VM's? What lies in the replaced range goes. */
static bool frames_taken(const struct run *r, const struct s2_area *a, enum s2_map_mode mode)
{
    uint64_t first = a->range.start.v / PAGE, end = a->range.end.v / PAGE;

    if (a->backing + (end - first) * PAGE > OWN_PA + OWN_PAGES * PAGE)
        return true;
    for (uint64_t i = 0; i < PAGES; i++) {
        bool goes = mode == S2_MAP_REPLACE && i >= first && i < end;

        if (is_own(&r->page[i]) && !goes && r->page[i].backing >= a->backing &&
            r->page[i].backing < a->backing + (end - first) * PAGE)
            return true;
    }
    return false;
}

static bool same_already(const struct run *r, const struct s2_area *a, enum kind kind)
{
    for (uint64_t i = a->range.start.v / PAGE; i < a->range.end.v / PAGE; i++) {
        const struct page *p = &r->page[i];
        uint64_t backing = kind == LINEAR ? a->backing + i * PAGE - a->range.start.v : a->backing;

        if (p->kind != kind || p->attr != a->attr.bits || p->name != a->name || p->backing != backing)
            return false;
    }
    return kind == LINEAR || kind == TRAP;
}

static void step_map(struct run *r)
{
    enum s2_map_mode mode = below(r, 2) ? S2_MAP_NEW : S2_MAP_REPLACE;
    struct s2_ipa_range range = random_range(r);
    uint64_t first = range.start.v / PAGE, end = range.end.v / PAGE;
    enum kind kind;
    struct s2_area a = random_area(r, range, &kind);
    enum s2_err err = s2_space_map(&r->w->space, &a, mode, &r->w->d), want = S2_OK;

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
    forget(r, first, end);
    for (uint64_t i = first; i < end; i++) {
        r->page[i] = (struct page){kind, a.attr.bits, a.name, a.backing, 0};
        if (kind == LINEAR) {
            r->page[i].backing += (i - first) * PAGE;
            r->own_mapped[own_index(r->page[i].backing)] = true;
        }
    }
    r->done[kind]++;
}

static void step_unmap(struct run *r)
{
    struct s2_ipa_range range = random_range(r);

    assert_int_equal(s2_space_unmap(&r->w->space, range, &r->w->d), S2_OK);
    forget(r, range.start.v / PAGE, range.end.v / PAGE);
    r->done[6]++;
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

static void step_protect(struct run *r)
{
    struct s2_ipa_range range = random_range(r);
    enum s2_err err = s2_space_protect(&r->w->space, range, by_name, NULL, &r->w->d);

    if (short_of_something(err)) {
        r->refused++;
        return;
    }
    assert_int_equal(err, S2_OK);
    for (uint64_t i = range.start.v / PAGE; i < range.end.v / PAGE; i++) {
        struct page *p = &r->page[i];

        if (p->kind == NONE || p->kind == TRAP || !(p->attr & S2_R))
            continue;
        p->attr = p->name ? p->attr & ~(uint32_t)S2_W : p->attr | S2_W;
    }
    r->done[7]++;
}

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
        switch (below(r, 10)) {
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
        default:
            step_access(r);
        }
        world_check(r->w);
        compare_areas(r);
    }
    for (unsigned i = LINEAR; i < 8; i++)
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
    wc.nodes = 40;
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

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A space in words: what each line says of each kind of area, and of runs of leaves; lines that are too long. */
#include "space_world.h"

enum { LINES = 16, LINE = 160 };

struct lines {
    unsigned n;
    char line[LINES][LINE];
};

static void add_line(void *arg, const char *line)
{
    struct lines *l = arg;

    assert_true(l->n < LINES);
    assert_true(strlen(line) < LINE);
    strcpy(l->line[l->n++], line);
}

static struct lines areas_of(struct world *w)
{
    struct lines l = {0};

    s2_space_dump_areas(&w->space, add_line, &l);
    return l;
}
static struct lines tables_of(struct world *w)
{
    struct lines l = {0};

    s2_space_dump_tables(&w->space, add_line, &l);
    return l;
}

static struct world *make(unsigned ipa_bits)
{
    struct world_config wc = world_defaults();

    wc.ipa_bits = ipa_bits;
    return world_create(&wc);
}

static void each_kind_of_area_has_its_line(void **state)
{
    static const uint16_t over = S2_AREA_LAZY | S2_AREA_OVERCOMMIT;
    struct world *w = make(36);
    struct s2_area grows = area_alloc(MIB(96), MIB(4), S2_RW, 0),
                   named = area_alloc(MIB(32), MIB(2) + PAGE, S2_R | S2_X, 0);
    struct s2_long work;
    struct lines l;

    (void)state;
    world_give(w, FRAME_BASE + MIB(16), MIB(4), VM, S2_RWX);
    assert_int_equal(map_new(w, area_linear(MIB(16), MIB(2) + PAGE, FRAME_BASE + MIB(16), S2_RW)), S2_OK);
    named.name = 12;
    assert_int_equal(map_new(w, named), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(48), MIB(2), S2_R | S2_UX, S2_AREA_LAZY)), S2_OK);
    assert_int_equal(map_new(w, area_alloc(MIB(52), MIB(4), S2_RWX, over)), S2_OK);
    assert_int_equal(map_new(w, area_trap(MIB(64), MIB(2), 0x1234)), S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(80), PAGE, FRAME_BASE + MIB(19), 0)), S2_OK);
    assert_int_equal(s2_space_copy_in(&w->space, S2_IPA(MIB(52)), "x", 1, 0, false, NULL), S2_OK);
    assert_int_equal(s2_space_map_begin(&w->space, &work, &grows, &w->d), S2_OK);
    assert_true(s2_space_map_step(&work, MIB(2) / PAGE));
    l = areas_of(w);
    assert_int_equal(l.n, 7);
    assert_string_equal(l.line[0], "0x1000000-0x1201000           2052K  linear     0x41200000     rw-- wb      "
                                   "1x2M+1x4K           #0");
    assert_string_equal(l.line[1], "0x2000000-0x2201000           2052K  alloc      2 chunks       r-x- wb      "
                                   "1x2M+1x4K           #12");
    assert_string_equal(l.line[2], "0x3000000-0x3200000           2M     alloc lazy -              r--u wb      "
                                   "-                   #0");
    assert_string_equal(l.line[3], "0x3400000-0x3800000           4M     alloc over 0x41600000     rwxu wb      "
                                   "-                   #0");
    assert_string_equal(l.line[4], "0x4000000-0x4200000           2M     trap       0x1234         rw-- nGnRE   "
                                   "-                   #0");
    assert_string_equal(l.line[5], "0x5000000-0x5001000           4K     linear     0x41500000     ---- wb      "
                                   "1x4K                #0");
    assert_non_null(strstr(l.line[6], " alloc grows "));
    s2_space_map_end(&work);
    world_check(w);
    world_destroy(w);
}

static void runs_of_leaves_are_one_line(void **state)
{
    struct world *w = make(36);
    uint64_t pa = FRAME_BASE + MIB(16);
    struct lines l;

    (void)state;
    assert_int_equal(tables_of(w).n, 0);
    world_give(w, pa, MIB(8), VM, S2_RWX);
    /* Three pages in a run; another address; another attribute; a hole; another size. */
    assert_int_equal(map_new(w, area_linear(MIB(16), 3 * PAGE, pa + PAGE, S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(16) + 3 * PAGE, PAGE, pa + 5 * PAGE, S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(16) + 4 * PAGE, PAGE, pa + 6 * PAGE, S2_R)), S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(16) + 6 * PAGE, PAGE, pa + 7 * PAGE, S2_R)), S2_OK);
    assert_int_equal(map_new(w, area_linear(MIB(18) - PAGE, MIB(4) + PAGE, pa + MIB(2) - PAGE, S2_RWX)), S2_OK);
    l = tables_of(w);
    assert_int_equal(l.n, 6);
    assert_string_equal(l.line[0], "0x1000000-0x1003000           -> 0x41201000       3x4K          rw-- wb");
    assert_string_equal(l.line[1], "0x1003000-0x1004000           -> 0x41205000       1x4K          rw-- wb");
    assert_string_equal(l.line[2], "0x1004000-0x1005000           -> 0x41206000       1x4K          r--- wb");
    assert_string_equal(l.line[3], "0x1006000-0x1007000           -> 0x41207000       1x4K          r--- wb");
    assert_string_equal(l.line[4], "0x11ff000-0x1200000           -> 0x413ff000       1x4K          rwxu wb");
    assert_string_equal(l.line[5], "0x1200000-0x1600000           -> 0x41400000       2x2M          rwxu wb");
    world_check(w);
    world_destroy(w);
}

/* 19 pages of which 16 are a run; a block and one page more than a run, of 64K. */
static void runs_of_contiguous_leaves_say_so(void **state)
{
    struct world_config wc = world_defaults();
    uint64_t pa = FRAME_BASE + MIB(16);
    struct world *w = make(36);
    struct lines l;

    (void)state;
    world_give(w, pa, MIB(8), VM, S2_RWX);
    assert_int_equal(map_new(w, area_linear(MIB(16) - PAGE, 19 * PAGE, pa + MIB(1) - PAGE, S2_RW)), S2_OK);
    l = tables_of(w);
    assert_int_equal(l.n, 3);
    assert_string_equal(l.line[0], "0xfff000-0x1000000            -> 0x412ff000       1x4K          rw-- wb");
    assert_string_equal(l.line[1],
                        "0x1000000-0x1010000           -> 0x41300000       16x4K         rw-- wb contiguous");
    assert_string_equal(l.line[2], "0x1010000-0x1012000           -> 0x41310000       2x4K          rw-- wb");
    world_destroy(w);
    wc.granule = S2_64K;
    w = world_create(&wc);
    world_give(w, pa, MIB(8), VM, S2_RWX);
    assert_int_equal(map_new(w, area_linear(MIB(16), MIB(4) + KIB(64), pa, S2_RX)), S2_OK);
    l = tables_of(w);
    assert_int_equal(l.n, 2);
    assert_string_equal(l.line[0],
                        "0x1000000-0x1400000           -> 0x41200000       64x64K        r-xu wb contiguous");
    assert_string_equal(l.line[1], "0x1400000-0x1410000           -> 0x41600000       1x64K         r-xu wb");
    world_destroy(w);
}

/* --- and in numbers ------------------------------------------------------------------------------------------------------ */

/* By level, from -1. */
static void expect_counts(struct world *w, const uint64_t leaves[5], const uint64_t tables[5], uint64_t per_gib)
{
    struct s2_space_stats s;

    s2_space_stats(&w->space, &s);
    assert_memory_equal(s.table.leaves, leaves, sizeof s.table.leaves);
    assert_memory_equal(s.table.tables, tables, sizeof s.table.tables);
    assert_int_equal(s.table_bytes_per_gib, per_gib);
}

static void leaves_and_tables_are_counted(void **state)
{
    struct world_config wc = world_defaults();
    uint64_t pa = FRAME_BASE + MIB(16);
    struct world *w = make(40);
    struct s2_space_stats s;

    (void)state;
    /* Two roots at level 1. Below a MiB the ratio says nothing. */
    expect_counts(w, (const uint64_t[5]){0, 0, 0, 0, 0}, (const uint64_t[5]){0, 0, 2, 0, 0}, 0);
    world_give(w, pa, MIB(8), VM, S2_RWX);
    assert_int_equal(map_new(w, area_linear(MIB(16), MIB(1) - PAGE, pa + PAGE, S2_RW)), S2_OK);
    expect_counts(w, (const uint64_t[5]){0, 0, 0, 0, 255}, (const uint64_t[5]){0, 0, 2, 1, 1}, 0);
    assert_int_equal(map_new(w, area_linear(MIB(32), MIB(4), pa + MIB(2), S2_RW)), S2_OK);
    assert_int_equal(map_new(w, area_linear((1ull << 40) - PAGE, PAGE, pa, S2_RW)), S2_OK);
    /* 5 MiB in 6 pages of tables: 24 KiB * 1024 / 5. */
    expect_counts(w, (const uint64_t[5]){0, 0, 0, 2, 256}, (const uint64_t[5]){0, 0, 2, 2, 2}, 24 * 1024 * 1024 / 5);
    s2_space_stats(&w->space, &s);
    assert_int_equal(s.areas, 3);
    assert_int_equal(s.mapped_bytes, MIB(5));
    assert_int_equal(s.table_pages, 6 + s2_cut_tables(&w->cfg.geometry));
    assert_int_equal(s.frames_held, 0);
    world_check(w);
    world_destroy(w);

    wc.ipa_bits = 44; /* four roots at level 2 */
    wc.granule = S2_64K;
    w = world_create(&wc);
    world_give(w, pa, MIB(8), VM, S2_RWX);
    assert_int_equal(map_new(w, area_linear(MIB(16), MIB(8), pa, S2_RW)), S2_OK);
    expect_counts(w, (const uint64_t[5]){0, 0, 0, 0, 128}, (const uint64_t[5]){0, 0, 0, 4, 1},
                  5 * 64 * 1024 * 1024 / 8);
    s2_space_stats(&w->space, &s);
    assert_int_equal(s.table_pages, 5 + s2_cut_tables(&w->cfg.geometry));
    assert_int_equal(unmap(w, MIB(16), MIB(8)), S2_OK);
    expect_counts(w, (const uint64_t[5]){0, 0, 0, 0, 0}, (const uint64_t[5]){0, 0, 0, 4, 0}, 0);
    world_destroy(w);
}

/* The largest unit there is. */
static void sizes_have_the_largest_unit_that_divides_them(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *shown;
    } row[] = {{PAGE, " 4K "},       {MIB(1), " 1M "},      {MIB(1) + PAGE, " 1028K "}, {MIB(1024), " 1G "},
               {1ull << 40, " 1T "}, {1ull << 46, " 64T "}, {MIB(1025), " 1025M "}};
    struct world *w = make(48);

    (void)state;
    for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct lines l;

        assert_int_equal(map_new(w, area_trap(1ull << 46, row[i].bytes, 0)), S2_OK);
        l = areas_of(w);
        assert_int_equal(l.n, 1);
        assert_non_null(strstr(l.line[0], row[i].shown));
        assert_int_equal(unmap(w, 1ull << 46, row[i].bytes), S2_OK);
    }
    world_destroy(w);
}

static void commit_nothing(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    (void)ctx;
    (void)op;
    (void)c;
}

/* A backend may call itself what it likes: what is too long for a line is cut off. */
static void a_long_line_is_cut_off(void **state)
{
    char kind[200], start[LINE];
    const struct s2_backend own = {.kind = kind, .commit = commit_nothing};
    struct s2_area a = area_trap(MIB(2), PAGE, 7);
    struct world *w = make(36);
    struct lines l;
    int length;

    (void)state;
    memset(kind, 'k', sizeof kind - 1);
    kind[sizeof kind - 1] = '\0';
    a.backend = &own;
    assert_int_equal(map_new(w, a), S2_OK);
    length = snprintf(start, sizeof start, "0x200000-0x201000             4K     ");
    memset(start + length, 'k', sizeof start - 1 - (size_t)length);
    start[sizeof start - 1] = '\0';
    l = areas_of(w);
    assert_int_equal(l.n, 1);
    assert_string_equal(l.line[0], start);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_area_has_its_line),
        cmocka_unit_test(runs_of_leaves_are_one_line),
        cmocka_unit_test(runs_of_contiguous_leaves_say_so),
        cmocka_unit_test(leaves_and_tables_are_counted),
        cmocka_unit_test(sizes_have_the_largest_unit_that_divides_them),
        cmocka_unit_test(a_long_line_is_cut_off),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

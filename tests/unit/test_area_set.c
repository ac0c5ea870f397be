/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The area set on the four scenarios of memory_set's own tests, with their exact numbers, and on what it adds: the order
 * of steps, merging, both directions of the gap search, details of errors. */
#include "area_bytes.h"

#define NEW     S2_MAP_NEW
#define REPLACE S2_MAP_REPLACE

static int setup(void **state)
{
    *state = bytes_new(0, BYTES, 1);
    return 0;
}

static int teardown(void **state)
{
    bytes_free(*state);
    return 0;
}

static void assert_bytes(const struct bytes *b, uint64_t start, uint64_t end, uint8_t value)
{
    for (uint64_t a = start; a < end; a++)
        assert_int_equal(b->pt[a], value);
}

static void map_eight(struct bytes *b, uint64_t offset, uint32_t attr)
{
    for (uint64_t k = 0; k < 8; k++)
        assert_int_equal(bytes_map(b, k * 0x2000 + offset, 0x1000, attr, NEW), S2_OK);
}

/* --- memory_set's scenarios --------------------------------------------------------------------------------------- */

static void test_map_unmap(void **state)
{
    struct bytes *b = *state;

    map_eight(b, 0, 1);
    map_eight(b, 0x1000, 2);
    assert_int_equal(s2_area_set_count(&b->set), 16);
    for (uint64_t a = 0; a < 0x10000; a++)
        assert_int_equal(b->pt[a], a / 0x1000 % 2 + 1);
    assert_area(b, 0x4100, 0x4000, 0x5000, 1);
    assert_int_equal(b->pt[0x4200], 1);

    assert_int_equal(bytes_map(b, 0x4000, 0x4000, 3, NEW), S2_EEXIST);
    assert_int_equal(s2_area_set_count(&b->set), 16);
    assert_int_equal(bytes_map(b, 0x4000, 0x4000, 3, REPLACE), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 13);
    assert_area(b, 0x4100, 0x4000, 0x8000, 3);
    assert_bytes(b, 0x4000, 0x8000, 3);

    assert_int_equal(bytes_unmap(b, 0x4000, 0x8000), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 8);
    assert_int_equal(bytes_unmap(b, 0, 0x20000), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 0);
    assert_bytes(b, 0, BYTES, 0);
}

static void test_unmap_split(void **state)
{
    struct bytes *b = *state;

    map_eight(b, 0, 1);
    assert_int_equal(s2_area_set_count(&b->set), 8);
    for (uint64_t k = 0; k < 8; k++)
        assert_int_equal(bytes_unmap(b, 0xc00 + k * 0x2000, 0x1800), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 8);
    assert_area(b, 0, 0, 0xc00, 1);
    for (uint64_t k = 1; k < 8; k++) {
        uint64_t base = k * 0x2000;
        assert_area(b, base + 0x400, base + 0x400, base + 0xc00, 1);
        assert_bytes(b, base + 0x400, base + 0xc00, 1);
        assert_hole(b, base - 0x1400, base + 0x400);
        assert_bytes(b, base - 0x1400, base + 0x400, 0);
    }

    for (uint64_t k = 0; k < 8; k++)
        assert_int_equal(bytes_unmap(b, 0x800 + k * 0x2000, 0x100), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 16);
    for (uint64_t k = 0; k < 8; k++) {
        uint64_t base = k * 0x2000, first = k ? base + 0x400 : base;
        assert_area(b, first, first, base + 0x800, 1);
        assert_area(b, base + 0x900, base + 0x900, base + 0xc00, 1);
        assert_hole(b, base + 0x800, base + 0x900);
        assert_bytes(b, first, base + 0x800, 1);
        assert_bytes(b, base + 0x800, base + 0x900, 0);
        assert_bytes(b, base + 0x900, base + 0xc00, 1);
    }
    assert_int_equal(bytes_unmap(b, 0, 0x10000), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 0);
    assert_bytes(b, 0, BYTES, 0);
}

/* The low three bits become those of the argument; false when they are so already. */
static bool low_bits(void *arg, const struct s2_area *area, s2_attr *attr)
{
    uint32_t want = *(const uint32_t *)arg & 7;

    assert_int_equal(area->attr.bits, attr->bits);
    if ((attr->bits & 7) == want)
        return false;
    *attr = S2_ATTR(want | (attr->bits & ~7u));
    return true;
}

static void test_protect(void **state)
{
    struct bytes *b = *state;
    uint32_t one = 1, wide = 0x13, three = 3;

    map_eight(b, 0, 7);
    for (uint64_t k = 0; k < 8; k++)
        assert_int_equal(bytes_protect(b, 0xc00 + k * 0x2000, 0x1800, low_bits, &one), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 23);
    assert_area(b, 0, 0, 0xc00, 7);
    for (uint64_t k = 0; k < 8; k++) {
        uint64_t base = k * 0x2000;
        if (k > 0) {
            assert_area(b, base, base, base + 0x400, 1);
            assert_area(b, base + 0x400, base + 0x400, base + 0xc00, 7);
        }
        assert_area(b, base + 0xc00, base + 0xc00, base + 0x1000, 1);
    }

    for (uint64_t k = 0; k < 8; k++)
        assert_int_equal(bytes_protect(b, 0x800 + k * 0x2000, 0x100, low_bits, &wide), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 39);
    for (uint64_t k = 0; k < 8; k++) {
        uint64_t base = k * 0x2000;
        if (k > 0) {
            assert_area(b, base, base, base + 0x400, 1);
            assert_area(b, base + 0x400, base + 0x400, base + 0x800, 7);
        } else {
            assert_area(b, 0, 0, 0x800, 7);
        }
        assert_area(b, base + 0x800, base + 0x800, base + 0x900, 3);
        assert_area(b, base + 0x900, base + 0x900, base + 0xc00, 7);
        assert_area(b, base + 0xc00, base + 0xc00, base + 0x1000, 1);
    }
    bytes_check_table(b);

    for (uint64_t k = 0; k < 8; k++) {
        assert_int_equal(bytes_protect(b, 0x880 + k * 0x2000, 0x80, low_bits, &three), S2_OK);
        assert_int_equal(b->traced, 0);
    }
    assert_int_equal(s2_area_set_count(&b->set), 39);
    assert_int_equal(bytes_unmap(b, 0, 0x10000), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 0);
    assert_bytes(b, 0, BYTES, 0);
}

static enum s2_err find_free(const struct bytes *b, uint64_t hint, uint64_t size, uint64_t align, enum s2_fit fit,
                             uint64_t *out)
{
    s2_ipa at = S2_IPA(0xbad);
    enum s2_err err = s2_area_set_find_free(&b->set, S2_IPA(hint), size, span(0, 0x10000), align, fit, &at);

    *out = at.v;
    return err;
}

static void test_find_free_area(void **state)
{
    static const struct {
        uint64_t hint, size, align, at;
    } lowest[] =
        {
            {0, 0x1000, 1, 0x1000},           {0x800, 0x800, 0x800, 0x1000},    {0x1800, 0x800, 0x800, 0x1800},
            {0x1800, 0x1000, 0x1000, 0x3000}, {0x2000, 0x1000, 0x1000, 0x3000}, {0xf000, 0x1000, 0x1000, 0xf000},
        },
      highest[] = {
          {0x10000, 0x1000, 1, 0xf000},    {0xf800, 0x800, 0x800, 0xf000}, {0xf800, 0x1000, 0x1000, 0xd000},
          {0x2fff, 0x800, 0x1000, 0x1000}, {0x1801, 0x800, 1, 0x1001},     {0x1800, 0x800, 1, 0x1000},
      };
    struct bytes *b = *state;
    uint64_t at;

    map_eight(b, 0, 1);
    for (size_t i = 0; i < sizeof(lowest) / sizeof(lowest[0]); i++) {
        assert_int_equal(find_free(b, lowest[i].hint, lowest[i].size, lowest[i].align, S2_FIT_LOWEST, &at), S2_OK);
        assert_int_equal(at, lowest[i].at);
    }
    assert_int_equal(find_free(b, 0xf001, 0x1000, 0x1000, S2_FIT_LOWEST, &at), S2_ENOENT);
    assert_int_equal(at, 0xbad);
    for (size_t i = 0; i < sizeof(highest) / sizeof(highest[0]); i++) {
        assert_int_equal(find_free(b, highest[i].hint, highest[i].size, highest[i].align, S2_FIT_HIGHEST, &at), S2_OK);
        assert_int_equal(at, highest[i].at);
    }
    assert_int_equal(find_free(b, 0x17ff, 0x800, 1, S2_FIT_HIGHEST, &at), S2_ENOENT);
    assert_int_equal(find_free(b, 0, 0x800, 1, S2_FIT_HIGHEST, &at), S2_ENOENT);
    assert_int_equal(find_free(b, 0, 0x1001, 1, S2_FIT_LOWEST, &at), S2_ENOENT);
}

/* --- the order of steps ------------------------------------------------------------------------------------------- */

static void test_steps_of_map(void **state)
{
    struct bytes *b = *state;
    struct s2_area lin = {
        .range = span(0x3000, 0x4000), .backend = &bytes_linear, .attr = S2_ATTR(1), .backing = 0x3000};

    assert_int_equal(bytes_map(b, 0x1000, 0x1000, 1, NEW), S2_OK);
    assert_string_equal(b->trace, "pMtMcMrM");
    assert_int_equal(bytes_map_area(b, &lin, NEW), S2_OK);
    lin.range = span(0x5000, 0x6000);
    lin.backing = 0x5000;
    assert_int_equal(bytes_map_area(b, &lin, NEW), S2_OK);
    lin.range = span(0x4000, 0x5000);
    lin.backing = 0x4000;
    assert_int_equal(bytes_map_area(b, &lin, NEW), S2_OK);
    assert_string_equal(b->trace, "pMpJpJtMtJtJcMcJcJrMrJrJ");
    assert_int_equal(s2_area_set_count(&b->set), 2);
    assert_area(b, 0x4000, 0x3000, 0x6000, 1);
}

/* What was there goes wholly, flushed and released, before what comes is made. */
static void test_steps_of_replace(void **state)
{
    struct bytes *b = *state;

    assert_int_equal(bytes_map(b, 0x1000, 0x3000, 1, NEW), S2_OK);
    assert_int_equal(bytes_map(b, 0x2000, 0x1000, 2, REPLACE), S2_OK);
    assert_string_equal(b->trace, "pSpSpUpMtStStUtMcScScUrSrSrUcMrM");
    assert_int_equal(s2_area_set_count(&b->set), 3);
    /* The same as what lies around it: it merges with both rests. */
    assert_int_equal(bytes_map(b, 0x2000, 0x1000, 1, REPLACE), S2_OK);
    assert_string_equal(b->trace, "pUpMpJpJtUtMtJtJcUrUcMcJcJrMrJrJ");
    assert_int_equal(s2_area_set_count(&b->set), 1);
    assert_int_equal(bytes_map(b, 0x2000, 0x1000, 1, REPLACE), S2_OK);
    assert_string_equal(b->trace, "pSpSpUpMpJpJtStStUtMtJtJcScScUrSrSrUcMcJcJrMrJrJ");
    assert_area(b, 0x2000, 0x1000, 0x4000, 1);
    assert_int_equal(s2_area_set_count(&b->set), 1);
    bytes_check_table(b);
}

static void test_steps_of_unmap(void **state)
{
    struct bytes *b = *state;

    map_eight(b, 0, 1);
    assert_int_equal(bytes_unmap(b, 0x800, 0x4000), S2_OK);
    assert_string_equal(b->trace, "pSpUpUpSpUtStUtUtStUcScUcUcScUrSrUrUrSrU");
    assert_int_equal(bytes_unmap(b, 0x1000, 0x3000), S2_OK); /* nothing but a hole */
    assert_string_equal(b->trace, "");
    assert_int_equal(bytes_clear(b), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 0);
    bytes_check_table(b);
    assert_int_equal(bytes_clear(b), S2_OK);
    assert_string_equal(b->trace, "");
}

static void test_steps_of_protect(void **state)
{
    struct bytes *b = *state;
    s2_attr two = S2_ATTR(2), one = S2_ATTR(1);

    assert_int_equal(bytes_map(b, 0x1000, 0x3000, 1, NEW), S2_OK);
    assert_int_equal(bytes_protect(b, 0x2000, 0x1000, bytes_set_to, &two), S2_OK);
    assert_string_equal(b->trace, "pSpSpPcScScP");
    assert_int_equal(s2_area_set_count(&b->set), 3);
    assert_int_equal(bytes_protect(b, 0x2800, 0x800, bytes_set_to, &one), S2_OK);
    assert_string_equal(b->trace, "pSpPpJcScPcJ");
    assert_area(b, 0x2800, 0x2800, 0x4000, 1);
    assert_int_equal(bytes_protect(b, 0x1800, 0x1000, bytes_set_to, &two), S2_OK);
    assert_string_equal(b->trace, "pSpPpJcScPcJ");
    assert_area(b, 0x2000, 0x1800, 0x2800, 2);
    assert_int_equal(bytes_protect(b, 0, BYTES, bytes_set_to, &one), S2_OK);
    assert_string_equal(b->trace, "pPpJpJcPcJcJ");
    assert_area(b, 0x2000, 0x1000, 0x4000, 1);
    assert_int_equal(bytes_protect(b, 0, BYTES, bytes_set_to, &one), S2_OK); /* says true, changes nothing */
    assert_string_equal(b->trace, "");
    bytes_check_table(b);
}

/* --- what areas carry --------------------------------------------------------------------------------------------- */

static void test_record_and_backing_survive_cuts(void **state)
{
    struct bytes *b = *state;
    s2_attr nine = S2_ATTR(9);
    struct s2_area in = {.range = span(0x1000, 0x9000),
                         .backend = &bytes_linear,
                         .backing = 0x80001000,
                         .attr = S2_ATTR(0xfedcba01),
                         .name = 0xabcd,
                         .flags = 0x9876},
                   out;

    assert_int_equal(bytes_map_area(b, &in, NEW), S2_OK);
    assert_true(s2_area_set_find(&b->set, S2_IPA(0x1000), &out));
    assert_memory_equal(&in, &out, sizeof(in));
    assert_int_equal(bytes_unmap(b, 0x3000, 0x1000), S2_OK);
    assert_int_equal(bytes_protect(b, 0x6000, 0x1000, bytes_set_to, &nine), S2_OK);
    assert_int_equal(bytes_unmap(b, 0, 0x1800), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 4);
    for (uint64_t at = 0; s2_area_set_find_from(&b->set, S2_IPA(at), &out); at = out.range.end.v) {
        assert_int_equal(out.backing, out.range.start.v + 0x80000000);
        assert_int_equal(out.name, 0xabcd);
        assert_int_equal(out.flags, 0x9876);
        assert_ptr_equal(out.backend, &bytes_linear);
        assert_int_equal(out.attr.bits, out.range.start.v == 0x6000 ? 9 : 0xfedcba01);
    }
}

static bool never(const struct s2_area *low, const struct s2_area *high)
{
    assert_int_equal(low->range.end.v, high->range.start.v);
    return false;
}

/* Neighbours differ in one thing each time; none of them merges. */
static void test_what_does_not_merge(void **state)
{
    struct s2_backend alone = bytes_backend;
    struct bytes *b = *state;
    struct s2_area a = {.range = span(0x1000, 0x2000), .backend = &bytes_linear, .attr = S2_ATTR(1), .backing = 0x1000},
                   n[6];

    alone.mergeable = never;
    for (unsigned i = 0; i < 6; i++) {
        n[i] = a;
        n[i].range = span(0x2000, 0x3000);
        n[i].backing = 0x2000;
    }
    n[0].attr = S2_ATTR(2);
    n[1].name = 1;
    n[2].flags = 1;
    n[3].backing = 0x2001;
    n[4].backend = &bytes_backend;
    n[5].range = span(0x2001, 0x3000);
    n[5].backing = 0x2001;
    assert_int_equal(bytes_map_area(b, &a, NEW), S2_OK);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(bytes_map_area(b, &n[i], NEW), S2_OK);
        assert_int_equal(s2_area_set_count(&b->set), 2);
        assert_int_equal(bytes_unmap(b, 0x2000, 0x1000), S2_OK);
    }
    assert_int_equal(bytes_clear(b), S2_OK);
    a.backend = n[0].backend = &alone;
    n[0].attr = a.attr;
    a.backing = n[0].backing = 0;
    struct s2_op op;
    s2_op_begin(&op, NULL, NULL);
    assert_int_equal(s2_area_set_map(&b->set, &op, &a, NEW), S2_OK);
    s2_op_begin(&op, NULL, NULL);
    assert_int_equal(s2_area_set_map(&b->set, &op, &n[0], NEW), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 2);
    assert_int_equal(bytes_clear(b), S2_OK);
}

static void bare_commit(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    (void)ctx;
    (void)op;
    (void)c;
}

/* A backend of nothing but a commit. */
static void test_bare_backend(void **state)
{
    static const struct s2_backend bare = {.kind = "bare", .commit = bare_commit};
    struct bytes *b = *state;
    s2_attr two = S2_ATTR(2);
    struct s2_area a = {.range = span(0x1000, 0x4000), .backend = &bare};

    assert_int_equal(bytes_map_area(b, &a, NEW), S2_OK);
    assert_int_equal(bytes_map_area(b, &a, REPLACE), S2_OK);
    assert_int_equal(bytes_protect(b, 0x2000, 0x1000, bytes_set_to, &two), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 3);
    assert_int_equal(bytes_unmap(b, 0x2000, 0x1000), S2_OK);
    assert_int_equal(s2_area_set_count(&b->set), 2);
}

/* --- arguments and lookups ---------------------------------------------------------------------------------------- */

static void test_init_arguments(void **state)
{
    struct bytes *b = *state;
    struct s2_area_set set;

    assert_int_equal(s2_area_set_init(&set, &b->pool, S2_IPA(0), S2_IPA(0), 1, NULL), S2_EINVAL);
    assert_int_equal(s2_area_set_init(&set, &b->pool, S2_IPA(2), S2_IPA(1), 1, NULL), S2_EINVAL);
    assert_int_equal(s2_area_set_init(&set, &b->pool, S2_IPA(0), S2_IPA(0x3000), 0, NULL), S2_EALIGN);
    assert_int_equal(s2_area_set_init(&set, &b->pool, S2_IPA(0), S2_IPA(0x3000), 0x3000, NULL), S2_EALIGN);
    assert_int_equal(s2_area_set_init(&set, &b->pool, S2_IPA(0x800), S2_IPA(0x3000), 0x1000, NULL), S2_EALIGN);
    assert_int_equal(s2_area_set_init(&set, &b->pool, S2_IPA(0), S2_IPA(0x2800), 0x1000, NULL), S2_EALIGN);
}

static void test_arguments(void **state)
{
    struct bytes *b = bytes_new(0x4000, 0x10000, 0x1000);
    struct s2_area area = {.range = span(0x5000, 0x6000), .attr = S2_ATTR(1)};
    struct s2_backend lame = {.kind = "lame"};
    s2_attr two = S2_ATTR(2);
    static const struct {
        uint64_t start, size;
        enum s2_err err;
    } rows[] = {
        {0x5000, 0, S2_EINVAL},       {0x5000, (uint64_t)-0x1000, S2_EINVAL},
        {0x5800, 0x1000, S2_EALIGN},  {0x5000, 0x800, S2_EALIGN},
        {0x3000, 0x2000, S2_ERANGE},  {0xf000, 0x2000, S2_ERANGE},
        {0x20000, 0x1000, S2_ERANGE}, {0, 0x1000, S2_ERANGE},
    };

    (void)state;
    assert_int_equal(bytes_map(b, 0x5000, 0x2000, 1, NEW), S2_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t start = rows[i].start, end = start + rows[i].size;
        bool range = rows[i].err == S2_ERANGE;

        assert_int_equal(bytes_map(b, start, rows[i].size, 1, REPLACE), rows[i].err);
        assert_detail(b, rows[i].err, start, end, range ? 0x4000 : 0, range ? 0x10000 : 0);
        assert_int_equal(bytes_unmap(b, start, rows[i].size), rows[i].err);
        assert_detail(b, rows[i].err, start, end, range ? 0x4000 : 0, range ? 0x10000 : 0);
        assert_int_equal(bytes_protect(b, start, rows[i].size, bytes_set_to, &two), rows[i].err);
        assert_detail(b, rows[i].err, start, end, range ? 0x4000 : 0, range ? 0x10000 : 0);
    }
    assert_int_equal(bytes_map_area(b, &area, REPLACE), S2_EINVAL);
    area.backend = &lame;
    assert_int_equal(bytes_map_area(b, &area, REPLACE), S2_EINVAL);
    assert_int_equal(bytes_map(b, 0x6000, 0x3000, 2, NEW), S2_EEXIST);
    assert_detail(b, S2_EEXIST, 0x6000, 0x9000, 0x5000, 0x7000);
    assert_int_equal(bytes_map(b, 0x4000, 0x1000, 1, NEW), S2_OK); /* the detail of success is empty */
    assert_int_equal(b->detail.err, S2_OK);
    assert_null(b->detail.what);
    assert_area(b, 0x4000, 0x4000, 0x7000, 1);
    bytes_check_table(b);
    bytes_free(b);
}

static void test_lookups(void **state)
{
    struct bytes *b = *state;
    struct s2_area a;

    assert_int_equal(bytes_map(b, 0x1000, 0x1000, 1, NEW), S2_OK);
    assert_int_equal(bytes_map(b, 0x3000, 0x1000, 2, NEW), S2_OK);
    assert_false(s2_area_set_find(&b->set, S2_IPA(0xfff), &a));
    assert_true(s2_area_set_find(&b->set, S2_IPA(0x1000), NULL));
    assert_true(s2_area_set_find(&b->set, S2_IPA(0x1fff), &a));
    assert_false(s2_area_set_find(&b->set, S2_IPA(0x2000), &a));
    assert_true(s2_area_set_find_from(&b->set, S2_IPA(0x2000), &a) && a.range.start.v == 0x3000);
    assert_false(s2_area_set_find_from(&b->set, S2_IPA(0x4000), &a));
    assert_true(s2_area_set_find_below(&b->set, S2_IPA(0x3000), &a) && a.range.start.v == 0x1000);
    assert_true(s2_area_set_find_below(&b->set, S2_IPA(UINT64_MAX), &a) && a.range.start.v == 0x3000);
    assert_false(s2_area_set_find_below(&b->set, S2_IPA(0x1000), &a));
    assert_true(s2_area_set_overlaps(&b->set, span(0x1fff, 0x3001), &a) && a.range.start.v == 0x1000);
    assert_false(s2_area_set_overlaps(&b->set, span(0x2000, 0x3000), &a));
    assert_false(s2_area_set_overlaps(&b->set, span(0x1800, 0x1800), &a));
}

static void test_find_free_arguments(void **state)
{
    struct bytes *b = bytes_new(0x4000, 0x10000, 0x1000);
    s2_ipa at = S2_IPA(0xbad), zero = S2_IPA(0), top = S2_IPA(UINT64_MAX);
    struct s2_ipa_range all = span(0, UINT64_MAX);

    (void)state;
    assert_int_equal(s2_area_set_find_free(&b->set, zero, 0, all, 1, S2_FIT_LOWEST, &at), S2_EINVAL);
    assert_int_equal(s2_area_set_find_free(&b->set, zero, 0x1000, span(9, 9), 1, S2_FIT_LOWEST, &at), S2_EINVAL);
    assert_int_equal(s2_area_set_find_free(&b->set, zero, 0x800, all, 1, S2_FIT_LOWEST, &at), S2_EALIGN);
    assert_int_equal(s2_area_set_find_free(&b->set, zero, 0x1000, all, 0, S2_FIT_LOWEST, &at), S2_EALIGN);
    assert_int_equal(s2_area_set_find_free(&b->set, zero, 0x1000, all, 0x3000, S2_FIT_LOWEST, &at), S2_EALIGN);
    assert_int_equal(s2_area_set_find_free(&b->set, zero, 0xd000, all, 1, S2_FIT_LOWEST, &at), S2_ENOENT);
    assert_int_equal(s2_area_set_find_free(&b->set, top, 0x1000, all, 1, S2_FIT_LOWEST, &at), S2_ENOENT);
    assert_int_equal(at.v, 0xbad);
    /* The answer is a multiple of the granule, whatever hint and alignment are. */
    assert_int_equal(s2_area_set_find_free(&b->set, S2_IPA(0x4001), 0x1000, all, 1, S2_FIT_LOWEST, &at), S2_OK);
    assert_int_equal(at.v, 0x5000);
    assert_int_equal(s2_area_set_find_free(&b->set, S2_IPA(0x8fff), 0x1000, all, 1, S2_FIT_HIGHEST, &at), S2_OK);
    assert_int_equal(at.v, 0x7000);
    assert_int_equal(s2_area_set_find_free(&b->set, top, 0xc000, all, 0x4000, S2_FIT_HIGHEST, &at), S2_OK);
    assert_int_equal(at.v, 0x4000);
    bytes_free(b);
}

/* --- re-entrance -------------------------------------------------------------------------------------------------- */

/* A callback may look; an operation is refused, whether with an op of its own or with the one that is under way. */
static bool reenter(struct bytes *b, struct s2_op *op)
{
    struct s2_area area = {.range = span(0x8000, 0x9000), .backend = &bytes_backend, .attr = S2_ATTR(1)};
    struct s2_detail detail = {0};
    struct s2_op own;

    s2_op_begin(&own, NULL, &detail);
    if (s2_area_set_map(&b->set, &own, &area, S2_MAP_NEW) != S2_EBUSY || detail.err != S2_EBUSY)
        return false;
    s2_op_begin(&own, NULL, NULL);
    return s2_area_set_unmap(&b->set, op, area.range) == S2_EBUSY && !op->ended &&
           s2_area_set_clear(&b->set, &own) == S2_EBUSY && !s2_area_set_find(&b->set, S2_IPA(0x8000), NULL);
}

static bool reentering_update(void *arg, const struct s2_area *area, s2_attr *attr)
{
    struct bytes *b = arg;
    struct s2_op own;

    s2_op_begin(&own, NULL, NULL);
    assert_int_equal(s2_area_set_protect(&b->set, &own, area->range, reentering_update, b), S2_EBUSY);
    *attr = S2_ATTR(2);
    return true;
}

static void test_reentrance(void **state)
{
    struct bytes *b = *state;

    b->callback = reenter;
    assert_int_equal(bytes_map(b, 0x1000, 0x3000, 1, NEW), S2_OK);
    assert_int_equal(bytes_map(b, 0x2000, 0x1000, 2, REPLACE), S2_OK);
    assert_int_equal(bytes_unmap(b, 0x1000, 0x1800), S2_OK);
    assert_int_equal(bytes_protect(b, 0x2000, 0x1800, reentering_update, b), S2_OK);
    assert_area(b, 0x2800, 0x2800, 0x3800, 2);
    bytes_check_table(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_map_unmap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unmap_split, setup, teardown),
        cmocka_unit_test_setup_teardown(test_protect, setup, teardown),
        cmocka_unit_test_setup_teardown(test_find_free_area, setup, teardown),
        cmocka_unit_test_setup_teardown(test_steps_of_map, setup, teardown),
        cmocka_unit_test_setup_teardown(test_steps_of_replace, setup, teardown),
        cmocka_unit_test_setup_teardown(test_steps_of_unmap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_steps_of_protect, setup, teardown),
        cmocka_unit_test_setup_teardown(test_record_and_backing_survive_cuts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_does_not_merge, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bare_backend, setup, teardown),
        cmocka_unit_test_setup_teardown(test_init_arguments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_arguments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lookups, setup, teardown),
        cmocka_unit_test_setup_teardown(test_find_free_arguments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reentrance, setup, teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

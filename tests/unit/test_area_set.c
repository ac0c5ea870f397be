/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The area set on the four scenarios of memory_set's own tests, with their exact numbers. */
#include "area_bytes.h"

#define NEW     S2_MAP_NEW
#define REPLACE S2_MAP_REPLACE

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_map_unmap, bytes_setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(test_unmap_split, bytes_setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(test_protect, bytes_setup, bytes_teardown),
        cmocka_unit_test_setup_teardown(test_find_free_area, bytes_setup, bytes_teardown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

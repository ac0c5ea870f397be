/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The hypervisor's calls as far as they are words: descriptors, rights, errors. */
#include "unit/unit.h"

#include <string.h>

#include <stage2/rights.h>

#include "vm/calldesc.h"

enum { SELF = 3, VMS = 6 };

/* A descriptor by the offsets of docs/hypercalls.md, not by the code's own structure. */
static unsigned char desc[CALL_DESC_MOST];

static void put(unsigned at, unsigned bytes, uint64_t value)
{
    for (unsigned i = 0; i < bytes; i++)
        desc[at + i] = (unsigned char)(value >> 8 * i);
}

static void put_borrower(unsigned i, unsigned vm, uint32_t rights)
{
    put(24 + 8 * i, 2, vm);
    put(28 + 8 * i, 4, rights);
}

static int good(void **state)
{
    (void)state;
    memset(desc, 0, sizeof(desc));
    put(0, 8, 0x40200000);
    put(8, 8, 0x3000);
    put(16, 4, 2);
    put_borrower(0, 0, 1);
    put_borrower(1, 5, 7);
    return 0;
}

static enum call_error read_as(enum s2_share_kind kind, size_t bytes, struct s2_offer *o)
{
    return calldesc_read(desc, bytes, kind, SELF, VMS, o);
}

static void test_what_is_read(void **state)
{
    (void)state;
    struct s2_offer o;
    assert_int_equal(read_as(S2_SHARE, 40, &o), CALL_SUCCESS);
    assert_int_equal(o.kind, S2_SHARE);
    assert_int_equal(o.range.start.v, 0x40200000);
    assert_int_equal(o.range.end.v, 0x40203000);
    assert_int_equal(o.borrowers, 2);
    assert_int_equal(o.borrower[0].vm, S2_OWNER_FIRST_VM);
    assert_int_equal(o.borrower[0].rights, S2_R);
    assert_int_equal(o.borrower[1].vm, S2_OWNER_FIRST_VM + 5);
    assert_int_equal(o.borrower[1].rights, S2_RWX);
}

static void test_sizes(void **state)
{
    (void)state;
    for (uint64_t bytes = 0; bytes < 200; bytes++)
        assert_int_equal(calldesc_size_ok(bytes), bytes >= 32 && bytes <= 88 && bytes % 8 == 0);
    assert_false(calldesc_size_ok(1ull << 32 | 32));
    assert_false(calldesc_size_ok(~0ull & ~7ull));
}

/* A count that is not the size's would have what lies behind the copy read. */
static void test_count_and_size_agree(void **state)
{
    (void)state;
    struct s2_offer o;
    for (unsigned count = 0; count < 20; count++) {
        put(16, 4, count);
        assert_int_equal(read_as(S2_SHARE, 40, &o), count == 2 ? CALL_SUCCESS : CALL_INVALID);
    }
    put(16, 4, 0x20000002);
    assert_int_equal(read_as(S2_SHARE, 40, &o), CALL_INVALID);
    for (unsigned i = 0; i < 8; i++)
        put_borrower(i, i == SELF ? 0 : i % VMS, 1);
    put(16, 4, 8);
    assert_int_equal(read_as(S2_SHARE, 88, &o), CALL_SUCCESS);
    assert_int_equal(o.borrowers, 8);
}

static void test_one_borrower_of_a_loan(void **state)
{
    (void)state;
    struct s2_offer o;
    assert_int_equal(read_as(S2_LEND, 40, &o), CALL_INVALID);
    assert_int_equal(read_as(S2_DONATE, 40, &o), CALL_INVALID);
    put(16, 4, 1);
    assert_int_equal(read_as(S2_LEND, 32, &o), CALL_SUCCESS);
    assert_int_equal(o.kind, S2_LEND);
    assert_int_equal(read_as(S2_DONATE, 32, &o), CALL_SUCCESS);
    assert_int_equal(o.kind, S2_DONATE);
}

static void refused(unsigned at, unsigned bytes, uint64_t value, enum call_error error)
{
    struct s2_offer o;
    (void)good(NULL);
    put(at, bytes, value);
    assert_int_equal(read_as(S2_SHARE, 40, &o), error);
}

static void test_each_field(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 32; bit++)
        refused(20, 4, 1ull << bit, CALL_INVALID); /* reserved */
    for (unsigned bit = 0; bit < 16; bit++) {
        refused(26, 2, 1ull << bit, CALL_INVALID);
        refused(34, 2, 1ull << bit, CALL_INVALID);
    }
    refused(32, 2, SELF, CALL_INVALID);
    refused(32, 2, VMS, CALL_NO_ENTRY);
    refused(32, 2, 0xffff, CALL_NO_ENTRY);
    refused(24, 2, 0xfffe, CALL_NO_ENTRY); /* as an owner's number it would wrap */
    for (unsigned rights = 0; rights < 32; rights++)
        refused(36, 4, rights, rights < 8 && (rights & 1) != 0 ? CALL_SUCCESS : CALL_INVALID);
    refused(36, 4, 0x80000001, CALL_INVALID);
}

static void test_ranges(void **state)
{
    (void)state;
    refused(8, 8, 0, CALL_INVALID);
    refused(8, 8, CALL_SHARE_BYTES, CALL_SUCCESS);
    refused(8, 8, CALL_SHARE_BYTES + 1, CALL_RANGE);
    refused(8, 8, ~0ull, CALL_RANGE);
    refused(0, 8, 0ull - 0x3000, CALL_RANGE);
    refused(0, 8, 0ull - 0x3001, CALL_SUCCESS); /* beyond any IPA space, as the library will say */
    refused(0, 8, ~0ull, CALL_RANGE);
}

static void test_rights(void **state)
{
    (void)state;
    static const uint8_t of[] = {0, S2_R, S2_W, S2_RW, S2_X | S2_UX, S2_RX, S2_W | S2_X | S2_UX, S2_RWX};
    uint8_t rights;
    for (unsigned i = 0; i < 8; i++) {
        assert_true(call_rights_read(i, &rights));
        assert_int_equal(rights, of[i]);
        assert_int_equal(call_rights(rights), i);
    }
    for (unsigned bit = 3; bit < 64; bit++)
        assert_false(call_rights_read(1ull << bit | 1, &rights));
    assert_int_equal(call_rights(S2_R | S2_UX), 5);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        enum s2_err err;
        int code;
    } table[] = {
        {S2_OK, 0},       {S2_EINVAL, -2}, {S2_EALIGN, -9}, {S2_ERANGE, -10},  {S2_EEXIST, -5},  {S2_ENOENT, -6},
        {S2_EATTR, -3},   {S2_EUNSUP, -2}, {S2_EPERM, -3},  {S2_EBUSY, -4},    {S2_ENODES, -7},  {S2_ETABLES, -7},
        {S2_EFRAMES, -7}, {S2_EQUOTA, -8}, {S2_ECUT, -7},   {S2_EREFUSED, -3}, {S2_EDYING, -11},
    };
    assert_int_equal(sizeof(table) / sizeof(table[0]), S2_EDYING + 1); /* the last one: none is left out */
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(table[i].err, i);
        assert_int_equal(call_error_of(table[i].err, false), table[i].code);
        assert_int_equal(call_error_of(table[i].err, true), table[i].err == S2_ENOENT ? -3 : table[i].code);
    }
}

static void test_whose_functions(void **state)
{
    (void)state;
    assert_true(calls_has(0xc6000000) && calls_has(0xc600000b) && calls_has(0x8600ff01) && calls_has(0x8600ff03));
    assert_true(calls_has(0x86000001) && calls_has(0x06000000)); /* to be answered with "not supported" */
    assert_false(calls_has(0x84000000) || calls_has(0x80000000) || calls_has(0xc7000000) || calls_has(0xc5000001) ||
                 calls_has(0xb2000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_what_is_read, good),
        cmocka_unit_test_setup(test_sizes, good),
        cmocka_unit_test_setup(test_count_and_size_agree, good),
        cmocka_unit_test_setup(test_one_borrower_of_a_loan, good),
        cmocka_unit_test_setup(test_each_field, good),
        cmocka_unit_test_setup(test_ranges, good),
        cmocka_unit_test_setup(test_rights, good),
        cmocka_unit_test_setup(test_errors, good),
        cmocka_unit_test_setup(test_whose_functions, good),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

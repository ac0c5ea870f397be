/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Timers as plain logic: registers, lines, deadlines. */
#include "unit/unit.h"

#include <device/vtimer.h>

#define ON     VTIMER_ENABLE
#define MASKED (VTIMER_ENABLE | VTIMER_IMASK)

static void test_line(void **state)
{
    (void)state;
    static const struct {
        uint32_t ctl;
        uint64_t cval, count;
        bool high;
    } rows[] = {
        {ON, 100, 99, false},
        {ON, 100, 100, true},
        {ON, 100, 101, true},
        {MASKED, 100, 200, false},
        {0, 100, 200, false},
        {VTIMER_IMASK, 0, 1, false},
        {ON, UINT64_MAX, 100, false},
        {ON, UINT64_MAX, UINT64_MAX, true},
        {ON, 0, 0, true},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct vtimer_unit u = {.ctl = rows[i].ctl, .cval = rows[i].cval};
        assert_int_equal(vtimer_line(&u, rows[i].count), rows[i].high);
    }
}

static void test_due(void **state)
{
    (void)state;
    static const struct {
        uint32_t ctl;
        bool seen;
        uint64_t cval, offset, due;
    } rows[] = {
        {ON, false, 100, 0, 100},
        {ON, false, 100, 5000, 5100},
        {ON, true, 100, 5000, UINT64_MAX},
        {MASKED, false, 100, 5000, UINT64_MAX},
        {0, false, 100, 5000, UINT64_MAX},
        {ON, false, UINT64_MAX, 0, UINT64_MAX},
        {ON, false, UINT64_MAX, 1, UINT64_MAX}, /* no wrap to the past */
        {ON, false, UINT64_MAX - 10, 11, UINT64_MAX},
        {ON, false, UINT64_MAX - 11, 11, UINT64_MAX},
        {ON, false, UINT64_MAX - 12, 11, UINT64_MAX - 1},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct vtimer_unit u = {.ctl = rows[i].ctl, .cval = rows[i].cval, .seen = rows[i].seen};
        assert_int_equal(vtimer_due(&u, rows[i].offset), rows[i].due);
    }
}

static void test_control(void **state)
{
    (void)state;
    struct vtimer_unit u = {.cval = 1000};
    vtimer_unit_write(&u, VTIMER_CTL, UINT64_MAX, 0);
    assert_int_equal(u.ctl, MASKED); /* ISTATUS is read-only */
    assert_int_equal(vtimer_unit_read(&u, VTIMER_CTL, 999), MASKED);
    assert_int_equal(vtimer_unit_read(&u, VTIMER_CTL, 1000), MASKED | VTIMER_ISTATUS);
    vtimer_unit_write(&u, VTIMER_CTL, 0, 0);
    assert_int_equal(vtimer_unit_read(&u, VTIMER_CTL, 2000), 0);
}

static void test_timer_value_is_a_signed_distance(void **state)
{
    (void)state;
    struct vtimer_unit u = {0};
    vtimer_unit_write(&u, VTIMER_TVAL, 500, 0x100000000ull);
    assert_int_equal(u.cval, 0x1000001f4ull);
    assert_int_equal(vtimer_unit_read(&u, VTIMER_TVAL, 0x100000000ull), 500);
    assert_int_equal(vtimer_unit_read(&u, VTIMER_TVAL, 0x1000001f5ull), 0xffffffff);
    vtimer_unit_write(&u, VTIMER_TVAL, 0xffffffff, 1000); /* one before now */
    assert_int_equal(u.cval, 999);
    vtimer_unit_write(&u, VTIMER_TVAL, 0x7fffffff, 1000);
    assert_int_equal(u.cval, 1000 + 0x7fffffffull);
    vtimer_unit_write(&u, VTIMER_TVAL, 0xffffffff80000000ull, 0x80000000ull); /* upper half ignored */
    assert_int_equal(u.cval, 0);
    vtimer_unit_write(&u, VTIMER_CVAL, 0x123456789abcdef0ull, 0);
    assert_int_equal(vtimer_unit_read(&u, VTIMER_CVAL, 0), 0x123456789abcdef0ull);
}

static void test_any_write_makes_a_reported_timer_count_again(void **state)
{
    (void)state;
    for (unsigned view = VTIMER_TVAL; view <= VTIMER_CVAL; view++) {
        struct vtimer_unit u = {.ctl = ON, .cval = 10, .seen = true};
        assert_int_equal(vtimer_due(&u, 0), UINT64_MAX);
        vtimer_unit_write(&u, (enum vtimer_view)view, view == VTIMER_CTL ? ON : 10, 0);
        assert_int_equal(vtimer_due(&u, 0), 10);
    }
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_due),
        cmocka_unit_test(test_control),
        cmocka_unit_test(test_timer_value_is_a_signed_distance),
        cmocka_unit_test(test_any_write_makes_a_reported_timer_count_again),
    };
    return cmocka_run_group_tests_name("vtimer", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The hypervisor's memory and string functions, under other names, against the host's; and its formatting. */
#include "unit.h"

#include <string.h>

#include <boot/esr.h>
#include <boot/hooks.h>
#include <boot/print.h>

#define memset            own_memset
#define memcpy            own_memcpy
#define memmove           own_memmove
#define memcmp            own_memcmp
#define memchr            own_memchr
#define strlen            own_strlen
#define strnlen           own_strnlen
#define strchr            own_strchr
#define strrchr           own_strrchr
#define strcmp            own_strcmp
#define strncmp           own_strncmp
#define strtoul           own_strtoul
#define __stack_chk_fail  own_stack_chk_fail
#define __popcountdi2     own_popcountdi2
#define __stack_chk_guard own_stack_chk_guard
void *own_memset(void *to, int c, size_t n);
void *own_memcpy(void *restrict to, const void *restrict from, size_t n);
void *own_memmove(void *to, const void *from, size_t n);
int own_memcmp(const void *a, const void *b, size_t n);
void *own_memchr(const void *s, int c, size_t n);
size_t own_strlen(const char *s);
char *own_strchr(const char *s, int c);
char *own_strrchr(const char *s, int c);
int own_strcmp(const char *a, const char *b);
int own_strncmp(const char *a, const char *b, size_t n);
unsigned long own_strtoul(const char *s, char **end, int base);
size_t own_strnlen(const char *s, size_t most);
#include "../../hyp/boot/string.c"
#undef memset
#undef memcpy
#undef memmove
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strchr
#undef strrchr
#undef strcmp
#undef strncmp
#undef strtoul

enum { ROOM = 160, PLACES = 10, MOST = 80 };

void console_puts(const char *text)
{
    (void)text;
}
_Noreturn void panic(const char *fmt, ...)
{
    (void)fmt;
    abort();
}

static void fill(uint8_t *p)
{
    for (unsigned i = 0; i < ROOM; i++)
        p[i] = (uint8_t)(i * 7 + 1);
}

static void test_set_and_copy(void **state)
{
    _Alignas(8) uint8_t a[ROOM], b[ROOM], from[ROOM];
    (void)state;
    fill(from);
    for (size_t to = 0; to < PLACES; to++)
        for (size_t at = 0; at < PLACES; at++)
            for (size_t n = 0; n < MOST; n++) {
                fill(a);
                fill(b);
                assert_ptr_equal(own_memset(a + to, 0x1a5, n), a + to);
                memset(b + to, 0x1a5, n);
                assert_memory_equal(a, b, ROOM);
                assert_ptr_equal(own_memcpy(a + to, from + at, n), a + to);
                memcpy(b + to, from + at, n);
                assert_memory_equal(a, b, ROOM);
            }
}

static void test_move(void **state)
{
    _Alignas(8) uint8_t a[ROOM], b[ROOM];
    (void)state;
    for (size_t to = 0; to < MOST; to++)
        for (size_t from = 0; from < MOST; from++)
            for (size_t n = 0; n < MOST; n += 1 + n / 16) {
                fill(a);
                fill(b);
                assert_ptr_equal(own_memmove(a + to, a + from, n), a + to);
                memmove(b + to, b + from, n);
                assert_memory_equal(a, b, ROOM);
            }
}

static void test_compare_and_find(void **state)
{
    const char *s = "a/b/c";
    char *end;
    (void)state;
    assert_int_equal(own_memcmp("abc", "abd", 2), 0);
    assert_true(own_memcmp("abc", "abd", 3) < 0);
    assert_true(own_memcmp("\xff", "\x01", 1) > 0);
    assert_ptr_equal(own_memchr(s, 'b', 5), s + 2);
    assert_null(own_memchr(s, 'b', 2));
    assert_int_equal(own_strlen(""), 0);
    assert_int_equal(own_strlen(s), 5);
    assert_int_equal(own_strnlen(s, 3), 3);
    assert_ptr_equal(own_strchr(s, '/'), s + 1);
    assert_ptr_equal(own_strrchr(s, '/'), s + 3);
    assert_ptr_equal(own_strchr(s, 0), s + 5);
    assert_ptr_equal(own_strrchr(s, 0), s + 5);
    assert_null(own_strchr(s, 'x'));
    assert_null(own_strrchr(s, 'x'));
    assert_int_equal(own_strcmp("ab", "ab"), 0);
    assert_true(own_strcmp("ab", "abc") < 0);
    assert_true(own_strcmp("\xff", "a") > 0);
    assert_int_equal(own_strncmp("abx", "aby", 2), 0);
    assert_true(own_strncmp("abx", "aby", 3) < 0);
    assert_int_equal(own_strncmp("ab", "ab", 9), 0);
    assert_int_equal(own_strtoul(" 0x1fz", &end, 0), 0x1f);
    assert_int_equal(*end, 'z');
    assert_int_equal(own_strtoul("017", NULL, 0), 15);
    assert_int_equal(own_strtoul("42", NULL, 10), 42);
    assert_int_equal(own_strtoul("0x", &end, 0), 0);
    assert_int_equal(*end, 'x');
    assert_int_equal(__popcountdi2(0), 0);
    assert_int_equal(__popcountdi2(UINT64_C(0xf00000000000000f)), 8);
    assert_int_not_equal(own_stack_chk_guard, 0);
}

static void test_print(void **state)
{
    char t[64];
    (void)state;
    assert_int_equal(print_to(t, sizeof(t), "%d %d %u", -5, 7, 42u), 7);
    assert_string_equal(t, "-5 7 42");
    print_to(t, sizeof(t), "%016lx|%x|%lu", 0xabcul, 0xabcu, ~0ul);
    assert_string_equal(t, "0000000000000abc|abc|18446744073709551615");
    print_to(t, sizeof(t), "%-6s|%6s|%c%%%5d|%-5d|%05d", "ab", "cd", 'x', -12, -12, -12);
    assert_string_equal(t, "ab    |    cd|x%  -12|-12  |-0012");
    print_to(t, sizeof(t), "%ld", -9223372036854775807L - 1);
    assert_string_equal(t, "-9223372036854775808");
    assert_int_equal(print_to(t, 4, "abcdef"), 3);
    assert_string_equal(t, "abc");
    assert_int_equal(print_to(t, 0, "abc"), 0);
}

static void expect_fault(uint64_t code, const char *words)
{
    char t[48];
    esr_fault(0x96000000 | code, t, sizeof(t));
    assert_string_equal(t, words);
}

static void expect_class(uint64_t code, const char *words)
{
    char t[48];
    esr_class(code << 26 | 0x2000047, t, sizeof(t));
    assert_string_equal(t, words);
}

static void test_syndromes(void **state)
{
    (void)state;
    expect_class(0x00, "unknown reason");
    expect_class(0x18, "trapped MSR, MRS or system instruction");
    expect_class(0x24, "data abort from a lower level");
    expect_class(0x25, "data abort");
    expect_class(0x30, "breakpoint from a lower level");
    expect_class(0x3c, "BRK");
    expect_class(0x10, "a reserved code");
    expect_class(0x3f, "a reserved code");
    assert_true(esr_is_abort(0x86000000));
    assert_false(esr_is_abort(0xbe000000));
    expect_fault(0x00, "address size fault, level 0");
    expect_fault(0x07, "translation fault, level 3");
    expect_fault(0x0d, "permission fault, level 1");
    expect_fault(0x10, "external abort");
    expect_fault(0x13, "external abort on a table walk, level -1");
    expect_fault(0x16, "external abort on a table walk, level 2");
    expect_fault(0x2b, "translation fault, level -1");
    expect_fault(0x35, "unsupported exclusive or atomic");
    expect_fault(0x3f, "reserved fault code 0x3f");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_and_copy), cmocka_unit_test(test_move),      cmocka_unit_test(test_compare_and_find),
        cmocka_unit_test(test_print),        cmocka_unit_test(test_syndromes),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

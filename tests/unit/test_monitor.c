/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The command line's plain parts: what a row looks like, and what keys do to a line. */
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>

#include <monitor/edit.h>
#include <monitor/row.h>

static struct row row;

static void one_of_each(bool json)
{
    row_begin(&row, json);
    row_text(&row, "name", 6, "a");
    row_text(&row, "none", 0, NULL);
    row_address(&row, "at", 12, 0x40000000);
    row_number(&row, "number", 20, UINT64_MAX);
    row_size(&row, "size", 6, 2u << 20);
    row_flag(&row, "flag", 0, true);
    row_no_address(&row, "to", 6);
    row_field(&row, "raw", 8, false, "x + y", "[1,2]");
    row_end(&row);
}

static void test_a_row_is_columns_under_a_heading(void **state)
{
    (void)state;
    one_of_each(false);
    assert_string_equal(row.head, "name    none            at                number    size  flag      to  raw\n");
    assert_string_equal(row.line, "a       -       0x40000000  18446744073709551615      2M  yes        -  x + y\n");
}

static void test_a_row_is_one_object(void **state)
{
    (void)state;
    one_of_each(true);
    assert_string_equal(row.head, "");
    assert_string_equal(row.line, "{\"name\":\"a\",\"none\":null,\"at\":\"0x40000000\",\"number\":18446744073709551615,"
                                  "\"size\":2097152,\"flag\":true,\"to\":null,\"raw\":[1,2]}\n");
}

static void test_an_object_without_fields(void **state)
{
    (void)state;
    row_begin(&row, true);
    row_end(&row);
    assert_string_equal(row.line, "{}\n");
    row_begin(&row, false);
    row_end(&row);
    assert_string_equal(row.line, "\n");
}

static void test_strings_are_escaped(void **state)
{
    (void)state;
    row_begin(&row, true);
    row_text(&row, "s", 0, "a\"b\\c\n\x1b\x7f\xc3\xa9 ~");
    row_end(&row);
    assert_string_equal(row.line, "{\"s\":\"a\\u0022b\\u005cc\\u000a\\u001b\\u007f\\u00c3\\u00a9 ~\"}\n");
    row_begin(&row, false);
    row_text(&row, "s", 0, "a\"b\\c\n\x1b");
    row_end(&row);
    assert_string_equal(row.line, "a\"b\\c??\n");
}

static void test_sizes_in_the_largest_unit_that_divides_them(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } size[] = {{0, "0\n"},
                {1, "1\n"},
                {1023, "1023\n"},
                {1024, "1K\n"},
                {1025, "1025\n"},
                {3u << 20, "3M\n"},
                {5ull << 30, "5G\n"},
                {7ull << 40, "7T\n"},
                {1ull << 50, "1024T\n"},
                {UINT64_MAX, "18446744073709551615\n"}};
    (void)state;
    for (unsigned i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
        row_begin(&row, false);
        row_size(&row, "", 0, size[i].bytes);
        row_end(&row);
        assert_string_equal(row.line, size[i].text);
    }
}

/* However long its fields are, a row stays within its room, and an object stays one. */
static void test_what_finds_no_room_is_left_out_as_a_whole(void **state)
{
    char value[ROW_BYTES + 1];
    (void)state;
    for (unsigned n = 0; n < ROW_BYTES; n++) {
        memset(value, 'v', n);
        value[n] = '\0';
        memset(row.head, 'h', sizeof(row.head)); /* behind the line */
        row_begin(&row, true);
        row_text(&row, "k", 0, value);
        row_number(&row, "n", 0, 7);
        row_end(&row);
        assert_true(row.used < ROW_BYTES && row.line[row.used] == '\0');
        assert_true(row.head[1] == 'h' && memcmp(row.head + 1, row.head + 2, sizeof(row.head) - 2) == 0);
        assert_int_equal(strlen(row.line), row.used);
        bool whole = strstr(row.line, "\"k\"") != NULL;
        char want[ROW_BYTES * 2];
        snprintf(want, sizeof(want), whole ? "{\"k\":\"%s\"%s}\n" : "{%s%s}\n", whole ? value : "",
                 strstr(row.line, "\"n\"") == NULL ? ""
                 : whole                           ? ",\"n\":7"
                                                   : "\"n\":7");
        assert_string_equal(row.line, want);
    }
    row_begin(&row, false);
    for (unsigned i = 0; i < 100; i++)
        row_number(&row, "column", 10, i);
    row_end(&row);
    assert_true(row.used < ROW_BYTES && row.head_used < ROW_HEAD);
    assert_int_equal(row.line[row.used - 1], '\n');
    assert_int_equal(row.head[row.head_used - 1], '\n');
    assert_memory_equal(row.line, "         0           1  ", 24);
}

/* --- the line being typed -------------------------------------------------------------------------------------------------- */

static struct edit edit;
static char seen[1024];

static void echo(const char *text)
{
    assert_true(strlen(seen) + strlen(text) < sizeof(seen));
    strcat(seen, text);
}

static int fresh(void **state)
{
    (void)state;
    edit = (struct edit){.echo = echo};
    edit_clear(&edit);
    seen[0] = '\0';
    return 0;
}

static void types(const char *keys)
{
    seen[0] = '\0';
    for (; *keys != '\0'; keys++)
        assert_int_equal(edit_key(&edit, *keys), EDIT_MORE);
}

static void test_what_is_typed_is_echoed(void **state)
{
    (void)state;
    types("vm list");
    assert_string_equal(seen, "vm list");
    assert_string_equal(edit.text, "vm list");
    assert_int_equal(edit_key(&edit, '\r'), EDIT_ENTER);
    assert_string_equal(edit.text, "vm list");
}

static void test_backspace_and_delete(void **state)
{
    (void)state;
    types("ab\bc\x7f");
    assert_string_equal(seen, "ab\b\033[Kc\b\033[K");
    assert_string_equal(edit.text, "a");
    types("\b\b\b");
    assert_string_equal(seen, "\b\033[K"); /* there is nothing more to take back */
    assert_string_equal(edit.text, "");
}

static void test_control_u_takes_all_back(void **state)
{
    (void)state;
    types("abc");
    types("\x15");
    assert_string_equal(seen, "\b\033[K\b\033[K\b\033[K");
    assert_string_equal(edit.text, "");
    types("d");
    assert_string_equal(edit.text, "d");
}

static void test_a_full_line_answers_with_the_bell(void **state)
{
    char keys[EDIT_BYTES];
    (void)state;
    memset(keys, 'k', sizeof(keys) - 1);
    keys[sizeof(keys) - 1] = '\0';
    types(keys);
    assert_string_equal(edit.text, keys);
    types("xy");
    assert_string_equal(seen, "\a\a");
    assert_string_equal(edit.text, keys);
    types("\bz");
    assert_string_equal(seen, "\b\033[Kz");
}

static void test_each_end_of_a_line_counts_once(void **state)
{
    (void)state;
    assert_int_equal(edit_key(&edit, '\r'), EDIT_ENTER);
    assert_int_equal(edit_key(&edit, '\n'), EDIT_MORE); /* belongs to the one before */
    assert_int_equal(edit_key(&edit, '\n'), EDIT_ENTER);
    assert_int_equal(edit_key(&edit, '\r'), EDIT_ENTER);
    assert_int_equal(edit_key(&edit, '\r'), EDIT_ENTER);
}

static void test_control_c_and_d_leave(void **state)
{
    (void)state;
    types("half");
    assert_int_equal(edit_key(&edit, 3), EDIT_LEAVE);
    assert_int_equal(edit_key(&edit, 4), EDIT_LEAVE);
}

static void test_other_keys_do_nothing(void **state)
{
    (void)state;
    types("a\033[A\033[1;5D\033OPb\001\x1a\t\xc3\xa9");
    assert_string_equal(seen, "ab");
    types("\033c"); /* no sequence */
    assert_string_equal(seen, "c");
    types("\033[");
    assert_int_equal(edit_key(&edit, '\r'), EDIT_ENTER); /* even in the middle of one */
    types("[A");
    assert_string_equal(edit.text, "abc[A");
}

static void test_lines_are_cut_into_words(void **state)
{
    const char *word[EDIT_WORDS];
    char text[] = "  table   first 0x1000  ", json[] = "-j vm -j list", many[] = "1 2 3 4 5 6 7 8 9 10", none[] = "   ",
         minus[] = "-jj -J";
    bool wants_json;
    (void)state;
    assert_int_equal(edit_split(text, word, &wants_json), 3);
    assert_false(wants_json);
    assert_string_equal(word[0], "table");
    assert_string_equal(word[1], "first");
    assert_string_equal(word[2], "0x1000");
    assert_int_equal(edit_split(json, word, &wants_json), 2);
    assert_true(wants_json);
    assert_string_equal(word[0], "vm");
    assert_string_equal(word[1], "list");
    assert_int_equal(edit_split(many, word, &wants_json), 10);
    assert_string_equal(word[EDIT_WORDS - 1], "8");
    assert_int_equal(edit_split(none, word, &wants_json), 0);
    assert_int_equal(edit_split(minus, word, &wants_json), 2);
    assert_false(wants_json);
}

static void test_numbers(void **state)
{
    static const struct {
        const char *word;
        uint64_t value;
    } good[] = {{"0", 0},
                {"4096", 4096},
                {"0x1000", 0x1000},
                {"0XfF", 0xff},
                {"4K", 4096},
                {"4k", 4096},
                {"16M", 16u << 20},
                {"1G", 1u << 30},
                {"2T", 2ull << 40},
                {"0x10K", 16384},
                {"18446744073709551615", UINT64_MAX},
                {"0xffffffffffffffff", UINT64_MAX}};
    static const char *const bad[] = {
        "",    "x",  "0x",   "4KK", "K",   "-1",       "1.5M", "18446744073709551616", "0x10000000000000000",
        "12a", "4P", "0xg1", "1 ",  "4KB", "16777216T"};
    uint64_t value;
    (void)state;
    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(edit_number(good[i].word, &value));
        assert_int_equal(value, good[i].value);
    }
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(edit_number(bad[i], &value));
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_row_is_columns_under_a_heading),
        cmocka_unit_test(test_a_row_is_one_object),
        cmocka_unit_test(test_an_object_without_fields),
        cmocka_unit_test(test_strings_are_escaped),
        cmocka_unit_test(test_sizes_in_the_largest_unit_that_divides_them),
        cmocka_unit_test(test_what_finds_no_room_is_left_out_as_a_whole),
        cmocka_unit_test_setup(test_what_is_typed_is_echoed, fresh),
        cmocka_unit_test_setup(test_backspace_and_delete, fresh),
        cmocka_unit_test_setup(test_control_u_takes_all_back, fresh),
        cmocka_unit_test_setup(test_a_full_line_answers_with_the_bell, fresh),
        cmocka_unit_test_setup(test_each_end_of_a_line_counts_once, fresh),
        cmocka_unit_test_setup(test_control_c_and_d_leave, fresh),
        cmocka_unit_test_setup(test_other_keys_do_nothing, fresh),
        cmocka_unit_test(test_lines_are_cut_into_words),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests_name("monitor", tests, NULL, NULL);
}

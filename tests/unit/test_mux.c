/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Several guests on one terminal: what is seen, byte for byte. */
#include "unit/unit.h"

#include <string.h>

#include <device/mux.h>

static struct {
    struct mux mux;
    struct mux_line hyp, a, b;
    char seen[4096];
    size_t bytes;
} w;

static void put(void *ctx, char c)
{
    assert_ptr_equal(ctx, &w);
    assert_true(w.bytes < sizeof(w.seen) - 1);
    w.seen[w.bytes++] = c;
}

static int fresh(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    mux_init(&w.mux, put, &w);
    w.hyp.live = true;
    w.a.name = "a";
    w.b.name = "b";
    mux_focus(&w.mux, &w.a);
    return 0;
}

static void say(struct mux_line *line, const char *text)
{
    mux_write(&w.mux, line, text, strlen(text));
}

static void hyp(const char *text)
{
    say(&w.hyp, text);
    mux_show(&w.mux, &w.hyp);
}

static void fresh_screen(void)
{
    memset(w.seen, 0, sizeof(w.seen));
    w.bytes = 0;
}

static void sees(const char *text)
{
    assert_string_equal(w.seen, text);
    fresh_screen();
}

static void test_lines_have_prefixes(void **state)
{
    (void)state;
    hyp("hello\n");
    sees("hello\r\n");
    say(&w.a, "one\r\n\r\n");
    sees("[a] one\r\n[a] \r\n");
    say(&w.b, "two\n");
    sees("[b] two\r\n");
    say(&w.b, "thr");
    sees("");
    say(&w.b, "ee\n");
    sees("[b] three\r\n");
}

static void test_lines_do_not_mix(void **state)
{
    (void)state;
    say(&w.a, "on");
    say(&w.b, "tw");
    hyp("three\n");
    say(&w.b, "o\n");
    say(&w.a, "e\n");
    sees("three\r\n[b] two\r\n[a] one\r\n");
}

static void test_a_prompt_appears_after_a_pause(void **state)
{
    (void)state;
    say(&w.a, "# ");
    sees("");
    assert_true(mux_waits(&w.a));
    mux_show(&w.mux, &w.a);
    assert_false(mux_waits(&w.a));
    sees("[a] # ");
    mux_show(&w.mux, &w.a);
    sees("");
    say(&w.a, "ls");
    mux_show(&w.mux, &w.a);
    sees("ls");
    say(&w.a, "\r\nfile\r\n");
    sees("\r\n[a] file\r\n");
    say(&w.b, "=> ");
    mux_show(&w.mux, &w.b); /* has not the focus */
    assert_false(mux_waits(&w.b));
    sees("");
}

static void test_a_prompt_is_begun_again(void **state)
{
    (void)state;
    say(&w.a, "# ");
    mux_show(&w.mux, &w.a);
    say(&w.b, "x\n");
    hyp("y\n");
    sees("[a] # \r\n[b] x\r\ny\r\n");
    say(&w.a, "l");
    mux_show(&w.mux, &w.a);
    sees("[a] # l");
    hyp("part");
    sees("\r\npart");
    hyp(" of it\n");
    sees(" of it\r\n");
    say(&w.a, "\n");
    sees("[a] # l\r\n");
}

static void test_a_line_of_the_hypervisor_is_begun_again(void **state)
{
    (void)state;
    hyp("counting");
    say(&w.b, "x\n");
    hyp(" 1\n");
    sees("counting\r\n[b] x\r\ncounting 1\r\n");
}

static void test_focus(void **state)
{
    (void)state;
    say(&w.a, "# ");
    mux_show(&w.mux, &w.a);
    say(&w.b, "=> ");
    sees("[a] # ");
    mux_focus(&w.mux, NULL);
    hyp("now b\n");
    mux_focus(&w.mux, &w.b);
    sees("\r\nnow b\r\n[b] => ");
    say(&w.b, "v");
    say(&w.a, "late\n");
    sees("\r\n[a] # late\r\n");
    mux_show(&w.mux, &w.b);
    sees("[b] => v");
    mux_focus(&w.mux, &w.b);
    sees("");
}

static void test_carriage_returns(void **state)
{
    (void)state;
    say(&w.a, "10%\r20%\r\n");
    sees("[a] 10%\r[a] 20%\r\n");
    say(&w.b, "100%\r20%\r\r\n"); /* not live: what a terminal would show in the end */
    sees("[b] 20%%\r\n");
    say(&w.b, "\rx\n\ry\n");
    sees("[b] x\r\n[b] y\r\n");
    say(&w.a, "abc");
    mux_show(&w.mux, &w.a);
    say(&w.a, "\r");
    mux_show(&w.mux, &w.a);
    sees("[a] abc");
    say(&w.a, "X");
    mux_show(&w.mux, &w.a);
    sees("\r[a] X");
    hyp("!\n"); /* the cursor goes back to where the guest has it */
    say(&w.a, "Y\n");
    sees("\r\n!\r\n[a] XYc\b\r\n");
}

static void test_editing(void **state)
{
    (void)state;
    say(&w.a, "lsx\b \b\n");
    sees("[a] lsx\b \b\r\n");
    say(&w.b, "lsx\b \bs\n");
    sees("[b] lss\r\n");
    say(&w.b, "abc\b\b\b\b\b\bx\n");
    sees("[b] xbc\r\n");
    say(&w.a, "\b\b\bx\n"); /* not into the prefix */
    sees("[a] x\r\n");
    say(&w.b, "a\tb\n");
    sees("[b] a       b\r\n");
}

static void test_escape_sequences(void **state)
{
    (void)state;
    say(&w.a, "\033[1;31mred\033[0m plain\n"); /* colours of the focused one pass */
    sees("[a] \033[1;31mred\033[0m plain\r\n");
    say(&w.a, "\033[32mgreen\n"); /* and end with its line */
    sees("[a] \033[32mgreen\033[0m\r\n");
    say(&w.b, "\033[1;31mred\033[0m plain\n");
    sees("[b] red plain\r\n");
    say(&w.a, "a\033[2Jb\033[Hc\033[10;10Hd\033[Ae\033cf\033[?25lg\033(Bh\033]0;title\007i\033]0;t\033\\j\n");
    sees("[a] abcdefghij\r\n"); /* nothing that leaves the line */
    say(&w.a, "\033[6n");
    mux_show(&w.mux, &w.a);
    sees("[a] \033[6n");
    say(&w.a, "abc\033[2DX\033[K\033[9D\033[1CY\n");
    mux_show(&w.mux, &w.a);
    sees("abc\b\bX\033[K\b\baY\r\n");
    say(&w.b, "abc\033[2DX\033[K\n");
    sees("[b] aX\r\n");
    say(&w.a, "a\033[>4;2mb\033[?4mc\033[?5nd\033[>0ne\033[38:5:1m!\n"); /* modes of the keyboard are no colours */
    sees("[a] abcde\033[38:5:1m!\033[0m\r\n");
    say(&w.a, "a\033[1;2;3;4;5;6;7;8;9;10;11;12mb\n"); /* too long */
    sees("[a] ab\r\n");
    say(&w.a, "a\033[31\nb\n"); /* never ended */
    sees("[a] a\r\n[a] b\r\n");
    say(&w.a, "a\033]0;never\nb\n");
    sees("[a] ab\r\n");
    say(&w.a, "a\033[99999999999Db\n");
    sees("[a] ab\r\n");
}

/* Steps back count bytes, a terminal counts columns: they must not end in the prefix. */
static void test_no_step_back_into_the_prefix(void **state)
{
    (void)state;
    say(&w.a, "\xc3\xa9\xc3\xa9\b\b\b\b[b] x\n");
    sees("[a] \xc3\xa9\xc3\xa9\r[a] \xc3\xa9\xc3\r[a] \xc3\xa9\r[a] \xc3\r[a] [b] x\r\n");
    say(&w.a, "\xc3\xa9\033[2Dx");
    mux_show(&w.mux, &w.a);
    sees("[a] \xc3\xa9\r[a] x");
    hyp("!\n"); /* shown again */
    say(&w.a, "y\b");
    mux_show(&w.mux, &w.a);
    sees("\r\n!\r\n[a] xy\b");
    say(&w.a, "\xc3\xa9\xc3\xa9\033[3D");
    mux_show(&w.mux, &w.a);
    hyp("?\n");
    fresh_screen();
    say(&w.a, "z\033[D");
    mux_show(&w.mux, &w.a);
    sees("[a] x\xc3z\xc3\xa9\r[a] x\xc3");
}

static void test_bytes_that_do_not_print(void **state)
{
    (void)state;
    char all[256];
    for (unsigned i = 0; i < 256; i++)
        all[i] = (char)i;
    mux_write(&w.mux, &w.b, all, 0x20);
    say(&w.b, "\n");
    for (size_t i = 0; i < w.bytes; i++)
        assert_true((unsigned char)w.seen[i] >= 0x20 || w.seen[i] == '\r' || w.seen[i] == '\n');
    fresh(NULL);
    say(&w.b, "gr\xc3\xbc\xc3\x9f\x7f\n"); /* UTF-8 passes, DEL does not */
    sees("[b] gr\xc3\xbc\xc3\x9f\r\n");
    say(&w.b, "\x9b"
              "2J \xc2\x9b"
              "2J \xe0\x82\x9b \xc1\x9b \xf0\x80\x82\x9b\n"); /* CSI, as itself and coded */
    sees("[b] ?2J \xc2?2J \xe0?? \xc1? \xf0???\r\n");
    say(&w.b, "\xe2\x9b\x80\r\xc2\033[C\n"); /* and put together from what was there */
    sees("[b] \xc2??\r\n");
    say(&w.b, "\xe2\x9b\x80\xc2\xa0\n");
    sees("[b] \xe2\x9b\x80\xc2\xa0\r\n");
    say(&w.a, "ding\a\n");
    sees("[a] ding\a\r\n");
    say(&w.b, "ding\a\n");
    sees("[b] ding\r\n");
}

static void test_long_lines(void **state)
{
    (void)state;
    char text[1001], want[1100];
    for (unsigned i = 0; i < 1000; i++)
        text[i] = (char)('a' + i % 26);
    text[1000] = '\0';
    say(&w.a, text);
    say(&w.a, "\n");
    want[0] = '\0';
    strcat(strcat(strcat(want, "[a] "), text), "\r\n");
    sees(want);
    say(&w.b, text); /* cut, nothing lost */
    say(&w.b, "\n");
    want[0] = '\0';
    for (unsigned i = 0; i < 1000; i += MUX_COLUMNS) {
        strcat(want, "[b] ");
        strncat(want, text + i, MUX_COLUMNS);
        strcat(want, "\r\n");
    }
    sees(want);
}

static void test_a_long_line_broken_off_loses_nothing(void **state)
{
    (void)state;
    char text[301];
    memset(text, 'x', 300);
    text[300] = '\0';
    say(&w.a, text);
    hyp("!\n");
    say(&w.a, "end\n");
    unsigned xs = 0;
    for (size_t i = 0; i < w.bytes; i++)
        xs += w.seen[i] == 'x';
    assert_int_equal(xs, 300 + MUX_COLUMNS); /* all of them, then the remembered part once more */
    assert_non_null(strstr(w.seen, "xend\r\n"));
}

static void test_flush(void **state)
{
    (void)state;
    say(&w.b, "last words");
    mux_flush(&w.mux, &w.b);
    sees("[b] last words\r\n");
    mux_flush(&w.mux, &w.b);
    sees("");
    say(&w.a, "# ");
    mux_show(&w.mux, &w.a);
    mux_flush(&w.mux, &w.a);
    sees("[a] # \r\n");
}

/* Nothing of it comes later: no text, no colour, and no escape sequence that was not at its end. */
static void test_drop(void **state)
{
    (void)state;
    say(&w.b, "never seen\033]0;");
    mux_drop(&w.mux, &w.b);
    sees("");
    say(&w.b, "line\n");
    sees("[b] line\r\n");
    say(&w.a, "\033[31mred");
    mux_show(&w.mux, &w.a);
    say(&w.a, " and not");
    sees("[a] \033[31mred");
    mux_drop(&w.mux, &w.a);
    sees("\033[0m\r\n");
    say(&w.a, "plain\n");
    sees("[a] plain\r\n");
}

static void test_a_line_broken_off_is_shown_again_on_demand(void **state)
{
    (void)state;
    mux_show_again(&w.mux);
    sees("");
    say(&w.a, "# half");
    assert_false(mux_broken_off(&w.mux)); /* nothing of it was seen yet */
    mux_show(&w.mux, &w.a);
    sees("[a] # half");
    assert_false(mux_broken_off(&w.mux));
    say(&w.b, "line\n");
    sees("\r\n[b] line\r\n");
    assert_true(mux_broken_off(&w.mux));
    mux_show_again(&w.mux);
    sees("[a] # half");
    mux_show_again(&w.mux);
    sees("");
    say(&w.a, "\n");
    sees("\r\n");
    say(&w.b, "line\n");
    sees("[b] line\r\n");
    assert_false(mux_broken_off(&w.mux)); /* it was complete */
    mux_focus(&w.mux, NULL);
    assert_false(mux_broken_off(&w.mux));
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_lines_have_prefixes, fresh),
        cmocka_unit_test_setup(test_lines_do_not_mix, fresh),
        cmocka_unit_test_setup(test_a_prompt_appears_after_a_pause, fresh),
        cmocka_unit_test_setup(test_a_prompt_is_begun_again, fresh),
        cmocka_unit_test_setup(test_a_line_of_the_hypervisor_is_begun_again, fresh),
        cmocka_unit_test_setup(test_focus, fresh),
        cmocka_unit_test_setup(test_carriage_returns, fresh),
        cmocka_unit_test_setup(test_editing, fresh),
        cmocka_unit_test_setup(test_escape_sequences, fresh),
        cmocka_unit_test_setup(test_no_step_back_into_the_prefix, fresh),
        cmocka_unit_test_setup(test_bytes_that_do_not_print, fresh),
        cmocka_unit_test_setup(test_long_lines, fresh),
        cmocka_unit_test_setup(test_a_long_line_broken_off_loses_nothing, fresh),
        cmocka_unit_test_setup(test_flush, fresh),
        cmocka_unit_test_setup(test_drop, fresh),
        cmocka_unit_test_setup(test_a_line_broken_off_is_shown_again_on_demand, fresh),
    };
    return cmocka_run_group_tests_name("mux", tests, NULL, NULL);
}

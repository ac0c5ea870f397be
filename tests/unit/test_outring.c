/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The ring before a slow line: nothing is lost or moved, and a writer that floods has its share. */
#include "unit/unit.h"

#include <string.h>

#include <device/mux.h>
#include <device/outring.h>

static struct {
    struct outring ring;
    struct mux mux;
    struct mux_line line[2];
    struct outring_share share[2];
    char seen[1 << 20];
    size_t bytes;
} w;

static void put(void *ctx, char c)
{
    assert_ptr_equal(ctx, &w);
    assert_true(outring_put(&w.ring, c)); /* guests alone never fill it */
}

static int fresh(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    w.ring.head = w.ring.tail = UINT32_MAX - 1000; /* the counts wrap around soon */
    mux_init(&w.mux, put, &w);
    w.line[0].name = "flood";
    w.line[1].name = "neighbour";
    return 0;
}

/* As console_guest_put does. */
static bool write(unsigned guest, char c)
{
    if (!outring_may(&w.ring, &w.share[guest]))
        return false;
    uint32_t before = w.ring.tail;
    mux_write(&w.mux, &w.line[guest], &c, 1);
    w.share[guest].used += w.ring.tail - before;
    return true;
}

/* As vm_end_output has it done: what waits in the UART, and the line that was begun. */
static void end(unsigned guest, const char *text, size_t bytes)
{
    uint32_t before = w.ring.tail;
    for (; bytes > 0 && outring_may_end(&w.ring, &w.share[guest]); text++, bytes--, before = w.ring.tail) {
        mux_write(&w.mux, &w.line[guest], text, 1);
        w.share[guest].used += w.ring.tail - before;
    }
    if (outring_may_end(&w.ring, &w.share[guest]))
        mux_flush(&w.mux, &w.line[guest]);
    else
        mux_drop(&w.mux, &w.line[guest]);
    w.share[guest].used += w.ring.tail - before;
}

/* The line takes that many. */
static void send(uint32_t n)
{
    for (; n > 0 && outring_count(&w.ring) > 0; n--, w.ring.head++) {
        assert_true(w.bytes < sizeof(w.seen) - 1);
        w.seen[w.bytes++] = outring_next(&w.ring);
    }
}

static void test_in_order_and_full_at_its_size(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OUTRING_BYTES; i++)
        assert_true(outring_put(&w.ring, (char)(i % 251)));
    assert_int_equal(outring_count(&w.ring), OUTRING_BYTES);
    assert_false(outring_put(&w.ring, 'x'));
    send(UINT32_MAX);
    assert_int_equal(w.bytes, OUTRING_BYTES);
    for (unsigned i = 0; i < OUTRING_BYTES; i++)
        assert_int_equal(w.seen[i], (char)(i % 251));
    assert_true(outring_put(&w.ring, 'y'));
}

static void test_counts_that_a_crash_left_apart_are_nothing_to_send(void **state)
{
    (void)state;
    w.ring.head = w.ring.tail + 1;
    assert_int_equal(outring_count(&w.ring), 0);
    w.ring.head = w.ring.tail - OUTRING_BYTES - 1;
    assert_int_equal(outring_count(&w.ring), 0);
}

static void test_who_floods_waits_for_the_next_round(void **state)
{
    (void)state;
    while (write(0, '\n')) { /* each is "[flood] " and CR LF */
    }
    assert_int_equal(w.share[0].used, 520);
    assert_true(write(1, 'n'));
    send(outring_count(&w.ring) - OUTRING_LOW - 1);
    assert_false(write(0, 'x'));
    send(1);
    assert_true(write(0, 'x'));
}

static void test_a_neighbour_of_a_flood_gets_its_line_out_in_one_round(void **state)
{
    (void)state;
    static const char text[] = "what the neighbour says\n", flood[] = "0123456789\n";
    size_t said = 0, flooded = 0;
    uint32_t most = 0;
    for (unsigned times = 0; times < 2000; times++) {
        while (write(0, flood[flooded % (sizeof(flood) - 1)]))
            flooded++;
        /* The flood has taken all that it may: the neighbour is not refused for it. */
        for (unsigned i = 0; times % 50 == 0 && i < sizeof(text) - 1; i++, said++)
            assert_true(write(1, text[i]));
        most = outring_count(&w.ring) > most ? outring_count(&w.ring) : most;
        send(16);
    }
    assert_true(most < 2 * OUTRING_SHARE);
    send(UINT32_MAX);
    w.seen[w.bytes] = '\0';
    size_t lines = 0, whole = 0;
    for (char *at = strtok(w.seen, "\r\n"); at != NULL; at = strtok(NULL, "\r\n"), lines++)
        whole += strcmp(at, "[flood] 0123456789") == 0 || strcmp(at, "[neighbour] what the neighbour says") == 0;
    assert_int_equal(whole, lines);
    assert_int_equal(lines, flooded / (sizeof(flood) - 1) + said / (sizeof(text) - 1));
    assert_int_equal(said, 40 * (sizeof(text) - 1));
}

/* Sixteen that all flood: what the hypervisor says has room. */
static void test_guests_leave_room(void **state)
{
    (void)state;
    struct outring_share share[16] = {{.used = 0}};
    for (unsigned i = 0; i < 16; i++) {
        while (outring_may(&w.ring, &share[i])) {
            assert_true(outring_put(&w.ring, 'x'));
            share[i].used++;
        }
    }
    assert_true(outring_count(&w.ring) <= OUTRING_BYTES - OUTRING_ROOM + 1);
}

/* Its UART holds 32 characters, of which each may be a line; and it may have the terminal, where one step back in a line with
 * characters of several bytes is the whole line again. */
static void test_one_that_ends_over_and_over_has_a_little_more_in_a_round(void **state)
{
    static const char *const last[] = {"\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
                                       "\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b"};
    enum { LONGEST = 1000 }; /* that a single character brings about */
    (void)state;
    for (unsigned has_terminal = 0; has_terminal < 2; has_terminal++) {
        (void)fresh(NULL);
        w.line[0].name = "a name of as many as may be here";
        mux_focus(&w.mux, has_terminal ? &w.line[0] : NULL);
        for (unsigned times = 0; times < 1000; times++) {
            for (unsigned i = 0; i < MUX_COLUMNS && write(0, i % 2 == 0 ? '\xc3' : '\xa4'); i++)
                ;
            end(0, last[has_terminal], 32);
            assert_true(outring_count(&w.ring) < OUTRING_SHARE + OUTRING_LAST + LONGEST);
        }
        assert_true(write(1, 'n')); /* a neighbour has its share */
    }
}

static void test_last_words_are_seen(void **state)
{
    (void)state;
    while (write(0, '\n')) {
    }
    uint32_t before = w.ring.tail;
    end(0, "0123456789012345678901234\nlast!", 32);
    send(UINT32_MAX);
    w.seen[w.bytes] = '\0';
    assert_string_equal(&w.seen[before - (UINT32_MAX - 1000)],
                        "[flood] 0123456789012345678901234\r\n[flood] last!\r\n");
}

/* Sixteen, one after the other. */
static void test_those_that_end_leave_room(void **state)
{
    (void)state;
    enum { LONGEST = 1000 };
    for (unsigned i = 0; i < 16; i++) {
        struct outring_share share = {.used = 0};
        while (outring_may_end(&w.ring, &share)) {
            assert_true(outring_put(&w.ring, 'x'));
            share.used++;
        }
    }
    assert_true(outring_count(&w.ring) <= OUTRING_BYTES - LONGEST);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_in_order_and_full_at_its_size, fresh),
        cmocka_unit_test_setup(test_counts_that_a_crash_left_apart_are_nothing_to_send, fresh),
        cmocka_unit_test_setup(test_who_floods_waits_for_the_next_round, fresh),
        cmocka_unit_test_setup(test_a_neighbour_of_a_flood_gets_its_line_out_in_one_round, fresh),
        cmocka_unit_test_setup(test_guests_leave_room, fresh),
        cmocka_unit_test_setup(test_one_that_ends_over_and_over_has_a_little_more_in_a_round, fresh),
        cmocka_unit_test_setup(test_last_words_are_seen, fresh),
        cmocka_unit_test_setup(test_those_that_end_leave_room, fresh),
    };
    return cmocka_run_group_tests_name("outring", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The PL011 that a guest sees: what drivers rely on. */
#include "unit/unit.h"

#include <limits.h>
#include <string.h>

#include <device/pl011_regs.h>
#include <device/vuart.h>

static struct {
    struct vuart uart;
    char sent[64];
    unsigned sends, rises, falls, room;
    bool high;
} w;

static bool out(void *ctx, char c, bool must)
{
    assert_ptr_equal(ctx, &w);
    if (w.room == 0 && !must)
        return false;
    w.room -= !must;
    if (w.sends < sizeof(w.sent) - 1)
        w.sent[w.sends++] = c;
    return true;
}

static void level(void *ctx, bool high)
{
    assert_ptr_equal(ctx, &w);
    assert_true(high != w.high); /* only changes are told */
    w.high = high;
    if (high)
        w.rises++;
    else
        w.falls++;
}

static int fresh(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    w.room = UINT_MAX;
    vuart_init(&w.uart, out, level, &w);
    return 0;
}

static uint64_t sized_read(uint64_t offset, unsigned size_log2)
{
    struct mmio_dev dev = {"uart", vuart_access, &w.uart};
    struct mmio m = {.offset = offset, .size_log2 = size_log2, .value = 0x5555555555555555};
    assert_true(mmio_access(&dev, NULL, &m));
    return m.value;
}

static uint32_t get(unsigned reg)
{
    return (uint32_t)sized_read(reg, 2);
}

static void set(unsigned reg, uint32_t value)
{
    struct mmio_dev dev = {"uart", vuart_access, &w.uart};
    struct mmio m = {.offset = reg, .size_log2 = 2, .write = true, .value = value};
    assert_true(mmio_access(&dev, NULL, &m));
}

static void test_reset_state(void **state)
{
    (void)state;
    assert_int_equal(get(UART_FR), UART_FR_TXFE | UART_FR_RXFE);
    assert_int_equal(get(UART_CR), UART_CR_UARTEN | UART_CR_TXE | UART_CR_RXE);
    assert_int_equal(get(UART_IFLS), 0x12);
    assert_int_equal(get(UART_IMSC), 0);
    assert_int_equal(get(UART_RIS), 0);
    assert_int_equal(get(UART_RSR), 0);
}

static void test_identification(void **state)
{
    (void)state;
    uint32_t periph = 0, cell = 0;
    for (unsigned i = 0; i < 4; i++) {
        periph |= get(UART_ID + 4 * i) << 8 * i;
        cell |= get(UART_ID + 16 + 4 * i) << 8 * i;
    }
    assert_int_equal(periph, 0x00341011); /* what the primecell bus matches with mask 0x000fffff: 0x00041011 */
    assert_int_equal(periph & 0x000fffff, 0x00041011);
    assert_int_equal(cell, 0xb105f00d);
}

static void test_registers_keep_their_bits(void **state)
{
    (void)state;
    static const struct {
        unsigned reg;
        uint32_t kept;
    } regs[] = {{UART_ILPR, 0xff}, {UART_IBRD, 0xffff}, {UART_FBRD, 0x3f}, {UART_LCRH, 0xff},
                {UART_IFLS, 0x3f}, {UART_DMACR, 0x7},   {UART_CR, 0xff87}, {UART_IMSC, 0x7ff}};
    for (unsigned i = 0; i < sizeof(regs) / sizeof(regs[0]); i++) {
        set(regs[i].reg, 0xffffffff);
        assert_int_equal(get(regs[i].reg), regs[i].kept);
        set(regs[i].reg, 0);
        assert_int_equal(get(regs[i].reg), 0);
    }
    set(UART_FR, 0xffffffff);
    set(UART_RIS, 0xffffffff);
    set(UART_MIS, 0xffffffff);
    set(UART_ID, 0xffffffff);
    assert_int_equal(get(UART_FR), UART_FR_TXFE | UART_FR_RXFE);
    assert_int_equal(get(UART_RIS), 0);
    assert_int_equal(get(UART_ID), 0x11);
}

static void test_sending(void **state)
{
    (void)state;
    for (const char *c = "hello"; *c != '\0'; c++) {
        assert_int_equal(get(UART_FR) & UART_FR_TXFF, 0);
        set(UART_DR, (uint8_t)*c);
    }
    assert_string_equal(w.sent, "hello");
    assert_int_equal(get(UART_FR), UART_FR_TXFE | UART_FR_RXFE);
}

/* Linux fills the FIFO, unmasks TX and counts on an interrupt when it has drained. */
static void test_transmit_interrupt(void **state)
{
    (void)state;
    set(UART_IMSC, UART_INT_TX);
    assert_false(w.high);
    set(UART_DR, 'x');
    assert_int_equal(get(UART_RIS), UART_INT_TX);
    assert_int_equal(get(UART_MIS), UART_INT_TX);
    assert_true(w.high);
    set(UART_ICR, UART_INT_TX);
    assert_int_equal(get(UART_RIS), 0);
    assert_false(w.high);
    set(UART_DR, 'y');
    assert_true(w.high);
    set(UART_IMSC, 0);
    assert_false(w.high);
    assert_int_equal(get(UART_RIS), UART_INT_TX);
    assert_int_equal(get(UART_MIS), 0);
    assert_int_equal(w.rises, 2);
    assert_int_equal(w.falls, 2);
}

static void test_unmasking_what_is_pending_raises_the_line(void **state)
{
    (void)state;
    set(UART_DR, 'x');
    assert_int_equal(w.rises, 0);
    set(UART_IMSC, UART_INT_TX);
    assert_int_equal(w.rises, 1);
}

static void test_receiving(void **state)
{
    (void)state;
    set(UART_IMSC, UART_INT_RX | UART_INT_RT);
    assert_true(vuart_receive(&w.uart, 'a'));
    assert_true(w.high);
    assert_int_equal(get(UART_MIS), UART_INT_RT);
    assert_int_equal(get(UART_FR), UART_FR_TXFE);
    assert_true(vuart_receive(&w.uart, 'b'));
    assert_int_equal(get(UART_DR), 'a');
    assert_true(w.high);
    assert_int_equal(get(UART_DR), 'b');
    assert_false(w.high);
    assert_int_equal(get(UART_FR), UART_FR_TXFE | UART_FR_RXFE);
    assert_int_equal(get(UART_RIS), 0);
    assert_int_equal(get(UART_DR), 0);
    assert_int_equal(w.rises, 1);
    assert_int_equal(w.falls, 1);
}

static void test_receive_levels(void **state)
{
    (void)state;
    static const unsigned fill[] = {4, 8, 16, 24, 28, 16, 16, 16}; /* of 32; 5..7 are reserved */
    for (unsigned select = 0; select < 8; select++) {
        fresh(NULL);
        set(UART_IFLS, select << 3);
        for (unsigned i = 1; i <= 32; i++) {
            assert_true(vuart_receive(&w.uart, 'a'));
            assert_int_equal(get(UART_RIS) & UART_INT_RX, i >= fill[select] ? UART_INT_RX : 0);
        }
        for (unsigned i = 32; i > 0; i--) {
            assert_int_equal(get(UART_DR), 'a');
            assert_int_equal(get(UART_RIS) & UART_INT_RX, i - 1 >= fill[select] ? UART_INT_RX : 0);
        }
    }
    fresh(NULL);
    set(UART_LCRH, 0); /* no FIFOs: each character */
    assert_true(vuart_receive(&w.uart, 'a'));
    assert_int_equal(get(UART_RIS), UART_INT_RX | UART_INT_RT);
}

static void test_clearing_a_receive_interrupt_waits_for_the_next_character(void **state)
{
    (void)state;
    set(UART_IMSC, UART_INT_RT);
    assert_true(vuart_receive(&w.uart, 'a'));
    set(UART_ICR, UART_INT_RT);
    assert_false(w.high);
    assert_int_equal(get(UART_RIS), 0);
    assert_true(vuart_receive(&w.uart, 'b'));
    assert_true(w.high);
}

static void test_overrun(void **state)
{
    (void)state;
    set(UART_IMSC, UART_INT_OE);
    for (unsigned i = 0; i < VUART_FIFO; i++)
        assert_true(vuart_receive(&w.uart, (char)('0' + i % 10)));
    assert_int_equal(get(UART_FR), UART_FR_TXFE | UART_FR_RXFF);
    assert_false(w.high);
    assert_false(vuart_receive(&w.uart, 'x'));
    assert_true(w.high);
    assert_int_equal(get(UART_MIS), UART_INT_OE);
    assert_int_equal(get(UART_RSR), UART_RSR_OE);
    assert_int_equal(get(UART_DR), (uint32_t)'0' | UART_DR_OE);
    assert_int_equal(get(UART_DR), '1');
    set(UART_RSR, 0);
    assert_int_equal(get(UART_RSR), 0);
    set(UART_ICR, UART_INT_OE);
    assert_false(w.high);
    for (unsigned i = 2; i < VUART_FIFO; i++)
        assert_int_equal(get(UART_DR), '0' + i % 10);
    assert_int_equal(get(UART_FR), UART_FR_TXFE | UART_FR_RXFE);
}

static void test_a_receiver_that_is_off_hears_nothing(void **state)
{
    (void)state;
    set(UART_CR, UART_CR_UARTEN | UART_CR_TXE);
    assert_false(vuart_receive(&w.uart, 'a'));
    set(UART_CR, UART_CR_RXE);
    assert_false(vuart_receive(&w.uart, 'a'));
    assert_int_equal(get(UART_FR), UART_FR_TXFE | UART_FR_RXFE);
    assert_int_equal(get(UART_RIS), 0);
}

static void test_loop_back(void **state)
{
    (void)state;
    set(UART_CR, UART_CR_UARTEN | UART_CR_TXE | UART_CR_RXE | UART_CR_LBE);
    set(UART_DR, 'z');
    assert_int_equal(w.sends, 0);
    assert_false(vuart_receive(&w.uart, 'a'));
    assert_int_equal(get(UART_DR), 'z');
}

static void test_every_size_and_alignment(void **state)
{
    (void)state;
    assert_int_equal(sized_read(UART_ID + 20, 0), 0xf0);
    assert_int_equal(sized_read(UART_ID + 20, 1), 0xf0);
    assert_int_equal(sized_read(UART_ID + 20, 3), 0xf0);
    set(UART_IBRD, 0x1234);
    assert_int_equal(sized_read(UART_IBRD + 1, 0), 0x12);
    assert_int_equal(sized_read(UART_IBRD + 3, 3), 0);
    assert_true(vuart_receive(&w.uart, 'q'));
    assert_int_equal(sized_read(UART_DR + 1, 0), 0); /* does not consume */
    assert_int_equal(sized_read(UART_DR, 0), 'q');
    for (uint64_t offset = 0; offset < VUART_WINDOW + 8; offset++) {
        for (unsigned size = 0; size <= 3; size++) {
            struct mmio m = {.offset = offset, .size_log2 = size, .write = true, .value = UINT64_MAX};
            assert_true(vuart_access(&w.uart, NULL, &m));
            m.write = false;
            assert_true(vuart_access(&w.uart, NULL, &m));
        }
    }
    assert_int_equal(sized_read(UINT64_MAX, 2), 0);
    assert_int_equal(sized_read(VUART_WINDOW, 2), 0);
}

static void test_reset_lowers_the_line(void **state)
{
    (void)state;
    set(UART_IMSC, UART_INT_ALL);
    set(UART_DR, 'x');
    assert_true(vuart_receive(&w.uart, 'a'));
    assert_true(w.high);
    vuart_reset(&w.uart);
    assert_false(w.high);
    test_reset_state(NULL);
}

static void type(unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        set(UART_DR, 'a' + i % 26);
}

/* As Linux does it: write until the flags say full, wait for the interrupt, write half a FIFO without looking. */
static void test_sends_at_the_pace_of_the_line(void **state)
{
    (void)state;
    set(UART_IMSC, UART_INT_TX);
    w.room = 3;
    type(3);
    assert_int_equal(get(UART_FR), UART_FR_TXFE | UART_FR_RXFE);
    assert_true(w.high);
    type(16); /* to the trigger level, not above it */
    assert_int_equal(w.sends, 3);
    assert_int_equal(get(UART_FR), UART_FR_BUSY | UART_FR_RXFE);
    assert_true(w.high);
    type(1);
    assert_false(w.high);
    type(15);
    assert_int_equal(get(UART_FR), UART_FR_BUSY | UART_FR_TXFF | UART_FR_RXFE);
    type(1); /* without looking: lost */
    w.room = 15;
    vuart_drain(&w.uart, false);
    assert_int_equal(w.sends, 18);
    assert_false(w.high);
    w.room = 1;
    vuart_drain(&w.uart, false);
    assert_true(w.high);
    type(16);
    assert_int_equal(get(UART_FR), UART_FR_BUSY | UART_FR_TXFF | UART_FR_RXFE);
    assert_false(w.high);
    w.room = UINT_MAX;
    assert_int_equal(get(UART_FR), UART_FR_TXFE | UART_FR_RXFE); /* looking is enough */
    assert_string_equal(w.sent, "abcabcdefghijklmnopaabcdefghijklmnoabcdefghijklmnop");
    assert_true(w.high);
}

static void test_nothing_that_was_taken_is_lost_when_the_guest_stops(void **state)
{
    (void)state;
    w.room = 0;
    type(40);
    assert_int_equal(w.sends, 0);
    vuart_drain(&w.uart, true);
    assert_string_equal(w.sent, "abcdefghijklmnopqrstuvwxyzabcdef");
    assert_int_equal(get(UART_FR), UART_FR_TXFE | UART_FR_RXFE);
}

static void test_a_reset_empties_what_waits(void **state)
{
    (void)state;
    w.room = 0;
    type(5);
    vuart_reset(&w.uart);
    w.room = UINT_MAX;
    vuart_drain(&w.uart, false);
    assert_int_equal(w.sends, 0);
    assert_int_equal(get(UART_FR), UART_FR_TXFE | UART_FR_RXFE);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_reset_state, fresh),
        cmocka_unit_test_setup(test_identification, fresh),
        cmocka_unit_test_setup(test_registers_keep_their_bits, fresh),
        cmocka_unit_test_setup(test_sending, fresh),
        cmocka_unit_test_setup(test_transmit_interrupt, fresh),
        cmocka_unit_test_setup(test_unmasking_what_is_pending_raises_the_line, fresh),
        cmocka_unit_test_setup(test_receiving, fresh),
        cmocka_unit_test_setup(test_receive_levels, fresh),
        cmocka_unit_test_setup(test_clearing_a_receive_interrupt_waits_for_the_next_character, fresh),
        cmocka_unit_test_setup(test_overrun, fresh),
        cmocka_unit_test_setup(test_a_receiver_that_is_off_hears_nothing, fresh),
        cmocka_unit_test_setup(test_loop_back, fresh),
        cmocka_unit_test_setup(test_every_size_and_alignment, fresh),
        cmocka_unit_test_setup(test_reset_lowers_the_line, fresh),
        cmocka_unit_test_setup(test_sends_at_the_pace_of_the_line, fresh),
        cmocka_unit_test_setup(test_nothing_that_was_taken_is_lost_when_the_guest_stops, fresh),
        cmocka_unit_test_setup(test_a_reset_empties_what_waits, fresh),
    };
    return cmocka_run_group_tests_name("vuart", tests, NULL, NULL);
}

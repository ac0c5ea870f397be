/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A PL011 for a guest. */
#include "device/vuart.h"

#include <string.h>

#include "device/pl011_regs.h"

enum {
    HARDWARE_FIFO = 32, /* what the identification registers promise: revision 3, r1p5 */
    RECEIVE_LEVEL_SHIFT = 3,
    IFLS_RESET = 0x12, /* both at half */
    ID_BYTES = 8,
};

/* In struct vuart's reg. */
enum {
    RSR = UART_RSR / 4,
    ILPR = UART_ILPR / 4,
    IBRD = UART_IBRD / 4,
    FBRD = UART_FBRD / 4,
    LCRH = UART_LCRH / 4,
    CR = UART_CR / 4,
    IFLS = UART_IFLS / 4,
    IMSC = UART_IMSC / 4,
    RIS = UART_RIS / 4,
    DMACR = UART_DMACR / 4,
};
_Static_assert(DMACR + 1 == VUART_REGISTERS, "UARTDMACR is the last");

/* Bits that keep what is written; UARTFR, UARTRIS, UARTMIS and the identification are read-only. */
static const uint16_t writable[VUART_REGISTERS] = {
    [ILPR] = 0xff, [IBRD] = 0xffff, [FBRD] = 0x3f,         [LCRH] = 0xff,
    [CR] = 0xff87, [IFLS] = 0x3f,   [IMSC] = UART_INT_ALL, [DMACR] = 7,
};

/* PeriphID0..3: part 0x011, designer 0x41, revision 3. PCellID0..3. (DDI 0183, 3.3.16, 3.3.17) */
static const uint8_t id[ID_BYTES] = {0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

static void update_line(struct vuart *u)
{
    bool high = (u->reg[RIS] & u->reg[IMSC]) != 0;
    if (high == u->line)
        return;
    u->line = high;
    u->level(u->ctx, high);
}

static void set_defaults(struct vuart *u)
{
    memset(u->reg, 0, sizeof(u->reg));
    u->reg[CR] = UART_CR_UARTEN | UART_CR_TXE | UART_CR_RXE;
    u->reg[LCRH] = UART_LCRH_FEN;
    u->reg[IFLS] = IFLS_RESET;
}

void vuart_init(struct vuart *u, bool (*out)(void *ctx, char c, bool last), void (*level)(void *ctx, bool high),
                void *ctx)
{
    *u = (struct vuart){.out = out, .level = level, .ctx = ctx};
    set_defaults(u);
}

void vuart_reset(struct vuart *u)
{
    lock_take(&u->lock);
    set_defaults(u);
    update_line(u);
    u->head = u->count = u->send_head = u->send_count = 0;
    u->overrun = false;
    lock_drop(&u->lock);
}

/* Characters that make the receive interrupt: the fill level of UARTIFLS, or one without FIFOs. */
static unsigned receive_level(const struct vuart *u)
{
    static const uint8_t eighths[] = {1, 2, 4, 6, 7};
    unsigned select = u->reg[IFLS] >> RECEIVE_LEVEL_SHIFT & 7u;
    if ((u->reg[LCRH] & UART_LCRH_FEN) == 0)
        return 1;
    unsigned level = select < sizeof(eighths) ? eighths[select] : eighths[2];
    return HARDWARE_FIFO / 8 * level;
}

/* The receive timeout, for characters below the level, elapses at once: nothing more is on the wire. */
static bool push(struct vuart *u, char c)
{
    if (u->count == VUART_FIFO) {
        u->overrun = true;
        u->reg[RIS] |= UART_INT_OE;
        u->reg[RSR] |= UART_RSR_OE;
        return false;
    }
    u->fifo[(u->head + u->count++) % VUART_FIFO] = (uint8_t)c;
    u->reg[RIS] |= UART_INT_RT;
    if (u->count >= receive_level(u))
        u->reg[RIS] |= UART_INT_RX;
    return true;
}

static uint32_t pop(struct vuart *u)
{
    if (u->count == 0)
        return 0;
    uint32_t value = u->fifo[u->head];
    u->head = (u->head + 1) % VUART_FIFO;
    u->count--;
    if (u->overrun) {
        value |= UART_DR_OE;
        u->overrun = false;
    }
    if (u->count < receive_level(u))
        u->reg[RIS] &= (uint16_t)~UART_INT_RX;
    if (u->count == 0)
        u->reg[RIS] &= (uint16_t)~UART_INT_RT;
    return value;
}

bool vuart_receive(struct vuart *u, char c)
{
    lock_take(&u->lock);
    bool enabled = (u->reg[CR] & (UART_CR_UARTEN | UART_CR_RXE | UART_CR_LBE)) == (UART_CR_UARTEN | UART_CR_RXE);
    bool taken = enabled && push(u, c);
    update_line(u);
    lock_drop(&u->lock);
    return taken;
}

/* The interrupt comes when the transmit FIFO passes its trigger level, half, downwards; a character that leaves before the
 * guest can look again does that each time. */
static void drain(struct vuart *u, bool last)
{
    while (u->send_count > 0 && u->out(u->ctx, u->send[u->send_head], last)) {
        u->send_head = (u->send_head + 1) % VUART_SEND;
        if (--u->send_count <= VUART_SEND / 2)
            u->reg[RIS] |= UART_INT_TX;
    }
}

void vuart_drain(struct vuart *u, bool last)
{
    lock_take(&u->lock);
    drain(u, last);
    update_line(u);
    lock_drop(&u->lock);
}

static void send(struct vuart *u, char c)
{
    if ((u->reg[CR] & UART_CR_LBE) != 0) {
        push(u, c);
        u->reg[RIS] |= UART_INT_TX;
        return;
    }
    if (u->send_count == VUART_SEND)
        return;
    u->send[(u->send_head + u->send_count++) % VUART_SEND] = c;
    if (u->send_count > VUART_SEND / 2)
        u->reg[RIS] &= (uint16_t)~UART_INT_TX;
    drain(u, false);
}

/* Who looks at the flags waits for room: here it is found also when whose work it is to tell has other things to do. */
static uint32_t flags(struct vuart *u)
{
    drain(u, false);
    return (u->send_count == 0 ? UART_FR_TXFE : UART_FR_BUSY) | (u->send_count == VUART_SEND ? UART_FR_TXFF : 0u) |
           (u->count == 0 ? UART_FR_RXFE : 0u) | (u->count == VUART_FIFO ? UART_FR_RXFF : 0u);
}

static uint32_t read(struct vuart *u, unsigned reg)
{
    switch (reg) {
    case UART_DR:
        return pop(u);
    case UART_FR:
        return flags(u);
    case UART_MIS:
        return u->reg[RIS] & u->reg[IMSC];
    default:
        if (reg / 4 < VUART_REGISTERS)
            return u->reg[reg / 4];
        return reg >= UART_ID && reg < UART_ID + ID_BYTES * 4 ? id[(reg - UART_ID) / 4] : 0;
    }
}

static void write(struct vuart *u, unsigned reg, uint32_t value)
{
    switch (reg) {
    case UART_DR:
        send(u, (char)value);
        break;
    case UART_RSR: /* UARTECR: any value clears the errors */
        u->reg[RSR] = 0;
        break;
    case UART_ICR:
        u->reg[RIS] &= (uint16_t)~value;
        break;
    default:
        if (reg / 4 < VUART_REGISTERS && writable[reg / 4] != 0)
            u->reg[reg / 4] = (uint16_t)(value & writable[reg / 4]);
        break;
    }
}

/* Registers are words. A narrower read gets its lanes of the word, but only one at the first lane reads UARTDR, since
 * that consumes; a narrower write counts at the first lane. */
bool vuart_access(void *ctx, struct vcpu *v, struct mmio *m)
{
    (void)v;
    struct vuart *u = ctx;
    unsigned lane = (unsigned)(m->offset & 3u);
    unsigned reg = m->offset < VUART_WINDOW ? (unsigned)m->offset - lane : VUART_WINDOW;
    lock_take(&u->lock);
    if (!m->write)
        m->value = lane != 0 && reg == UART_DR ? 0 : (uint64_t)(read(u, reg) >> 8 * lane);
    else if (lane == 0)
        write(u, reg, (uint32_t)m->value);
    update_line(u);
    lock_drop(&u->lock);
    return true;
}

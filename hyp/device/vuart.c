/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A PL011 for a guest. */
#include "device/vuart.h"

#include "device/pl011_regs.h"

enum {
    HARDWARE_FIFO = 32, /* what the identification registers promise: revision 3, r1p5 */
    RECEIVE_LEVEL_SHIFT = 3,
    IFLS_RESET = 0x12, /* both at half */
    ID_BYTES = 8,
};

/* PeriphID0..3: part 0x011, designer 0x41, revision 3. PCellID0..3. (DDI 0183, 3.3.16, 3.3.17) */
static const uint8_t id[ID_BYTES] = {0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

static void update_line(struct vuart *u)
{
    bool high = (u->ris & u->imsc) != 0;
    if (high == u->line)
        return;
    u->line = high;
    u->level(u->ctx, high);
}

void vuart_init(struct vuart *u, void (*out)(void *ctx, char c), void (*level)(void *ctx, bool high), void *ctx)
{
    *u = (struct vuart){.out = out, .level = level, .ctx = ctx};
    u->cr = UART_CR_UARTEN | UART_CR_TXE | UART_CR_RXE;
    u->lcrh = UART_LCRH_FEN;
    u->ifls = IFLS_RESET;
}

void vuart_reset(struct vuart *u)
{
    lock_take(&u->lock);
    u->imsc = 0;
    update_line(u);
    u->cr = UART_CR_UARTEN | UART_CR_TXE | UART_CR_RXE;
    u->lcrh = UART_LCRH_FEN;
    u->ifls = IFLS_RESET;
    u->ibrd = u->fbrd = u->ris = u->rsr = u->dmacr = u->ilpr = 0;
    u->head = u->count = 0;
    u->overrun = false;
    lock_drop(&u->lock);
}

/* Characters that make the receive interrupt: the fill level of UARTIFLS, or one without FIFOs. */
static unsigned receive_level(const struct vuart *u)
{
    static const uint8_t eighths[] = {1, 2, 4, 6, 7};
    unsigned select = u->ifls >> RECEIVE_LEVEL_SHIFT & 7u;
    if ((u->lcrh & UART_LCRH_FEN) == 0)
        return 1;
    unsigned level = select < sizeof(eighths) ? eighths[select] : eighths[2];
    return HARDWARE_FIFO / 8 * level;
}

/* The receive timeout, for characters below the level, elapses at once: nothing more is on the wire. */
static bool push(struct vuart *u, char c)
{
    if (u->count == VUART_FIFO) {
        u->overrun = true;
        u->ris |= UART_INT_OE;
        u->rsr |= UART_RSR_OE;
        return false;
    }
    u->fifo[(u->head + u->count++) % VUART_FIFO] = (uint8_t)c;
    u->ris |= UART_INT_RT;
    if (u->count >= receive_level(u))
        u->ris |= UART_INT_RX;
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
        u->ris &= (uint16_t)~UART_INT_RX;
    if (u->count == 0)
        u->ris &= (uint16_t)~UART_INT_RT;
    return value;
}

bool vuart_receive(struct vuart *u, char c)
{
    lock_take(&u->lock);
    bool enabled = (u->cr & UART_CR_UARTEN) != 0 && (u->cr & UART_CR_RXE) != 0 && (u->cr & UART_CR_LBE) == 0;
    bool taken = enabled && push(u, c);
    update_line(u);
    lock_drop(&u->lock);
    return taken;
}

/* It has left before the guest can look again: the transmit FIFO passes its trigger level downwards each time. */
static void send(struct vuart *u, char c)
{
    if ((u->cr & UART_CR_LBE) != 0)
        push(u, c);
    else
        u->out(u->ctx, c);
    u->ris |= UART_INT_TX;
}

static uint32_t flags(const struct vuart *u)
{
    return UART_FR_TXFE | (u->count == 0 ? UART_FR_RXFE : 0u) | (u->count == VUART_FIFO ? UART_FR_RXFF : 0u);
}

static uint32_t read(struct vuart *u, unsigned reg)
{
    switch (reg) {
    case UART_DR:
        return pop(u);
    case UART_RSR:
        return u->rsr;
    case UART_FR:
        return flags(u);
    case UART_ILPR:
        return u->ilpr;
    case UART_IBRD:
        return u->ibrd;
    case UART_FBRD:
        return u->fbrd;
    case UART_LCRH:
        return u->lcrh;
    case UART_CR:
        return u->cr;
    case UART_IFLS:
        return u->ifls;
    case UART_IMSC:
        return u->imsc;
    case UART_RIS:
        return u->ris;
    case UART_MIS:
        return u->ris & u->imsc;
    case UART_DMACR:
        return u->dmacr;
    default:
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
        u->rsr = 0;
        break;
    case UART_ILPR:
        u->ilpr = value & 0xffu;
        break;
    case UART_IBRD:
        u->ibrd = value & 0xffffu;
        break;
    case UART_FBRD:
        u->fbrd = value & 0x3fu;
        break;
    case UART_LCRH:
        u->lcrh = value & 0xffu;
        break;
    case UART_CR:
        u->cr = value & 0xff87u;
        break;
    case UART_IFLS:
        u->ifls = value & 0x3fu;
        break;
    case UART_IMSC:
        u->imsc = value & UART_INT_ALL;
        break;
    case UART_ICR:
        u->ris &= (uint16_t)~value;
        break;
    case UART_DMACR:
        u->dmacr = value & 7u;
        break;
    default: /* UARTFR, UARTRIS, UARTMIS, identification: read-only */
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

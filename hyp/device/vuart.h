/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A PL011 for a guest: what Linux, U-Boot and bare metal use of it. Characters sent leave at once, so the transmit
 * FIFO is always empty; characters received wait in a FIFO of VUART_FIFO, beyond that they are lost (overrun error).
 * It starts enabled, as a firmware leaves it. Plain logic; vuart_access and vuart_receive exclude each other by the
 * lock, which is held while `out` and `level` are called. */
#ifndef DEVICE_VUART_H
#define DEVICE_VUART_H

#include <stdbool.h>
#include <stdint.h>

#include <boot/lock.h>
#include <device/mmio.h>

#define VUART_FIFO   512u /* more than the 32 that the trigger levels speak of: a pasted line fits */
#define VUART_WINDOW 0x1000u

struct vuart {
    struct lock lock;
    void (*out)(void *ctx, char c);      /* a character was sent */
    void (*level)(void *ctx, bool high); /* the interrupt line changed */
    void *ctx;
    bool line;
    bool overrun; /* is reported with the next character read */
    unsigned head, count;
    uint16_t ibrd, fbrd, lcrh, cr, ifls, imsc, ris, rsr, dmacr, ilpr;
    uint8_t fifo[VUART_FIFO];
};

void vuart_init(struct vuart *u, void (*out)(void *ctx, char c), void (*level)(void *ctx, bool high), void *ctx);
/* As after vuart_init; lowers the line. */
void vuart_reset(struct vuart *u);
/* mmio_fn with a struct vuart as ctx; v is not used. */
bool vuart_access(void *u, struct vcpu *v, struct mmio *m);
/* A character for the guest. Never waits; false when it was lost. Any CPU. */
bool vuart_receive(struct vuart *u, char c);

#endif

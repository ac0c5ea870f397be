/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A PL011 for a guest: what Linux, U-Boot and bare metal use of it. Characters sent leave at once, or wait in
 * a FIFO of VUART_SEND when `out` has no room; a guest that does not look at its flags then loses what is beyond it.
 * Characters received wait in a FIFO of VUART_FIFO, beyond that they are lost (overrun error).
 * It starts enabled, as a firmware leaves it. Plain logic; vuart_access and vuart_receive exclude each other by the
 * lock, which is held while `out` and `level` are called. */
#ifndef DEVICE_VUART_H
#define DEVICE_VUART_H

#include <stdbool.h>
#include <stdint.h>

#include <boot/lock.h>
#include <device/mmio.h>

#define VUART_FIFO      512u /* more than the 32 that the trigger levels speak of: a pasted line fits */
#define VUART_SEND      32u  /* as the identification says: Linux writes half of it unasked after an interrupt */
#define VUART_REGISTERS 19u
#define VUART_WINDOW    0x1000u

struct vuart {
    struct lock lock;
    /* A character was sent, as one of the `last` before the guest ended. False: it has to wait, and vuart_drain is called when it
     * need not. */
    bool (*out)(void *ctx, char c, bool last);
    void (*level)(void *ctx, bool high); /* the interrupt line changed */
    void *ctx;
    bool line;
    bool overrun; /* is reported with the next character read */
    unsigned head, count;
    unsigned send_head, send_count;
    uint16_t reg[VUART_REGISTERS]; /* those that are kept, at their offset / 4 */
    uint8_t fifo[VUART_FIFO];
    char send[VUART_SEND];
};

void vuart_init(struct vuart *u, bool (*out)(void *ctx, char c, bool last), void (*level)(void *ctx, bool high),
                void *ctx);
/* As after vuart_init; lowers the line. */
void vuart_reset(struct vuart *u);
/* mmio_fn with a struct vuart as ctx; v is not used. */
bool vuart_access(void *u, struct vcpu *v, struct mmio *m);
/* A character for the guest. Never waits; false when it was lost. Any CPU. */
bool vuart_receive(struct vuart *u, char c);
/* What waits is sent, as far as there is room; `last`: the guest stops. Any CPU. */
void vuart_drain(struct vuart *u, bool last);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The real PL011. */
#include "device/pl011.h"

#include "device/pl011_regs.h"

static volatile uint32_t *reg(volatile void *base, uint32_t offset)
{
    return (volatile uint32_t *)((volatile uint8_t *)base + offset);
}

void pl011_init(volatile void *base)
{
    *reg(base, UART_IMSC) = 0;
    *reg(base, UART_ICR) = UART_INT_ALL;
    *reg(base, UART_LCRH) |= UART_LCRH_FEN;
    *reg(base, UART_CR) |= UART_CR_UARTEN | UART_CR_TXE | UART_CR_RXE;
}

bool pl011_put(volatile void *base, char c)
{
    if ((*reg(base, UART_FR) & UART_FR_TXFF) != 0)
        return false;
    *reg(base, UART_DR) = (uint8_t)c;
    return true;
}

bool pl011_busy(volatile void *base)
{
    return (*reg(base, UART_FR) & UART_FR_BUSY) != 0;
}

int pl011_get(volatile void *base)
{
    if ((*reg(base, UART_FR) & UART_FR_RXFE) != 0)
        return -1;
    return (int)(*reg(base, UART_DR) & 0xffu);
}

void pl011_interrupt(volatile void *base, bool room)
{
    *reg(base, UART_IMSC) = UART_INT_RX | UART_INT_RT | (room ? UART_INT_TX : 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* PL011 registers (Arm DDI 0183), for the real UART and for the virtual one. */
#ifndef DEVICE_PL011_REGS_H
#define DEVICE_PL011_REGS_H

#define UART_DR        0x000u
#define UART_DR_OE     (1u << 11)
#define UART_RSR       0x004u /* read; ECR when written */
#define UART_RSR_OE    (1u << 3)
#define UART_FR        0x018u
#define UART_FR_BUSY   (1u << 3)
#define UART_FR_RXFE   (1u << 4)
#define UART_FR_TXFF   (1u << 5)
#define UART_FR_RXFF   (1u << 6)
#define UART_FR_TXFE   (1u << 7)
#define UART_ILPR      0x020u
#define UART_IBRD      0x024u
#define UART_FBRD      0x028u
#define UART_LCRH      0x02cu
#define UART_LCRH_FEN  (1u << 4)
#define UART_CR        0x030u
#define UART_CR_UARTEN (1u << 0)
#define UART_CR_LBE    (1u << 7)
#define UART_CR_TXE    (1u << 8)
#define UART_CR_RXE    (1u << 9)
#define UART_IFLS      0x034u
#define UART_IMSC      0x038u
#define UART_RIS       0x03cu
#define UART_MIS       0x040u
#define UART_ICR       0x044u
#define UART_DMACR     0x048u
#define UART_ID        0xfe0u /* PeriphID0..3, PCellID0..3 */
/* bits of IMSC, RIS, MIS, ICR */
#define UART_INT_RX  (1u << 4)
#define UART_INT_TX  (1u << 5)
#define UART_INT_RT  (1u << 6)
#define UART_INT_OE  (1u << 10)
#define UART_INT_ALL 0x7ffu

#endif

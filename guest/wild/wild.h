/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#ifndef WILD_H
#define WILD_H

#include "lib/guest.h"

#define DIST   0x08000000ul
#define REDIST 0x080a0000ul
#define RTC    0x09010000ul
#define ABSENT 0x70000000ul
enum { REDIST_BYTES = 0x20000, REDIST_SGI = 0x10000 };

/* One writer at a time: races make it no less arbitrary. */
extern uint64_t random_state;
uint64_t arbitrary(void);

/* What the second vCPU is to do; started by second_do, ended by second_end, which waits for it to be off. */
enum second_act { SECOND_LEAVES, SECOND_WAITS, SECOND_HAMMERS, SECOND_SERVES, SECOND_IS_LOST };
int64_t second_do(enum second_act act);
void second_end(void);

void el0_acts(void);
void interrupt_acts(void);
/* Arbitrary accesses to the interrupt controller's registers. */
void hammer(unsigned times);
/* Ends every interrupt that comes, and leaves its cause as it is. */
void serve(void);
void table_acts(void);
/* The MMU on, with tables in a device: not even its exception vectors can be reached. */
_Noreturn void lose_tables(void);
void console_acts(void);

uint64_t enter_el0(uint64_t pc, uint64_t pstate, uint64_t x0);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#ifndef WILD_H
#define WILD_H

#include "lib/guest.h"

#define DIST   GUEST_GICD
#define REDIST GUEST_GICR
#define RTC    0x09010000ul
#define ABSENT 0x70000000ul

/* What the second vCPU is to do; started by second_do, ended by second_end, which waits for it to be off. */
enum second_act { SECOND_LEAVES, SECOND_WAITS, SECOND_HAMMERS, SECOND_SERVES, SECOND_IS_LOST };
int64_t second_do(enum second_act act);
void second_end(void);

void el0_acts(void);
void interrupt_acts(void);
/* Ends every interrupt that comes, and leaves its cause as it is. */
void serve(void);
void table_acts(void);
/* The MMU on, with tables in a device: not even its exception vectors can be reached. */
_Noreturn void lose_tables(void);
void console_acts(void);

#endif

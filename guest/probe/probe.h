/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* probe: a guest that checks its machine from inside and reports TAP. The manifest's bootargs say what to expect where:
 *
 *   ram=BASE+SIZE         memory to read, write and execute (its own image lies in it)
 *   read-only=BASE+SIZE   reads work, writes fault and change nothing
 *   no-execute=BASE+SIZE  reads and writes work, fetches fault
 *   lazy=BASE+SIZE        zero at first touch, then memory
 *   absent=BASE+SIZE      every access faults
 *   bits=N                nothing answers above so many address bits (40)
 *   vcpus=N               so many vCPUs answer to CPU_ON
 *   off                   power off at the end
 *
 * Faults are expected as external aborts: on-fault = "inject". */
#ifndef PROBE_H
#define PROBE_H

#include "lib/guest.h"

void check_ram(struct range ram);
void check_read_only(struct range area);
void check_no_execute(struct range area);
void check_lazy(struct range area);
void check_absent(struct range area);
void check_beyond(unsigned bits);
void check_walk(struct range absent);
void check_devices(void);
void check_interrupts(void);
void check_many_interrupts(void);
void check_psci(unsigned vcpus);

/* Is this the external abort that on-fault = "inject" promises, with the address that was touched? */
bool injected(struct fault fault, unsigned ec, uint64_t address);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The hypercalls (docs/hypercalls.md), by number: this guest words them as badly as can be. */
#ifndef HOSTILE_CALLS_H
#define HOSTILE_CALLS_H

#include "hostile/hostile.h"
#include "lib/calls.h"

enum { SECRET_ROUNDS = HV_GIVE_BACK + 1, HELD_ROUNDS, CALLS_COUNTED }; /* counted with them */
enum { DESCRIPTOR_BYTES = 32 };                                        /* with one borrower */

/* Words a descriptor of memory of the pool for the accomplice, mostly; and where to put one, which is not always good. */
void describe(uint64_t at);
uint64_t descriptor_place(void);
/* While more than none are under way, no vCPU takes back what it has guessed the handle of. */
void calls_private(int more);

#endif

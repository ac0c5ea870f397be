/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The machine that is measured on. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stdbool.h>

/* Pins this process to the CPU; a negative one: to the last that it may use. Returns which. */
int machine_pin(int cpu);
/* CPU, caches, kernel, compilers, date. */
void machine_report(bool markdown, unsigned rounds, int cpu);

#endif

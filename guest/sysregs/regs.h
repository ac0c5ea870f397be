/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#ifndef SYSREGS_REGS_H
#define SYSREGS_REGS_H

#include <stdbool.h>
#include <stdint.h>

/* mask: bits that may hold any pattern while this guest runs (MMU off, interrupts masked). */
struct reg {
    const char *name;
    uint64_t mask;
    uint64_t (*read)(void);
    void (*write)(uint64_t value);
};
enum { REG_COUNT = 57 };
extern const struct reg regs[];

/* Fills q0 to q31, FPCR and FPSR from one word, and looks whether they still hold it. */
void fp_fill(uint64_t pattern);
bool fp_same(uint64_t pattern);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Syndromes in words (Arm ARM D19.2.37). */
#ifndef BOOT_ESR_H
#define BOOT_ESR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CURRENT_EL2 (2u << 2)

/* By EC into a buffer: "data abort from a lower level", ... */
void esr_class(uint64_t esr, char *to, size_t size);
bool esr_is_abort(uint64_t esr); /* a data or instruction abort: esr_fault says more */
/* By DFSC or IFSC into a buffer: "translation fault, level 3". */
void esr_fault(uint64_t esr, char *to, size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The numbered registers of the virtual CPU interface, which no instruction names by a variable. */
#ifndef DEVICE_ICH_H
#define DEVICE_ICH_H

#include <stdint.h>

uint64_t ich_lr_read(unsigned n); /* n < 16, implemented */
void ich_lr_write(unsigned n, uint64_t value);
/* ICH_AP0R<n>_EL2, ICH_AP1R<n>_EL2; n < registers for the machine's preemption bits */
uint32_t ich_apr_read(unsigned group, unsigned n);
void ich_apr_write(unsigned group, unsigned n, uint32_t value);

#endif

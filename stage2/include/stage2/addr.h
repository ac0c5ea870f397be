/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Typed addresses and ranges. IPA and PA are distinct single-member structs, so mixing them does not compile. */
#ifndef STAGE2_ADDR_H
#define STAGE2_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t v;
} s2_ipa;
typedef struct {
    uint64_t v;
} s2_pa;
/* Half-open [start, end). Addresses have at most 52 bits, so an area at the very top has an end that fits. */
struct s2_ipa_range {
    s2_ipa start, end;
};
struct s2_pa_range {
    s2_pa start, end;
};

#define S2_IPA(x) ((s2_ipa){(uint64_t)(x)})
#define S2_PA(x)  ((s2_pa){(uint64_t)(x)})
#define S2_IPA_NONE S2_IPA(UINT64_MAX)
#define S2_PA_NONE  S2_PA(UINT64_MAX)

/* The operations on them (every one of memory_addr's, checked, wrapping and overflowing) follow here. */

#endif

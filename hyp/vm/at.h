/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The CPU's own walker, for self-tests: AT S12E1R and AT S12E1W while stage 1 is off, so that an address is an IPA. */
#ifndef VM_AT_H
#define VM_AT_H

#include <stdbool.h>
#include <stdint.h>

#define PAR_FAULT   1ull
#define PAR_ADDRESS 0xffffffffff000ull
#define HCR_VM      (1ull << 0)
#define HCR_DC      (1ull << 12) /* stage 1 is off and says Normal write-back, so that PAR_EL1.ATTR is stage 2's word */
#define HCR_RW      (1ull << 31)
#define HCR_FWB     (1ull << 46)

struct at_saved {
    uint64_t hcr, sctlr, par;
};

static inline struct at_saved at_save(void)
{
    struct at_saved s;
    __asm__ volatile("mrs %0, hcr_el2\n\tmrs %1, sctlr_el1\n\tmrs %2, par_el1"
                     : "=r"(s.hcr), "=r"(s.sctlr), "=r"(s.par));
    return s;
}

static inline void at_begin(uint64_t hcr)
{
    __asm__ volatile("msr sctlr_el1, xzr\n\tmsr hcr_el2, %0\n\tisb" ::"r"(hcr) : "memory");
}

static inline void at_end(const struct at_saved *s)
{
    __asm__ volatile("msr sctlr_el1, %0\n\tmsr hcr_el2, %1\n\tmsr par_el1, %2\n\tisb" ::"r"(s->sctlr), "r"(s->hcr),
                     "r"(s->par)
                     : "memory");
}

/* PAR_EL1. */
static inline uint64_t at_ask(uint64_t ipa, bool write)
{
    uint64_t par;
    if (write)
        __asm__ volatile("at s12e1w, %0" ::"r"(ipa) : "memory");
    else
        __asm__ volatile("at s12e1r, %0" ::"r"(ipa) : "memory");
    __asm__ volatile("isb\n\tmrs %0, par_el1" : "=r"(par)::"memory");
    return par;
}

#endif

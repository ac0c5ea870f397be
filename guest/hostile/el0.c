/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* From EL0: accesses, every register and instruction by its encoding, and what asks for a higher level. */
#include "hostile/hostile.h"

#define SCTLR_EL0                                                                                                      \
    (1ul << 14 | 1ul << 15 | 1ul << 16 | 1ul << 18 | 1ul << 26) /* DZE, UCT, nTWI, nTWE, UCI: nothing to EL1 */
#define SYSTEM 0xd5000000u
enum { IMMEDIATES = 1 << 16, ENCODINGS = 1 << 14, ONE_OF = 4 };

static const uint32_t calls[] = {0xd4000001, 0xd4000002, 0xd4000003, 0xd4200000, 0xd4400000,
                                 0xd4a00001, 0xd4a00002, 0xd4a00003}; /* SVC, HVC, SMC, BRK, HLT, DCPS1 to 3 */
/* WFI, WFE, YIELD, SEV, UDF, ERET, DRPS, PACIASP, ESB */
static const uint32_t others[] = {0xd503207f, 0xd503205f, 0xd503203f, 0xd503209f, 0x00000000,
                                  0xd69f03e0, 0xd6bf03e0, 0xd503233f, 0xd503221f};

void el0_act(void)
{
    uint64_t at = place(), r = arbitrary();
    WRITE_REG(sctlr_el1, READ_REG(sctlr_el1) | SCTLR_EL0);
    switch (r % ONE_OF) {
    case 0: /* op0 of 1, 2 or 3: system instructions and registers */
        execute_el0(EL0, SYSTEM | (uint32_t)(ENCODINGS + (r >> 8) % (3ul * ENCODINGS)) << 5, playground());
        break;
    case 1:
        execute_el0(EL0, calls[(r >> 8) % (sizeof(calls) / sizeof(calls[0]))] | (uint32_t)((r >> 16) % IMMEDIATES) << 5,
                    r);
        break;
    case 2:
        if (!may_wait())
            break;
        execute_el0(EL0, others[(r >> 8) % (sizeof(others) / sizeof(others[0]))], at);
        break;
    default:
        execute_el0(EL0, memory_insn(!is_precious(at)), at);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Instructions that are put together at run time, each vCPU in a place of its own. */
#include "hostile/hostile.h"

#define MOV_X0_X1 0xaa0103e0u
#define RET       0xd65f03c0u
#define NOP       0xd503201fu
#define SVC       0xd4000001u
#define ADR_X6    0x100000a6u /* ADR x6, . + 20 */
#define STR_X1_X6 0xf90000c1u /* STR x1, [x6] */
enum { EC_SVC64 = 0x15, PSTATE_EL0 = 0x3c0 };

struct program {
    _Alignas(64) uint32_t word[6];
    uint64_t loaded;
};
static struct program program[GUEST_CPUS];

void look_at(uint64_t value)
{
    if (value >> 32 == NEIGHBOUR_MARK)
        breach(BREACH_NEIGHBOUR);
    if (value == SECRET_OF(hostile.peer))
        breach(BREACH_SECRET);
}

static bool run(enum way way, uint32_t first, uint32_t second, uint64_t value, uint64_t *loaded)
{
    struct program *p = &program[guest_cpu()];
    p->word[0] = first;
    p->word[1] = second;
    p->word[2] = MOV_X0_X1;
    p->word[3] = RET;
    sync_code((uint64_t)p);
    fault_expect();
    *loaded = ((uint64_t(*)(uint64_t))(uintptr_t)p)(value);
    bool stopped = fault_seen().taken;
    count(way, stopped);
    if (!stopped)
        look_at(*loaded);
    return !stopped;
}

bool execute_for(enum way way, uint32_t insn, uint64_t value, uint64_t *loaded)
{
    return run(way, insn, NOP, value, loaded);
}

void execute_two(enum way way, uint32_t first, uint32_t second, uint64_t value)
{
    uint64_t loaded;
    (void)run(way, first, second, value, &loaded);
}

void execute(enum way way, uint32_t insn, uint64_t value)
{
    execute_two(way, insn, NOP, value);
}

void execute_el0(enum way way, uint32_t insn, uint64_t value)
{
    struct program *p = &program[guest_cpu()];
    p->word[0] = insn;
    p->word[1] = ADR_X6; /* of `loaded` */
    p->word[2] = STR_X1_X6;
    p->word[3] = SVC;
    p->loaded = 0;
    sync_code((uint64_t)p);
    uint64_t esr = enter_el0((uint64_t)p, PSTATE_EL0, value);
    count(way, ESR_EC(esr) != EC_SVC64);
    look_at(p->loaded);
}

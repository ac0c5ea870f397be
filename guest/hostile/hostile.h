/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Each file has one way to be hostile: a sweep that goes through all there is, once, and an act, a handful of arbitrary things.
 * All of a VM's vCPUs act at the same time, and so does another VM with this guest, its accomplice. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "lib/calls.h"
#include "lib/guest.h"

enum way { MEMORY, EL0, STAGE1, CALLS, REGISTERS, INTERRUPTS, POWER, HANDOVER, INVALIDATIONS, WAYS };

#define RAM       0x40000000ul
#define RAM_BYTES 0x400000ul
#define ABSENT    0x70000000ul
/* Where a VM retrieves memory of the other's: nothing is there before. */
#define WINDOWS 0x90000000ul
/* What a VM writes into memory that it has taken back. */
#define SECRET_OF(vm) (0x5ec2e75ec2e70000ul + (vm))
enum {
    WINDOW_PAGES = 64,
    PRIVATE_PAGES = GUEST_CPUS, /* of the pool: each vCPU's own, for what must not be mixed up by the others */
};

/* Regions are where guest/manifests/hostile.dts has them. */
struct hostile {
    uint64_t vcpus, self, peer; /* numbers of VMs, as the manifest counts */
    struct range play;          /* read, write, execute, lazily; never handed over */
    struct range pool;          /* read, write; handed over and taken back all the time */
    struct range fixed;         /* read alone */
    struct range added;         /* where memory is that was added while it runs, if it was */
};
extern struct hostile hostile;

/* Of the vector registers: all bits that are in any; to all of them. */
uint64_t fp_leftover(void);
void fp_fill(uint64_t value);

/* What must not happen, each 0 in the end. */
enum breach {
    BREACH_NEIGHBOUR,  /* another VM's words were read */
    BREACH_SECRET,     /* what the accomplice wrote when it had taken its memory back was read */
    BREACH_STALE,      /* memory that was lent, or given back, was reached by its owner */
    BREACH_UNSCRUBBED, /* memory that came back from a loan was not zero, or a register when the VM began */
    BREACH_ALLOWED,    /* what is hidden answered, or a vCPU was started where it cannot be */
    BREACH_MIXED,      /* a translation of another vCPU's was used */
    BREACHES
};
void breach(enum breach what);
/* A hypercall succeeded. */
void succeeded(uint64_t number);

/* One thing was done in that way; stopped: by an exception. */
void count(enum way way, bool stopped);
/* Executes one instruction, or two, with x0 = value; from EL0, one. What it loaded into x1 is looked at; execute_for tells it. False:
 * an exception stopped it. */
bool execute_for(enum way way, uint32_t insn, uint64_t value, uint64_t *loaded);
void execute(enum way way, uint32_t insn, uint64_t value);
void execute_two(enum way way, uint32_t first, uint32_t second, uint64_t value);
void execute_el0(enum way way, uint32_t insn, uint64_t value);
/* A value that was read where it may be another's. */
void look_at(uint64_t value);

/* An address that is arbitrary in a way that hurts: of own memory, around borders, of devices, powers of two, beyond. */
uint64_t place(void);
/* Such a page of memory of its own where anything may be stored. */
uint64_t playground(void);
/* Its own image and what it needs to go on, or what would fill the console. */
bool is_precious(uint64_t address);
/* One of the ways to touch memory; of those that store, too, or not. */
uint32_t memory_insn(bool stores);
uint64_t boundary(void);

/* An interrupt is pending, whatever was done to the interrupt controller before. False: this vCPU is not to wait for it, since
 * the others rely on it. */
bool may_wait(void);
/* Every vCPU that went off goes on again, and what waits is woken; by vCPU 0. */
void revive(void);
/* One hypercall by its number in x[0]; its registers before and after. */
enum { CALL_REGISTERS = 6 };
void call(uint64_t x[CALL_REGISTERS]);
#define HYPERCALL(n) (HV_CALLS + (n))

/* `part` of `parts` of it. */
void memory_sweep(unsigned part, unsigned parts);
void registers_sweep(unsigned part, unsigned parts);
void hidden_sweep(void);
void calls_sweep(unsigned part, unsigned parts);
/* Every page of an IPA space of so many bits, and of as much beyond some; what came of it, when all vCPUs are done. */
void pages_all(unsigned bits, unsigned part, unsigned parts);
void pages_report(unsigned bits);
void memory_act(void);
void el0_act(void);
void stage1_act(void);
void calls_act(void);
void registers_act(void);
void interrupts_act(void);
void power_act(void);
void handover_act(void);
void handover_attend(void);
void invalidations_act(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What every bare-metal guest has: a console, its device tree, exceptions that can be expected, an interrupt
 * controller, a timer, and PSCI. The MMU is off, unless a guest switches it on. Console and interrupt controller are for one vCPU
 * at a time; the rest is for each by itself. */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GUEST_PAGE = 4096 };

/* The guest's own code. dtb is what x0 held at entry. */
void guest_main(const void *dtb);
void guest_main_secondary(uint64_t index);
extern const char guest_image[], guest_code_end[], guest_end[], guest_stacks_end[];
void guest_secondary(void);
/* All bits that were in x1 to x30 when the VM began: none, on a machine that was not used before. */
extern const uint64_t guest_leftover;
enum { GUEST_CPUS = 8 };

/* --- console: the PL011 at 0x09000000 ----------------------------------------------------------------------------- */

#define GUEST_UART 0x09000000ul
void put_char(char c);
/* The next key, or -1 when there is none. */
int get_char(void);
/* %s, %c, %u, %lu, %x and %lx (with 0x), %%. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

/* --- device tree -------------------------------------------------------------------------------------------------- */

/* /chosen/bootargs, or "". */
const char *boot_args(const void *dtb);

struct range {
    uint64_t base, size;
};
/* A word `key` alone. */
bool arg_flag(const char *args, const char *key);
/* A word `key=base+size`. */
bool arg_range(const char *args, const char *key, struct range *out);
/* A word `key=number`, or absent. */
uint64_t arg_number(const char *args, const char *key, uint64_t absent);

/* --- exceptions --------------------------------------------------------------------------------------------------- */

struct guest_frame {
    uint64_t x[31], pc, pstate;
};
struct fault {
    bool taken;
    uint64_t esr, far;
};
#define ESR_EC(esr)  (((esr) >> 26) & 0x3f)
#define ESR_FSC(esr) ((esr)&0x3f)
enum {
    EC_UNKNOWN = 0x00,
    EC_INSN_ABORT = 0x21,
    EC_DATA_ABORT = 0x25,
    FSC_EXTERNAL = 0x10, /* synchronous external abort, not on a table walk */
};
/* Each does one thing that may fault and says whether it did; a fault skips the instruction. */
struct fault try_read(uint64_t address, uint64_t *value);
struct fault try_write(uint64_t address, uint64_t value);
struct fault try_read_pair(uint64_t address);
struct fault try_call(uint64_t address);
struct fault try_smc(uint64_t function, uint64_t *result);
/* Brackets for the same around code of one's own: exceptions between them skip their instruction. */
void fault_expect(void);
struct fault fault_seen(void);

/* Runs from pc at EL0, PSTATE and x0 as given, until the first exception from there; its ESR_EL1. */
uint64_t enter_el0(uint64_t pc, uint64_t pstate, uint64_t x0);

/* --- stage 1: 4K granule, 39 bits on both sides, so that the first table has entries of 1 GiB (D8.2.5, D8.3) ---------------- */

enum { MMU_DEVICE, MMU_NORMAL, MMU_NON_CACHEABLE }; /* AttrIndx */
void mmu_on(const uint64_t *low, const uint64_t *high, uint64_t tcr);
void mmu_off(void);
/* What was stored into tables is what this CPU walks, and nothing of before. */
void mmu_barrier(void);

/* --- arbitrary values ------------------------------------------------------------------------------------------------ */

void arbitrary_seed(uint64_t seed);
/* The next one of this vCPU. */
uint64_t arbitrary(void);
/* Accesses to the interrupt controller's registers, of two vCPUs; and what r says, to its CPU interface and the timers. */
void havoc_registers(unsigned times);
void havoc_interface(uint64_t r);
void havoc_timers(uint64_t r);
/* What the upper half of each of keeper's words is: who reads such a one elsewhere has read another VM's memory. */
#define NEIGHBOUR_MARK 0x6b656570ul

/* --- interrupts ---------------------------------------------------------------------------------------------------- */

#define GUEST_GICD 0x08000000ul
#define GUEST_GICR 0x080a0000ul
enum { GUEST_GICD_BYTES = 0x10000, GUEST_GICR_BYTES = 0x20000 /* of each vCPU */ };
enum { INTID_VTIMER = 27, INTID_PTIMER = 30, INTID_UART = 33, INTID_NONE = 1023 };
void gic_init(void);
/* For INTIDs below 32 the redistributor of vCPU 0 is meant. */
void gic_enable(unsigned intid);
void gic_disable(unsigned intid);
void gic_send_sgi(unsigned intid, unsigned target);
/* Waits at most `ms` for an interrupt, acknowledges and ends it. INTID_NONE: none came. */
unsigned gic_wait(unsigned ms);
void vtimer_arm_ms(unsigned ms);
void ptimer_arm_ms(unsigned ms);
void timers_off(void);
uint64_t now_ms(void);

/* --- PSCI (Arm DEN0022) --------------------------------------------------------------------------------------------- */

enum {
    PSCI_VERSION = 0x84000000u,
    PSCI_CPU_OFF = 0x84000002u,
    PSCI_MIGRATE_INFO_TYPE = 0x84000006u,
    PSCI_SYSTEM_OFF = 0x84000008u,
    PSCI_SYSTEM_RESET = 0x84000009u,
    PSCI_FEATURES = 0x8400000au,
    SMCCC_VERSION = 0x80000000u,
};
#define PSCI_CPU_SUSPEND   0xc4000001u
#define PSCI_CPU_ON        0xc4000003u
#define PSCI_AFFINITY_INFO 0xc4000004u

enum {
    PSCI_SUCCESS = 0,
    PSCI_NOT_SUPPORTED = -1,
    PSCI_INVALID_PARAMETERS = -2,
    PSCI_ALREADY_ON = -4,
    PSCI_INVALID_ADDRESS = -9,
};
uint64_t guest_hvc(uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3);
uint64_t guest_smc(uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3);
_Noreturn void power_off(void);
_Noreturn void reset(void);

/* --- TAP -------------------------------------------------------------------------------------------------------------- */

/* One line of TAP; the format words it. Returns the condition. */
__attribute__((format(printf, 2, 3))) bool ok(bool condition, const char *format, ...);
/* The plan, and one line with the verdict. */
void done(const char *name);

/* --- instructions ----------------------------------------------------------------------------------------------------- */

#define READ_REG(name)                                                                                                 \
    ({                                                                                                                 \
        uint64_t reg_value;                                                                                            \
        __asm__ volatile("mrs %0, " #name : "=r"(reg_value));                                                          \
        reg_value;                                                                                                     \
    })
#define WRITE_REG(name, value)                                                                                         \
    do {                                                                                                               \
        __asm__ volatile("msr " #name ", %0; isb" : : "r"((uint64_t)(value)) : "memory");                              \
    } while (0)

static inline uint64_t load64(uint64_t address)
{
    return *(volatile uint64_t *)address;
}

static inline void store64(uint64_t address, uint64_t value)
{
    *(volatile uint64_t *)address = value;
}

static inline uint32_t load32(uint64_t address)
{
    return *(volatile uint32_t *)address;
}

static inline void store32(uint64_t address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}

/* The vCPU that asks, by its stack: no register of another VM's, or of a test's, is in the way. */
static inline unsigned guest_cpu(void)
{
    uint64_t sp;
    __asm__ volatile("mov %0, sp" : "=r"(sp));
    return (unsigned)(((uint64_t)guest_stacks_end - 1 - sp) / GUEST_PAGE) % GUEST_CPUS;
}

/* Makes an instruction that was just stored at address visible to fetches (B2.4.4). */
static inline void sync_code(uint64_t address)
{
    __asm__ volatile("dc cvau, %0; dsb ish; ic ivau, %0; dsb ish; isb" : : "r"(address) : "memory");
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* All CPUs, through the firmware's PSCI. */
#include <boot/arm.h>
#include <boot/boot.h>
#include <boot/fdt.h>
#include <boot/hooks.h>
#include <boot/layout.h>
#include <boot/mem_init.h>
#include <boot/print.h>
#include <cpu/hooks.h>
#include <cpu/internal.h>

#define PSCI_CPU_OFF 0x84000002u
#define PSCI_CPU_ON  0xc4000003u
#define ANSWER_MS    1000u

/* Read by a CPU whose MMU is off, with the offsets of boot/layout.h. */
struct boot_cpu {
    uint64_t ttbr, stack;
    struct cpu *record;
};
_Static_assert(offsetof(struct boot_cpu, ttbr) == BOOT_CPU_TTBR && offsetof(struct boot_cpu, stack) == BOOT_CPU_STACK &&
                   offsetof(struct boot_cpu, record) == BOOT_CPU_RECORD,
               "boot/head.S reads it");

extern char secondary_entry[];

static unsigned started; /* CPUs that were given a stack */
static unsigned others, answers;
static bool released;

/* A CPU that runs with its record and stack is taken in, or goes. */
static bool join(struct cpu *cpu)
{
    reg_write(tpidr_el2, (uintptr_t)cpu);
    caps_probe(cpu);
    if (!caps_accept(cpu))
        return false;
    smp_add(cpu);
    switch_init(cpu);
    return true;
}

void cpu_init_boot(void)
{
    struct cpu *cpu = mem_alloc(sizeof(*cpu), sizeof(uint64_t) * 8);
    if (cpu != NULL && stage1_make_cpu(&cpu->windows.map)) {
        stage1_use_cpu(&cpu->windows.map);
        started = 1;
        join(cpu);
        return;
    }
    panic("out of memory for the record of a CPU");
}

static bool wait_for(unsigned want)
{
    uint64_t end = cpu_ticks() + cpu_ticks_per_second() * ANSWER_MS / 1000;
    while (__atomic_load_n(&answers, __ATOMIC_ACQUIRE) < want)
        if (cpu_ticks() > end)
            return false;
    return true;
}

static void start(uint64_t mpidr, bool psci)
{
    if (mpidr == this_cpu()->mpidr)
        return;
    others++;
    if (!psci || started == CONFIG_S2_MAX_CPUS) {
        print("bulkhead: CPU 0x%lx stays off: %s\n", mpidr,
              psci ? "CONFIG_S2_MAX_CPUS" : "its enable-method is not PSCI");
        return;
    }
    struct cpu *cpu = mem_alloc(sizeof(*cpu), sizeof(uint64_t) * 8);
    struct boot_cpu *boot = mem_alloc(sizeof(*boot), sizeof(uint64_t) * 8);
    uint8_t *stack = mem_make_stack(started);
    if (cpu == NULL || boot == NULL || stack == NULL || !stage1_make_cpu(&cpu->windows.map)) {
        print("bulkhead: CPU 0x%lx stays off: out of memory\n", mpidr);
        return;
    }
    started++;
    *boot = (struct boot_cpu){mem_pa(cpu->windows.map.root), (uintptr_t)stack, cpu};
    mem_clean(boot, sizeof(*boot));
    unsigned want = answers + 1;
    int64_t result = boot_smc(PSCI_CPU_ON, mpidr, mem_pa(secondary_entry), mem_pa(boot));
    if (result != 0)
        print("bulkhead: CPU 0x%lx stays off: PSCI CPU_ON said %ld\n", mpidr, (long)result);
    else if (!wait_for(want))
        print("bulkhead: CPU 0x%lx did not answer within %u ms\n", mpidr, ANSWER_MS);
}

void cpu_start_others(void)
{
    char model[64];
    sched_init();
    gic_init_cpu();
    fdt_each_cpu(start);
    caps_fix();
    cpu_model(this_cpu(), model, sizeof(model));
    print("bulkhead: %u of %u CPUs up, %s\n", cpu_count(), others + 1, model);
}

void smp_release(void)
{
    __atomic_store_n(&released, true, __ATOMIC_RELEASE);
    dsb(ishst);
    __asm__ volatile("sev");
}

_Noreturn void cpu_secondary(void *record)
{
    struct cpu *cpu = record;
    bool taken = join(cpu);
    if (taken)
        gic_init_cpu();
    else
        print("bulkhead: CPU 0x%lx is refused, it would lower what VMs were built on: %s\n", cpu->mpidr, cpu->refused);
    __atomic_fetch_add(&answers, 1, __ATOMIC_ACQ_REL);
    if (!taken)
        for (;;)
            boot_smc(PSCI_CPU_OFF, 0, 0, 0);
    while (!__atomic_load_n(&released, __ATOMIC_ACQUIRE))
        __asm__ volatile("wfe");
    sched_run();
}

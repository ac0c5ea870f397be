/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* CPU records in use, names of CPUs, and what stage2/'s port asks of this CPU. */
#include <cpu/cpu.h>

#include <s2_port.h>
#include <stage2/vmid.h>

#include <boot/arm.h>
#include <boot/print.h>
#include <cpu/hooks.h>
#include <cpu/internal.h>

_Static_assert(S2_MAX_CPUS >= CONFIG_S2_MAX_CPUS, "VMIDs are kept for every CPU that hyp_cpu_id may name");

static struct cpu *cpus[CONFIG_S2_MAX_CPUS];
static unsigned cpus_online;
static struct lock cpus_lock;

void smp_add(struct cpu *cpu)
{
    lock_take(&cpus_lock);
    cpu->index = cpus_online;
    cpus[cpus_online] = cpu;
    __atomic_store_n(&cpus_online, cpus_online + 1, __ATOMIC_RELEASE);
    lock_drop(&cpus_lock);
}

unsigned cpu_count(void)
{
    return __atomic_load_n(&cpus_online, __ATOMIC_ACQUIRE);
}

struct cpu *cpu_at(unsigned index)
{
    return index < cpu_count() ? cpus[index] : NULL;
}

void cpu_kick(unsigned index)
{
    dsb(ishst); /* what the other CPU is to see comes before the interrupt */
    gic_kick(index);
}

uint64_t cpu_ticks_per_second(void)
{
    return reg_read(cntfrq_el0);
}

uint64_t cpu_ticks(void)
{
    isb(); /* the counter is not read ahead of time */
    return reg_read(cntpct_el0);
}

/* --- names -------------------------------------------------------------------------------------------------------------- */

static const struct {
    uint16_t implementer, part;
    char name[12]; /* no pointer, which would need as much again */
} models[] = {
    {0x41, 0xd03, "Cortex-A53"},  {0x41, 0xd04, "Cortex-A35"},  {0x41, 0xd05, "Cortex-A55"},
    {0x41, 0xd07, "Cortex-A57"},  {0x41, 0xd08, "Cortex-A72"},  {0x41, 0xd09, "Cortex-A73"},
    {0x41, 0xd0a, "Cortex-A75"},  {0x41, 0xd0b, "Cortex-A76"},  {0x41, 0xd0c, "Neoverse-N1"},
    {0x41, 0xd40, "Neoverse-V1"}, {0x41, 0xd41, "Cortex-A78"},  {0x41, 0xd44, "Cortex-X1"},
    {0x41, 0xd46, "Cortex-A510"}, {0x41, 0xd47, "Cortex-A710"}, {0x41, 0xd48, "Cortex-X2"},
    {0x41, 0xd49, "Neoverse-N2"}, {0x41, 0xd4f, "Neoverse-V2"}, {0x00, 0x051, "QEMU max"},
};

void cpu_model(const struct cpu *cpu, char *to, unsigned size)
{
    unsigned implementer = cpu->midr >> 24 & 0xffu, part = cpu->midr >> 4 & 0xfffu;
    unsigned variant = cpu->midr >> 20 & 0xfu, revision = cpu->midr & 0xfu;
    for (unsigned i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        if (models[i].implementer == implementer && models[i].part == part) {
            print_to(to, size, "%s r%up%u", models[i].name, variant, revision);
            return;
        }
    }
    print_to(to, size, "implementer 0x%02x part 0x%03x r%up%u", implementer, part, variant, revision);
}

/* --- stage2/port/arm64 ---------------------------------------------------------------------------------------------------- */

void *mem_window_map(uint64_t pa, size_t bytes)
{
    return mem_window_open(&this_cpu()->windows, pa, bytes);
}

void mem_window_unmap(void *va, size_t bytes)
{
    (void)bytes; /* the window knows what it maps */
    mem_window_close(&this_cpu()->windows, va);
}

void *hyp_window_map(uint64_t pa, size_t bytes)
{
    void *va = mem_window_map(pa, bytes);
    if (va == NULL)
        panic("no window for 0x%lx bytes at 0x%lx: two are open, or it crosses 2 MiB", (unsigned long)bytes, pa);
    return va;
}

void hyp_window_unmap(void *va, size_t bytes)
{
    mem_window_unmap(va, bytes);
}

unsigned hyp_cpu_id(void)
{
    return this_cpu()->index;
}

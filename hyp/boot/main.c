/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* From the first C line with the MMU on to the scheduler. */
#include <boot/boot.h>

#include <string.h>

#include <boot/arm.h>
#include <boot/fdt.h>
#include <boot/hooks.h>
#include <boot/layout.h>
#include <boot/mem_init.h>
#include <boot/print.h>

#define PSCI_SYSTEM_OFF   0x84000008u
#define PSCI_SYSTEM_RESET 0x84000009u
#define MIB               (UINT64_C(1) << 20)

_Static_assert(ENTRY_HCR == (HCR_RW | HCR_AMO | HCR_IMO | HCR_FMO) && ENTRY_CPTR == (CPTR_RES1 | CPTR_TZ | CPTR_TSM) &&
                   ENTRY_SCTLR == SCTLR_EL2_RES1,
               "head.S sets what it means to");

extern char image_start[], image_end[];

struct boot_info boot_info;

_Noreturn void hyp_main(uint64_t fdt_pa, uint64_t ticks, unsigned el); /* head.S */

int64_t boot_smc(uint64_t function, uint64_t a1, uint64_t a2, uint64_t a3)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = a1;
    register uint64_t x2 __asm__("x2") = a2;
    register uint64_t x3 __asm__("x3") = a3;
    /* SMCCC 1.0 lets the callee change x4 to x17. */
    __asm__ volatile("cbnz %w[hvc], 1f\n\t"
                     "smc #0\n\t"
                     "b 2f\n"
                     "1:\thvc #0\n"
                     "2:"
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
                     : [hvc] "r"((uint32_t)boot_info.psci_hvc)
                     : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",
                       "memory");
    return (int64_t)x0;
}

static _Noreturn void halt(void)
{
    for (;;)
        wfi();
}

_Noreturn void boot_power_off(void)
{
    trace_end();
    console_end();
    if (reg_read(currentel) >> 2 < 3)
        boot_smc(PSCI_SYSTEM_OFF, 0, 0, 0);
    halt();
}

_Noreturn void boot_reset(void)
{
    boot_smc(PSCI_SYSTEM_RESET, 0, 0, 0);
    halt();
}

const char *boot_option(const char *name, size_t *bytes)
{
    size_t n = strlen(name);
    for (const char *at = boot_info.bootargs; *at != '\0';) {
        const char *end = at;
        while (*end != '\0' && *end != ' ')
            end++;
        if ((size_t)(end - at) > n && strncmp(at, name, n) == 0 && at[n] == '=') {
            *bytes = (size_t)(end - at) - n - 1;
            return at + n + 1;
        }
        for (at = end; *at == ' '; at++)
            ;
    }
    return NULL;
}

uint64_t boot_number(const char *name, uint64_t absent)
{
    size_t bytes;
    const char *option = boot_option(name, &bytes);
    uint64_t value = 0;
    for (size_t i = 0; option != NULL && i < bytes && option[i] >= '0' && option[i] <= '9'; i++)
        value = value * 10 + (uint64_t)(option[i] - '0');
    return option != NULL ? value : absent;
}

/* A console, even when there is no device tree to find it with. */
static void start_console(const char *fdt_wrong)
{
    if (fdt_wrong == NULL && console_init(boot_info.fdt))
        return;
    void *uart = CONFIG_FALLBACK_UART == 0 ? NULL : mem_map_device(CONFIG_FALLBACK_UART, MEM_PAGE);
    if (uart != NULL)
        console_init_at(uart);
}

static _Noreturn void refuse(const char *what)
{
    print("Bulkhead cannot start: %s\n", what);
    boot_power_off();
}

/* On a stack with a guard below it. */
static _Noreturn void second_half(void)
{
    if (!gic_init(boot_info.fdt))
        refuse("no GICv3");
    cpu_start_others();
    trace_init();
    vm_boot();
    sched_run();
}

_Noreturn void hyp_main(uint64_t fdt_pa, uint64_t ticks, unsigned el)
{
    boot_info.entry_ticks = ticks;
    boot_info.image.start = stage1_image_pa();
    boot_info.image.end = boot_info.image.start + ((uintptr_t)image_end - (uintptr_t)image_start);
    const char *wrong = fdt_open(fdt_pa);
    boot_info.psci_hvc = el == 1 && fdt_psci_is_hvc();
    start_console(wrong);
    if (el != 2) {
        print("Bulkhead cannot start: it was entered at EL%u and needs EL2%s\n", el,
              el == 1 ? " (QEMU: -M virt,virtualization=on)" : "");
        boot_power_off();
    }
    if (wrong != NULL)
        refuse(wrong);
    fdt_read_host();
    if (!fdt_choose_pool(CONFIG_HYP_POOL_MIB * MIB))
        refuse("no room in RAM for the hypervisor's pool (CONFIG_HYP_POOL_MIB)");
    if (!mem_init_pool())
        refuse("out of memory for its own tables");
    cpu_init_boot();
    uint8_t *stack = mem_make_stack(0);
    if (stack == NULL)
        refuse("out of memory for a stack");
    __asm__ volatile("mov sp, %0\n\tmov x29, xzr\n\tbr %1" : : "r"(stack), "r"(&second_half) : "memory");
    __builtin_unreachable();
}

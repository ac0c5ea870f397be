/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* When the hypervisor itself went wrong: say what is known, then switch the machine off. */
#include <stdbool.h>
#include <stdint.h>

#include <boot/arm.h>
#include <boot/boot.h>
#include <boot/esr.h>
#include <boot/hooks.h>
#include <boot/layout.h>
#include <boot/mem.h>
#include <boot/print.h>

#define BACKTRACE 16u

struct crash_frame {
    uint64_t x[31], sp;
};

_Noreturn void crash(unsigned kind, const struct crash_frame *f); /* vectors.S */

extern char image_start[], rodata_start[], bss_start[], image_end[];

/* For crashes before there is a console. */
static void need_console(void)
{
    static bool tried;
    if (boot_info.fdt == NULL && !tried && CONFIG_FALLBACK_UART != 0) {
        tried = true;
        void *uart = mem_map_device(CONFIG_FALLBACK_UART, MEM_PAGE);
        if (uart != NULL)
            console_init_at(uart);
    }
    console_panic();
}

static bool on_a_stack(uint64_t at)
{
    return at % 16 == 0 && ((at >= VA_STACKS && at < VA_MAPS - STACK_STRIDE && (at & STACK_BYTES) != 0) ||
                            (at >= (uintptr_t)bss_start && at < (uintptr_t)image_end));
}

/* By frame records (AAPCS64): {next record, return address}, addresses ascending. */
static void backtrace(uint64_t pc, uint64_t record)
{
    print("  at   0x%lx (text + 0x%lx)\n", pc, pc - (uintptr_t)image_start);
    for (unsigned i = 0; i < BACKTRACE && on_a_stack(record); i++) {
        const uint64_t *r = (const uint64_t *)(uintptr_t)record;
        if (r[1] - (uintptr_t)image_start >= (uintptr_t)rodata_start - (uintptr_t)image_start)
            break;
        print("  from 0x%lx (text + 0x%lx)\n", r[1], r[1] - (uintptr_t)image_start);
        if (r[0] <= record)
            break;
        record = r[0];
    }
}

static void registers(const struct crash_frame *f)
{
    for (unsigned i = 0; i < 30; i += 3)
        print("  x%-2u %016lx  x%-2u %016lx  x%-2u %016lx\n", i, f->x[i], i + 1, f->x[i + 1], i + 2, f->x[i + 2]);
    print("  x30 %016lx  sp  %016lx\n", f->x[30], f->sp);
}

/* One CPU tells its story to the end; what crashes while it tells it is the end. */
static void only_once(void)
{
    static uint64_t teller;
    uint64_t nobody = 0, me = reg_read(mpidr_el1); /* bit 31 is RES1 */
    if (__atomic_compare_exchange_n(&teller, &nobody, me, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return;
    if (nobody == me)
        boot_power_off();
    for (;;)
        wfi();
}

_Noreturn void crash(unsigned kind, const struct crash_frame *f)
{
    static const char *const kinds[] = {"synchronous exception", "interrupt", "fast interrupt", "SError"};
    only_once();
    need_console();
    if (reg_read(currentel) != CURRENT_EL2) {
        print("\nBulkhead: an exception outside EL2\n");
        boot_power_off();
    }
    uint64_t esr = reg_read(esr_el2), far = reg_read(far_el2), pc = reg_read(elr_el2);
    print("\nBulkhead: the hypervisor crashed: %s on CPU with MPIDR 0x%lx\n", kinds[kind & 3u], reg_read(mpidr_el1));
    char words[48];
    esr_class(esr, words, sizeof(words));
    print("  ESR 0x%lx: %s", esr, words);
    if (esr_is_abort(esr)) {
        esr_fault(esr, words, sizeof(words));
        print(", %s, %s of 0x%lx", words, (esr & ESR_WNR) != 0 ? "write" : "read or fetch", far);
    }
    print("\n");
    if (far >= VA_STACKS && far < VA_MAPS && (far & STACK_BYTES) == 0 && esr_is_abort(esr))
        print("  that is below a stack: it overflowed\n");
    print("  ELR 0x%lx SPSR 0x%lx FAR 0x%lx HCR 0x%lx VTTBR 0x%lx\n", pc, reg_read(spsr_el2), far, reg_read(hcr_el2),
          reg_read(vttbr_el2));
    registers(f);
    backtrace(pc, f->x[29]);
    boot_power_off();
}

_Noreturn void panic(const char *fmt, ...)
{
    char text[PRINT_LINE];
    va_list args;
    need_console();
    va_start(args, fmt);
    vprint_to(text, sizeof(text), fmt, &args);
    va_end(args);
    print("\nBulkhead: %s\n", text);
    const uint64_t *record = __builtin_frame_address(0);
    backtrace(record[1], record[0]);
    boot_power_off();
}

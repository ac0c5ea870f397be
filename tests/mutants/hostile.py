# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Mutations that a guest could make use of which means ill, as in hyp.py. What QEMU does not show (a local TLBI of stage 2 alone, traps of
TIDCP, TACR, TSW) is for the model and the trace."""

SWITCH = "hyp/cpu/switch.c"
PORT = "stage2/port/arm64/s2_port.h"
SHARECALLS = "hyp/vm/sharecalls.c"
PSCI = "hyp/vm/psci.c"
RESIZE = "hyp/vm/resize.c"
WORK = "hyp/vm/work.c"

MUTATIONS = [
    ("hostile_no_tlbi", PORT, '        __asm__ volatile("tlbi vmalle1is" ::: "memory");\n', "",
     "what is unmapped is not flushed", "test_hostile.py"),
    ("hostile_local_tlbi", PORT, '        __asm__ volatile("tlbi vmalle1is" ::: "memory");\n',
     '        __asm__ volatile("tlbi vmalle1" ::: "memory");\n', "what is unmapped is not flushed on other CPUs", "test_hostile.py"),
    ("hostile_sibling", SWITCH, "    s2_port_tlbi(NULL, S2_TLBI_VMALLE1, 0);\n    __asm__", "    __asm__",
     "a vCPU meets translations of its sibling's (T13)", "test_trace.py"),
    ("hostile_level_unbounded", PSCI, "    if (c->a[1] >= AFFINITY_LEVELS)\n        return INVALID_PARAMETERS;\n", "",
     "an affinity level is read from behind a table", "test_hostile.py"),
    ("hostile_index_unbounded", "hyp/vm/calls.c", "    if (index >= VM_ADDED)\n        return CALL_NO_ENTRY;\n", "",
     "a guest is told what lies behind a table", "test_hostile.py"),
    ("hostile_descriptor_unbounded", SHARECALLS, "    if (!calldesc_size_ok(bytes))\n        return CALL_INVALID;\n", "",
     "a descriptor is copied over the stack", "test_hostile.py"),
    ("hostile_entry_anywhere", PSCI, "    if (!can_execute(vm, c->a[1]))\n        return INVALID_ADDRESS;\n", "",
     "a vCPU starts where nothing executes", "test_hostile.py"),
    ("hostile_on_twice", "hyp/vm/life.c", "    bool ok = is_up(vm) && *was == POWER_OFF;", "    bool ok = is_up(vm);",
     "a vCPU that runs is started", "test_probe.py"),
    ("hostile_pmu", SWITCH, "            mdcr |= MDCR_TPM | MDCR_TPMCR |", "            mdcr |=",
     "counters that are hidden answer", "test_hostile.py"),
    ("hostile_sve", SWITCH, "CPTR_RES1 | CPTR_TZ | CPTR_TSM | CPTR_TTA", "CPTR_RES1 | CPTR_TSM | CPTR_TTA",
     "SVE, which is hidden and not switched, answers", "test_hostile.py"),
    ("hostile_os_lock", SWITCH, "MDCR_TDA | MDCR_TDOSA | MDCR_TDRA", "MDCR_TDA | MDCR_TDRA",
     "a guest locks the debug registers of all", "test_hostile.py"),
    ("hostile_debug", SWITCH, "MDCR_TDA | MDCR_TDOSA | MDCR_TDRA", "MDCR_TDOSA | MDCR_TDRA",
     "the external debugger's channel is the machine's", "test_hostile.py"),
    ("hostile_lor", SWITCH, "    hcr |= (some & CPU_HAS_LOR) != 0 ? HCR_TLOR : 0;\n", "", "LORegions, which are hidden, answer",
     "test_hostile.py"),
    ("hostile_ras", SWITCH, "HCR_TERR | HCR_TEA : 0", "HCR_TEA : 0", "the machine's error records answer", "test_hostile.py"),
    ("hostile_gives_any", RESIZE, "a->ipa == ipa && a->bytes == bytes && (", "a->ipa == ipa && (",
     "more is taken away than the call names", "test_life.py"),
    ("hostile_wrong_doorbell", SHARECALLS, "    if (info.owner != self)\n        vm_event(vm_of(info.owner), EVENT_RUNG);",
     "    if (info.owner != self)\n        vm_event(a->vm, EVENT_RUNG);", "the doorbell is another VM's", "test_exchange.py"),
    ("hostile_doorbell_each_time", "hyp/vm/event.c", "    if ((__atomic_fetch_or(&vm->events, mask, __ATOMIC_ACQ_REL) & mask) == 0)\n",
     "    __atomic_fetch_or(&vm->events, mask, __ATOMIC_ACQ_REL);\n", "a doorbell rings as often as others like", "test_life.py"),
    ("hostile_scrub_unbounded", SHARECALLS, "enum { SCRUB_FRAMES = 256 };", "enum { SCRUB_FRAMES = 1 << 20 };",
     "a call zeroes any amount of memory", "test_exchange.py"),
    ("hostile_step_unbounded", WORK, "    STEP_FRAMES = 256, ", "    STEP_FRAMES = 1 << 20, ",
     "a restart is one step, for which the neighbours wait (A8)", "test_hostile.py"),
    ("hostile_quota", "hyp/vm/vm.c", ".frame_quota = frame_quota(cfg),", ".frame_quota = frame_quota(cfg) * 64,",
     "a VM takes more memory than the manifest says", "test_exchange.py"),
    ("hostile_dirty_loan", "stage2/frame/share_life.c", "    s2_frames_zero(l->port, piece.start, bytes);\n", "",
     "a loan comes back as its borrower left it (O3)", "test_hostile.py"),
    ("hostile_registers_kept", SWITCH, "    memset(&v->regs, 0, sizeof(v->regs));\n", "", "a VM begins with registers of an earlier run (O7)",
     "test_hostile.py"),
    ("hostile_vectors_kept", SWITCH, "    memset(&v->fp, 0, sizeof(v->fp));\n", "", "a VM begins with vector registers of an earlier run (O7)",
     "test_hostile.py"),
    ("hostile_system_kept", SWITCH, "    memset(&v->sys, 0, sizeof(v->sys));\n", "", "a VM begins with system registers of an earlier run (O7)",
     "test_life.py"),
    ("hostile_interrupts_kept", WORK, "    vgic_reset(&vm->vgic);\n", "", "a VM begins with interrupts of an earlier run (O7)", "test_life.py"),
    ("hostile_uart_kept", WORK, "    vuart_reset(&vm->uart);\n", "", "a VM begins with the UART as an earlier run left it (O7)",
     "test_life.py"),
    ("hostile_timer_kept", WORK, "        vtimer_init(&vm->timer[i], now);\n", "        (void)now;\n",
     "a VM begins with the timers of an earlier run (O7)", "test_life.py"),
]

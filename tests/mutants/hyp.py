# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Mutations that a boot under QEMU has to see: (name, file, old text, new text, what it breaks, scripts of tests/boot)."""

SWITCH = "hyp/cpu/switch.c"
SCHED = "hyp/cpu/sched.c"
SYSREGS = "hyp/cpu/sysregs.tbl"
VTIMER = "hyp/device/vtimer.c"
VGIC = "hyp/device/vgic.c"
WORK = "hyp/vm/work.c"
SHARES = "hyp/vm/shares.c"
SHARECALLS = "hyp/vm/sharecalls.c"
CALLDESC = "hyp/vm/calldesc.c"

MUTATIONS = [
    ("hyp_fp_not_saved", "hyp/boot/vectors.S", "fp_save:\n\teach_vector stp\n", "fp_save:\n",
     "FP/SIMD registers are not saved", "test_sysregs.py"),
    ("hyp_fp_not_restored", SWITCH, "    fp_restore(&v->fp);\n    cpu->loaded = v;", "    cpu->loaded = v;",
     "FP/SIMD registers are another guest's", "test_sysregs.py"),
    ("hyp_tpidr_not_switched", SYSREGS, "register TPIDR_EL1      3 0 13 0 4  base   switch ",
     "register TPIDR_EL1      3 0 13 0 4  base   free ", "TPIDR_EL1 is not switched", "test_sysregs.py"),
    ("hyp_timer_value_not_restored", VTIMER, "    icc_write(CNTV_CVAL_EL0, t->virt.cval);\n", "",
     "the virtual timer's compare value is another guest's", "test_sysregs.py"),
    ("hyp_vmcr_not_restored", VGIC, "    icc_write(ICH_VMCR_EL2, gic->vmcr);\n    for", "    for",
     "the interrupt priority mask is another guest's", "test_sysregs.py"),
    ("hyp_unloaded_timer_ignored", VTIMER, "t->loaded ? UINT64_MAX : vtimer_due(&t->virt, t->offset);", "UINT64_MAX;",
     "the timer of a vCPU that is not loaded never fires (rule 21)", "test_many.py"),
    ("hyp_slice_never_over", SCHED, "        if (others && cpu_ticks() >= cpu->slice_end)\n            break;\n", "",
     "a guest that spins keeps the CPU", "test_many.py"),
    ("hyp_lr_state_lost", VGIC, "    vgic_core_sync(gic, now, hcr);\n", "", "what a guest did to its list registers is lost",
     "test_probe.py"),
    ("hyp_smc_not_trapped", SWITCH, "HCR_TID3 | HCR_TSC |", "HCR_TID3 |", "a guest's SMC reaches the firmware",
     "test_probe.py"),
    ("hyp_xn_lost", "stage2/table/desc.c", "    return desc | (uint64_t)execute_never[run] << DESC_XN_SHIFT;", "    return desc;",
     "everything is executable (G7)", "test_probe.py"),
    ("hyp_write_always", "stage2/table/desc.c", "    if (bits & S2_W)\n", "    if (bits & S2_R)\n",
     "read-only memory is writable", "test_probe.py"),
    ("hyp_lacks_told_always", "hyp/vm/windows.c", "owner->quiet ? &untold : p", "((void)owner, (void)untold, p)",
     "what a window's borrower lacks is told at each of endless resets", "test_flood.py"),
    ("hyp_restart_unscrubbed", WORK, "        s2_frames_zero(host.port, S2_PA(r->pa + vm->work_done), bytes);\n", "",
     "a VM that restarts at a chosen place finds what it left (O7)", "test_keys.py"),
    ("hyp_scrub_zeroes_nothing", "stage2/frame/scrub.c", "        s2_port_zero(port, va, (size_t)n);\n", "",
     "memory that comes back is not scrubbed (O3)", "test_keys.py"),
    ("hyp_share_not_revoked", SHARES, "        s2_space_revoke(&vm->space, handle);\n        vm_space_release(vm);", "        vm_space_release(vm);",
     "what is reclaimed stays mapped in its borrowers", "test_exchange.py"),
    ("hyp_shared_scrub_nothing", "stage2/frame/share_life.c", "    s2_frames_zero(l->port, piece.start, bytes);\n", "",
     "a loan comes back, and a donation arrives, with what another VM wrote", "test_exchange.py"),
    ("hyp_event_silent", "hyp/vm/event.c", "        vgic_pulse(&vm->vgic, FIRST_SPI + vm->cfg->doorbell_spi);\n", "        (void)FIRST_SPI;\n",
     "events do not ring the doorbell", "test_exchange.py"),
    ("hyp_stranger_told", SHARECALLS, "        if (mine == NULL && info.owner != a->vm->id)\n            continue;\n", "",
     "a VM is told of shares that do not name it", "test_exchange.py"),
    ("hyp_stranger_rings", SHARECALLS, "    if (info.owner != self && (mine == NULL || mine->state != S2_BORROW_HELD))\n        return CALL_DENIED;\n", "",
     "a VM rings others for a share that it does not hold", "test_exchange.py"),
    ("hyp_descriptor_read_twice", SHARECALLS, "    return calldesc_read(copy, (size_t)bytes, kind, a->vm->index, vm_count(), offer);\n",
     "    enum call_error error = calldesc_read(copy, (size_t)bytes, kind, a->vm->index, vm_count(), offer);\n"
     "    for (volatile unsigned pause = 0; pause < 50000; pause++) {\n    }\n"
     "    err = s2_space_copy_out(&a->vm->space, copy, S2_IPA(at), (size_t)bytes, S2_R, &d);\n"
     "    if (error == CALL_SUCCESS && err == S2_OK)\n"
     "        (void)calldesc_read(copy, (size_t)bytes, kind, a->vm->index, vm_count(), offer);\n    return error;\n",
     "a descriptor is checked, and a while later read again", "test_exchange.py"),
    ("hyp_shares_outlive", "hyp/vm/work.c", "        if (vm->has_space && vm_shares_end_step(vm))\n            return;\n", "",
     "who restarts leaves its shares in its borrowers", "test_exchange.py"),
    ("hyp_work_by_number", WORK, "        struct vm *vm = vm_at(next++ % vm_count());\n", "        struct vm *vm = vm_at(i);\n        (void)next;\n",
     "those that restart for ever keep others from what they want", "test_flood.py"),
    ("calls_count", CALLDESC, "bytes != CALL_DESC_HEAD + (uint64_t)CALL_DESC_EACH * d.borrowers || ", "",
     "borrowers are read from behind the descriptor", "test_calls"),
    ("calls_reserved", CALLDESC, "d.reserved != 0 ||", "", "reserved fields may be anything", "test_calls"),
    ("calls_itself", CALLDESC, " || vm == self ||", " ||", "a VM shares with itself", "test_calls"),
    ("calls_bound", CALLDESC, "d->bytes > CALL_SHARE_BYTES || ", "", "one call may be about any amount of memory", "test_calls"),
    ("outring_last_words_unbounded", "hyp/device/outring.h", "s->used < OUTRING_SHARE + OUTRING_LAST && ", "",
     "what a guest says last is in nobody's share", "test_outring"),
]

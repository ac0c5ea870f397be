# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Mutations in the life of a VM; as in hyp.py."""

SCHED = "hyp/cpu/sched.c"
LIFE = "hyp/vm/life.c"
WORK = "hyp/vm/work.c"
HOST = "hyp/vm/host.c"

MUTATIONS = [
    ("life_pause_runs_on", SCHED, "    return ask_to_leave(v, LEAVE_PAUSE);\n", "    (void)v;\n    return false;\n",
     "a VM that is paused runs on", "test_life.py"),
    ("life_time_runs_on", LIFE, "            vm->timer[i].offset += stood;\n", "            (void)stood;\n",
     "virtual time goes on while a VM is paused", "test_life.py"),
    ("life_leaving_waits", SCHED, "!cpu->leave_asked && !cpu->slice_over", "v->leaving == LEAVE_NOT && !cpu->slice_over",
     "a vCPU that waits is stopped when the one that runs there gives way, which may be never", "test_life.py"),
    ("life_ram_kept", HOST, "        if (ram)\n            s2_frames_give_back(&host.frames, e.range);\n", "",
     "RAM at a chosen place does not go back", "test_life.py"),
    ("life_device_kept", HOST, "        if (e.owner != vm || (!ram && e.state != S2_DEVICE))\n", "        if (e.owner != vm || !ram)\n",
     "devices do not go back", "test_life.py"),
    ("life_interrupts_kept", "hyp/vm/vm.c", "    vgic_unmap_all(&vm->vgic); /* before somebody else has the device */\n", "",
     "interrupts do not go back", "test_life.py"),
    ("life_define_unscrubbed", WORK, "        go_on(vm, WORK_SCRUB, vm->state);\n", "        go_on(vm, WORK_BUILD, vm->state);\n",
     "a VM that is defined finds what was at its chosen place (O7)", "test_life.py"),
    ("life_events_kept", WORK, "        __atomic_store_n(&vm->events, 0, __ATOMIC_RELAXED);\n", "",
     "a VM that restarts is told what happened before", "test_life.py"),
    ("life_added_kept", "hyp/vm/resize.c", "        vm->added[i].state = ADDED_NONE;\n}", "        (void)vm->added[i];\n}",
     "a VM that restarts believes to have what was added before", "test_life.py"),
    ("life_unclaimed_stopped", WORK, "vm->work == WORK_CLAIM ? VM_ABSENT : VM_STOPPED", "VM_STOPPED",
     "a VM that was stopped before anything was claimed for it counts as one that has it, and scrubs it (O3)", "test_turns.py"),
    ("life_last_turned_back", WORK, "    if (stays)\n        vm_end_if_last();\n", "",
     "nobody notices that the VM whose restart is turned back was the last one", "test_turns.py"),
    ("life_gives_half", "hyp/vm/resize.c", "    if (err != S2_OK || is_plain(vm, a))\n", "    if (err != S2_OK || a != NULL)\n",
     "memory is taken from a VM though it shares a part of it", "test_life.py"),
    ("life_failure_holds", WORK, "    vm_work_begin(vm, WORK_DESTROY, GOAL_ABSENT);\n    lock_drop(&vm->lock);\n}\n\n/* --- the beginning",
     "    vm_work_begin(vm, WORK_NONE, GOAL_ABSENT);\n    lock_drop(&vm->lock);\n}\n\n/* --- the beginning",
     "a VM that cannot be defined holds what it got", "test_scarce.py"),
    ("life_vmid_kept", "stage2/table/vmid.c", "    v->active[cpu] = 0;\n    v->reserved[cpu] = 0;\n    s2_port_unlock",
     "    (void)cpu;\n    s2_port_unlock", "VMIDs of VMs that are gone are kept until the rollover", "test_vmid"),
]

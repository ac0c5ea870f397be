# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Mutations of how faults are read and answered (mutants.py says what these are)."""

FAULT = "stage2/space/fault.c"
DECODE = "stage2/space/fault_decode.c"

MUTATIONS = [
    ("at_as_user", DECODE, "s2_port_at_s1(port, out->va, false, false)", "s2_port_at_s1(port, out->va, false, out->user)",
     "a fetch from a page that EL0 may only execute is never resolved", "test_fault_decode"),
    ("fault_user_execute", FAULT, "f->user ? S2_UX : S2_X", "S2_X", "EL0's right to execute is EL1's", "test_fault"),
    ("fault_beyond_ipa", FAULT, "f->ipa.v < s2_ipa_limit(&sp->cfg.geometry) ? S2_NO_AREA : S2_BEYOND_IPA", "S2_NO_AREA",
     "an access beyond the IPA size is not said to be (O9)", "test_fault"),
    ("fault_spurious_not_flushed", FAULT, "    s2_table_flush_local(&sp->table, f->ipa);\n", "",
     "a stale permission faults for ever (T8)", "test_fault"),
    ("fault_conflict_not_flushed", FAULT, "        s2_table_flush_local_all(&sp->table);\n", "",
     "a TLB conflict aborts for ever (rule 4)", "test_fault"),
    ("fault_two_chunks", FAULT, "s2_area_lazy(&a) &&\n        !s2_imap_find(&sp->chunks, ipa.v, NULL))", "s2_area_lazy(&a))",
     "two vCPUs that fault on one page get two chunks (G13)", "test_lessons"),
    ("fault_forever", FAULT, "    if (++cache->repeats <= S2_FAULT_REPEATS)\n", "    if (true)\n",
     "a fault that nothing resolves repeats without end", "test_fault"),
    ("fault_dying", FAULT, "out->has_area = !sp->dying && ", "out->has_area = ", "a dying space maps on a fault (A8)",
     "test_space_life"),
    ("hpfar_unknown", DECODE, "        return f->on_walk;", "        return true;", "HPFAR_EL2 is used where it is UNKNOWN (rule 1)",
     "test_fault"),
    ("level_minus_1", DECODE, "FSC_TRANSLATION_MINUS_1 = 0x2b", "FSC_TRANSLATION_MINUS_1 = 0x2c",
     "translation faults of level -1 are not known (rule 2)", "test_fault_decode"),
    ("at_failure_used", DECODE, "    if (par & PAR_F) {", "    if (false) {", "a failed AT gives an IPA (rule 1)", "test_fault"),
    ("walk_offset", DECODE, "(out->on_walk ? 0 : in_page)", "in_page", "a walk's IPA gets the offset of another address",
     "test_fault_decode"),
    ("maintenance_writes", DECODE, "esr & ESR_WNR && !f->maintenance", "esr & ESR_WNR", "cache maintenance counts as a write",
     "test_fault_decode"),
    ("syndrome_of_a_walk", DECODE, "(esr & ESR_ISV) && !out->on_walk;", "(esr & ESR_ISV);",
     "a stage-1 walk is emulated as an access", "test_fault"),
    ("fault_large_leaves", FAULT, "    if (sp->cfg.small_leaves)\n", "    if (false)\n",
     "a fault maps a block where there are to be pages only", "test_lessons"),
    ("kind_not_emulated", FAULT, "out->area.backend->emulates", "out->area.backend == &s2_backend_trap",
     "only the library's own kind is emulated", "test_space_kind"),
]

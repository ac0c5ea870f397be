# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Mutations that the audit has to see, and of the audit: (name, file, old text, new text, what it breaks, suites of tests/unit)."""

CHUNKS = "stage2/space/chunks.c"
CHECK = "stage2/space/check.c"
AUDIT = "stage2/space/audit.c"
AUDIT_SHARES = "stage2/space/audit_shares.c"

MUTATIONS = [
    ("audit_entry_kept", CHUNKS, "        s2_ledger_set(sp->cfg.ledger, &nobodys);\n",
     "",
     "what an area gave back stays its VM's by the ledger (A4)", "test_audit"),
    ("audit_frame_kept", CHUNKS, "        s2_frames_free(sp->cfg.frames, run, untouched, false);\n",
     "",
     "what an area gave back is nobody's, and not free", "test_audit"),
    ("audit_frame_twice", CHUNKS, "        s2_frames_free(sp->cfg.frames, run, untouched, false);\n",
     "        s2_frames_free(sp->cfg.frames, run, untouched, false);\n        s2_frames_free(sp->cfg.frames, run, untouched, false);\n",
     "what an area gives back is freed twice", "test_audit"),
    ("audit_held_kept", CHUNKS, "    sp->frames_held -= frames;\n    return frames;",
     "    return frames;",
     "frames that went back count as held", "test_audit"),
    ("audit_allocator_not_asked", AUDIT, "if (e->state != S2_FREE && any_free(f, e->range, &pa))",
     "if (false && any_free(f, e->range, &pa))",
     "the audit does not ask the allocator about frames in use", "test_audit"),
    ("audit_leak_unseen", AUDIT, "    if (used > held && !dying)",
     "    if (false && !dying)",
     "a frame that nobody has is not missed", "test_audit"),
    ("audit_pages_unseen", AUDIT, "    if (*sum != p->pages)",
     "    if (*sum > p->pages + 8ull)",
     "a table page that nobody has is not missed", "test_audit"),
    ("audit_vmid_unseen", AUDIT, "one->table.vmid.id != other->table.vmid.id ||",
     "one->table.vmid.id == other->table.vmid.id ||",
     "two VMs with one VMID are no finding", "test_audit"),
    ("audit_hyp_writable", AUDIT, "    if (leaf->writable && leaf->executable)\n",
     "    if (false)\n",
     "the hypervisor may map what it writes and executes", "test_audit"),
    ("audit_hyp_not_own", AUDIT, "e.state == S2_HYP)\n            continue;",
     "true)\n            continue;",
     "the hypervisor may map the memory of a VM", "test_audit"),
    ("audit_slice_gap", "stage2/space/audit_space.c", "    struct s2_ipa_range rest = {S2_IPA(a->at), S2_IPA(limit)};\n    struct s2_area area;",
     "    struct s2_ipa_range rest = {S2_IPA(0), S2_IPA(0)};\n    struct s2_area area;",
     "a space is not gone through", "test_audit"),
    ("audit_nodes_unseen", "stage2/space/audit_space.c", "    else if (nodes->reserved != nodes_promised(sp))",
     "    else if (false)",
     "nodes that are promised to nobody are not missed", "test_audit"),
    ("audit_run_unseen", AUDIT_SHARES, "s2_share_of(l, full.entry.share) != s)",
     "false)",
     "frames of a share that the ledger gave to another are not missed", "test_audit_shares"),
    ("audit_offset_unseen", AUDIT_SHARES, "        run.val.w[0] + (full->offset - run.start) != full->entry.range.start.v)",
     "        false)",
     "the ledger and a share disagree about what is where", "test_audit_shares"),
    ("audit_operation_unchecked", CHECK, "    if (++sp->operations % ALL_OF_IT == 0)",
     "    if (sp->operations % ALL_OF_IT == 1)",
     "an operation never checks more than its range", "test_audit_shares"),
    ("audit_stale_right", CHECK, "            !check_entry(a, &e, s2_range_meet(said, range)))",
     "            false)",
     "what the ledger says is mapped need not be", "test_audit test_check"),
]

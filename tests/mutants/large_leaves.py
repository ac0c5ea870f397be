# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Mutations of runs, promotion, tracking and 52-bit addresses (mutants.py says what these are)."""

DESC = "stage2/table/desc.c"
DESC_H = "stage2/table/desc.h"
ENGINE = "stage2/table/engine.h"
SPLIT = "stage2/table/split.c"
UNMAP = "stage2/table/unmap.c"
LEAVES = "stage2/table/leaves.c"
PROMOTE = "stage2/table/promote.c"
TRACK = "stage2/table/track.c"
PROTECT = "stage2/table/protect.c"
INSTALL = "stage2/table/install.c"
GEOMETRY = "stage2/table/geometry.c"

MUTATIONS = [
    ("run_ragged", LEAVES, "to = s2_max_u64(end & ~(run - 1), from);", "to = end;", "the Contiguous bit on part of a run (rule 11)", "test_table_runs"),
    ("run_not_congruent", LEAVES, "if (run && !((pa - at) & (run - 1))) {", "if (run) {", "the Contiguous bit where the output is not aligned to the run", "test_table_runs"),
    ("run_never_made", LEAVES, "if (run && !((pa - at) & (run - 1))) {", "if (false) {", "a map makes no runs", "test_table_runs"),
    ("run_length_16k", GEOMETRY, "{0, 0, 0, 5, 7}", "{0, 0, 0, 5, 5}", "16K pages in runs of 32", "test_table_runs test_geometry"),
    ("output_carry", LEAVES, "return t->format.oa_high ? s2_min_u64(bytes, below - (pa & below) + 1) : bytes;", "return bytes;",
     "outputs do not count on into the bits that stand elsewhere", "test_table_runs"),
    ("output_ds_place", DESC, "DESC_SH, 42, DESC_ATTR", "DESC_SH, 40, DESC_ATTR", "with DS the upper bits of outputs are in the wrong place", "test_table_runs"),
    ("output_64k_place", DESC, "f.oa_up = 36;", "f.oa_up = 34;", "64K: the upper bits of outputs are in the wrong place", "test_table_runs"),
    ("output_mask_wide", DESC_H, "return S2_PA((desc & t->format.oa_low) |", "return S2_PA((desc & (t->format.oa_low | DESC_CONTIGUOUS)) |",
     "the Contiguous bit is taken for part of an address", "test_table_runs"),
    ("unmap_run_whole", UNMAP, "            s2_run_unfold(j->t, j->g, n, at, true);\n", "", "a member goes, and the run stays", "test_table_runs"),
    ("protect_run_whole", PROTECT, "        s2_run_unfold(j->t, j->g, n, at, s2_desc_change(j->t, desc, j->part.attr_bits) == desc);\n", "        ;\n",
     "a member changes, and the run stays", "test_table_runs"),
    ("unfold_keeps_bit", LEAVES, "            s2_leaf_break(t, &slot[i], DESC_CONTIGUOUS);", "            s2_leaf_break(t, &slot[i], 0);",
     "leaves that were a run keep the Contiguous bit", "test_table_runs"),
    ("unfold_any_level", LEAVES, "same && s2_size_in_place(t);", "same && !s2_desc_hardware_writes(t);",
     "a run is taken apart in place below FEAT_BBM level 2 (rule 12)", "test_table_runs"),
    ("unfold_attributes", LEAVES, "= same && s2_size_in_place(t);", "= (same || true) && s2_size_in_place(t);",
     "a run is taken apart in place, and a member changed with it (rule 12)", "test_table_runs"),
    ("unfold_hardware", LEAVES, "same && s2_size_in_place(t);", "same && t->caps.bbm == 2;",
     "a run is taken apart in place while hardware writes into it (rule 13)", "test_table_runs"),
    ("unfold_one_flushed", LEAVES, "    s2_gather_add(g, run.start.v, run.end.v, n->level, true);\n    if (!in_place)", "    if (!in_place)",
     "of a run that is taken apart one member is invalidated (T4)", "test_table_runs test_budgets_runs"),
    ("unfold_not_made", LEAVES, "        s2_gather_make(t, g, slot, members, DESC_VALID, run);\n", "        ;\n", "what was a run stays broken", "test_table_runs"),
    ("unfold_loses_dirty", LEAVES, "        share_records(t, slot, members);\n", "        ;\n",
     "a write that hardware recorded in another member is forgotten (I_NFFSV)", "test_table_runs"),
    ("break_plain_store", LEAVES, "    if (!s2_desc_hardware_writes(t)) {\n        s2_port_pte_store(t->port, slot, desc & ~(DESC_VALID | bits));", "    if (true) {\n        s2_port_pte_store(t->port, slot, desc & ~(DESC_VALID | bits));",
     "a leaf that hardware may write is broken by a plain store (rule 13)", "test_table_runs"),
    ("sum_not_filled", LEAVES, "    n->page->sum += count * s2_leaf_sum(t, n, at, desc);\n", "", "leaves of a map are not in the sum", "test_promote"),
    ("sum_not_unmapped", UNMAP, "        n->page->sum -= s2_leaf_sum(j->t, n, at, desc);\n", "", "leaves that go stay in the sum", "test_table_runs"),
    ("sum_not_protected", PROTECT, "    n->page->sum += leaves * (s2_sum_attr(j->t, now) - s2_sum_attr(j->t, was));\n", "", "the sum has the old attributes", "test_promote"),
    ("sum_not_installed", INSTALL, "        __atomic_fetch_add(&n->page->sum, s2_leaf_sum(j->t, n, j->ipa, desc), __ATOMIC_RELAXED);\n", "        ;\n",
     "leaves of faults are not in the sum", "test_promote"),
    ("sum_not_split", SPLIT, "    n->page->sum -= s2_leaf_sum(t, n, base, block);\n", "", "a block that was split stays in the sum", "test_table_runs"),
    ("sum_not_collapsed", PROMOTE, "    n->page->sum += s2_leaf_sum(t, n, child->base, block);\n", "", "a block from a table is not in the sum", "test_promote"),
    ("mark_no_run", LEAVES, "        s2_mark(t, s2_run_around(t, n->level, at));\n", "        ;\n", "who completes a run says nothing", "test_promote"),
    ("mark_no_table", LEAVES, "        s2_mark(t, (struct s2_ipa_range){S2_IPA(n->base), S2_IPA(n->base + bytes)});\n", "        ;\n",
     "who fills a table says nothing", "test_promote"),
    ("marks_dropped", PROMOTE, "    if (j.start < j.end)\n        s2_mark(", "    if (false)\n        s2_mark(", "what one call leaves is never promoted", "test_promote test_promote_space"),
    ("promote_across_areas", PROMOTE, "    return in.start.v <= range.start.v && in.end.v >= range.end.v;", "    return true;",
     "one leaf in two areas", "test_promote"),
    ("promote_unbounded", PROMOTE, "    j->budget--;\n    for (uint32_t i = 0", "    for (uint32_t i = 0", "a hold of the lock folds as many runs as there are (A8)", "test_promote test_promote_space"),
    ("promote_folds_first", PROMOTE, "            if (j->budget && !collapse(j, n, slot, desc, &child))\n                promote_node(j, &child, at, next);\n",
     "            promote_node(j, &child, at, next);\n            (void)collapse(j, n, slot, desc, &child);\n",
     "a table whose last run was just folded never becomes a block", "test_promote"),
    ("fold_unlike", PROMOTE, "        !s2_leaves_congruent(t, slot, members, s2_entry_bytes(t, n->level)) || !in_one", "        !in_one",
     "leaves that are not alike become a run", "test_promote"),
    ("fold_one_flushed", PROMOTE, "s2_gather_add(j->g, run.start.v, run.end.v,", "s2_gather_add(j->g, run.start.v, run.start.v + s2_entry_bytes(t, n->level),",
     "of leaves that become a run one is invalidated (T4)", "test_promote test_budgets_runs"),
    ("collapse_not_aligned", LEAVES, " || s2_desc_oa(t, first).v & (n * size - 1))", ")", "a block whose output is not aligned", "test_promote"),
    ("collapse_no_such_block", PROMOTE, "    if (n->level < t->geo.block_level || child", "    if (child", "a block at a level that has none", "test_promote"),
    ("collapse_one_flushed", PROMOTE, "range.end.v, S2_LEVEL_MIXED, true);", "range.start.v + s2_entry_bytes(t, child->level), S2_LEVEL_MIXED, true);",
     "of leaves that become a block one is invalidated (T4)", "test_promote test_budgets_runs"),
    ("collapse_hint", PROMOTE, "range.end.v, S2_LEVEL_MIXED, true);", "range.end.v, n->level, true);", "the invalidation of a table's leaves as if it were a block", "test_promote"),
    ("collapse_table_lost", PROMOTE, "    s2_gather_detach(t, j->g, desc);\n", "", "the table that a block replaces is lost", "test_promote"),
    ("collapse_loses_dirty", PROMOTE, "        block |= harvest(t, child);\n", "", "what hardware recorded in leaves is forgotten when they become a block", "test_promote"),
    ("promote_any_level", ENGINE, "    return t->caps.bbm == 2 && !s2", "    return !s2", "runs and blocks are made in place below FEAT_BBM level 2 (rule 12)", "test_promote"),
    ("promote_hardware", ENGINE, "    return t->caps.bbm == 2 && !s2_desc_hardware_writes(t);", "    return t->caps.bbm == 2;",
     "runs and blocks are made in place while hardware writes into leaves (rule 13)", "test_promote"),
    ("nt_forgotten", PROMOTE, "? block | DESC_NT : 0);", "? block : 0);", "FEAT_BBM level 1: a block in place of a table without nT (rule 12)", "test_promote"),
    ("nt_stays", PROMOTE, "        s2_gather_make(t, j->g, slot, 0, block, range);", "        s2_gather_make(t, j->g, slot, 0, block | (t->caps.bbm == 1 ? DESC_NT : 0), range);",
     "a block keeps nT, and faults for ever", "test_promote"),
    ("upper_keeps_type", DESC_H, "return first & ~(DESC_CONTIGUOUS | DESC_TYPE);", "return first & ~DESC_CONTIGUOUS;", "a block from pages reads as a table (G6)", "test_promote"),
    ("upper_keeps_bit", DESC_H, "return first & ~(DESC_CONTIGUOUS | DESC_TYPE);", "return first & ~DESC_TYPE;", "a block from runs has the Contiguous bit", "test_promote"),
    ("touch_one_member", TRACK, "        members = 1u << t->geo.run_log2[n.level + 1];\n", "", "a fault records its access in one member of a run", "test_track test_budgets_runs"),
    ("touch_no_barrier", TRACK, "        set_bits(t, &n.slots[s2_node_index(t, &n, first) + i], bits);\n    s2_port_barrier(t->port, S2_DSB_ISHST);\n",
     "        set_bits(t, &n.slots[s2_node_index(t, &n, first) + i], bits);\n", "no DSB after a fault has recorded an access", "test_budgets_runs"),
    ("harvest_unflushed", TRACK, "    s2_gather_add(j->g, extent.start.v, extent.end.v, n->level, true);\n", "", "after a harvest the next write is not seen", "test_track"),
    ("harvest_local", TRACK, "extent.end.v, n->level, true);\n", "extent.end.v, n->level, false);\n", "after a harvest the next write on another CPU is not seen", "test_budgets_runs"),
    ("harvest_goes_on", TRACK, "    return j->fn(j->arg, &leaf);\n", "    (void)j->fn(j->arg, &leaf);\n    return true;\n", "a harvest that was stopped goes on", "test_track"),
    ("harvest_one_member", TRACK, "was = take_recorded(j, slot, members);", "was = take_recorded(j, slot, 1);", "a harvest looks at one member of a run (I_NFFSV)", "test_track test_budgets_runs"),
]

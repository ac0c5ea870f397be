# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Mutations of work in steps (mutants.py says what these are)."""

LONG = "stage2/space/long.c"
LONG_MAP = "stage2/space/long_map.c"
LONG_PROTECT = "stage2/space/long_protect.c"

MUTATIONS = [
    ("longs_spare_lost", LONG_MAP, "    s2_gather_spare(&l->space->table, &l->space->last, &l->op.stash);\n", "",
     "table pages of long work that its space ends are lost", "test_dispose"),
    ("long_unzeroed", LONG_MAP, "        s2_frames_zero(sp->cfg.port, c.pa, bytes);\n", "",
     "memory populated in steps shows what was in it (O3)", "test_long"),
    ("long_step_unbounded", LONG_MAP, "        bytes = most - c.range.start.v;\n", "",
     "a step zeroes all there is (A8)", "test_long"),
    ("long_leaf_too_early", LONG_MAP, "            if (left.range.start.v + bytes > l->clean.v)\n", "            if (false)\n",
     "memory is mapped before it is zeroed (O3)", "test_long"),
    ("long_tables_exact", LONG_MAP, "2u * (uint32_t)(3 - g->start_level)", "0u * (uint32_t)(3 - g->start_level)",
     "a neighbour that goes takes along a table that the next step counts on (A1)", "test_long"),
    ("long_piece_unbounded", LONG_PROTECT, "    if (r.budget == 0)\n", "    if (false)\n",
     "a step changes all leaves of an area (A8)", "test_long_protect"),
    ("long_map_cuts_runs", LONG_MAP, " && (end & ~below) > from.v)\n", " && false)\n",
     "a step ends inside a run of contiguous leaves", "test_long"),
    ("long_protect_cuts_runs", LONG_PROTECT, "S2_IPA(run > start.v ? run : run + bytes)", "last->range.end",
     "a step breaks a run of contiguous leaves", "test_long_protect"),
    ("long_asks_again", LONG_PROTECT, "        if (l->done.v >= l->until.v)\n", "        if (true)\n",
     "the update function is asked at each step", "test_long_protect"),
    ("long_nodes_twice", LONG, "        l->ahead.nodes -= used;\n", "",
     "nodes taken ahead are given back twice (G9)", "test_long_failure"),
    ("long_abort_cuts", LONG_MAP, "    return S2_IPA(s2_max_u64(e.ipa.v, l->range.start.v));\n",
     "    return S2_IPA((end.v - 1) & ~(S2_FRAME - 1));\n", "an abort cuts entries of the ledger, each of which may take a node",
     "test_long_failure"),
    ("long_promise_kept", LONG_MAP, "    if (err)\n        s2_ledger_unpromise(sp->cfg.ledger, LEDGER_PROMISES);\n", "",
     "long work that does not begin keeps a promise of the ledger's", "test_all_or_nothing test_long_failure"),
]

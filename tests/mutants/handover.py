# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Mutations of how frames change hands: (name, file, old text, new text, what it breaks, suites of tests/unit)."""

AREAS_MAP = "stage2/space/area_set_map.c"
SCRUB = "stage2/frame/scrub.c"
CHUNKS = "stage2/space/chunks.c"
UNMAP = "stage2/space/long_unmap.c"

ZERO = "        s2_port_zero(port, va, (size_t)n);\n"
WHY_CLEAN = "        /* A guest starts with its MMU off and reads memory past the caches (D8.6, architecture rule 19). */\n"
CLEAN = "        s2_port_clean_poc(port, va, (size_t)n);\n"
RELEASE = "        (void)run_going(r, S2_RELEASE, &r->done);\n"
FLUSH = "        s2_op_flush(r->op);\n"

MUTATIONS = [
    ("handover_free_before_flush", AREAS_MAP, FLUSH + RELEASE, RELEASE + FLUSH,
     "frames go back while a CPU may still reach them (T1, O3)", "test_handover"),
    ("handover_never_flushed", AREAS_MAP, FLUSH + RELEASE, RELEASE, "what is unmapped is not flushed (O3)", "test_handover"),
    ("handover_half_scrubbed", SCRUB, ZERO, "        s2_port_zero(port, va, (size_t)n / 2);\n",
     "half of a frame is as its last owner left it (O3)", "test_handover"),
    ("handover_clean_before_scrub", SCRUB, ZERO + WHY_CLEAN + CLEAN, CLEAN + ZERO,
     "memory is cleaned to the point of coherency, and zeroed after that (O3)", "test_handover"),
    ("handover_idle_scrub_skips", SCRUB, "        s2_frames_zero(f->port, run.start, run.end.v - run.start.v);\n", "",
     "idle steps call clean what they did not zero (O3)", "test_handover"),
    ("handover_free_is_clean", CHUNKS, "s2_frames_free(sp->cfg.frames, run, untouched", "s2_frames_free(sp->cfg.frames, run, true",
     "memory that a guest wrote to counts as zero (O7)", "test_handover"),
    ("handover_share_scrub_one", "stage2/frame/share_life.c", "    s->scrubbed = at + bytes;\n", "    s->scrubbed = s->bytes;\n",
     "of what is lent or donated one piece is scrubbed (O3)", "test_handover"),
    ("long_unmap_unbounded", UNMAP, "        if (cost > budget && out.end.v > out.start.v)\n", "        if (false)\n",
     "a step of an unmap takes more than its budget (A8)", "test_long_unmap"),
    ("long_unmap_all_at_once", UNMAP, "        budget -= s2_min_u64(cost, budget);\n", "",
     "a step of an unmap does not end (A8)", "test_long_unmap"),
    ("long_unmap_cuts_entries", UNMAP, "c.range.start.v + (e.range.end.v - c.pa.v)", "c.range.start.v + S2_FRAME",
     "each step of an unmap cuts an entry of the ledger", "test_long_unmap"),
    ("long_unmap_promises_kept", UNMAP, "    s2_ledger_unpromise(sp->cfg.ledger, l->promises);\n", "",
     "an unmap in steps keeps promises of the ledger's", "test_long_unmap"),
    ("long_unmap_nothing_ahead", UNMAP, "(CUTS_AREA + CUTS_CHUNK) * S2_AREA_CUT_NODES", "(CUTS_AREA - CUTS_CHUNK) * S2_AREA_CUT_NODES",
     "an unmap in steps has no nodes for its cuts (A1)", "test_long_unmap_lack"),
    ("long_unmap_no_tables", UNMAP, "    l->op.tables = s2_cut_tables(&sp->cfg.geometry);\n", "    l->op.tables = 0;\n",
     "an unmap in steps has no tables for its cuts (A1)", "test_long_unmap_lack"),
    ("long_unmap_nodes_twice", UNMAP, "        s2_steps_settle_nodes(l, before, nodes_of(sp));\n", "        ;\n",
     "nodes that a step has used stay promised (G9)", "test_long_unmap_lack"),
]

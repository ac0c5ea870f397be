# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Mutations of frames, cache colours and what VMs take up in the ledger (mutants.py says what these are)."""

FRAMES = "stage2/frame/frames.c"
REGION = "stage2/frame/region.c"
COLOURS = "stage2/frame/colours.c"
COLOURED = "stage2/space/backend_coloured.c"
LEDGER = "stage2/frame/ledger.c"
SHARE = "stage2/frame/share.c"
DESTROY = "stage2/space/destroy.c"

BLOCKS = [
    ("block_any_fit", FRAMES, "    for (unsigned o = order; o < S2_FRAME_ORDERS; o++) {\n        for (unsigned i = 0; i < f->regions; i++) {",
     "    for (unsigned o = S2_FRAME_ORDERS; o-- > order;) {\n        for (unsigned i = 0; i < f->regions; i++) {",
     "the largest block is broken first", "test_frames_traffic test_frames"),
    ("block_unjoined", REGION, "    while (order + 1 < S2_FRAME_ORDERS) {\n        uint64_t buddy", "    while (false) {\n        uint64_t buddy",
     "what comes back stays in the pieces that it came in", "test_frames_traffic test_frames"),
    ("stats_usable", FRAMES, "            out->usable[o] += out->usable[o + 1];\n", "            ;\n",
     "larger blocks do not count as room for smaller ones", "test_frames test_frames_traffic"),
    ("holds_first_bank", FRAMES, "pa = s2_region_end(&f->region[i])) {\n        i = bank_of", "pa = range.end.v) {\n        i = bank_of",
     "a range that begins in a bank counts as in it wholly", "test_frames"),
    ("give_back_own_only", FRAMES, "    } while (one != f);", "    } while (false);", "memory of another allocator is lost",
     "test_frames test_frames_pools"),
    ("disown_to_own_allocator", DESTROY, "s2_frames_give_back(sp->cfg.frames, e->range);", "s2_frames_free(sp->cfg.frames, e->range, false, false);",
     "what a VM has of another region's memory goes to its own allocator", "test_frames_pools"),
]

CACHE_COLOURS = [
    ("colour_meets_mask", COLOURS, "return (a->mask & b->mask) && a->start.v", "return a->start.v < 0 && a->start.v",
     "two VMs get the same colours of the same stripes", "test_colours"),
    ("colour_meets_range", COLOURS, "a->start.v < colouring_end(b).v && b->start.v < colouring_end(a).v;", "true;",
     "a colour is one VM's in all of the region", "test_colours"),
    ("colour_dirty_given", COLOURS, "    if (!find_room(c, want, false))\n", "    if (false)\n", "memory is given before it is scrubbed (O3)",
     "test_colours"),
    ("colour_back_clean", COLOURS, "        p->state = S2_COLOUR_DIRTY;\n", "        p->state = S2_COLOUR_UNUSED;\n",
     "what comes back is not scrubbed (O3)", "test_colours"),
    ("colour_back_mapped", COLOURS, "p->vm == vm && p->mapped == 0)", "p->vm == vm)", "what is mapped is taken back (O1)", "test_coloured_areas"),
    ("colour_scrub_all", COLOURS, "s2_min_u64(budget, (p->is.bytes - p->scrubbed) / S2_FRAME)", "(p->is.bytes - p->scrubbed) / S2_FRAME",
     "a step of scrubbing is not bounded", "test_colours"),
    ("colour_scrub_from", COLOURS, "        s2_frames_zero(port, S2_PA(pa.v + (from - run.start.v)), bytes);", "        s2_frames_zero(port, pa, bytes);",
     "a step that begins inside a run zeroes the wrong frames", "test_colours"),
    ("colour_two_views", COLOURS, "    if (there)\n        return s2_refuse_found", "    if (false)\n        return s2_refuse_found",
     "one address shows two frames", "test_colours"),
    ("colour_rank", COLOURS, "mask & ((1ull << colour) - 1)", "mask & ((2ull << colour) - 1)", "frames are counted one off", "test_colours"),
    ("colour_run_whole_row", COLOURS, "    while (low > 0 && c->mask >> (low - 1) & 1)\n        low--;", "    low = s2_ctz(c->mask);",
     "a run goes over frames of another", "test_colours"),
    ("colour_use_unchecked", COLOURS, "    if (end < range.end.v)\n        err = s2_refuse", "    if (false)\n        err = s2_refuse",
     "the map path does not ask whose the frames are", "test_coloured_areas"),
    ("colour_resolved_anyhow", LEDGER, "    if (found && full.entry.state == S2_COLOURED)\n", "    if (false)\n",
     "the ledger does not know whose a coloured frame is", "test_colours"),
    ("colour_granule", COLOURED, "else if (piece.unit_log2 < sp->cfg.geometry.granule_log2)", "else if (false)",
     "a leaf spans frames of other colours", "test_coloured_areas"),
    ("colour_part", COLOURED, "        pa.v += part.start.v - run.start.v;\n", "", "a map that begins inside a run shows frames before it",
     "test_coloured_areas"),
    ("colour_kept", COLOURED, "    let_go(ctx, c, S2_STEP_UNMAP);", "    let_go(ctx, c, S2_STEP_MERGE);", "what was unmapped can never be taken back",
     "test_coloured_areas"),
    ("colour_undo", COLOURED, "    let_go(ctx, c, S2_STEP_MAP);", "    let_go(ctx, c, S2_STEP_MERGE);", "a map that failed keeps the memory (A5)",
     "test_coloured_areas"),
    ("colour_disown", DESTROY, "    if (s2_colours_take_back(sp->cfg.ledger, sp->cfg.id))\n        return true;\n", "",
     "a VM that is gone keeps its colours", "test_coloured_areas"),
]

LEDGER_QUOTA = [
    ("account_out", LEDGER, "        s2_ledger_charge(l, (uint16_t)e.val.w[0], -1);\n", "", "what goes stays charged", "test_ledger_quota"),
    ("account_in", LEDGER, "        s2_ledger_charge(l, (uint16_t)in[n].val.w[0], 1);", "        (void)in;", "what comes is not charged",
     "test_ledger_quota"),
    ("account_reserve", LEDGER, "    if (s2_ledger_may_have(l, owner, n))\n        err = s2_pool_reserve(l->map.pool, need);",
     "    err = s2_pool_reserve(l->map.pool, need);", "a VM uses up the ledger by touching its memory (A2)", "test_ledger_quota"),
    ("account_promise", LEDGER, "    if (s2_ledger_may_have(l, owner, n))\n        err = s2_pool_reserve(l->map.pool, n * PROMISE_NODES);",
     "    err = s2_pool_reserve(l->map.pool, n * PROMISE_NODES);", "a VM uses up the ledger by giving back odd pages", "test_ledger_quota"),
    ("account_plan", LEDGER, "from_owner == want->owner ? s2_ledger_ends(l, want->range) : 1))", "0))",
     "a VM uses up the ledger by mapping odd pages", "test_ledger_quota"),
    ("account_ends", LEDGER, "        ends += e.end > range.end.v;\n", "        ;\n", "one end of a cut is not counted", "test_ledger_quota"),
    ("account_share", SHARE, "    if (!err && !s2_ledger_may_have(l, s->owner, s2_ledger_ends(l, run) + 1))\n", "    if (false)\n",
     "a VM uses up the ledger by sharing odd pages", "test_ledger_quota"),
    ("account_runs", SHARE, "    s2_ledger_charge(l, s->owner, -1);\n", "", "the runs of a share that ended stay charged",
     "test_ledger_quota"),
    ("account_donation", "stage2/frame/share_life.c", "s->kind == S2_DONATE && !s2_ledger_may_have(l, b->vm, (uint32_t)s->runs.count))", "false)",
     "a VM uses up another's part of the ledger by a donation in pieces", "test_ledger_quota"),
]

MUTATIONS = BLOCKS + CACHE_COLOURS + LEDGER_QUOTA

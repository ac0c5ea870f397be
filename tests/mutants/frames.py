# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Mutations of frames and of the ledger that says whose they are (mutants.py says what these are)."""

FRAMES = "stage2/frame/frames.c"
SCRUB = "stage2/frame/scrub.c"
LEDGER = "stage2/frame/ledger.c"

MUTATIONS = [
    ("scrub_nothing", SCRUB, "        s2_port_zero(port, va, (size_t)n);\n", "", "the next owner reads the last one's memory (O3)",
     "test_frames test_space"),
    ("scrub_uncleaned", SCRUB, "        s2_port_clean_poc(port, va, (size_t)n);\n", "",
     "a guest with its MMU off reads what was there before (rule 19)", "test_frames test_space test_space_random"),
    ("scrub_code", SCRUB, "        s2_port_sync_code(port, va, (size_t)n);\n", "",
     "the next owner executes the last one's code (rule 19)", "test_frames test_space test_space_random"),
    ("clean_mark_stays", FRAMES, "    if (!clean)\n        s2_region_mark", "    if (false)\n        s2_region_mark",
     "a frame given back dirty keeps its clean mark", "test_frames"),
    ("reserve_twice", FRAMES, "    if (n <= f->free - f->reserved) {", "    if (n <= f->free) {",
     "memory is promised twice", "test_frames"),
    ("chosen_frames_unpromised", FRAMES, "} else if (frames_in(start, end) > f->free - f->reserved) {",
     "} else if (frames_in(start, end) > f->free) {", "promised memory is given away at a chosen address", "test_frames"),
    ("claim_unchecked", LEDGER, "    if (other)\n", "    if (false)\n", "two operations change one frame at once", "test_ledger"),
    ("claim_of_another", LEDGER, "if (found.owner != owner || found.state != state)", "if (found.state != state)",
     "a frame is taken from whoever has it (O2)", "test_lessons"),
    ("ledger_rights", LEDGER, "else if (rights & ~found.rights)", "else if (false)", "rights that the ledger does not give",
     "test_ledger"),
    ("ledger_owner", LEDGER, "if (found.owner != owner || (found.state != S2_OWNED && found.state != S2_DEVICE))",
     "if (found.state != S2_OWNED && found.state != S2_DEVICE)", "another VM's memory passes the check (O1)", "test_ledger"),
    ("ledger_mixed", LEDGER, "        pa = e.end;\n    }\n    return S2_OK;", "        break;\n    }\n    return S2_OK;",
     "only the first entry of a range is looked at (O5)", "test_ledger"),
    ("ledger_bounds", LEDGER, "    if (range.end.v > l->map.hi)\n", "    if (false)\n", "frames beyond the PA size", "test_ledger"),
    ("ledger_reverse_map", LEDGER, "        val.w[1] += offset;", "        val.w[1] += 0 * offset;",
     "the reverse map is wrong behind a cut", "test_ledger"),
    ("banks_unbounded", FRAMES, "    if (f->regions == S2_FRAME_REGIONS)\n", "    if (false)\n", "more banks than there is room for",
     "test_frames"),
    ("ledger_promise_root", LEDGER, "return CHANGE_INSERTS * (l->map.height + 3u);", "return s2_imap_need(&l->map, CHANGE_INSERTS);",
     "a claim relies on room in the root that others may take meanwhile", "test_ledger"),
]

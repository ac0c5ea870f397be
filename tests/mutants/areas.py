# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: 2026 The Bulkhead authors
"""Mutations of the area set (mutants.py says what these are)."""

AREAS = "stage2/space/area_set.c"
AREAS_MAP = "stage2/space/area_set_map.c"
AREAS_PROTECT = "stage2/space/area_set_protect.c"

MUTATIONS = [
    ("freed_before_flush", AREAS_MAP, "        s2_op_flush(r->op);\n        (void)run_going(r, S2_RELEASE, &r->done);",
     "        (void)run_going(r, S2_RELEASE, &r->done);\n        s2_op_flush(r->op);", "memory is freed before the flush (O3)",
     "test_space test_space_random"),
    ("replaced_before_flush", AREAS_MAP, "        (void)run_going(r, S2_COMMIT, &r->done);\n        s2_op_flush(r->op);\n",
     "        (void)run_going(r, S2_COMMIT, &r->done);\n", "a replace frees and maps before the flush", "test_space test_space_random"),
    ("replace_not_taken_back", AREAS_MAP, "    if (err)\n        undo_all(r);", "    if (false)\n        undo_all(r);",
     "what a failed operation took is not given back (A5)", "test_area_failure test_space_failure"),
    ("areas_bounds", AREAS, "    if (start < set->map.lo || end > set->map.hi)\n", "    if (false)\n",
     "an area beyond the IPA size (G3)", "test_area_bad"),
    ("areas_wrap", AREAS, "    if (start >= end)\n        return s2_refuse", "    if (start == end)\n        return s2_refuse",
     "a range that wraps around (G14)", "test_area_bad"),
    ("areas_backing", AREAS, "        part.backing = s2_area_backing_at(area, range.start);\n", "",
     "the upper part of a cut area has the wrong backing", "test_area_joins"),
    ("undo_one_too_few", AREAS, "end-- <= taken && b->take", "end-- < taken && b->take",
     "the last change that was taken is not taken back (A5)", "test_area_failure test_all_or_nothing"),
    ("commit_before_take", AREAS_MAP, "    if (!err)\n        err = take_all(r);\n    if (!err)\n        commit_all(r);\n    return err;",
     "    if (!err)\n        commit_all(r);\n    return err ? err : take_all(r);", "what can be refused comes after the edits (A1)",
     "test_area_failure test_all_or_nothing"),
    ("protect_may_not_cut", AREAS_PROTECT, "        s2_op_may_cut(p->op); ", "        (void)0; ",
     "a protect that moves a border into a block lacks table pages", "test_never_lacks test_all_or_nothing"),
    ("kept_cut_not_filled", AREAS, "    fill_cut(set);\n    set->busy = NULL;", "    set->busy = NULL;",
     "nodes kept for unmaps are not filled up again", "test_area_failure test_area_asks"),
    ("area_need", AREAS, "        inserts = 2;\n", "        inserts = 1;\n", "a replace is said to need less than it may",
     "test_area_need test_area_failure"),
    ("area_settle_order", AREAS, "if (s2_area_set_find(set, area->range.end, &high) && s2_area_joins(&whole, &high)) {\n        s2_imap_erase",
     "if (s2_area_set_find(set, area->range.end, &high) && s2_area_joins(area, &high)) {\n        s2_imap_erase",
     "whether the upper neighbour joins is asked of an area that is no more", "test_area_joins"),
]

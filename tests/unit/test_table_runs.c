/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Runs of leaves with the Contiguous bit, at every granule, with and without DS, at each FEAT_BBM level, with and without
 * updates by hardware: made in every full congruent run and nowhere else, taken apart where an edit cuts them, nothing lost. */
#define DRIVER all_shapes
#include "shapes.h"

#define MARKED (S2_RWX | 9u << S2_SW_SHIFT)
#define OTHER  (S2_R | S2_MT_NORMAL_NC | 6u << S2_SW_SHIFT)

/* What a piece of the table is to be. */
struct piece {
    uint64_t end, offset;
    uint32_t attr;
    int level; /* MIXED: any */
    bool run;
    uint64_t at; /* so far */
};

static bool see(void *arg, const struct s2_leaf *leaf)
{
    struct piece *p = arg;

    if (leaf->range.start.v != p->at || leaf->pa.v != p->at + p->offset || leaf->attr.bits != p->attr ||
        (p->level != MIXED && (leaf->level != p->level || leaf->contiguous != p->run)))
        fail_msg("%s: leaf at %#llx, expected one at %#llx, of level %d%s: PA %#llx attr %#x level %d contiguous %d",
                 now->name, (unsigned long long)leaf->range.start.v, (unsigned long long)p->at, p->level,
                 p->run ? " in a run" : "", (unsigned long long)leaf->pa.v, leaf->attr.bits, leaf->level,
                 leaf->contiguous);
    p->at = leaf->range.end.v;
    return true;
}

static void piece_at(uint64_t start, uint64_t bytes, uint64_t offset, uint32_t attr, int level, bool run)
{
    struct piece p = {start + bytes, offset, attr, level, run, start};

    s2_table_visit(&mine, span(start, bytes), see, &p);
    assert_int_equal(p.at, p.end);
}
/* Single leaves, and leaves in runs. */
static void single(uint64_t start, uint64_t bytes, uint32_t attr, int level)
{
    piece_at(start, bytes, 0, attr, level, false);
}
static void runs(uint64_t start, uint64_t bytes, uint32_t attr, int level)
{
    piece_at(start, bytes, 0, attr, level, true);
}
static bool none(void *arg, const struct s2_leaf *leaf)
{
    (void)leaf;
    *(bool *)arg = false;
    return false;
}
static void hole(uint64_t start, uint64_t bytes)
{
    bool empty = true;

    s2_table_visit(&mine, span(start, bytes), none, &empty);
    assert_true(empty);
}

/* A machine with two runs at AT. */
static void two_runs(int level)
{
    begin();
    map(AT, 2 * run_bytes(level), 0, MARKED);
    runs(AT, 2 * run_bytes(level), MARKED, level);
}

/* --- map -------------------------------------------------------------------------------------------------------------- */

static void row_full_runs_only(void)
{
    EACH_RUN(level)
    {
        uint64_t leaf = leaf_bytes(level), run = run_bytes(level);

        begin();
        map(AT + leaf, 2 * run, 0, MARKED); /* ragged at both ends */
        single(AT + leaf, run - leaf, MARKED, level);
        runs(AT + run, run, MARKED, level);
        single(AT + 2 * run, leaf, MARKED, level);
        hole(AT + 2 * run + leaf, run - leaf);
        map(AT + 4 * run, 2 * run, leaf, S2_RW); /* not congruent: by one leaf, by half a run */
        piece_at(AT + 4 * run, 2 * run, leaf, S2_RW, level, false);
        map(AT + 6 * run, 2 * run, run / 2, S2_RW);
        piece_at(AT + 6 * run, 2 * run, run / 2, S2_RW, level, false);
        map(AT + 8 * run, run, run, S2_RW); /* congruent, elsewhere */
        piece_at(AT + 8 * run, run, run, S2_RW, level, true);
        finish();
    }
}

/* Where the upper bits of outputs, which stand elsewhere in a descriptor, change within a table. */
static void row_outputs_carry(void)
{
    const uint64_t at = now->shape->ds ? 1ull << 50 : 1ull << 48, run = run_bytes(3);

    if (!is_wide())
        return;
    for (uint64_t off = 0; off < 2; off++) {
        uint64_t offset = at - AT - run + off * PAGE;

        begin();
        map(AT, 3 * run, offset, MARKED);
        piece_at(AT, 3 * run, offset, MARKED, 3, !off);
        for (uint64_t i = 0; i < 3; i++) /* as the MMU reads it */
            assert_int_equal(model_access(m, AT + i * run, MODEL_WRITE, false).pa, AT + i * run + offset);
        protect(AT, 3 * run, OTHER);
        piece_at(AT, 3 * run, offset, OTHER, 3, !off);
        unmap(AT + 2 * run, PAGE);
        piece_at(AT, 2 * run, offset, OTHER, 3, !off);
        map(AT + 2 * BLOCK, 2 * BLOCK, at - AT - 3 * BLOCK, MARKED);
        piece_at(AT + 2 * BLOCK, 2 * BLOCK, at - AT - 3 * BLOCK, MARKED, 2, false);
        unmap(AT + 3 * BLOCK, PAGE);
        piece_at(AT + 3 * BLOCK + PAGE, run - PAGE, at - AT - 3 * BLOCK, MARKED, 3, false);
        piece_at(AT + 3 * BLOCK + run, BLOCK - run, at - AT - 3 * BLOCK, MARKED, 3, true);
        finish();
    }
}

/* Two maps that meet in a run make none, until it is promoted. */
static void row_no_run_of_two_maps(void)
{
    EACH_RUN(level)
    {
        uint64_t run = run_bytes(level);

        begin();
        map(AT, run / 2, 0, MARKED);
        map(AT + run / 2, 3 * run / 2, 0, MARKED);
        single(AT, run, MARKED, level);
        runs(AT + run, run, MARKED, level);
        finish();
    }
}

/* --- unmap ------------------------------------------------------------------------------------------------------------ */

static void row_unmap_member(void)
{
    EACH_RUN(level)
    {
        uint64_t leaf = leaf_bytes(level), run = run_bytes(level);
        const uint64_t which[] = {0, leaf, run - leaf};

        for (unsigned i = 0; i < 3; i++) {
            uint64_t at = AT + which[i];

            two_runs(level);
            unmap(at, leaf);
            hole(at, leaf);
            if (which[i])
                single(AT, which[i], MARKED, level);
            if (which[i] + leaf < run)
                single(at + leaf, run - which[i] - leaf, MARKED, level);
            runs(AT + run, run, MARKED, level); /* the neighbour's own business */
            finish();
        }
    }
}

static void row_unmap_parts(void)
{
    EACH_RUN(level)
    {
        uint64_t run = run_bytes(level), half = run / 2;

        two_runs(level);
        unmap(AT + half, half); /* of one */
        single(AT, half, MARKED, level);
        hole(AT + half, half);
        runs(AT + run, run, MARKED, level);
        finish();
        two_runs(level);
        unmap(AT + half, run); /* across two */
        single(AT, half, MARKED, level);
        hole(AT + half, run);
        single(AT + run + half, half, MARKED, level);
        finish();
        two_runs(level);
        unmap(AT, run + half); /* one whole and a part */
        hole(AT, run + half);
        single(AT + run + half, half, MARKED, level);
        finish();
        two_runs(level);
        unmap(AT, run);
        hole(AT, run);
        runs(AT + run, run, MARKED, level);
        finish();
    }
}

/* --- protect ---------------------------------------------------------------------------------------------------------- */

static void row_protect_member(void)
{
    static const uint32_t to[] = {S2_R | 9u << S2_SW_SHIFT, S2_RWX | 1u << S2_SW_SHIFT, OTHER};

    EACH_RUN(level)
    {
        uint64_t leaf = leaf_bytes(level), run = run_bytes(level);

        for (unsigned i = 0; i < 3; i++) {
            two_runs(level);
            protect(AT + leaf, leaf, to[i]);
            single(AT, leaf, MARKED, level);
            single(AT + leaf, leaf, to[i], level);
            single(AT + 2 * leaf, run - 2 * leaf, MARKED, level);
            runs(AT + run, run, MARKED, level);
            finish();
        }
        two_runs(level);
        protect(AT + leaf, leaf, MARKED); /* as it was: but an area ends there, and a run with it */
        single(AT, run, MARKED, level);
        finish();
    }
}

static void row_protect_whole(void)
{
    static const uint32_t to[] = {S2_R | 9u << S2_SW_SHIFT, S2_RWX | 1u << S2_SW_SHIFT, OTHER};

    EACH_RUN(level)
    {
        uint64_t run = run_bytes(level), half = run / 2;

        for (unsigned i = 0; i < 3; i++) {
            two_runs(level);
            protect(AT, run, to[i]);
            runs(AT, run, to[i], level);
            runs(AT + run, run, MARKED, level);
            protect(AT, 2 * run, to[i]); /* one of them is so already */
            runs(AT, 2 * run, to[i], level);
            protect(AT + half, run, MARKED); /* the halves of two */
            single(AT, half, to[i], level);
            single(AT + half, run, MARKED, level);
            single(AT + run + half, half, to[i], level);
            protect(AT, 2 * run, OTHER); /* of four rows one, by break - flush - make or not */
            single(AT, 2 * run, OTHER, level);
            finish();
        }
    }
}

/* --- a block inside a run --------------------------------------------------------------------------------------------- */

/* The third block of a run loses a page, or has it changed: the other blocks are single, its pages are runs but for one. */
static void row_split_inside(void)
{
    EACH_RUN(level)
    {
        uint64_t leaf = leaf_bytes(level), run = run_bytes(level), block = AT + 2 * leaf, small = run_bytes(3);

        if (level != 2)
            continue;
        for (unsigned kept = 0; kept < 2; kept++) {
            two_runs(level);
            if (kept)
                protect(block + small + PAGE, PAGE, OTHER);
            else
                unmap(block + small + PAGE, PAGE);
            single(AT, 2 * leaf, MARKED, 2);
            runs(block, small, MARKED, 3);
            single(block + small, PAGE, MARKED, 3);
            if (kept)
                single(block + small + PAGE, PAGE, OTHER, 3);
            else
                hole(block + small + PAGE, PAGE);
            single(block + small + 2 * PAGE, small - 2 * PAGE, MARKED, 3);
            runs(block + 2 * small, leaf - 2 * small, MARKED, 3);
            single(block + leaf, run - 3 * leaf, MARKED, 2);
            runs(AT + run, run, MARKED, 2);
            finish();
        }
    }
}

/* Both ends of an edit in blocks of two runs. */
static void row_split_in_two_runs(void)
{
    uint64_t run, leaf;

    run = run_bytes(2);
    leaf = leaf_bytes(2);
    two_runs(2);
    unmap(AT + run - PAGE, 2 * PAGE);
    hole(AT + run - PAGE, 2 * PAGE);
    single(AT, run - leaf, MARKED, 2);
    runs(AT + run - leaf, leaf - run_bytes(3), MARKED, 3);
    single(AT + run - run_bytes(3), run_bytes(3) - PAGE, MARKED, 3);
    single(AT + run + PAGE, run_bytes(3) - PAGE, MARKED, 3);
    single(AT + run + leaf, run - leaf, MARKED, 2);
    finish();
}

/* --- what was written ------------------------------------------------------------------------------------------------- */

static struct s2_leaf leaf_at(uint64_t ipa)
{
    struct s2_leaf leaf;

    assert_true(s2_table_lookup(&mine, S2_IPA(ipa), &leaf));
    return leaf;
}
static void guest_writes(uint64_t ipa)
{
    if (now->hardware)
        assert_int_equal(model_access(m, ipa, MODEL_WRITE, false).result, MODEL_DONE);
    else
        assert_true(s2_table_touch(&mine, S2_IPA(ipa), true));
}

/* Hardware records a write in any member of the run (I_NFFSV). Taken apart, each member may be the one that was written. */
static void row_dirty_when_unfolded(void)
{
    EACH_RUN(level)
    {
        uint64_t leaf = leaf_bytes(level), run = run_bytes(level);

        for (unsigned i = 0; i < 4; i++) {
            uint64_t written = AT + 5 * leaf, cut = AT + (i & 1 ? 0 : run - leaf);

            begin_with((struct more){.tracked = true});
            map(AT, run, 0, S2_RW);
            assert_false(leaf_at(written).accessed || leaf_at(written).dirty);
            guest_writes(written);
            if (i & 2)
                unmap(cut, leaf);
            else
                protect(cut, leaf, S2_R);
            assert_true(leaf_at(written).accessed && leaf_at(written).dirty && !leaf_at(written).contiguous);
            finish();
        }
    }
}

/* A run that changes as a whole keeps it; one that is no longer writable has nothing to keep. */
static void row_dirty_when_protected(void)
{
    EACH_RUN(level)
    {
        uint64_t run = run_bytes(level);
        unsigned dirty = 0, accessed = 0;

        begin_with((struct more){.tracked = true});
        map(AT, run, 0, S2_RW);
        guest_writes(AT + run - PAGE);
        protect(AT, run, S2_RWX);
        for (uint64_t at = AT; at < AT + run; at += leaf_bytes(level)) {
            dirty += leaf_at(at).dirty;
            accessed += leaf_at(at).accessed;
        }
        assert_true(dirty > 0 && accessed > 0); /* in one of them, or in all */
        protect(AT, run, S2_R);
        for (uint64_t at = AT; at < AT + run; at += leaf_bytes(level))
            assert_false(leaf_at(at).dirty);
        finish();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(row_full_runs_only),    ROW(row_outputs_carry),       ROW(row_no_run_of_two_maps),   ROW(row_unmap_member),
        ROW(row_unmap_parts),       ROW(row_protect_member),      ROW(row_protect_whole),        ROW(row_split_inside),
        ROW(row_split_in_two_runs), ROW(row_dirty_when_unfolded), ROW(row_dirty_when_protected),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

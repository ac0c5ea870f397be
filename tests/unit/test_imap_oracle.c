/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The map fuzzer's function (tests/fuzz/fuzz_imap.c) on its corpus and on random operations: two interval maps beside a sorted
 * array. The optimised driver and libFuzzer go on where this ends. */
#include "unit.h"

#include "../fuzz/imap_cursor.c"
#include "../fuzz/imap_edits.c"
#include "../fuzz/imap_lookups.c"
#include "../fuzz/imap_model.c"
#include "../fuzz/imap_world.c"
#include "../fuzz/fuzz.c"
#include "../fuzz/fuzz_imap.c"

#define OPERATIONS 100000u

static void test_corpus(void **state)
{
    (void)state;
    assert_true(fuzz_corpus("tests/fuzz/corpus/imap") > 0);
}

static void test_random_operations(void **state)
{
    (void)state;
    for (unsigned i = 0; i < fuzz_target.count; i++)
        assert_true(fuzz_random(i, 0xdecade, OPERATIONS / fuzz_target.count) >= OPERATIONS / fuzz_target.count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_corpus), cmocka_unit_test(test_random_operations)};

    fuzz.save_in = getenv("BULKHEAD_BUILD"); /* where an input that fails is left */
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What cmocka wants to see before its own header; and which tests run, as cmocka does not read that itself. */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* CMOCKA_TEST_FILTER: a pattern with * and ?; the others are left out. */
__attribute__((constructor)) static void choose_tests(void)
{
    cmocka_set_test_filter(getenv("CMOCKA_TEST_FILTER"));
}

#endif

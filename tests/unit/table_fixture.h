/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* One machine for each test of a table suite, with a table that two CPUs have loaded. */
#ifndef TABLE_FIXTURE_H
#define TABLE_FIXTURE_H

#include "table_machine.h"

#define PA0 0x80000000ull /* outputs need no RAM: nobody reads them */

static struct machine m;

static int setup(void **state)
{
    static const struct machine_config cfg = {.bbm = 0};

    (void)state;
    machine_create(&m, &cfg);
    table_run(&m, &m.t, 0);
    table_run(&m, &m.t, 1);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    machine_destroy(&m);
    return 0;
}

#define ON(name, how) cmocka_unit_test_setup_teardown(name, how, teardown)

#endif

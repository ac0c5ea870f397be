/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Emulated devices: never in the tables, so that every access traps. `backing` is the caller's handle. */
#include "space/inner.h"

static enum s2_err prepare(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    return c->step == S2_STEP_PROTECT ? s2_space_attr(ctx, c->attr, op->detail) : S2_OK;
}

static void commit(void *ctx, struct s2_op *op, const struct s2_change *c)
{
    (void)ctx;
    (void)op;
    (void)c;
}

const struct s2_backend s2_backend_trap = {.kind = "trap", .prepare = prepare, .commit = commit, .emulates = true};

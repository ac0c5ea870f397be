/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include <stage2/op.h>

#include <stddef.h>

void s2_op_begin(struct s2_op *op, struct s2_space *space, struct s2_detail *detail)
{
    *op = (struct s2_op){.detail = detail};
    (void)space;
}

enum s2_err s2_op_need_nodes(struct s2_op *op, struct s2_pool *pool, uint32_t n)
{
    for (unsigned i = 0; n && i < S2_OP_POOLS; i++) {
        struct s2_op_pool *p = &op->pool[i];

        if (p->pool && p->pool != pool)
            continue;
        p->pool = pool;
        p->need += n;
        return S2_OK;
    }
    return n ? s2_refuse(op->detail, S2_ENODES, S2_AXIS_NONE, 0, 0,
                         "too many node pools in one operation")
             : S2_OK;
}

void s2_op_need_tables(struct s2_op *op, uint32_t n)
{
    op->side[0].tables += n;
}

void s2_op_need_frames(struct s2_op *op, uint64_t n)
{
    op->side[0].frames += n;
}

static void give_nodes(struct s2_op *op)
{
    for (unsigned i = 0; i < S2_OP_POOLS; i++) {
        if (op->pool[i].taken)
            s2_pool_unreserve(op->pool[i].pool, op->pool[i].taken);
        op->pool[i].taken = 0;
    }
}

static enum s2_err take_nodes(struct s2_op *op)
{
    for (unsigned i = 0; i < S2_OP_POOLS && op->pool[i].need; i++) {
        enum s2_err err = s2_pool_reserve(op->pool[i].pool, op->pool[i].need);

        if (err) {
            give_nodes(op);
            return s2_refuse(op->detail, err, S2_AXIS_NONE, 0, 0, "no nodes left in the pool");
        }
        op->pool[i].taken = op->pool[i].need;
    }
    return S2_OK;
}

enum s2_err s2_op_reserve(struct s2_op *op)
{
    enum s2_err err = take_nodes(op);

    op->reserved = !err;
    return err;
}

void s2_op_flush(struct s2_op *op)
{
    (void)op;
}

void s2_op_end(struct s2_op *op)
{
    give_nodes(op);
    op->reserved = false;
}

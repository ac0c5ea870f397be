/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* stats: what each VM holds of what it may hold, why its vCPUs came to the hypervisor, and what the pools have left. */
#ifdef CONFIG_CONSOLE_COMMANDS

#include "monitor/monitor.h"
#include "vm/exits.h"

enum { POOLS = SHAPES + 1 };

static void row_held(struct row *r, const struct vm *vm)
{
    const struct s2_space *space = &vm->space;
    const struct s2_tquota none = {0}, *tables = vm->has_space ? &space->table.quota : &none;
    row_text(r, "vm", 12, vm->name);
    row_text(r, "state", 8, vm_state_name(vm->state));
    row_number(r, "starts", 0, vm->starts);
    row_number(r, "tables", 0, tables->used);
    row_number(r, "tables_quota", 0, tables->limit);
    row_size(r, "held", 6, vm->has_space ? space->frames_held * S2_FRAME : 0);
    row_size(r, "promised", 0, vm->has_space ? space->frames_promised * S2_FRAME : 0);
    row_size(r, "shared", 0, vm->has_space ? __atomic_load_n(&space->frames_shared, __ATOMIC_RELAXED) * S2_FRAME : 0);
    row_size(r, "quota", 6, vm->has_space ? space->cfg.frame_quota * S2_FRAME : 0);
    row_number(r, "nodes", 0, vm->has_space ? vm->nodes.count - vm->nodes.free : 0);
    row_number(r, "nodes_quota", 0, vm->nodes.count);
}

static void row_exits(struct row *r, const struct vm *vm)
{
    row_text(r, "vm", 12, vm->name);
    for (unsigned kind = 0; kind < EXIT_KINDS; kind++)
        row_number(r, vm_exit_name(kind), 6, vm_exits(vm, kind));
}

static void row_pool(struct row *r, unsigned i)
{
    static const char names[POOLS][13] = {"tables 4K", "tables 16K", "tables 64K", "ledger nodes"};
    const struct s2_tpool *tables = &host.tables[i];
    row_text(r, "pool", 12, names[i]);
    row_number(r, "count", 8, i < SHAPES ? tables->pages : host.ledger_nodes.count);
    row_number(r, "free", 8, i < SHAPES ? tables->free : host.ledger_nodes.free);
}

static enum step next(struct session *s)
{
    unsigned n = vm_count(), i = (unsigned)s->at++;
    if (i >= 2 * n + POOLS)
        return STEP_END;
    if (i >= 2 * n) {
        row_pool(&s->row, i - 2 * n);
        return STEP_ROW;
    }
    const struct vm *vm = vm_at(i % n);
    if (vm == NULL)
        return STEP_MORE;
    if (i < n)
        row_held(&s->row, vm);
    else
        row_exits(&s->row, vm);
    return STEP_ROW;
}

const struct command command_stats = {"stats", "",  "what VMs hold and may hold, their exits, and the pools", 0, 0,
                                      NULL,    next};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Cache maintenance by set and way. The instructions name places in the caches of the CPU they run on, which means
 * nothing to a guest whose vCPUs share caches with other VMs and may move; what the guest wants is that what it wrote is
 * in memory. So they trap (where FEAT_S2FWB does not make it moot), and clean and invalidate the VM's memory by address.
 *
 * A guest loops over all sets and ways, hundreds of instructions at least, so each does a share of the memory and the
 * loop does all of it: no single exit is long. When the guest then switches its caches, all of it is
 * done once more: that is rare, and the one exit whose length follows the size of the VM. */
#include <boot/mem.h>
#include <cpu/hooks.h>

#include "vm/vm.h"

enum { SETS_AND_WAYS = 256 }; /* fewer than any loop has: an L1 of 16 KiB with lines of 64 bytes */
#define LEAST_SHARE (1ull << 20)

static void clean_run(s2_pa pa, uint64_t bytes)
{
    while (bytes > 0) {
        uint64_t part = MEM_WINDOW - pa.v % MEM_WINDOW;
        part = part < bytes ? part : bytes;
        void *va = mem_window_map(pa.v, (size_t)part);
        if (va == NULL)
            return;
        mem_clean_invalidate(va, (size_t)part);
        mem_window_unmap(va, (size_t)part);
        pa.v += part;
        bytes -= part;
    }
}

/* Cleans at least `budget` bytes that are mapped, from the cursor on; true when the end of the address space was reached
 * and the cursor is at its start again. */
static bool clean_some(struct vm *vm, uint64_t budget)
{
    struct s2_area a;
    struct s2_leaf leaf;
    while (s2_space_next(&vm->space, vm->cache_cursor, &a)) {
        if (vm->cache_cursor.v < a.range.start.v)
            vm->cache_cursor = a.range.start;
        if (a.backend == &s2_backend_trap || (a.attr.bits & S2_MT_MASK) >= S2_MT_DEV_nGnRnE) {
            vm->cache_cursor = a.range.end;
            continue;
        }
        bool mapped = s2_space_translate(&vm->space, vm->cache_cursor, &leaf);
        uint64_t skip = vm->cache_cursor.v - leaf.range.start.v;
        uint64_t bytes = leaf.range.end.v - vm->cache_cursor.v;
        if (bytes > budget && mapped)
            bytes = (budget + S2_FRAME - 1) & ~(S2_FRAME - 1);
        if (mapped)
            clean_run(S2_PA(leaf.pa.v + skip), bytes);
        vm->cache_cursor.v += bytes;
        if (mapped && bytes >= budget)
            return false;
        budget -= mapped ? bytes : 0;
    }
    vm->cache_cursor = S2_IPA(0);
    return true;
}

void vm_set_way(struct vcpu *v)
{
    struct vm *vm = v->vm;
    struct s2_space_stats stats;
    lock_take(&vm->lock);
    if (!vm->cache_clean) {
        s2_space_stats(&vm->space, &stats);
        uint64_t share = stats.mapped_bytes / SETS_AND_WAYS;
        vm->cache_clean = clean_some(vm, share > LEAST_SHARE ? share : LEAST_SHARE);
    }
    lock_drop(&vm->lock);
}

void vm_caches_toggled(struct vcpu *v, bool on)
{
    (void)on;
    struct vm *vm = v->vm;
    lock_take(&vm->lock);
    /* Off: what the caches hold must be in memory. On: what was written past them must not be hidden by old lines. */
    vm->cache_cursor = S2_IPA(0);
    while (!clean_some(vm, LEAST_SHARE)) {
    }
    vm->cache_clean = false; /* the next loop counts from here */
    lock_drop(&vm->lock);
}

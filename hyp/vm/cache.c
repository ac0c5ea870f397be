/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Cache maintenance by set and way. The instructions name places in the caches of the CPU they run on, which means
 * nothing to a guest whose vCPUs share caches with other VMs and may move; what the guest wants is that what it wrote is
 * in memory. So they trap (where FEAT_S2FWB does not make it moot), and clean and invalidate the VM's memory by address.
 *
 * A guest loops over all sets and ways, hundreds of instructions at least, so each does a share of the memory and the
 * loop does all of it: no single exit is long. When the guest then switches its caches, all of it is done once more, in
 * pieces that its vCPU has to wait for, but nobody else: other vCPUs of the CPU have their turns in between. */
#include <boot/mem.h>
#include <cpu/hooks.h>

#include "vm/vm.h"

enum { LOOKS = 4096 };        /* at leaves and holes, in one piece of work */
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

/* Cleans at least `budget` bytes that are mapped, or looks long enough for them, from the cursor on; true when the end of
 * the address space was reached and the cursor is at its start again. */
static bool clean_some(struct vm *vm, s2_ipa *cursor, uint64_t budget)
{
    struct s2_area a;
    struct s2_leaf leaf;
    for (unsigned looks = 0; s2_space_next(&vm->space, *cursor, &a); looks++) {
        if (looks == LOOKS)
            return false;
        if (cursor->v < a.range.start.v)
            *cursor = a.range.start;
        if (a.backend == &s2_backend_trap || (a.attr.bits & S2_MT_MASK) >= S2_MT_DEV_nGnRnE) {
            *cursor = a.range.end;
            continue;
        }
        bool mapped = s2_space_translate(&vm->space, *cursor, &leaf);
        uint64_t skip = cursor->v - leaf.range.start.v;
        uint64_t bytes = leaf.range.end.v - cursor->v;
        if (bytes > budget && mapped)
            bytes = (budget + S2_FRAME - 1) & ~(S2_FRAME - 1);
        if (mapped)
            clean_run(S2_PA(leaf.pa.v + skip), bytes);
        cursor->v += bytes;
        if (mapped && bytes >= budget)
            return false;
        budget -= mapped ? bytes : 0;
    }
    *cursor = S2_IPA(0);
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
        vm->cache_clean = clean_some(vm, &vm->cache_cursor, share > LEAST_SHARE ? share : LEAST_SHARE);
    }
    lock_drop(&vm->lock);
}

/* Off: what the caches hold must be in memory. On: what was written past them must not be hidden by old lines. */
void vm_caches_toggled(struct vcpu *v)
{
    v->cleaning = true;
    v->clean_from = S2_IPA(0);
}

void vm_clean_step(struct vcpu *v)
{
    struct vm *vm = v->vm;
    if (!clean_some(vm, &v->clean_from, LEAST_SHARE))
        return;
    v->cleaning = false;
    lock_take(&vm->lock);
    vm->cache_cursor = S2_IPA(0);
    vm->cache_clean = false; /* the next loop counts from here */
    lock_drop(&vm->lock);
}

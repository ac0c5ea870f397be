/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Cache maintenance by set and way. The instructions name places in the caches of the CPU they run on, which means
 * nothing to a guest whose vCPUs share caches with other VMs and may move; what the guest wants is that what it wrote is
 * in memory. So they trap (where FEAT_S2FWB does not make it moot), and clean and invalidate the VM's memory by address.
 *
 * The first of a loop over all sets and ways cleans all of it, and so does each switch of the caches after that; those
 * in between find it done. It is done in pieces that the vCPU has to wait for, but nobody else: no lock is held, and
 * other vCPUs of the CPU have their turns in between. */
#include <boot/mem.h>
#include <cpu/hooks.h>

#include "vm/vm.h"

enum { LOOKS = 4096, PIECE = 1 << 20 }; /* in one piece of work: looks at leaves and holes, bytes */

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
        if (a.backend->memory == NULL || (a.attr.bits & S2_MT_MASK) >= S2_MT_DEV_nGnRnE) {
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

void vm_clean_begin(struct vcpu *v)
{
    v->cleaning = true;
    v->clean_from = S2_IPA(0);
}

void vm_clean_step(struct vcpu *v)
{
    v->cleaning = !clean_some(v->vm, &v->clean_from, PIECE);
}

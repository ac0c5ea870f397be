/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Memory of a VM that runs: added where nothing is, asked back, and taken away again, in steps. */
#include "vm/vm.h"

#include <boot/print.h>
#include <cpu/cpu.h>
#include <stage2/backend.h>

#define PIECE (2ull << 20) /* taken away in one step; what is that large lies aligned to it */

static bool is_up(const struct vm *vm)
{
    return vm->state == VM_RUNNING || vm->state == VM_PAUSED;
}

static struct added *in_state(struct vm *vm, enum added_state state)
{
    for (unsigned i = 0; i < VM_ADDED; i++)
        if (vm->added[i].state == state)
            return &vm->added[i];
    return NULL;
}

static void begin(struct vm *vm)
{
    vm_work_begin(vm, WORK_RESIZE, vm->goal);
}

static void set_state(struct vm *vm, struct added *a, enum added_state state)
{
    lock_take(&vm->lock);
    a->state = state;
    lock_drop(&vm->lock);
}

/* --- more --------------------------------------------------------------------------------------------------------- */

/* A window of the manifest's may be mapped there later. *end: behind it. */
static bool meets_window(const struct vm *vm, uint64_t ipa, uint64_t bytes, uint64_t *end)
{
    struct manifest_view view;
    for (unsigned i = 0; i < host.manifest.windows; i++) {
        if (!manifest_view(vm->cfg, i, &view) || view.ipa >= ipa + bytes || view.ipa + view.window->size <= ipa)
            continue;
        *end = view.ipa + view.window->size;
        return true;
    }
    return false;
}

/* Behind the memory that it was started in, else before it. */
static enum s2_err find_place(struct vm *vm, uint64_t bytes, uint64_t *ipa)
{
    const struct s2_geometry *g = &vm->space.cfg.geometry;
    const struct s2_ipa_range all = {S2_IPA(0), S2_IPA(s2_ipa_limit(g))};
    const struct manifest_region *boot = &vm->cfg->region[vm->cfg->boot_region];
    uint64_t hint = boot->ipa + boot->size, align = bytes < PIECE ? s2_granule_bytes(g) : PIECE;
    bool wrapped = false;
    for (;;) {
        s2_ipa at;
        enum s2_err err = s2_space_find_free(&vm->space, S2_IPA(hint), bytes, all, align, S2_FIT_LOWEST, &at);
        if (err == S2_OK && !meets_window(vm, at.v, bytes, &hint)) {
            *ipa = at.v;
            return S2_OK;
        }
        if (err != S2_OK && wrapped)
            return err;
        if (err != S2_OK) {
            wrapped = true;
            hint = 0;
        }
    }
}

/* vm->lock held. */
static const char *grow(struct vm *vm, uint64_t bytes, uint64_t *ipa)
{
    struct s2_detail d;
    struct added *a = in_state(vm, ADDED_NONE);
    if (!is_up(vm))
        return "is not running";
    if (in_state(vm, ADDED_GROWING) != NULL)
        return "is being given other memory";
    if (a == NULL)
        return "has been given memory as often as it may";
    if (bytes == 0 || bytes % s2_granule_bytes(&vm->space.cfg.geometry) != 0)
        return "cannot have that much: it is no multiple of its granule";
    enum s2_err err = find_place(vm, bytes, ipa);
    const struct s2_area area = {
        .range = {S2_IPA(*ipa), S2_IPA(*ipa + bytes)},
        .backend = &s2_backend_alloc,
        .attr = S2_ATTR(S2_RWX | S2_UX),
        .name = (uint16_t)(VM_NAME_ADDED + (a - vm->added)), /* none merges with another */
    };
    if (err == S2_OK)
        err = s2_space_map_begin(&vm->space, &vm->populate, &area, &d);
    if (err != S2_OK)
        return s2_err_phrase(err);
    *a = (struct added){*ipa, bytes, ADDED_GROWING};
    begin(vm);
    return NULL;
}

const char *vm_grow(struct vm *vm, uint64_t bytes, uint64_t *ipa)
{
    *ipa = 0;
    lock_take(&vm->lock);
    const char *refusal = grow(vm, bytes, ipa);
    lock_drop(&vm->lock);
    cpu_kick(vm->vcpu[0].cpu);
    return refusal;
}

static void grow_step(struct vm *vm, struct added *a)
{
    if (s2_space_map_step(&vm->populate, CONFIG_POPULATE_STEP))
        return;
    s2_space_map_end(&vm->populate);
    set_state(vm, a, ADDED_THERE);
    vm_event(vm, EVENT_MEMORY_ADDED);
    host_print_memory(vm, "has more memory");
}

/* --- less --------------------------------------------------------------------------------------------------------- */

/* vm->lock held. */
static struct added *find(struct vm *vm, uint64_t ipa, uint64_t bytes)
{
    for (unsigned i = 0; i < VM_ADDED; i++) {
        struct added *a = &vm->added[i];
        if (a->ipa == ipa && a->bytes == bytes && (a->state == ADDED_THERE || a->state == ADDED_ASKED))
            return a;
    }
    return NULL;
}

static const char *change(struct vm *vm, uint64_t ipa, uint64_t bytes, enum added_state to)
{
    const char *refusal = NULL;
    lock_take(&vm->lock);
    struct added *a = find(vm, ipa, bytes);
    if (!is_up(vm)) {
        refusal = "is not running";
    } else if (a == NULL) {
        refusal = "was not given that memory at run time";
    } else {
        a->state = to;
        if (to == ADDED_LEAVING)
            begin(vm);
    }
    lock_drop(&vm->lock);
    return refusal;
}

const char *vm_give_back(struct vm *vm, uint64_t ipa, uint64_t bytes)
{
    const char *refusal = change(vm, ipa, bytes, ADDED_LEAVING);
    if (refusal == NULL) /* or a guest would disturb that CPU as often as it asks */
        cpu_kick(vm->vcpu[0].cpu);
    return refusal;
}

const char *vm_shrink(struct vm *vm, uint64_t ipa, uint64_t bytes, bool now)
{
    if (now)
        return vm_give_back(vm, ipa, bytes);
    const char *refusal = change(vm, ipa, bytes, ADDED_ASKED);
    if (refusal == NULL)
        vm_event(vm, EVENT_MEMORY_ASKED);
    return refusal;
}

/* Memory that others use, or may, stays what it is. */
static bool is_plain(struct vm *vm, struct s2_ipa_range range)
{
    struct s2_area area;
    s2_ipa at = range.start;
    while (at.v < range.end.v && s2_space_next(&vm->space, at, &area) && area.range.start.v <= at.v &&
           area.backend == &s2_backend_alloc)
        at = area.range.end;
    return at.v >= range.end.v;
}

/* From the end, so that what is left is one piece always. */
static void shrink_step(struct vm *vm, struct added *a)
{
    struct s2_detail d;
    uint64_t end = a->ipa + a->bytes, start = (end - 1) & ~(PIECE - 1);
    struct s2_ipa_range range = {S2_IPA(start > a->ipa ? start : a->ipa), S2_IPA(end)};
    bool gone = is_plain(vm, range) && s2_space_unmap(&vm->space, range, &d) == S2_OK;
    lock_take(&vm->lock);
    a->bytes = (gone ? range.start.v : end) - a->ipa;
    bool ends = !gone || a->bytes == 0;
    if (ends)
        a->state = a->bytes == 0 ? ADDED_NONE : ADDED_THERE;
    /* What it keeps the guest can give back over and over. */
    bool says = ends && (gone || pace_says(&vm->pace, cpu_ticks(), cpu_ticks_per_second()));
    lock_drop(&vm->lock);
    if (ends)
        vm_event(vm, EVENT_MEMORY_REMOVED);
    if (says)
        host_print_memory(vm, gone ? "has less memory" : "keeps memory that it shares");
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

bool vm_resize_wanted(const struct vm *vm)
{
    for (unsigned i = 0; i < VM_ADDED; i++)
        if (vm->added[i].state == ADDED_GROWING || vm->added[i].state == ADDED_LEAVING)
            return true;
    return false;
}

bool vm_resize_step(struct vm *vm)
{
    struct added *grows = in_state(vm, ADDED_GROWING), *leaves = in_state(vm, ADDED_LEAVING);
    if (grows != NULL)
        grow_step(vm, grows);
    else if (leaves != NULL)
        shrink_step(vm, leaves);
    return grows != NULL || leaves != NULL;
}

void vm_resize_forget(struct vm *vm)
{
    for (unsigned i = 0; i < VM_ADDED; i++)
        vm->added[i].state = ADDED_NONE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Memory of a VM that runs: added where nothing is, asked back, and taken away again, in steps. */
#include "vm/vm.h"

#include <boot/print.h>
#include <cpu/cpu.h>
#include <stage2/backend.h>

#define BLOCK (2ull << 20) /* what is that large lies aligned to it */

static bool is_up(const struct vm *vm)
{
    return vm->state == VM_RUNNING || vm->state == VM_PAUSED;
}

/* What grows or leaves; there is one at most, since vm->steps is about it. */
static struct added *under_way(struct vm *vm)
{
    for (unsigned i = 0; i < VM_ADDED; i++)
        if (vm->added[i].state == ADDED_GROWING || vm->added[i].state == ADDED_LEAVING)
            return &vm->added[i];
    return NULL;
}

static struct added *unused(struct vm *vm)
{
    for (unsigned i = 0; i < VM_ADDED; i++)
        if (vm->added[i].state == ADDED_NONE)
            return &vm->added[i];
    return NULL;
}

static uint16_t name_of(const struct vm *vm, const struct added *a)
{
    return (uint16_t)(VM_NAME_ADDED + (a - vm->added)); /* none merges with another */
}

static void begin(struct vm *vm)
{
    vm_work_begin(vm, WORK_RESIZE, vm->goal);
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
    uint64_t hint = boot->ipa + boot->size, align = bytes < BLOCK ? s2_granule_bytes(g) : BLOCK;
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

static const char busy[] = "is being given memory, or gives some back";

/* vm->lock held. */
static const char *grow(struct vm *vm, uint64_t bytes, uint64_t *ipa)
{
    struct s2_detail d;
    struct added *a = unused(vm);
    if (!is_up(vm))
        return "is not running";
    if (under_way(vm) != NULL)
        return busy;
    if (a == NULL)
        return "has been given memory as often as it may";
    if (bytes == 0 || bytes % s2_granule_bytes(&vm->space.cfg.geometry) != 0)
        return "cannot have that much: it is no multiple of its granule";
    enum s2_err err = find_place(vm, bytes, ipa);
    const struct s2_area area = {
        .range = {S2_IPA(*ipa), S2_IPA(*ipa + bytes)},
        .backend = &s2_backend_alloc,
        .attr = S2_ATTR(S2_RWX | S2_UX),
        .name = name_of(vm, a),
    };
    if (err == S2_OK)
        err = s2_space_map_begin(&vm->space, &vm->steps, &area, &d);
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

/* Nothing but what was added there, or the place where a part of it was before it was donated. */
static bool is_plain(struct vm *vm, const struct added *a)
{
    struct s2_area area;
    s2_ipa at = S2_IPA(a->ipa);
    uint64_t end = a->ipa + a->bytes;
    while (at.v < end && s2_space_next(&vm->space, at, &area) && area.range.start.v < end) {
        if (area.backend != &s2_backend_alloc || area.name != name_of(vm, a))
            return false;
        at = area.range.end;
    }
    return true;
}

/* Looks when the range is busy, so that no call of the guest's that comes at this moment makes another thing of it: all of it goes,
 * or nothing. */
static enum s2_err begin_to_leave(struct vm *vm, struct added *a)
{
    struct s2_detail d;
    enum s2_err err = s2_space_unmap_begin(&vm->space, &vm->steps,
                                           (struct s2_ipa_range){S2_IPA(a->ipa), S2_IPA(a->ipa + a->bytes)}, &d);
    if (err != S2_OK || is_plain(vm, a))
        return err;
    s2_space_unmap_stop(&vm->steps);
    return S2_EPERM;
}

/* vm->lock held. */
static enum s2_err change(struct vm *vm, uint64_t ipa, uint64_t bytes, enum added_state to)
{
    struct added *a = find(vm, ipa, bytes);
    enum s2_err err = S2_OK;
    if (!is_up(vm))
        return S2_EDYING;
    if (a == NULL)
        return S2_ENOENT;
    if (to == ADDED_LEAVING)
        err = under_way(vm) != NULL ? S2_EBUSY : begin_to_leave(vm, a);
    if (err != S2_OK)
        return err;
    a->state = to;
    if (to == ADDED_LEAVING)
        begin(vm);
    return S2_OK;
}

static enum s2_err change_locked(struct vm *vm, uint64_t ipa, uint64_t bytes, enum added_state to)
{
    lock_take(&vm->lock);
    enum s2_err err = change(vm, ipa, bytes, to);
    lock_drop(&vm->lock);
    return err;
}

enum s2_err vm_give_back(struct vm *vm, uint64_t ipa, uint64_t bytes)
{
    enum s2_err err = change_locked(vm, ipa, bytes, ADDED_LEAVING);
    if (err == S2_OK) /* or a guest would disturb that CPU as often as it asks */
        cpu_kick(vm->vcpu[0].cpu);
    return err;
}

const char *vm_shrink(struct vm *vm, uint64_t ipa, uint64_t bytes, bool now)
{
    enum s2_err err = now ? vm_give_back(vm, ipa, bytes) : change_locked(vm, ipa, bytes, ADDED_ASKED);
    switch (err) {
    case S2_OK:
        if (!now)
            vm_event(vm, EVENT_MEMORY_ASKED);
        return NULL;
    case S2_EDYING:
        return "is not running";
    case S2_ENOENT:
        return "was not given that memory at run time";
    case S2_EPERM:
        return "shares a part of it, or has something else there";
    case S2_EBUSY:
        return busy;
    default:
        return s2_err_phrase(err);
    }
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

bool vm_resize_wanted(struct vm *vm)
{
    return under_way(vm) != NULL;
}

bool vm_resize_step(struct vm *vm)
{
    lock_take(&vm->lock);
    struct added *a = under_way(vm);
    bool grows = a != NULL && a->state == ADDED_GROWING;
    lock_drop(&vm->lock);
    if (a == NULL)
        return false;
    if (grows ? s2_space_map_step(&vm->steps, CONFIG_POPULATE_STEP)
              : s2_space_unmap_step(&vm->steps, CONFIG_POPULATE_STEP))
        return true;
    if (grows)
        s2_space_map_end(&vm->steps);
    else
        (void)s2_space_unmap_end(&vm->steps); /* of alloc areas, which refuse nothing */
    lock_take(&vm->lock);
    a->state = grows ? ADDED_THERE : ADDED_NONE;
    lock_drop(&vm->lock);
    vm_event(vm, grows ? EVENT_MEMORY_ADDED : EVENT_MEMORY_REMOVED);
    host_print_memory(vm, grows ? "has more memory" : "has less memory");
    return true;
}

void vm_resize_forget(struct vm *vm)
{
    for (unsigned i = 0; i < VM_ADDED; i++)
        vm->added[i].state = ADDED_NONE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "vm/windows.h"

#include <stage2/backend.h>

#include "vm/shares.h"
#include "vm/vm.h"

/* What each was offered as when its owner was built; 0, which names no share: it has ended since. */
static uint32_t handles[MANIFEST_WINDOWS];

void windows_end(uint32_t handle)
{
    for (unsigned i = 0; i < MANIFEST_WINDOWS; i++)
        if (__atomic_load_n(&handles[i], __ATOMIC_RELAXED) == handle)
            __atomic_store_n(&handles[i], 0, __ATOMIC_RELAXED);
}

bool windows_own(const struct vm *vm, unsigned window, struct s2_area *out)
{
    struct manifest_view view;
    if (!manifest_view(vm->cfg, window, &view) || !view.owner)
        return false;
    *out = (struct s2_area){
        .range = {S2_IPA(view.ipa), S2_IPA(view.ipa + view.window->size)},
        .backend = &s2_backend_alloc,
        .attr = S2_ATTR(view.rights),
        .name = (uint16_t)(VM_NAME_WINDOW + window),
    };
    return true;
}

static void explain(const struct vm *vm, unsigned window, enum s2_err err, struct s2_detail *d, struct problems *p)
{
    struct text subject;
    text_begin(&subject);
    text_add(&subject, "vm %s: window %s: ", vm->name, host.manifest.window[window].name);
    d->err = err;
    host_explain(p, subject.s, d);
}

static bool offer(struct vm *vm, unsigned window, const struct s2_area *area, struct problems *p)
{
    const struct manifest_window *win = &host.manifest.window[window];
    struct s2_detail d = {.err = S2_OK};
    struct s2_offer o = {.kind = S2_SHARE, .range = area->range, .borrowers = win->borrowers};
    for (unsigned i = 0; i < win->borrowers; i++) {
        o.borrower[i].vm = (uint16_t)(S2_OWNER_FIRST_VM + win->borrower[i].vm);
        o.borrower[i].rights = win->borrower[i].rights;
    }
    enum s2_err err = s2_space_share(&vm->space, &o, &handles[window], &d);
    if (err != S2_OK)
        explain(vm, window, err, &d, p);
    return err == S2_OK;
}

/* Not there: the owner is not, or its guest has taken the window back. There already: its guest, or the owner's build, was first. */
static bool take(struct vm *vm, unsigned window, bool *taken, struct problems *p)
{
    struct manifest_view view;
    struct s2_detail d = {.err = S2_OK};
    if (!manifest_view(vm->cfg, window, &view))
        return true; /* it is refused */
    enum s2_err err = s2_space_retrieve(&vm->space, __atomic_load_n(&handles[window], __ATOMIC_RELAXED),
                                        S2_IPA(view.ipa), view.rights, (uint16_t)(VM_NAME_WINDOW + window), &d);
    *taken = err == S2_OK;
    if (err == S2_OK || err == S2_ENOENT || err == S2_EEXIST || err == S2_EBUSY)
        return true;
    explain(vm, window, err, &d, p);
    return false;
}

/* In those that have come before their owner, or were there when it went. What one lacks is no fault of the owner's, and told as often as
 * the owner's life is. */
static void map_in_borrowers(const struct vm *owner, unsigned window, struct problems *p)
{
    const struct manifest_window *win = &host.manifest.window[window];
    struct problems untold = {.fn = NULL};
    for (unsigned i = 0; i < win->borrowers; i++) {
        struct vm *vm = vm_at(win->borrower[i].vm);
        bool taken = false;
        if (vm == NULL || !vm_space_hold(vm))
            continue;
        (void)take(vm, window, &taken, owner->quiet ? &untold : p);
        vm_space_release(vm);
        if (taken)
            vm_event(vm, EVENT_OFFERED);
    }
}

bool windows_open(struct vm *vm, struct problems *p)
{
    bool ok = true;
    for (unsigned i = 0; i < host.manifest.windows && ok; i++) {
        struct manifest_view view;
        struct s2_area area;
        bool taken;
        if (windows_own(vm, i, &area)) {
            ok = offer(vm, i, &area, p);
            if (ok)
                map_in_borrowers(vm, i, p);
        } else if (manifest_view(vm->cfg, i, &view)) {
            ok = take(vm, i, &taken, p);
        }
    }
    return ok;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "vm/shares.h"

#include "vm/vm.h"
#include "vm/windows.h"

/* Who may reach the space of a VM from outside of it: nobody before it is made and from when its end begins. */
static struct gate {
    bool open;
    uint32_t users;
} gates[MANIFEST_VMS];

struct vm *vm_of(uint16_t owner)
{
    return owner >= S2_OWNER_FIRST_VM ? vm_at(owner - (unsigned)S2_OWNER_FIRST_VM) : NULL;
}

/* Who comes in is counted before it looks whether it is open, and who closes looks behind that whether anybody is in. */
bool vm_space_hold(struct vm *vm)
{
    struct gate *gate = &gates[vm->index];
    __atomic_fetch_add(&gate->users, 1u, __ATOMIC_SEQ_CST);
    bool open = __atomic_load_n(&gate->open, __ATOMIC_SEQ_CST);
    if (!open)
        vm_space_release(vm);
    return open;
}

void vm_space_release(struct vm *vm)
{
    __atomic_fetch_sub(&gates[vm->index].users, 1u, __ATOMIC_RELEASE);
}

void vm_shares_begin(struct vm *vm)
{
    __atomic_store_n(&gates[vm->index].open, true, __ATOMIC_SEQ_CST);
}

static void close_gate(struct vm *vm)
{
    struct gate *gate = &gates[vm->index];
    __atomic_store_n(&gate->open, false, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&gate->users, __ATOMIC_SEQ_CST) != 0)
        lock_relax();
}

static bool has_it(const struct s2_borrower *b)
{
    return b->state != S2_BORROW_OFFERED;
}

/* Nobody begins to take what has been withdrawn, so that who has nothing of it by now is not disturbed. One that cannot be reached is on
 * its way out: none of its vCPUs runs, and it lets go by itself. */
static void take_from_all(uint32_t handle)
{
    struct s2_share_info info;
    if (!s2_share_info(&host.ledger, handle, &info))
        return;
    for (unsigned i = 0; i < info.borrowers; i++) {
        struct vm *vm = has_it(&info.borrower[i]) ? vm_of(info.borrower[i].vm) : NULL;
        if (vm == NULL || !vm_space_hold(vm))
            continue;
        s2_space_revoke(&vm->space, handle);
        vm_space_release(vm);
    }
}

static void tell_borrowers(const struct s2_share_info *info, unsigned bit)
{
    for (unsigned i = 0; i < info->borrowers; i++) {
        struct vm *vm = vm_of(info->borrower[i].vm);
        if (vm != NULL)
            vm_event(vm, bit);
    }
}

enum s2_err vm_share_withdraw(uint16_t owner, uint32_t handle, enum s2_share_end how)
{
    struct s2_share_info info;
    struct s2_detail d;
    bool known = s2_share_info(&host.ledger, handle, &info);
    enum s2_err err = s2_share_end_begin(&host.ledger, handle, owner, how, &d);
    if (err != S2_OK || !known)
        return err;
    take_from_all(handle);
    windows_end(handle);
    if (info.phase == S2_SHARE_OPEN)
        tell_borrowers(&info, EVENT_WITHDRAWN);
    return S2_OK;
}

/* What it has of another's. False: nothing. */
static bool let_go(struct vm *vm, const struct s2_share_info *info)
{
    const struct s2_borrower *mine = s2_share_borrower(info, vm->id);
    struct vm *owner = vm_of(info->owner);
    if (mine == NULL || !has_it(mine))
        return false;
    s2_space_revoke(&vm->space, info->handle);
    if (owner != NULL)
        vm_event(owner, EVENT_RELINQUISHED);
    return true;
}

/* What it owns, to the last borrower: those that are on their way out, too, or what they have of it would outlast the memory's owner.
 * Spaces come and go by work alone, which this is, so that theirs are there. False: nobody had anything of it. */
static bool end_one(struct vm *vm, const struct s2_share_info *info)
{
    bool ends = info->phase == S2_SHARE_OPEN && vm_share_withdraw(vm->id, info->handle, S2_END_ANY) == S2_OK;
    for (unsigned i = 0; i < info->borrowers; i++) {
        struct vm *other = has_it(&info->borrower[i]) ? vm_of(info->borrower[i].vm) : NULL;
        if (other == NULL || !other->has_space)
            continue;
        s2_space_revoke(&other->space, info->handle);
        ends = true;
    }
    return ends;
}

bool vm_shares_end_step(struct vm *vm)
{
    struct s2_share_info info = {.handle = 0};
    close_gate(vm);
    while (s2_share_next(&host.ledger, info.handle, &info))
        if (info.owner == vm->id ? end_one(vm, &info) : let_go(vm, &info))
            return true;
    return false;
}

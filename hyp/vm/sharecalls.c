/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Sharing between VMs, at run time, by their guests. No lock is held over a call of the library, and none waits: what another CPU is
 * at work on is BUSY. */
#include <boot/lock.h>

#include "vm/calldesc.h"
#include "vm/shares.h"
#include "vm/vm.h"

enum { SCRUB_FRAMES = 256 }; /* zeroed in one call */

struct args {
    struct vm *vm;
    const uint64_t *in;
    uint64_t *out;
};

/* A handle is all of the register. */
static bool read_handle(const struct args *a, uint32_t *handle)
{
    *handle = (uint32_t)a->in[0];
    return a->in[0] == *handle;
}

/* --- share, lend, donate ------------------------------------------------------------------------------------------ */

/* From a copy, since the guest may change its memory while that is read (TOCTOU). */
static enum call_error read_offer(const struct args *a, enum s2_share_kind kind, struct s2_offer *offer)
{
    uint64_t copy[CALL_DESC_MOST / sizeof(uint64_t)], at = a->in[0], bytes = a->in[1];
    struct s2_detail d;
    if (!calldesc_size_ok(bytes))
        return CALL_INVALID;
    if (at % sizeof(uint64_t) != 0)
        return CALL_ALIGN;
    if (at + bytes < at)
        return CALL_RANGE;
    enum s2_err err = s2_space_copy_out(&a->vm->space, copy, S2_IPA(at), (size_t)bytes, S2_R, &d);
    if (err != S2_OK)
        return call_error_of(err, false);
    return calldesc_read(copy, (size_t)bytes, kind, a->vm->index, vm_count(), offer);
}

/* A VM that is defined. One that goes meanwhile keeps what it was offered for when it comes back. */
static bool is_defined(uint16_t id)
{
    struct vm *vm = vm_of(id);
    return vm != NULL && vm->state != VM_ABSENT;
}

static enum call_error offer(const struct args *a, enum s2_share_kind kind)
{
    struct s2_offer o = {.borrowers = 0};
    struct s2_detail d;
    uint32_t handle;
    enum call_error error = read_offer(a, kind, &o);
    if (error != CALL_SUCCESS)
        return error;
    for (unsigned i = 0; i < o.borrowers; i++)
        if (!is_defined(o.borrower[i].vm))
            return CALL_NO_ENTRY;
    enum s2_err err = s2_space_share(&a->vm->space, &o, &handle, &d);
    if (err != S2_OK)
        return call_error_of(err, false);
    for (unsigned i = 0; i < o.borrowers; i++)
        vm_event(vm_of(o.borrower[i].vm), EVENT_OFFERED);
    a->out[0] = handle;
    return CALL_SUCCESS;
}

/* --- retrieve, relinquish ----------------------------------------------------------------------------------------- */

static enum call_error retrieve(const struct args *a)
{
    struct s2_share_info info;
    struct s2_detail d;
    uint32_t handle;
    uint8_t rights;
    if (!call_rights_read(a->in[2], &rights))
        return CALL_INVALID;
    if (!read_handle(a, &handle) || !s2_share_info(&host.ledger, handle, &info) ||
        s2_share_borrower(&info, a->vm->id) == NULL)
        return CALL_DENIED;
    if (info.phase != S2_SHARE_OPEN)
        return CALL_DYING;
    if (a->in[1] + info.bytes < a->in[1])
        return CALL_RANGE;
    if (s2_share_scrub_step(&host.ledger, handle, SCRUB_FRAMES))
        return CALL_BUSY;
    enum s2_err err = s2_space_retrieve(&a->vm->space, handle, S2_IPA(a->in[1]), rights, VM_NAME_SHARED, &d);
    if (err != S2_OK)
        return call_error_of(err, true);
    a->out[0] = a->in[1];
    a->out[1] = info.bytes;
    return CALL_SUCCESS;
}

static enum call_error relinquish(const struct args *a)
{
    struct s2_share_info info;
    struct s2_detail d;
    uint32_t handle;
    if (!read_handle(a, &handle) || !s2_share_info(&host.ledger, handle, &info))
        return CALL_DENIED;
    enum s2_err err = s2_space_relinquish(&a->vm->space, handle, &d);
    if (err == S2_OK)
        vm_event(vm_of(info.owner), EVENT_RELINQUISHED);
    return call_error_of(err, true);
}

/* --- reclaim ------------------------------------------------------------------------------------------------------ */

/* Whatever follows, from the first call on nobody but the owner has it. */
static enum call_error reclaim(const struct args *a)
{
    struct s2_detail d;
    uint32_t handle;
    if (!read_handle(a, &handle))
        return CALL_DENIED;
    enum s2_err err = vm_share_withdraw(a->vm->id, handle, S2_END_ANY);
    if (err == S2_OK && s2_share_scrub_step(&host.ledger, handle, SCRUB_FRAMES))
        err = S2_EBUSY;
    if (err == S2_OK)
        err = s2_space_reclaim(&a->vm->space, handle, &d);
    return call_error_of(err, true);
}

/* --- query, ring -------------------------------------------------------------------------------------------------- */

enum { ROLE_OWNER, ROLE_OFFERED, ROLE_HOLDS };
enum { PHASE_OPEN, PHASE_ENDING };

static unsigned held_by(const struct s2_share_info *info)
{
    unsigned n = 0;
    for (unsigned i = 0; i < info->borrowers; i++)
        n += info->borrower[i].state == S2_BORROW_HELD;
    return n;
}

static void describe(const struct args *a, const struct s2_share_info *info, const struct s2_borrower *mine)
{
    uint64_t phase = info->phase == S2_SHARE_OPEN ? PHASE_OPEN : PHASE_ENDING, role = ROLE_OWNER, rights = 0;
    a->out[3] = info->was.ipa.v;
    a->out[4] = info->borrowers | held_by(info) << 8;
    if (mine != NULL) {
        role = mine->state == S2_BORROW_HELD ? ROLE_HOLDS : ROLE_OFFERED;
        rights = call_rights(mine->rights);
        a->out[3] = mine->ipa.v;
        a->out[4] = 0; /* who else has it is the owner's to know */
    }
    a->out[0] = info->handle;
    a->out[1] = info->kind | phase << 8 | role << 16 | rights << 24 | (uint64_t)(info->owner - S2_OWNER_FIRST_VM) << 32;
    a->out[2] = info->bytes;
}

/* The next one that concerns the caller. A walk by handles neither skips nor repeats one when others come and go. */
static enum call_error query(const struct args *a)
{
    struct s2_share_info info;
    uint32_t handle;
    if (!read_handle(a, &handle))
        return CALL_DENIED;
    for (info.handle = handle; s2_share_next(&host.ledger, info.handle, &info);) {
        const struct s2_borrower *mine = s2_share_borrower(&info, a->vm->id);
        if (mine == NULL && info.owner != a->vm->id)
            continue;
        describe(a, &info, mine);
        return CALL_SUCCESS;
    }
    a->out[0] = 0;
    return CALL_SUCCESS;
}

static enum call_error ring(const struct args *a)
{
    struct s2_share_info info;
    uint32_t handle;
    uint16_t self = a->vm->id;
    if (!read_handle(a, &handle) || !s2_share_info(&host.ledger, handle, &info))
        return CALL_DENIED;
    const struct s2_borrower *mine = s2_share_borrower(&info, self);
    if (info.owner != self && (mine == NULL || mine->state != S2_BORROW_HELD))
        return CALL_DENIED;
    if (info.owner != self)
        vm_event(vm_of(info.owner), EVENT_RUNG);
    for (unsigned i = 0; i < info.borrowers; i++)
        if (info.borrower[i].vm != self && info.borrower[i].state == S2_BORROW_HELD)
            vm_event(vm_of(info.borrower[i].vm), EVENT_RUNG);
    return CALL_SUCCESS;
}

enum call_error share_call(struct vcpu *v, enum call_number n, const uint64_t *in, uint64_t *out)
{
    struct args a = {v->vm, in, out};
    switch (n) {
    case CALL_SHARE:
        return offer(&a, S2_SHARE);
    case CALL_LEND:
        return offer(&a, S2_LEND);
    case CALL_DONATE:
        return offer(&a, S2_DONATE);
    case CALL_RETRIEVE:
        return retrieve(&a);
    case CALL_RELINQUISH:
        return relinquish(&a);
    case CALL_RECLAIM:
        return reclaim(&a);
    case CALL_QUERY:
        return query(&a);
    default:
        return ring(&a);
    }
}

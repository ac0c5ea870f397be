/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The hypervisor's own calls. Each does a bounded piece of work: what takes longer says BUSY and is called again. */
#include <stdbool.h>

#include "vm/calldesc.h"
#include "vm/calls.h"
#include "vm/vm.h"

/* Function identifiers: fast calls; those that ask about the service are SMC32, all others SMC64 (DEN0028 2.5, 6.2). */
#define FUNCTION_CALLS    0xc6000000u
#define FUNCTION_UID      0x8600ff01u
#define FUNCTION_REVISION 0x8600ff03u
enum { REVISION_MAJOR = 1, REVISION_MINOR = 0, FIRST_SPI = 32 };
enum { FEATURE_SHARING = 1, FEATURE_RESIZE = 2 };
/* 6f1d5f7c-52b3-4b0e-9a64-2d8be3c0a917, four bytes at a time, the first one lowest. */
static const uint32_t uid[] = {0x7c5f1d6f, 0x0e4bb352, 0x8b2d649a, 0x17a9c0e3};

static enum call_error version(const struct vm *vm, uint64_t *out)
{
    out[0] = REVISION_MAJOR << 16 | REVISION_MINOR;
    out[1] = vm->index;
    out[2] = FIRST_SPI + vm->cfg->doorbell_spi;
#ifdef CONFIG_SHARING_CALLS
    out[3] = FEATURE_SHARING | FEATURE_RESIZE;
#else
    out[3] = FEATURE_RESIZE;
#endif
    return CALL_SUCCESS;
}

/* Memory added at run time, as far as the guest may use it. */
static enum call_error memory(struct vm *vm, uint64_t index, uint64_t *out)
{
    enum { FLAG_ASKED_BACK = 1 };
    if (index >= VM_ADDED)
        return CALL_NO_ENTRY;
    lock_take(&vm->lock);
    struct added a = vm->added[index];
    lock_drop(&vm->lock);
    bool there = a.state == ADDED_THERE || a.state == ADDED_ASKED;
    out[0] = there ? a.ipa : 0;
    out[1] = there ? a.bytes : 0;
    out[2] = a.state == ADDED_ASKED ? FLAG_ASKED_BACK : 0;
    return CALL_SUCCESS;
}

static enum call_error answer(struct vcpu *v, uint32_t n, const uint64_t *a, uint64_t *out)
{
    struct vm *vm = v->vm;
    switch (n) {
    case CALL_VERSION:
        return version(vm, out);
    case CALL_SHARE:
    case CALL_LEND:
    case CALL_DONATE:
    case CALL_RETRIEVE:
    case CALL_RELINQUISH:
    case CALL_RECLAIM:
    case CALL_QUERY:
    case CALL_RING:
#ifdef CONFIG_SHARING_CALLS
        return share_call(v, (enum call_number)n, a, out);
#else
        return CALL_NOT_SUPPORTED;
#endif
    case CALL_EVENTS:
        out[0] = __atomic_exchange_n(&vm->events, 0u, __ATOMIC_ACQ_REL);
        return CALL_SUCCESS;
    case CALL_MEMORY:
        return memory(vm, a[0], out);
    case CALL_GIVE_BACK:
        return call_error_of(vm_give_back(vm, a[0], a[1]), false);
    default:
        return CALL_NOT_SUPPORTED;
    }
}

void calls_answer(struct vcpu *v)
{
    uint64_t *x = v->regs.x, a[CALL_ARGUMENTS] = {x[1], x[2], x[3]}, out[CALL_RESULTS];
    uint32_t function = (uint32_t)x[0];
    if (function == FUNCTION_UID) {
        for (unsigned i = 0; i < sizeof(uid) / sizeof(uid[0]); i++)
            x[i] = uid[i];
    } else if (function == FUNCTION_REVISION) {
        x[0] = REVISION_MAJOR;
        x[1] = REVISION_MINOR;
    } else {
        for (unsigned i = 0; i < CALL_RESULTS; i++)
            out[i] = x[i + 1]; /* what is no result keeps its value */
        x[0] = (uint64_t)answer(v, function - FUNCTION_CALLS, a, out);
        for (unsigned i = 0; i < CALL_RESULTS; i++)
            x[i + 1] = out[i];
    }
}

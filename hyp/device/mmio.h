/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* One access of a guest to an emulated device, and who answers it. */
#ifndef DEVICE_MMIO_H
#define DEVICE_MMIO_H

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

struct mmio {
    uint64_t offset;    /* from the start of the device's window */
    unsigned size_log2; /* bytes: 1, 2, 4 or 8 */
    bool write;
    uint64_t value; /* written: zero-extended; read: the answer, no wider than the access */
};

/* Total: answers every offset, size and alignment. False: the device has no such register and wants the access to be
 * treated as one that no area allows; none of the devices here says so (what they lack is RAZ/WI). */
typedef bool mmio_fn(void *ctx, struct vcpu *v, struct mmio *m);

struct mmio_dev {
    const char *name;
    mmio_fn *access;
    void *ctx;
};

static inline uint64_t mmio_mask(unsigned size_log2)
{
    return size_log2 >= 3 ? UINT64_MAX : (1ull << (8u << size_log2)) - 1;
}

static inline bool mmio_access(const struct mmio_dev *dev, struct vcpu *v, struct mmio *m)
{
    if (m->write)
        m->value &= mmio_mask(m->size_log2);
    else
        m->value = 0;
    if (!dev->access(dev->ctx, v, m))
        return false;
    m->value &= mmio_mask(m->size_log2);
    return true;
}

#endif

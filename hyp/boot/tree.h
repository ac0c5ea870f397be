/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The check that every device tree passes before anything else is read of it. */
#ifndef BOOT_TREE_H
#define BOOT_TREE_H

#include <libfdt.h>
#include <stdbool.h>
#include <string.h>

/* libfdt's negative error, 0: sound. libfdt 1.6.1 follows a null pointer in fdt_check_full when a header claims a version
 * before 16 (whose node names were paths), so those are turned away first; nobody has made one for twenty years. */
static inline int tree_check(const void *fdt, size_t bytes)
{
    enum { VERSION = 17 };
    if (bytes < sizeof(struct fdt_header))
        return -FDT_ERR_TRUNCATED;
    if (fdt_magic(fdt) != FDT_MAGIC)
        return -FDT_ERR_BADMAGIC;
    if (fdt_version(fdt) < VERSION)
        return -FDT_ERR_BADVERSION;
    return fdt_check_full(fdt, bytes);
}

/* "okay", or "ok" in old trees. What is not is there for somebody else: QEMU lists the secure world's RAM so. */
static inline bool tree_enabled(const void *fdt, int node)
{
    int len;
    const char *status = fdt_getprop(fdt, node, "status", &len);
    return status == NULL || (len >= 2 && memcmp(status, "ok", 2) == 0);
}

#endif

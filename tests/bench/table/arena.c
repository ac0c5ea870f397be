/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "arena.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "work.h"

void arena_make(struct arena *a, uint32_t pages)
{
    size_t bytes = (size_t)((pages * PAGE + BLOCK - 1) / BLOCK * BLOCK);

    a->host = aligned_alloc(BLOCK, bytes);
    if (!a->host)
        abort();
    a->pages = pages;
    madvise(a->host, bytes, MADV_HUGEPAGE); /* as EL2 maps its pool by blocks; where there are none, all do without */
    memset(a->host, 0x5a, bytes);
}

void arena_free(struct arena *a)
{
    free(a->host);
}

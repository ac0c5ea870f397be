/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* frames: the allocators, general memory's and each named region's, and what is free in blocks of which size. */
#ifdef CONFIG_CONSOLE_COMMANDS

#include "monitor/monitor.h"

enum { LARGE_ORDER = 9 /* 2 MiB */, ROWS_EACH = S2_FRAME_ORDERS + 1 };

static const char *name_of(const struct s2_frames *f)
{
    for (unsigned i = 0; i < host.manifest.pools; i++)
        if (host.pool[i] == f)
            return host.manifest.pool[i].name;
    return "general";
}

static void row_whole(struct row *r, const struct s2_frames_stats *stats)
{
    row_size(r, "total", 0, stats->total * S2_FRAME);
    row_size(r, "free", 8, stats->free * S2_FRAME);
    row_size(r, "clean", 8, stats->clean * S2_FRAME);
    row_size(r, "promised", 0, stats->reserved * S2_FRAME);
    row_size(r, "largest", 0, stats->largest_order < S2_FRAME_ORDERS ? S2_FRAME << stats->largest_order : 0);
    row_number(r, "permille_not_in_2M", 0, s2_frames_fragmentation(stats, LARGE_ORDER));
}

/* A row for each allocator, then one for each size that has a free block. */
static enum step next(struct session *s)
{
    struct s2_frames_stats stats;
    unsigned index = (unsigned)s->at / ROWS_EACH, part = (unsigned)s->at % ROWS_EACH;
    if (index >= host.allocators)
        return STEP_END;
    struct s2_frames *f = host.allocator[index];
    s2_frames_stats(f, &stats);
    s->at++;
    if (part > 0 && stats.blocks[part - 1] == 0)
        return STEP_MORE;
    row_text(&s->row, "memory", 12, name_of(f));
    if (part == 0) {
        row_whole(&s->row, &stats);
        return STEP_ROW;
    }
    row_size(&s->row, "block", 6, S2_FRAME << (part - 1));
    row_number(&s->row, "free_blocks", 0, stats.blocks[part - 1]);
    row_size(&s->row, "usable", 8, stats.usable[part - 1] * S2_FRAME);
    row_number(&s->row, "permille_not_in_these", 0, s2_frames_fragmentation(&stats, part - 1));
    return STEP_ROW;
}

const struct command command_frames = {"frames", "", "free memory, and in how large blocks", 0, 0, NULL, next};

#endif

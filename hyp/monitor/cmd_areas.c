/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* areas VM: what its guest-physical addresses are. */
#ifdef CONFIG_CONSOLE_COMMANDS

#include "monitor/monitor.h"

enum { LEVELS = 5 };

static bool begin(struct session *s)
{
    return monitor_wants_space(s, 1);
}

/* "128 x 2M + 3 x 4K"; [[2097152,128],[4096,3]]. */
static void row_leaves(struct row *r, const struct s2_geometry *g, const uint64_t leaves[LEVELS])
{
    struct text t;
    text_begin(&t);
    text_add(&t, r->json ? "[" : "");
    size_t empty = t.used;
    for (unsigned i = 0; i < LEVELS; i++) {
        if (leaves[i] == 0)
            continue;
        uint64_t size = 1ull << s2_level_shift(g, (int)i - 1);
        const char *unit = r->json ? "" : row_unit(&size);
        if (r->json)
            text_add(&t, "%s[%u,%u]", t.used == empty ? "" : ",", size, leaves[i]);
        else
            text_add(&t, "%s%u x %u%s", t.used == empty ? "" : " + ", leaves[i], size, unit);
    }
    text_add(&t, r->json ? "]" : t.used == empty ? "-" : "");
    row_field(r, "leaves", 0, false, t.s, t.s);
}

/* The first frame; "+": the last one is not where it would be if all of it lay together. */
static void row_place(struct row *r, struct s2_space *space, const struct s2_area *a)
{
    struct s2_leaf first, last;
    struct text t;
    text_begin(&t);
    bool there = a->backend->memory != NULL && s2_space_translate(space, a->range.start, &first);
    if (!there) {
        row_text(r, "pa", 14, NULL);
        return;
    }
    bool together = s2_space_translate(space, S2_IPA(a->range.end.v - S2_FRAME), &last) &&
                    last.pa.v - first.pa.v == last.range.start.v - first.range.start.v;
    text_add(&t, r->json ? "\"%x\"" : together ? "%x" : "%x+", first.pa.v + (a->range.start.v - first.range.start.v));
    row_field(r, "pa", 14, false, t.s, t.s);
}

static enum step next(struct session *s)
{
    struct s2_space_area_stats a;
    struct s2_space *space = &s->vm->space;
    struct row *r = &s->row;
    if (!s->vm->has_space || !s2_space_next(space, S2_IPA(s->at), &a.area) ||
        !s2_space_area_stats(space, a.area.range.start, &a))
        return STEP_END;
    s->at = a.area.range.end.v;
    row_text(r, "area", 18, vm_area_name(s->vm, a.area.name));
    row_address(r, "start", 12, a.area.range.start.v);
    row_address(r, "end", 12, a.area.range.end.v);
    row_size(r, "size", 6, a.area.range.end.v - a.area.range.start.v);
    row_text(r, "kind", 6, (a.area.flags & S2_AREA_LAZY) != 0 ? "lazy" : a.area.backend->kind);
    row_place(r, space, &a.area);
    monitor_rights(r, a.area.attr.bits);
    if (a.area.backend->memory == NULL)
        row_text(r, "memory", 6, NULL);
    else
        monitor_memory_type(r, a.area.attr.bits);
    row_size(r, "resident", 0, a.memory.resident);
    row_size(r, "promised", 0, a.memory.promised);
    row_leaves(r, &space->cfg.geometry, a.leaves);
    return STEP_ROW;
}

const struct command command_areas = {"areas", "VM", "what its guest-physical addresses are", 1, 1, begin, next};

#endif

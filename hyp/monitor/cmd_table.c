/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* table VM: its leaves, those that continue each other as one; table VM IPA: the descriptors of one walk. */
#ifdef CONFIG_CONSOLE_COMMANDS

#include "monitor/monitor.h"

enum { LOOKS = 4096, WALK_STEPS = 5, LAST_LEVEL = 3, DESC_VALID = 1, DESC_TABLE = 2 };

/* From -1 on. */
static void row_level(struct row *r, int level)
{
    const char *text = &"-1\0000\0001\0002\0003"[level < 0 ? 0 : 3 + 2 * level];
    row_field(r, "level", 0, true, text, text);
}

static void row_attributes(struct row *r, const struct s2_leaf *leaf)
{
    monitor_rights(r, leaf->attr.bits);
    monitor_memory_type(r, leaf->attr.bits);
    row_flag(r, "contiguous", 0, leaf->contiguous);
}

/* --- the leaves ----------------------------------------------------------------------------------------------------------- */

/* One command at a time. */
static struct {
    struct s2_leaf first, last;
    uint64_t leaves, looks;
    bool ended;
} run;

static bool continues(const struct s2_leaf *a, const struct s2_leaf *b)
{
    return a->level == b->level && s2_attr_eq(a->attr, b->attr) && a->contiguous == b->contiguous &&
           a->range.end.v == b->range.start.v && a->pa.v + (a->range.end.v - a->range.start.v) == b->pa.v;
}

static bool look(void *arg, const struct s2_leaf *leaf)
{
    struct session *s = arg;
    run.ended = run.leaves > 0 && !continues(&run.last, leaf);
    if (run.ended)
        return false;
    if (run.leaves++ == 0)
        run.first = *leaf;
    run.last = *leaf;
    s->at = leaf->range.end.v;
    return ++run.looks < LOOKS;
}

static void row_run(struct session *s)
{
    struct row *r = &s->row;
    row_address(r, "start", 12, run.first.range.start.v);
    row_address(r, "end", 12, run.last.range.end.v);
    row_address(r, "pa", 12, run.first.pa.v);
    row_level(r, run.first.level);
    row_number(r, "leaves", 0, run.leaves);
    row_size(r, "each", 4, run.first.range.end.v - run.first.range.start.v);
    row_attributes(r, &run.first);
    run.leaves = 0;
}

static enum step next_run(struct session *s)
{
    struct s2_space *space = &s->vm->space;
    run.looks = 0;
    run.ended = false;
    if (!s->vm->has_space)
        return STEP_END;
    s2_space_visit(space, (struct s2_ipa_range){S2_IPA(s->at), S2_IPA(s2_ipa_limit(&space->cfg.geometry))}, look, s);
    if (run.looks == LOOKS && !run.ended)
        return STEP_MORE;
    if (run.leaves == 0)
        return STEP_END;
    row_run(s);
    return STEP_ROW;
}

/* --- one walk ------------------------------------------------------------------------------------------------------------- */

static const char *kind_of(const struct s2_walk_step *step)
{
    if ((step->desc & DESC_VALID) == 0)
        return "invalid";
    if (step->level == LAST_LEVEL)
        return "page";
    return (step->desc & DESC_TABLE) != 0 ? "table" : "block";
}

static enum step next_level(struct session *s, s2_ipa ipa)
{
    struct s2_walk_step steps[WALK_STEPS];
    struct s2_leaf found;
    struct row *r = &s->row;
    if (!s->vm->has_space)
        return STEP_END;
    unsigned i = (unsigned)s->at++, n = s2_space_walk(&s->vm->space, ipa, steps);
    if (i >= n)
        return STEP_END;
    const char *kind = kind_of(&steps[i]);
    row_level(r, steps[i].level);
    row_address(r, "slot", 14, steps[i].slot.v);
    row_address(r, "descriptor", 18, steps[i].desc);
    row_text(r, "kind", 7, kind);
    bool leaf = i + 1 == n && *kind != 'i' && s2_space_translate(&s->vm->space, ipa, &found);
    if (i + 1 < n)
        row_address(r, "pa", 12, steps[i + 1].slot.v & -(1ull << s->vm->space.cfg.geometry.granule_log2));
    else if (leaf)
        row_address(r, "pa", 12, found.pa.v);
    else
        row_no_address(r, "pa", 12);
    if (leaf) {
        row_attributes(r, &found);
    } else {
        row_text(r, "rights", 0, NULL);
        row_text(r, "memory", 6, NULL);
        row_text(r, "contiguous", 0, NULL);
    }
    return STEP_ROW;
}

static bool begin(struct session *s)
{
    uint64_t ipa;
    run.leaves = 0;
    if (!monitor_wants_space(s, 1))
        return false;
    if (s->words == 2)
        return true;
    unsigned bits = s->vm->space.cfg.geometry.ipa_bits;
    return monitor_wants_number(s, 2, &ipa) &&
           (ipa < s2_ipa_limit(&s->vm->space.cfg.geometry) ||
            monitor_refuse(s, "%x is beyond the %u bits that %s has", ipa, (uint64_t)bits, s->vm->name));
}

static enum step next(struct session *s)
{
    uint64_t ipa;
    if (s->words == 3 && edit_number(s->word[2], &ipa))
        return next_level(s, S2_IPA(ipa));
    return next_run(s);
}

const struct command command_table = {"table", "VM [IPA]", "its leaves, or the walk for one address", 1, 2,
                                      begin,   next};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* damage, of a self-test: what can be damaged; damage NAME does it, and says where; damage undo takes it back. */
#if defined(CONFIG_CONSOLE_COMMANDS) && defined(CONFIG_SELFTEST_DAMAGE)

#include "monitor/monitor.h"
#include "vm/selftest_damage.h"

static const struct damage *done;

static bool undo(struct session *s)
{
    if (done == NULL)
        return monitor_refuse(s, "nothing is damaged");
    done->undo();
    row_text(&s->row, "undone", 0, done->name);
    done = NULL;
    return true;
}

static bool make(struct session *s, const struct damage *d)
{
    uint64_t where = 0;
    if (done != NULL)
        return monitor_refuse(s, "%s is to be undone first", done->name);
    if (vm_count() < 2 || vm_at(0) == NULL || vm_at(1) == NULL || !vm_at(0)->has_space || !vm_at(1)->has_space)
        return monitor_refuse(s, "the first two VMs are not there");
    const char *wrong = d->make(&where);
    if (wrong != NULL)
        return monitor_refuse(s, "%s: %s", d->name, wrong);
    done = d;
    row_text(&s->row, "damaged", 10, d->name);
    if (where != 0)
        row_address(&s->row, "where", 0, where);
    return true;
}

static bool begin(struct session *s)
{
    const struct damage *d;
    if (s->words == 1)
        return true;
    if (monitor_is(s, 1, "undo"))
        return undo(s);
    for (unsigned i = 0; (d = damage_at(i)) != NULL; i++)
        if (monitor_is(s, 1, d->name))
            return make(s, d);
    return monitor_refuse(s, "%s is nothing that can be damaged", s->word[1]);
}

static enum step next(struct session *s)
{
    const struct damage *d = s->words == 1 ? damage_at((unsigned)s->at++) : NULL;
    if (d == NULL)
        return STEP_END;
    row_text(&s->row, "damage", 10, d->name);
    row_text(&s->row, "what", 0, d->what);
    return STEP_ROW;
}

const struct command command_damage = {"damage", "[NAME | undo]", "make the audit find something", 0, 1, begin, next};

#endif

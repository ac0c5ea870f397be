/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* audit: does everything that says who has which frame agree? A row for each finding, and one at the end. */
#if defined(CONFIG_CONSOLE_COMMANDS) && defined(CONFIG_AUDIT)

#include "monitor/monitor.h"
#include "vm/audit.h"

enum { LINES = 8, PREFIX = sizeof("audit: ") - 1 };

/* What the audit says in one step. Of too much the last line is kept: at the end it has the number of findings. */
static struct {
    bool more;
    unsigned lines, shown;
    struct text line[LINES];
} audit;

static void found(void *arg, const char *text)
{
    (void)arg;
    struct text *t = &audit.line[audit.lines < LINES ? audit.lines++ : LINES - 1];
    t->used = 0;
    text_add(t, "%s", text + PREFIX);
}

static bool begin(struct session *s)
{
    audit.lines = audit.shown = 0;
    audit.more = audit.more || audit_begin(found, NULL); /* one that Ctrl-C left goes on */
    return audit.more || monitor_refuse(s, "another audit is under way");
}

static enum step next(struct session *s)
{
    if (audit.shown < audit.lines) {
        row_text(&s->row, "audit", 0, audit.line[audit.shown++].s);
        return STEP_ROW;
    }
    if (!audit.more)
        return STEP_END;
    audit.lines = audit.shown = 0;
    audit.more = audit_step();
    return STEP_MORE;
}

const struct command command_audit = {"audit", "", "do all books about memory agree?", 0, 0, begin, next};

#endif

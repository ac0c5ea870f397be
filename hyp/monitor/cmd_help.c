/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* help: one row for each command. */
#ifdef CONFIG_CONSOLE_COMMANDS

#include "monitor/monitor.h"

static enum step next(struct session *s)
{
    const struct command *c = monitor_command((unsigned)s->at++);
    if (c == NULL)
        return STEP_END;
    row_text(&s->row, "command", 7, c->name);
    row_text(&s->row, "words", 44, c->words);
    row_text(&s->row, "what", 0, c->what);
    return STEP_ROW;
}

const struct command command_help = {"help", "",  "this list; -j behind any command gives JSON, a line each", 0, 0,
                                     NULL,   next};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The line of commands: keys in, one command at a time, rows out as the serial line takes them. Type-ahead waits for its turn, so that
 * a script can send commands without looking. */
#ifdef CONFIG_CONSOLE_COMMANDS

#include "monitor/monitor.h"

#include <string.h>

#include "monitor/keys.h"

#define PROMPT "bulkhead> "

enum { CTRL_C = 3, AHEAD = 1024, ROWS_AT_ONCE = 8 };

static const struct command *const commands[] = {
    &command_help,   &command_vm, &command_areas, &command_table, &command_frames, &command_ledger, &command_stats,
#ifdef CONFIG_AUDIT
    &command_audit,
#endif
#ifdef CONFIG_SELFTEST_DAMAGE
    &command_damage,
#endif
};

static struct {
    struct lock lock; /* all of this: keys come on one CPU, rows are made on any */
    struct edit edit;
    char ahead[AHEAD];
    unsigned aheads;
    bool begins, at_work; /* a command */
    bool prompts;         /* and the line wants a prompt at its end */
    const char *waits;    /* its output, not taken yet */
    char head[ROW_HEAD];  /* the heading that was shown last */
    struct session s;
    struct outring_share share;
} monitor;

const struct command *monitor_command(unsigned index)
{
    return index < sizeof(commands) / sizeof(commands[0]) ? commands[index] : NULL;
}

/* --- a command ------------------------------------------------------------------------------------------------------------ */

static const struct command *find(const char *name)
{
    const struct command *c;
    for (unsigned i = 0; (c = monitor_command(i)) != NULL; i++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

/* False: it has said why not. */
static bool begin(struct session *s)
{
    const struct command *c = s->command = find(s->word[0]);
    if (c == NULL)
        return monitor_refuse(s, "there is no command %s; help lists them", s->word[0]);
    if (s->words - 1 < c->least || s->words - 1 > c->most)
        return monitor_refuse(s, "usage: %s%s%s", c->name, *c->words == '\0' ? "" : " ", c->words);
    return c->begin == NULL || c->begin(s);
}

/* The command's next row, while no VM is being made or destroyed by another CPU. */
static enum step next_row(struct session *s)
{
    bool held = vm_work_hold();
    enum step step = STEP_END;
    row_begin(&s->row, s->json);
    size_t empty = s->row.used;
    if (monitor.begins) {
        monitor.begins = false;
        s->refused = !begin(s);
        step = s->row.used > empty ? STEP_ROW : STEP_MORE;
    } else if (!s->refused) {
        step = s->command->next(s);
    }
    vm_work_release(held);
    return step;
}

/* The next line that goes out, if any. */
static enum step produce(struct session *s)
{
    enum step step = next_row(s);
    if (step != STEP_ROW)
        return step;
    row_end(&s->row);
    bool heads = s->row.head_used > 1 && strcmp(s->row.head, monitor.head) != 0;
    if (heads)
        memcpy(monitor.head, s->row.head, s->row.head_used + 1);
    monitor.waits = heads ? monitor.head : s->row.line;
    return STEP_ROW;
}

static void submit(const char *text, bool typed)
{
    struct session *s = &monitor.s;
    memset(s, 0, sizeof(*s));
    monitor.head[0] = '\0';
    memcpy(s->text, text, strlen(text) + 1);
    s->words = edit_split(s->text, s->word, &s->json);
    monitor.begins = monitor.at_work = s->words > 0;
    monitor.prompts = typed;
    console_line_soon();
}

/* --- keys ----------------------------------------------------------------------------------------------------------------- */

static void prompt(void)
{
    edit_clear(&monitor.edit);
    console_line_write(PROMPT);
}

static void key(char c)
{
    enum edit_event event = edit_key(&monitor.edit, c);
    if (event == EDIT_MORE)
        return;
    bool empty = monitor.edit.used == 0 || event == EDIT_LEAVE;
    console_line_write(event == EDIT_LEAVE ? "^C\n" : "\n");
    if (empty)
        console_line_close();
    else
        submit(monitor.edit.text, true);
    if (!empty && !monitor.at_work) /* blanks */
        prompt();
}

static void input(char c)
{
    lock_take(&monitor.lock);
    if (!monitor.at_work) {
        key(c);
    } else if (c == CTRL_C) {
        monitor.aheads = 0;
        monitor.at_work = false;
        monitor.waits = NULL;
        if (monitor.prompts)
            prompt();
    } else if (monitor.aheads < AHEAD) {
        monitor.ahead[monitor.aheads++] = c;
    }
    lock_drop(&monitor.lock);
}

/* The command is done. What was typed meanwhile has its turn, as far as the next command. */
static void finish(void)
{
    unsigned n = 0;
    monitor.at_work = false;
    if (console_line_is_open() && monitor.prompts)
        prompt();
    while (n < monitor.aheads && !monitor.at_work && console_line_is_open())
        key(monitor.ahead[n++]);
    monitor.aheads = console_line_is_open() ? monitor.aheads - n : 0;
    memmove(monitor.ahead, monitor.ahead + n, monitor.aheads);
}

/* Under the lock: false when there is no room, or nothing left to do. */
static bool advance(void)
{
    if (monitor.waits == NULL) {
        enum step step = produce(&monitor.s);
        if (step == STEP_END)
            finish();
        if (step != STEP_ROW)
            return monitor.at_work;
    }
    if (!console_offer(monitor.waits, &monitor.share))
        return false;
    monitor.waits = monitor.waits == monitor.head ? monitor.s.row.line : NULL;
    return true;
}

static bool step(void)
{
    bool more = true;
    lock_take(&monitor.lock);
    for (unsigned i = 0; i < ROWS_AT_ONCE && more; i++)
        more = monitor.at_work && advance();
    lock_drop(&monitor.lock);
    return more;
}

static const struct console_line line = {.input = input, .step = step};

void monitor_line_init(void)
{
    monitor.edit.echo = console_line_write;
    console_set_line(&line);
}

void monitor_line_open(void)
{
    lock_take(&monitor.lock);
    if (console_line_open()) {
        monitor.prompts = true;
        if (!monitor.at_work)
            prompt();
    }
    lock_drop(&monitor.lock);
}

void monitor_do(const char *command, const char *word)
{
    struct text t;
    text_begin(&t);
    text_add(&t, word == NULL ? "%s" : "%s %s", command, word);
    lock_take(&monitor.lock);
    if (!monitor.at_work)
        submit(t.s, false);
    lock_drop(&monitor.lock);
}

/* --- what the commands share ------------------------------------------------------------------------------------------------ */

bool monitor_refuse(struct session *s, const char *fmt, ...)
{
    struct text t;
    text_begin(&t);
    va_list args;
    va_start(args, fmt);
    text_addv(&t, fmt, &args);
    va_end(args);
    row_begin(&s->row, s->json);
    row_text(&s->row, "error", 0, t.s);
    s->row.head_used = 0; /* a sentence has no columns */
    return false;
}

bool monitor_is(const struct session *s, unsigned word, const char *text)
{
    return word < s->words && strcmp(s->word[word], text) == 0;
}

bool monitor_wants_vm(struct session *s, unsigned word)
{
    struct text names;
    text_begin(&names);
    for (unsigned i = 0; i < vm_count(); i++) {
        struct vm *vm = vm_at(i);
        if (vm == NULL)
            continue;
        if (monitor_is(s, word, vm->name)) {
            s->vm = vm;
            return true;
        }
        text_add(&names, " %s", vm->name);
    }
    return monitor_refuse(s, "there is no VM %s; there are:%s", s->word[word], names.s);
}

bool monitor_wants_space(struct session *s, unsigned word)
{
    return monitor_wants_vm(s, word) &&
           (s->vm->has_space || monitor_refuse(s, "vm %s: has no memory now", s->vm->name));
}

bool monitor_wants_number(struct session *s, unsigned word, uint64_t *value)
{
    return edit_number(s->word[word], value) ||
           monitor_refuse(s, "%s is no number such as 4096, 0x1000, 4K or 2M", s->word[word]);
}

void monitor_rights(struct row *r, uint32_t bits)
{
    char text[] = {(bits & S2_R) != 0 ? 'r' : '-', (bits & S2_W) != 0 ? 'w' : '-', (bits & S2_X) != 0 ? 'x' : '-',
                   (bits & S2_UX) != 0 ? 'u' : '-', '\0'};
    row_text(r, "rights", 0, text);
}

void monitor_owner(struct row *r, const char *key, uint16_t owner)
{
    unsigned vm = owner - S2_OWNER_FIRST_VM;
    const char *none = owner == S2_OWNER_HYP ? "hypervisor" : NULL;
    row_text(r, key, 12, owner >= S2_OWNER_FIRST_VM && vm < host.manifest.vms ? host.manifest.vm[vm].name : none);
}

void monitor_memory_type(struct row *r, uint32_t bits)
{
    static const char types[][8] = {"wb", "wt", "nc", "nGnRnE", "nGnRE", "nGRE", "GRE", "?"};
    row_text(r, "memory", 6, types[(bits & S2_MT_MASK) >> S2_MT_SHIFT]);
}

#endif

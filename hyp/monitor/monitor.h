/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The command line (docs/console.md): what a command is, and what the commands share.
 *
 * Nothing here may take long, and the serial line is slow. So a command checks its words when it begins, and then makes one row
 * each time it is asked, when the line has room. What it lists may change in between: where to go on is an address or a number, never
 * a pointer into somebody's books. */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include "monitor/edit.h"
#include "monitor/row.h"
#include "vm/vm.h"

struct command;

/* A command at work. */
struct session {
    const struct command *command;
    unsigned words; /* word[0] is the command's name */
    const char *word[EDIT_WORDS];
    bool json, refused;
    struct vm *vm;
    uint64_t at; /* where the listing goes on: the command's own, 0 when it begins */
    struct row row;
    char text[EDIT_BYTES];
};

enum step {
    STEP_ROW,  /* session.row has one */
    STEP_MORE, /* not yet: ask again */
    STEP_END,
};

struct command {
    const char *name, *words, *what; /* for help */
    unsigned least, most;            /* words behind the name */
    /* Null: nothing to check. False: it was refused. What is in the row after it is shown first. */
    bool (*begin)(struct session *s);
    enum step (*next)(struct session *s);
};

extern const struct command command_areas, command_audit, command_damage, command_frames, command_help, command_ledger,
    command_stats, command_table, command_vm;
/* Null behind the last one. */
const struct command *monitor_command(unsigned index);

/* One line that says what is wrong, as text_add has it, in JSON {"error": ...}; returns false. */
bool monitor_refuse(struct session *s, const char *fmt, ...);
/* The VM that a word names, to s->vm; false: none, and it was said which there are. */
bool monitor_wants_vm(struct session *s, unsigned word);
/* The same, one that is defined. */
bool monitor_wants_space(struct session *s, unsigned word);
bool monitor_wants_number(struct session *s, unsigned word, uint64_t *value);
/* Is its word that one? */
bool monitor_is(const struct session *s, unsigned word, const char *text);

/* Of a row, what several listings show. */
void monitor_rights(struct row *r, uint32_t bits);                  /* "rwx-", the last for EL0's right to execute */
void monitor_owner(struct row *r, const char *key, uint16_t owner); /* a VM's name, "hypervisor" or nobody */
void monitor_memory_type(struct row *r, uint32_t bits);             /* of s2_attr */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* A line being typed: backspace takes a character back, Ctrl-U all of them, a line that is full answers with the bell. Plain
 * logic. */
#ifndef MONITOR_EDIT_H
#define MONITOR_EDIT_H

#include <stdbool.h>
#include <stdint.h>

#define EDIT_BYTES 96u
#define EDIT_WORDS 8u

struct edit {
    void (*echo)(const char *text); /* what the terminal is to show */
    unsigned used, sequence;
    bool returned; /* the last one was a carriage return: a line feed behind it says nothing new */
    char text[EDIT_BYTES];
};

enum edit_event { EDIT_MORE, EDIT_ENTER, EDIT_LEAVE };

void edit_clear(struct edit *e);
/* ENTER: the line is complete, in `text`; LEAVE: it is given up (Ctrl-C, Ctrl-D). The user clears it then. */
enum edit_event edit_key(struct edit *e, char c);

/* Cuts the text at its blanks; those words that are "-j" are taken out, and *json is set. Returns how many words there are, of which
 * EDIT_WORDS at most are in word. */
unsigned edit_split(char *text, const char *word[EDIT_WORDS], bool *json);
/* "4096", "0x1000", "4K", "1G". False: it is no number, or none of 64 bits. */
bool edit_number(const char *word, uint64_t *value);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "monitor/edit.h"

#include <stddef.h>

enum { CTRL_C = 3, CTRL_D = 4, BACKSPACE = 8, CTRL_U = 21, ESC = 27, DELETE = 127 };
/* Keys such as arrows send ESC [ or ESC O, parameters, and a letter. */
enum { SEQUENCE_NONE, SEQUENCE_ESC, SEQUENCE_INSIDE };

void edit_clear(struct edit *e)
{
    e->used = 0;
    e->text[0] = '\0';
}

static void rub_out(struct edit *e, unsigned n)
{
    for (; n > 0 && e->used > 0; n--) {
        e->used--;
        e->echo("\b\033[K");
    }
    e->text[e->used] = '\0';
}

static void add(struct edit *e, char c)
{
    char seen[] = {c, '\0'};
    if (e->used == EDIT_BYTES - 1) {
        e->echo("\a");
        return;
    }
    e->text[e->used++] = c;
    e->text[e->used] = '\0';
    e->echo(seen);
}

/* Is it part of what a key like an arrow sends? Control characters end that, whatever was to come. */
static bool swallowed(struct edit *e, char c)
{
    unsigned was = e->sequence;
    bool letter = c >= '@' && c <= '~', opens = c == '[' || c == 'O';
    if (c == ESC)
        e->sequence = SEQUENCE_ESC;
    else if ((unsigned char)c < ' ' || (was == SEQUENCE_INSIDE && letter) || (was == SEQUENCE_ESC && !opens))
        e->sequence = SEQUENCE_NONE;
    else if (was == SEQUENCE_ESC)
        e->sequence = SEQUENCE_INSIDE;
    return e->sequence != SEQUENCE_NONE || (was == SEQUENCE_INSIDE && letter);
}

enum edit_event edit_key(struct edit *e, char c)
{
    bool again = e->returned && c == '\n';
    e->returned = c == '\r';
    if (again || swallowed(e, c))
        return EDIT_MORE;
    switch (c) {
    case '\r':
    case '\n':
        return EDIT_ENTER;
    case CTRL_C:
    case CTRL_D:
        return EDIT_LEAVE;
    case BACKSPACE:
    case DELETE:
        rub_out(e, 1);
        break;
    case CTRL_U:
        rub_out(e, e->used);
        break;
    default:
        if (c >= ' ' && c <= '~')
            add(e, c);
    }
    return EDIT_MORE;
}

static bool is_json(const char *word)
{
    return word[0] == '-' && word[1] == 'j' && word[2] == '\0';
}

unsigned edit_split(char *text, const char *word[EDIT_WORDS], bool *json)
{
    unsigned words = 0;
    *json = false;
    while (*text != '\0') {
        char *start = text;
        while (*text != ' ' && *text != '\0')
            text++;
        if (*text == ' ')
            *text++ = '\0';
        if (is_json(start)) {
            *json = true;
        } else if (*start != '\0') {
            if (words < EDIT_WORDS)
                word[words] = start;
            words++;
        }
    }
    return words;
}

static unsigned digit_of(char c)
{
    char small = (char)(c | 0x20);
    return c >= '0' && c <= '9'           ? (unsigned)(c - '0')
           : small >= 'a' && small <= 'f' ? (unsigned)(small - 'a') + 10
                                          : 16;
}

bool edit_number(const char *word, uint64_t *value)
{
    static const char units[] = "kmgt";
    unsigned base = word[0] == '0' && (word[1] | 0x20) == 'x' ? 16 : 10, shift = 0;
    const char *at = base == 16 ? word + 2 : word, *first = at;
    uint64_t n = 0;
    for (; digit_of(*at) < base; at++)
        if (__builtin_mul_overflow(n, base, &n) || __builtin_add_overflow(n, digit_of(*at), &n))
            return false;
    if (at == first)
        return false;
    for (unsigned i = 0; *at != '\0' && i < sizeof(units) - 1; i++)
        if ((*at | 0x20) == units[i])
            shift = 10 * (i + 1);
    at += shift != 0;
    *value = n << shift;
    return *at == '\0' && *value >> shift == n;
}

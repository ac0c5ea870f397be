/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* One row of a listing, described once: as aligned columns for people, with their heading, or as one JSON object (RFC 8259) for
 * tools. Addresses are text in both, sizes in JSON plain numbers. Plain logic. */
#ifndef MONITOR_ROW_H
#define MONITOR_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROW_BYTES 512u
#define ROW_HEAD  192u

struct row {
    bool json;
    size_t used, head_used;
    char line[ROW_BYTES]; /* after row_end: with its newline */
    char head[ROW_HEAD];  /* the columns' names; empty in JSON */
};

void row_begin(struct row *r, bool json);
void row_end(struct row *r);

/* A field that finds no room is left out as a whole. width: of the column, at least; the last one's blanks are cut off. */
void row_text(struct row *r, const char *key, unsigned width, const char *value); /* null: "-", JSON's null */
void row_address(struct row *r, const char *key, unsigned width, uint64_t value);
void row_flag(struct row *r, const char *key, unsigned width, bool value); /* yes, no; true, false */
void row_no_address(struct row *r, const char *key, unsigned width);
void row_number(struct row *r, const char *key, unsigned width, uint64_t value);
void row_size(struct row *r, const char *key, unsigned width, uint64_t bytes); /* people see 64K */
/* The largest unit that divides it, "" to "T"; leaves how many of them it is. */
const char *row_unit(uint64_t *bytes);
/* In JSON what `json` says, which is JSON. */
void row_field(struct row *r, const char *key, unsigned width, bool right, const char *text, const char *json);

#endif

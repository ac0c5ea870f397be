/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Words that stand one behind the other, each with its closing zero: "none\0read\0write". A table of pointers to them would
 * cost eight bytes for each. */
#ifndef STAGE2_BASE_WORDS_H
#define STAGE2_BASE_WORDS_H

#include <stddef.h>

/* The n-th, from 0. pre: there are so many. */
const char *s2_word(const char *words, size_t n);

#endif

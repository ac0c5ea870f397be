/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "base/words.h"

const char *s2_word(const char *words, size_t n)
{
    while (n > 0)
        if (*words++ == '\0')
            n--;
    return words;
}

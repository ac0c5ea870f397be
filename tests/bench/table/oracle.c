/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "oracle.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRIES = 512, ROOT_TABLES = 2, START_LEVEL = 1, LAST_LEVEL = 3 };

#define VALID  UINT64_C(1)
#define TABLE  UINT64_C(2) /* above level 3 a table, at level 3 a page */
#define S2AP_R (UINT64_C(1) << 6)
#define S2AP_W (UINT64_C(1) << 7)
#define DBM    (UINT64_C(1) << 51)
#define OA     UINT64_C(0xfffffffff000)

static unsigned shift_of(int level)
{
    return 12 + 9 * (unsigned)(LAST_LEVEL - level);
}

/* The descriptor that ends the walk of ipa, and its level. */
static uint64_t walk(const struct arena *a, uint64_t root, uint64_t ipa, int *level)
{
    uint64_t table = root, desc;
    unsigned mask = ENTRIES * ROOT_TABLES - 1;

    for (*level = START_LEVEL;; ++*level, mask = ENTRIES - 1) {
        desc = arena_table(a, table)[ipa >> shift_of(*level) & mask];
        if (*level == LAST_LEVEL || (desc & (VALID | TABLE)) != (VALID | TABLE))
            break;
        table = desc & OA;
    }
    if (*level == LAST_LEVEL && !(desc & TABLE))
        desc = 0;
    return desc & VALID ? desc : 0;
}

static bool as_expected(const struct arena *a, uint64_t root, uint64_t ipa, uint64_t pa, enum expect expect)
{
    int level;
    uint64_t desc = walk(a, root, ipa, &level), size = UINT64_C(1) << shift_of(level);
    bool writable = desc & (S2AP_W | DBM);

    if (expect == UNMAPPED)
        return !desc;
    return desc && desc & S2AP_R && (desc & OA & ~(size - 1)) + (ipa & (size - 1)) == pa &&
           writable == (expect == MAPPED_RW);
}

bool oracle_agrees(const struct arena *a, uint64_t root, const struct jobs *jobs, enum expect expect)
{
    for (unsigned i = 0; i < jobs->n; i++) {
        const struct job *j = &jobs->job[i];
        /* Of 64 GiB a page of each block will do, another each time. */
        uint64_t step = j->bytes > GIB ? BLOCK + PAGE : PAGE;

        for (uint64_t at = 0; at < j->bytes; at += step)
            if (!as_expected(a, root, j->ipa + at, j->pa + at, expect))
                return false;
    }
    return true;
}

static void add(const struct arena *a, uint64_t table, int level, struct totals *out)
{
    unsigned used = 0;

    out->tables++;
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t desc = arena_table(a, table)[i];

        used += desc != 0;
        if (level < LAST_LEVEL && (desc & (VALID | TABLE)) == (VALID | TABLE))
            add(a, desc & OA, level + 1, out);
        else if (desc & VALID)
            out->bytes += UINT64_C(1) << shift_of(level);
    }
    out->empty += !used && level > START_LEVEL;
}

void oracle_totals(const struct arena *a, uint64_t root, struct totals *out)
{
    *out = (struct totals){0};
    for (unsigned i = 0; i < ROOT_TABLES; i++)
        add(a, root + i * PAGE, START_LEVEL, out);
}

uint32_t oracle_tables_needed(const struct jobs *jobs)
{
    enum { GIBS = 1u << (IPA_BITS - 30), BLOCKS = 1u << (IPA_BITS - 21) };
    unsigned char *has = calloc(GIBS + BLOCKS, 1);
    uint32_t n = ROOT_TABLES;

    if (!has)
        abort();
    for (unsigned i = 0; i < jobs->n; i++) {
        const struct job *j = &jobs->job[i];

        for (uint64_t at = j->ipa, next; at < jobs_end(j); at = next) {
            uint64_t block = at / BLOCK * BLOCK;
            bool whole = block == at && jobs_end(j) - at >= BLOCK && (j->pa - j->ipa) % BLOCK == 0;

            next = block + BLOCK;
            has[at / GIB] = 1;
            has[GIBS + at / BLOCK] |= !whole;
        }
    }
    for (unsigned i = 0; i < GIBS + BLOCKS; i++)
        n += has[i];
    free(has);
    return n;
}

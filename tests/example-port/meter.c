/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* An area set of one's own, with the backend that docs/porting.md shows behind it: backend.c is cut out of that page. */
#include "backend.c"

#include <stdio.h>
#include <stdlib.h>

static struct meter meter;
static struct s2_pool pool;
static struct s2_area_set set;

static void must(bool so, const char *what)
{
    if (so)
        return;
    printf("not so: %s\n", what);
    exit(1);
}

static enum s2_err map(uint64_t start, uint64_t end, uint32_t attr, enum s2_map_mode mode)
{
    struct s2_area area = {.range = {S2_IPA(start), S2_IPA(end)}, .backend = &metered, .attr = S2_ATTR(attr)};
    struct s2_detail detail;
    struct s2_op op;
    enum s2_err err;

    s2_op_begin(&op, NULL, &detail);
    err = s2_area_set_map(&set, &op, &area, mode);
    if (err)
        printf("[%#llx, %#llx) %s\n", (unsigned long long)start, (unsigned long long)end, detail.what);
    return err;
}

static enum s2_err unmap(uint64_t start, uint64_t end)
{
    struct s2_ipa_range range = {S2_IPA(start), S2_IPA(end)};
    struct s2_op op;

    s2_op_begin(&op, NULL, NULL);
    return s2_area_set_unmap(&set, &op, range);
}

int main(void)
{
    s2_pool_init(&pool, NULL, 0); /* up to 16 areas need no node */
    must(!s2_area_set_init(&set, &pool, S2_IPA(0), S2_IPA(1 << 20), 0x1000, &meter), "a set is made");
    must(!map(0x1000, 0x9000, S2_RW, S2_MAP_NEW) && meter.bytes == 0x8000, "what is mapped is counted");
    must(map(0x9000, 0xa000, S2_RX, S2_MAP_NEW) == S2_EREFUSED, "code is refused");
    must(map(0x8000, 0xa000, S2_RX, S2_MAP_REPLACE) == S2_EREFUSED && meter.bytes == 0x8000, "wholly");
    must(!map(0x8000, 0xa000, S2_R, S2_MAP_REPLACE) && meter.bytes == 0x9000, "what it replaces goes first");
    must(!unmap(0x2000, 0x3000) && meter.bytes == 0x8000 && s2_area_set_count(&set) == 3, "a hole is not counted");
    must(!unmap(0, 1 << 20) && meter.bytes == 0, "nothing is left");
    printf("all is counted\n");
    return 0;
}

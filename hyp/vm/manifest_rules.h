/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What the rules between a manifest's values have in common. Between the files manifest_check*.c only. */
#ifndef VM_MANIFEST_RULES_H
#define VM_MANIFEST_RULES_H

#include "vm/manifest.h"

#define THINGS (MANIFEST_REGIONS + MANIFEST_DEVICES + 3u)

/* A range with its name, "memory/ram". */
struct thing {
    const char *dir, *name;
    struct range r;
};

struct check {
    struct manifest *m;
    struct manifest_vm *v;
    const struct machine *machine; /* or null */
    struct problems *p;
};

/* One problem with c->v, which is not ok. */
void rules_refuse(const struct check *c, const char *fmt, ...);
/* Where that VM has something, its windows aside: how many. */
unsigned rules_guest_things(const struct manifest_vm *v, struct thing things[THINGS]);
/* What of the machine stands in the way of RAM there (or of device registers): text behind the range; false: nothing. */
bool rules_in_the_way(const struct machine *machine, struct range r, bool device, struct text *t);

/* manifest_check_shared.c. Named regions by themselves, before any VM is looked at; */
void rules_pools(const struct check *c);
/* where c->v's memory comes from; */
void rules_from(const struct check *c);
/* does [r) of c->v meet a named region? */
void rules_beside_pools(const struct check *c, const struct thing *mine);
/* windows, when all VMs were looked at; */
void rules_windows(const struct check *c);
/* and whether there is enough of everything. */
void rules_amounts(struct check *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Reading the manifest: shared windows and named memory, and what of them concerns one VM. */
#include "vm/manifest_read.h"

#include <string.h>

static unsigned vm_of(const struct manifest *m, const struct where *w, const char *prop, const char *name)
{
    for (unsigned i = 0; i < m->vms; i++)
        if (strcmp(m->vm[i].name, name) == 0)
            return i;
    read_refuse(w, prop, "there is no vm %s", name);
    return MANIFEST_VMS;
}

/* --- windows ------------------------------------------------------------------------------------------------------ */

enum { OWNER_VM, OWNER_IPA };
static const struct field owner_fields[] = {
    [OWNER_VM] = FIELD("vm", TEXT, manifest_window, owner_name),
    [OWNER_IPA] = FIELD("ipa", NUMBER, manifest_window, ipa),
};
enum { BORROWER_IPA, BORROWER_RIGHTS };
static const struct field borrower_fields[] = {
    [BORROWER_IPA] = FIELD("ipa", NUMBER, manifest_borrower, ipa),
    [BORROWER_RIGHTS] = FIELD("rights", RIGHTS, manifest_borrower, rights),
};
enum { WINDOW_SIZE, WINDOW_OWNER, WINDOW_BORROWERS };
static const struct field window_fields[] = {
    [WINDOW_SIZE] = FIELD("size", NUMBER, manifest_window, size),
};

static struct where in_window(struct problems *p, struct manifest_window *win, const char *dir, const char *node)
{
    return (struct where){.p = p, .what = "window", .name = win->name, .ok = &win->ok, .dir = dir, .node = node};
}

static void read_owner(struct manifest *m, const struct where *w, struct manifest_window *win, int node)
{
    uint64_t seen = read_leaf(w, m->fdt, node, owner_fields, ARRAY_SIZE(owner_fields), win);
    read_required(w, seen, owner_fields, OWNER_VM, OWNER_IPA);
    if (win->owner_name != NULL)
        win->owner = vm_of(m, w, "vm", win->owner_name);
}

static void read_borrowers(struct manifest *m, struct manifest_window *win, int node, struct problems *p)
{
    struct where dir = in_window(p, win, NULL, "borrowers");
    read_fields(&dir, m->fdt, node, NULL, 0, NULL);
    int child;
    fdt_for_each_subnode(child, m->fdt, node)
    {
        const char *name = fdt_get_name(m->fdt, child, NULL);
        if (win->borrowers == MANIFEST_BORROWERS) {
            read_refuse(&dir, name, "more than %u borrowers", (uint64_t)MANIFEST_BORROWERS);
            return;
        }
        struct manifest_borrower *b = &win->borrower[win->borrowers++];
        struct where at = in_window(p, win, "borrowers", name), list = in_window(p, win, NULL, "borrowers");
        b->name = name;
        b->vm = vm_of(m, &list, name, name);
        uint64_t seen = read_leaf(&at, m->fdt, child, borrower_fields, ARRAY_SIZE(borrower_fields), b);
        read_required(&at, seen, borrower_fields, BORROWER_IPA, BORROWER_RIGHTS);
    }
}

static void read_window(struct manifest *m, struct manifest_window *win, int node, struct problems *p)
{
    struct where w = in_window(p, win, NULL, NULL);
    read_name(&w, win->name);
    uint64_t seen = read_fields(&w, m->fdt, node, window_fields, ARRAY_SIZE(window_fields), win);
    read_required(&w, seen, window_fields, WINDOW_SIZE, WINDOW_SIZE);
    int child;
    fdt_for_each_subnode(child, m->fdt, node)
    {
        const char *name = fdt_get_name(m->fdt, child, NULL);
        struct where at = in_window(p, win, NULL, name);
        if (strcmp(name, "owner") == 0) {
            read_owner(m, &at, win, child);
            seen |= 1ull << WINDOW_OWNER;
        } else if (strcmp(name, "borrowers") == 0) {
            read_borrowers(m, win, child, p);
            seen |= 1ull << WINDOW_BORROWERS;
        } else {
            read_refuse(&w, name, "unknown node");
        }
    }
    if ((seen >> WINDOW_OWNER & 1) == 0)
        read_refuse(&w, "owner", "missing");
    if ((seen >> WINDOW_BORROWERS & 1) == 0)
        read_refuse(&w, "borrowers", "missing");
}

void read_windows(struct manifest *m, const void *fdt, int node, struct problems *p)
{
    struct where dir = {.p = p, .node = "windows"};
    read_fields(&dir, fdt, node, NULL, 0, NULL);
    int child;
    fdt_for_each_subnode(child, fdt, node)
    {
        const char *name = fdt_get_name(fdt, child, NULL);
        if (m->windows == MANIFEST_WINDOWS) {
            read_refuse(&dir, name, "more than %u windows", (uint64_t)MANIFEST_WINDOWS);
            return;
        }
        struct manifest_window *win = &m->window[m->windows++];
        *win = (struct manifest_window){.name = name, .ok = true, .owner = MANIFEST_VMS};
        read_window(m, win, child, p);
    }
}

bool manifest_view(const struct manifest_vm *v, unsigned window, struct manifest_view *out)
{
    const struct manifest_window *win = v->in == NULL ? NULL : &v->in->window[window];
    if (win == NULL || window >= v->in->windows || !win->ok || !v->in->vm[win->owner].ok)
        return false;
    bool owner = v == &v->in->vm[win->owner];
    *out = (struct manifest_view){win, owner, win->ipa, S2_RW};
    bool found = owner;
    for (unsigned i = 0; i < win->borrowers; i++) {
        const struct manifest_borrower *b = &win->borrower[i];
        if (owner)
            out->rights |= b->rights;
        else if (v == &v->in->vm[b->vm])
            *out = (struct manifest_view){win, false, b->ipa, b->rights};
        found |= v == &v->in->vm[b->vm];
    }
    return found;
}

/* --- named memory ------------------------------------------------------------------------------------------------- */

enum { POOL_PA, POOL_SIZE };
static const struct field pool_fields[] = {
    [POOL_PA] = FIELD("pa", NUMBER, manifest_pool, pa),
    [POOL_SIZE] = FIELD("size", NUMBER, manifest_pool, size),
    FIELD("coloured", FLAG, manifest_pool, coloured),
};

void read_pools(struct manifest *m, const void *fdt, int node, struct problems *p)
{
    struct where dir = {.p = p, .node = "memory-regions"};
    read_fields(&dir, fdt, node, NULL, 0, NULL);
    int child;
    fdt_for_each_subnode(child, fdt, node)
    {
        const char *name = fdt_get_name(fdt, child, NULL);
        if (m->pools == MANIFEST_POOLS) {
            read_refuse(&dir, name, "more than %u named regions", (uint64_t)MANIFEST_POOLS);
            return;
        }
        struct manifest_pool *pool = &m->pool[m->pools++];
        *pool = (struct manifest_pool){.name = name, .ok = true};
        struct where at = {.p = p, .what = "memory-region", .name = name, .ok = &pool->ok};
        read_name(&at, name);
        uint64_t seen = read_leaf(&at, fdt, child, pool_fields, ARRAY_SIZE(pool_fields), pool);
        read_required(&at, seen, pool_fields, POOL_PA, POOL_SIZE);
    }
}

/* Sums saturate: a region may be as large as the address space. */
static void add(uint64_t *bytes, uint64_t more)
{
    if (__builtin_add_overflow(*bytes, more, bytes))
        *bytes = UINT64_MAX;
}

uint64_t manifest_memory(const struct manifest_vm *v, bool all)
{
    uint64_t bytes = 0;
    struct manifest_view view;
    for (unsigned i = 0; i < v->regions; i++)
        if (!v->region[i].chosen && v->region[i].colours == 0 && (all || !v->region[i].overcommit))
            add(&bytes, v->region[i].size);
    for (unsigned i = 0; i < MANIFEST_WINDOWS; i++)
        if (manifest_view(v, i, &view) && view.owner)
            add(&bytes, view.window->size);
    return bytes;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The rules for what several VMs share: windows, named memory, and the machine's RAM. */
#include <string.h>

#include "vm/manifest_rules.h"

#define FRAME 0x1000ull

static void refuse(const struct check *c, const char *kind, const char *name, bool *ok, const char *fmt, ...)
{
    struct text t;
    text_begin(&t);
    text_add(&t, "%s %s: ", kind, name);
    va_list args;
    va_start(args, fmt);
    problemv(c->p, t.s, fmt, &args);
    va_end(args);
    *ok = false;
}

/* --- named memory ------------------------------------------------------------------------------------------------- */

#define refuse_pool(c, pool, ...) refuse(c, "memory-region", (pool)->name, &(pool)->ok, __VA_ARGS__)

static struct range pool_range(const struct manifest_pool *pool)
{
    return (struct range){pool->pa, pool->pa + pool->size};
}

static void check_pool(const struct check *c, struct manifest_pool *pool)
{
    struct range r = pool_range(pool);
    struct text t;
    text_begin(&t);
    if (pool->pa % FRAME != 0)
        refuse_pool(c, pool, "pa: %x is not a multiple of %x", pool->pa, FRAME);
    if (pool->size % FRAME != 0)
        refuse_pool(c, pool, "size: %x is not a multiple of %x", pool->size, FRAME);
    if (r.end <= r.start)
        refuse_pool(c, pool, "%x + %x is not a range", pool->pa, pool->size);
    if (pool->ok && c->machine != NULL && c->machine->pa_bits != 0 && r.end > 1ull << c->machine->pa_bits)
        refuse_pool(c, pool, "%r lies beyond the machine's %u address bits", &r, (uint64_t)c->machine->pa_bits);
    else if (pool->ok && c->machine != NULL && rules_in_the_way(c->machine, r, false, &t))
        refuse_pool(c, pool, "%r %s", &r, t.s);
}

void rules_pools(const struct check *c)
{
    for (unsigned i = 0; i < c->m->pools; i++) {
        struct manifest_pool *pool = &c->m->pool[i];
        struct range r = pool_range(pool);
        if (pool->ok) /* else something is missing */
            check_pool(c, pool);
        for (unsigned k = 0; k < i; k++) {
            struct manifest_pool *other = &c->m->pool[k];
            struct range o = pool_range(other);
            if (strcmp(other->name, pool->name) == 0)
                refuse_pool(c, pool, "name: there is another region of this name");
            else if (other->ok && pool->ok && range_meets(r, o))
                refuse_pool(c, pool, "%r overlaps memory-region %s %r; move one of them", &r, other->name, &o);
        }
    }
}

static int pool_of(const struct check *c, const struct manifest_region *r)
{
    unsigned i = 0;
    while (i < c->m->pools && strcmp(c->m->pool[i].name, r->from) != 0)
        i++;
    if (i == c->m->pools) {
        rules_refuse(c, "memory/%s/from: there is no memory-region %s", r->name, r->from);
        return -1;
    }
    const struct manifest_pool *pool = &c->m->pool[i];
    uint64_t granule = 1ull << c->v->granule_log2;
    if (!pool->ok)
        rules_refuse(c, "memory/%s/from: memory-region %s cannot be used", r->name, r->from);
    else if ((pool->pa | pool->size) % granule != 0)
        rules_refuse(c, "memory/%s/from: memory-region %s %x + %x is not made of granules of %x", r->name, r->from,
                     pool->pa, pool->size, granule);
    else if (pool->coloured && r->colours == 0)
        rules_refuse(c, "memory/%s/from: memory-region %s is coloured; say which colours", r->name, r->from);
    else if (!pool->coloured && r->colours != 0)
        rules_refuse(c, "memory/%s/colours: memory-region %s is not coloured", r->name, r->from);
    return (int)i;
}

/* A space has one allocator, so what of it is at no chosen place comes from one region, or nothing of it from any. */
void rules_from(const struct check *c)
{
    const struct manifest_region *first = NULL;
    for (unsigned i = 0; i < c->v->regions; i++) {
        struct manifest_region *r = &c->v->region[i];
        int pool = r->colours != 0 && r->from != NULL ? pool_of(c, r) : -1;
        r->pool = pool < 0 ? 0 : (unsigned)pool; /* without any it is refused */
        if (r->chosen || r->colours != 0)
            continue;
        if (first == NULL) {
            first = r;
            if (r->from != NULL)
                c->v->pool = pool_of(c, r);
        } else if (r->from == NULL ? first->from != NULL : first->from == NULL || strcmp(r->from, first->from) != 0) {
            rules_refuse(c, "memory/%s: comes from %s, memory/%s from %s; all that has no pa comes from one place",
                         r->name, r->from == NULL ? "anywhere" : r->from, first->name,
                         first->from == NULL ? "anywhere" : first->from);
        }
    }
}

void rules_beside_pools(const struct check *c, const struct thing *mine)
{
    for (unsigned i = 0; i < c->m->pools; i++) {
        struct range r = pool_range(&c->m->pool[i]);
        if (c->m->pool[i].ok && range_meets(mine->r, r))
            rules_refuse(c, "%s/%s/pa: %r overlaps memory-region %s %r; move one of them", mine->dir, mine->name,
                         &mine->r, c->m->pool[i].name, &r);
    }
}

/* --- windows ------------------------------------------------------------------------------------------------------ */

/* One VM's part in a window: the owner's, or a borrower's. */
struct side {
    const struct check *c;
    struct manifest_window *win;
    const char *dir, *slash, *node; /* "owner", or "borrowers", "/", the VM's name */
    const struct manifest_vm *v;
    uint64_t ipa;
};

#define refuse_window(c, win, ...) refuse(c, "window", (win)->name, &(win)->ok, __VA_ARGS__)

static void refuse_side(const struct side *s, const char *fmt, ...)
{
    struct text t;
    text_begin(&t);
    text_add(&t, "window %s: %s%s%s: ", s->win->name, s->dir, s->slash, s->node);
    va_list args;
    va_start(args, fmt);
    problemv(s->c->p, t.s, fmt, &args);
    va_end(args);
    s->win->ok = false;
}

/* Ranges of windows in the same VM that come earlier. */
static void check_earlier_windows(const struct side *s, struct range r)
{
    for (const struct manifest_window *o = s->c->m->window; o < s->win; o++) {
        struct manifest_view view;
        if (!manifest_view(s->v, (unsigned)(o - s->c->m->window), &view))
            continue;
        struct range other = {view.ipa, view.ipa + o->size};
        if (range_meets(r, other))
            refuse_side(s, "%r overlaps vm %s window %s %r; move one of them", &r, s->v->name, o->name, &other);
    }
}

static void check_side(const struct side *s)
{
    uint64_t granule = 1ull << s->v->granule_log2, size = s->win->size;
    unsigned bits = manifest_ipa_bits(s->v, s->c->machine != NULL ? s->c->machine->pa_bits : 0);
    struct range r = {s->ipa, s->ipa + size};
    struct thing things[THINGS];
    if (s->ipa % granule != 0)
        refuse_side(s, "ipa: %x is not a multiple of vm %s's granule %x", s->ipa, s->v->name, granule);
    if (size % granule != 0)
        refuse_side(s, "size: %x is not a multiple of vm %s's granule %x", size, s->v->name, granule);
    if (r.end <= r.start)
        refuse_side(s, "%x + %x is not a range", s->ipa, size);
    else if (r.end > 1ull << bits)
        refuse_side(s, "%r lies beyond vm %s's %u address bits", &r, s->v->name, (uint64_t)bits);
    if (!s->v->ok || !s->win->ok)
        return; /* what follows compares ranges that make sense */
    unsigned n = rules_guest_things(s->v, things);
    for (unsigned i = 0; i < n; i++)
        if (range_meets(r, things[i].r))
            refuse_side(s, "%r overlaps vm %s %s/%s %r; move one of them", &r, s->v->name, things[i].dir,
                        things[i].name, &things[i].r);
    check_earlier_windows(s, r);
}

static void check_borrower(const struct check *c, struct manifest_window *win, const struct manifest_borrower *b)
{
    const struct manifest_vm *v = &c->m->vm[b->vm], *owner = &c->m->vm[win->owner];
    const struct side side = {c, win, "borrowers", "/", b->name, v, b->ipa};
    if (v == owner)
        refuse_side(&side, "vm %s owns it", v->name);
    for (const struct manifest_borrower *o = win->borrower; o < b; o++)
        if (o->vm == b->vm)
            refuse_side(&side, "vm %s is named twice", v->name);
    /* Frames come in the owner's granule, and no larger leaf need fit. */
    if (v->granule_log2 > owner->granule_log2)
        refuse_side(&side, "vm %s's granule %x is larger than vm %s's %x, whose memory it cannot map", v->name,
                    1ull << v->granule_log2, owner->name, 1ull << owner->granule_log2);
    if (win->ok)
        check_side(&side);
}

static void check_window(const struct check *c, struct manifest_window *win)
{
    const struct manifest_vm *owner = &c->m->vm[win->owner];
    const struct side side = {c, win, "owner", "", "", owner, win->ipa};
    if (win->borrowers == 0)
        refuse_window(c, win, "borrowers: there is none");
    if (!owner->ok)
        refuse_window(c, win, "owner: vm %s is refused", owner->name);
    check_side(&side);
    for (unsigned i = 0; i < win->borrowers; i++)
        check_borrower(c, win, &win->borrower[i]);
}

void rules_windows(const struct check *c)
{
    for (unsigned i = 0; i < c->m->windows; i++) {
        struct manifest_window *win = &c->m->window[i];
        for (unsigned k = 0; k < i; k++)
            if (strcmp(c->m->window[k].name, win->name) == 0)
                refuse_window(c, win, "name: there is another window of this name");
        if (win->ok) /* else something is missing, or a VM that does not exist is named */
            check_window(c, win);
    }
}

/* --- how much RAM ------------------------------------------------------------------------------------------------- */

static uint64_t chosen(const struct manifest_vm *v)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; v->ok && i < v->regions; i++)
        if (v->region[i].chosen && __builtin_add_overflow(bytes, v->region[i].size, &bytes))
            bytes = UINT64_MAX;
    return bytes;
}

static void take(uint64_t *left, uint64_t bytes)
{
    *left -= bytes < *left ? bytes : *left;
}

void rules_amounts(struct check *c)
{
    uint64_t left = c->machine != NULL ? machine_ram(c->machine, true) : UINT64_MAX, pool_left[MANIFEST_POOLS] = {0};
    for (unsigned i = 0; i < c->m->vms; i++)
        take(&left, chosen(&c->m->vm[i]));
    for (unsigned i = 0; i < c->m->pools; i++) {
        pool_left[i] = c->m->pool[i].ok ? c->m->pool[i].size : 0;
        take(&left, pool_left[i]);
    }
    for (unsigned i = 0; i < c->m->vms; i++) {
        c->v = &c->m->vm[i];
        uint64_t asked = c->v->ok ? manifest_memory(c->v, false) : 0;
        uint64_t *from = c->v->pool < 0 ? &left : &pool_left[c->v->pool];
        if (asked <= *from)
            *from -= asked;
        else if (c->v->pool < 0)
            rules_refuse(c, "memory: %x bytes are asked for, %x are left", asked, *from);
        else
            rules_refuse(c, "memory: %x bytes are asked for, %x are left of memory-region %s", asked, *from,
                         c->m->pool[c->v->pool].name);
    }
}

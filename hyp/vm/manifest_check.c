/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The rules between a manifest's values: ranges against each other, other VMs, the machine and the bundle. */
#include <string.h>

#include "vm/bundle.h"
#include "vm/loader.h"
#include "vm/manifest_rules.h"
#include "vm/shape.h"

#define DEFAULT_IPA_BITS 40u
#define GIC_ALIGN        0x10000ull

void rules_refuse(const struct check *c, const char *fmt, ...)
{
    struct text t;
    text_begin(&t);
    text_add(&t, "vm %s: ", c->v->name);
    va_list args;
    va_start(args, fmt);
    problemv(c->p, t.s, fmt, &args);
    va_end(args);
    c->v->ok = false;
}

unsigned manifest_ipa_bits(const struct manifest_vm *v, unsigned pa_bits)
{
    if (v->ipa_bits != 0)
        return v->ipa_bits;
    return pa_bits != 0 && pa_bits < DEFAULT_IPA_BITS ? pa_bits : DEFAULT_IPA_BITS;
}

static void check_shape(const struct check *c)
{
    struct s2_geometry g;
    struct s2_detail d;
    struct text have;
    text_begin(&have);
    if (c->machine == NULL || c->machine->caps == NULL)
        return;
    enum s2_err err = shape_make(c->v, c->machine->caps, &g, &d);
    if (err == S2_OK)
        return;
    shape_describe(&have, c->machine->caps);
    rules_refuse(c, "%s: %s: %s; the CPUs have %s", d.found_end == 0 ? "granule" : "ipa-bits", s2_err_phrase(err),
                 d.what, have.s);
}

/* --- one range by itself ------------------------------------------------------------------------------------------ */

static bool aligned(const struct check *c, const char *dir, const char *name, const char *prop, uint64_t value)
{
    uint64_t granule = 1ull << c->v->granule_log2;
    if (value % granule == 0)
        return true;
    rules_refuse(c, "%s/%s/%s: %x is not a multiple of the granule %x", dir, name, prop, value, granule);
    return false;
}

static bool is_range(const struct check *c, const char *dir, const char *name, uint64_t start, uint64_t size)
{
    if (size != 0 && start + size > start)
        return true;
    rules_refuse(c, "%s/%s: %x + %x is not a range", dir, name, start, size);
    return false;
}

static void check_limit(const struct check *c, const char *dir, const char *name, struct range r)
{
    unsigned bits = manifest_ipa_bits(c->v, c->machine != NULL ? c->machine->pa_bits : 0);
    if (r.end > 1ull << bits)
        rules_refuse(c, "%s/%s: %r lies beyond the guest's %u address bits", dir, name, &r, (uint64_t)bits);
}

static void check_regions(const struct check *c)
{
    struct manifest_vm *v = c->v;
    if (v->ok && v->regions == 0)
        rules_refuse(c, "memory: there is no region");
    for (unsigned i = 0; i < v->regions; i++) {
        struct manifest_region *r = &v->region[i];
        if (!v->ok && r->size == 0)
            continue; /* its absence was reported */
        bool ok = aligned(c, "memory", r->name, "ipa", r->ipa);
        ok &= aligned(c, "memory", r->name, "size", r->size);
        ok &= aligned(c, "memory", r->name, "pa", r->pa);
        ok &= is_range(c, "memory", r->name, r->ipa, r->size);
        if (ok && r->chosen)
            ok &= is_range(c, "memory", r->name, r->pa, r->size);
        if (!ok)
            continue;
        check_limit(c, "memory", r->name, manifest_region_ipa(r));
        if (v->boot_region < 0 && !r->read_only && !r->no_execute)
            v->boot_region = (int)i;
    }
    if (v->ok && v->boot_region < 0)
        rules_refuse(c, "memory: no region is readable, writable and executable, so nothing can be started");
}

static void check_window(const struct check *c, const char *dir, const char *name, uint64_t ipa, uint64_t bytes,
                         uint64_t align)
{
    if (ipa % align != 0)
        rules_refuse(c, "%s/%s: %x is not a multiple of %x", dir, name, ipa, align);
    else if (is_range(c, dir, name, ipa, bytes))
        check_limit(c, dir, name, (struct range){ipa, ipa + bytes});
}

static void check_emulated(const struct check *c)
{
    const struct manifest_vm *v = c->v;
    uint64_t granule = 1ull << v->granule_log2;
    check_window(c, "uart", "ipa", v->uart_ipa, granule, granule);
    check_window(c, "gic", "distributor", v->gicd_ipa, MANIFEST_GICD_BYTES, GIC_ALIGN);
    check_window(c, "gic", "redistributor", v->gicr_ipa, v->vcpus * MANIFEST_GICR_BYTES, GIC_ALIGN);
}

/* --- CPUs --------------------------------------------------------------------------------------------------------- */

static void check_cpus(const struct check *c)
{
    struct manifest_vm *v = c->v;
    if (v->vcpus == 0 || v->vcpus > MANIFEST_VCPUS) {
        rules_refuse(c, "vcpus: %u are asked for, %u are possible", (uint64_t)v->vcpus, (uint64_t)MANIFEST_VCPUS);
        v->vcpus = 1;
        return;
    }
    if (v->cpus > 1 && v->cpus != v->vcpus)
        rules_refuse(c, "cpus: %u CPUs for %u vCPUs; give one, or one for each", (uint64_t)v->cpus, (uint64_t)v->vcpus);
    for (unsigned i = 0; c->machine != NULL && i < v->cpus; i++)
        if (v->cpu[i] >= c->machine->cpus)
            rules_refuse(c, "cpus: CPU %u is asked for, the machine has CPUs 0 to %u", (uint64_t)v->cpu[i],
                         (uint64_t)c->machine->cpus - 1);
}

/* --- devices ------------------------------------------------------------------------------------------------------ */

static void resolve_device(const struct check *c, struct manifest_device *d)
{
    if (d->resolved || c->machine == NULL || d->path == NULL)
        return;
    const struct machine_device *dev = machine_device_at(c->machine, d->path);
    if (dev == NULL) {
        rules_refuse(c, "devices/%s/path: \"%s\" is no device of the machine", d->name, d->path);
        return;
    }
    d->node = dev->node;
    d->pa = dev->reg.start;
    if (!d->size_given)
        d->size = dev->reg.end - dev->reg.start;
    if (!d->ipa_given)
        d->ipa = d->pa;
    if (!d->spis_given) {
        d->spis = dev->spis;
        memcpy(d->spi, dev->spi, sizeof(d->spi));
        d->edge = dev->edge;
    }
    if (d->compatible == NULL)
        d->compatible = dev->compatible;
    d->resolved = true;
}

static void check_dma(const struct check *c, const struct manifest_device *d, struct range pa)
{
    bool known = false;
    for (unsigned i = 0; i < c->machine->devices; i++) {
        const struct machine_device *dev = &c->machine->device[i];
        if (!range_meets(dev->reg, pa))
            continue;
        known = true;
        if (dev->hypervisor) {
            rules_refuse(c, "devices/%s: %r overlaps hypervisor %s %r; it cannot be given away", d->name, &pa,
                         dev->name, &dev->reg);
            return;
        }
        if (!dev->no_dma && !d->unsafe_dma) {
            rules_refuse(c, "devices/%s: %r may be a bus master and there is no SMMU; say unsafe-dma to allow it",
                         d->name, &pa);
            return;
        }
    }
    if (!known)
        rules_refuse(c, "devices/%s: %r is no device of the machine", d->name, &pa);
}

static void check_devices(const struct check *c)
{
    for (unsigned i = 0; i < c->v->devices; i++) {
        struct manifest_device *d = &c->v->device[i];
        resolve_device(c, d);
        if (!d->resolved || (!c->v->ok && d->size == 0))
            continue; /* its absence was reported */
        bool ok = aligned(c, "devices", d->name, "pa", d->pa);
        ok &= aligned(c, "devices", d->name, "size", d->size);
        ok &= aligned(c, "devices", d->name, "ipa", d->ipa);
        ok = ok && is_range(c, "devices", d->name, d->pa, d->size) && is_range(c, "devices", d->name, d->ipa, d->size);
        if (!ok)
            continue;
        check_limit(c, "devices", d->name, (struct range){d->ipa, d->ipa + d->size});
        if (c->machine != NULL)
            check_dma(c, d, (struct range){d->pa, d->pa + d->size});
    }
}

/* --- interrupts --------------------------------------------------------------------------------------------------- */

static void check_spi(const struct check *c, const struct manifest_device *d, uint16_t spi, const struct manifest_vm *o)
{
    if (o == c->v && !o->no_uart && spi == o->uart_spi)
        rules_refuse(c, "devices/%s/interrupts: SPI %u is uart's", d->name, (uint64_t)spi);
    for (unsigned i = 0; i < o->devices; i++) {
        const struct manifest_device *other = &o->device[i];
        if (other == d)
            return;
        for (unsigned k = 0; k < other->spis; k++)
            if (other->spi[k] == spi)
                rules_refuse(c, "devices/%s/interrupts: SPI %u is vm %s devices/%s's", d->name, (uint64_t)spi, o->name,
                             other->name);
    }
}

static void check_interrupts(const struct check *c)
{
    for (unsigned i = 0; i < c->v->devices; i++) {
        const struct manifest_device *d = &c->v->device[i];
        for (unsigned k = 0; k < d->spis; k++) {
            if (c->machine != NULL && c->machine->spis != 0 && d->spi[k] >= c->machine->spis)
                rules_refuse(c, "devices/%s/interrupts: SPI %u is asked for, the machine has %u", d->name,
                             (uint64_t)d->spi[k], (uint64_t)c->machine->spis);
            for (const struct manifest_vm *o = c->m->vm; o <= c->v; o++)
                if (o->ok || o == c->v)
                    check_spi(c, d, d->spi[k], o);
        }
    }
}

static bool spi_used(const struct manifest_vm *v, unsigned spi, const char **dir, const char **name)
{
    if (!v->no_uart && spi == v->uart_spi) {
        *dir = "uart";
        *name = "";
        return true;
    }
    for (unsigned i = 0; i < v->devices; i++) {
        for (unsigned k = 0; k < v->device[i].spis; k++) {
            if (v->device[i].spi[k] == spi) {
                *dir = "devices/";
                *name = v->device[i].name;
                return true;
            }
        }
    }
    return false;
}

/* One that was chosen must be free; else the first that is. */
static void check_doorbell(const struct check *c)
{
    const char *dir, *name;
    while (spi_used(c->v, c->v->doorbell_spi, &dir, &name)) {
        if (c->v->doorbell_given) {
            rules_refuse(c, "doorbell/interrupt: SPI %u is %s%s's", (uint64_t)c->v->doorbell_spi, dir, name);
            return;
        }
        c->v->doorbell_spi++;
    }
}

/* --- ranges against each other ------------------------------------------------------------------------------------ */

unsigned rules_guest_things(const struct manifest_vm *v, struct thing things[THINGS])
{
    unsigned n = 0;
    things[n++] = (struct thing){"gic", "distributor", {v->gicd_ipa, v->gicd_ipa + MANIFEST_GICD_BYTES}};
    things[n++] = (struct thing){"gic", "redistributor", {v->gicr_ipa, v->gicr_ipa + v->vcpus * MANIFEST_GICR_BYTES}};
    if (!v->no_uart)
        things[n++] = (struct thing){"uart", "ipa", {v->uart_ipa, v->uart_ipa + (1ull << v->granule_log2)}};
    for (unsigned i = 0; i < v->regions; i++)
        things[n++] = (struct thing){"memory", v->region[i].name, manifest_region_ipa(&v->region[i])};
    for (unsigned i = 0; i < v->devices; i++)
        if (v->device[i].resolved)
            things[n++] =
                (struct thing){"devices", v->device[i].name, {v->device[i].ipa, v->device[i].ipa + v->device[i].size}};
    return n;
}

static void check_guest_overlaps(const struct check *c)
{
    struct thing things[THINGS];
    unsigned n = rules_guest_things(c->v, things);
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = 0; k < i; k++)
            if (range_meets(things[i].r, things[k].r))
                rules_refuse(c, "%s/%s: %r overlaps %s/%s %r; move one of them", things[i].dir, things[i].name,
                             &things[i].r, things[k].dir, things[k].name, &things[k].r);
}

/* What a VM asks for at chosen host-physical addresses: the index-th region or device; false at the end. */
static bool chosen_thing(const struct manifest_vm *v, unsigned index, struct thing *out)
{
    for (unsigned i = 0; i < v->regions; i++) {
        if (v->region[i].chosen && index-- == 0) {
            *out = (struct thing){"memory", v->region[i].name, manifest_region_pa(&v->region[i])};
            return true;
        }
    }
    for (unsigned i = 0; i < v->devices; i++) {
        const struct manifest_device *d = &v->device[i];
        if (d->resolved && index-- == 0) {
            *out = (struct thing){"devices", d->name, {d->pa, d->pa + d->size}};
            return true;
        }
    }
    return false;
}

static void check_against_earlier(const struct check *c, const struct thing *mine, unsigned index)
{
    struct thing other;
    for (const struct manifest_vm *o = c->m->vm; o <= c->v; o++) {
        if (!o->ok && o != c->v)
            continue;
        for (unsigned i = 0; chosen_thing(o, i, &other) && !(o == c->v && i == index); i++)
            if (range_meets(mine->r, other.r))
                rules_refuse(c, "%s/%s/pa: %r overlaps vm %s %s/%s/pa %r; move one of them", mine->dir, mine->name,
                             &mine->r, o->name, other.dir, other.name, &other.r);
    }
}

bool rules_in_the_way(const struct machine *machine, struct range r, bool device, struct text *t)
{
    for (unsigned i = 0; i < machine->reserved; i++) {
        const struct machine_reserved *res = &machine->res[i];
        if (range_meets(r, res->range)) {
            text_add(t, "overlaps %s%s %r; move one of them", res->hypervisor ? "hypervisor " : "reserved ", res->name,
                     &res->range);
            return true;
        }
    }
    for (unsigned i = 0; i < machine->banks; i++) {
        if (device && range_meets(r, machine->bank[i])) {
            text_add(t, "overlaps RAM %r", &machine->bank[i]);
            return true;
        }
        if (!device && range_inside(r, machine->bank[i]))
            return false;
    }
    text_add(t, "is not in the machine's RAM");
    return !device;
}

static void check_chosen(const struct check *c)
{
    struct thing mine;
    for (unsigned i = 0; chosen_thing(c->v, i, &mine); i++) {
        struct text t;
        text_begin(&t);
        check_against_earlier(c, &mine, i);
        rules_beside_pools(c, &mine);
        if (c->machine != NULL && rules_in_the_way(c->machine, mine.r, strcmp(mine.dir, "devices") == 0, &t))
            rules_refuse(c, "%s/%s/pa: %r %s", mine.dir, mine.name, &mine.r, t.s);
    }
}

void manifest_check(struct manifest *m, const struct machine *machine, const struct bundle *bundle, struct problems *p)
{
    struct check c = {m, NULL, machine, p};
    rules_pools(&c);
    for (unsigned i = 0; i < m->vms; i++) {
        c.v = &m->vm[i];
        for (unsigned k = 0; k < i; k++)
            if (strcmp(m->vm[k].name, c.v->name) == 0)
                rules_refuse(&c, "name: there is another VM of this name");
        check_cpus(&c);
        check_shape(&c);
        check_regions(&c);
        rules_from(&c);
        check_emulated(&c);
        check_devices(&c);
        if (!c.v->ok)
            continue; /* what follows compares ranges that make sense */
        check_guest_overlaps(&c);
        check_chosen(&c);
        check_interrupts(&c);
        check_doorbell(&c);
        struct load_plan plan;
        if (bundle != NULL && c.v->ok && !loader_plan(&plan, c.v, bundle, p))
            c.v->ok = false;
    }
    rules_windows(&c);
    rules_amounts(&c);
}

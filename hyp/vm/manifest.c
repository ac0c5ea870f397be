/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Reading the manifest: the VMs. The rules between values are manifest_check.c's. */
#include "vm/manifest_read.h"

#include <string.h>

enum { REGION_IPA, REGION_SIZE, REGION_PA, REGION_IDENTITY };
static const struct field region_fields[] = {
    [REGION_IPA] = FIELD("ipa", NUMBER, manifest_region, ipa),
    [REGION_SIZE] = FIELD("size", NUMBER, manifest_region, size),
    [REGION_PA] = FIELD("pa", NUMBER, manifest_region, pa),
    [REGION_IDENTITY] = FIELD("identity", FLAG, manifest_region, chosen),
    FIELD("lazy", FLAG, manifest_region, lazy),
    FIELD("overcommit", FLAG, manifest_region, overcommit),
    FIELD("read-only", FLAG, manifest_region, read_only),
    FIELD("no-execute", FLAG, manifest_region, no_execute),
    FIELD("image", TEXT, manifest_region, image),
    FIELD("from", TEXT, manifest_region, from),
    FIELD("colours", COLOURS, manifest_region, colours),
};

static void read_region(const struct where *w, const void *fdt, int node, struct manifest_region *r)
{
    uint64_t seen = read_leaf(w, fdt, node, region_fields, ARRAY_SIZE(region_fields), r);
    read_required(w, seen, region_fields, REGION_IPA, REGION_SIZE);
    bool pa = seen >> REGION_PA & 1, identity = seen >> REGION_IDENTITY & 1;
    if (pa && identity)
        read_refuse(w, "identity", "excludes pa");
    if ((pa || identity) && r->lazy)
        read_refuse(w, "lazy", "excludes pa and identity");
    if ((pa || identity) && r->from != NULL)
        read_refuse(w, "from", "excludes pa and identity");
    if (r->colours != 0 && r->lazy)
        read_refuse(w, "colours", "excludes lazy");
    if (r->colours != 0 && r->from == NULL)
        read_refuse(w, "colours", "needs from");
    if (r->overcommit && !r->lazy)
        read_refuse(w, "overcommit", "needs lazy");
    if (identity)
        r->pa = r->ipa;
    r->chosen = pa || identity;
}

enum { DEVICE_PATH, DEVICE_PA, DEVICE_SIZE, DEVICE_IPA, DEVICE_INTERRUPTS };
static const struct field device_fields[] = {
    [DEVICE_PATH] = FIELD("path", TEXT, manifest_device, path),
    [DEVICE_PA] = FIELD("pa", NUMBER, manifest_device, pa),
    [DEVICE_SIZE] = FIELD("size", NUMBER, manifest_device, size),
    [DEVICE_IPA] = FIELD("ipa", NUMBER, manifest_device, ipa),
    [DEVICE_INTERRUPTS] = FIELD("interrupts", SPIS, manifest_device, spi, .hi = SPI_LAST),
    FIELD("edge", FLAG, manifest_device, edge),
    FIELD("compatible", TEXT, manifest_device, compatible),
    FIELD("unsafe-dma", FLAG, manifest_device, unsafe_dma),
};

static void read_device(const struct where *w, const void *fdt, int node, struct manifest_device *d)
{
    uint64_t seen = read_leaf(w, fdt, node, device_fields, ARRAY_SIZE(device_fields), d);
    bool path = seen >> DEVICE_PATH & 1, pa = seen >> DEVICE_PA & 1;
    if (path && pa)
        read_refuse(w, "pa", "excludes path");
    if (!path && !pa)
        read_refuse(w, "path", "missing (or pa and size)");
    if (pa && (seen >> DEVICE_SIZE & 1) == 0)
        read_refuse(w, "size", "missing");
    d->node = -1;
    d->ipa_given = seen >> DEVICE_IPA & 1;
    d->size_given = seen >> DEVICE_SIZE & 1;
    d->spis_given = seen >> DEVICE_INTERRUPTS & 1;
    if (!path) {
        d->resolved = true;
        if (!d->ipa_given)
            d->ipa = d->pa;
    }
}

enum { VM_IMAGE, VM_MEMORY, VM_PSCI };
static const struct field vm_fields[] = {
    [VM_IMAGE] = FIELD("image", TEXT, manifest_vm, image),
    [VM_MEMORY] = FIELD("memory", MEMORY, manifest_vm, region),
    [VM_PSCI] = FIELD("psci\0hvc\0smc", WORD, manifest_vm, psci_smc),
    FIELD("load-offset", NUMBER, manifest_vm, load_offset),
    FIELD("entry-offset", NUMBER, manifest_vm, entry_offset),
    FIELD("initrd", TEXT, manifest_vm, initrd),
    FIELD("bootargs", TEXT, manifest_vm, bootargs),
    FIELD("overlay", TEXT, manifest_vm, overlay),
    FIELD("vcpus", COUNT, manifest_vm, vcpus, .hi = UINT32_MAX),
    FIELD("cpus", CPUS, manifest_vm, cpu, .hi = UINT16_MAX - 1),
    FIELD("ipa-bits", COUNT, manifest_vm, ipa_bits, .lo = 25, .hi = 52),
    FIELD("granule", GRANULE, manifest_vm, granule_log2),
    FIELD("table-pages", NUMBER, manifest_vm, table_pages, .lo = 1, .hi = UINT32_MAX),
    FIELD("spare-memory", NUMBER, manifest_vm, spare_memory),
    FIELD("pages-only", FLAG, manifest_vm, pages_only),
    FIELD("on-fault\0stop\0inject", WORD, manifest_vm, inject),
    FIELD("on-reset\0restart\0stop", WORD, manifest_vm, stop_on_reset),
    FIELD("no-autostart", FLAG, manifest_vm, manual),
    FIELD("no-uart", FLAG, manifest_vm, no_uart),
};
static const struct field uart_fields[] = {
    FIELD("ipa", NUMBER, manifest_vm, uart_ipa),
    FIELD("interrupt", COUNT, manifest_vm, uart_spi, .hi = SPI_LAST),
};
static const struct field doorbell_fields[] = {
    FIELD("interrupt", COUNT, manifest_vm, doorbell_spi, .hi = SPI_LAST),
};
static const struct field gic_fields[] = {
    FIELD("distributor", NUMBER, manifest_vm, gicd_ipa),
    FIELD("redistributor", NUMBER, manifest_vm, gicr_ipa),
};

static struct where in_vm(struct problems *p, struct manifest_vm *v, const char *dir, const char *node)
{
    return (struct where){.p = p, .what = "vm", .name = v->name, .ok = &v->ok, .dir = dir, .node = node};
}

static void read_memory(const struct where *w, struct manifest_vm *v, const void *fdt, int node)
{
    struct where dir = in_vm(w->p, v, "memory", NULL);
    read_fields(&dir, fdt, node, NULL, 0, NULL);
    if (v->regions > 0) {
        read_refuse(w, "memory", "both a number and a node");
        return;
    }
    int child;
    fdt_for_each_subnode(child, fdt, node)
    {
        struct where at = in_vm(w->p, v, "memory", fdt_get_name(fdt, child, NULL));
        if (v->regions == MANIFEST_REGIONS) {
            read_refuse(&dir, at.node, "more than %u regions", (uint64_t)MANIFEST_REGIONS);
            return;
        }
        struct manifest_region *r = &v->region[v->regions++];
        r->name = at.node;
        read_region(&at, fdt, child, r);
    }
}

static void read_devices(const struct where *w, struct manifest_vm *v, const void *fdt, int node)
{
    struct where dir = in_vm(w->p, v, "devices", NULL);
    read_fields(&dir, fdt, node, NULL, 0, NULL);
    int child;
    fdt_for_each_subnode(child, fdt, node)
    {
        struct where at = in_vm(w->p, v, "devices", fdt_get_name(fdt, child, NULL));
        if (v->devices == MANIFEST_DEVICES) {
            read_refuse(&dir, at.node, "more than %u devices", (uint64_t)MANIFEST_DEVICES);
            return;
        }
        struct manifest_device *d = &v->device[v->devices++];
        d->name = at.node;
        read_device(&at, fdt, child, d);
    }
}

static void read_vm(struct manifest_vm *v, const void *fdt, int node, struct problems *p)
{
    struct where w = in_vm(p, v, NULL, NULL);
    read_name(&w, v->name);
    uint64_t seen = read_fields(&w, fdt, node, vm_fields, ARRAY_SIZE(vm_fields), v);
    int child;
    fdt_for_each_subnode(child, fdt, node)
    {
        const char *name = fdt_get_name(fdt, child, NULL);
        struct where at = in_vm(p, v, NULL, name);
        if (strcmp(name, "memory") == 0) {
            read_memory(&w, v, fdt, child);
            seen |= 1ull << VM_MEMORY;
        } else if (strcmp(name, "devices") == 0) {
            read_devices(&w, v, fdt, child);
        } else if (strcmp(name, "uart") == 0) {
            read_leaf(&at, fdt, child, uart_fields, ARRAY_SIZE(uart_fields), v);
        } else if (strcmp(name, "gic") == 0) {
            read_leaf(&at, fdt, child, gic_fields, ARRAY_SIZE(gic_fields), v);
        } else if (strcmp(name, "doorbell") == 0) {
            v->doorbell_given = read_leaf(&at, fdt, child, doorbell_fields, ARRAY_SIZE(doorbell_fields), v) != 0;
        } else {
            read_refuse(&w, name, "unknown node");
        }
    }
    read_required(&w, seen, vm_fields, VM_IMAGE, VM_MEMORY);
}

#define DEFAULT_LOAD_OFFSET 0x200000ull
static void set_defaults(struct manifest_vm *v, const struct manifest *m, const char *name)
{
    *v = (struct manifest_vm){
        .name = name,
        .in = m,
        .ok = true,
        .load_offset = DEFAULT_LOAD_OFFSET,
        .vcpus = 1,
        .granule_log2 = 12,
        .uart_ipa = 0x09000000,
        .uart_spi = 1,
        .doorbell_spi = 2,
        .gicd_ipa = 0x08000000,
        .gicr_ipa = 0x080a0000,
        .boot_region = -1,
        .pool = -1,
    };
}

static const struct field root_fields[] = {
    FIELD("compatible", TEXT, manifest, compatible),
    FIELD("on-all-stopped\0power-off\0halt", WORD, manifest, halt),
};

static void read_vms(struct manifest *m, const struct where *root, const void *fdt, int node)
{
    struct where dir = {.p = root->p, .node = "vms"};
    read_fields(&dir, fdt, node, NULL, 0, NULL);
    int child;
    fdt_for_each_subnode(child, fdt, node)
    {
        const char *name = fdt_get_name(fdt, child, NULL);
        if (m->vms == MANIFEST_VMS) {
            read_refuse(root, "vms", "more than %u; \"%s\" and those after it are left out", (uint64_t)MANIFEST_VMS,
                        name);
            break;
        }
        struct manifest_vm *v = &m->vm[m->vms++];
        set_defaults(v, m, name);
        read_vm(v, fdt, child, root->p);
    }
}

bool manifest_parse(struct manifest *m, const void *fdt, size_t bytes, struct problems *p)
{
    memset(m, 0, sizeof(*m));
    struct where root = {.p = p};
    int err = tree_check(fdt, bytes);
    if (err != 0) {
        problem(p, "manifest: ", "not a device tree: %s", fdt_strerror(err));
        return false;
    }
    m->fdt = fdt;
    read_fields(&root, fdt, 0, root_fields, ARRAY_SIZE(root_fields), m);
    if (m->compatible == NULL || strcmp(m->compatible, "bulkhead,manifest") != 0) {
        read_refuse(&root, "compatible", "\"bulkhead,manifest\" is missing");
        return false;
    }
    int vms = -1, windows = -1, pools = -1, node;
    fdt_for_each_subnode(node, fdt, 0)
    {
        const char *name = fdt_get_name(fdt, node, NULL);
        if (strcmp(name, "vms") == 0)
            vms = node;
        else if (strcmp(name, "windows") == 0)
            windows = node;
        else if (strcmp(name, "memory-regions") == 0)
            pools = node;
        else if (strcmp(name, "__symbols__") != 0) /* dtc -@ */
            read_refuse(&root, name, "unknown node");
    }
    if (vms >= 0)
        read_vms(m, &root, fdt, vms);
    if (windows >= 0)
        read_windows(m, fdt, windows, p);
    if (pools >= 0)
        read_pools(m, fdt, pools, p);
    if (m->vms == 0)
        read_refuse(&root, "vms", "there is no VM");
    return m->vms > 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Making a VM and its address space. Its life after that is life.c's. */
#include "vm/vm.h"

#include <boot/mem.h>
#include <cpu/cpu.h>
#include <stage2/backend.h>

#include <string.h>

#include "vm/colours.h"
#include "vm/shares.h"
#include "vm/windows.h"

enum { NODES_PER_VM = 256, NODE_ALIGN = 64, GUEST_SPIS = 64 };
#define SPI_BASE  32u
#define DEVICE_RW (S2_RW | S2_MT_DEV_nGnRE)

static struct vm *vms[MANIFEST_VMS];

unsigned vm_count(void)
{
    return host.manifest.vms;
}

struct vm *vm_at(unsigned index)
{
    return index < MANIFEST_VMS ? vms[index] : NULL;
}

/* --- the emulated devices ----------------------------------------------------------------------------------------- */

static bool uart_out(void *ctx, char c, bool last)
{
    struct vm *vm = ctx;
    return console_guest_put(&vm->console, c, last);
}

static void uart_room(void *ctx)
{
    struct vm *vm = ctx;
    vuart_drain(&vm->uart, false);
}

static void uart_level(void *ctx, bool high)
{
    struct vm *vm = ctx;
    vgic_inject(&vm->vgic, 0, SPI_BASE + vm->cfg->uart_spi, high);
}

static void uart_input(void *ctx, char c)
{
    struct vm *vm = ctx;
    (void)vuart_receive(&vm->uart, c); /* a full FIFO reports the overrun to the guest itself */
}

void vm_end_output(struct vm *vm)
{
    if (vm->cfg->no_uart)
        return;
    vuart_drain(&vm->uart, true);
    console_guest_flush(&vm->console);
}

static unsigned spis_needed(const struct manifest_vm *cfg)
{
    unsigned most = (cfg->uart_spi > cfg->doorbell_spi ? cfg->uart_spi : cfg->doorbell_spi) + 1;
    for (unsigned i = 0; i < cfg->devices; i++)
        for (unsigned k = 0; k < cfg->device[i].spis; k++)
            if (cfg->device[i].spi[k] >= most)
                most = cfg->device[i].spi[k] + 1u;
    return most > GUEST_SPIS ? most : GUEST_SPIS;
}

static void make_devices(struct vm *vm)
{
    vm->dev[VM_DEV_GICD] = (struct mmio_dev){"gic/distributor", vgic_dist_access, &vm->vgic};
    vm->dev[VM_DEV_GICR] = (struct mmio_dev){"gic/redistributor", vgic_redist_access, &vm->vgic};
    vm->dev[VM_DEV_UART] = (struct mmio_dev){"uart", vuart_access, &vm->uart};
    vuart_init(&vm->uart, uart_out, uart_level, vm);
    vm->console = (struct console_guest){.input = uart_input, .room = uart_room, .ctx = vm};
    vm->console_number = vm->cfg->no_uart ? CONSOLE_NONE : console_attach(&vm->console, vm->name);
}

/* --- the record --------------------------------------------------------------------------------------------------- */

/* vCPUs without a CPU of their own choice are dealt out over the machine, VM after VM. */
static unsigned place_vcpu(const struct manifest_vm *cfg, unsigned index)
{
    static unsigned next;
    if (cfg->cpus == 0)
        return next++ % cpu_count();
    return cfg->cpu[cfg->cpus == 1 ? 0 : index];
}

struct vm *vm_create(const struct manifest_vm *cfg, unsigned index, struct problems *p)
{
    struct vm *vm = mem_alloc(sizeof(*vm), NODE_ALIGN);
    struct text subject;
    text_begin(&subject);
    text_add(&subject, "vm %s: ", cfg->name);
    if (vm != NULL)
        vm->node_memory = mem_alloc((size_t)NODES_PER_VM * S2_NODE_BYTES, NODE_ALIGN);
    if (vm == NULL || vm->node_memory == NULL) {
        problem(p, subject.s, "the hypervisor's pool is too small for another VM");
        return NULL;
    }
    vm->cfg = cfg;
    vm->name = cfg->name;
    vm->index = index;
    vm->id = (uint16_t)(S2_OWNER_FIRST_VM + index);
    vm->vcpus = cfg->vcpus;
    vm->state = VM_ABSENT;
    vgic_init(&vm->vgic, spis_needed(cfg));
    for (unsigned i = 0; i < vm->vcpus; i++) {
        struct vcpu *v = &vm->vcpu[i];
        v->vm = vm;
        v->index = i;
        v->cpu = place_vcpu(cfg, i);
        v->mpidr = vgic_affinity(i) | 1ull << 31;
        v->space = &vm->space;
        v->timer = &vm->timer[i];
        if (!vgic_add_vcpu(&vm->vgic, &vm->gic[i], v)) {
            problem(p, subject.s, "vcpus: the interrupt controller has no room for vCPU %u", (uint64_t)i);
            return NULL;
        }
    }
    make_devices(vm);
    vms[index] = vm;
    return vm;
}

bool vm_claim(struct vm *vm, struct problems *p)
{
    const struct manifest_vm *cfg = vm->cfg;
    for (unsigned i = 0; i < cfg->regions; i++) {
        struct text subject;
        text_begin(&subject);
        text_add(&subject, "vm %s: memory/%s/pa: ", vm->name, cfg->region[i].name);
        if (cfg->region[i].chosen && !host_give_ram(vm->id, manifest_region_pa(&cfg->region[i]), p, subject.s))
            return false;
    }
    for (unsigned i = 0; i < cfg->devices; i++) {
        const struct manifest_device *d = &cfg->device[i];
        struct text subject;
        text_begin(&subject);
        text_add(&subject, "vm %s: devices/%s: ", vm->name, d->name);
        if (!host_give_device(vm->id, (struct range){d->pa, d->pa + d->size}, p, subject.s))
            return false;
        for (unsigned k = 0; k < d->spis; k++) {
            unsigned intid = SPI_BASE + d->spi[k];
            struct cpu *cpu = cpu_at(vm->vcpu[0].cpu);
            if (!vgic_map_hw(&vm->vgic, intid, intid, d->edge, cpu->mpidr)) {
                problem(p, subject.s, "interrupts: SPI %u does not exist or is in use", (uint64_t)d->spi[k]);
                return false;
            }
        }
    }
    return true;
}

bool vm_disown_step(struct vm *vm)
{
    vgic_unmap_all(&vm->vgic); /* before somebody else has the device */
    colours_take_back(vm->id);
    return host_take_back(vm->id);
}

/* --- the address space -------------------------------------------------------------------------------------------- */

static uint64_t frame_quota(const struct manifest_vm *cfg)
{
    uint64_t bytes = manifest_memory(cfg, true);
    return __builtin_add_overflow(bytes, cfg->spare_memory, &bytes) ? UINT64_MAX >> S2_FRAME_LOG2
                                                                    : bytes >> S2_FRAME_LOG2;
}

/* A lazy region takes memory by the chunk in the fault path, where a level-2 block of the larger granules would take the CPU
 * for long. This size is a block of 4K pages, and a contiguous run of each larger kind. 0: a level-2 block. */
static uint8_t chunk_log2(const struct manifest_vm *cfg)
{
    enum { LAZY_CHUNK_LOG2 = 21 };
    for (unsigned i = 0; i < cfg->regions; i++)
        if (cfg->region[i].lazy)
            return LAZY_CHUNK_LOG2;
    return 0;
}

/* Tables for what is added at run time, in as many pieces as there may be. */
static uint64_t added_pages(const struct manifest_vm *cfg, const struct s2_geometry *g)
{
    if (cfg->spare_memory == 0 || cfg->table_pages != 0)
        return 0;
    return s2_table_quota_area(g, cfg->spare_memory) + (VM_ADDED - 1) * s2_table_quota_area(g, 0);
}

/* subject: gets the property that an error comes from. */
static enum s2_err make_space(struct vm *vm, struct text *subject, struct s2_detail *d)
{
    const struct manifest_vm *cfg = vm->cfg;
    struct s2_tpool *tables = &host.tables[shape_index(cfg->granule_log2)];
    struct s2_space_config c = {
        .port = host.port,
        .caps = &host.caps,
        .id = vm->id,
        .tables = tables,
        .vmids = &host.vmids,
        .frames = host_frames(cfg),
        .frame_quota = frame_quota(cfg),
        .ledger = &host.ledger,
        .nodes = &vm->nodes,
        .chunk_log2 = chunk_log2(cfg),
        .small_leaves = cfg->pages_only,
        .audit = true, /* where the port has it */
    };
    enum s2_err err = shape_make(cfg, &host.caps, &c.geometry, d); /* the manifest's check has seen that it can be */
    if (err != S2_OK)
        return err;
    uint64_t pages = shape_table_pages(cfg, &c.geometry) + added_pages(cfg, &c.geometry);
    c.table_pages = pages < tables->pages ? (uint32_t)pages : tables->pages;
    s2_pool_init(&vm->nodes, vm->node_memory, (size_t)NODES_PER_VM * S2_NODE_BYTES);
    err = s2_space_init(&vm->space, &c, d);
    vm->has_space = err == S2_OK;
    if (vm->has_space)
        vm_shares_begin(vm);
    else
        text_add(subject, "table-pages: ");
    return err;
}

static struct s2_area area_of(uint64_t ipa, uint64_t size, const struct s2_backend *backend, uint64_t backing,
                              uint32_t attr, unsigned name, unsigned flags)
{
    return (struct s2_area){
        .range = {S2_IPA(ipa), S2_IPA(ipa + size)},
        .backend = backend,
        .backing = backing,
        .attr = S2_ATTR(attr),
        .name = (uint16_t)name,
        .flags = (uint16_t)flags,
    };
}

static enum s2_err map(struct vm *vm, const struct s2_area *area, struct s2_detail *d)
{
    return s2_space_map(&vm->space, area, S2_MAP_NEW, d);
}

/* Memory that is allocated at once may be large: *stepped, and vm->steps makes it in steps. */
static enum s2_err map_stepped(struct vm *vm, const struct s2_area *area, bool *stepped, struct s2_detail *d)
{
    enum s2_err err = s2_space_map_begin(&vm->space, &vm->steps, area, d);
    *stepped = err == S2_OK;
    return err;
}

static enum s2_err map_region(struct vm *vm, unsigned i, bool *stepped, struct s2_detail *d)
{
    const struct manifest_region *r = &vm->cfg->region[i];
    uint32_t attr = S2_R | (r->read_only ? 0u : S2_W) | (r->no_execute ? 0u : S2_X | S2_UX);
    unsigned flags = (r->lazy ? S2_AREA_LAZY : 0u) | (r->overcommit ? S2_AREA_OVERCOMMIT : 0u);
    const struct s2_backend *backend = r->chosen         ? &s2_backend_linear
                                       : r->colours != 0 ? &s2_backend_coloured
                                                         : &s2_backend_alloc;
    struct s2_area area =
        area_of(r->ipa, r->size, backend, r->chosen ? r->pa : 0, attr, VM_NAME_REGION + i, r->chosen ? 0 : flags);
    enum s2_err err = colours_check(vm->id, r, d);
    if (err != S2_OK)
        return err;
    return backend != &s2_backend_alloc || r->lazy ? map(vm, &area, d) : map_stepped(vm, &area, stepped, d);
}

static enum s2_err map_trap(struct vm *vm, unsigned dev, uint64_t ipa, uint64_t size, struct s2_detail *d)
{
    struct s2_area area =
        area_of(ipa, size, &s2_backend_trap, (uintptr_t)&vm->dev[dev], S2_RW, VM_NAME_EMULATED + dev, 0);
    return map(vm, &area, d);
}

static enum s2_err map_devices(struct vm *vm, struct s2_detail *d)
{
    const struct manifest_vm *cfg = vm->cfg;
    enum s2_err err = map_trap(vm, VM_DEV_GICD, cfg->gicd_ipa, MANIFEST_GICD_BYTES, d);
    if (err == S2_OK)
        err = map_trap(vm, VM_DEV_GICR, cfg->gicr_ipa, cfg->vcpus * MANIFEST_GICR_BYTES, d);
    if (err == S2_OK && !cfg->no_uart)
        err = map_trap(vm, VM_DEV_UART, cfg->uart_ipa, 1ull << cfg->granule_log2, d);
    for (unsigned i = 0; err == S2_OK && i < cfg->devices; i++) {
        const struct manifest_device *dev = &cfg->device[i];
        struct s2_area area =
            area_of(dev->ipa, dev->size, &s2_backend_linear, dev->pa, DEVICE_RW, VM_NAME_DEVICE + i, 0);
        err = map(vm, &area, d);
    }
    return err;
}

/* A region, or behind them all the memory of a window that is this VM's own. */
static enum s2_err map_part(struct vm *vm, unsigned part, bool *stepped, struct text *subject, struct s2_detail *d)
{
    struct s2_area area;
    if (part < vm->cfg->regions) {
        text_add(subject, "memory/%s: ", vm->cfg->region[part].name);
        return map_region(vm, part, stepped, d);
    }
    part -= vm->cfg->regions;
    if (!windows_own(vm, part, &area))
        return S2_OK;
    text_add(subject, "window %s: ", host.manifest.window[part].name);
    return map_stepped(vm, &area, stepped, d);
}

/* The space, then region after region (vm->work_part; vm->work_done: one is being populated), then the rest. */
static enum s2_err build_some(struct vm *vm, struct text *subject, bool *more, struct s2_detail *d)
{
    bool stepped = false;
    enum s2_err err;
    *more = true;
    if (!vm->has_space)
        return make_space(vm, subject, d);
    if (vm->work_done != 0) {
        if (s2_space_map_step(&vm->steps, CONFIG_POPULATE_STEP))
            return S2_OK;
        s2_space_map_end(&vm->steps);
        vm->work_done = 0;
        vm->work_part++;
        return S2_OK;
    }
    if (vm->work_part == vm->cfg->regions + host.manifest.windows) {
        *more = false;
        return map_devices(vm, d);
    }
    err = map_part(vm, vm->work_part, &stepped, subject, d);
    vm->work_done = stepped;
    vm->work_part += !stepped;
    return err;
}

bool vm_build_step(struct vm *vm, bool *ok, struct problems *p)
{
    struct s2_detail d = {.err = S2_OK};
    struct text subject;
    text_begin(&subject);
    bool more;
    text_add(&subject, "vm %s: ", vm->name);
    enum s2_err err = build_some(vm, &subject, &more, &d);
    if (err == S2_OK && more)
        return true;
    if (err != S2_OK) {
        d.err = err;
        host_explain(p, subject.s, &d);
    } else if (!loader_plan(&vm->plan, vm->cfg, &host.bundle, p)) {
        err = S2_EINVAL; /* reported */
    }
    *ok = err == S2_OK && windows_open(vm, p);
    return false;
}

const char *vm_area_name(const struct vm *vm, uint16_t tag)
{
    unsigned i = tag & 0xffu;
    switch (tag & ~0xffu) {
    case VM_NAME_REGION:
        return i < vm->cfg->regions ? vm->cfg->region[i].name : "?";
    case VM_NAME_DEVICE:
        return i < vm->cfg->devices ? vm->cfg->device[i].name : "?";
    case VM_NAME_ADDED:
        return "added";
    case VM_NAME_SHARED:
        return "shared";
    case VM_NAME_WINDOW:
        return i < host.manifest.windows ? host.manifest.window[i].name : "?";
    default:
        return i < VM_DEVS ? vm->dev[i].name : "?";
    }
}

const char *vm_state_name(enum vm_state state)
{
    static const char names[][9] = {"absent", "ready", "running", "paused", "stopping", "stopped"};
    return names[state];
}

const char *vm_work_name(enum vm_work work)
{
    /* clang-format off */
    static const char *const names[] = {
        "", ", being destroyed", ", being disowned", ", being claimed", ", being scrubbed", ", being built", ", being loaded",
        ", being resized",
    };
    /* clang-format on */
    return names[work];
}

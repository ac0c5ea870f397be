/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "vm/host.h"

#include <boot/boot.h>
#include <boot/layout.h>
#include <boot/mem.h>
#include <boot/print.h>
#include <cpu/cpu.h>
#include <device/gic.h>
#include <stage2/attr.h>

#include <libfdt.h>
#include <s2_port.h>

#include "vm/sha256.h"
#include "vm/vm.h"

/* Shares of the hypervisor's pool. */
enum {
    TABLE_SHARE = 2, /* half of what is left when frames and ledger have theirs */
    NODE_ALIGN = 64,
    ROOTS_MAX = 16, /* concatenated roots are aligned to their size */
};
#define SPI_BASE 32u

struct host host;

/* What stage2/ runs on here; the rest of its port is in cpu/. */
static struct s2_port port;

const char *host_holder_name(uint32_t owner)
{
    if (owner == S2_OWNER_HYP)
        return "the hypervisor";
    if (owner >= S2_OWNER_FIRST_VM && owner - S2_OWNER_FIRST_VM < host.manifest.vms)
        return host.manifest.vm[owner - S2_OWNER_FIRST_VM].name;
    return NULL;
}

void host_add_detail(struct text *t, const struct s2_detail *d)
{
    struct range asked = {d->asked_start, d->asked_end}, found = {d->found_start, d->found_end};
    if (!range_empty(asked) && d->axis != S2_AXIS_NONE)
        text_add(t, ", %s %r", d->axis == S2_AXIS_PA ? "physical" : "guest-physical", &asked);
    if (d->what != NULL)
        text_add(t, ": %s", d->what);
    if (!range_empty(found))
        text_add(t, " %r", &found);
    const char *holder = range_empty(found) ? NULL : host_holder_name(d->holder);
    if (holder != NULL)
        text_add(t, " of %s", holder);
}

void host_explain(struct problems *p, const char *subject, const struct s2_detail *d)
{
    struct text t;
    text_begin(&t);
    text_add(&t, "%s", s2_err_phrase(d->err));
    host_add_detail(&t, d);
    problem(p, subject, "%s", t.s);
}

/* --- boot --------------------------------------------------------------------------------------------------------- */

static bool reserve_own(struct problems *p)
{
    const struct {
        struct boot_range r;
        const char *name;
    } own[] = {
        {boot_info.image, "image"},
        {boot_info.pool, "pool"},
        {boot_info.initrd, "bundle"},
        {boot_info.fdt_pa, "device tree"},
    };
    for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        struct range r = {own[i].r.start, own[i].r.end};
        if (!range_empty(r) && !machine_reserve(&host.machine, r, own[i].name, true)) {
            problem(p, "machine: ", "more than %u reserved ranges", (uint64_t)MACHINE_RESERVED);
            return false;
        }
    }
    return true;
}

/* As many as there are, or for a test so few that there are just enough for all CPUs (vmid.h). */
static unsigned vmid_bits(void)
{
    unsigned bits = CONFIG_VMID_BITS;
    if (CONFIG_VMID_BITS == 0)
        return host.caps.vmid_bits;
    while (1u << bits <= 2 * cpu_count() + 1)
        bits++;
    return bits < host.caps.vmid_bits ? bits : host.caps.vmid_bits;
}

bool host_init(struct problems *p)
{
    host.caps = *cpu_caps();
    port.dic = host.caps.dic;
    port.dline_log2 = host.caps.dline_log2;
    host.port = &port;
    if (!machine_parse(&host.machine, boot_info.fdt, fdt_totalsize(boot_info.fdt), p) || !reserve_own(p))
        return false;
    host.machine.cpus = cpu_count(); /* those that run us */
    host.machine.caps = &host.caps;
    host.machine.pa_bits = host.caps.pa_bits;
    host.machine.spis = gic_intids() > SPI_BASE ? gic_intids() - SPI_BASE : 0;

    port.table_offset = VA_POOL - boot_info.pool.start; /* of all that mem_alloc gives */
    s2_vmids_init(&host.vmids, host.port, vmid_bits());
    return true;
}

/* ID_AA64ISAR0_EL1.SHA2, of the CPU that hashes. */
static bool cpu_has_sha256(void)
{
    enum { SHA2_SHIFT = 12, FIELD = 0xf };
    uint64_t isar0;
    __asm__("mrs %0, id_aa64isar0_el1" : "=r"(isar0));
    return (isar0 >> SHA2_SHIFT & FIELD) != 0;
}

bool host_read_bundle(struct problems *p)
{
    if (cpu_has_sha256())
        sha256_use(sha256_blocks_ce);
    struct range where = {boot_info.initrd.start, boot_info.initrd.end};
    size_t bytes = where.end - where.start;
    if (bytes == 0) {
        problem(p, "bundle: ", "none was passed; the boot loader hands it over as the initrd");
        return false;
    }
    bool in_ram = false;
    for (unsigned i = 0; i < boot_info.rams; i++)
        in_ram |= range_inside(where, (struct range){boot_info.ram[i].start, boot_info.ram[i].end});
    if (!in_ram) { /* to read there may be fatal */
        problem(p, "bundle: ", "/chosen says %r, which is not in the machine's RAM", &where);
        return false;
    }
    const void *data = mem_map_ro(where.start, bytes);
    if (data == NULL) {
        problem(p, "bundle: ", "cannot be mapped");
        return false;
    }
    if (!bundle_open(&host.bundle, data, bytes, p) ||
        !manifest_parse(&host.manifest, host.bundle.manifest.data, host.bundle.manifest.size, p))
        return false;
    manifest_check(&host.manifest, &host.machine, &host.bundle, p);
    return true;
}

/* --- table pages -------------------------------------------------------------------------------------------------- */

/* Bytes of table pages that the VMs may use, by granule; twice, as a root is a run of pages aligned to its size, which has to
 * be found among single ones when a VM is restarted. */
static void tables_needed(uint64_t most, uint64_t need[SHAPES])
{
    for (unsigned i = 0; i < host.manifest.vms; i++) {
        const struct manifest_vm *v = &host.manifest.vm[i];
        struct s2_geometry g;
        struct s2_detail d;
        if (!v->ok || shape_make(v, &host.caps, &g, &d) != S2_OK)
            continue;
        uint64_t bytes = 2 * shape_table_pages(v, &g) << g.granule_log2;
        need[shape_index(g.granule_log2)] += bytes < most ? bytes : most;
    }
}

/* The pools lie in one piece of memory, the largest granule first, so that each is aligned to its pages. */
bool host_make_tables(struct problems *p)
{
    uint64_t bytes = mem_left() / TABLE_SHARE, need[SHAPES] = {0}, share[SHAPES];
    bool ok = true;
    tables_needed(bytes, need);
    shape_split(bytes, need, share);
    uint8_t *pages = mem_alloc(bytes, (size_t)ROOTS_MAX << shape_granule_log2(share[SHAPES - 1] != 0 ? SHAPES - 1 : 0));
    for (unsigned i = SHAPES; ok && i-- > 0;) {
        unsigned granule_log2 = shape_granule_log2(i);
        if (share[i] == 0)
            continue;
        struct s2_tpage *meta = mem_alloc((size_t)(share[i] >> granule_log2) * sizeof(*meta), NODE_ALIGN);
        ok = pages != NULL && meta != NULL &&
             s2_tpool_init(&host.tables[i], host.port, S2_PA(mem_pa(pages)), share[i], granule_log2, meta) == S2_OK;
        pages += share[i];
    }
    if (!ok)
        problem(p, "machine: ", "the hypervisor's pool is too small for table pages");
    return ok;
}

void host_describe_tables(struct text *t)
{
    for (unsigned i = 0; i < SHAPES; i++)
        if (host.tables[i].pages != 0)
            text_add(t, "%s%uK: %u, %u free", t->used == 0 ? "" : "; ", (uint64_t)4 << 2 * i,
                     (uint64_t)host.tables[i].pages, (uint64_t)host.tables[i].free);
}

/* --- what a VM gets for good -------------------------------------------------------------------------------------- */

static bool change_owner(uint16_t vm, struct range pa, enum s2_frame_state from, enum s2_frame_state to, uint8_t rights,
                         struct s2_detail *d)
{
    struct s2_claim claim;
    struct s2_ledger_entry want = {.range = {S2_PA(pa.start), S2_PA(pa.end)},
                                   .owner = vm,
                                   .state = (uint8_t)to,
                                   .rights = rights,
                                   .ipa = S2_IPA_NONE};
    if (s2_ledger_plan(&host.ledger, &claim, S2_OWNER_NONE, from, &want, d) != S2_OK)
        return false;
    s2_ledger_commit(&host.ledger, &claim);
    return true;
}

bool host_give_ram(uint16_t vm, struct range pa, struct problems *p, const char *subject)
{
    struct s2_detail d = {.err = S2_OK};
    struct s2_pa_range range = {S2_PA(pa.start), S2_PA(pa.end)};
    bool clean;
    if (s2_frames_alloc_at(&host.frames, range, &clean, &d) == S2_OK) {
        if (change_owner(vm, pa, S2_FREE, S2_OWNED, S2_RWX, &d))
            return true;
        s2_frames_free(&host.frames, range, false, false);
    }
    host_explain(p, subject, &d);
    return false;
}

bool host_give_device(uint16_t vm, struct range pa, struct problems *p, const char *subject)
{
    struct s2_detail d = {.err = S2_OK};
    if (change_owner(vm, pa, S2_DEVICE, S2_DEVICE, S2_RW, &d))
        return true;
    host_explain(p, subject, &d);
    return false;
}

/* Whole entries, so that no node is needed. */
bool host_take_back(uint16_t vm)
{
    struct s2_ledger_entry e;
    for (s2_pa at = S2_PA(0); s2_ledger_next(&host.ledger, at, &e); at = e.range.end) {
        bool ram = e.state == S2_OWNED;
        if (e.owner != vm || (!ram && e.state != S2_DEVICE))
            continue;
        e.owner = S2_OWNER_NONE;
        e.state = ram ? S2_FREE : S2_DEVICE;
        e.rights = ram ? S2_RWX : S2_RW;
        e.ipa = S2_IPA_NONE;
        s2_ledger_set(&host.ledger, &e);
        if (ram)
            s2_frames_give_back(&host.frames, e.range);
        return true;
    }
    return false;
}

void host_print_memory(struct vm *vm, const char *step)
{
    const unsigned mib = 20 - S2_FRAME_LOG2;
    struct host_ram ram = host_ram();
    struct text tables;
    text_begin(&tables);
    if (vm->quiet)
        return;
    host_describe_tables(&tables);
    print("bulkhead: vm %s: %s; RAM free %lu MiB (clean %lu), table pages %s, nodes %u free, ledger entries %lu\n",
          vm->name, step, (unsigned long)(ram.free >> mib), (unsigned long)(ram.clean >> mib), tables.s, vm->nodes.free,
          (unsigned long)host.ledger.map.count);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The life of one address space, from the installed library alone: made, filled, faulted on, cut, shown, taken down. */
#include "port.h"

#include <stdio.h>
#include <stdlib.h>

#include <stage2/space.h>
#include <stage2/version.h>

enum { MIB = 1 << 20, VM = S2_OWNER_FIRST_VM, TABLE_BYTES = 2 * MIB, NODES = 256, UART_HANDLE = 7 };

static struct s2_port machine;
static struct s2_frames frames;
static struct s2_ledger ledger;
static struct s2_tpool tables;
static struct s2_vmids vmids;
static struct s2_pool ledger_nodes, vm_nodes;
static struct s2_space space;

static void must(enum s2_err err, const struct s2_detail *d, const char *what)
{
    if (err == S2_OK)
        return;
    printf("%s: %s: [%#llx, %#llx) %s\n", what, s2_err_name(err), (unsigned long long)d->asked_start,
           (unsigned long long)d->asked_end, d->what ? d->what : "");
    exit(1);
}

static void *take(size_t bytes)
{
    void *mem = aligned_alloc(64, (bytes + 63) & ~(size_t)63);

    if (mem == NULL)
        abort();
    return mem;
}

/* Once per machine: who owns what, and what is free. The first megabytes hold the tables. */
static void build_machine(struct s2_caps *caps)
{
    /* What a Cortex-A72 says of itself (its ID registers; a hypervisor reads them on every CPU). */
    const struct s2_idregs a72 = {.mmfr0 = 0x1124, .ctr = 0x8444c004};
    const s2_pa ram = S2_PA(EXAMPLE_RAM + TABLE_BYTES), end = S2_PA(EXAMPLE_RAM + EXAMPLE_BYTES);
    struct s2_detail d;

    machine.ram = aligned_alloc(4096, EXAMPLE_BYTES);
    if (machine.ram == NULL)
        abort();
    s2_caps_decode(&a72, caps);
    s2_vmids_init(&vmids, &machine, caps->vmid_bits);
    s2_pool_init(&ledger_nodes, take(NODES * S2_NODE_BYTES), NODES * S2_NODE_BYTES);
    s2_pool_init(&vm_nodes, take(NODES * S2_NODE_BYTES), NODES * S2_NODE_BYTES);
    must(s2_tpool_init(&tables, &machine, S2_PA(EXAMPLE_RAM), TABLE_BYTES, S2_4K,
                       take(TABLE_BYTES / 4096 * sizeof(struct s2_tpage))),
         &d, "table pool");

    s2_frames_init(&frames, &machine);
    must(s2_frames_add(&frames, ram, end.v - ram.v, take(s2_frames_meta_bytes(ram, end.v - ram.v)), &d), &d, "bank");
    s2_frames_free(&frames, (struct s2_pa_range){ram, end}, false, false);
    s2_ledger_init(&ledger, &machine, &ledger_nodes, caps->pa_bits);
    const struct s2_ledger_entry known[] = {
        {.range = {S2_PA(EXAMPLE_RAM), ram}, .owner = S2_OWNER_HYP, .state = S2_HYP, .ipa = S2_IPA_NONE},
        {.range = {ram, end}, .owner = S2_OWNER_NONE, .state = S2_FREE, .rights = S2_RWX, .ipa = S2_IPA_NONE},
        {.range = {S2_PA(0x9010000), S2_PA(0x9011000)},
         .owner = VM,
         .state = S2_DEVICE,
         .rights = S2_RW,
         .ipa = S2_IPA_NONE},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        must(s2_ledger_add(&ledger, &known[i], &d), &d, "ledger");
}

static struct s2_area area(uint64_t start, uint64_t bytes, const struct s2_backend *backend, uint64_t backing,
                           uint32_t attr, uint16_t flags)
{
    return (struct s2_area){
        {S2_IPA(start), S2_IPA(start + bytes)}, backend, backing, S2_ATTR(attr), .name = 0, .flags = flags};
}

static void print_line(void *arg, const char *line)
{
    (void)arg;
    printf("    %s\n", line);
}

static void check(void)
{
    struct s2_detail d;
    const char *wrong = s2_space_check(&space, &d);

    if (wrong) {
        printf("inconsistent: %s at %#llx\n", wrong, (unsigned long long)d.asked_start);
        exit(1);
    }
}

static bool read_only(void *arg, const struct s2_area *a, s2_attr *attr)
{
    (void)arg;
    (void)a;
    attr->bits &= ~(uint32_t)S2_W;
    return true;
}

/* A guest touches lazy memory, then a register that is emulated, then nothing. */
static void fault(struct s2_cache *cache, uint64_t ipa, enum s2_answer expected)
{
    const struct s2_fault f = {.kind = S2_FAULT_TRANSLATION,
                               .access = S2_ACCESS_WRITE,
                               .level = 2,
                               .has_ipa = true,
                               .ipa = S2_IPA(ipa),
                               .isv = true,
                               .size_log2 = 2};
    struct s2_fault_result r;
    struct s2_detail d = {.what = "no table pages"};
    enum s2_answer answer = s2_space_fault(&space, cache, &f, &r);

    while (answer == S2_NEED_REFILL) {
        must(s2_cache_refill(&space, cache), &d, "refill");
        answer = s2_space_fault(&space, cache, &f, &r);
    }
    printf("write to %#llx: %s\n", (unsigned long long)ipa,
           answer == S2_EMULATE     ? "emulate it"
           : answer == S2_VIOLATION ? s2_violation_phrase(r.why)
                                    : "run the guest again");
    if (answer != expected)
        exit(1);
}

int main(void)
{
    struct s2_caps caps;
    struct s2_detail d = {0};
    struct s2_cache cache;
    struct s2_space_config cfg = {.port = &machine,
                                  .caps = &caps,
                                  .id = VM,
                                  .tables = &tables,
                                  .table_pages = 64,
                                  .vmids = &vmids,
                                  .frames = &frames,
                                  .frame_quota = 32 * MIB / 4096,
                                  .ledger = &ledger,
                                  .nodes = &vm_nodes};

    printf("stage2 %s\n", STAGE2_VERSION);
    build_machine(&caps);
    uint64_t free_before = frames.free;
    uint32_t tables_before = tables.free;

    must(s2_geometry_make(&caps, &(struct s2_geometry_request){.granule = S2_4K, .ipa_bits = 40}, &cfg.geometry, &d),
         &d, "geometry");
    must(s2_space_init(&space, &cfg, &d), &d, "space");
    const struct s2_area areas[] = {
        area(0x40000000, 8 * MIB, &s2_backend_alloc, 0, S2_RWX, 0),
        area(0x50000000, 8 * MIB, &s2_backend_alloc, 0, S2_RW, S2_AREA_LAZY),
        area(0x09010000, 4096, &s2_backend_linear, 0x9010000, S2_RW | S2_MT_DEV_nGnRE, 0),
        area(0x09000000, 4096, &s2_backend_trap, UART_HANDLE, S2_RW, 0),
    };
    for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]); i++)
        must(s2_space_map(&space, &areas[i], S2_MAP_NEW, &d), &d, "map");
    s2_space_load(&space);
    check();

    /* A second owner is refused, and told who has it. */
    struct s2_area again = area(0x40200000, 4096, &s2_backend_trap, 0, S2_RW, 0);
    if (s2_space_map(&space, &again, S2_MAP_NEW, &d) != S2_EEXIST || d.found_start != 0x40000000)
        return 1;

    s2_cache_init(&cache);
    fault(&cache, 0x50001000, S2_RETRY);
    fault(&cache, 0x09000018, S2_EMULATE);
    fault(&cache, 0x70000000, S2_VIOLATION);

    must(s2_space_protect(&space, (struct s2_ipa_range){S2_IPA(0x40200000), S2_IPA(0x40201000)}, read_only, NULL, &d),
         &d, "protect");
    must(s2_space_unmap(&space, (struct s2_ipa_range){S2_IPA(0x40400000), S2_IPA(0x40600000)}, &d), &d, "unmap");
    check();

    puts("areas:");
    s2_space_dump_areas(&space, print_line, NULL);
    puts("tables:");
    s2_space_dump_tables(&space, print_line, NULL);
    printf("%lu stores, %lu TLBI, %lu DSB\n", machine.stores, machine.tlbis, machine.barriers);

    s2_cache_drain(&space, &cache);
    s2_space_destroy_begin(&space);
    while (s2_space_destroy_step(&space, 64))
        ;
    s2_space_destroy_end(&space);
    if (frames.free != free_before || tables.free != tables_before || s2_frames_check(&frames)) {
        puts("something leaked");
        return 1;
    }
    puts("all given back");
    return 0;
}

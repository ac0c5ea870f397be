/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What boot needs from the host's device tree. */
#include <boot/fdt.h>

#include <libfdt.h>
#include <string.h>

#include <boot/boot.h>
#include <boot/mem.h>
#include <boot/print.h>
#include <boot/tree.h>

#define FDT_MOST   (2u << 20) /* the arm64 boot protocol's limit */
#define POOL_ALIGN MEM_WINDOW

static uint64_t read_cells(const fdt32_t *cells, int n)
{
    uint64_t value = 0;
    for (int i = 0; i < n; i++)
        value = value << 32 | fdt32_to_cpu(cells[i]);
    return value;
}

const char *fdt_open(uint64_t pa)
{
    if (pa == 0 || pa % 8 != 0)
        return "no device tree was passed in x0";
    const struct fdt_header *head = mem_map_ro(pa, sizeof(*head));
    if (head == NULL)
        return "the address of the device tree is out of range";
    if (fdt_magic(head) != FDT_MAGIC)
        return "what x0 names is no device tree";
    if (fdt_totalsize(head) < sizeof(*head) || fdt_totalsize(head) > FDT_MOST)
        return "the device tree's size is out of range";
    const void *fdt = mem_map_ro(pa, fdt_totalsize(head));
    if (fdt == NULL || tree_check(fdt, fdt_totalsize(fdt)) != 0)
        return "the device tree is corrupt";
    boot_info.fdt = fdt;
    boot_info.fdt_pa = (struct boot_range){pa, pa + fdt_totalsize(fdt)};
    return NULL;
}

/* Calls fn for each {address, size} in node's reg; the cells are those that parent says. */
static void each_reg(const void *fdt, int parent, int node, void (*fn)(struct boot_range))
{
    int bytes, ac = fdt_address_cells(fdt, parent), sc = fdt_size_cells(fdt, parent);
    const fdt32_t *reg = fdt_getprop(fdt, node, "reg", &bytes);
    if (reg == NULL || ac < 1 || ac > 2 || sc < 1 || sc > 2)
        return;
    int step = ac + sc, cells = bytes / (int)sizeof(fdt32_t);
    for (int i = 0; i + step <= cells; i += step) {
        uint64_t start = read_cells(&reg[i], ac), size = read_cells(&reg[i + ac], sc);
        if (size != 0 && start <= UINT64_MAX - size)
            fn((struct boot_range){start, start + size});
    }
}

/* Ascending; banks that touch become one. */
static void add_bank(struct boot_range bank)
{
    struct boot_range *ram = boot_info.ram;
    unsigned at = boot_info.rams;
    if (at == BOOT_MAX_BANKS) {
        print("warning: RAM at 0x%lx is not used: more than %u banks\n", bank.start, BOOT_MAX_BANKS);
        return;
    }
    for (; at > 0 && ram[at - 1].start > bank.start; at--)
        ram[at] = ram[at - 1];
    ram[at] = bank;
    boot_info.rams++;
    for (unsigned i = 0; i + 1 < boot_info.rams;) {
        if (ram[i].end < ram[i + 1].start) {
            i++;
            continue;
        }
        if (ram[i + 1].end > ram[i].end)
            ram[i].end = ram[i + 1].end;
        boot_info.rams--;
        memmove(&ram[i + 1], &ram[i + 2], (boot_info.rams - i - 1) * sizeof(*ram));
    }
}

static void add_reserved(struct boot_range range)
{
    if (boot_info.reserveds == BOOT_MAX_RESERVED)
        panic("more than %u reserved ranges of memory", BOOT_MAX_RESERVED);
    boot_info.reserved[boot_info.reserveds++] = range;
}

static void read_memory(const void *fdt)
{
    int node;
    for (node = fdt_first_subnode(fdt, 0); node >= 0; node = fdt_next_subnode(fdt, node)) {
        const char *type = fdt_getprop(fdt, node, "device_type", NULL);
        if (type != NULL && strcmp(type, "memory") == 0 && tree_enabled(fdt, node))
            each_reg(fdt, 0, node, add_bank);
    }
    for (int i = 0; i < fdt_num_mem_rsv(fdt); i++) {
        uint64_t start, size;
        if (fdt_get_mem_rsv(fdt, i, &start, &size) == 0 && size != 0 && start <= UINT64_MAX - size)
            add_reserved((struct boot_range){start, start + size});
    }
    int parent = fdt_path_offset(fdt, "/reserved-memory");
    if (parent < 0)
        return;
    for (node = fdt_first_subnode(fdt, parent); node >= 0; node = fdt_next_subnode(fdt, node))
        each_reg(fdt, parent, node, add_reserved);
}

static uint64_t chosen_number(const void *fdt, int chosen, const char *name)
{
    int bytes;
    const fdt32_t *cells = fdt_getprop(fdt, chosen, name, &bytes);
    if (cells == NULL || (bytes != 4 && bytes != 8))
        return 0;
    return read_cells(cells, bytes / 4);
}

void fdt_read_host(void)
{
    const void *fdt = boot_info.fdt;
    int chosen = fdt_path_offset(fdt, "/chosen");
    boot_info.bootargs = "";
    if (chosen >= 0) {
        const char *args = fdt_getprop(fdt, chosen, "bootargs", NULL);
        if (args != NULL)
            boot_info.bootargs = args;
        uint64_t start = chosen_number(fdt, chosen, "linux,initrd-start");
        uint64_t end = chosen_number(fdt, chosen, "linux,initrd-end");
        if (start < end)
            boot_info.initrd = (struct boot_range){start, end};
    }
    read_memory(fdt);
}

bool fdt_psci_is_hvc(void)
{
    if (boot_info.fdt == NULL)
        return true; /* without EL3 and EL2 of our own, whoever is above us is a hypervisor */
    int node = fdt_path_offset(boot_info.fdt, "/psci");
    const char *method = node < 0 ? NULL : fdt_getprop(boot_info.fdt, node, "method", NULL);
    return method != NULL && strcmp(method, "hvc") == 0;
}

/* --- the pool ----------------------------------------------------------------------------------------------------------- */

static bool meets(struct boot_range a, struct boot_range b)
{
    return a.start < b.end && b.start < a.end;
}

/* The first of what lies in the way of `want`; null when nothing does. */
static const struct boot_range *in_the_way(struct boot_range want)
{
    const struct boot_range *ours[] = {&boot_info.image, &boot_info.fdt_pa, &boot_info.initrd};
    for (unsigned i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (meets(*ours[i], want))
            return ours[i];
    for (unsigned i = 0; i < boot_info.reserveds; i++)
        if (meets(boot_info.reserved[i], want))
            return &boot_info.reserved[i];
    return NULL;
}

bool fdt_choose_pool(uint64_t bytes)
{
    for (unsigned i = boot_info.rams; i-- > 0;) {
        struct boot_range bank = boot_info.ram[i];
        uint64_t end = bank.end & ~(POOL_ALIGN - 1);
        while (end >= bytes && end - bytes >= bank.start) {
            struct boot_range want = {end - bytes, end};
            const struct boot_range *hit = in_the_way(want);
            if (hit == NULL) {
                boot_info.pool = want;
                return true;
            }
            end = hit->start & ~(POOL_ALIGN - 1);
        }
    }
    return false;
}

/* --- CPUs ----------------------------------------------------------------------------------------------------------------- */

void fdt_each_cpu(void (*fn)(uint64_t mpidr, bool psci))
{
    const void *fdt = boot_info.fdt;
    int node, parent = fdt_path_offset(fdt, "/cpus");
    if (parent < 0)
        return;
    for (node = fdt_first_subnode(fdt, parent); node >= 0; node = fdt_next_subnode(fdt, node)) {
        int bytes;
        const char *type = fdt_getprop(fdt, node, "device_type", NULL);
        const char *method = fdt_getprop(fdt, node, "enable-method", NULL);
        const fdt32_t *reg = fdt_getprop(fdt, node, "reg", &bytes);
        if (type == NULL || strcmp(type, "cpu") != 0 || reg == NULL || (bytes != 4 && bytes != 8) ||
            !tree_enabled(fdt, node))
            continue;
        fn(read_cells(reg, bytes / 4), method != NULL && strcmp(method, "psci") == 0);
    }
}

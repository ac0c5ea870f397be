/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "vm/machine.h"

#include <string.h>

#include <boot/tree.h>
#include <device/gic_regs.h>
#include <device/hostfdt.h>

enum {
    DEPTH = 8, /* deeper nodes are no devices of ours */
    CELL = 4,  /* bytes */
};

/* A bus on the way from the root to a node: how its children count addresses and how they map to its parent's. */
struct bus {
    int address_cells, size_cells;
    const uint8_t *ranges;
    int ranges_len; /* < 0: no way through */
};

struct walk {
    struct machine *m;
    struct problems *p;
    struct bus bus[DEPTH + 1];
    int skip_below; /* nodes deeper than this belong to a subtree that holds no devices; 0: none */
};

/* Peripherals without a bus master, by what their device tree calls them. One byte more than is told of: libfdt compares as many
 * bytes as what is looked for has, and one, when the list has no more left than that without the one. */
static const char no_dma[] = "arm,pl011\0arm,pl031\0arm,pl061\0arm,sp804\0arm,sp805\0"
                             "arm,sbsa-uart\0arm,sbsa-gwdt\0ns16550a\0snps,dw-apb-uart\0";

/* `cells` cells from the cell number `at` on. */
static uint64_t read_cells(const uint8_t *p, int at, int cells)
{
    uint64_t value = 0;
    p += (size_t)at * CELL;
    for (int i = 0; i < cells * CELL; i++)
        value = value << 8 | p[i];
    return value;
}

static bool translate(const struct walk *w, int depth, uint64_t *addr)
{
    for (int d = depth - 1; d > 0; d--) {
        const struct bus *bus = &w->bus[d];
        int parent_cells = w->bus[d - 1].address_cells;
        int entry = bus->address_cells + parent_cells + bus->size_cells;
        if (bus->ranges_len < 0)
            return false;
        if (bus->ranges_len == 0)
            continue;
        bool found = false;
        for (int at = 0; !found && entry > 0 && (at + entry) * CELL <= bus->ranges_len; at += entry) {
            uint64_t child = read_cells(bus->ranges, at, bus->address_cells);
            uint64_t parent = read_cells(bus->ranges, at + bus->address_cells, parent_cells);
            uint64_t size = read_cells(bus->ranges, at + bus->address_cells + parent_cells, bus->size_cells);
            found = *addr >= child && *addr - child < size;
            if (found)
                *addr = *addr - child + parent;
        }
        if (!found)
            return false;
    }
    return true;
}

/* Entry `index` of the node's reg, in the CPU's addresses. */
static bool node_reg(const struct walk *w, int node, int depth, int index, struct range *out)
{
    const struct bus *bus = &w->bus[depth - 1];
    int len, entry = bus->address_cells + bus->size_cells;
    const uint8_t *reg = fdt_getprop(w->m->fdt, node, "reg", &len);
    if (reg == NULL || entry == 0 || bus->address_cells > 2 || bus->size_cells > 2 || (index + 1) * entry * CELL > len)
        return false;
    uint64_t start = read_cells(reg, index * entry, bus->address_cells);
    uint64_t size = read_cells(reg, index * entry + bus->address_cells, bus->size_cells);
    if (!translate(w, depth, &start) || size == 0 || start + size < start)
        return false;
    *out = (struct range){start, start + size};
    return true;
}

static bool is(const void *fdt, int node, const char *prop, const char *value)
{
    int len;
    const char *text = fdt_getprop(fdt, node, prop, &len);
    return text != NULL && len == (int)strlen(value) + 1 && memcmp(text, value, (size_t)len) == 0;
}

static const char *text_of(const void *fdt, int node, const char *prop)
{
    int len;
    const char *text = node < 0 ? NULL : fdt_getprop(fdt, node, prop, &len);
    return text != NULL && len > 0 && memchr(text, '\0', (size_t)len) != NULL ? text : NULL;
}

static void read_interrupts(const void *fdt, int node, struct machine_device *dev)
{
    unsigned intid;
    bool edge;
    for (unsigned i = 0; (intid = hostfdt_interrupt(fdt, node, i, &edge)) != 0; i++) {
        if (intid < GIC_FIRST_SPI || dev->spis == MACHINE_DEVICE_SPIS)
            continue;
        dev->spi[dev->spis++] = (uint16_t)(intid - GIC_FIRST_SPI);
        dev->edge = edge;
    }
}

static void add_device(struct walk *w, int node, int depth)
{
    struct machine *m = w->m;
    struct range reg;
    for (int i = 0; node_reg(w, node, depth, i, &reg); i++) {
        if (m->devices == MACHINE_DEVICES) {
            problem(w->p, "machine: ", "more than %u devices; the rest is not used", (uint64_t)MACHINE_DEVICES);
            return;
        }
        struct machine_device *dev = &m->device[m->devices++];
        memset(dev, 0, sizeof(*dev));
        dev->reg = reg;
        dev->node = node;
        dev->name = fdt_get_name(m->fdt, node, NULL);
        dev->compatible = text_of(m->fdt, node, "compatible");
        dev->no_dma = dev->compatible != NULL && fdt_stringlist_contains(no_dma, sizeof(no_dma) - 1, dev->compatible);
        read_interrupts(m->fdt, node, dev);
    }
}

/* PCI Bus Binding to IEEE 1275: an address of three cells, where the parent sees it, a size of two. */
static void add_windows(struct walk *w, int node, int depth)
{
    enum { PCI_ADDRESS = 3, PCI_SIZE = 2 };
    const struct bus *bus = &w->bus[depth];
    int parent_cells = w->bus[depth - 1].address_cells, entry = PCI_ADDRESS + parent_cells + PCI_SIZE;
    if (!is(w->m->fdt, node, "device_type", "pci") || parent_cells < 1 || parent_cells > 2)
        return;
    for (int at = 0; (at + entry) * CELL <= bus->ranges_len; at += entry) {
        uint64_t start = read_cells(bus->ranges, at + PCI_ADDRESS, parent_cells);
        uint64_t size = read_cells(bus->ranges, at + PCI_ADDRESS + parent_cells, PCI_SIZE);
        if (!translate(w, depth, &start) || start + size < start)
            continue;
        if (w->m->windows == MACHINE_WINDOWS) {
            problem(w->p, "machine: ", "more than %u windows of bridges; the rest is not known",
                    (uint64_t)MACHINE_WINDOWS);
            return;
        }
        w->m->window[w->m->windows++] = (struct range){start, start + size};
    }
}

static void add_bank(struct walk *w, int node, int depth)
{
    struct range r;
    for (int i = 0; node_reg(w, node, depth, i, &r); i++) {
        if (w->m->banks == MACHINE_BANKS) {
            problem(w->p, "machine: ", "more than %u banks of RAM; the rest is not used", (uint64_t)MACHINE_BANKS);
            return;
        }
        w->m->bank[w->m->banks++] = r;
    }
}

static void add_reserved(struct walk *w, struct range r, const char *name)
{
    if (!machine_reserve(w->m, r, name, false))
        problem(w->p, "machine: ", "more than %u reserved ranges", (uint64_t)MACHINE_RESERVED);
}

/* More than any reg may have, for a count that is no count: nothing below such a node is read. */
static int cells_or_none(int cells)
{
    return cells < 0 ? FDT_MAX_NCELLS + 1 : cells;
}

static void visit(struct walk *w, int node, int depth)
{
    const void *fdt = w->m->fdt;
    struct bus *bus = &w->bus[depth];
    bus->address_cells = cells_or_none(fdt_address_cells(fdt, node));
    bus->size_cells = cells_or_none(fdt_size_cells(fdt, node));
    bus->ranges = fdt_getprop(fdt, node, "ranges", &bus->ranges_len);
    if (depth == 0)
        return;
    struct range r;
    const char *name = fdt_get_name(fdt, node, NULL);
    if (is(fdt, node, "device_type", "memory")) {
        if (tree_enabled(fdt, node))
            add_bank(w, node, depth);
    } else if (is(fdt, node, "device_type", "cpu")) {
        int len;
        const uint8_t *reg = fdt_getprop(fdt, node, "reg", &len);
        int cells = w->bus[depth - 1].address_cells;
        if (reg != NULL && cells >= 1 && cells <= 2 && len >= cells * CELL && w->m->cpus < MACHINE_CPUS &&
            tree_enabled(fdt, node))
            w->m->mpidr[w->m->cpus++] = read_cells(reg, 0, cells);
    } else if (w->skip_below > 0) {
        for (int i = 0; node_reg(w, node, depth, i, &r); i++)
            add_reserved(w, r, name);
    } else if (depth == 1 && name != NULL && strcmp(name, "reserved-memory") == 0) {
        w->skip_below = depth;
    } else {
        add_device(w, node, depth);
        add_windows(w, node, depth);
    }
}

/* What drives the machine's own console and interrupts. */
static void mark_own(struct machine *m)
{
    int console = hostfdt_console(m->fdt);
    for (unsigned i = 0; i < m->devices; i++) {
        struct machine_device *dev = &m->device[i];
        dev->hypervisor = dev->node == console || fdt_node_check_compatible(m->fdt, dev->node, "arm,gic-v3") == 0;
    }
}

static void read_chosen(struct machine *m)
{
    int node = fdt_path_offset(m->fdt, "/chosen");
    if (node < 0)
        return;
    m->bootargs = text_of(m->fdt, node, "bootargs");
    int start_len, end_len;
    const uint8_t *start = fdt_getprop(m->fdt, node, "linux,initrd-start", &start_len);
    const uint8_t *end = fdt_getprop(m->fdt, node, "linux,initrd-end", &end_len);
    if (start != NULL && end != NULL && start_len / CELL >= 1 && start_len / CELL <= 2 && end_len / CELL >= 1 &&
        end_len / CELL <= 2)
        m->initrd = (struct range){read_cells(start, 0, start_len / CELL), read_cells(end, 0, end_len / CELL)};
}

bool machine_parse(struct machine *m, const void *fdt, size_t bytes, struct problems *p)
{
    memset(m, 0, sizeof(*m));
    int err = tree_check(fdt, bytes);
    if (err != 0) {
        problem(p, "machine: ", "damaged device tree: %s", fdt_strerror(err));
        return false;
    }
    m->fdt = fdt;
    struct walk w = {.m = m, .p = p};
    int depth = 0;
    for (int node = 0; node >= 0 && depth >= 0; node = fdt_next_node(fdt, node, &depth)) {
        if (depth <= w.skip_below)
            w.skip_below = 0;
        if (depth <= DEPTH)
            visit(&w, node, depth);
    }
    for (int i = 0; i < fdt_num_mem_rsv(fdt); i++) {
        uint64_t addr, size;
        if (fdt_get_mem_rsv(fdt, i, &addr, &size) == 0 && size > 0 && addr + size > addr)
            add_reserved(&w, (struct range){addr, addr + size}, "memreserve");
    }
    read_chosen(m);
    mark_own(m);
    if (m->banks == 0)
        problem(p, "machine: ", "its device tree lists no RAM");
    return m->banks > 0;
}

bool machine_reserve(struct machine *m, struct range r, const char *name, bool hypervisor)
{
    if (m->reserved == MACHINE_RESERVED)
        return false;
    m->res[m->reserved++] = (struct machine_reserved){r, name, hypervisor};
    return true;
}

const struct machine_device *machine_device_at(const struct machine *m, const char *path)
{
    int node = fdt_path_offset(m->fdt, path);
    for (unsigned i = 0; node >= 0 && i < m->devices; i++)
        if (m->device[i].node == node)
            return &m->device[i];
    return NULL;
}

const struct machine_device *machine_device_in(const struct machine *m, struct range r)
{
    for (unsigned i = 0; i < m->devices; i++)
        if (range_meets(m->device[i].reg, r))
            return &m->device[i];
    return NULL;
}

uint64_t machine_ram(const struct machine *m, bool free)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < m->banks; i++) {
        struct range bank = m->bank[i];
        bytes += bank.end - bank.start;
        for (unsigned k = 0; free && k < m->reserved; k++) {
            struct range r = m->res[k].range;
            if (!range_meets(r, bank))
                continue;
            uint64_t start = r.start > bank.start ? r.start : bank.start, end = r.end < bank.end ? r.end : bank.end;
            bytes -= end - start < bytes ? end - start : bytes;
        }
    }
    return bytes;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* What drivers ask of the machine's device tree. */
#include "device/hostfdt.h"

#include <libfdt.h>

#include "device/gic_regs.h"

enum { SPECIFIER_LEAST = 3, SPECIFIER_MOST = 8, KIND_SPI = 0, KIND_PPI = 1, FLAGS_EDGE = 3, FIRST_PPI = 16, PPIS = 16 };

static uint64_t number(const fdt32_t *cells, int count)
{
    uint64_t value = 0;
    for (int i = 0; i < count; i++)
        value = value << 32 | fdt32_to_cpu(cells[i]);
    return value;
}

int hostfdt_console(const void *fdt)
{
    int bytes = 0;
    int chosen = fdt_path_offset(fdt, "/chosen");
    const char *path = chosen < 0 ? NULL : fdt_getprop(fdt, chosen, "stdout-path", &bytes);
    if (path != NULL && bytes > 0) {
        int end = 0;
        while (end < bytes && path[end] != '\0' && path[end] != ':') /* ":115200n8" may follow */
            end++;
        int node = fdt_path_offset_namelen(fdt, path, end);
        if (node >= 0 && fdt_node_check_compatible(fdt, node, "arm,pl011") == 0)
            return node;
    }
    return fdt_node_offset_by_compatible(fdt, -1, "arm,pl011");
}

bool hostfdt_reg(const void *fdt, int node, unsigned index, uint64_t *pa, uint64_t *bytes)
{
    int parent = fdt_parent_offset(fdt, node);
    int address = parent < 0 ? -1 : fdt_address_cells(fdt, parent);
    int size = parent < 0 ? -1 : fdt_size_cells(fdt, parent);
    int length = 0;
    const fdt32_t *reg = fdt_getprop(fdt, node, "reg", &length);
    if (reg == NULL || address < 1 || address > 2 || size < 1 || size > 2)
        return false;
    size_t entry = (size_t)address + (size_t)size;
    if ((unsigned)length / sizeof(fdt32_t) / entry <= index)
        return false;
    *pa = number(reg + index * entry, address);
    *bytes = number(reg + index * entry + (unsigned)address, size);
    return *bytes != 0;
}

uint32_t hostfdt_cell(const void *fdt, int node, const char *name, uint32_t otherwise)
{
    int length = 0;
    const fdt32_t *cell = fdt_getprop(fdt, node, name, &length);
    return cell != NULL && length == sizeof(*cell) ? fdt32_to_cpu(*cell) : otherwise;
}

/* How many cells the node's interrupts have each; 0: they do not go to the GIC. The controller is the interrupt-parent,
 * the node's own or that of what it is part of. */
static unsigned specifier_cells(const void *fdt, int node)
{
    uint32_t handle = 0;
    for (; node >= 0 && handle == 0; node = fdt_parent_offset(fdt, node))
        handle = hostfdt_cell(fdt, node, "interrupt-parent", 0);
    int parent = fdt_node_offset_by_phandle(fdt, handle);
    if (parent < 0 || fdt_node_check_compatible(fdt, parent, "arm,gic-v3") != 0)
        return 0;
    uint32_t cells = hostfdt_cell(fdt, parent, "#interrupt-cells", SPECIFIER_LEAST);
    return cells >= SPECIFIER_LEAST && cells <= SPECIFIER_MOST ? cells : 0;
}

unsigned hostfdt_interrupt(const void *fdt, int node, unsigned index, bool *edge)
{
    int length = 0;
    const fdt32_t *cell = fdt_getprop(fdt, node, "interrupts", &length);
    unsigned cells = cell == NULL ? 0 : specifier_cells(fdt, node);
    if (cells == 0 || (unsigned)length / sizeof(fdt32_t) / cells <= index)
        return 0;
    cell += (size_t)index * cells;
    uint32_t kind = fdt32_to_cpu(cell[0]), line = fdt32_to_cpu(cell[1]);
    *edge = (fdt32_to_cpu(cell[2]) & FLAGS_EDGE) != 0;
    if (kind == KIND_SPI && line < GIC_MAX_INTID - GIC_FIRST_SPI)
        return line + GIC_FIRST_SPI;
    if (kind == KIND_PPI && line < PPIS)
        return line + FIRST_PPI;
    return 0;
}

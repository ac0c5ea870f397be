/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include <boot/mem.h>

#include <string.h>

#include <boot/arm.h>
#include <boot/boot.h>
#include <boot/layout.h>
#include <boot/lock.h>
#include <boot/mem_init.h>
#include <boot/stage1.h>

extern char image_start[], image_end[];

static struct lock pool_lock, maps_lock;
static uint64_t pool_bytes, pool_used;
static uint64_t maps_used; /* bytes from VA_MAPS on */

static void *table_page(void)
{
    return mem_alloc(MEM_PAGE, MEM_PAGE);
}

bool mem_init_pool(void)
{
    uint64_t bytes = boot_info.pool.end - boot_info.pool.start;
    if (!stage1_map(VA_POOL, boot_info.pool.start, bytes, STAGE1_DATA))
        return false;
    pool_bytes = bytes;
    stage1_set_source(table_page);
    return true;
}

void *mem_alloc(size_t bytes, size_t align)
{
    void *va = NULL;
    lock_take(&pool_lock);
    uint64_t start = (pool_used + align - 1) & ~((uint64_t)align - 1);
    if (start <= pool_bytes && bytes <= pool_bytes - start) {
        pool_used = start + bytes;
        va = (void *)(VA_POOL + start);
    }
    lock_drop(&pool_lock);
    return va == NULL ? NULL : memset(va, 0, bytes);
}

size_t mem_left(void)
{
    return pool_bytes - pool_used;
}

uint64_t mem_pa(const void *va)
{
    uint64_t address = (uintptr_t)va;
    if (address - VA_POOL < pool_bytes)
        return boot_info.pool.start + (address - VA_POOL);
    return boot_info.image.start + (address - VA_IMAGE);
}

void *mem_pool_va(uint64_t pa)
{
    uint64_t offset = pa - boot_info.pool.start;
    return offset < pool_bytes ? (void *)(VA_POOL + offset) : NULL;
}

/* --- lasting maps ----------------------------------------------------------------------------------------------------- */

static void *map_pages(uint64_t pa, size_t bytes, enum stage1_kind kind)
{
    uint64_t first = pa & ~(MEM_PAGE - 1), offset = pa - first;
    if (bytes == 0 || bytes > VA_MAP_END - VA_MAPS || bytes > stage1_pa_limit() || pa > stage1_pa_limit() - bytes)
        return NULL;
    uint64_t size = (offset + bytes + MEM_PAGE - 1) & ~(MEM_PAGE - 1);

    lock_take(&maps_lock);
    uint64_t va = VA_MAPS + maps_used;
    if (size >= MEM_WINDOW) /* congruent, so that blocks fit */
        va += (first - va) & (MEM_WINDOW - 1);
    bool room = va <= VA_MAP_END && size <= VA_MAP_END - va;
    if (room)
        maps_used = va + size - VA_MAPS;
    lock_drop(&maps_lock);
    return room && stage1_map(va, first, size, kind) ? (void *)(va + offset) : NULL;
}

void *mem_map_device(uint64_t pa, size_t bytes)
{
    return map_pages(pa, bytes, STAGE1_DEVICE);
}

const void *mem_map_ro(uint64_t pa, size_t bytes)
{
    return map_pages(pa, bytes, STAGE1_RODATA);
}

/* Stack `n`, the top of it. */
uint8_t *mem_make_stack(unsigned n)
{
    uint64_t va = VA_STACKS + (uint64_t)n * STACK_STRIDE + (STACK_STRIDE - STACK_BYTES);
    void *memory = mem_alloc(STACK_BYTES, MEM_PAGE);
    if (memory == NULL || !stage1_map(va, mem_pa(memory), STACK_BYTES, STAGE1_DATA))
        return NULL;
    return (uint8_t *)(va + STACK_BYTES);
}

/* --- windows ------------------------------------------------------------------------------------------------------------ */

static uint64_t window_base(unsigned window)
{
    return VA_WINDOWS + (uint64_t)window * MEM_WINDOW;
}

void *mem_window_open(struct mem_windows *w, uint64_t pa, size_t bytes)
{
    unsigned window = w->pages[0] == 0 ? 0 : 1;
    uint64_t offset = pa & (MEM_WINDOW - 1);
    if (w->pages[window] != 0 || bytes == 0 || (pa | bytes) % MEM_PAGE != 0 || offset + bytes > MEM_WINDOW)
        return NULL;
    uint64_t *slot = &w->map.pages[window][offset / MEM_PAGE];
    unsigned pages = (unsigned)(bytes / MEM_PAGE);
    uint64_t desc = stage1_page(pa, STAGE1_DATA);
    for (unsigned i = 0; i < pages; i++)
        *(volatile uint64_t *)&slot[i] = desc + i * MEM_PAGE;
    w->pages[window] = pages;
    w->offset[window] = offset;
    dsb(nshst); /* no other CPU walks these tables */
    isb();
    return (void *)(window_base(window) + offset);
}

void mem_window_close(struct mem_windows *w, void *va)
{
    unsigned window = (uintptr_t)va < window_base(1) ? 0 : 1;
    uint64_t *slot = &w->map.pages[window][w->offset[window] / MEM_PAGE];
    unsigned pages = w->pages[window];
    for (unsigned i = 0; i < pages; i++)
        *(volatile uint64_t *)&slot[i] = 0;
    w->pages[window] = 0;
    dsb(nshst);
    if (pages <= MEM_WINDOW_SINGLE)
        for (unsigned i = 0; i < pages; i++)
            __asm__ volatile("tlbi vae2, %0" : : "r"(((uintptr_t)va >> 12) + i) : "memory");
    else
        __asm__ volatile("tlbi alle2" : : : "memory");
    dsb(nsh);
    isb();
}

/* --- caches ------------------------------------------------------------------------------------------------------------- */

static uint64_t line_bytes(void)
{
    return UINT64_C(4) << ((reg_read(ctr_el0) >> 16) & 0xfu); /* CTR_EL0.DminLine, in words */
}

void mem_clean(const void *va, size_t bytes)
{
    uint64_t line = line_bytes(), end = (uintptr_t)va + bytes;
    for (uint64_t at = (uintptr_t)va & ~(line - 1); at < end; at += line)
        __asm__ volatile("dc cvac, %0" : : "r"(at) : "memory");
    dsb(sy);
}

void mem_clean_invalidate(const void *va, size_t bytes)
{
    uint64_t line = line_bytes(), end = (uintptr_t)va + bytes;
    for (uint64_t at = (uintptr_t)va & ~(line - 1); at < end; at += line)
        __asm__ volatile("dc civac, %0" : : "r"(at) : "memory");
    dsb(sy);
}

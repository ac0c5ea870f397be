/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "probe/probe.h"

#define RET_INSN 0xd65f03c0u
enum { LAST_WORD = GUEST_PAGE - sizeof(uint64_t) };

bool injected(struct fault fault, unsigned ec, uint64_t address)
{
    return fault.taken && ESR_EC(fault.esr) == ec && ESR_FSC(fault.esr) == FSC_EXTERNAL && fault.far == address;
}

/* A value that no other page has, nor this page's other end. */
static uint64_t mark(uint64_t address)
{
    return ~address * 0x9e3779b97f4a7c15ul;
}

static bool own_page(uint64_t page)
{
    return page >= ((uint64_t)guest_image & ~(GUEST_PAGE - 1ul)) && page < (uint64_t)guest_end;
}

/* The first page holds the device tree, which is in use no more once the command line has been read; the command line
 * itself is. */
static uint64_t first_free(struct range ram)
{
    enum { DEVICE_TREE = 0x10000 };
    return ram.base + DEVICE_TREE;
}

static unsigned wrong_marks(uint64_t from, uint64_t to)
{
    unsigned wrong = 0;
    for (uint64_t page = from; page < to; page += GUEST_PAGE) {
        if (own_page(page))
            continue;
        wrong += load64(page) != mark(page);
        wrong += load64(page + LAST_WORD) != mark(page + LAST_WORD);
    }
    return wrong;
}

static unsigned set_marks(uint64_t from, uint64_t to)
{
    unsigned pages = 0;
    for (uint64_t page = from; page < to; page += GUEST_PAGE) {
        if (own_page(page))
            continue;
        store64(page, mark(page));
        store64(page + LAST_WORD, mark(page + LAST_WORD));
        pages++;
    }
    return pages;
}

static void unmark(uint64_t from, uint64_t to)
{
    for (uint64_t page = from; page < to; page += GUEST_PAGE) {
        if (own_page(page))
            continue;
        store64(page, 0);
        store64(page + LAST_WORD, 0);
    }
}

static unsigned not_zero(uint64_t from, uint64_t to)
{
    unsigned wrong = 0;
    for (uint64_t page = from; page < to; page += GUEST_PAGE)
        if (!own_page(page))
            wrong += (load64(page) | load64(page + LAST_WORD)) != 0;
    return wrong;
}

static unsigned fetch_faults(struct range area)
{
    unsigned faults = 0;
    for (uint64_t page = area.base; page < area.base + area.size; page += GUEST_PAGE) {
        store32(page, RET_INSN);
        sync_code(page);
        faults += injected(try_call(page), EC_INSN_ABORT, page);
    }
    return faults;
}

void check_ram(struct range ram)
{
    uint64_t from = first_free(ram), to = ram.base + ram.size;
    unsigned wrong = not_zero(from, to);
    ok(wrong == 0, "RAM is zero at start (%u pages are not)", wrong);
    unsigned pages = set_marks(from, to);
    wrong = wrong_marks(from, to);
    ok(wrong == 0, "RAM: %u pages are readable, writable and distinct (%u words are wrong)", pages, wrong);
    unsigned failed = 0;
    for (uint64_t page = from; page < to; page += GUEST_PAGE) {
        if (own_page(page))
            continue;
        store32(page, RET_INSN);
        sync_code(page);
        failed += try_call(page).taken;
    }
    ok(failed == 0, "RAM: every page executes (%u do not)", failed);
    unmark(from, to);
    uint64_t value;
    ok(injected(try_read(ram.base - sizeof(uint64_t), &value), EC_DATA_ABORT, ram.base - sizeof(uint64_t)),
       "the word before RAM is absent");
    ok(injected(try_read(to, &value), EC_DATA_ABORT, to), "the word behind RAM is absent");
}

void check_read_only(struct range area)
{
    unsigned pages = (unsigned)(area.size / GUEST_PAGE), unreadable = 0, refused = 0, changed = 0;
    for (uint64_t page = area.base; page < area.base + area.size; page += GUEST_PAGE) {
        uint64_t before = 0, after = 0;
        unreadable += try_read(page, &before).taken;
        refused += injected(try_write(page, ~before), EC_DATA_ABORT, page);
        unreadable += try_read(page, &after).taken;
        changed += before != after;
    }
    ok(unreadable == 0, "read-only: every page is readable (%u are not)", unreadable);
    ok(refused == pages, "read-only: writes to %u of %u pages fault", refused, pages);
    ok(changed == 0, "read-only: nothing changed (%u pages did)", changed);
}

void check_no_execute(struct range area)
{
    unsigned pages = (unsigned)(area.size / GUEST_PAGE);
    set_marks(area.base, area.base + area.size);
    unsigned wrong = wrong_marks(area.base, area.base + area.size);
    ok(wrong == 0, "no-execute: %u pages are readable and writable (%u words are wrong)", pages, wrong);
    unsigned faults = fetch_faults(area);
    ok(faults == pages, "no-execute: fetches from %u of %u pages fault", faults, pages);
}

void check_lazy(struct range area)
{
    uint64_t to = area.base + area.size;
    unsigned wrong = 0;
    for (uint64_t page = area.base; page < to; page += GUEST_PAGE)
        for (uint64_t word = page; word < page + GUEST_PAGE; word += sizeof(uint64_t))
            wrong += load64(word) != 0;
    ok(wrong == 0, "lazy: every word is zero at first touch (%u are not)", wrong);
    unsigned pages = set_marks(area.base, to);
    wrong = wrong_marks(area.base, to);
    ok(wrong == 0, "lazy: %u pages are readable, writable and distinct (%u words are wrong)", pages, wrong);
}

void check_absent(struct range area)
{
    unsigned pages = (unsigned)(area.size / GUEST_PAGE), reads = 0, writes = 0, fetches = 0;
    for (uint64_t page = area.base; page < area.base + area.size; page += GUEST_PAGE) {
        uint64_t value;
        reads += injected(try_read(page, &value), EC_DATA_ABORT, page);
        writes += injected(try_write(page, 0), EC_DATA_ABORT, page);
        fetches += injected(try_call(page), EC_INSN_ABORT, page);
    }
    ok(reads == pages, "absent: reads from %u of %u pages fault", reads, pages);
    ok(writes == pages, "absent: writes to %u of %u pages fault", writes, pages);
    ok(fetches == pages, "absent: fetches from %u of %u pages fault", fetches, pages);
}

/* Above the guest's address bits nothing may answer, least of all an alias of what lies below (lesson G3). */
void check_beyond(unsigned bits)
{
    unsigned faults = 0, tries = 0;
    for (unsigned bit = bits; bit < 52; bit++) {
        uint64_t value;
        tries++;
        faults += try_read((uint64_t)guest_image | 1ul << bit, &value).taken;
    }
    ok(faults == tries, "beyond %u bits: %u of %u reads fault", bits, faults, tries);
}

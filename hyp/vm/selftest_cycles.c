/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Destroys and defines one VM, `cycle-vm=NAME`, over and over, `cycles=N` times, and starts it every fourth time in between. Each
 * time the books of the machine are compared with what they were at boot: the ledger's entries, free frames and the blocks they lie
 * in, free pages of tables and free nodes. What a VM keeps, or gives back to somewhere else, adds up here. */
#ifdef CONFIG_SELFTEST_CYCLES

#include <boot/boot.h>
#include <boot/print.h>
#include <cpu/cpu.h>

#include <string.h>

#include "vm/vm.h"

enum { CYCLES = 1000, RUN_EVERY = 4 };

enum figure {
    LEDGER_ENTRIES,
    LEDGER_CONTENT,
    LEDGER_NODES,
    FRAMES,
    PROMISED,
    BLOCKS,
    TABLES = BLOCKS + (int)S2_FRAME_ORDERS,
    VM_NODES = TABLES + SHAPES,
    FIGURES,
};

struct picture {
    bool taken;
    uint64_t figure[FIGURES];
};

static struct {
    struct vm *vm;
    bool over, starts;
    unsigned most, done, started;
    struct picture defined, absent;
} cycles;

static uint64_t mix(uint64_t sum, uint64_t word)
{
    return ((sum ^ word) * 0x9e3779b97f4a7c15ull) ^ (sum ^ word) >> 29;
}

static const char *figure_name(unsigned figure)
{
    if (figure >= BLOCKS && figure < VM_NODES)
        return figure < TABLES ? "free blocks of an order" : "free table pages";
    return figure == LEDGER_ENTRIES   ? "entries of the ledger"
           : figure == LEDGER_CONTENT ? "what the ledger says"
           : figure == LEDGER_NODES   ? "free nodes of the ledger"
           : figure == FRAMES         ? "free frames"
           : figure == PROMISED       ? "promised frames"
                                      : "free nodes of the VM";
}

static void look(struct picture *p)
{
    struct s2_frames_stats frames;
    struct s2_ledger_entry e;
    uint64_t sum = 0, *f = p->figure;
    memset(p, 0, sizeof(*p));
    for (s2_pa at = S2_PA(0); s2_ledger_next(&host.ledger, at, &e); at = e.range.end) {
        sum = mix(mix(mix(sum, e.range.start.v), e.range.end.v), e.ipa.v);
        sum = mix(sum, (uint64_t)e.owner << 32 | (uint64_t)e.state << 24 | (uint64_t)e.rights << 16 | e.pooled);
        f[LEDGER_ENTRIES]++;
    }
    f[LEDGER_CONTENT] = sum;
    f[LEDGER_NODES] = host.ledger_nodes.free;
    s2_frames_stats(&host.frames, &frames);
    f[FRAMES] = frames.free;
    f[PROMISED] = frames.reserved;
    memcpy(&f[BLOCKS], frames.blocks, sizeof(frames.blocks));
    for (unsigned i = 0; i < SHAPES; i++)
        f[TABLES + i] = host.tables[i].free;
    f[VM_NODES] = cycles.vm->has_space ? cycles.vm->nodes.free : 0;
    p->taken = true;
}

/* VMIDs in use: a CPU that loaded no other since may hold on to one that is free. */
static bool vmids_lost(void)
{
    unsigned used = 0;
    for (unsigned i = 0; i < sizeof(host.vmids.used) / sizeof(host.vmids.used[0]); i++)
        used += (unsigned)__builtin_popcountll(host.vmids.used[i]);
    return used > 1 + vm_count() + 2 * cpu_count();
}

static void end(const char *verdict)
{
    cycles.over = true;
    print("bulkhead: vm %s: %u cycles, %u with a start: %s\n", cycles.vm->name, cycles.done, cycles.started, verdict);
}

/* Is all as it was when that picture was taken, which is now if it was not yet? */
static bool compare(struct picture *first)
{
    struct picture now;
    if (!first->taken) {
        look(first);
        return true;
    }
    look(&now);
    for (unsigned i = 0; i < FIGURES; i++) {
        if (now.figure[i] == first->figure[i])
            continue;
        print("bulkhead: vm %s: %s: %lu at boot, %lu now (figure %u)\n", cycles.vm->name, figure_name(i),
              (unsigned long)first->figure[i], (unsigned long)now.figure[i], i);
        end(figure_name(i));
        return false;
    }
    const char *wrong = s2_frames_check(&host.frames);
    if (wrong == NULL)
        wrong = s2_pool_check(&host.ledger_nodes);
    if (wrong == NULL && vmids_lost())
        wrong = "VMIDs are lost";
    if (wrong != NULL)
        end(wrong);
    return wrong == NULL;
}

static void begin(void)
{
    size_t bytes;
    const char *name = boot_option("cycle-vm", &bytes);
    for (unsigned i = 0; name != NULL && i < vm_count(); i++)
        if (vm_at(i) != NULL && strlen(vm_at(i)->name) == bytes && memcmp(vm_at(i)->name, name, bytes) == 0)
            cycles.vm = vm_at(i);
    cycles.over = cycles.vm == NULL;
    cycles.most = (unsigned)boot_number("cycles", CYCLES);
}

/* What is asked of the VM in each state that it rests in. */
static void go_on(struct vm *vm)
{
    const char *refusal = NULL;
    switch (vm->state) {
    case VM_READY:
        if (!compare(&cycles.defined))
            return;
        if (cycles.done == cycles.most) {
            end("all as at boot");
            return;
        }
        cycles.done++;
        cycles.starts = cycles.done % RUN_EVERY == 0;
        cycles.started += cycles.starts;
        refusal = cycles.starts ? vm_start(vm) : vm_destroy(vm);
        break;
    case VM_RUNNING:
    case VM_STOPPED:
        refusal = vm_destroy(vm);
        break;
    case VM_ABSENT:
        if (compare(&cycles.absent))
            refusal = vm_define(vm);
        break;
    default:
        break;
    }
    if (refusal != NULL)
        end(refusal);
    vm->quiet = true;
}

bool selftest_cycles_on(void)
{
    return !__atomic_load_n(&cycles.over, __ATOMIC_RELAXED);
}

void selftest_cycles_step(void)
{
    if (!cycles.over && cycles.vm == NULL)
        begin();
    if (cycles.over)
        return;
    /* Both under the lock, as one changes with the other: what was stopped is being destroyed. */
    lock_take(&cycles.vm->lock);
    bool rests = !vm_is_being_made(cycles.vm) && cycles.vm->state != VM_STOPPING;
    lock_drop(&cycles.vm->lock);
    if (rests)
        go_on(cycles.vm);
}

#else
typedef int selftest_cycles_is_off; /* ISO C wants something in every file */
#endif

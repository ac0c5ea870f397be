/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Events as lines of text. Operands are taken apart as the instructions read them (Arm ARM C5.5), not as this library
 * makes them: what is shown is what the CPU was told. */
#include <stage2/trace.h>

#include <stdbool.h>

enum {
    NUMBER_DIGITS = 6, /* at least */
    VMID_SHIFT = 48,   /* VTTBR_EL2 */
    DS_BIT = 32,       /* VTCR_EL2 */
    PS_SHIFT = 16,
    PS_52 = 6,
    IPA_SHIFT = 12, /* of TLBI IPAS2E1 and its kin: Xt[39:0] */
    TTL_SHIFT = 44,
    RANGE_TTL_SHIFT = 37, /* of TLBI RIPAS2E1 and its kin */
    RANGE_NUM_SHIFT = 39,
    RANGE_SCALE_SHIFT = 44,
    RANGE_TG_SHIFT = 46,
    DS_BASE_SHIFT = 16, /* their base with VTCR_EL2.DS */
};
#define BITS(value, shift, width) ((value) >> (shift) & ((1ull << (width)) - 1))
#define NAME(table, index)        ((index) < sizeof(table) / sizeof(table)[0] ? (table)[index] : "?")

static const char *const kind_name[] = {"write",  "tlbi",   "barrier", "vttbr",  "lock",
                                        "unlock", "memory", "enter",   "access", "lost"};
static const char *const write_name[] = {"store", "release", "swap", "cas", "fill"};
static const char *const tlbi_name[] = {"ipas2e1is",    "ipas2le1is", "ripas2e1is", "ripas2le1is", "vmalle1is",
                                        "vmalls12e1is", "alle1is",    "ipas2e1",    "ipas2le1",    "ripas2e1",
                                        "ripas2le1",    "vmalle1",    "vmalls12e1", "alle1"};
static const char *const barrier_name[] = {"dsb ishst", "dsb ish", "dsb nsh", "isb"};
static const char *const class_name[] = {"space", "ledger", "frames", "tpool", "vmids"};
static const char *const mode_name[] = {"exclusive", "shared", "try"};
static const char *const memory_name[] = {"zero", "copy", "clean", "sync"};
static const char *const access_name[] = {"read", "write", "execute"};
static const char *const granule_name[] = {"?", "4k", "16k", "64k"};

/* S2_EVENT_LINE is longer than what the longest line takes, so that nobody counts here. */
struct line {
    char *end;
};

static void put(struct line *l, const char *text)
{
    while (*text)
        *l->end++ = *text++;
}

static void put_number(struct line *l, uint64_t x, unsigned base, unsigned digits)
{
    enum { MOST = 20 };
    char text[MOST + 1];
    unsigned at = MOST;

    text[MOST] = '\0';
    do {
        text[--at] = "0123456789abcdef"[x % base];
        x /= base;
    } while (x || MOST - at < digits);
    put(l, text + at);
}

static void put_word(struct line *l, const char *word)
{
    put(l, " ");
    put(l, word);
}
static void put_hex(struct line *l, const char *name, uint64_t x)
{
    put_word(l, name);
    put(l, "=0x");
    put_number(l, x, 16, 1);
}
static void put_count(struct line *l, const char *name, uint64_t x)
{
    put_word(l, name);
    put(l, "=");
    put_number(l, x, 10, 1);
}

static void put_done(struct line *l, const struct s2_event *e)
{
    put_word(l, e->n ? "done" : "failed");
}

static void put_write(struct line *l, const struct s2_event *e)
{
    put_word(l, NAME(write_name, e->how));
    put_hex(l, "pte", e->a);
    if (e->how == S2_WRITE_FILL) {
        put_hex(l, "new", e->b);
        put_hex(l, "step", e->c);
        put_count(l, "count", e->n);
        return;
    }
    if (e->how == S2_WRITE_SWAP || e->how == S2_WRITE_CAS)
        put_hex(l, "old", e->b);
    put_hex(l, "new", e->c);
    if (e->how == S2_WRITE_CAS)
        put_done(l, e);
}

/* The leaves that a level hint names: granule and level; "-": any. */
static void put_hint(struct line *l, uint64_t granule, uint64_t level, bool given)
{
    if (!given) {
        put(l, " ttl=-");
        return;
    }
    put(l, " ttl=");
    put(l, granule_name[granule]);
    put(l, "/");
    put_number(l, level, 10, 1);
}

static void put_entry(struct line *l, uint64_t operand)
{
    uint64_t ttl = BITS(operand, TTL_SHIFT, 4);

    put_hex(l, "ipa", BITS(operand, 0, 40) << IPA_SHIFT);
    put_hint(l, ttl >> 2, ttl & 3, ttl >> 2 != 0);
}

static void put_range(struct line *l, uint64_t operand, bool ds)
{
    uint64_t granule = BITS(operand, RANGE_TG_SHIFT, 2), ttl = BITS(operand, RANGE_TTL_SHIFT, 2);
    uint64_t granule_log2 = 10 + 2 * granule; /* 0 is reserved */
    uint64_t unit_log2 = 5 * BITS(operand, RANGE_SCALE_SHIFT, 2) + 1 + granule_log2;

    put_hex(l, "ipa", BITS(operand, 0, 37) << (ds ? DS_BASE_SHIFT : granule_log2));
    put_hex(l, "bytes", (BITS(operand, RANGE_NUM_SHIFT, 5) + 1) << unit_log2);
    put_hint(l, granule, ttl, ttl != 0);
}

static void put_tlbi(struct line *l, const struct s2_event *e)
{
    put_word(l, NAME(tlbi_name, e->how));
    if (e->how == S2_TLBI_ALLE1IS || e->how == S2_TLBI_ALLE1)
        return;
    put_count(l, "vmid", e->b >> VMID_SHIFT);
    switch (e->how) {
    case S2_TLBI_IPAS2E1IS:
    case S2_TLBI_IPAS2LE1IS:
    case S2_TLBI_IPAS2E1:
    case S2_TLBI_IPAS2LE1:
        put_entry(l, e->a);
        break;
    case S2_TLBI_RIPAS2E1IS:
    case S2_TLBI_RIPAS2LE1IS:
    case S2_TLBI_RIPAS2E1:
    case S2_TLBI_RIPAS2LE1:
        put_range(l, e->a, BITS(e->c, DS_BIT, 1) != 0);
        break;
    }
}

/* With 52-bit addresses VTTBR_EL2[5:2] holds bits 51 to 48 of the root's. */
static void put_vttbr(struct line *l, uint64_t vttbr, uint64_t vtcr)
{
    uint64_t root = BITS(vttbr, 1, VMID_SHIFT - 1) << 1;

    if (BITS(vtcr, PS_SHIFT, 3) == PS_52)
        root = BITS(vttbr, 6, VMID_SHIFT - 6) << 6 | BITS(vttbr, 2, 4) << VMID_SHIFT;
    put_count(l, "vmid", vttbr >> VMID_SHIFT);
    put_hex(l, "root", root);
    put_count(l, "cnp", vttbr & 1);
    put_hex(l, "vtcr", vtcr);
}

static void put_lock(struct line *l, const struct s2_event *e)
{
    put_word(l, NAME(mode_name, e->how));
    put_word(l, NAME(class_name, e->a));
    put_count(l, "id", e->b);
    if (e->kind == S2_EVENT_LOCK && e->how == S2_LOCK_TRY)
        put_done(l, e);
}

static void put_operands(struct line *l, const struct s2_event *e)
{
    switch (e->kind) {
    case S2_EVENT_WRITE:
        put_write(l, e);
        break;
    case S2_EVENT_TLBI:
        put_tlbi(l, e);
        break;
    case S2_EVENT_BARRIER:
        put_word(l, NAME(barrier_name, e->how));
        break;
    case S2_EVENT_VTTBR:
        put_vttbr(l, e->a, e->b);
        break;
    case S2_EVENT_LOCK:
    case S2_EVENT_UNLOCK:
        put_lock(l, e);
        break;
    case S2_EVENT_MEMORY:
        put_word(l, NAME(memory_name, e->how));
        put_hex(l, "pa", e->a);
        put_hex(l, "bytes", e->b);
        break;
    case S2_EVENT_ENTER:
        put_count(l, "vmid", e->b >> VMID_SHIFT);
        put_count(l, "vcpu", e->a);
        break;
    case S2_EVENT_ACCESS:
        put_word(l, NAME(access_name, e->how));
        put_hex(l, "ipa", e->a);
        break;
    case S2_EVENT_LOST:
        put_count(l, "count", e->a);
        break;
    }
}

size_t s2_event_line(const struct s2_event *e, char line[S2_EVENT_LINE])
{
    struct line l = {line};

    put(&l, "trace ");
    put_number(&l, e->number, 10, NUMBER_DIGITS);
    put(&l, " c");
    put_number(&l, e->cpu, 10, 1);
    put_word(&l, NAME(kind_name, e->kind));
    put_operands(&l, e);
    *l.end = '\0';
    return (size_t)(l.end - line);
}

const char *s2_event_name(enum s2_event_kind kind)
{
    return NAME(kind_name, (unsigned)kind);
}

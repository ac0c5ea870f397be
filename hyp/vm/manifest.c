/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Reading the manifest. What each node may hold is a table; the rules between values are manifest_check.c's. */
#include "vm/manifest.h"

#include <stddef.h>
#include <string.h>

#include <boot/tree.h>

#define ARRAY_SIZE(a)   (sizeof(a) / sizeof((a)[0]))
#define CELL            4
#define DEFAULT_RAM_IPA 0x40000000ull

enum kind {
    TEXT,   /* const char * */
    NUMBER, /* uint64_t, lo..hi */
    COUNT,  /* unsigned, lo..hi */
    FLAG,   /* bool: true when present */
    WORD,   /* bool: false for the first of two words, true for the second */
    CPUS,
    SPIS,
    GRANULE,
    MEMORY,
};
struct field {
    const char *name; /* of a WORD, with its two behind it, each after a zero */
    uint32_t hi;      /* 0: no limit */
    uint16_t offset;
    uint8_t lo, kind;
};

/* A node that is being read: for the subject of a problem, "vm linux: memory/ram/size: ". */
struct where {
    struct problems *p;
    struct manifest_vm *vm; /* null: the root */
    const char *dir, *node; /* or null */
};

static void refuse(const struct where *w, const char *prop, const char *fmt, ...)
{
    struct text t = {.used = 0};
    text_add(&t, w->vm != NULL ? "vm %s: " : "%s: ", w->vm != NULL ? w->vm->name : "manifest");
    if (w->dir != NULL)
        text_add(&t, "%s/", w->dir);
    if (w->node != NULL)
        text_add(&t, "%s/", w->node);
    text_add(&t, "%s: ", prop);
    va_list args;
    va_start(args, fmt);
    problemv(w->p, t.s, fmt, args);
    va_end(args);
    if (w->vm != NULL)
        w->vm->ok = false;
}

static bool is_text(const char *data, int len)
{
    return len > 0 && memchr(data, '\0', (size_t)len) == data + len - 1;
}

/* "0x40000000", "64M". */
static bool number_from_text(const char *s, uint64_t *out)
{
    uint64_t value = 0, base = 10;
    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
        base = 16;
        s += 2;
    }
    const char *first = s;
    for (;; s++) {
        uint64_t digit = *s >= '0' && *s <= '9'   ? (uint64_t)(*s - '0')
                         : *s >= 'a' && *s <= 'f' ? (uint64_t)(*s - 'a' + 10)
                         : *s >= 'A' && *s <= 'F' ? (uint64_t)(*s - 'A' + 10)
                                                  : base;
        if (digit >= base)
            break;
        if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit, &value))
            return false;
    }
    static const char units[] = "KMGT";
    const char *unit = *s == '\0' ? NULL : strchr(units, *s & ~0x20);
    unsigned shift = unit == NULL ? 0 : 10u * (unsigned)(unit - units + 1);
    if (s == first || (*s != '\0' && (unit == NULL || s[1] != '\0')) || (shift != 0 && value >> (64 - shift) != 0))
        return false;
    *out = value << shift;
    return true;
}

/* Text of three or of seven characters is as long as one cell or two. "64M" would be a number that no alignment allows
 * (its low byte is 0, the next one a letter), and text would be a number above 2^61: neither is one that can be meant. */
static bool means_text(const char *data, int len)
{
    if (!is_text(data, len))
        return false;
    return len == CELL ? data[CELL - 2] >= 'A' : data[0] >= '0';
}

static bool number_from(const void *data, int len, uint64_t *out)
{
    if (means_text(data, len))
        return number_from_text(data, out);
    if (len == CELL)
        *out = fdt32_ld(data);
    else if (len == 2 * CELL)
        *out = fdt64_ld(data);
    return len == CELL || len == 2 * CELL;
}

static void read_list(const struct where *w, const struct field *f, const void *data, int len, void *base)
{
    unsigned most = f->kind == CPUS ? MANIFEST_VCPUS : MACHINE_DEVICE_SPIS;
    unsigned n = (unsigned)len / CELL;
    uint16_t *to = (uint16_t *)((char *)base + f->offset);
    if (len % CELL != 0 || n == 0 || n > most) {
        refuse(w, f->name, "not a list of 1 to %u cells", (uint64_t)most);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        uint32_t value = fdt32_ld((const fdt32_t *)data + i);
        if (value > f->hi) {
            refuse(w, f->name, "%u is larger than %u", (uint64_t)value, (uint64_t)f->hi);
            return;
        }
        to[i] = (uint16_t)value;
    }
    if (f->kind == SPIS)
        ((struct manifest_device *)base)->spis = (uint8_t)n;
    else
        ((struct manifest_vm *)base)->cpus = n;
}

static void read_number(const struct where *w, const struct field *f, const void *data, int len, void *to)
{
    uint64_t value;
    if (!number_from(data, len, &value))
        refuse(w, f->name, "not a number");
    else if (value < f->lo || (f->hi != 0 && value > f->hi))
        refuse(w, f->name, f->kind == COUNT ? "%u is not from %u to %u" : "%x is not from %x to %x", value,
               (uint64_t)f->lo, (uint64_t)f->hi);
    else if (f->kind == COUNT)
        *(unsigned *)to = (unsigned)value;
    else
        *(uint64_t *)to = value;
}

static void read_vm_special(const struct where *w, const struct field *f, const void *data, int len,
                            struct manifest_vm *v)
{
    uint64_t value = 0;
    if (!number_from(data, len, &value)) {
        refuse(w, f->name, "not a number");
    } else if (f->kind == MEMORY) {
        v->region[0] = (struct manifest_region){.name = "ram", .ipa = DEFAULT_RAM_IPA, .size = value};
        v->regions = 1;
    } else if (value == 4096 || value == 16384 || value == 65536) {
        v->granule_log2 = value == 4096 ? 12 : value == 16384 ? 14 : 16;
    } else {
        refuse(w, f->name, "%x is not one of 4K, 16K, 64K", value);
    }
}

static void read_word(const struct where *w, const struct field *f, const char *data, int len, bool *to)
{
    const char *first = f->name + strlen(f->name) + 1, *second = first + strlen(first) + 1;
    if (!is_text(data, len))
        refuse(w, f->name, "not text");
    else if (strcmp(data, first) != 0 && strcmp(data, second) != 0)
        refuse(w, f->name, "\"%s\" is not one of \"%s\", \"%s\"", data, first, second);
    else
        *to = strcmp(data, second) == 0;
}

static void read_field(const struct where *w, const struct field *f, const void *data, int len, void *base)
{
    void *to = (char *)base + f->offset;
    switch (f->kind) {
    case TEXT:
        if (is_text(data, len))
            *(const char **)to = data;
        else
            refuse(w, f->name, "not text");
        break;
    case FLAG:
        if (len == 0)
            *(bool *)to = true;
        else
            refuse(w, f->name, "a flag has no value; leave it out to have it off");
        break;
    case WORD:
        read_word(w, f, data, len, to);
        break;
    case NUMBER:
    case COUNT:
        read_number(w, f, data, len, to);
        break;
    case CPUS:
    case SPIS:
        read_list(w, f, data, len, base);
        break;
    case GRANULE:
    case MEMORY:
        read_vm_special(w, f, data, len, base);
        break;
    }
}

/* Returns which fields were there, one bit each. */
static uint64_t read_fields(const struct where *w, const void *fdt, int node, const struct field *fields, size_t n,
                            void *base)
{
    uint64_t seen = 0;
    int prop;
    fdt_for_each_property_offset(prop, fdt, node)
    {
        const char *name;
        int len;
        const void *data = fdt_getprop_by_offset(fdt, prop, &name, &len);
        if (data == NULL)
            break;
        if (strcmp(name, "phandle") == 0) /* dtc gives one to a node that something refers to */
            continue;
        size_t i = 0;
        while (i < n && strcmp(fields[i].name, name) != 0)
            i++;
        if (i == n) {
            refuse(w, name, "unknown property");
            continue;
        }
        seen |= 1ull << i;
        read_field(w, &fields[i], data, len, base);
    }
    return seen;
}

static void no_children(const struct where *w, const void *fdt, int node)
{
    int child;
    fdt_for_each_subnode(child, fdt, node)
    {
        refuse(w, fdt_get_name(fdt, child, NULL), "unknown node");
    }
}

/* Designated, so that what a row leaves out is zero. */
#define FIELD(n, k, type, member, ...)                                                                                 \
    {                                                                                                                  \
        .name = n, .kind = k, .offset = offsetof(struct type, member), __VA_ARGS__                                     \
    }
enum { REGION_IPA, REGION_SIZE, REGION_PA, REGION_IDENTITY };
static const struct field region_fields[] = {
    [REGION_IPA] = FIELD("ipa", NUMBER, manifest_region, ipa),
    [REGION_SIZE] = FIELD("size", NUMBER, manifest_region, size),
    [REGION_PA] = FIELD("pa", NUMBER, manifest_region, pa),
    [REGION_IDENTITY] = FIELD("identity", FLAG, manifest_region, chosen),
    FIELD("lazy", FLAG, manifest_region, lazy),
    FIELD("overcommit", FLAG, manifest_region, overcommit),
    FIELD("read-only", FLAG, manifest_region, read_only),
    FIELD("no-execute", FLAG, manifest_region, no_execute),
    FIELD("image", TEXT, manifest_region, image),
};

static void read_region(const struct where *w, const void *fdt, int node, struct manifest_region *r)
{
    uint64_t seen = read_fields(w, fdt, node, region_fields, ARRAY_SIZE(region_fields), r);
    no_children(w, fdt, node);
    for (unsigned i = REGION_IPA; i <= REGION_SIZE; i++)
        if ((seen >> i & 1) == 0)
            refuse(w, region_fields[i].name, "missing");
    bool pa = seen >> REGION_PA & 1, identity = seen >> REGION_IDENTITY & 1;
    if (pa && identity)
        refuse(w, "identity", "excludes pa");
    if ((pa || identity) && r->lazy)
        refuse(w, "lazy", "excludes pa and identity");
    if (r->overcommit && !r->lazy)
        refuse(w, "overcommit", "needs lazy");
    if (identity)
        r->pa = r->ipa;
    r->chosen = pa || identity;
}

#define SPI_LAST 987u /* INTID 1019 */
enum { DEVICE_PATH, DEVICE_PA, DEVICE_SIZE, DEVICE_IPA, DEVICE_INTERRUPTS };
static const struct field device_fields[] = {
    [DEVICE_PATH] = FIELD("path", TEXT, manifest_device, path),
    [DEVICE_PA] = FIELD("pa", NUMBER, manifest_device, pa),
    [DEVICE_SIZE] = FIELD("size", NUMBER, manifest_device, size),
    [DEVICE_IPA] = FIELD("ipa", NUMBER, manifest_device, ipa),
    [DEVICE_INTERRUPTS] = FIELD("interrupts", SPIS, manifest_device, spi, .hi = SPI_LAST),
    FIELD("edge", FLAG, manifest_device, edge),
    FIELD("compatible", TEXT, manifest_device, compatible),
    FIELD("unsafe-dma", FLAG, manifest_device, unsafe_dma),
};

static void read_device(const struct where *w, const void *fdt, int node, struct manifest_device *d)
{
    uint64_t seen = read_fields(w, fdt, node, device_fields, ARRAY_SIZE(device_fields), d);
    no_children(w, fdt, node);
    bool path = seen >> DEVICE_PATH & 1, pa = seen >> DEVICE_PA & 1;
    if (path && pa)
        refuse(w, "pa", "excludes path");
    if (!path && !pa)
        refuse(w, "path", "missing (or pa and size)");
    if (pa && (seen >> DEVICE_SIZE & 1) == 0)
        refuse(w, "size", "missing");
    d->node = -1;
    d->ipa_given = seen >> DEVICE_IPA & 1;
    d->size_given = seen >> DEVICE_SIZE & 1;
    d->spis_given = seen >> DEVICE_INTERRUPTS & 1;
    if (!path) {
        d->resolved = true;
        if (!d->ipa_given)
            d->ipa = d->pa;
    }
}

enum { VM_IMAGE, VM_MEMORY, VM_PSCI };
static const struct field vm_fields[] = {
    [VM_IMAGE] = FIELD("image", TEXT, manifest_vm, image),
    [VM_MEMORY] = FIELD("memory", MEMORY, manifest_vm, region),
    [VM_PSCI] = FIELD("psci\0hvc\0smc", WORD, manifest_vm, psci_smc),
    FIELD("load-offset", NUMBER, manifest_vm, load_offset),
    FIELD("entry-offset", NUMBER, manifest_vm, entry_offset),
    FIELD("initrd", TEXT, manifest_vm, initrd),
    FIELD("bootargs", TEXT, manifest_vm, bootargs),
    FIELD("overlay", TEXT, manifest_vm, overlay),
    FIELD("vcpus", COUNT, manifest_vm, vcpus, .hi = UINT32_MAX),
    FIELD("cpus", CPUS, manifest_vm, cpu, .hi = UINT16_MAX - 1),
    FIELD("ipa-bits", COUNT, manifest_vm, ipa_bits, .lo = 25, .hi = 52),
    FIELD("granule", GRANULE, manifest_vm, granule_log2),
    FIELD("table-pages", NUMBER, manifest_vm, table_pages, .lo = 1, .hi = UINT32_MAX),
    FIELD("pages-only", FLAG, manifest_vm, pages_only),
    FIELD("on-fault\0stop\0inject", WORD, manifest_vm, inject),
    FIELD("on-reset\0restart\0stop", WORD, manifest_vm, stop_on_reset),
    FIELD("no-autostart", FLAG, manifest_vm, manual),
    FIELD("no-uart", FLAG, manifest_vm, no_uart),
};
static const struct field uart_fields[] = {
    FIELD("ipa", NUMBER, manifest_vm, uart_ipa),
    FIELD("interrupt", COUNT, manifest_vm, uart_spi, .hi = SPI_LAST),
};
static const struct field gic_fields[] = {
    FIELD("distributor", NUMBER, manifest_vm, gicd_ipa),
    FIELD("redistributor", NUMBER, manifest_vm, gicr_ipa),
};

static void read_memory(const struct where *w, const void *fdt, int node)
{
    struct manifest_vm *v = w->vm;
    struct where dir = {w->p, v, "memory", NULL};
    read_fields(&dir, fdt, node, NULL, 0, NULL);
    if (v->regions > 0) {
        refuse(w, "memory", "both a number and a node");
        return;
    }
    int child;
    fdt_for_each_subnode(child, fdt, node)
    {
        struct where at = {w->p, v, "memory", fdt_get_name(fdt, child, NULL)};
        if (v->regions == MANIFEST_REGIONS) {
            refuse(&dir, at.node, "more than %u regions", (uint64_t)MANIFEST_REGIONS);
            return;
        }
        struct manifest_region *r = &v->region[v->regions++];
        r->name = at.node;
        read_region(&at, fdt, child, r);
    }
}

static void read_devices(const struct where *w, const void *fdt, int node)
{
    struct manifest_vm *v = w->vm;
    struct where dir = {w->p, v, "devices", NULL};
    read_fields(&dir, fdt, node, NULL, 0, NULL);
    int child;
    fdt_for_each_subnode(child, fdt, node)
    {
        struct where at = {w->p, v, "devices", fdt_get_name(fdt, child, NULL)};
        if (v->devices == MANIFEST_DEVICES) {
            refuse(&dir, at.node, "more than %u devices", (uint64_t)MANIFEST_DEVICES);
            return;
        }
        struct manifest_device *d = &v->device[v->devices++];
        d->name = at.node;
        read_device(&at, fdt, child, d);
    }
}

/* As the device tree specification has it (2.2.1); the name is printed with every line of the VM. */
static bool is_name_char(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           (c != '\0' && strchr(",._+-", c) != NULL);
}

static void read_vm(const struct where *w, const void *fdt, int node)
{
    struct manifest_vm *v = w->vm;
    if (strlen(v->name) >= MANIFEST_NAME)
        refuse(w, "name", "longer than %u characters", (uint64_t)MANIFEST_NAME - 1);
    for (const char *c = v->name; *c != '\0'; c++) {
        if (!is_name_char(*c)) {
            refuse(w, "name", "letters, digits and , . _ + - are what a name is made of");
            break;
        }
    }
    uint64_t seen = read_fields(w, fdt, node, vm_fields, ARRAY_SIZE(vm_fields), v);
    int child;
    fdt_for_each_subnode(child, fdt, node)
    {
        const char *name = fdt_get_name(fdt, child, NULL);
        struct where at = {w->p, v, NULL, name};
        if (strcmp(name, "memory") == 0) {
            read_memory(w, fdt, child);
            seen |= 1ull << VM_MEMORY;
        } else if (strcmp(name, "devices") == 0) {
            read_devices(w, fdt, child);
        } else if (strcmp(name, "uart") == 0) {
            read_fields(&at, fdt, child, uart_fields, ARRAY_SIZE(uart_fields), v);
            no_children(&at, fdt, child);
        } else if (strcmp(name, "gic") == 0) {
            read_fields(&at, fdt, child, gic_fields, ARRAY_SIZE(gic_fields), v);
            no_children(&at, fdt, child);
        } else {
            refuse(w, name, "unknown node");
        }
    }
    for (unsigned i = VM_IMAGE; i <= VM_MEMORY; i++)
        if ((seen >> i & 1) == 0)
            refuse(w, vm_fields[i].name, "missing");
}

#define DEFAULT_LOAD_OFFSET 0x200000ull
static void set_defaults(struct manifest_vm *v, const char *name)
{
    *v = (struct manifest_vm){
        .name = name,
        .ok = true,
        .load_offset = DEFAULT_LOAD_OFFSET,
        .vcpus = 1,
        .granule_log2 = 12,
        .uart_ipa = 0x09000000,
        .uart_spi = 1,
        .gicd_ipa = 0x08000000,
        .gicr_ipa = 0x080a0000,
        .boot_region = -1,
    };
}

static const struct field root_fields[] = {
    FIELD("compatible", TEXT, manifest, compatible),
    FIELD("on-all-stopped\0power-off\0halt", WORD, manifest, halt),
};

bool manifest_parse(struct manifest *m, const void *fdt, size_t bytes, struct problems *p)
{
    memset(m, 0, sizeof(*m));
    struct where root = {p, NULL, NULL, NULL};
    int err = tree_check(fdt, bytes);
    if (err != 0) {
        problem(p, "manifest: ", "not a device tree: %s", fdt_strerror(err));
        return false;
    }
    m->fdt = fdt;
    read_fields(&root, fdt, 0, root_fields, ARRAY_SIZE(root_fields), m);
    if (m->compatible == NULL || strcmp(m->compatible, "bulkhead,manifest") != 0) {
        refuse(&root, "compatible", "\"bulkhead,manifest\" is missing");
        return false;
    }
    int vms = -1, node;
    fdt_for_each_subnode(node, fdt, 0)
    {
        const char *name = fdt_get_name(fdt, node, NULL);
        if (strcmp(name, "vms") == 0)
            vms = node;
        else if (strcmp(name, "__symbols__") != 0) /* dtc -@ */
            refuse(&root, name, "unknown node");
    }
    if (vms >= 0) {
        struct where dir = {p, NULL, "vms", NULL};
        read_fields(&dir, fdt, vms, NULL, 0, NULL);
        fdt_for_each_subnode(node, fdt, vms)
        {
            const char *name = fdt_get_name(fdt, node, NULL);
            if (m->vms == MANIFEST_VMS) {
                refuse(&root, "vms", "more than %u; \"%s\" and those after it are left out", (uint64_t)MANIFEST_VMS,
                       name);
                break;
            }
            struct manifest_vm *v = &m->vm[m->vms++];
            struct where w = {p, v, NULL, NULL};
            set_defaults(v, name);
            read_vm(&w, fdt, node);
        }
    }
    if (m->vms == 0)
        refuse(&root, "vms", "there is no VM");
    return m->vms > 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "vm/manifest_read.h"

#include <string.h>

#define CELL            4
#define DEFAULT_RAM_IPA 0x40000000ull

void read_refuse(const struct where *w, const char *prop, const char *fmt, ...)
{
    struct text t;
    text_begin(&t);
    text_add(&t, w->what != NULL ? "%s %s: " : "%s: ", w->what != NULL ? w->what : "manifest", w->name);
    if (w->dir != NULL)
        text_add(&t, "%s/", w->dir);
    if (w->node != NULL)
        text_add(&t, "%s/", w->node);
    text_add(&t, "%s: ", prop);
    va_list args;
    va_start(args, fmt);
    problemv(w->p, t.s, fmt, &args);
    va_end(args);
    if (w->ok != NULL)
        *w->ok = false;
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
        read_refuse(w, f->name, "not a list of 1 to %u cells", (uint64_t)most);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        uint32_t value = fdt32_ld((const fdt32_t *)data + i);
        if (value > f->hi) {
            read_refuse(w, f->name, "%u is larger than %u", (uint64_t)value, (uint64_t)f->hi);
            return;
        }
        to[i] = (uint16_t)value;
    }
    if (f->kind == SPIS)
        ((struct manifest_device *)base)->spis = (uint8_t)n;
    else
        ((struct manifest_vm *)base)->cpus = n;
}

static void read_colours(const struct where *w, const struct field *f, const void *data, int len, uint64_t *mask)
{
    enum { MOST = 64 };
    *mask = 1; /* it has some, right or wrong */
    if (len % CELL != 0 || len == 0 || len > MOST * CELL) {
        read_refuse(w, f->name, "not a list of 1 to %u cells", (uint64_t)MOST);
        return;
    }
    *mask = 0;
    for (int i = 0; i < len / CELL; i++) {
        uint32_t colour = fdt32_ld((const fdt32_t *)data + i);
        *mask |= 1ull << colour % MOST;
        if (colour >= MOST)
            read_refuse(w, f->name, "%u is larger than %u", (uint64_t)colour, (uint64_t)(MOST - 1));
    }
}

static void read_number(const struct where *w, const struct field *f, const void *data, int len, void *to)
{
    uint64_t value;
    if (!number_from(data, len, &value))
        read_refuse(w, f->name, "not a number");
    else if (value < f->lo || (f->hi != 0 && value > f->hi))
        read_refuse(w, f->name, f->kind == COUNT ? "%u is not from %u to %u" : "%x is not from %x to %x", value,
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
        read_refuse(w, f->name, "not a number");
    } else if (f->kind == MEMORY) {
        v->region[0] = (struct manifest_region){.name = "ram", .ipa = DEFAULT_RAM_IPA, .size = value};
        v->regions = 1;
    } else if (value == 4096 || value == 16384 || value == 65536) {
        v->granule_log2 = value == 4096 ? 12 : value == 16384 ? 14 : 16;
    } else {
        read_refuse(w, f->name, "%x is not one of 4K, 16K, 64K", value);
    }
}

static void read_word(const struct where *w, const struct field *f, const char *data, int len, bool *to)
{
    const char *first = f->name + strlen(f->name) + 1, *second = first + strlen(first) + 1;
    if (!is_text(data, len))
        read_refuse(w, f->name, "not text");
    else if (strcmp(data, first) != 0 && strcmp(data, second) != 0)
        read_refuse(w, f->name, "\"%s\" is not one of \"%s\", \"%s\"", data, first, second);
    else
        *to = strcmp(data, second) == 0;
}

static void read_rights(const struct where *w, const struct field *f, const char *data, int len, uint8_t *to)
{
    static const struct {
        char word[4];
        uint8_t rights;
    } words[] = {{"r", S2_R}, {"rw", S2_RW}, {"rx", S2_RX}, {"rwx", S2_RWX}};
    if (!is_text(data, len)) {
        read_refuse(w, f->name, "not text");
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcmp(data, words[i].word) == 0) {
            *to = words[i].rights;
            return;
        }
    }
    read_refuse(w, f->name, "\"%s\" is not one of \"r\", \"rw\", \"rx\", \"rwx\"", data);
}

static void read_field(const struct where *w, const struct field *f, const void *data, int len, void *base)
{
    void *to = (char *)base + f->offset;
    switch (f->kind) {
    case TEXT:
        if (is_text(data, len))
            *(const char **)to = data;
        else
            read_refuse(w, f->name, "not text");
        break;
    case FLAG:
        if (len == 0)
            *(bool *)to = true;
        else
            read_refuse(w, f->name, "a flag has no value; leave it out to have it off");
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
    case COLOURS:
        read_colours(w, f, data, len, to);
        break;
    case RIGHTS:
        read_rights(w, f, data, len, to);
        break;
    }
}

uint64_t read_fields(const struct where *w, const void *fdt, int node, const struct field *fields, size_t n, void *base)
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
            read_refuse(w, name, "unknown property");
            continue;
        }
        seen |= 1ull << i;
        read_field(w, &fields[i], data, len, base);
    }
    return seen;
}

uint64_t read_leaf(const struct where *w, const void *fdt, int node, const struct field *fields, size_t n, void *base)
{
    uint64_t seen = read_fields(w, fdt, node, fields, n, base);
    int child;
    fdt_for_each_subnode(child, fdt, node)
    {
        read_refuse(w, fdt_get_name(fdt, child, NULL), "unknown node");
    }
    return seen;
}

void read_required(const struct where *w, uint64_t seen, const struct field *fields, unsigned first, unsigned last)
{
    for (unsigned i = first; i <= last; i++)
        if ((seen >> i & 1) == 0)
            read_refuse(w, fields[i].name, "missing");
}

/* As the device tree specification has it (2.2.1); the name is printed with every line of the VM. */
static bool is_name_char(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           (c != '\0' && strchr(",._+-", c) != NULL);
}

void read_name(const struct where *w, const char *name)
{
    if (strlen(name) >= MANIFEST_NAME)
        read_refuse(w, "name", "longer than %u characters", (uint64_t)MANIFEST_NAME - 1);
    for (const char *c = name; *c != '\0'; c++) {
        if (!is_name_char(*c)) {
            read_refuse(w, "name", "letters, digits and , . _ + - are what a name is made of");
            return;
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "vm/loader.h"

#include <string.h>

#define ALIGN_2M (2ull << 20)

/* Linux' Documentation/arm64/booting.rst; little-endian, as are the CPUs that we run on. */
struct image_header {
    uint32_t code[2];
    uint64_t text_offset, image_size, flags, reserved[3];
    uint8_t magic[4]; /* "ARM\x64" */
    uint32_t pe;
};
#define IMAGE_OLD_TEXT_OFFSET 0x80000ull /* where image_size is 0, before Linux 3.17 */

/* ELF-64 object file format, version 1.5. */
struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
enum { ELF_CLASS64 = 2, ELF_LITTLE = 1, ELF_EXEC = 2, ELF_DYN = 3, ELF_AARCH64 = 183, ELF_LOAD = 1 };

struct planner {
    struct load_plan *plan;
    const struct manifest_vm *v;
    const struct bundle *b;
    struct problems *p;
    bool ok;
};

static void refuse(struct planner *l, const char *fmt, ...)
{
    struct text subject;
    text_begin(&subject);
    text_add(&subject, "vm %s: ", l->v->name);
    va_list args;
    va_start(args, fmt);
    problemv(l->p, subject.s, fmt, &args);
    va_end(args);
    l->ok = false;
}

static const struct bundle_image *find_image(struct planner *l, const char *prop, const char *name)
{
    const struct bundle_image *image = bundle_find(l->b, name);
    if (image == NULL)
        refuse(l, "%s: \"%s\" is not in the bundle", prop, name);
    else if (image->damaged)
        refuse(l, "%s: \"%s\" is damaged", prop, name);
    return image == NULL || image->damaged ? NULL : image;
}

/* The region that an address lies in; else the boot region, to be named in the refusal. */
static unsigned region_of(const struct manifest_vm *v, uint64_t ipa)
{
    for (unsigned i = 0; i < v->regions; i++) {
        struct range r = manifest_region_ipa(&v->region[i]);
        if (ipa >= r.start && ipa < r.end)
            return i;
    }
    return (unsigned)v->boot_region;
}

static void add_part(struct planner *l, const char *what, const char *file, const uint8_t *data, size_t bytes,
                     uint64_t ipa, uint64_t room_bytes)
{
    struct load_plan *plan = l->plan;
    struct range room = {ipa, ipa + room_bytes};
    if (room_bytes == 0)
        return;
    if (room.end < room.start) {
        refuse(l, "%s: \"%s\": %x + %x is not a range", what, file, ipa, room_bytes);
        return;
    }
    unsigned index = region_of(l->v, ipa);
    const struct manifest_region *region = &l->v->region[index];
    struct range have = manifest_region_ipa(region);
    if (!range_inside(room, have)) {
        refuse(l, "%s: \"%s\" %r does not fit into memory/%s %r", what, file, &room, region->name, &have);
        return;
    }
    if (range_meets(room, plan->dtb)) {
        refuse(l, "%s: \"%s\" %r overlaps the device tree %r", what, file, &room, &plan->dtb);
        return;
    }
    for (unsigned i = 0; i < plan->parts; i++) {
        if (range_meets(room, plan->part[i].room)) {
            refuse(l, "%s: \"%s\" %r overlaps %s %r", what, file, &room, plan->part[i].what, &plan->part[i].room);
            return;
        }
    }
    if (plan->parts == LOADER_PARTS) {
        refuse(l, "%s: \"%s\" has more than %u parts", what, file, (uint64_t)LOADER_PARTS);
        return;
    }
    plan->part[plan->parts++] = (struct load_part){what, data, bytes, room, index};
}

static void plan_elf(struct planner *l, const struct bundle_image *image)
{
    const char *name = l->v->image;
    struct elf_header h;
    memcpy(&h, image->data, sizeof(h));
    if (h.ident[4] != ELF_CLASS64 || h.ident[5] != ELF_LITTLE || h.machine != ELF_AARCH64 ||
        (h.type != ELF_EXEC && h.type != ELF_DYN) || h.phentsize != sizeof(struct elf_segment)) {
        refuse(l, "image: \"%s\" is an ELF file, but no little-endian AArch64 executable", name);
        return;
    }
    l->plan->kind = "ELF64";
    l->plan->entry = h.entry;
    bool entry_seen = false;
    for (unsigned i = 0; i < h.phnum && l->ok; i++) {
        struct elf_segment s;
        uint64_t at = (uint64_t)i * sizeof(s);
        if (h.phoff > image->size || at + sizeof(s) > image->size - h.phoff) {
            refuse(l, "image: \"%s\" is cut short: its program headers lie outside the file", name);
            return;
        }
        memcpy(&s, image->data + h.phoff + at, sizeof(s));
        if (s.type != ELF_LOAD)
            continue;
        if (s.filesz > s.memsz || s.offset > image->size || s.filesz > image->size - s.offset) {
            refuse(l, "image: \"%s\" is cut short: a segment lies outside the file", name);
            return;
        }
        /* The entry is a virtual address; the guest starts with its MMU off. */
        if (h.entry >= s.vaddr && h.entry - s.vaddr < s.memsz) {
            l->plan->entry = s.paddr + (h.entry - s.vaddr);
            entry_seen = true;
        }
        add_part(l, "image", name, image->data + s.offset, (size_t)s.filesz, s.paddr, s.memsz);
    }
    if (l->ok && !entry_seen)
        refuse(l, "image: \"%s\": its entry %x lies in no segment", name, h.entry);
}

static bool is_compressed(const struct bundle_image *image)
{
    static const uint8_t gzip[2] = {0x1f, 0x8b};
    return image->size >= 8 &&
           (memcmp(image->data, gzip, sizeof(gzip)) == 0 || memcmp(image->data + 4, "zimg", 4) == 0);
}

static void plan_flat(struct planner *l, const struct bundle_image *image)
{
    const struct manifest_vm *v = l->v;
    uint64_t base = v->region[v->boot_region].ipa + v->load_offset, room = image->size;
    struct image_header h = {.magic = {0}};
    if (image->size >= sizeof(h))
        memcpy(&h, image->data, sizeof(h));
    if (is_compressed(image)) {
        refuse(l, "image: \"%s\" is compressed; unpack it", v->image);
    } else if (memcmp(h.magic, "ARM\x64", sizeof(h.magic)) == 0) {
        l->plan->kind = "Image";
        base += h.image_size == 0 ? IMAGE_OLD_TEXT_OFFSET : h.text_offset;
        l->plan->entry = base;
        if ((base - h.text_offset) % ALIGN_2M != 0 && h.image_size != 0)
            refuse(l, "load-offset: %x puts the Image at %x, which is not 2M aligned", v->load_offset,
                   base - h.text_offset);
        room = h.image_size > room ? h.image_size : room;
    } else {
        l->plan->kind = "raw";
        l->plan->entry = base + v->entry_offset;
        if (v->entry_offset >= image->size)
            refuse(l, "entry-offset: %x lies outside \"%s\" of %x bytes", v->entry_offset, v->image,
                   (uint64_t)image->size);
    }
    if (l->ok)
        add_part(l, "image", v->image, image->data, image->size, base, room);
}

/* Behind the highest part in the boot region, so within the 32 GiB that Linux asks for. */
static void plan_initrd(struct planner *l)
{
    const struct manifest_vm *v = l->v;
    const struct bundle_image *image = find_image(l, "initrd", v->initrd);
    if (image == NULL)
        return;
    struct range boot = manifest_region_ipa(&v->region[v->boot_region]);
    uint64_t at = l->plan->dtb.end;
    for (unsigned i = 0; i < l->plan->parts; i++) {
        struct range room = l->plan->part[i].room;
        if (range_inside(room, boot) && room.end > at)
            at = room.end;
    }
    at = (at + ALIGN_2M - 1) & ~(ALIGN_2M - 1);
    add_part(l, "initrd", v->initrd, image->data, image->size, at, image->size);
    l->plan->initrd = (struct range){at, at + image->size};
}

bool loader_plan(struct load_plan *plan, const struct manifest_vm *v, const struct bundle *b, struct problems *p)
{
    struct planner l = {plan, v, b, p, true};
    memset(plan, 0, sizeof(*plan));
    if (v->boot_region < 0 || v->image == NULL)
        return false; /* reported by the manifest's own check */
    uint64_t base = v->region[v->boot_region].ipa;
    struct range boot = manifest_region_ipa(&v->region[v->boot_region]);
    plan->dtb = (struct range){base, base + MANIFEST_DTB_BYTES};
    if (!range_inside(plan->dtb, boot))
        refuse(&l, "memory/%s: %r has no room for the device tree %r", v->region[v->boot_region].name, &boot,
               &plan->dtb);
    const struct bundle_image *image = find_image(&l, "image", v->image);
    if (image != NULL && l.ok) {
        if (image->size >= sizeof(struct elf_header) && memcmp(image->data, "\177ELF", 4) == 0)
            plan_elf(&l, image);
        else
            plan_flat(&l, image);
    }
    for (unsigned i = 0; i < v->regions; i++) {
        const struct manifest_region *r = &v->region[i];
        const struct bundle_image *content = r->image == NULL ? NULL : find_image(&l, "memory/image", r->image);
        if (content != NULL)
            add_part(&l, "memory/image", r->image, content->data, content->size, r->ipa, content->size);
    }
    if (v->initrd != NULL && l.ok)
        plan_initrd(&l);
    if (v->overlay != NULL)
        plan->overlay = find_image(&l, "overlay", v->overlay);
    return l.ok;
}

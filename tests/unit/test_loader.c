/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Where images go, by format, and the device tree that a guest gets. */
#include "manifest_world.h"

#include "vm/guestdtb.h"
#include "vm/loader.h"

#define IMAGE_BYTES 0x1000u
struct linux_image {
    uint32_t code[2];
    uint64_t text_offset, image_size, flags, reserved[3];
    char magic[4];
    uint32_t pe;
    char rest[IMAGE_BYTES - 64];
};
struct elf {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
    struct {
        uint32_t type, flags;
        uint64_t offset, vaddr, paddr, filesz, memsz, align;
    } ph[2];
    char text[256];
};

static struct linux_image image;
static struct elf elf;
static char raw[5000], initrd[3000], gzip[64] = "\x1f\x8b\x08";
static void *overlay;
static size_t overlay_bytes;

static struct bundle bundle;
static struct manifest manifest;
static struct machine machine;
static struct load_plan plan;

static void fill_files(void)
{
    memset(&image, 0, sizeof(image));
    memcpy(image.magic, "ARM\x64", 4);
    image.image_size = 0x300000;
    memset(&elf, 0, sizeof(elf));
    elf = (struct elf){.ident = {0x7f, 'E', 'L', 'F', 2, 1, 1},
                       .type = 2,
                       .machine = 183,
                       .entry = 0xffff000040400010,
                       .phoff = offsetof(struct elf, ph),
                       .phentsize = sizeof(elf.ph[0]),
                       .phnum = 2};
    elf.ph[0].type = 1;
    elf.ph[0].offset = offsetof(struct elf, text);
    elf.ph[0].vaddr = 0xffff000040400000;
    elf.ph[0].paddr = 0x40400000;
    elf.ph[0].filesz = 128;
    elf.ph[0].memsz = 4096;
    elf.ph[1] = elf.ph[0];
    elf.ph[1].vaddr += 0x2000;
    elf.ph[1].paddr += 0x2000;
    memset(raw, 0x5a, sizeof(raw));
}

/* Plans the one VM `body`; the lines must be those. Returns whether it was planned. */
static bool plan_vm(const char *body, const char *const *want)
{
    static unsigned char fit[1u << 20];
    static void *blob;
    struct lines lines = {0};
    struct problems p = {keep_line, &lines, 0};
    char vms[2048];
    size_t bytes;
    free(blob);
    snprintf(vms, sizeof(vms), "a { %s };", body);
    blob = compile_vms(vms, &bytes);
    const struct file files[] = {
        {"Image", &image, sizeof(image)},      {"elf", &elf, sizeof(elf)},   {"raw", raw, sizeof(raw)},
        {"initrd", initrd, sizeof(initrd)},    {"gzip", gzip, sizeof(gzip)}, {"empty", "", 0},
        {"note.dtbo", overlay, overlay_bytes},
    };
    size_t fit_bytes = make_bundle(fit, sizeof(fit), blob, bytes, files, 7);
    make_machine(&machine);
    assert_true(bundle_open(&bundle, fit, fit_bytes, &p));
    assert_true(manifest_parse(&manifest, bundle.manifest.data, bundle.manifest.size, &p));
    manifest_check(&manifest, &machine, NULL, &p);
    bool ok = manifest.vm[0].ok && loader_plan(&plan, &manifest.vm[0], &bundle, &p);
    expect_lines(&lines, want);
    return ok;
}

static void expect_part(unsigned i, uint64_t start, uint64_t end, size_t bytes)
{
    assert_true(i < plan.parts);
    assert_int_equal(plan.part[i].room.start, start);
    assert_int_equal(plan.part[i].room.end, end);
    assert_int_equal(plan.part[i].bytes, bytes);
}

static void test_image(void **state)
{
    (void)state;
    fill_files();
    assert_true(plan_vm("image = \"Image\"; initrd = \"initrd\"; memory = \"64M\";", NONE));
    assert_string_equal(plan.kind, "Image");
    assert_int_equal(plan.parts, 2);
    assert_int_equal(plan.entry, 0x40200000);
    assert_int_equal(plan.dtb.start, 0x40000000);
    expect_part(0, 0x40200000, 0x40500000, IMAGE_BYTES);
    expect_part(1, 0x40600000, 0x40600000 + sizeof(initrd), sizeof(initrd));
    assert_int_equal(plan.initrd.start, 0x40600000);
    assert_int_equal(plan.initrd.end, 0x40600000 + sizeof(initrd));

    image.text_offset = 0x80000;
    assert_true(plan_vm("image = \"Image\"; load-offset = \"4M\"; memory = \"64M\";", NONE));
    assert_int_equal(plan.entry, 0x40480000);
    image.image_size = 0; /* as before Linux 3.17 */
    assert_true(plan_vm("image = \"Image\"; memory = \"64M\";", NONE));
    assert_int_equal(plan.entry, 0x40280000);
    expect_part(0, 0x40280000, 0x40281000, IMAGE_BYTES);
    fill_files();
    assert_false(plan_vm("image = \"Image\"; load-offset = \"1M\"; memory = \"64M\";",
                         LINE("vm a: load-offset: 0x100000 puts the Image at 0x40100000, which is not 2M aligned")));
    assert_false(plan_vm("image = \"Image\"; memory = \"4M\";",
                         LINE("vm a: image: \"Image\" 0x40200000..0x40500000 does not fit into memory/ram "
                              "0x40000000..0x40400000")));
    image.image_size = UINT64_MAX;
    assert_false(plan_vm("image = \"Image\"; memory = \"4M\";",
                         LINE("vm a: image: \"Image\": 0x40200000 + 0xffffffffffffffff is not a range")));
    image.image_size = 0x300000;
    image.text_offset = UINT64_MAX - 0x1fffff;
    assert_false(plan_vm("image = \"Image\"; memory = \"4M\";",
                         LINE("vm a: image: \"Image\" 0x40000000..0x40300000 overlaps the device tree "
                              "0x40000000..0x40010000")));
}

static void test_raw(void **state)
{
    (void)state;
    fill_files();
    assert_true(plan_vm("image = \"raw\"; load-offset = \"64K\"; entry-offset = <8>; memory = \"1M\";", NONE));
    assert_string_equal(plan.kind, "raw");
    assert_int_equal(plan.entry, 0x40010008);
    expect_part(0, 0x40010000, 0x40010000 + sizeof(raw), sizeof(raw));
    assert_false(plan_vm("image = \"raw\"; entry-offset = <5000>; memory = \"4M\";",
                         LINE("vm a: entry-offset: 0x1388 lies outside \"raw\" of 0x1388 bytes")));
    assert_false(plan_vm("image = \"raw\"; load-offset = <0>; memory = \"4M\";",
                         LINE("vm a: image: \"raw\" 0x40000000..0x40001388 overlaps the device tree "
                              "0x40000000..0x40010000")));
    assert_false(plan_vm("image = \"raw\"; load-offset = <0xffffffff 0xffffffff>; memory = \"4M\";",
                         LINE("vm a: image: \"raw\" 0x3fffffff..0x40001387 does not fit into memory/ram "
                              "0x40000000..0x40400000")));
    assert_false(plan_vm("image = \"gzip\"; memory = \"4M\";", LINE("vm a: image: \"gzip\" is compressed; unpack it")));
    assert_false(plan_vm("image = \"nix\"; memory = \"4M\";", LINE("vm a: image: \"nix\" is not in the bundle")));
    assert_false(plan_vm("image = \"raw\"; initrd = \"nix\"; memory = \"4M\";",
                         LINE("vm a: initrd: \"nix\" is not in the bundle")));
    assert_false(plan_vm("image = \"raw\"; memory = \"32K\";",
                         (const char *const[]){"vm a: memory/ram: 0x40000000..0x40008000 has no room for the device "
                                               "tree 0x40000000..0x40010000",
                                               NULL}));
}

static void test_elf(void **state)
{
    (void)state;
    fill_files();
    assert_true(plan_vm("image = \"elf\"; memory = \"16M\";", NONE));
    assert_string_equal(plan.kind, "ELF64");
    assert_int_equal(plan.entry, 0x40400010); /* the entry is virtual, the segments are loaded by physical address */
    assert_int_equal(plan.parts, 2);
    expect_part(0, 0x40400000, 0x40401000, 128);
    expect_part(1, 0x40402000, 0x40403000, 128);

    static const struct {
        size_t offset;
        uint64_t value;
        unsigned bytes;
        const char *line;
    } cases[] = {
        {offsetof(struct elf, machine), 62, 2,
         "vm a: image: \"elf\" is an ELF file, but no little-endian AArch64 executable"},
        {offsetof(struct elf, phoff), UINT64_MAX, 8,
         "vm a: image: \"elf\" is cut short: its program headers lie outside the file"},
        {offsetof(struct elf, phnum), 0xffff, 2,
         "vm a: image: \"elf\" is cut short: its program headers lie outside the file"},
        {offsetof(struct elf, ph[0].offset), UINT64_MAX - 4, 8,
         "vm a: image: \"elf\" is cut short: a segment lies outside the file"},
        {offsetof(struct elf, ph[0].filesz), 8192, 8,
         "vm a: image: \"elf\" is cut short: a segment lies outside the file"},
        {offsetof(struct elf, ph[1].paddr), 0x40400800, 8,
         "vm a: image: \"elf\" 0x40400800..0x40401800 overlaps image 0x40400000..0x40401000"},
        {offsetof(struct elf, ph[1].paddr), UINT64_MAX, 8,
         "vm a: image: \"elf\": 0xffffffffffffffff + 0x1000 is not a range"},
        {offsetof(struct elf, ph[1].paddr), 0x1000, 8,
         "vm a: image: \"elf\" 0x1000..0x2000 does not fit into memory/ram 0x40000000..0x41000000"},
        {offsetof(struct elf, entry), 0x1234, 8, "vm a: image: \"elf\": its entry 0x1234 lies in no segment"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fill_files();
        if (cases[i].value == 0xffff) /* too many headers: those beyond the second are taken from the text */
            elf.ph[1].type = 0;
        memcpy((char *)&elf + cases[i].offset, &cases[i].value, cases[i].bytes);
        assert_false(plan_vm("image = \"elf\"; memory = \"16M\";", LINE(cases[i].line)));
    }
}

static void test_regions(void **state)
{
    (void)state;
    fill_files();
    assert_true(plan_vm("image = \"raw\"; memory { data { ipa = <0x10000000>; size = \"64K\"; read-only; image = "
                        "\"initrd\"; }; ram { ipa = <0x40000000>; size = \"4M\"; }; };",
                        NONE));
    assert_int_equal(plan.parts, 2);
    expect_part(1, 0x10000000, 0x10000000 + sizeof(initrd), sizeof(initrd));
    assert_int_equal(plan.part[1].region, 0);
    assert_int_equal(plan.part[0].region, 1);
    assert_false(plan_vm(
        "image = \"raw\"; memory { data { ipa = <0x10000000>; size = \"4K\"; image = \"raw\"; }; ram { "
        "ipa = <0x40000000>; size = \"4M\"; }; };",
        (const char *const[]){"vm a: memory/data: 0x10000000..0x10001000 has no room for the device tree "
                              "0x10000000..0x10010000",
                              "vm a: memory/image: \"raw\" 0x10000000..0x10001388 does not fit into memory/data "
                              "0x10000000..0x10001000",
                              NULL}));
    assert_false(plan_vm("image = \"raw\"; memory { data { ipa = <0x10000000>; size = \"4K\"; no-execute; image = "
                         "\"raw\"; }; ram { ipa = <0x40000000>; size = \"4M\"; }; };",
                         LINE("vm a: memory/image: \"raw\" 0x10000000..0x10001388 does not fit into memory/data "
                              "0x10000000..0x10001000")));
}

/* --- the guest's device tree --------------------------------------------------------------------------------------- */

static uint64_t tree[MANIFEST_DTB_BYTES / 8], scratch[MANIFEST_DTB_BYTES / 8];

static void expect_prop(const char *path, const char *name, const void *want, size_t bytes)
{
    int len, node = fdt_path_offset(tree, path);
    assert_true(node >= 0);
    const void *data = fdt_getprop(tree, node, name, &len);
    assert_non_null(data);
    assert_int_equal(len, bytes);
    assert_memory_equal(data, want, bytes);
}

static void expect_text(const char *path, const char *name, const char *want)
{
    expect_prop(path, name, want, strlen(want) + 1);
}

static void expect_cells(const char *path, const char *name, const uint32_t *want, unsigned n)
{
    fdt32_t cells[32];
    for (unsigned i = 0; i < n; i++)
        cells[i] = cpu_to_fdt32(want[i]);
    expect_prop(path, name, cells, n * 4u);
}
#define CELLS(path, name, ...)                                                                                         \
    expect_cells(path, name, (const uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}) / 4)

static void test_tree(void **state)
{
    (void)state;
    fill_files();
    struct problems p = {NULL, NULL, 0};
    assert_true(
        plan_vm("image = \"Image\"; initrd = \"initrd\"; bootargs = \"quiet\"; vcpus = <2>; psci = \"smc\"; "
                "memory { env { ipa = <0x4000000>; size = \"256K\"; read-only; }; ram { ipa = <0x40000000>; "
                "size = \"64M\"; }; high { ipa = <0x1 0>; size = \"1M\"; no-execute; }; }; devices { rtc { path "
                "= \"/pl031@9010000\"; ipa = <0x9020000>; }; };",
                NONE));
    assert_true(guestdtb_build(tree, scratch, sizeof(tree), &manifest.vm[0], &plan, &machine, &p));
    assert_int_equal(fdt_check_full(tree, sizeof(tree)), 0);
    expect_text("/chosen", "bootargs", "quiet");
    CELLS("/chosen", "linux,initrd-start", 0, 0x40600000);
    CELLS("/chosen", "linux,initrd-end", 0, 0x40600000 + sizeof(initrd));
    expect_text("/psci", "method", "smc");
    CELLS("/cpus/cpu@1", "reg", 1);
    assert_true(fdt_path_offset(tree, "/cpus/cpu@2") < 0);
    CELLS("/memory@40000000", "reg", 0, 0x40000000, 0, 0x4000000, 1, 0, 0, 0x100000);
    CELLS("/interrupt-controller@8000000", "reg", 0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0x40000);
    CELLS("/timer", "interrupts", 1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4);
    CELLS("/serial@9000000", "interrupts", 0, 1, 4);
    expect_text("/hypervisor", "compatible", "bulkhead,hypervisor");
    expect_text("/hypervisor", "method", "smc");
    CELLS("/hypervisor", "interrupts", 0, 3, 1); /* the first that no device has */
    CELLS("/rtc@9020000", "reg", 0, 0x9020000, 0, 0x1000);
    CELLS("/rtc@9020000", "interrupts", 0, 2, 4);
    expect_prop("/rtc@9020000", "compatible", "arm,pl031\0arm,primecell", 24);
    expect_text("/rtc@9020000", "clock-names", "apb_pclk");
    assert_int_equal(guestdtb_make(tree, 512, &manifest.vm[0], &plan, &machine), -FDT_ERR_NOSPACE);
    size_t enough = 0;
    for (size_t bytes = 0; enough == 0; bytes += 4) { /* not a byte behind any buffer */
        void *buf = test_malloc(bytes);
        int err = guestdtb_make(buf, bytes, &manifest.vm[0], &plan, &machine);
        assert_int_equal(err, err == 0 ? 0 : -FDT_ERR_NOSPACE);
        if (err == 0) {
            assert_int_equal(fdt_check_full(buf, bytes), 0);
            enough = bytes;
        }
        test_free(buf);
    }
    assert_in_range(enough, fdt_totalsize(tree), 4096);
}

static void make_overlay(const char *source)
{
    free(overlay);
    overlay = compile_dts(source, &overlay_bytes);
}

static void test_overlay(void **state)
{
    (void)state;
    fill_files();
    struct lines lines = {0};
    struct problems p = {keep_line, &lines, 0};
    const char *vm = "image = \"raw\"; overlay = \"note.dtbo\"; memory = \"4M\";";
    make_overlay("/dts-v1/; /plugin/; &{/} { note { text = \"hello\"; }; }; &uart0 { status = \"okay\"; };");
    assert_true(plan_vm(vm, NONE));
    (void)guestdtb_build(tree, scratch, sizeof(tree), &manifest.vm[0], &plan, &machine, &p);
    expect_lines(&lines, NONE);
    expect_text("/note", "text", "hello");
    expect_text("/serial@9000000", "status", "okay");

    make_overlay("/dts-v1/; /plugin/; &nowhere { x; };");
    assert_true(plan_vm(vm, NONE));
    assert_false(guestdtb_build(tree, scratch, sizeof(tree), &manifest.vm[0], &plan, &machine, &p));
    expect_lines(&lines, LINE("vm a: overlay: \"note.dtbo\" cannot be applied: FDT_ERR_NOTFOUND"));
    ((char *)overlay)[0] ^= 1;
    assert_true(plan_vm(vm, NONE));
    assert_false(guestdtb_build(tree, scratch, sizeof(tree), &manifest.vm[0], &plan, &machine, &p));
    assert_string_equal(lines.s[1], "vm a: overlay: \"note.dtbo\" cannot be applied: FDT_ERR_BADMAGIC");
    free(overlay);
    overlay = NULL;
    overlay_bytes = 0;
}

/* All of a granule traps, and a driver looks for the identification where the tree says that the UART ends. */
static void test_uart_in_a_granule(void **state)
{
    (void)state;
    static const char *const granules[] = {"4K", "16K", "64K"};
    struct problems p = {NULL, NULL, 0};
    fill_files();
    for (unsigned i = 0; i < sizeof(granules) / sizeof(granules[0]); i++) {
        char vm[128];
        snprintf(vm, sizeof(vm), "image = \"raw\"; memory = \"4M\"; granule = \"%s\";", granules[i]);
        assert_true(plan_vm(vm, NONE));
        assert_true(guestdtb_build(tree, scratch, sizeof(tree), &manifest.vm[0], &plan, &machine, &p));
        CELLS("/serial@9000000", "reg", 0, 0x9000000, 0, 0x1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_image),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_elf),
        cmocka_unit_test(test_regions),
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_overlay),
        cmocka_unit_test(test_uart_in_a_granule),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* The manifest: defaults, every form of value, and every line that docs/manifest.md promises. */
#include "manifest_world.h"

static struct manifest m;

static void *check(const char *vms, bool with_machine, const char *const *want)
{
    return check_manifest(&m, vms, "", with_machine, want);
}

static void refused(const char *vms, const char *line)
{
    free(check(vms, true, LINE(line)));
}

static void test_defaults(void **state)
{
    (void)state;
    void *blob = check(VM("linux", RAM), true, NONE);
    const struct manifest_vm *v = &m.vm[0];
    assert_int_equal(m.vms, 1);
    assert_false(m.halt);
    assert_string_equal(v->name, "linux");
    assert_true(v->ok);
    assert_string_equal(v->image, "i");
    assert_null(v->initrd);
    assert_int_equal(v->vcpus, 1);
    assert_int_equal(v->cpus, 0);
    assert_int_equal(v->load_offset, 0x200000);
    assert_int_equal(v->granule_log2, 12);
    assert_int_equal(manifest_ipa_bits(v, 44), 40);
    assert_int_equal(manifest_ipa_bits(v, 36), 36);
    assert_int_equal(v->uart_ipa, 0x09000000);
    assert_int_equal(v->uart_spi, 1);
    assert_int_equal(v->gicd_ipa, 0x08000000);
    assert_int_equal(v->gicr_ipa, 0x080a0000);
    assert_false(v->inject || v->stop_on_reset || v->manual || v->no_uart || v->psci_smc || v->pages_only);
    assert_int_equal(v->regions, 1);
    assert_int_equal(v->boot_region, 0);
    assert_string_equal(v->region[0].name, "ram");
    assert_int_equal(v->region[0].ipa, 0x40000000);
    assert_int_equal(v->region[0].size, 16 << 20);
    free(blob);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {
        {"<0x200000>", 0x200000},    {"<0x1 0x0>", 0x100000000}, {"/bits/ 64 <0x300000000>", 0x300000000},
        {"\"1G\"", 1 << 30},         {"\"64M\"", 64 << 20},      {"\"64k\"", 64 << 10},
        {"\"0x40000000\"", 1 << 30}, {"\"1048576\"", 1 << 20},   {"\"2097152\"", 2 << 20},
        {"\"0x1G\"", 1 << 30},       {"\"128M\"", 128 << 20},    {"\"1T\"", 1ull << 40},
    };
    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char vms[256];
        size_t bytes;
        struct problems p = {NULL, NULL, 0};
        snprintf(vms, sizeof(vms), "a { image = \"i\"; memory = %s; };", good[i].text);
        void *blob = compile_vms(vms, &bytes);
        assert_true(manifest_parse(&m, blob, bytes, &p));
        assert_int_equal(p.count, 0);
        assert_int_equal(m.vm[0].region[0].size, good[i].value);
        free(blob);
    }
    static const char *const bad[] = {"\"\"",    "\"M\"",         "\"64X\"", "\"12MB\"", "\"0x\"",
                                      "<1 2 3>", "\"99999999T\"", "[01 02]", "\"-1M\"",  "\"18446744073709551616\""};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char vms[256];
        snprintf(vms, sizeof(vms), "a { image = \"i\"; load-offset = %s; " RAM "};", bad[i]);
        refused(vms, "vm a: load-offset: not a number");
    }
}

static void test_everything_read(void **state)
{
    (void)state;
    void *blob =
        check(VM("all", "initrd = \"r\"; bootargs = \"b\"; overlay = \"o\"; load-offset = \"4M\"; entry-offset = <8>; "
                        "vcpus = <2>; cpus = <3 1>; ipa-bits = <36>; granule = \"4K\"; table-pages = <99>; pages-only; "
                        "psci = \"smc\"; on-fault = \"inject\"; on-reset = \"stop\"; no-autostart; "
                        "memory { ram { ipa = <0x50000000>; size = \"16M\"; identity; }; "
                        "env { ipa = <0x4000000>; size = \"256K\"; read-only; no-execute; image = \"e\"; }; "
                        "late { ipa = <0x60000000>; size = \"1M\"; lazy; overcommit; }; }; "
                        "uart { ipa = <0x9100000>; interrupt = <7>; }; "
                        "gic { distributor = <0x8100000>; redistributor = <0x8200000>; }; "
                        "devices { rtc { path = \"x\"; ipa = <0x9020000>; size = <0x1000>; interrupts = <9>; edge; "
                        "compatible = \"c\"; unsafe-dma; }; };"),
              false, NONE);
    const struct manifest_vm *v = &m.vm[0];
    assert_string_equal(v->initrd, "r");
    assert_string_equal(v->bootargs, "b");
    assert_string_equal(v->overlay, "o");
    assert_int_equal(v->load_offset, 4 << 20);
    assert_int_equal(v->entry_offset, 8);
    assert_int_equal(v->vcpus, 2);
    assert_int_equal(v->cpus, 2);
    assert_int_equal(v->cpu[0], 3);
    assert_int_equal(v->cpu[1], 1);
    assert_int_equal(v->ipa_bits, 36);
    assert_int_equal(v->table_pages, 99);
    assert_true(v->pages_only && v->psci_smc && v->inject && v->stop_on_reset && v->manual);
    assert_true(v->region[0].chosen);
    assert_int_equal(v->region[0].pa, 0x50000000);
    assert_true(v->region[1].read_only && v->region[1].no_execute);
    assert_string_equal(v->region[1].image, "e");
    assert_true(v->region[2].lazy && v->region[2].overcommit);
    assert_int_equal(v->uart_ipa, 0x9100000);
    assert_int_equal(v->uart_spi, 7);
    assert_int_equal(v->gicd_ipa, 0x8100000);
    assert_int_equal(v->gicr_ipa, 0x8200000);
    assert_string_equal(v->device[0].path, "x");
    assert_int_equal(v->device[0].ipa, 0x9020000);
    assert_int_equal(v->device[0].spi[0], 9);
    assert_true(v->device[0].edge && v->device[0].unsafe_dma && !v->device[0].resolved);
    free(blob);
}

static void test_words(void **state)
{
    (void)state;
    refused(VM("a", RAM "memroy = <1>;"), "vm a: memroy: unknown property");
    refused(VM("a", RAM "devcies { };"), "vm a: devcies: unknown node");
    refused("a { image = \"i\"; };", "vm a: memory: missing");
    refused("a { " RAM "};", "vm a: image: missing");
    refused("a { image = <1>; " RAM "};", "vm a: image: not text");
    refused(VM("a", RAM "vcpus;"), "vm a: vcpus: not a number");
    refused(VM("a", RAM "pages-only = <1>;"), "vm a: pages-only: a flag has no value; leave it out to have it off");
    refused(VM("a", RAM "on-fault = \"explode\";"), "vm a: on-fault: \"explode\" is not one of \"stop\", \"inject\"");
    refused(VM("a", RAM "granule = \"8K\";"), "vm a: granule: 0x2000 is not one of 4K, 16K, 64K");
    refused(VM("a", RAM "ipa-bits = <53>;"), "vm a: ipa-bits: 53 is not from 25 to 52");
    refused(VM("a", "memory { r { ipa = <0>; }; };"), "vm a: memory/r/size: missing");
    refused(VM("a", "memory { r { ipa = <0>; size = \"1M\"; sise = <1>; }; };"),
            "vm a: memory/r/sise: unknown property");
    refused(VM("a", "memory { r { ipa = <0>; size = \"1M\"; x { }; }; };"), "vm a: memory/r/x: unknown node");
    refused(VM("a", "memory { odd; r { ipa = <0>; size = \"1M\"; }; };"), "vm a: memory/odd: unknown property");
    refused(VM("a", RAM "memory { r { ipa = <0>; size = \"1M\"; }; };"), "vm a: memory: both a number and a node");
    refused(VM("a", "memory { r { ipa = <0x50000000>; size = \"1M\"; pa = <0x50000000>; identity; }; };"),
            "vm a: memory/r/identity: excludes pa");
    refused(VM("a", "memory { r { ipa = <0x50000000>; size = \"1M\"; identity; lazy; }; };"),
            "vm a: memory/r/lazy: excludes pa and identity");
    refused(VM("a", "memory { r { ipa = <0>; size = \"1M\"; overcommit; }; };"),
            "vm a: memory/r/overcommit: needs lazy");
    refused(VM("a", RAM "devices { d { }; };"), "vm a: devices/d/path: missing (or pa and size)");
    refused(VM("a", RAM "devices { d { pa = <0>; path = \"/pl031@9010000\"; size = <0x1000>; }; };"),
            "vm a: devices/d/pa: excludes path");
    refused(VM("a", RAM "devices { d { pa = <0>; }; };"), "vm a: devices/d/size: missing");
    refused("", "manifest: vms: there is no VM");
    refused(VM("a-name-that-is-longer-than-31-chars", RAM),
            "vm a-name-that-is-longer-than-31-chars: name: longer than 31 characters");
}

static void test_cpus(void **state)
{
    (void)state;
    refused(VM("a", RAM "vcpus = <9>;"), "vm a: vcpus: 9 are asked for, 8 are possible");
    refused(VM("a", RAM "vcpus = <0>;"), "vm a: vcpus: 0 are asked for, 8 are possible");
    refused(VM("a", RAM "vcpus = <3>; cpus = <0 1>;"), "vm a: cpus: 2 CPUs for 3 vCPUs; give one, or one for each");
    refused(VM("a", RAM "cpus = <4>;"), "vm a: cpus: CPU 4 is asked for, the machine has CPUs 0 to 3");
    free(check(VM("a", RAM "vcpus = <8>; cpus = <3>;"), true, NONE));
    free(check(VM("a", RAM "cpus = <40>;"), false, NONE)); /* the machine is not known */
}

static void test_ranges(void **state)
{
    (void)state;
    refused(VM("a", "memory { r { ipa = <0x40000000>; size = <0x1001>; }; };"),
            "vm a: memory/r/size: 0x1001 is not a multiple of the granule 0x1000");
    refused(VM("a", "memory { r { ipa = <0x40000800>; size = \"1M\"; }; };"),
            "vm a: memory/r/ipa: 0x40000800 is not a multiple of the granule 0x1000");
    refused(VM("a", "granule = \"64K\"; memory { r { ipa = <0x40001000>; size = \"1M\"; }; };"),
            "vm a: memory/r/ipa: 0x40001000 is not a multiple of the granule 0x10000");
    refused(VM("a", "memory { r { ipa = <0x40000000>; size = <0>; }; };"),
            "vm a: memory/r: 0x40000000 + 0x0 is not a range");
    refused(VM("a", "memory { r { ipa = <0xffffffff 0xfffff000>; size = <0x2000>; }; };"),
            "vm a: memory/r: 0xfffffffffffff000 + 0x2000 is not a range");
    refused(VM("a", "memory { r { ipa = <0xff 0xfff00000>; size = \"2M\"; lazy; overcommit; }; };"),
            "vm a: memory/r: 0xfffff00000..0x10000100000 lies beyond the guest's 40 address bits");
    refused(VM("a", "memory { r { ipa = <0x40000000>; size = \"1M\"; no-execute; }; };"),
            "vm a: memory: no region is readable, writable and executable, so nothing can be started");
    refused(VM("a", "memory { };"), "vm a: memory: there is no region");
    refused(VM("a", "memory { r { ipa = <0x40000000>; size = \"2M\"; }; s { ipa = <0x40100000>; size = \"1M\"; }; };"),
            "vm a: memory/s: 0x40100000..0x40200000 overlaps memory/r 0x40000000..0x40200000; move one of them");
    refused(VM("a", "memory { r { ipa = <0x8000000>; size = \"1M\"; }; }; gic { redistributor = <0x18000000>; };"),
            "vm a: memory/r: 0x8000000..0x8100000 overlaps gic/distributor 0x8000000..0x8010000; move one of them");
    refused(VM("a", RAM "uart { ipa = <0x40001000>; };"),
            "vm a: memory/ram: 0x40000000..0x41000000 overlaps uart/ipa 0x40001000..0x40002000; move one of them");
    refused(VM("a", RAM "gic { distributor = <0x8001000>; };"),
            "vm a: gic/distributor: 0x8001000 is not a multiple of 0x10000");
    refused(VM("a", RAM "gic { redistributor = <0xffffffff 0xffff0000>; };"),
            "vm a: gic/redistributor: 0xffffffffffff0000 + 0x20000 is not a range");
    /* Neighbours do not overlap, and without a UART its place is free. */
    free(check(VM("a", "no-uart; memory { r { ipa = <0x9000000>; size = \"1M\"; }; s { ipa = <0x9100000>; size = "
                       "\"1M\"; }; };"),
               true, NONE));
}

static void test_places(void **state)
{
    (void)state;
    refused(VM("a", "memory { r { ipa = <0>; size = \"16M\"; pa = <0x60000000>; }; };")
                VM("b", "memory { r { ipa = <0>; size = \"16M\"; pa = <0x60800000>; }; };"),
            "vm b: memory/r/pa: 0x60800000..0x61800000 overlaps vm a memory/r/pa 0x60000000..0x61000000; move one of "
            "them");
    refused(VM("a", "memory { r { ipa = <0x40000000>; size = \"16M\"; identity; }; };"),
            "vm a: memory/r/pa: 0x40000000..0x41000000 overlaps hypervisor pool 0x40200000..0x42200000; move one of "
            "them");
    refused(VM("a", "memory { r { ipa = <0x3ff00000>; size = \"2M\"; identity; }; };"),
            "vm a: memory/r/pa: 0x3ff00000..0x40100000 is not in the machine's RAM");
    refused(VM("a", "memory { r { ipa = <0>; size = \"1M\"; pa = <0x7f000000>; }; };"),
            "vm a: memory/r/pa: 0x7f000000..0x7f100000 overlaps reserved secure@7f000000 0x7f000000..0x7f100000; move "
            "one of them");
    refused(VM("a", "memory { r { ipa = <0>; size = \"1M\"; pa = <0x60000000>; }; "
                    "s { ipa = <0x100000>; size = \"1M\"; pa = <0x60000000>; }; };"),
            "vm a: memory/s/pa: 0x60000000..0x60100000 overlaps vm a memory/r/pa 0x60000000..0x60100000; move one of "
            "them");
    /* A VM that is refused does not stand in another's way. */
    free(check(VM("a", "vcpus = <9>; memory { r { ipa = <0>; size = \"16M\"; pa = <0x60000000>; }; };")
                   VM("b", "memory { r { ipa = <0>; size = \"16M\"; pa = <0x60800000>; }; };"),
               true, LINE("vm a: vcpus: 9 are asked for, 8 are possible")));
    assert_false(m.vm[0].ok);
    assert_true(m.vm[1].ok);
}

static void test_amounts(void **state)
{
    (void)state;
    /* 1 GiB less the pool's 32 MiB, the firmware's 1 MiB and a page. */
    refused(VM("a", "memory = \"512M\";") VM("b", "memory = \"512M\";"),
            "vm b: memory: 0x20000000 bytes are asked for, 0x1deff000 are left");
    free(check(VM("a", "memory = \"512M\";") VM("b", "memory = \"478M\";"), true, NONE));
    /* Chosen places count for those before them too; overcommitted memory does not count. */
    refused(VM("a", "memory = \"512M\";") VM("b", "memory { r { ipa = <0x50000000>; size = \"512M\"; identity; }; };"),
            "vm a: memory: 0x20000000 bytes are asked for, 0x1deff000 are left");
    free(check(VM("a", "memory { r { ipa = <0x40000000>; size = \"4G\"; lazy; overcommit; }; };"), true, NONE));
}

static void test_machine(void **state)
{
    (void)state;
    struct machine h;
    make_machine(&h);
    assert_int_equal(h.cpus, 4);
    assert_int_equal(h.mpidr[3], 0x101);
    assert_string_equal(h.bootargs, "quiet");
    assert_int_equal(h.initrd.start, 0x48000000);
    assert_int_equal(h.initrd.end, 0x49000000);
    assert_int_equal(h.banks, 1);
    assert_int_equal(h.bank[0].start, 0x40000000);
    assert_int_equal(h.bank[0].end, 0x80000000);
    assert_int_equal(h.reserved, 3); /* firmware's two, and the pool */
    assert_int_equal(h.res[0].range.start, 0x7f000000);
    assert_int_equal(h.res[1].range.start, 0x7ff00000);
    static const struct {
        uint64_t start, end;
        bool hypervisor, no_dma, edge;
        unsigned spis, spi;
    } want[] = {
        {0x8000000, 0x8010000, true, false, false, 0, 0},  {0x80a0000, 0x9000000, true, false, false, 0, 0},
        {0x9000000, 0x9001000, true, true, false, 1, 1},   {0x9010000, 0x9011000, false, true, false, 1, 2},
        {0xa000000, 0xa000200, false, false, true, 1, 16}, {0xc000800, 0xc000900, false, true, false, 0, 0},
    };
    assert_int_equal(h.devices, sizeof(want) / sizeof(want[0])); /* one is on no bus that leads to it */
    for (unsigned i = 0; i < h.devices; i++) {
        assert_int_equal(h.device[i].reg.start, want[i].start);
        assert_int_equal(h.device[i].reg.end, want[i].end);
        assert_int_equal(h.device[i].hypervisor, want[i].hypervisor);
        assert_int_equal(h.device[i].no_dma, want[i].no_dma);
        assert_int_equal(h.device[i].edge, want[i].edge);
        assert_int_equal(h.device[i].spis, want[i].spis);
        assert_int_equal(h.device[i].spi[0], want[i].spi);
    }
}

/* The machine of a tree; what it points into is the caller's to free. */
static void *parse_tree(struct machine *h, const char *source)
{
    struct problems p = {NULL, NULL, 0};
    size_t bytes;
    void *blob = compile_dts(source, &bytes);
    assert_true(machine_parse(h, blob, bytes, &p));
    return blob;
}

/* What device/ drives is the hypervisor's, whatever else the tree says of consoles and compatible names. */
static void test_own_devices(void **state)
{
    (void)state;
    struct machine h;
    void *blob = parse_tree(&h, "/dts-v1/; / { #address-cells = <2>; #size-cells = <2>;"
                                " chosen { stdout-path = \"/lcd@1000\"; };"
                                " memory@0 { device_type = \"memory\"; reg = <0 0x40000000 0 0x1000>; };"
                                " lcd@1000 { compatible = \"acme,lcd\"; reg = <0 0x1000 0 0x1000>; };"
                                " intc@2000 { compatible = \"acme,gic\", \"arm,gic-v3\"; reg = <0 0x2000 0 0x1000>; };"
                                " uart@3000 { compatible = \"acme,uart\", \"arm,pl011\"; reg = <0 0x3000 0 0x1000>; };"
                                " uart@4000 { compatible = \"arm,pl011\"; reg = <0 0x4000 0 0x1000>; }; };");
    assert_int_equal(h.devices, 4);
    assert_false(h.device[0].hypervisor);
    assert_true(h.device[1].hypervisor);
    assert_true(h.device[2].hypervisor);
    assert_false(h.device[3].hypervisor);
    free(blob);
}

static void test_interrupts(void **state)
{
    (void)state;
    struct machine h;
    void *blob =
        parse_tree(&h, "/dts-v1/; / { #address-cells = <2>; #size-cells = <2>; interrupt-parent = <&gic>;"
                       " memory@0 { device_type = \"memory\"; reg = <0 0x40000000 0 0x1000>; };"
                       " gic: intc@2000 { compatible = \"arm,gic-v3\"; #interrupt-cells = <4>;"
                       "  interrupts = <1 9 4 0>; reg = <0 0x2000 0 0x1000>; };"
                       " a@3000 { interrupts = <0 5 4 0>, <1 6 1 0>, <0 7 4 0>; reg = <0 0x3000 0 0x1000>; };"
                       " pins: b@4000 { #interrupt-cells = <2>; reg = <0 0x4000 0 0x1000>; };"
                       " c@5000 { interrupt-parent = <&pins>; interrupts = <0 3 0 4>; reg = <0 0x5000 0 0x10>; };"
                       "};");
    assert_int_equal(h.devices, 4);
    assert_int_equal(h.device[0].spis, 0); /* a PPI */
    assert_int_equal(h.device[1].spis, 2);
    assert_int_equal(h.device[1].spi[0], 5);
    assert_int_equal(h.device[1].spi[1], 7);
    assert_int_equal(h.device[3].spis, 0); /* goes to another controller */
    free(blob);
}

/* What a PCI bridge hands on is part of the machine; what wraps, or lies behind a bus that does not hand it on, is not. */
static void test_windows_of_bridges(void **state)
{
    (void)state;
    struct machine h;
    void *blob = parse_tree(
        &h, "/dts-v1/; / { #address-cells = <2>; #size-cells = <2>;"
            " memory@0 { device_type = \"memory\"; reg = <0 0x40000000 0 0x1000>; };"
            " pcie@10000000 { device_type = \"pci\"; #address-cells = <3>; #size-cells = <2>; reg = <0x40 0x10000000 0 "
            "0x1000>;"
            "  ranges = <0x1000000 0 0 0 0x3eff0000 0 0x10000>, <0x3000000 0x80 0 0x80 0 0x80 0>,"
            "           <0x2000000 0 0 0xffffffff 0xfffff000 0 0x2000>; };"
            " bus { #address-cells = <1>; #size-cells = <1>; ranges = <0x1000 0 0x51000000 0x2000>;"
            "  pcie@1000 { device_type = \"pci\"; #address-cells = <3>; #size-cells = <2>; reg = <0x1000 0x1000>;"
            "   ranges = <0x2000000 0 0 0x2000 0 0x1000>, <0x2000000 0 0 0x9000 0 0x1000>; };"
            "  other@1000 { #address-cells = <1>; #size-cells = <1>; ranges = <0 0x1000 0x1000>; }; }; };");
    const struct range wanted[] = {{0x3eff0000, 0x3f000000}, {0x8000000000, 0x10000000000}, {0x51001000, 0x51002000}};
    assert_int_equal(h.windows, 3);
    assert_memory_equal(h.window, wanted, sizeof(wanted));
    assert_int_equal(h.devices, 2); /* their own registers, as ever */
    free(blob);
}

static void test_devices(void **state)
{
    (void)state;
    refused(VM("a", RAM "devices { d { path = \"/nowhere\"; }; };"),
            "vm a: devices/d/path: \"/nowhere\" is no device of the machine");
    free(check(VM("a", RAM "devices { rtc { path = \"/pl031@9010000\"; }; };"), true, NONE));
    assert_int_equal(m.vm[0].device[0].pa, 0x9010000);
    assert_int_equal(m.vm[0].device[0].ipa, 0x9010000);
    assert_int_equal(m.vm[0].device[0].size, 0x1000);
    assert_int_equal(m.vm[0].device[0].spi[0], 2);
    assert_false(m.vm[0].device[0].edge);
    assert_string_equal(m.vm[0].device[0].compatible, "arm,pl031");
    refused(VM("a", RAM "devices { d { pa = <0x9010800>; size = <0x1000>; ipa = <0x9010000>; }; };"),
            "vm a: devices/d/pa: 0x9010800 is not a multiple of the granule 0x1000");
    refused(
        VM("a", RAM "devices { d { pa = <0xa000000>; size = <0x1000>; }; };"),
        "vm a: devices/d: 0xa000000..0xa001000 may be a bus master and there is no SMMU; say unsafe-dma to allow it");
    free(check(VM("a", RAM "devices { d { pa = <0xa000000>; size = <0x1000>; unsafe-dma; }; };"), true, NONE));
    refused(
        VM("a", RAM "no-uart; devices { d { pa = <0x9000000>; size = <0x1000>; unsafe-dma; }; };"),
        "vm a: devices/d: 0x9000000..0x9001000 overlaps hypervisor pl011@9000000 0x9000000..0x9001000; it cannot be "
        "given away");
    refused(VM("a", RAM "devices { d { pa = <0xb000000>; size = <0x1000>; }; };"),
            "vm a: devices/d: 0xb000000..0xb001000 is no device of the machine");
    refused(VM("a", RAM "devices { d { pa = <0x9010000>; size = <0x1000>; ipa = <0x9000000>; }; };"),
            "vm a: devices/d: 0x9000000..0x9001000 overlaps uart/ipa 0x9000000..0x9001000; move one of them");
    refused(
        VM("a", RAM "devices { d { pa = <0x9010000>; size = <0x1000>; }; };")
            VM("b", RAM "devices { e { pa = <0x9010000>; size = <0x1000>; }; };"),
        "vm b: devices/e/pa: 0x9010000..0x9011000 overlaps vm a devices/d/pa 0x9010000..0x9011000; move one of them");
    refused(VM("a", RAM "devices { d { pa = <0x9010000>; size = <0x1000>; interrupts = <1>; }; };"),
            "vm a: devices/d/interrupts: SPI 1 is uart's");
    refused(VM("a", RAM "devices { d { pa = <0x9010000>; size = <0x1000>; interrupts = <256>; }; };"),
            "vm a: devices/d/interrupts: SPI 256 is asked for, the machine has 256");
    refused(VM("a", RAM "devices { d { pa = <0x9010000>; size = <0x1000>; interrupts = <988>; }; };"),
            "vm a: devices/d/interrupts: 988 is larger than 987");
    refused(VM("a", RAM "devices { d { pa = <0x9010000>; size = <0x1000>; interrupts = <5>; }; };")
                VM("b", RAM "devices { e { pa = <0xa000000>; size = <0x1000>; interrupts = <5>; unsafe-dma; }; };"),
            "vm b: devices/e/interrupts: SPI 5 is vm a devices/d's");
}

/* Cut anywhere, a blob is refused as a whole, or nothing at all. */
static void test_truncated(void **state)
{
    (void)state;
    size_t bytes;
    unsigned char *blob = compile_vms(VM("a", RAM), &bytes);
    for (size_t cut = 0; cut < bytes; cut++) {
        struct lines lines = {0};
        struct problems p = {keep_line, &lines, 0};
        void *copy = malloc(cut + 1); /* its own block, so that the sanitizers see a read beyond */
        memcpy(copy, blob, cut);
        assert_false(manifest_parse(&m, copy, cut, &p));
        assert_int_equal(lines.n, 1);
        assert_int_equal(strncmp(lines.s[0], "manifest: not a device tree: FDT_ERR_", 36), 0);
        free(copy);
    }
    free(blob);
}

static void test_root(void **state)
{
    (void)state;
    static const struct {
        const char *source, *line;
    } cases[] = {
        {"/dts-v1/; / { compatible = \"other\"; };", "manifest: compatible: \"bulkhead,manifest\" is missing"},
        {"/dts-v1/; / { compatible = \"bulkhead,manifest\"; on-all-stopped = \"dance\"; vms { " VM("a", RAM) "}; };",
         "manifest: on-all-stopped: \"dance\" is not one of \"power-off\", \"halt\""},
        {"/dts-v1/; / { compatible = \"bulkhead,manifest\"; extra { }; vms { " VM("a", RAM) "}; };",
         "manifest: extra: unknown node"},
        {"/dts-v1/; / { compatible = \"bulkhead,manifest\"; vms { stray; " VM("a", RAM) "}; };",
         "manifest: vms/stray: unknown property"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lines lines = {0};
        struct problems p = {keep_line, &lines, 0};
        size_t bytes;
        void *blob = compile_dts(cases[i].source, &bytes);
        (void)manifest_parse(&m, blob, bytes, &p);
        expect_lines(&lines, LINE(cases[i].line));
        free(blob);
    }
}

static void test_too_many(void **state)
{
    (void)state;
    char vms[4096] = "";
    for (unsigned i = 0; i < MANIFEST_VMS + 1u; i++)
        snprintf(vms + strlen(vms), sizeof(vms) - strlen(vms), "v%u { image = \"i\"; memory = \"1M\"; };", i);
    refused(vms, "manifest: vms: more than 16; \"v16\" and those after it are left out");
    char regions[4096] = "a { image = \"i\"; memory {";
    for (unsigned i = 0; i < MANIFEST_REGIONS + 1u; i++)
        snprintf(regions + strlen(regions), sizeof(regions) - strlen(regions), "r%u { ipa = <0x%x>; size = \"1M\"; };",
                 i, 0x40000000 + i * 0x100000);
    strcat(regions, "}; };");
    refused(regions, "vm a: memory/r16: more than 16 regions");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_everything_read),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_cpus),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_amounts),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_root),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_machine),
        cmocka_unit_test(test_own_devices),
        cmocka_unit_test(test_interrupts),
        cmocka_unit_test(test_windows_of_bridges),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

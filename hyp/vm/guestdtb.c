/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "vm/guestdtb.h"

#include <string.h>

#include <boot/tree.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Overlays refer to nodes by them; windows count on. */
enum { PHANDLE_GIC = 1, PHANDLE_CLOCK, PHANDLE_UART, PHANDLE_WINDOW };
enum { GIC_SPI = 0, GIC_PPI = 1, EDGE_RISING = 1, LEVEL_HIGH = 4 };
enum { CLOCK_HZ = 24000000 };
enum { CELLS_MOST = 64 };
/* The architected timers' PPIs (Arm BSA), in the order of the binding: secure, physical, virtual, hypervisor. */
static const uint32_t timer_ppi[] = {13, 14, 11, 10};

/* The sequential writer with the first error kept, so that the text below reads like a device tree. */
struct writer {
    void *fdt;
    int err;
};

static void keep(struct writer *w, int err)
{
    if (w->err == 0)
        w->err = err;
}
static void begin(struct writer *w, const char *name)
{
    if (w->err == 0)
        keep(w, fdt_begin_node(w->fdt, name));
}
static void end(struct writer *w)
{
    if (w->err == 0)
        keep(w, fdt_end_node(w->fdt));
}
static void bytes_of(struct writer *w, const char *name, const void *data, size_t n)
{
    if (w->err == 0)
        keep(w, fdt_property(w->fdt, name, data, (int)n));
}
static void text(struct writer *w, const char *name, const char *value)
{
    bytes_of(w, name, value, strlen(value) + 1);
}
static void cells(struct writer *w, const char *name, const uint32_t *value, size_t n)
{
    fdt32_t out[CELLS_MOST];
    for (size_t i = 0; i < n && i < ARRAY_SIZE(out); i++)
        out[i] = cpu_to_fdt32(value[i]);
    bytes_of(w, name, out, n * sizeof(out[0]));
}
static void cell(struct writer *w, const char *name, uint32_t value)
{
    cells(w, name, &value, 1);
}
static void flag(struct writer *w, const char *name)
{
    bytes_of(w, name, "", 0);
}
static void reg(struct writer *w, const uint64_t *values, size_t n)
{
    fdt64_t out[2 * MANIFEST_REGIONS];
    for (size_t i = 0; i < n && i < ARRAY_SIZE(out); i++)
        out[i] = cpu_to_fdt64(values[i]);
    bytes_of(w, "reg", out, n * sizeof(out[0]));
}

/* "name@40000000", as the specification asks for unit addresses. */
static void begin_at(struct writer *w, const char *name, uint64_t address)
{
    struct text t, unit;
    text_begin(&t);
    text_begin(&unit);
    text_add(&unit, "%x", address);
    text_add(&t, "%s@%s", name, unit.s + 2);
    begin(w, t.s);
}

static void put_chosen(struct writer *w, const struct manifest_vm *v, const struct load_plan *plan)
{
    begin(w, "chosen");
    if (v->bootargs != NULL)
        text(w, "bootargs", v->bootargs);
    if (!v->no_uart)
        text(w, "stdout-path", "serial0");
    if (!range_empty(plan->initrd)) {
        fdt64_t start = cpu_to_fdt64(plan->initrd.start), stop = cpu_to_fdt64(plan->initrd.end);
        bytes_of(w, "linux,initrd-start", &start, sizeof(start));
        bytes_of(w, "linux,initrd-end", &stop, sizeof(stop));
    }
    end(w);
}

static void put_cpus(struct writer *w, const struct manifest_vm *v)
{
    begin(w, "cpus");
    cell(w, "#address-cells", 1);
    cell(w, "#size-cells", 0);
    for (unsigned i = 0; i < v->vcpus; i++) {
        begin_at(w, "cpu", i);
        text(w, "device_type", "cpu");
        text(w, "compatible", "arm,armv8");
        cell(w, "reg", i);
        text(w, "enable-method", "psci");
        end(w);
    }
    end(w);
    begin(w, "psci");
    static const char compatible[] = "arm,psci-1.0\0arm,psci-0.2";
    bytes_of(w, "compatible", compatible, sizeof(compatible));
    text(w, "method", v->psci_smc ? "smc" : "hvc");
    end(w);
}

static void put_memory(struct writer *w, const struct manifest_vm *v)
{
    uint64_t values[2 * MANIFEST_REGIONS];
    unsigned n = 0;
    for (unsigned i = 0; i < v->regions; i++) {
        if (v->region[i].read_only)
            continue;
        values[n++] = v->region[i].ipa;
        values[n++] = v->region[i].size;
    }
    if (n == 0)
        return;
    begin_at(w, "memory", values[0]);
    text(w, "device_type", "memory");
    reg(w, values, n);
    end(w);
}

static void put_timer(struct writer *w)
{
    uint32_t interrupts[3 * ARRAY_SIZE(timer_ppi)];
    for (size_t i = 0; i < ARRAY_SIZE(timer_ppi); i++) {
        interrupts[3 * i] = GIC_PPI;
        interrupts[3 * i + 1] = timer_ppi[i];
        interrupts[3 * i + 2] = LEVEL_HIGH;
    }
    begin(w, "timer");
    text(w, "compatible", "arm,armv8-timer");
    cells(w, "interrupts", interrupts, ARRAY_SIZE(interrupts));
    flag(w, "always-on");
    end(w);
}

static void put_gic(struct writer *w, const struct manifest_vm *v)
{
    const uint64_t values[] = {v->gicd_ipa, MANIFEST_GICD_BYTES, v->gicr_ipa, v->vcpus * MANIFEST_GICR_BYTES};
    begin_at(w, "interrupt-controller", v->gicd_ipa);
    text(w, "compatible", "arm,gic-v3");
    reg(w, values, ARRAY_SIZE(values));
    flag(w, "interrupt-controller");
    cell(w, "#interrupt-cells", 3);
    cell(w, "#address-cells", 2);
    cell(w, "#size-cells", 2);
    cell(w, "phandle", PHANDLE_GIC);
    end(w);
}

static void put_interrupts(struct writer *w, const uint16_t *spi, unsigned n, bool edge)
{
    uint32_t interrupts[3 * MACHINE_DEVICE_SPIS];
    for (size_t i = 0; i < n; i++) {
        interrupts[3 * i] = GIC_SPI;
        interrupts[3 * i + 1] = spi[i];
        interrupts[3 * i + 2] = edge ? EDGE_RISING : LEVEL_HIGH;
    }
    if (n > 0)
        cells(w, "interrupts", interrupts, (size_t)n * 3);
}

static void put_uart(struct writer *w, const struct manifest_vm *v)
{
    static const char compatible[] = "arm,pl011\0arm,primecell", names[] = "uartclk\0apb_pclk";
    /* Not the whole granule that traps: drivers look for its identification at the end of what the tree says. */
    const uint64_t where[] = {v->uart_ipa, MANIFEST_UART_BYTES};
    const uint32_t clocks[] = {PHANDLE_CLOCK, PHANDLE_CLOCK};
    uint16_t spi = (uint16_t)v->uart_spi;
    begin_at(w, "serial", v->uart_ipa);
    bytes_of(w, "compatible", compatible, sizeof(compatible));
    reg(w, where, ARRAY_SIZE(where));
    put_interrupts(w, &spi, 1, false);
    cells(w, "clocks", clocks, ARRAY_SIZE(clocks));
    bytes_of(w, "clock-names", names, sizeof(names));
    cell(w, "phandle", PHANDLE_UART);
    end(w);
}

/* The hypervisor's own calls are there, and this interrupt says that something happened (docs/hypercalls.md). */
static void put_hypervisor(struct writer *w, const struct manifest_vm *v)
{
    uint16_t spi = (uint16_t)v->doorbell_spi;
    begin(w, "hypervisor");
    text(w, "compatible", "bulkhead,hypervisor");
    text(w, "method", v->psci_smc ? "smc" : "hvc");
    put_interrupts(w, &spi, 1, true);
    end(w);
}

/* Properties of the host's node that mean the same in a guest: none of them refers to another node. */
static const char plain_properties[] = "compatible\0reg-shift\0reg-io-width\0arm,primecell-periphid\0dma-coherent\0"
                                       "clock-frequency\0current-speed\0local-mac-address\0";

static void copy_properties(struct writer *w, const void *host, int node)
{
    int len;
    for (const char *name = plain_properties; *name != '\0'; name += strlen(name) + 1) {
        const void *data = fdt_getprop(host, node, name, &len);
        if (data != NULL)
            bytes_of(w, name, data, (size_t)len);
    }
    /* As many clocks as the host's node names, all of them the guest's fixed one. */
    const char *names = fdt_getprop(host, node, "clock-names", &len);
    uint32_t clocks[MACHINE_DEVICE_SPIS];
    unsigned n = 0;
    for (int i = 0; names != NULL && i < len && n < ARRAY_SIZE(clocks); i++)
        if (names[i] == '\0')
            clocks[n++] = PHANDLE_CLOCK;
    if (n > 0) {
        bytes_of(w, "clock-names", names, (size_t)len);
        cells(w, "clocks", clocks, n);
    }
}

static void put_device(struct writer *w, const struct manifest_device *d, const struct machine *machine)
{
    const uint64_t where[] = {d->ipa, d->size};
    if (d->compatible == NULL || !d->resolved)
        return;
    begin_at(w, d->name, d->ipa);
    if (d->node >= 0 && machine != NULL)
        copy_properties(w, machine->fdt, d->node);
    else
        text(w, "compatible", d->compatible);
    reg(w, where, ARRAY_SIZE(where));
    put_interrupts(w, d->spi, d->spis, d->edge);
    end(w);
}

static const char *rights_word(uint8_t rights)
{
    return (rights & S2_W) == 0 ? (rights & S2_X) == 0 ? "r" : "rx" : (rights & S2_X) == 0 ? "rw" : "rwx";
}

/* Memory that others see, too, and therefore none for a guest's allocator. */
static void put_window(struct writer *w, const struct manifest_vm *v, const struct manifest_view *view, unsigned index)
{
    const uint64_t where[] = {view->ipa, view->window->size};
    uint16_t spi = (uint16_t)v->doorbell_spi;
    begin_at(w, "window", view->ipa);
    text(w, "compatible", "bulkhead,window");
    reg(w, where, ARRAY_SIZE(where));
    text(w, "label", view->window->name);
    text(w, "bulkhead,rights", rights_word(view->rights));
    if (view->owner)
        flag(w, "bulkhead,owner");
    put_interrupts(w, &spi, 1, true);
    cell(w, "phandle", PHANDLE_WINDOW + index);
    end(w);
}

static void put_symbol(struct writer *w, const char *label, const char *name, uint64_t address)
{
    struct text t, unit;
    text_begin(&t);
    text_begin(&unit);
    text_add(&unit, "%x", address);
    text_add(&t, "/%s@%s", name, unit.s + 2);
    text(w, label, t.s);
}

static bool is_label_char(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static void put_window_symbol(struct writer *w, const struct manifest_view *view)
{
    struct text label;
    text_begin(&label);
    text_add(&label, "window_%s", view->window->name);
    for (char *c = label.s; *c != '\0'; c++)
        *c = is_label_char(*c) ? *c : '_';
    put_symbol(w, label.s, "window", view->ipa);
}

int guestdtb_make(void *buf, size_t bytes, const struct manifest_vm *v, const struct load_plan *plan,
                  const struct machine *machine)
{
    struct manifest_view view;
    struct writer w = {buf, fdt_create(buf, (int)bytes)};
    if (w.err == 0)
        w.err = fdt_finish_reservemap(buf);
    begin(&w, "");
    cell(&w, "#address-cells", 2);
    cell(&w, "#size-cells", 2);
    text(&w, "compatible", "bulkhead,vm");
    text(&w, "model", v->name);
    cell(&w, "interrupt-parent", PHANDLE_GIC);
    put_chosen(&w, v, plan);
    begin(&w, "aliases");
    if (!v->no_uart)
        put_symbol(&w, "serial0", "serial", v->uart_ipa);
    end(&w);
    put_cpus(&w, v);
    put_memory(&w, v);
    put_timer(&w);
    put_gic(&w, v);
    put_hypervisor(&w, v);
    begin(&w, "clock");
    text(&w, "compatible", "fixed-clock");
    cell(&w, "#clock-cells", 0);
    cell(&w, "clock-frequency", CLOCK_HZ);
    text(&w, "clock-output-names", "clk24mhz");
    cell(&w, "phandle", PHANDLE_CLOCK);
    end(&w);
    if (!v->no_uart)
        put_uart(&w, v);
    for (unsigned i = 0; i < v->devices; i++)
        put_device(&w, &v->device[i], machine);
    for (unsigned i = 0; i < MANIFEST_WINDOWS; i++)
        if (manifest_view(v, i, &view))
            put_window(&w, v, &view, i);
    begin(&w, "__symbols__"); /* so that overlays may say &gic */
    put_symbol(&w, "gic", "interrupt-controller", v->gicd_ipa);
    text(&w, "clk24mhz", "/clock");
    if (!v->no_uart)
        put_symbol(&w, "uart0", "serial", v->uart_ipa);
    for (unsigned i = 0; i < MANIFEST_WINDOWS; i++)
        if (manifest_view(v, i, &view))
            put_window_symbol(&w, &view);
    end(&w);
    end(&w);
    if (w.err == 0)
        w.err = fdt_finish(buf);
    return w.err;
}

int guestdtb_overlay(void *buf, size_t bytes, const void *overlay, size_t overlay_bytes, void *scratch)
{
    if (overlay_bytes > bytes)
        return -FDT_ERR_NOSPACE;
    memcpy(scratch, overlay, overlay_bytes);
    int err = tree_check(scratch, overlay_bytes);
    if (err == 0)
        err = fdt_open_into(buf, buf, (int)bytes);
    if (err == 0)
        err = fdt_overlay_apply(buf, scratch);
    return err;
}

bool guestdtb_build(void *buf, void *scratch, size_t bytes, const struct manifest_vm *v, const struct load_plan *plan,
                    const struct machine *machine, struct problems *p)
{
    struct text subject;
    text_begin(&subject);
    text_add(&subject, "vm %s: ", v->name);
    int err = guestdtb_make(buf, bytes, v, plan, machine);
    if (err != 0) {
        problem(p, subject.s, "its device tree cannot be made: %s", fdt_strerror(err));
        return false;
    }
    if (plan->overlay != NULL)
        err = guestdtb_overlay(buf, bytes, plan->overlay->data, plan->overlay->size, scratch);
    if (err != 0)
        problem(p, subject.s, "overlay: \"%s\" cannot be applied: %s", v->overlay, fdt_strerror(err));
    return err == 0;
}

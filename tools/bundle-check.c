/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Says before a boot what the hypervisor would say at it: the same code, on the host. */
#include <fcntl.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vm/bundle.h"
#include "vm/guestdtb.h"
#include "vm/machine.h"
#include "vm/manifest.h"

enum { EXIT_PROBLEM = 1, EXIT_USAGE = 2 };

static void print_line(void *arg, const char *line)
{
    (void)arg;
    fprintf(stderr, "bundle-check: %s\n", line);
}

static const void *map_file(const char *path, size_t *bytes)
{
    static const char nothing[1];
    int fd = open(path, O_RDONLY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        perror(path);
        exit(EXIT_USAGE);
    }
    *bytes = (size_t)st.st_size;
    const void *data = st.st_size == 0 ? nothing : mmap(NULL, *bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (data == MAP_FAILED) {
        perror(path);
        exit(EXIT_USAGE);
    }
    return data;
}

/* Makes each VM's device tree, since an overlay may not fit; and writes it to directory/<vm>.dtb if one is named. */
static void build_trees(struct manifest *m, const struct bundle *b, const struct machine *machine,
                        const char *directory, struct problems *p)
{
    static uint64_t tree[MANIFEST_DTB_BYTES / sizeof(uint64_t)], scratch[MANIFEST_DTB_BYTES / sizeof(uint64_t)];
    for (unsigned i = 0; i < m->vms; i++) {
        struct manifest_vm *v = &m->vm[i];
        struct load_plan plan;
        if (!v->ok || !loader_plan(&plan, v, b, p) ||
            !guestdtb_build(tree, scratch, sizeof(tree), v, &plan, machine, p) || directory == NULL)
            continue;
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s.dtb", directory, v->name);
        FILE *file = fopen(path, "wb");
        if (file == NULL || fwrite(tree, 1, fdt_totalsize(tree), file) == 0 || fclose(file) != 0) {
            perror(path);
            exit(EXIT_USAGE);
        }
    }
}

static void usage(void)
{
    fputs("usage: bundle-check [--machine host.dtb] [--trees directory] bundle.itb\n"
          "--trees writes the device tree that each VM will get. Prints each problem in one line; exit status 0: none, "
          "1: some, 2: cannot read.\n",
          stderr);
    exit(EXIT_USAGE);
}

int main(int argc, char **argv)
{
    static struct machine machine;
    static struct bundle bundle;
    static struct manifest manifest;
    struct problems p = {print_line, NULL, 0};
    const char *machine_path = NULL, *bundle_path = NULL, *trees = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--machine") == 0 && i + 1 < argc)
            machine_path = argv[++i];
        else if (strcmp(argv[i], "--trees") == 0 && i + 1 < argc)
            trees = argv[++i];
        else if (argv[i][0] != '-' && bundle_path == NULL)
            bundle_path = argv[i];
        else
            usage();
    }
    if (bundle_path == NULL)
        usage();
    size_t bytes;
    const void *data;
    bool machine_ok = false;
    if (machine_path != NULL) {
        data = map_file(machine_path, &bytes);
        machine_ok = machine_parse(&machine, data, bytes, &p);
    }
    data = map_file(bundle_path, &bytes);
    if (bundle_open(&bundle, data, bytes, &p) &&
        manifest_parse(&manifest, bundle.manifest.data, bundle.manifest.size, &p)) {
        manifest_check(&manifest, machine_ok ? &machine : NULL, &bundle, &p);
        build_trees(&manifest, &bundle, machine_ok ? &machine : NULL, trees, &p);
    }
    return p.count == 0 ? EXIT_SUCCESS : EXIT_PROBLEM;
}

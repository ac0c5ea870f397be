/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
#include "machine.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

/* The first line of a file, or of it the value of `key`, without the newline; "?" when there is none. */
static void line_of(const char *path, const char *key, char *out, size_t bytes)
{
    char line[512];
    FILE *f = fopen(path, "r");

    snprintf(out, bytes, "?");
    while (f && fgets(line, sizeof(line), f)) {
        char *value = line;

        line[strcspn(line, "\n")] = 0;
        if (key && (strncmp(line, key, strlen(key)) != 0 || !(value = strchr(line, ':'))))
            continue;
        snprintf(out, bytes, "%.*s", (int)bytes - 1, value + (key ? strspn(value, ": ") : 0));
        break;
    }
    if (f)
        fclose(f);
}

static void caches(int cpu, char *out, size_t bytes)
{
    size_t used = 0;

    out[0] = 0;
    for (int i = 0; i < 8; i++) {
        char path[96], level[8], type[16], size[16];

        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/cache/index%d/level", cpu, i);
        line_of(path, NULL, level, sizeof(level));
        if (level[0] == '?')
            break;
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/cache/index%d/type", cpu, i);
        line_of(path, NULL, type, sizeof(type));
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/cache/index%d/size", cpu, i);
        line_of(path, NULL, size, sizeof(size));
        if (strcmp(type, "Instruction") != 0 && used < bytes)
            used += (size_t)snprintf(out + used, bytes - used, "%sL%s %s", used ? ", " : "", level, size);
    }
}

void machine_report(bool markdown, unsigned rounds, int cpu)
{
    char model[128], size[128], huge[128], date[32];
    const char *item = markdown ? "* " : "";
    struct utsname system;
    time_t clock = time(NULL);

    line_of("/proc/cpuinfo", "model name", model, sizeof(model));
    caches(cpu, size, sizeof(size));
    line_of("/sys/kernel/mm/transparent_hugepage/enabled", NULL, huge, sizeof(huge));
    uname(&system);
    strftime(date, sizeof(date), "%Y-%m-%d", gmtime(&clock));
    printf("%s%s, %s; caches %s; Linux %s; transparent huge pages %s\n", item, model, system.machine, size,
           system.release, huge);
    printf("%scompiled by %s, -O2, no -march; %s\n", item, BENCH_COMPILER, date);
    printf("%spinned to CPU %d, median of %u rounds, peers in turn within each; ns per operation\n", item, cpu, rounds);
}

int machine_pin(int cpu)
{
    cpu_set_t set;

    if (cpu < 0 && sched_getaffinity(0, sizeof(set), &set) == 0)
        for (unsigned i = 0; i < CPU_SETSIZE; i++)
            if (CPU_ISSET(i, &set))
                cpu = (int)i;
    CPU_ZERO(&set);
    CPU_SET((unsigned)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set)) {
        perror("bench: sched_setaffinity");
        exit(2);
    }
    return cpu;
}

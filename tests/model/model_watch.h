/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: 2026 The Bulkhead authors */
/* Between the files of the model. */
#ifndef MODEL_WATCH_H
#define MODEL_WATCH_H

#include <stdio.h>

#include "model.h"

_Noreturn void model_fatal(const char *what, uint64_t value);
unsigned char *model_host(struct s2_port *m, uint64_t pa); /* null: no RAM there */
bool model_pa(const struct s2_port *m, const void *host, uint64_t *pa);
struct model_cpu *model_this_cpu(struct s2_port *m);

struct model_watch *model_watch_create(struct s2_port *m, const struct s2_caps *caps);
void model_watch_destroy(struct model_watch *w);
void model_tlbi(struct s2_port *m, enum s2_tlbi op, uint64_t operand);
void model_barrier(struct s2_port *m, enum s2_barrier barrier);
void model_context(struct s2_port *m);
void model_bytes_written(struct s2_port *m, void *to, size_t bytes);
void model_cleaned(struct s2_port *m, void *va, size_t bytes);
void model_synced(struct s2_port *m, void *va, size_t bytes);
void model_print_trace(struct s2_port *m, FILE *to);

#endif

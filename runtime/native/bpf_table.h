/* The programs of a cgroup and the maps that they look things up in, as one table of bytes (runtime/plan/programs.py). */
#ifndef POSTERN_BPF_TABLE_H
#define POSTERN_BPF_TABLE_H

#include "bpf_program.h"

#define BPF_TABLE_PROGRAMS_MAX 16
#define BPF_LABEL_MAX 32 /* with the NUL */

struct bpf_table_head {
	uint32_t map_count, program_count;
};

/* Rows of maps follow the head, then rows of programs; offsets are from the table's begin. */
struct bpf_table_map {
	struct bpf_map_shape shape;
	uint32_t offset, size;
};

struct bpf_table_program {
	uint32_t type, attach_type, offset, size; /* instructions name maps by their place in the table */
	char name[BPF_NAME_MAX], label[BPF_LABEL_MAX]; /* what errors call it; "": nothing */
};

/* Is everything in it in its place? Nothing of another table may be read or loaded. */
bool bpf_table_is_sound(const void *table, size_t size);

const struct bpf_table_map *bpf_table_maps(const void *table);
const struct bpf_table_program *bpf_table_programs(const void *table);

#endif

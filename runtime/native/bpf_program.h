/* eBPF programs of a cgroup and the maps that they look things up in. */
#ifndef POSTERN_BPF_PROGRAM_H
#define POSTERN_BPF_PROGRAM_H

#include "text.h"

#define BPF_MAPS_MAX 3  /* that one program may name */
#define BPF_NAME_MAX 16 /* with the NUL */

struct bpf_insn;

struct bpf_map_shape {
	uint32_t type, key_size, value_size, flags;
};

/* A map that holds exactly these pairs (key, then value, one after the other) and that nobody can change any more. fd or -errno. */
int bpf_map_make(const struct bpf_map_shape *shape, const void *pairs, size_t size);

struct bpf_program {
	uint32_t type, attach_type; /* BPF_PROG_TYPE_*, BPF_CGROUP_* */
	const char *name;           /* may be NULL; cut to what the kernel takes */
	struct bpf_insn *insns;     /* changed while it is loaded: places in `maps` are descriptors then */
	size_t size;                /* bytes */
	int maps[BPF_MAPS_MAX];     /* -1: none; an instruction names one by its place */
};

/* Give it to the kernel. fd or -errno (-EBADSLT: an instruction names a map that is not there). */
int bpf_program_load(const struct bpf_program *program);

/* A program for as long as the kernel has it: identifiers are given again some day, in another nanosecond. */
struct bpf_identity {
	uint64_t load_time; /* ns since the kernel's start */
	uint32_t id, zero;
};

int bpf_program_identify(int program_fd, struct bpf_identity *identity); /* 0 or -errno */
int bpf_program_of(const struct bpf_identity *identity);                 /* fd or -errno (-ENOENT: it is gone) */

/* Attach to a cgroup beside what is there, or (old_fd >= 0) in the place of another. 0 or -errno. */
int bpf_program_attach(int cgroup_fd, int program_fd, uint32_t attach_type, int old_fd);

/* bpf_attached_host.c, for Python alone. */

/* The program of this name that is attached to the cgroup itself. fd or -errno (-ENOENT: none). */
int bpf_program_find(int cgroup_fd, uint32_t attach_type, const char *name);
int bpf_program_detach(int cgroup_fd, int program_fd, uint32_t attach_type); /* 0 or -errno */

#endif

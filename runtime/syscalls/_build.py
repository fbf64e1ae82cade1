"""Describes the cffi module `runtime.syscalls._native` (API mode): the C functions that the program has, for Python.

One implementation, two doors: the same sources are linked into the freestanding program.  `*_host.c` files are for this module
alone and may use the C library.  Run by the build; never imported at run time.
"""

import os

from cffi import FFI

# absolute: cffi compiles in a directory of its own
NATIVE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "native")
SOURCES = (
    "text.c",
    "errno_words.c",
    "small_file.c",
    "json_scan.c",
    "report.c",
    "state_file.c",
    "cgroup_dir.c",
    "cgroup_walk.c",
    "cgroup_end.c",
    "bpf_program.c",
    "bpf_attached_host.c",
    "front_signal.c",
    "reader.c",
    "probe_host.c",
)

DECLARATIONS = """
struct raw { const char *data; size_t size; ...; };
struct container_state {
    char buffer[...];
    struct raw oci_version, id, bundle, rootfs, created, owner, annotations, cgroup_mount, cgroup_path, cgroup_manager;
    bool creating, own_pid_namespace, terminal, hooks, needs_python, rootless;
    int pid;
    uint64_t start_time;
    ...;
};
struct plan { ...; };
struct text { char *data; size_t size; size_t length; bool cut; };

#define STATE_MAX ...
#define ID_MAX ...

bool id_is_valid(const char *id);
int state_parse(struct container_state *state, size_t size);
int state_read(int dir_fd, struct container_state *state);
int state_status(int dir_fd, const struct container_state *state);
uint64_t process_start_time(int pid);
int parse_signal(const char *text);

int cgroup_open(const char *mount, const char *path);
int cgroup_create(const char *mount, const char *path, const char *controllers, bool *made);
int cgroup_is_populated(int cgroup_fd);
int cgroup_is_frozen(int cgroup_fd);
int cgroup_kill(int cgroup_fd);
int cgroup_signal(int cgroup_fd, int signal);
int cgroup_remove(const char *mount, const char *path, int timeout_ms);

struct bpf_insn;
struct bpf_map_shape { uint32_t type, key_size, value_size, flags; };
struct bpf_program { uint32_t type, attach_type; const char *name; struct bpf_insn *insns; size_t size; int maps[...]; };
int bpf_map_make(const struct bpf_map_shape *shape, const void *pairs, size_t size);
int bpf_program_load(const struct bpf_program *program);
int bpf_program_attach(int cgroup_fd, int program_fd, uint32_t attach_type, int old_fd);
int bpf_program_find(int cgroup_fd, uint32_t attach_type, const char *name);
int bpf_program_detach(int cgroup_fd, int program_fd, uint32_t attach_type);

struct text text_in(char *buffer, size_t size);
void text_add_json(struct text *text, const char *part);
void text_add_number(struct text *text, int64_t number);
bool parse_number(const char *text, size_t length, uint64_t *number);
const char *errno_text(int errnum);

int plan_check(void *image, size_t size, struct plan *plan, const char **why);

struct filter_verdict { int signal; long value; };
int probe_filter(const void *program, size_t size, unsigned flags, const long call[7], struct filter_verdict *verdict);
"""

PREAMBLE = """
#include "bpf_program.h"
#include "cgroup_dir.h"
#include "executor.h"
#include "front.h"
#include "probe_host.h"
#include "report.h"
#include "state_file.h"
#include "text.h"
"""

ffibuilder = FFI()
ffibuilder.cdef(DECLARATIONS)
ffibuilder.set_source(
    "runtime.syscalls._native",
    PREAMBLE,
    sources=[f"{NATIVE}/{name}" for name in SOURCES],
    include_dirs=[NATIVE],
    extra_compile_args=["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fvisibility=hidden"],
)

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
    "netns_host.c",
    "front_signal.c",
    "bpf_table.c",
    "reader.c",
    "probe_host.c",
    "broker_answer_host.c",
    "broker_ask_host.c",
    "broker_audit_host.c",
    "broker_clock_host.c",
    "broker_container_host.c",
    "broker_control_host.c",
    "broker_create_host.c",
    "broker_decide_host.c",
    "broker_describe_host.c",
    "broker_endpoint_host.c",
    "broker_event_host.c",
    "broker_glob_host.c",
    "broker_identity_host.c",
    "broker_journal_host.c",
    "broker_life_host.c",
    "broker_loop_host.c",
    "broker_mknod_host.c",
    "broker_open_host.c",
    "broker_paths_host.c",
    "broker_procfs_host.c",
    "broker_resolve_host.c",
    "broker_send_host.c",
    "broker_record_host.c",
    "broker_simple_host.c",
    "broker_socket_host.c",
    "broker_stay_host.c",
    "broker_table_host.c",
    "broker_tables_host.c",
    "broker_target_host.c",
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

int netns_make(void);
int netns_own(void);
int netns_enter(int netns_fd);

struct text text_in(char *buffer, size_t size);
void text_add_json(struct text *text, const char *part);
void text_add_number(struct text *text, int64_t number);
bool parse_number(const char *text, size_t length, uint64_t *number);
const char *errno_text(int errnum);

int plan_check(void *image, size_t size, struct plan *plan, const char **why);

struct filter_verdict { int signal; long value; };
int probe_filter(const void *program, size_t size, unsigned flags, const long call[7], struct filter_verdict *verdict);

struct broker_event {
    uint64_t ticket, time_ns, key;
    uint32_t kind;
    int32_t pid, nr;
    uint32_t arch;
    uint64_t args[6];
    int32_t verdict;
    uint32_t rule, handler, micros, denied;
    char comm[16];
    char text[768];
};
struct broker_stats {
    uint64_t received, allowed, denied, continued, asked, timed_out, gone, replayed, lost_events, inflight;
    uint64_t micros[20];
};
struct broker;
struct broker *broker_open(int journal_fd, unsigned threads);
void broker_close(struct broker *broker);
int broker_add(struct broker *broker, uint64_t key, int listener_fd, int table_fd, int init_pid, uint64_t exe_dev,
               uint64_t exe_ino);
int broker_swap(struct broker *broker, int index, int table_fd);
int broker_remove(struct broker *broker, int index);
size_t broker_owed(const struct broker *broker, uint64_t *keys, size_t max);
int broker_wake_fd(const struct broker *broker);
size_t broker_events(struct broker *broker, struct broker_event *out, size_t max);
int broker_answer(struct broker *broker, uint64_t ticket, int verdict);
void broker_stats(const struct broker *broker, int index, struct broker_stats *stats);
int broker_table_test(const void *image, size_t size, const char **why);
bool glob_matches(const char *pattern, size_t pattern_size, const char *path, size_t path_size);
"""

PREAMBLE = """
#include "broker.h"
#include "broker_table.h"
#include "bpf_program.h"
#include "cgroup_dir.h"
#include "executor.h"
#include "front.h"
#include "netns_host.h"
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

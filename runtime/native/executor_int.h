/* Inside the executor: what its two halves share.  See docs/init.md for the order of things. */
#ifndef POSTERN_EXECUTOR_INT_H
#define POSTERN_EXECUTOR_INT_H

#include "executor.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>

#define PATH_BUFFER 4096
#define FRAME_TEXT 1000

/* For large buffers on hot paths: the build zeroes every other local variable. */
#define UNINITIALIZED __attribute__((uninitialized))

/* How an error line is put together; see report_failure in undo.c. */
enum detail {
	DETAIL_ERRNO,  /* what: strerror */
	DETAIL_REASON, /* what: text */
	DETAIL_WHOLE,  /* text, without "error during container init" */
	DETAIL_BARE,   /* text after the first part of the prefix ("runc create failed: ") */
};

enum frame_kind {
	FRAME_GO = 1,   /* parent to init: go on */
	FRAME_BORN,     /* init to parent, after an intermediate: its credentials name its pid */
	FRAME_REACHED,  /* init to parent: `stage` is done, init waits */
	FRAME_WARNING,  /* init to parent: op failed, init goes on */
	FRAME_ERROR,    /* init to parent: op failed, init exits */
	FRAME_PTY,      /* init to parent: carries the pty's master */
	FRAME_LISTENER, /* init to parent: a seccomp listener will appear in init as fd `value` */
};

/* The one frame of the one channel; text is sent only as long as it is. */
struct frame {
	uint32_t kind, stage, op;
	int32_t error;
	uint32_t detail;
	int32_t value;
	char text[FRAME_TEXT];
};
#define FRAME_HEAD (offsetof(struct frame, text))

struct run {
	struct plan plan;
	char **envp;
	uint32_t stage;
	int sync; /* this half's end of the socket pair */
	int slot[PLAN_SLOT_COUNT];
	uint32_t kept_fds;     /* 3..3+kept_fds-1 belong to the container */
	bool in_init, through; /* through: cloned by an intermediate */
	/* parent half */
	int init_pid, init_pidfd, listener, parked_pipe, notify;
	uint64_t init_start_time;
	int wait_status;
	bool init_reaped, state_made, cgroup_made, listener_sent;
	/* init half */
	const char *executable;
	bool attached[PLAN_SLOT_COUNT]; /* trees that were mounted themselves, not a clone of them */
	bool in_cwd;                    /* the working directory is process.cwd */
	int fifo;                       /* our end of exec.fifo once start has come */
	char home[256];
	/* what the failing op wants said */
	enum detail detail;
	struct text reason;
	char reason_buffer[FRAME_TEXT];
};

/* A string that an operation must have: the reader has seen that it is there. */
static inline __attribute__((returns_nonnull)) const char *plan_string(const struct run *run, uint32_t offset)
{
	return run->plan.pool + offset;
}

static inline const char *plan_optional(const struct run *run, uint32_t offset)
{
	return offset == PLAN_NO_STRING ? NULL : run->plan.pool + offset;
}

static inline const void *plan_blob(const struct run *run, const struct plan_op *op)
{
	return run->plan.pool + op->blob;
}

/* A list blob became an array of strings, NULL behind each list. */
static inline char **plan_list(const struct run *run, const struct plan_op *op)
{
	return (char **)(void *)(run->plan.pool + op->blob);
}

static inline bool plan_flag(const struct run *run, uint32_t flag)
{
	return run->plan.header->flags & flag;
}

static inline bool is_init_stage(uint32_t stage)
{
	return stage == STAGE_SETUP || stage == STAGE_ROOT || stage == STAGE_FINAL || stage == STAGE_START;
}

static inline uint32_t stage_begin(const struct run *run, uint32_t stage)
{
	return stage ? run->plan.header->stage_end[stage - 1] : 0;
}

static inline bool stage_is_empty(const struct run *run, uint32_t stage)
{
	return stage_begin(run, stage) == run->plan.header->stage_end[stage];
}

/* plan_find: the first op of this code in the stage, or NULL. executor.c */
const struct plan_op *plan_find(const struct run *run, uint32_t stage, uint32_t code);

/* ---- dispatch.c: apply the ops of a stage. 0, or -errno with *failed at the op. */
int run_stage(struct run *run, uint32_t stage, const struct plan_op **failed);
int fail_with(struct run *run, enum detail detail, int error); /* remembers the detail, returns -error */
struct text *start_reason(struct run *run);                    /* an empty text for the reason */

/* ---- sync.c */
int sync_pair(int ends[2]);
int sync_send(struct run *run, const struct frame *frame, int fd);                  /* fd -1: none; 0 or -errno */
int sync_receive(struct run *run, struct frame *frame, int *fd, int *pid);          /* 1, 0 at the end, -errno; fd, pid may be NULL */
int send_fd(int socket, const char *name, int fd);                                  /* name as payload, fd by SCM_RIGHTS */
int send_parts_with_fd(int socket, const char *const *texts, size_t count, int fd); /* at most 8 texts, one after the other */
int connect_unix(const char *path);                                                 /* fd of a stream socket or -errno */

/* ---- clone.c */
bool setns_is_deferred(const struct run *run);         /* a SETNS of stage HOST that the intermediate does */
int begin_hiding(uint64_t flags);                      /* before a clone: the child is born not dumpable; for end_hiding, or -errno */
void end_hiding(int hidden);                           /* afterwards, in the parent */
int start_init(struct run *run);                       /* 0 in the parent; never returns in init */
int run_program(char *const *argv, char *const *envp); /* fork, exec, wait: exit status word or -errno */

/* ---- cgroup_refusal.c: an error of the kernel's with the cgroup and the reason. -errno */
int refuse_process(struct run *run, int cgroup, int error); /* of clone(2) into it */
int refuse_limit(struct run *run, int cgroup);              /* it has no such file */

/* ---- init.c */
__attribute__((noreturn)) void init_half(struct run *run);
__attribute__((noreturn)) void leave_init(struct run *run, const struct plan_op *op, int error);
void warn_from_op(struct run *run, const struct plan_op *op, int error);
void reset_signals(void);
void drop_slots(struct run *run, uint32_t from);
int become_root(void);
int hide_init(void); /* not dumpable */

/* ---- undo.c */
void report_failure(struct run *run, const struct frame *failure); /* ends init when it was an init stage's */
void report_op_warning(struct run *run, const struct frame *warning);
void reap_init(struct run *run); /* SIGKILL, unless it has ended, and wait */
int init_died(struct run *run);  /* reports it, -ECANCELED */
void undo(struct run *run);
int end_of_run(struct run *run, int code); /* after a foreground container's init has ended: code */
int failure_code(const struct run *run);
const char *cause_of_death(const struct run *run);

/* ---- wait.c, console.c */
int signals_open(void);                            /* blocks every signal: a signalfd */
int wait_foreground(struct run *run, int signals); /* exit code of the process */
struct tty_proxy {
	int master;           /* -1: no terminal to copy */
	bool raw, input;      /* raw: the caller's terminal has to be restored; input: stdin has not ended */
	uint32_t saved[16];   /* its struct termios */
	size_t pending, done; /* input that the pty has not taken yet */
	char buffer[1024];
};
void tty_open(struct tty_proxy *tty, int master);
void tty_resize(const struct tty_proxy *tty);
void tty_input(struct tty_proxy *tty);
bool tty_output(struct tty_proxy *tty); /* false: the pty has no other side any more */
void tty_close(struct tty_proxy *tty);  /* copies what is left, restores the caller's terminal */

/* ---- in_root.c: paths below a root descriptor, which the container may have filled with symlinks */
int in_root_open(int root, const char *path, uint64_t flags, uint64_t resolve); /* O_PATH|O_CLOEXEC are added when flags is 0 */
int in_root_plain(const char *path, uint32_t flags);                            /* O_PATH below /, no symlink; OPTIONAL: or ENOENT */
int in_root_make_dirs(int root, const char *path, uint32_t mode);               /* mkdir -p; O_PATH fd of the last */
int in_root_parent(int root, const char *path, const char **name);              /* O_PATH fd of the parent, made when missing */
int in_root_target(int root, const char *path, bool directory);                 /* O_PATH fd, made when missing */

/* ---- procfs.c */
bool is_procfs(int fd);
int procfs_open(int proc, const char *path, uint64_t flags); /* in a procfs, and nothing mounted over it */
int procfs_write(int proc, const char *prefix, const char *path, const char *value);
int write_proc_file(int pid, const char *name, const char *value); /* the host's /proc/PID/name */
int procfs_read_self(int proc, const char *name, char *buffer, size_t size);

/* ---- mounting */
int attach_copy(struct run *run, uint8_t slot, int target); /* move_mount of a tree that is mounted in several places */
int mount_refused(struct run *run, int fs, int error);      /* the error with the words of a file system context */
long set_option(int fs, const char *option);                /* fsconfig of "key=value" or "flag" */
int tree_attach(int tree, int target);                      /* move_mount by descriptors */
bool is_same_place(int one, int other);                     /* one directory of one mount */
int refuse_root(struct run *run);                           /* init would stay below what covers /, exec would see it as / */
int mount_propagation(int fd, uint64_t flags);              /* MS_SHARED | MS_REC ... on the mount of fd */

/* ---- the ops: one function each, 0 or -errno */
#define DECLARE_OP(code, function) int function(struct run *run, const struct plan_op *op);
OP_LIST(DECLARE_OP)
#undef DECLARE_OP

int copy_up(int from, int to);                   /* copy_up.c: what is in directory from into to; 0 or -errno */
int forward_until_ready(const struct run *run);  /* op_notify.c: sd_notify of a detached run; exit code */
void forward_notification(struct run *run);      /* one message of a foreground run's container */
int unmount_kernel_views(struct run *run);       /* op_no_pivot.c */
int fetch_listener(struct run *run, int number); /* op_seccomp.c, parent half */

#endif

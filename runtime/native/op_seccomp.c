/* The filter, and how its listener gets out. */
#include "executor_int.h"

#include "signal_abi.h"
#include <linux/filter.h>
#include <linux/seccomp.h>

#define LISTENER_TRIES 5000
#define LISTENER_PAUSE_NS 200000

/* Every system call after the filter is there may be trapped, and nobody would answer yet.  So init says beforehand which descriptor the
 * listener will be (the lowest free one), and the parent half takes it from outside as soon as it exists. */
static int announce_listener(struct run *run)
{
	long free_fd = SYS(fcntl, 0, F_DUPFD_CLOEXEC, 0);
	if (free_fd < 0) {
		free_fd = SYS(dup, run->sync);
		if (free_fd < 0)
			return (int)free_fd;
	}
	(void)SYS(close, free_fd);
	if (plan_flag(run, PLAN_ROOTLESS) && plan_flag(run, PLAN_OWN_PIDNS)) /* nobody else is in there; an unprivileged parent may look */
		(void)SYS(prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
	struct frame frame = {.kind = FRAME_LISTENER, .stage = run->stage, .value = (int)free_fd};
	return sync_send(run, &frame, -1);
}

int op_seccomp(struct run *run, const struct plan_op *op)
{
	struct sock_fprog program = {
		(unsigned short)(op->blob_len / sizeof(struct sock_filter)), (struct sock_filter *)(uintptr_t)plan_blob(run, op)};
	uint64_t flags = op->SECCOMP_flags;
	if (op->blob_len % sizeof(struct sock_filter) || op->blob_len / sizeof(struct sock_filter) > BPF_MAXINSNS)
		return -EINVAL;
	if (op->flags & OPF_NOTIFY) {
		/* init has one thread: TSYNC changes nothing and may not stand beside NEW_LISTENER */
		flags = (flags | SECCOMP_FILTER_FLAG_NEW_LISTENER) & ~SECCOMP_FILTER_FLAG_TSYNC;
		int ret = announce_listener(run);
		if (ret < 0)
			return ret;
	}
	long ret = SYS(seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	return ret < 0 ? (int)ret : 0; /* the listener closes on execve */
}

/* True when init has something to say instead (an error), or has ended. */
static bool init_speaks(const struct run *run)
{
	struct poll_entry polled[2] = {{run->sync, POLLIN, 0}, {run->init_pidfd, POLLIN, 0}};
	struct {
		int64_t seconds, nanoseconds;
	} pause = {0, LISTENER_PAUSE_NS};
	return SYS(ppoll, polled, 2, &pause, 0, 8) > 0;
}

int fetch_listener(struct run *run, int number)
{
	for (int tries = 0; tries < LISTENER_TRIES; tries++) {
		long fd = SYS(pidfd_getfd, run->init_pidfd, number, 0);
		if (fd >= 0) {
			run->listener = (int)fd;
			return 0;
		}
		if (fd != -EBADF)
			return (int)fd;
		if (init_speaks(run))
			tries = LISTENER_TRIES - 2; /* once more: it may have spoken because the listener is there */
	}
	return 0; /* its error frame, or its end, is read next */
}

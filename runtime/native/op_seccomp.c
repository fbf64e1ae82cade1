/* The filter, and how its listener gets out. */
#include "executor_int.h"

#include "signal_abi.h"
#include <linux/filter.h>
#include <linux/seccomp.h>

#define LISTENER_TRIES 5000
#define LISTENER_PAUSE_NS 200000
#define ANSWER_SECONDS 10

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

/* Our own broker says whether it took the listener: 0 or the errno of its refusal. It looks at us meanwhile, so we stay until then. */
static int listener_answer(int socket)
{
	struct poll_entry polled = {socket, POLLIN, 0};
	struct {
		int64_t seconds, nanoseconds;
	} limit = {ANSWER_SECONDS, 0};
	int32_t answer = 0;
	long ret = SYS(shutdown, socket, 1 /* SHUT_WR */);
	if (ret >= 0)
		ret = SYS(ppoll, &polled, 1, &limit, 0, 8);
	if (ret <= 0)
		return ret < 0 ? (int)ret : -ETIMEDOUT;
	ret = SYS(read, socket, &answer, sizeof(answer));
	if (ret != sizeof(answer))
		return ret < 0 ? (int)ret : -ECONNRESET; /* it has died: who holds the listener now is not known */
	return answer > 0 && answer < 4096 ? -answer : 0;
}

/* ContainerProcessState: head, pid, middle, the container's state, tail. */
int op_send_listener(struct run *run, const struct plan_op *op)
{
	const struct plan_header *header = run->plan.header;
	char pid[24];
	struct text number = text_in(pid, sizeof(pid));
	text_add_number(&number, run->init_pid);
	if (run->listener_sent)
		return 0;
	if (run->listener < 0)
		return -EBADF;
	const char *texts[] = {
		plan_string(run, op->SEND_LISTENER_head),
		pid,
		plan_string(run, op->SEND_LISTENER_middle),
		plan_string(run, header->state_head),
		header->mode == MODE_EXEC ? "running\",\"pid\":" : "creating\",\"pid\":",
		pid,
		plan_string(run, header->state_tail),
		plan_string(run, op->SEND_LISTENER_tail),
	};
	SCOPED_FD(socket) = connect_unix(plan_string(run, op->SEND_LISTENER_path));
	if (socket < 0)
		return socket;
	int ret = send_parts_with_fd(socket, texts, ARRAY_SIZE(texts), run->listener);
	(void)SYS(close, run->listener); /* the agent's from now on */
	run->listener = -1;
	if (ret >= 0 && op->SEND_LISTENER_answered)
		ret = listener_answer(socket);
	run->listener_sent = ret >= 0;
	return ret;
}

/* Hooks: a program with the container's state on its standard input, a time limit, and its words kept for the error line. */
#include "executor_int.h"

#include "signal_abi.h"

#define OUTPUT_KEPT 400
#define PIPE_MAX 1048576

struct hook {
	int pid, pidfd;
	int output[2];  /* read ends of its stdout and stderr */
	int exec_error; /* read end: errno of a failed execve */
	char kept[2][OUTPUT_KEPT];
	size_t size[2];
};

struct timespec64 {
	int64_t seconds, nanoseconds;
};

static int64_t now_ms(void)
{
	struct timespec64 now;
	(void)SYS(clock_gettime, 1 /* CLOCK_MONOTONIC */, &now);
	return now.seconds * 1000 + now.nanoseconds / 1000000;
}

/* The container's pid as this hook's namespace sees it.  Before pivot_root /proc is still the host's: its "self" is what the runtime
 * calls init. */
static int64_t pid_for_hook(const struct run *run, const char *status)
{
	char self[24];
	uint64_t pid = 0;
	if (!strcmp(status, "stopped"))
		return 0;
	if (!run->in_init)
		return run->init_pid;
	long size = run->stage == STAGE_ROOT ? SYS(readlinkat, AT_FDCWD, "/proc/self", self, sizeof(self)) : 0;
	if (size > 0 && parse_number(self, (size_t)size, &pid))
		return (int64_t)pid;
	return SYS(getpid);
}

/* A pipe that holds the whole state, so that no hook has to read it. */
static int state_pipe(const struct run *run, const char *status)
{
	const struct plan_header *header = run->plan.header;
	char middle[64];
	int ends[2];
	struct text text = text_in(middle, sizeof(middle));
	text_add(&text, status);
	text_add(&text, "\",\"pid\":");
	text_add_number(&text, pid_for_hook(run, status));
	const char *parts[] = {plan_string(run, header->state_head), middle, plan_string(run, header->state_tail)};
	size_t total = 0;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		total += strlen(parts[i]);
	long ret = total > PIPE_MAX ? -E2BIG : SYS(pipe2, ends, O_CLOEXEC);
	if (ret < 0)
		return (int)ret;
	if (total > 65536)
		ret = SYS(fcntl, ends[1], F_SETPIPE_SZ, PIPE_MAX);
	for (size_t i = 0; ret >= 0 && i < ARRAY_SIZE(parts); i++)
		ret = SYS(write, ends[1], parts[i], strlen(parts[i]));
	(void)SYS(close, ends[1]);
	if (ret < 0)
		(void)SYS(close, ends[0]);
	return ret < 0 ? (int)ret : ends[0];
}

/* In the hook's process: only stdio stays open. */
__attribute__((noreturn)) static void become_hook(struct run *run, const struct plan_op *op, const int stdio[3], int exec_error)
{
	char **argv = plan_list(run, op), **envp = argv;
	const char *path = plan_string(run, op->HOOK_path);
	char *const only_path[] = {(char *)path, NULL};
	while (*envp)
		envp++;
	envp = op->flags & OPF_INHERIT_ENV ? run->envp : envp + 1;
	reset_signals();
	long ret = 0;
	for (int fd = 0; fd < 3 && ret >= 0; fd++) /* none of ours is below 3: the caller's stdio is still there, or was opened */
		ret = SYS(dup3, stdio[fd], fd, 0);
	if (ret >= 0 && run->stage == STAGE_ROOT && run->slot[SLOT_ROOTFS] >= 0)
		ret = SYS(fchdir, run->slot[SLOT_ROOTFS]); /* createContainer: as runc does */
	if (ret >= 0)
		ret = SYS(execve, path, *argv ? argv : only_path, envp);
	int error = (int)-ret;
	(void)SYS(write, exec_error, &error, sizeof(error));
	(void)SYS(exit_group, 127);
	__builtin_unreachable();
}

static int start_hook(struct run *run, const struct plan_op *op, struct hook *hook)
{
	int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
	SCOPED_FD(state) = state_pipe(run, plan_string(run, op->HOOK_kind));
	long ret = state;
	for (int i = 0; ret >= 0 && i < 3; i++)
		ret = SYS(pipe2, pipes[i], O_CLOEXEC);
	if (ret >= 0) /* clone, not clone3: a container's filter may know only the former */
		ret = SYS(clone, 0x1000 /* CLONE_PIDFD */ | SIGCHLD, 0, &hook->pidfd, 0, 0);
	if (ret == 0) {
		const int stdio[3] = {state, pipes[0][1], pipes[1][1]};
		become_hook(run, op, stdio, pipes[2][1]);
	}
	for (int i = 0; i < 3; i++) {
		close_scoped_fd(&pipes[i][1]);
		if (ret < 0)
			close_scoped_fd(&pipes[i][0]);
	}
	hook->pid = (int)ret;
	hook->output[0] = pipes[0][0];
	hook->output[1] = pipes[1][0];
	hook->exec_error = pipes[2][0];
	return ret < 0 ? (int)ret : 0;
}

static void read_output(struct hook *hook, int which)
{
	char data[4096] UNINITIALIZED;
	long got = SYS(read, hook->output[which], data, sizeof(data));
	if (got <= 0) {
		(void)SYS(close, hook->output[which]);
		hook->output[which] = -1;
		return;
	}
	size_t room = OUTPUT_KEPT - hook->size[which], take = (size_t)got < room ? (size_t)got : room;
	memcpy(hook->kept[which] + hook->size[which], data, take);
	hook->size[which] += take;
}

/* Read what it writes until it ends; true when the time was up. What it left running may keep the pipes open: that is not waited for. */
static bool watch_hook(struct hook *hook, uint64_t timeout_ms)
{
	int64_t end = timeout_ms ? now_ms() + (int64_t)timeout_ms : 0;
	for (bool ended = false;;) {
		struct poll_entry polled[3] = {
			{hook->output[0], POLLIN, 0}, {hook->output[1], POLLIN, 0}, {ended ? -1 : hook->pidfd, POLLIN, 0}};
		int64_t left = ended ? 0 : end - now_ms();
		if (end && !ended && left <= 0)
			return true;
		struct timespec64 limit = {left / 1000, left % 1000 * 1000000};
		long ret = SYS(ppoll, polled, 3, end || ended ? &limit : NULL, 0, 8);
		if (ret == 0 && ended)
			return false;
		for (int i = 0; i < 2; i++)
			if (polled[i].seen)
				read_output(hook, i);
		ended = ended || polled[2].seen;
	}
}

static int reap_hook(struct hook *hook)
{
	int status = 0;
	long ret;
	do
		ret = SYS(wait4, hook->pid, &status, 0, 0);
	while (ret == -EINTR);
	return status;
}

static void add_seconds(struct text *text, uint64_t milliseconds)
{
	uint64_t tenths = (milliseconds + 50) / 100;
	text_add_number(text, (int64_t)(tenths / 10));
	text_add(text, ".");
	text_add_number(text, (int64_t)(tenths % 10));
	text_add(text, "s");
}

static int hook_failed(struct run *run, const struct plan_op *op, const struct hook *hook, int status, int error, bool late)
{
	struct text *reason = start_reason(run);
	text_add(reason, "error running ");
	text_add(reason, plan_string(run, op->HOOK_label));
	text_add(reason, ": ");
	if (late) {
		text_add(reason, "hook ran past specified timeout of ");
		add_seconds(reason, op->HOOK_timeout_ms);
	} else if (error) {
		text_add(reason, "fork/exec ");
		text_add(reason, plan_string(run, op->HOOK_path));
		text_add(reason, ": ");
		text_add(reason, errno_text(error));
	} else {
		text_add(reason, status_exited(status) ? "exit status " : "signal ");
		text_add_number(reason, status_exited(status) ? status_code(status) : status & 0x7f);
		for (int i = 0; i < 2; i++) {
			text_add(reason, i ? ", stderr: " : ", stdout: ");
			text_add_bytes(reason, hook->kept[i], hook->size[i]);
		}
		for (size_t i = 0; i < reason->length; i++) /* one line: podman shows one, engines parse one */
			if (reason->data[i] == '\n' || reason->data[i] == '\0')
				reason->data[i] = ' ';
	}
	while (reason->length && reason->data[reason->length - 1] == ' ')
		reason->data[--reason->length] = 0;
	return fail_with(run, DETAIL_WHOLE, ECHILD);
}

static int run_hook(struct run *run, const struct plan_op *op)
{
	struct hook hook = {.pidfd = -1};
	int ret = start_hook(run, op, &hook);
	if (ret < 0)
		return hook_failed(run, op, &hook, 0, -ret, false);
	bool late = watch_hook(&hook, op->HOOK_timeout_ms);
	if (late)
		(void)SYS(pidfd_send_signal, hook.pidfd, SIGKILL, 0, 0);
	int status = reap_hook(&hook), error = 0;
	if (SYS(read, hook.exec_error, &error, sizeof(error)) != sizeof(error))
		error = 0;
	const int opened[] = {hook.pidfd, hook.output[0], hook.output[1], hook.exec_error};
	for (size_t i = 0; i < ARRAY_SIZE(opened); i++)
		close_scoped_fd(&opened[i]);
	return late || status || error ? hook_failed(run, op, &hook, status, error, late) : 0;
}

int op_hook(struct run *run, const struct plan_op *op)
{
	int ret = run_hook(run, op);
	if (ret >= 0 || !(op->flags & OPF_WARN))
		return ret;
	run->detail = DETAIL_ERRNO;
	report_warning(run->reason.data);
	return 0;
}

int run_saved_hooks(int state_dir_fd, uint32_t stage, int pid, const char *status, char **envp)
{
	static struct run run;
	const char *why = "";
	const struct plan_op *failed = NULL;
	SCOPED_FD(fd) = (int)SYS(openat, state_dir_fd, "hooks.plan", O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	(void)status; /* each op carries the word for its own moment */
	int ret = plan_map(fd, &run.plan, &why);
	if (ret >= 0 && run.plan.header->mode != MODE_HOOKS)
		ret = -EBADMSG;
	if (ret < 0) {
		report_error(ret == -EBADMSG ? "saved hooks are not readable by this version of postern" : errno_text(ret));
		return ret;
	}
	run.envp = envp;
	run.init_pid = pid;
	memset(run.slot, 0xff, sizeof(run.slot)); /* -1 */
	ret = run_stage(&run, stage, &failed);
	if (ret < 0)
		report_error(run.reason.data);
	return ret;
}

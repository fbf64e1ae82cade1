/* Making init: clone3 into the cgroup, directly or through an intermediate that joins namespaces first. */
#include "executor_int.h"

#include <linux/sched.h>
#include "cgroup_dir.h"
#include "signal_abi.h"
#include "socket_abi.h"

/* One clone3; init's pid and pidfd on success. Returns the child's pid, 0 in the child, -errno. */
static int clone_process(uint64_t flags, int cgroup, int *pidfd)
{
	struct clone_args args = {.flags = flags | CLONE_CLEAR_SIGHAND};
	if (!(flags & CLONE_PARENT))
		args.exit_signal = SIGCHLD; /* with CLONE_PARENT it is the caller's own */
	if (pidfd) {
		args.flags |= CLONE_PIDFD;
		args.pidfd = (uint64_t)(uintptr_t)pidfd;
	}
	if (cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint32_t)cgroup;
	}
	return (int)SYS(clone3, &args, sizeof(args));
}

/* exec on a cgroup that takes no processes (nested controllers) or is gone: where the container's init is now, as runc does. */
static int cgroup_of_container(struct run *run)
{
	const struct plan_op *op = plan_find(run, STAGE_HOST, OP_PIDFD_OPEN);
	if (!op || run->plan.header->cgroup_mount == PLAN_NO_STRING)
		return -EBUSY;
	char path[64], content[PATH_BUFFER];
	struct text text = text_in(path, sizeof(path));
	text_add(&text, "/proc/");
	text_add_number(&text, (int64_t)op->PIDFD_OPEN_pid);
	text_add(&text, "/cgroup");
	SCOPED_FD(fd) = (int)SYS(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	long size = fd < 0 ? fd : SYS(read, fd, content, sizeof(content) - 1);
	if (size < 0)
		return (int)size;
	content[size] = 0;
	for (char *line = content; *line;) {
		char *end = line;
		while (*end && *end != '\n')
			end++;
		char *next = *end ? end + 1 : end;
		*end = 0;
		if (!strncmp(line, "0::", 3))
			return cgroup_open(plan_string(run, run->plan.header->cgroup_mount), line + 3);
		line = next;
	}
	return -EBUSY;
}

static int clone_into_cgroup(struct run *run, uint64_t flags, int *pidfd)
{
	int own = run->slot[SLOT_CGROUP], pid = clone_process(flags, own, pidfd);
	if (own < 0 || (pid != -EBUSY && pid != -ENOENT && pid != -ENODEV && pid != -EOPNOTSUPP))
		return pid;
	SCOPED_FD(cgroup) = run->plan.header->mode == MODE_EXEC && pid != -EOPNOTSUPP ? cgroup_of_container(run) : -1;
	if (cgroup >= 0)
		pid = clone_process(flags, cgroup, pidfd);
	return pid < 0 ? refuse_process(run, cgroup >= 0 ? cgroup : own, pid) : pid;
}

int begin_hiding(uint64_t flags)
{
	/* id maps are written from outside, and an unprivileged parent may do that only while the child is dumpable */
	if (flags & CLONE_NEWUSER && SYS(geteuid) != 0)
		return 0;
	int ret = hide_init();
	return ret < 0 ? ret : 1;
}

void end_hiding(int hidden)
{
	if (hidden > 0)
		(void)SYS(prctl, PR_SET_DUMPABLE, 1, 0, 0, 0); /* the parent half was, and owns its /proc/self only then */
}

static int clone_hidden(struct run *run, uint64_t flags, int *pidfd)
{
	int hidden = begin_hiding(flags);
	int pid = hidden < 0 ? hidden : clone_into_cgroup(run, flags, pidfd);
	if (pid != 0)
		end_hiding(hidden);
	return pid;
}

/* Namespaces joined before init exists are joined by an intermediate: hooks stay on the host, and what the container can see of init
 * (once it is in the pid namespace) has the container's root and none of the host's directories (CVE-2016-9962). */
static bool needs_intermediate(const struct run *run)
{
	return plan_flag(run, PLAN_JOIN_USERNS) || plan_find(run, STAGE_HOST, OP_SETNS);
}

bool setns_is_deferred(const struct run *run)
{
	return run->stage == STAGE_HOST && needs_intermediate(run);
}

static int join_all(struct run *run)
{
	if (plan_flag(run, PLAN_JOIN_USERNS)) {
		/* the host's groups go while we may still drop them: a user namespace may deny setgroups(2), even to its root */
		long dropped = SYS(setgroups, 0, 0);
		if (dropped < 0 && dropped != -EPERM)
			return (int)dropped;
		int fd = run->slot[SLOT_USERNS] >= 0 ? run->slot[SLOT_USERNS] : run->slot[SLOT_INIT_PIDFD];
		int ret = (int)SYS(setns, fd, CLONE_NEWUSER);
		if (ret < 0)
			return ret;
		ret = become_root();
		if (ret >= 0)
			ret = hide_init();
		if (ret < 0)
			return ret;
	}
	for (uint32_t i = 0; i < run->plan.header->stage_end[STAGE_HOST]; i++) {
		const struct plan_op *op = &run->plan.ops[i];
		bool joins = op->code == OP_SETNS && op->SETNS_types;
		int ret = joins ? (int)SYS(setns, run->slot[op->SETNS_ns], op->SETNS_types) : 0;
		if (ret < 0)
			leave_init(run, op, -ret);
	}
	return 0;
}

__attribute__((noreturn)) static void intermediate(struct run *run, uint64_t flags)
{
	run->in_init = true;
	int ret = join_all(run);
	drop_slots(run, STAGE_SETUP);
	if (ret >= 0)
		ret = clone_process(flags | CLONE_PARENT, -1, NULL);
	if (ret < 0)
		leave_init(run, NULL, -ret);
	if (ret == 0)
		init_half(run);
	(void)SYS(exit_group, 0);
	__builtin_unreachable();
}

/* The pid of a process that somebody else cloned for us: the kernel writes it on its first frame. */
static int meet_init(struct run *run, int helper)
{
	struct frame frame;
	int ret = sync_receive(run, &frame, NULL, &run->init_pid);
	int status = 0;
	(void)SYS(wait4, helper, &status, 0, 0);
	if (ret > 0 && frame.kind == FRAME_ERROR) {
		run->init_pid = -1;
		report_failure(run, &frame);
		return -ECANCELED;
	}
	if (ret <= 0 || frame.kind != FRAME_BORN || run->init_pid <= 0)
		return ret < 0 ? ret : -ESRCH;
	run->init_pidfd = (int)SYS(pidfd_open, run->init_pid, 0);
	return run->init_pidfd < 0 ? run->init_pidfd : 0;
}

int start_init(struct run *run)
{
	int ends[2], one = 1;
	uint64_t flags = run->plan.header->clone_flags;
	bool through = run->through = needs_intermediate(run);
	int ret = sync_pair(ends);
	if (ret < 0)
		return ret;
	if (through && (ret = (int)SYS(setsockopt, ends[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one))) < 0)
		return ret;
	int pid = clone_hidden(run, through ? 0 : flags, through ? NULL : &run->init_pidfd);
	run->sync = ends[pid == 0];
	(void)SYS(close, ends[pid != 0]);
	if (pid < 0)
		return pid;
	if (pid == 0) {
		if (through)
			intermediate(run, flags);
		init_half(run);
	}
	if (through)
		return meet_init(run, pid);
	run->init_pid = pid;
	return 0;
}

int run_program(char *const *argv, char *const *envp)
{
	int status = 0;
	int pid = clone_process(0, -1, NULL);
	if (pid == 0) {
		reset_signals();
		(void)SYS(execve, argv[0], argv, envp);
		(void)SYS(exit_group, 127);
	}
	if (pid < 0)
		return pid;
	long ret;
	do
		ret = SYS(wait4, pid, &status, 0, 0);
	while (ret == -EINTR);
	return ret < 0 ? (int)ret : status;
}

/* Namespaces: opened, joined, unshared, and the id maps of user namespaces. */
#include "executor_int.h"

#include "signal_abi.h"
#include "state_file.h"
#include <linux/nsfs.h>
#include <linux/sched.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif
#define MAP_WORDS 1100 /* a tool's arguments: 340 lines of three, and itself */

int op_open_ns(struct run *run, const struct plan_op *op)
{
	int fd = (int)SYS(openat, AT_FDCWD, plan_string(run, op->OPEN_NS_path), O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
	if (fd < 0)
		return fd;
	run->slot[op->OPEN_NS_ns] = fd;
	long type = SYS(ioctl, fd, NS_GET_NSTYPE);
	if (type != (long)op->OPEN_NS_type) { /* ENOTTY: not a namespace at all */
		text_add(start_reason(run), "not a namespace of this type");
		return fail_with(run, DETAIL_REASON, EINVAL);
	}
	return 0;
}

int op_held_ns(struct run *run, const struct plan_op *op)
{
	int fd = (int)op->HELD_NS_fd; /* left open by seal_descriptors, and by it alone */
	run->slot[op->HELD_NS_ns] = fd;
	long type = SYS(ioctl, fd, NS_GET_NSTYPE);
	return type == (long)op->HELD_NS_type ? 0 : -EINVAL;
}

int op_setns(struct run *run, const struct plan_op *op)
{
	if (setns_is_deferred(run) || !op->SETNS_types)
		return 0;
	return (int)SYS(setns, run->slot[op->SETNS_ns], op->SETNS_types);
}

int op_unshare(struct run *run, const struct plan_op *op)
{
	(void)run;
	return (int)SYS(unshare, op->UNSHARE_flags);
}

int op_timens(struct run *run, const struct plan_op *op)
{
	const char *offsets = plan_string(run, op->TIMENS_offsets);
	long ret = SYS(unshare, CLONE_NEWTIME);
	if (ret < 0 || !*offsets)
		return (int)ret;
	SCOPED_FD(fd) = (int)SYS(openat, AT_FDCWD, "/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	ret = SYS(write, fd, offsets, strlen(offsets));
	return ret < 0 ? (int)ret : 0;
}

int write_proc_file(int pid, const char *name, const char *value)
{
	char path[64];
	struct text text = text_in(path, sizeof(path));
	text_add(&text, "/proc/");
	text_add_number(&text, pid);
	text_add(&text, "/");
	text_add(&text, name);
	SCOPED_FD(fd) = (int)SYS(openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	long ret = SYS(write, fd, value, strlen(value));
	return ret < 0 ? (int)ret : 0;
}

/* A child that holds a namespace open until it is killed. */
static int park_child(struct run *run)
{
	int ends[2];
	long ret = SYS(pipe2, ends, O_CLOEXEC);
	if (ret < 0)
		return (int)ret;
	int hidden = begin_hiding(CLONE_NEWUSER); /* to root of a container in our pid namespace it would be a process of its own */
	long pid = hidden < 0 ? hidden : SYS(clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
	if (pid != 0)
		end_hiding(hidden);
	if (pid == 0) {
		char byte;
		(void)SYS(close, ends[1]); /* so that our death ends it */
		(void)SYS(read, ends[0], &byte, 1);
		(void)SYS(exit_group, 0);
	}
	(void)SYS(close, ends[0]);
	if (pid < 0)
		(void)SYS(close, ends[1]);
	run->parked_pipe = pid < 0 ? -1 : ends[1];
	return (int)pid;
}

int op_userns_fd(struct run *run, const struct plan_op *op)
{
	int pid = park_child(run);
	if (pid < 0)
		return pid;
	int ret = write_proc_file(pid, "uid_map", plan_string(run, op->USERNS_FD_uid_map));
	if (ret >= 0)
		ret = write_proc_file(pid, "gid_map", plan_string(run, op->USERNS_FD_gid_map));
	if (ret >= 0) {
		char path[64];
		struct text text = text_in(path, sizeof(path));
		text_add(&text, "/proc/");
		text_add_number(&text, pid);
		text_add(&text, "/ns/user");
		ret = run->slot[op->USERNS_FD_ns] = (int)SYS(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	}
	(void)SYS(close, run->parked_pipe);
	run->parked_pipe = -1;
	int status;
	long reaped;
	do
		reaped = SYS(wait4, pid, &status, 0, 0);
	while (reaped == -EINTR);
	return ret;
}

/* tool PID CONTAINER HOST SIZE ...: the set-uid program checks /etc/subuid and writes the map. */
static int run_map_tool(struct run *run, const char *tool, const char *map)
{
	static char words[16384];
	static char *argv[MAP_WORDS + 1];
	size_t count = 0;
	struct text text = text_in(words, sizeof(words));
	argv[count++] = (char *)tool;
	argv[count++] = words;
	text_add_number(&text, run->init_pid);
	text_add(&text, "\n");
	text_add(&text, map);
	if (text.cut)
		return -E2BIG;
	for (size_t i = 0; i < text.length; i++) {
		if (words[i] != ' ' && words[i] != '\n')
			continue;
		words[i] = 0;
		if (words[i + 1] && words[i + 1] != ' ' && words[i + 1] != '\n') {
			if (count >= MAP_WORDS)
				return -E2BIG;
			argv[count++] = words + i + 1;
		}
	}
	argv[count] = NULL;
	int status = run_program(argv, run->envp);
	if (status <= 0)
		return status;
	struct text *reason = start_reason(run);
	text_add(reason, tool);
	text_add(reason, " exited with status ");
	text_add_number(reason, status_code(status));
	return fail_with(run, DETAIL_REASON, EPERM);
}

int op_id_maps(struct run *run, const struct plan_op *op)
{
	const char *uid_tool = plan_optional(run, op->ID_MAPS_newuidmap), *gid_tool = plan_optional(run, op->ID_MAPS_newgidmap);
	const char *uid_map = plan_string(run, op->ID_MAPS_uid_map), *gid_map = plan_string(run, op->ID_MAPS_gid_map);
	int ret = op->flags & OPF_DENY_SETGROUPS ? write_proc_file(run->init_pid, "setgroups", "deny") : 0;
	if (ret >= 0 && *uid_map)
		ret = uid_tool ? run_map_tool(run, uid_tool, uid_map) : write_proc_file(run->init_pid, "uid_map", uid_map);
	if (ret >= 0 && *gid_map)
		ret = gid_tool ? run_map_tool(run, gid_tool, gid_map) : write_proc_file(run->init_pid, "gid_map", gid_map);
	return ret;
}

int op_pidfd_open(struct run *run, const struct plan_op *op)
{
	int fd = (int)SYS(pidfd_open, op->PIDFD_OPEN_pid, 0);
	if (fd < 0)
		return fd;
	run->slot[op->PIDFD_OPEN_pidfd] = fd;
	/* read after the descriptor is held: the number cannot have been given to another process in between */
	return process_start_time((int)op->PIDFD_OPEN_pid) == op->PIDFD_OPEN_start_time ? 0 : -ESRCH;
}

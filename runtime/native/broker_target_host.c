/* What is read of the thread that made the call. Every function here may be misled by a thread that has died and whose number was given
 * away; still_valid(), asked afterwards, says that it was the right one all the time. */
#define _GNU_SOURCE
#include "broker_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

static void forget(struct target *target)
{
	if (target->tid) {
		(void)close(target->proc);
		(void)close(target->status);
		if (target->pidfd >= 0)
			(void)close(target->pidfd);
	}
	target->tid = 0;
}

void targets_forget(struct worker *worker)
{
	for (unsigned i = 0; i < TARGETS; i++)
		forget(&worker->targets[i]);
}

static bool open_target(struct call *call, struct target *target, pid_t tid)
{
	char path[32];
	(void)snprintf(path, sizeof(path), "%d", (int)tid);
	int proc = openat(call->broker->proc_dir, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int status = proc < 0 ? -1 : openat(proc, "status", O_RDONLY | O_CLOEXEC);
	if (status < 0) {
		if (proc >= 0)
			(void)close(proc);
		return false;
	}
	*target = (struct target){
		.tid = tid, .proc = proc, .status = status, .pidfd = -1, .key = call->container->key, .ids.group_count = -1};
	return true;
}

struct target *target_of(struct call *call)
{
	struct worker *worker = call->worker;
	pid_t tid = (pid_t)call->slot->notif.pid;
	struct target *oldest = &worker->targets[0];
	if (call->target)
		return call->target;
	for (unsigned i = 0; i < TARGETS; i++) {
		struct target *target = &worker->targets[i];
		if (target->tid == tid && tid) {
			if (target->key == call->container->key) {
				target->used = ++worker->clock;
				return call->target = target;
			}
			forget(target);
		}
		if (!target->tid || (oldest->tid && target->used < oldest->used))
			oldest = target;
	}
	forget(oldest);
	if (!tid || !open_target(call, oldest, tid))
		return NULL;
	oldest->used = ++worker->clock;
	return call->target = oldest;
}

/* What was remembered is of a thread that has died since: its number may have a new owner. False: it was not remembered. */
bool target_is_new(struct call *call, bool *again)
{
	if (*again || !call->target)
		return false;
	forget(call->target);
	call->target = NULL;
	return *again = true;
}

/* Numbers after a line's label; returns how many. */
static int numbers(const char *status, const char *label, int radix, uint64_t *to, int most)
{
	const char *at = strstr(status, label);
	int count = 0;
	if (!at)
		return 0;
	at += strlen(label);
	while (count < most) {
		while (*at == ' ' || *at == '\t')
			at++;
		char *end;
		uint64_t value = strtoull(at, &end, radix);
		if (end == at)
			break;
		to[count++] = value;
		at = end;
	}
	return count;
}

int target_read_status(struct target *target)
{
	char status[16384]; /* a thousand groups at most: a longer line is cut and the ids are unknown */
	uint64_t value[16], groups[GROUPS_MAX + 1];
	ssize_t size = pread(target->status, status, sizeof(status) - 1, 0);
	if (size <= 0)
		return size < 0 ? -errno : -ESRCH;
	status[size] = '\0';
	/* the name comes first and is escaped: it holds no line feed */
	if (numbers(status, "\nTgid:", 10, value, 1) != 1)
		return -ESRCH;
	target->tgid = (pid_t)value[0];
	target->umask = numbers(status, "\nUmask:", 8, value, 1) == 1 ? (mode_t)value[0] : 077;
	if (numbers(status, "\nUid:", 10, value, 4) != 4)
		return -ESRCH;
	target->real_uid = (uid_t)value[0];
	target->ids.euid = (uid_t)value[1];
	target->ids.fsuid = (uid_t)value[3];
	if (numbers(status, "\nGid:", 10, value, 4) != 4)
		return -ESRCH;
	target->real_gid = (gid_t)value[0];
	target->ids.egid = (gid_t)value[1];
	target->ids.fsgid = (gid_t)value[3];
	int count = numbers(status, "\nGroups:", 10, groups, GROUPS_MAX + 1);
	if (count > (int)GROUPS_MAX || size == sizeof(status) - 1)
		return -EOVERFLOW;
	target->ids.group_count = count;
	for (int i = 0; i < count; i++)
		target->ids.groups[i] = (gid_t)groups[i];
	target->levels = numbers(status, "\nNStgid:", 10, value, 8);
	for (int i = 0; i < target->levels; i++)
		target->inner_tgid[i] = (pid_t)value[i];
	target->levels = numbers(status, "\nNSpid:", 10, value, 8);
	for (int i = 0; i < target->levels; i++)
		target->inner_tid[i] = (pid_t)value[i];
	uint64_t own = 0, shared = 0, blocked = 0, ignored = 0;
	(void)numbers(status, "\nSigPnd:", 16, &own, 1);
	(void)numbers(status, "\nShdPnd:", 16, &shared, 1);
	(void)numbers(status, "\nSigBlk:", 16, &blocked, 1);
	(void)numbers(status, "\nSigIgn:", 16, &ignored, 1);
	target->pending = (own | shared) & ~blocked & ~ignored;
	target->effective = 0;
	(void)numbers(status, "\nCapEff:", 16, &target->effective, 1);
	return 0;
}

/* False also where nobody can tell. */
bool is_first_thread(struct call *call)
{
	struct target *target;
	int error;
	bool again = false;
	do {
		target = target_of(call);
		error = target ? target_read_status(target) : -ESRCH;
	} while (error == -ESRCH && target_is_new(call, &again));
	return error == 0 && target->tgid == target->tid;
}

ssize_t read_text(int fd, char *text, size_t size)
{
	ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);
	if (fd >= 0)
		(void)close(fd);
	text[got < 0 ? 0 : got] = '\0';
	return got;
}

int target_pidfd(struct target *target)
{
	if (target->pidfd >= 0)
		return target->pidfd;
	target->pidfd = (int)syscall(SYS_pidfd_open, target->tid, PIDFD_THREAD);
	if (target->pidfd < 0 && errno == EINVAL) { /* before Linux 6.9 */
		int error = target_read_status(target);
		if (error < 0)
			return error;
		target->pidfd = (int)syscall(SYS_pidfd_open, target->tgid, 0);
	}
	return target->pidfd < 0 ? -errno : target->pidfd;
}

int target_fd(struct call *call, int fd)
{
	for (bool again = false;;) {
		struct target *target = target_of(call);
		int pidfd = target ? target_pidfd(target) : -ESRCH;
		int copy = pidfd < 0 ? pidfd : (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
		if (copy >= 0)
			return copy;
		int error = pidfd < 0 ? pidfd : -errno;
		if (error != -ESRCH || !target_is_new(call, &again))
			return error;
	}
}

int copy_in(const struct call *call, uint64_t address, void *to, size_t size)
{
	struct iovec local = {to, size}, remote = {(void *)(uintptr_t)address, size};
	if (size == 0)
		return 0;
	return process_vm_readv((pid_t)call->slot->notif.pid, &local, 1, &remote, 1, 0) == (ssize_t)size ? 0 : -EFAULT;
}

/* A page at a time: what follows the string may not be there. */
int copy_string(const struct call *call, uint64_t address, char *to, size_t size)
{
	size_t length = 0;
	while (length < size) {
		size_t part = 4096 - (address + length) % 4096;
		if (length == 0 && part > 256)
			part = 256; /* most strings are short */
		if (part > size - length)
			part = size - length;
		if (copy_in(call, address + length, to + length, part) < 0)
			return -EFAULT;
		const char *end = memchr(to + length, '\0', part);
		if (end)
			return (int)(end - to);
		length += part;
	}
	return -ENAMETOOLONG;
}

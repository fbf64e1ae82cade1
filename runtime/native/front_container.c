/* What the verbs share: finding a container, and its processes. */
#include "front.h"

#include "cgroup_dir.h"
#include "report.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/poll.h>
#include <linux/signal.h>
#include <linux/stat.h>
#include <linux/time_types.h>

int fail(const char *line)
{
	report_error(line);
	return 1;
}

int fail_errno(const char *what, int error)
{
	char buffer[PATH_MAX + 256];
	struct text line = text_in(buffer, sizeof(buffer));
	text_add(&line, what);
	text_add(&line, ": ");
	text_add(&line, errno_text(error));
	return fail(buffer);
}

static int fail_path(const struct front *front, int error)
{
	char buffer[PATH_MAX + 64];
	struct text line = text_in(buffer, sizeof(buffer));
	text_add(&line, "open ");
	text_add(&line, front->root);
	text_add(&line, "/");
	text_add(&line, front->id);
	return fail_errno(buffer, error);
}

int fail_find(const struct front *front, int error)
{
	if (!*front->id)
		return fail("container id cannot be empty");
	if (!id_is_valid(front->id))
		return fail("invalid container ID format");
	if (error == -ENOENT || error == -ENODATA)
		return fail("container does not exist");
	return fail_path(front, error);
}

/* Everybody who deletes takes this lock; ten seconds is what a delete may wait for a process to end. */
static int lock_directory(int dir_fd)
{
	for (int tries = 0; tries < 500; tries++) {
		long error = SYS(flock, dir_fd, LOCK_EX | LOCK_NB);
		if (error != -EWOULDBLOCK)
			return (int)error;
		struct __kernel_timespec pause = {.tv_nsec = 20000000};
		(void)SYS(nanosleep, &pause, NULL);
	}
	return -EBUSY;
}

/* After waiting for the lock, ours may be the descriptor of a directory that was removed, its name taken by a new container. */
static bool is_removed(int dir_fd)
{
	struct statx facts;
	return SYS(statx, dir_fd, "", AT_EMPTY_PATH, STATX_NLINK, &facts) == 0 && facts.stx_nlink == 0;
}

int container_find(const struct front *front, struct container_state *state, int *dir_fd, bool lock)
{
	*dir_fd = state_open_dir(front->root, front->id);
	int error = *dir_fd < 0 ? *dir_fd : lock ? lock_directory(*dir_fd) : 0;
	if (error)
		return error;
	error = state_read(*dir_fd, state);
	if (error == -ENOENT)
		return is_removed(*dir_fd) ? -ENOENT : -ENODATA;
	return error;
}

int container_open(const struct front *front, struct container_state *state, int *dir_fd)
{
	int error = container_find(front, state, dir_fd, false);
	if (error == -EBADMSG)
		return HAND_OVER;
	return error ? fail_find(front, error) : 0;
}

bool container_needs_python(const struct front *front, const struct container_state *state)
{
	char path[PATH_MAX];
	return !front->planned && (state->needs_python || !raw_path(state->cgroup_mount, path, sizeof(path)) ||
				   !raw_path(state->cgroup_path, path, sizeof(path)));
}

int container_pidfd(const struct container_state *state)
{
	/* opened first, compared afterwards: the pid cannot change hands between the two */
	int pidfd = (int)SYS(pidfd_open, state->pid, 0);
	if (pidfd < 0)
		return pidfd;
	uint64_t start_time = process_start_time(state->pid);
	if (start_time != 0 && start_time == state->start_time)
		return pidfd;
	(void)SYS(close, pidfd);
	return -ESRCH;
}

int container_signal_cgroup(const struct container_state *state, int signal)
{
	char mount[PATH_MAX], path[PATH_MAX];
	if (state->cgroup_path.size == 0)
		return 0;
	if (!raw_path(state->cgroup_mount, mount, sizeof(mount)) || !raw_path(state->cgroup_path, path, sizeof(path)))
		return -EINVAL;
	SCOPED_FD(cgroup_fd) = cgroup_open(mount, path);
	if (cgroup_fd < 0)
		return cgroup_fd;
	int done = signal == SIGKILL ? cgroup_kill(cgroup_fd) : cgroup_signal(cgroup_fd, signal);
	return done < 0 ? done : 0;
}

int wait_for_end(int pidfd, int timeout_ms)
{
	struct pollfd end = {.fd = pidfd, .events = POLLIN};
	struct __kernel_timespec left = {timeout_ms / 1000, timeout_ms % 1000 * 1000000LL};
	for (;;) {
		long ready = SYS(ppoll, &end, 1, &left, NULL, 0); /* the kernel leaves the rest of the time in `left` */
		if (ready > 0)
			return 0;
		if (ready != -EINTR)
			return ready == 0 ? -ETIMEDOUT : (int)ready;
	}
}

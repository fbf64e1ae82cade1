/* Ending what runs in a cgroup, and removing it with everything below. Works for any depth with a constant stack: whoever owns
 * a delegated cgroup may have nested thousands of directories. */
#include "cgroup_dir.h"

#include "cgroup_walk.h"
#include "small_file.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/signal.h>
#include <linux/time_types.h>

/* rmdir every directory below dir_fd, deepest first; stops at the first busy one. */
static int remove_below(int dir_fd)
{
	SCOPED_WALK(walk) = walk_begin(dir_fd);
	for (;;) {
		int step = walk_step(&walk);
		if (step == WALK_DONE || step < 0)
			return step;
		if (step == WALK_ENTERED || !walk.name[0])
			continue;
		long done = SYS(unlinkat, walk.fd, walk.name, AT_REMOVEDIR);
		if (done < 0 && done != -ENOENT)
			return (int)done;
	}
}

static void pause_ms(int milliseconds)
{
	struct __kernel_timespec wait = {.tv_nsec = milliseconds * 1000000LL};
	(void)SYS(nanosleep, &wait, NULL);
}

static bool is_busy(long error)
{
	return error == -EBUSY || error == -ENOTEMPTY;
}

int cgroup_remove(const char *mount, const char *path, int timeout_ms)
{
	char relative[PATH_MAX];
	if (!cgroup_relative(path, relative, sizeof(relative)) || !*relative)
		return -EINVAL;
	SCOPED_FD(mount_fd) = (int)SYS(openat, AT_FDCWD, mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mount_fd < 0)
		return mount_fd == -ENOENT ? 0 : mount_fd;
	for (int wait_ms = 1, waited_ms = 0;; waited_ms += wait_ms, wait_ms = wait_ms < 16 ? wait_ms * 2 : 16) {
		/* by descriptor, so that no component of the path can be a symlink */
		SCOPED_FD(parent_fd) = cgroup_open_parent(mount_fd, relative);
		if (parent_fd < 0)
			return parent_fd == -ENOENT ? 0 : parent_fd;
		const char *name = cgroup_last_name(relative);
		long done = SYS(unlinkat, parent_fd, name, AT_REMOVEDIR);
		if (is_busy(done)) {
			SCOPED_FD(dir_fd) = cgroup_open_below(parent_fd, name);
			done = dir_fd < 0 ? dir_fd : remove_below(dir_fd);
			if (done == 0 || done == -ENOENT)
				done = SYS(unlinkat, parent_fd, name, AT_REMOVEDIR);
		}
		if (done == 0 || done == -ENOENT)
			return 0;
		if (!is_busy(done) || waited_ms >= timeout_ms)
			return (int)done;
		pause_ms(wait_ms);
	}
}

/* Signal the processes listed in `size` bytes; *pid carries a number that the end of the bytes cut. */
static int signal_listed(const char *list, long size, int signal, uint64_t *pid)
{
	int signalled = 0;
	for (long i = 0; i < size; i++) {
		if (list[i] != '\n') {
			*pid = *pid * 10 + (uint64_t)(list[i] - '0');
			continue;
		}
		/* 0: a process that our pid namespace does not see */
		if (*pid > 0 && SYS(kill, *pid, signal) == 0)
			signalled++;
		*pid = 0;
	}
	return signalled;
}

/* Signal what one directory's cgroup.procs lists. Number of processes, or -errno. */
static int signal_directory(int dir_fd, int signal)
{
	char buffer[4096];
	uint64_t pid = 0;
	SCOPED_FD(fd) = (int)SYS(openat, dir_fd, "cgroup.procs", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fd == -ENOENT || fd == -ENODEV ? 0 : fd;
	for (int signalled = 0;;) {
		long size = SYS(read, fd, buffer, sizeof(buffer));
		if (size == -EINTR)
			continue;
		/* a threaded cgroup lists no processes: they belong to the domain above it; a removed one has none */
		if (size == -EOPNOTSUPP || size == -ENODEV || size == 0)
			return signalled;
		if (size < 0)
			return (int)size;
		signalled += signal_listed(buffer, size, signal, &pid);
	}
}

static int signal_tree(int cgroup_fd, int signal)
{
	int total = signal_directory(cgroup_fd, signal);
	SCOPED_WALK(walk) = walk_begin(cgroup_fd);
	for (int step = total; step >= 0;) {
		step = walk_step(&walk);
		if (step == WALK_DONE)
			return total;
		if (step == WALK_ENTERED) {
			step = signal_directory(walk.fd, signal);
			total += step > 0 ? step : 0;
		}
		if (step < 0)
			return step;
	}
	return total;
}

int cgroup_signal(int cgroup_fd, int signal)
{
	/* frozen meanwhile: what is forked while the list is read would be missed, and a freed pid could be somebody else's */
	bool was_frozen = cgroup_is_frozen(cgroup_fd) == 1;
	bool froze = !was_frozen && write_small_file(cgroup_fd, "cgroup.freeze", "1", 1) == 0;
	int signalled = signal_tree(cgroup_fd, signal);
	if (froze) {
		int thawed = write_small_file(cgroup_fd, "cgroup.freeze", "0", 1);
		if (thawed < 0 && thawed != -ENOENT && thawed != -ENODEV)
			return thawed;
	}
	return signalled;
}

int cgroup_kill(int cgroup_fd)
{
	int done = write_small_file(cgroup_fd, "cgroup.kill", "1", 1);
	if (done == -ENOENT || done == -EOPNOTSUPP) { /* Linux < 5.14, or a threaded cgroup */
		/* twice: the first round may race with forks of processes that it did not know yet */
		done = cgroup_signal(cgroup_fd, SIGKILL);
		if (done >= 0)
			done = cgroup_signal(cgroup_fd, SIGKILL);
	}
	(void)write_small_file(cgroup_fd, "cgroup.freeze", "0", 1); /* the root and removed groups have none; SIGKILL needs no thaw */
	return done < 0 && done != -ENODEV ? done : 0;
}

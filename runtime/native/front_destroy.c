/* Undoing what create made: processes, cgroup, state directory; and the poststop hooks. */
#include "front.h"

#include "cgroup_dir.h"
#include "executor.h"
#include "lease.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/signal.h>

#define END_TIMEOUT_MS 10000
#define HOOKS_FILE "hooks.plan"
#define DEEPEST 8 /* a state directory is flat, but for notify/ */

int container_kill(const struct container_state *state, int pidfd, bool everything)
{
	if (pidfd >= 0) {
		long error = SYS(pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		if (error && error != -ESRCH)
			return (int)error;
	}
	if (everything) {
		int error = container_signal_cgroup(state, SIGKILL);
		if (error && error != -ENOENT && !state->rootless)
			return error;
	}
	return pidfd < 0 ? 0 : wait_for_end(pidfd, END_TIMEOUT_MS);
}

struct entry {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

static int remove_tree(int dir_fd, const char *keep, int depth);

static int remove_entry(int dir_fd, const char *name, int depth)
{
	long error = SYS(unlinkat, dir_fd, name, 0);
	if (error != -EISDIR && error != -EPERM)
		return error == -ENOENT ? 0 : (int)error;
	SCOPED_FD(below_fd) = (int)SYS(openat, dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below_fd < 0)
		return below_fd == -ENOENT ? 0 : below_fd;
	error = depth > 0 ? remove_tree(below_fd, NULL, depth - 1) : -ENAMETOOLONG;
	if (error)
		return (int)error;
	error = SYS(unlinkat, dir_fd, name, AT_REMOVEDIR);
	return error == -ENOENT ? 0 : (int)error;
}

/* Everything in a directory but the entry `keep` (may be NULL). */
static int remove_tree(int dir_fd, const char *keep, int depth)
{
	uint64_t buffer[256];
	long size = SYS(lseek, dir_fd, 0, 0 /* SEEK_SET */);
	while (size >= 0) {
		size = SYS(getdents64, dir_fd, buffer, sizeof(buffer));
		if (size <= 0)
			break;
		for (long at = 0; at < size;) {
			const struct entry *entry = (const struct entry *)(const void *)((const char *)buffer + at);
			at += entry->length;
			if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0 || (keep && strcmp(entry->name, keep) == 0))
				continue;
			int error = remove_entry(dir_fd, entry->name, depth);
			if (error)
				return error;
		}
	}
	return size == -ENOENT ? 0 : (int)size; /* the directory itself is gone: somebody else removes it, too */
}

int container_give_back(const struct front *front)
{
	SCOPED_FD(root) = (int)SYS(openat, AT_FDCWD, front->root, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (root < 0)
		return root == -ENOENT ? 0 : root;
	return lease_remove(root, front->id);
}

static int remove_directory(const struct front *front)
{
	char path[PATH_MAX];
	struct text text = text_in(path, sizeof(path));
	text_add(&text, front->root);
	text_add(&text, "/");
	text_add(&text, front->id);
	long error = SYS(unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
	return error && error != -ENOENT ? (int)error : container_give_back(front);
}

int container_clear(const struct front *front, int dir_fd)
{
	int error = remove_tree(dir_fd, NULL, DEEPEST);
	return error ? error : remove_directory(front);
}

static int remove_cgroup(const struct container_state *state)
{
	char mount[PATH_MAX], path[PATH_MAX];
	if (state->cgroup_path.size == 0)
		return 0;
	if (!raw_path(state->cgroup_mount, mount, sizeof(mount)) || !raw_path(state->cgroup_path, path, sizeof(path)))
		return -EINVAL;
	return cgroup_remove(mount, path, END_TIMEOUT_MS);
}

int container_destroy(const struct front *front, const struct container_state *state, int dir_fd)
{
	int error = remove_cgroup(state);
	if (error)
		return fail_errno("unable to remove container's cgroup", error);
	/* a hook must not find the container any more, but what it is to run lies here until it has run */
	error = remove_tree(dir_fd, state->hooks ? HOOKS_FILE : NULL, DEEPEST);
	int hooks = 0;
	if (!error && state->hooks) {
		hooks = run_saved_hooks(dir_fd, STAGE_STOP, 0, "stopped", front->envp);
		if (hooks == -ENOENT)
			hooks = 0;
		error = (int)SYS(unlinkat, dir_fd, HOOKS_FILE, 0);
		error = error == -ENOENT ? 0 : error;
	}
	if (!error)
		error = remove_directory(front);
	if (error)
		return fail_errno("unable to remove container state dir", error);
	return hooks ? 1 : 0;
}

/* Names into objects and objects into names. An object is looked up as the caller, then asked for its name: the policy is about where it
 * is, not about how it was called. */
#define _GNU_SOURCE
#include "broker_files.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

static int open_path(int base, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC | flags, .resolve = resolve | RESOLVE_NO_MAGICLINKS};
	for (int i = 0;; i++) {
		int fd = (int)syscall(SYS_openat2, base, path, &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN || resolve & RESOLVE_CACHED || i == RETRIES)
			return fd < 0 ? -errno : fd;
	}
}

int look_up(struct call *call, struct lookup *lookup, uint64_t flags)
{
	int base = lookup->base, owned = -1;
	int root = lookup->own_root = enter_root(call);
	if (root < 0)
		return root;
	if (base < 0)
		base = AT_FDCWD;
	lookup->inside = false;
	bool relative = lookup->path[0] != '/' || lookup->resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT);
	if (relative && lookup->base < 0 && lookup->dir == AT_FDCWD) {
		int error = enter_cwd(call);
		if (error < 0)
			return error;
	} else if (relative && lookup->base < 0) {
		base = owned = target_fd(call, lookup->dir);
		if (owned < 0)
			return owned;
	}
	int fd = open_path(base, lookup->path, flags, lookup->resolve);
	/* a way that began at the root of all mounts and followed no magic link does not leave them; the mount that it ends on may be
	 * taken away meanwhile, by whoever removes the directory below it in another mount namespace */
	lookup->inside = !relative && root == 1 && roots_are_fixed(call);
	if (owned >= 0)
		(void)close(owned);
	return fd;
}

static bool is_procfs(int fd)
{
	struct statfs status;
	return fstatfs(fd, &status) < 0 || status.f_type == PROC_SUPER_MAGIC;
}

/* The numbers of mounts are never used again, so what one is stays true. */
static bool is_in_procfs(struct worker *worker, const struct object *object)
{
	uint64_t *place = &worker->mounts[object->seen.stx_mnt_id % MOUNTS];
	bool unique = object->seen.stx_mask & STATX_MNT_ID_UNIQUE;
	if (unique && *place == object->seen.stx_mnt_id)
		return false;
	bool procfs = is_procfs(object->fd);
	if (unique && !procfs)
		*place = object->seen.stx_mnt_id;
	return procfs;
}

static void decimal(char text[12], int number)
{
	char *at = text + 11;
	*at = '\0';
	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	memmove(text, at, (size_t)(text + 12 - at));
}

int reopen(const struct call *call, int fd, uint64_t flags)
{
	char name[12];
	decimal(name, fd);
	int opened = openat(call->broker->proc_fd_dir, name, (int)flags | O_CLOEXEC | O_NOCTTY);
	return opened < 0 ? -errno : opened;
}

/* Whether a name says by itself that it is whole. On the root's own mount alone, which nobody can take away: a name on a mount that is gone
 * begins there. The kernel marks what was removed, and calls "/" what a rename has taken out of the part of a file system that is mounted.
 */
static bool is_whole(const struct container *container, const struct object *object, const char *name, size_t size)
{
	static const char removed[] = " (deleted)";
	size_t mark = sizeof(removed) - 1;
	if (object->seen.stx_mnt_id != container->root_mount)
		return false;
	if (size == 1)
		return object->seen.stx_ino == container->root_inode;
	return size < mark || memcmp(name + size - mark, removed, mark) != 0;
}

/* The kernel's own name of an object, seen from the container's root. An object outside gets a name too, from a root that is not ours:
 * so the name must lead back to the same object on the same mount, unless the way to the object cannot have left the root. */
int name_object(struct call *call, const struct lookup *lookup, struct object *object)
{
	char number[12], *canonical = call->worker->canonical;
	unsigned mask = STATX_TYPE | STATX_MODE | STATX_INO | STATX_NLINK | STATX_MNT_ID_UNIQUE;
	struct statx again;
	if (call->container->root < 0)
		return -EACCES;
	if (statx(object->fd, "", AT_EMPTY_PATH, mask, &object->seen) < 0)
		return -errno;
	int error = lookup->own_root ? 0 : enter_container_root(call);
	if (error < 0)
		return error;
	object->in_procfs = is_in_procfs(call->worker, object);
	decimal(number, object->fd);
	ssize_t size = readlinkat(call->broker->proc_fd_dir, number, canonical, PATH_SIZE);
	if (size < 0)
		return -errno;
	if (size >= (ssize_t)PATH_SIZE - 1)
		return -ENAMETOOLONG;
	canonical[size] = '\0';
	if (canonical[0] != '/')
		return -EACCES;
	if (lookup->inside && is_whole(call->container, object, canonical, (size_t)size))
		return 0;
	if (statx(AT_FDCWD, canonical, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_INO | STATX_MNT_ID_UNIQUE, &again) < 0)
		return errno == EACCES ? -EACCES : object->seen.stx_nlink == 0 ? -ENOENT : DISTURBED;
	bool same = again.stx_ino == object->seen.stx_ino && again.stx_mnt_id == object->seen.stx_mnt_id;
	same = same && again.stx_dev_major == object->seen.stx_dev_major && again.stx_dev_minor == object->seen.stx_dev_minor;
	return same ? 0 : object->seen.stx_nlink == 0 ? -ENOENT : DISTURBED;
}

bool is_granted(const struct call *call)
{
	return call->granted && strlen(call->text) < ASKED_MAX && strcmp(call->text, call->asked) == 0;
}

bool may_access(struct call *call, const char *path, unsigned access, struct verdict *denied)
{
	static const char *const words[] = {"look at", "read", "write", "read and write"};
	uint32_t mode = call->table->header->mode;
	bool good = true;
	if (table_hides(call->table, path, &call->rule)) {
		*denied = (struct verdict){.outcome = OUTCOME_ERROR, .value = ENOENT, .denied = true};
		good = false;
	}
	if (good && access & ACCESS_READ && !table_covers(call->table, SECTION_READ, path, &call->rule))
		good = false;
	if (good && access & ACCESS_WRITE && !table_covers(call->table, SECTION_WRITE, path, &call->rule))
		good = false;
	if (good && mode != MODE_ASK && call->table->header->audit < AUDIT_DECISIONS)
		return true; /* nobody reads the text */
	(void)snprintf(call->text, sizeof(call->text), "%s %.740s", words[access & 3], path);
	return good || is_granted(call);
}

bool split_path(const char *path, char parent[PATH_SIZE], const char **name)
{
	const char *slash = strrchr(path, '/');
	*name = slash ? slash + 1 : path;
	if (!**name || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0)
		return false;
	size_t size = (size_t)(*name - path);
	memcpy(parent, path, size);
	parent[size] = '\0';
	if (size == 0)
		memcpy(parent, ".", 2);
	return true;
}

bool append_name(struct call *call, const char *name)
{
	char *canonical = call->worker->canonical;
	size_t size = strlen(canonical), more = strlen(name);
	if (size + more + 2 > PATH_SIZE)
		return false;
	if (size > 1)
		canonical[size++] = '/';
	memcpy(canonical + size, name, more + 1);
	return true;
}

/* Mode audit, calls that change files without opening them: what read-only mounts would have answered in mode enforce. Nothing is decided,
 * so it does not matter that the caller's memory can change. */
#define _GNU_SOURCE
#include "broker_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef __NR_fchmodat2
#define __NR_fchmodat2 452
#endif
#ifndef __NR_setxattrat
#define __NR_setxattrat 463
#define __NR_removexattrat 466
#endif
#ifndef __NR_file_setattr
#define __NR_file_setattr 469
#endif

/* What has to be on a writable mount. */
enum what {
	ENTRY,  /* the directory, whether or not the name is in it */
	MADE,   /* the directory; a name that is there fails otherwise */
	MOVED,  /* the directory, which has to be on the mount of the other one */
	LINKED, /* what gets another name: it has to be on the mount of the new one */
	OBJECT, /* what the path leads to */
	LINK,   /* the same, of a symlink the link itself */
	OPEN,   /* what a descriptor is of */
};
/* Positions of arguments plus one, 0: it has none. A call with two paths has two rows. */
struct change {
	int nr;
	uint8_t what, dir, path, flags;
};

static const struct change changes[] = {
#ifdef __NR_open
	{__NR_mkdir, MADE, .path = 1},
	{__NR_rmdir, ENTRY, .path = 1},
	{__NR_unlink, ENTRY, .path = 1},
	{__NR_rename, MOVED, .path = 1},
	{__NR_rename, MOVED, .path = 2},
	{__NR_link, MADE, .path = 2},
	{__NR_link, LINKED, .path = 1},
	{__NR_symlink, MADE, .path = 2},
	{__NR_mknod, MADE, .path = 1},
	{__NR_chmod, OBJECT, .path = 1},
	{__NR_chown, OBJECT, .path = 1},
	{__NR_lchown, LINK, .path = 1},
	{__NR_utime, OBJECT, .path = 1},
	{__NR_utimes, OBJECT, .path = 1},
	{__NR_futimesat, OBJECT, .dir = 1, .path = 2},
#endif
#ifdef __NR_renameat
	{__NR_renameat, MOVED, .dir = 1, .path = 2},
	{__NR_renameat, MOVED, .dir = 3, .path = 4},
#endif
	{__NR_mkdirat, MADE, .dir = 1, .path = 2},
	{__NR_unlinkat, ENTRY, .dir = 1, .path = 2},
	{__NR_renameat2, MOVED, .dir = 1, .path = 2},
	{__NR_renameat2, MOVED, .dir = 3, .path = 4},
	{__NR_linkat, MADE, .dir = 3, .path = 4},
	{__NR_linkat, LINKED, .dir = 1, .path = 2},
	{__NR_symlinkat, MADE, .dir = 2, .path = 3},
	{__NR_mknodat, MADE, .dir = 1, .path = 2},
	{__NR_truncate, OBJECT, .path = 1},
	{__NR_fchmod, OPEN, .dir = 1},
	{__NR_fchmodat, OBJECT, .dir = 1, .path = 2},
	{__NR_fchmodat2, OBJECT, .dir = 1, .path = 2, .flags = 4},
	{__NR_fchown, OPEN, .dir = 1},
	{__NR_fchownat, OBJECT, .dir = 1, .path = 2, .flags = 5},
	{__NR_utimensat, OBJECT, .dir = 1, .path = 2, .flags = 4},
	{__NR_setxattr, OBJECT, .path = 1},
	{__NR_lsetxattr, LINK, .path = 1},
	{__NR_fsetxattr, OPEN, .dir = 1},
	{__NR_setxattrat, OBJECT, .dir = 1, .path = 2, .flags = 3},
	{__NR_removexattr, OBJECT, .path = 1},
	{__NR_lremovexattr, LINK, .path = 1},
	{__NR_fremovexattr, OPEN, .dir = 1},
	{__NR_removexattrat, OBJECT, .dir = 1, .path = 2, .flags = 3},
	{__NR_file_setattr, OBJECT, .dir = 1, .path = 2, .flags = 5},
};

/* The path's last component, without the slashes after it, which a directory may have. */
static bool split(const char *path, char parent[PATH_SIZE], const char **name)
{
	static _Thread_local char shorter[PATH_SIZE];
	size_t size = strlen(path);
	memcpy(shorter, path, size + 1);
	while (size > 1 && shorter[size - 1] == '/')
		shorter[--size] = '\0';
	return split_path(shorter, parent, name);
}

/* worker->canonical gets the name of `fd`, which is closed. */
static bool name_it(struct call *call, const struct lookup *lookup, int fd)
{
	struct object object = {.fd = fd};
	int error = fd < 0 ? fd : name_object(call, lookup, &object);
	if (fd >= 0)
		(void)close(fd);
	return error == 0;
}

/* An entry's directory is what is judged, its own name what is told. */
static bool is_denied_entry(struct call *call, const struct change *change, struct lookup *lookup)
{
	char parent[PATH_SIZE];
	const char *name, *whole = lookup->path;
	if (change->what == MADE) {
		int fd = look_up(call, lookup, O_NOFOLLOW);
		if (fd >= 0) {
			(void)close(fd);
			return false;
		}
	}
	if (!split(whole, parent, &name))
		return false;
	lookup->path = parent;
	if (!name_it(call, lookup, look_up(call, lookup, O_DIRECTORY)))
		return false;
	return !table_covers(call->table, SECTION_WRITE, call->worker->canonical, &call->rule) && append_name(call, name);
}

static bool is_denied_object(struct call *call, const struct change *change, struct lookup *lookup, uint64_t flags)
{
	bool itself = change->what == OPEN || (!lookup->path[0] && (change->path == 0 || flags & AT_EMPTY_PATH));
	bool follows = change->what == OBJECT && !(flags & AT_SYMLINK_NOFOLLOW);
	int fd = -ENOENT;
	if (itself) {
		int root = lookup->own_root = enter_root(call);
		fd = root < 0 ? root : target_fd(call, lookup->dir);
	} else if (lookup->path[0]) {
		fd = look_up(call, lookup, follows ? 0 : O_NOFOLLOW);
	}
	return name_it(call, lookup, fd) && !table_covers(call->table, SECTION_WRITE, call->worker->canonical, &call->rule);
}

static bool is_denied(struct call *call, const struct change *change)
{
	const uint64_t *args = (const uint64_t *)(const void *)call->slot->notif.data.args;
	struct lookup lookup = {.path = call->worker->path, .base = -1, .dir = change->dir ? (int)args[change->dir - 1] : AT_FDCWD};
	uint64_t flags = change->flags ? args[change->flags - 1] : 0;
	call->worker->path[0] = '\0';
	if (change->path && args[change->path - 1]) {
		if (copy_string(call, args[change->path - 1], call->worker->path, PATH_SIZE) < 0)
			return false;
	} else if (change->path) {
		flags |= AT_EMPTY_PATH; /* the times of a descriptor */
	}
	if (change->what <= MOVED)
		return is_denied_entry(call, change, &lookup);
	return is_denied_object(call, change, &lookup, flags);
}

int judge_change(struct call *call)
{
	int first = 0, denied = 0;
	bool moves = false;
	if (assume(call, false) < 0)
		return 0;
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		const struct change *change = &changes[i];
		if (change->nr != call->slot->notif.data.nr || !is_denied(call, change))
			continue;
		denied++;
		moves = change->what == MOVED;
		if (first)
			continue;
		first = change->what == LINKED ? EXDEV : EROFS;
		(void)snprintf(call->text, sizeof(call->text), "%.760s", call->worker->canonical);
	}
	if (denied) /* by the lack of a rule, though one may cover the other side */
		call->rule = call->entry.rule;
	if (!denied && call->table->header->audit >= AUDIT_DECISIONS)
		describe_recorded(call); /* somebody wants to know of it all the same */
	/* one side lies where nothing can be written, the other one on a mount of its own */
	return moves && denied == 1 ? EXDEV : first;
}

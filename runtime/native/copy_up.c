/* tmpcopyup: what an image has below a directory is copied into the fresh tmpfs that covers it. */
#include "executor_int.h"

#include <linux/stat.h>
#include <asm/stat.h>

#define MAX_DEPTH 64

struct entry { /* struct linux_dirent64 */
	uint64_t inode;
	int64_t next;
	uint16_t size;
	uint8_t type;
	char name[];
};

static int copy_data(int from, int to, int64_t size)
{
	while (size > 0) {
		long done = SYS(sendfile, to, from, 0, size);
		if (done == -EINTR)
			continue;
		if (done <= 0)
			return (int)done; /* 0: the file became shorter */
		size -= done;
	}
	return 0;
}

static int copy_file(int from_dir, int to_dir, const char *name, const struct stat *file)
{
	SCOPED_FD(from) = (int)SYS(openat, from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
	if (from < 0)
		return from;
	SCOPED_FD(to) = (int)SYS(openat, to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, file->st_mode & 07777);
	return to < 0 ? to : copy_data(from, to, file->st_size);
}

static int copy_link(int from_dir, int to_dir, const char *name)
{
	char target[PATH_BUFFER] UNINITIALIZED;
	long size = SYS(readlinkat, from_dir, name, target, sizeof(target) - 1);
	if (size < 0)
		return (int)size;
	target[size] = 0;
	return (int)SYS(symlinkat, target, to_dir, name);
}

static int copy_directory(int from, int to, int depth);

static int copy_entry(int from, int to, const char *name, int depth)
{
	struct stat file;
	long ret = SYS(newfstatat, from, name, &file, AT_SYMLINK_NOFOLLOW);
	uint32_t type = file.st_mode & S_IFMT;
	if (ret < 0)
		return (int)ret;
	if (type == S_IFDIR) {
		ret = SYS(mkdirat, to, name, file.st_mode & 07777);
		SCOPED_FD(below) = ret < 0 ? -1 : (int)SYS(openat, from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
		SCOPED_FD(made) = ret < 0 ? -1 : (int)SYS(openat, to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
		if (ret >= 0)
			ret = below < 0 ? below : made < 0 ? made : copy_directory(below, made, depth + 1);
	} else if (type == S_IFREG) {
		ret = copy_file(from, to, name, &file);
	} else if (type == S_IFLNK) {
		ret = copy_link(from, to, name);
	} else {
		ret = SYS(mknodat, to, name, file.st_mode, file.st_rdev);
	}
	if (ret >= 0) /* before the mode: chown clears set-id bits */
		ret = SYS(fchownat, to, name, file.st_uid, file.st_gid, AT_SYMLINK_NOFOLLOW);
	if (ret >= 0 && type != S_IFLNK)
		ret = SYS(fchmodat, to, name, file.st_mode & 07777);
	return (int)ret;
}

static int copy_directory(int from, int to, int depth)
{
	char entries[2048] __attribute__((aligned(8))) UNINITIALIZED;
	if (depth > MAX_DEPTH)
		return -ELOOP;
	for (;;) {
		long size = SYS(getdents64, from, entries, sizeof(entries));
		if (size <= 0)
			return (int)size;
		for (long at = 0; at < size;) {
			const struct entry *entry = (const struct entry *)(const void *)(entries + at);
			at += entry->size;
			if (!strcmp(entry->name, ".") || !strcmp(entry->name, ".."))
				continue;
			int ret = copy_entry(from, to, entry->name, depth);
			if (ret < 0)
				return ret;
		}
	}
}

int copy_up(int from, int to)
{
	SCOPED_FD(readable) = (int)SYS(openat, from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	return readable < 0 ? readable : copy_directory(readable, to, 0);
}

/* Paths below a root descriptor.  The container's image (or a process beside it) may have put symlinks anywhere: nothing here is
 * resolved by text against the host, every step is openat2 with RESOLVE_IN_ROOT, and what is missing is made one component at a time
 * (CVE-2021-30465, CVE-2024-45310). */
#include "executor_int.h"

#include <linux/stat.h>
#include <asm/stat.h>

#define MAX_LINKS 40

int in_root_open(int root, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {
		.flags = flags ? flags : O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve,
	};
	long fd;
	do /* EAGAIN: a rename raced with ".." */
		fd = SYS(openat2, root, path, &how, sizeof(how));
	while (fd == -EAGAIN || fd == -EINTR);
	return (int)fd;
}

int in_root_plain(const char *path, uint32_t flags)
{
	int fd = in_root_open(AT_FDCWD, path, 0, RESOLVE_NO_SYMLINKS);
	return flags & OPF_OPTIONAL && (fd == -ENOTDIR || fd == -ELOOP) ? -ENOENT : fd;
}

/* A path while it is walked: `done` is canonical (no symlink, no dots), `left` is still to do. */
struct walk {
	char done[PATH_BUFFER], left[PATH_BUFFER];
	size_t done_size;
	int links;
};

static int take_path(struct walk *walk, const char *path)
{
	size_t size = strlen(path);
	if (size >= PATH_BUFFER)
		return -ENAMETOOLONG;
	memcpy(walk->left, path, size + 1);
	walk->done[0] = 0;
	walk->done_size = 0;
	walk->links = 0;
	return 0;
}

static size_t leading_slashes(const char *path)
{
	size_t size = 0;
	while (path[size] == '/')
		size++;
	return size;
}

/* Cut the next component off `left` into name; false at the end. */
static bool next_component(struct walk *walk, char name[256], int *error)
{
	size_t at = leading_slashes(walk->left), size = 0;
	while (walk->left[at + size] && walk->left[at + size] != '/')
		size++;
	if (size == 0)
		return false;
	if (size > 255) {
		*error = -ENAMETOOLONG;
		return false;
	}
	memcpy(name, walk->left + at, size);
	name[size] = 0;
	memmove(walk->left, walk->left + at + size, strlen(walk->left + at + size) + 1);
	return true;
}

static void drop_component(struct walk *walk)
{
	while (walk->done_size > 0 && walk->done[--walk->done_size] != '/')
		;
	walk->done[walk->done_size] = 0;
}

static int add_component(struct walk *walk, const char *name)
{
	size_t size = strlen(name), at = walk->done_size;
	if (at + size + 2 > PATH_BUFFER)
		return -ENAMETOOLONG;
	if (at)
		walk->done[at++] = '/';
	memcpy(walk->done + at, name, size + 1);
	walk->done_size = at + size;
	return 0;
}

/* Put a symlink's target in front of what is left to do. */
static int follow_link(struct walk *walk, int link)
{
	char target[PATH_BUFFER] UNINITIALIZED;
	long size = SYS(readlinkat, link, "", target, sizeof(target) - 1);
	if (size < 0)
		return (int)size;
	target[size] = 0;
	size_t rest = strlen(walk->left);
	if (++walk->links > MAX_LINKS)
		return -ELOOP;
	if ((size_t)size + 1 + rest >= PATH_BUFFER)
		return -ENAMETOOLONG;
	memmove(walk->left + size + 1, walk->left, rest + 1);
	walk->left[size] = '/';
	memcpy(walk->left, target, (size_t)size);
	if (target[0] == '/') {
		walk->done[0] = 0;
		walk->done_size = 0;
	}
	return 0;
}

static int open_done(const struct walk *walk, int root)
{
	return in_root_open(root, walk->done_size ? walk->done : ".", 0, RESOLVE_NO_SYMLINKS);
}

/* Make the last component of `done`: a directory, or (at the end of a file target) an empty file. */
static int make_entry(struct walk *walk, int root, const char *name, uint32_t mode, bool file)
{
	drop_component(walk);
	SCOPED_FD(parent) = open_done(walk, root);
	if (parent < 0)
		return parent;
	long ret = file ? SYS(mknodat, parent, name, S_IFREG | 0644, 0) : SYS(mkdirat, parent, name, mode);
	return ret < 0 && ret != -EEXIST ? (int)ret : add_component(walk, name);
}

/* One component: followed when it is a symlink, made when it is missing. */
static int step(struct walk *walk, int root, const char *name, uint32_t mode, bool file)
{
	int ret = add_component(walk, name);
	if (ret < 0)
		return ret;
	SCOPED_FD(fd) = in_root_open(root, walk->done, O_PATH | O_CLOEXEC | O_NOFOLLOW, 0);
	if (fd == -ENOENT)
		return make_entry(walk, root, name, mode, file);
	if (fd < 0)
		return fd;
	struct stat found;
	ret = (int)SYS(fstat, fd, &found);
	if (ret < 0 || (found.st_mode & S_IFMT) != S_IFLNK)
		return ret;
	drop_component(walk);
	return follow_link(walk, fd);
}

/* Walk the whole path and make what is missing: directories of this mode, at the end of a file's path an empty file. O_PATH descriptor
 * of the end. */
static int make_path(int root, const char *path, uint32_t mode, bool file)
{
	struct walk walk UNINITIALIZED;
	char name[256];
	int ret = take_path(&walk, path);
	while (ret >= 0 && next_component(&walk, name, &ret)) {
		bool last = walk.left[leading_slashes(walk.left)] == 0;
		if (!strcmp(name, ".."))
			drop_component(&walk);
		else if (strcmp(name, ".") != 0)
			ret = step(&walk, root, name, file && !last ? 0755 : mode, file && last);
	}
	return ret < 0 ? ret : open_done(&walk, root);
}

int in_root_make_dirs(int root, const char *path, uint32_t mode)
{
	int fd = in_root_open(root, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	return fd == -ENOENT ? make_path(root, path, mode, false) : fd;
}

int in_root_parent(int root, const char *path, const char **name)
{
	char parent[PATH_BUFFER] UNINITIALIZED;
	const char *last = path;
	for (const char *at = path; *at; at++)
		if (*at == '/')
			last = at + 1;
	if (!*last || !strcmp(last, ".") || !strcmp(last, ".."))
		return -EINVAL;
	struct text text = text_in(parent, sizeof(parent));
	text_add_bytes(&text, path, (size_t)(last - path));
	*name = last;
	if (text.cut)
		return -ENAMETOOLONG;
	return in_root_make_dirs(root, text.length ? parent : ".", 0755);
}

int in_root_target(int root, const char *path, bool directory)
{
	int fd = in_root_open(root, path, 0, 0);
	return fd == -ENOENT ? make_path(root, path, 0755, !directory) : fd;
}

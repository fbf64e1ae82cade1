/* Walking the directories below a cgroup: down by name, up by "..", siblings by directory offset. */
#include "cgroup_walk.h"

#include "text.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>

/* struct linux_dirent64, which the kernel's user headers leave out. */
struct entry {
	uint64_t inode;
	int64_t offset; /* where the next entry begins */
	uint16_t length;
	uint8_t type;
	char name[];
};
#define ENTRY_IS_DIRECTORY 4

bool cgroup_relative(const char *path, char *relative, size_t size)
{
	struct text text = text_in(relative, size);
	if (*path == '/')
		path++;
	text_add(&text, path);
	size_t start = 0;
	for (size_t i = 0;; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		size_t length = i - start;
		bool dots = (length == 1 && path[start] == '.') || (length == 2 && path[start] == '.' && path[start + 1] == '.');
		if (dots || (length == 0 && (i > 0 || path[i] == '/')))
			return false;
		if (path[i] == '\0')
			return !text.cut;
		start = i + 1;
	}
}

int cgroup_open_below(int dir_fd, const char *relative)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	return (int)SYS(openat2, dir_fd, *relative ? relative : ".", &how, sizeof(how));
}

const char *cgroup_last_name(const char *relative)
{
	const char *name = relative;
	for (const char *at = relative; *at; at++)
		if (*at == '/')
			name = at + 1;
	return name;
}

int cgroup_open_parent(int dir_fd, const char *relative)
{
	char parent[PATH_MAX];
	struct text text = text_in(parent, sizeof(parent));
	const char *name = cgroup_last_name(relative);
	if (name > relative)
		text_add_bytes(&text, relative, (size_t)(name - relative) - 1);
	return text.cut ? -ENAMETOOLONG : cgroup_open_below(dir_fd, parent);
}

/* Find the next subdirectory from *offset on, with this inode number unless it is 0; *offset moves behind it.
 * 1, 0 when there is none, -errno. */
static int find_directory(int dir_fd, uint64_t inode, int64_t *offset, char name[NAME_MAX + 1])
{
	uint64_t buffer[512];
	long done = SYS(lseek, dir_fd, *offset, 0 /* SEEK_SET */);
	while (done >= 0) {
		done = SYS(getdents64, dir_fd, buffer, sizeof(buffer));
		if (done <= 0)
			break;
		for (long at = 0; at < done;) {
			const struct entry *entry = (const struct entry *)(const void *)((const char *)buffer + at);
			at += entry->length;
			*offset = entry->offset;
			if (entry->type != ENTRY_IS_DIRECTORY || strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0 ||
			    (inode && entry->inode != inode))
				continue;
			struct text text = text_in(name, NAME_MAX + 1);
			text_add(&text, entry->name);
			return 1;
		}
	}
	return (int)done;
}

/* Go to the parent, and to the place in it behind the directory that is left. */
static int step_out(struct walk *walk)
{
	struct statx facts;
	long done = SYS(statx, walk->fd, "", AT_EMPTY_PATH, STATX_INO, &facts);
	int parent_fd = done < 0 ? (int)done : (int)SYS(openat, walk->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent_fd < 0)
		return parent_fd;
	(void)SYS(close, walk->fd);
	walk->fd = parent_fd;
	walk->depth--;
	walk->offset = 0;
	int found = find_directory(parent_fd, facts.stx_ino, &walk->offset, walk->name);
	if (found == 0) { /* somebody else removed it meanwhile: begin again in the parent */
		walk->name[0] = '\0';
		walk->offset = 0;
	}
	return found < 0 ? found : WALK_LEFT;
}

struct walk walk_begin(int dir_fd)
{
	return (struct walk){.fd = cgroup_open_below(dir_fd, "")};
}

int walk_step(struct walk *walk)
{
	if (walk->fd < 0)
		return walk->fd;
	for (;;) {
		int found = find_directory(walk->fd, 0, &walk->offset, walk->name);
		if (found == -ENOENT) /* removed while we were in it */
			found = 0;
		if (found < 0)
			return found;
		if (!found)
			return walk->depth == 0 ? WALK_DONE : step_out(walk);
		int below_fd = cgroup_open_below(walk->fd, walk->name);
		if (below_fd == -ENOENT)
			continue;
		if (below_fd < 0)
			return below_fd;
		(void)SYS(close, walk->fd);
		walk->fd = below_fd;
		walk->depth++;
		walk->offset = 0;
		return WALK_ENTERED;
	}
}

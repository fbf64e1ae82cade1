/* Opening, making and asking a container's cgroup v2 directory. Killing and removing: cgroup_end.c */
#include "cgroup_dir.h"

#include "cgroup_walk.h"
#include "small_file.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/limits.h>

static int open_mount(const char *mount)
{
	return (int)SYS(openat, AT_FDCWD, mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int cgroup_open(const char *mount, const char *path)
{
	char relative[PATH_MAX];
	if (!cgroup_relative(path, relative, sizeof(relative)))
		return -EINVAL;
	SCOPED_FD(mount_fd) = open_mount(mount);
	return mount_fd < 0 ? mount_fd : cgroup_open_below(mount_fd, relative);
}

/* Enable controllers for the children of a directory: all at once, or else those that the hierarchy takes. A limit whose
 * controller is not there fails by itself when it is written, and says which. */
static void enable_controllers(int dir_fd, const char *controllers)
{
	if (!controllers || !*controllers || write_small_file(dir_fd, "cgroup.subtree_control", controllers, strlen(controllers)) == 0)
		return;
	for (const char *at = controllers; *at;) {
		size_t length = 0;
		while (at[length] && at[length] != ' ')
			length++;
		if (length > 0)
			(void)write_small_file(dir_fd, "cgroup.subtree_control", at, length);
		at += length + (at[length] == ' ');
	}
}

/* One component: make it if need be and open it. */
static int step_into(int parent_fd, const char *name, bool *made)
{
	long made_it = SYS(mkdirat, parent_fd, name, 0755);
	if (made_it < 0 && made_it != -EEXIST)
		return (int)made_it;
	*made = made_it == 0;
	return cgroup_open_below(parent_fd, name);
}

/* Take back the directories of `relative` that begin at byte `first_made`, deepest first. */
static void take_back(int mount_fd, char *relative, size_t length, size_t first_made)
{
	while (length > first_made) {
		relative[length] = '\0';
		(void)SYS(unlinkat, mount_fd, relative, AT_REMOVEDIR);
		while (length > 0 && relative[length - 1] != '/')
			length--;
		if (length > 0)
			length--;
	}
}

int cgroup_create(const char *mount, const char *path, const char *controllers, bool *made)
{
	char relative[PATH_MAX];
	if (!cgroup_relative(path, relative, sizeof(relative)) || !*relative)
		return -EINVAL;
	SCOPED_FD(mount_fd) = open_mount(mount);
	if (mount_fd < 0)
		return mount_fd;
	size_t length = strlen(relative), start = 0, first_made = length;
	int dir_fd = mount_fd;
	for (size_t i = 0; i <= length && dir_fd >= 0; i++) {
		if (i < length && relative[i] != '/')
			continue;
		enable_controllers(dir_fd, controllers);
		relative[i] = '\0';
		int next_fd = step_into(dir_fd, relative + start, made);
		if (i < length)
			relative[i] = '/';
		if (*made && start < first_made)
			first_made = start;
		if (next_fd < 0 && first_made < length)
			take_back(mount_fd, relative, *made ? i : start ? start - 1 : 0, first_made);
		if (dir_fd != mount_fd)
			(void)SYS(close, dir_fd);
		dir_fd = next_fd;
		start = i + 1;
	}
	return dir_fd;
}

int cgroup_is_populated(int cgroup_fd)
{
	static const char key[] = "populated ";
	char events[256];
	long size = read_small_file(cgroup_fd, "cgroup.events", events, sizeof(events));
	if (size < 0)
		return (int)size;
	for (long i = 0; i + (long)sizeof(key) <= size; i++)
		if (memcmp(events + i, key, sizeof(key) - 1) == 0)
			return events[i + (long)sizeof(key) - 1] == '1';
	return -EIO;
}

int cgroup_is_frozen(int cgroup_fd)
{
	char word[16];
	long size = read_small_file(cgroup_fd, "cgroup.freeze", word, sizeof(word));
	return size < 0 ? (int)size : word[0] == '1';
}

/* Walking the directories below a cgroup depth first, with a constant stack and one descriptor. */
#ifndef POSTERN_CGROUP_WALK_H
#define POSTERN_CGROUP_WALK_H

#include "sys.h"

#include <linux/limits.h>

/* Copy `path` without its leading '/' into relative; false for empty, "." and ".." components and what is too long. */
bool cgroup_relative(const char *path, char *relative, size_t size);

/* Open a directory below another one: no symlink, no mount point, nothing above. `relative` "" is the directory itself. */
int cgroup_open_below(int dir_fd, const char *relative);

/* The directory that holds the last component of relative, and that component. */
int cgroup_open_parent(int dir_fd, const char *relative);
const char *cgroup_last_name(const char *relative);

struct walk {
	int fd; /* the directory it is in */
	size_t depth;
	int64_t offset;          /* of fd: what comes before it was visited */
	char name[NAME_MAX + 1]; /* after WALK_LEFT: what the directory that was left is called in fd, "" when it is gone */
};

enum { WALK_DONE, WALK_ENTERED, WALK_LEFT };

struct walk walk_begin(int dir_fd);
int walk_step(struct walk *walk); /* WALK_*, or -errno */

static inline void end_walk(const struct walk *walk)
{
	if (walk->fd >= 0)
		(void)SYS(close, walk->fd);
}
#define SCOPED_WALK(name) __attribute__((cleanup(end_walk))) struct walk name

#endif

/* --no-pivot leaves the old root's mounts in the namespace.  What shows the kernel's own state there (procfs, sysfs) is unmounted
 * first, so that a process that finds a way to the old root finds no way around the masked paths. */
#include "executor_int.h"

#include <linux/mount.h>

#define MNT_DETACH 2

/* Field `wanted` (from 0) of a line of blank-separated fields; its size is 0 when there is none. */
static const char *field(const char *line, size_t wanted, size_t *size)
{
	for (; wanted > 0; wanted--) {
		while (*line && *line != ' ')
			line++;
		line += *line == ' ';
	}
	*size = 0;
	while (line[*size] && line[*size] != ' ')
		(*size)++;
	return line;
}

/* mountinfo writes blanks, tabs, line ends and backslashes as three octal digits. */
static void unescape(char *to, const char *from, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (from[i] == '\\' && i + 3 < size) {
			*to++ = (char)((from[i + 1] - '0') << 6 | (from[i + 2] - '0') << 3 | (from[i + 3] - '0'));
			i += 3;
		} else {
			*to++ = from[i];
		}
	}
	*to = 0;
}

/* Unmount what one line of mountinfo describes when it is a procfs or sysfs outside the new root. */
static int unmount_line(const char *line, const char *rootfs)
{
	static char path[PATH_BUFFER];
	size_t size, type_size;
	const char *point = field(line, 4, &size), *dash = line;
	while (*dash && strncmp(dash, " - ", 3) != 0)
		dash++;
	const char *type = field(*dash ? dash + 3 : dash, 0, &type_size);
	bool is_view = (type_size == 4 && !strncmp(type, "proc", 4)) || (type_size == 5 && !strncmp(type, "sysfs", 5));
	if (!is_view || size == 0 || size >= sizeof(path))
		return is_view ? -ENAMETOOLONG : 0;
	unescape(path, point, size);
	size_t inside = strlen(rootfs);
	if (!strncmp(path, rootfs, inside) && (path[inside] == '/' || path[inside] == 0))
		return 0;
	long ret = SYS(umount2, path, MNT_DETACH);
	if (ret != -EINVAL && ret != -EPERM)
		return ret == -ENOENT ? 0 : (int)ret;
	/* locked by the user namespace that it came from: cover it */
	return (int)SYS(mount, "tmpfs", path, "tmpfs", MS_RDONLY, "size=0k");
}

int unmount_kernel_views(struct run *run)
{
	static char table[65536];
	const struct plan_op *rootfs = plan_find(run, STAGE_SETUP, OP_ROOTFS);
	size_t size = 0;
	SCOPED_FD(fd) = (int)SYS(openat, AT_FDCWD, "/proc/self/mountinfo", O_RDONLY | O_CLOEXEC, 0);
	long got = fd;
	while (got >= 0 && size < sizeof(table) - 1) {
		got = SYS(read, fd, table + size, sizeof(table) - 1 - size);
		if (got == 0)
			break;
		size += got > 0 ? (size_t)got : 0;
	}
	if (got != 0)
		return got < 0 ? (int)got : -EFBIG;
	int ret = 0;
	for (char *line = table; ret >= 0 && *line;) {
		char *end = line;
		while (*end && *end != '\n')
			end++;
		char *next = *end ? end + 1 : end;
		*end = 0;
		ret = unmount_line(line, rootfs ? plan_string(run, rootfs->ROOTFS_path) : "");
		line = next;
	}
	return ret;
}

/* A procfs of our own: writes to it must reach the real files, whatever the container mounted (CVE-2019-16884, CVE-2025-52881). */
#include "executor_int.h"

#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/stat.h>
#include <asm/stat.h>
#include <asm/statfs.h>

#define PROC_ROOT_INODE 1

bool is_procfs(int fd)
{
	struct statfs fs;
	return SYS(fstatfs, fd, &fs) >= 0 && fs.f_type == PROC_SUPER_MAGIC;
}

/* No mount of its own allowed here (a user namespace inside another container): the /proc that is there, if it is one. */
static int proc_of_host(void)
{
	struct stat root;
	int fd = (int)SYS(openat, AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	if (is_procfs(fd) && SYS(fstat, fd, &root) >= 0 && root.st_ino == PROC_ROOT_INODE)
		return fd;
	(void)SYS(close, fd);
	return -ENODEV;
}

int op_private_proc(struct run *run, const struct plan_op *op)
{
	SCOPED_FD(fs) = (int)SYS(fsopen, "proc", FSOPEN_CLOEXEC);
	long ret = fs < 0 ? fs : SYS(fsconfig, fs, FSCONFIG_CMD_CREATE, 0, 0, 0);
	if (ret >= 0)
		ret = SYS(fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (ret == -EPERM)
		ret = proc_of_host();
	run->slot[op->PRIVATE_PROC_proc] = ret < 0 ? -1 : (int)ret;
	return ret < 0 ? (int)ret : 0;
}

int procfs_open(int proc, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)SYS(openat2, proc, path, &how, sizeof(how));
	if (fd >= 0 && !is_procfs(fd)) {
		(void)SYS(close, fd);
		return -EXDEV;
	}
	return fd;
}

int procfs_write(int proc, const char *prefix, const char *path, const char *value)
{
	char buffer[512];
	struct text text = text_in(buffer, sizeof(buffer));
	text_add(&text, prefix);
	text_add(&text, path);
	if (text.cut)
		return -ENAMETOOLONG;
	SCOPED_FD(fd) = procfs_open(proc, buffer, O_WRONLY);
	if (fd < 0)
		return fd;
	long ret = SYS(write, fd, value, strlen(value));
	return ret < 0 ? (int)ret : 0;
}

int op_sysctl(struct run *run, const struct plan_op *op)
{
	return procfs_write(run->slot[op->SYSCTL_proc], "sys/", plan_string(run, op->SYSCTL_path), plan_string(run, op->SYSCTL_value));
}

int op_lsm_label(struct run *run, const struct plan_op *op)
{
	return procfs_write(
		run->slot[op->LSM_LABEL_proc], "self/attr/", plan_string(run, op->LSM_LABEL_attr), plan_string(run, op->LSM_LABEL_value));
}

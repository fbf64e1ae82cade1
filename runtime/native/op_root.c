/* The new root: bound, filled with directories, devices and links, and made the root. */
#include "executor_int.h"

#include <linux/mount.h>
#include <linux/stat.h>
#include <asm/stat.h>

#define MNT_DETACH 2

/* The mount above a directory: climb until a descriptor is the root of its mount. */
static int set_parent_propagation(int directory, uint64_t flags)
{
	int fd = (int)SYS(openat, directory, ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	for (int depth = 0; fd >= 0 && depth < PATH_BUFFER / 2; depth++) {
		int ret = mount_propagation(fd, flags);
		int up = ret == -EINVAL ? (int)SYS(openat, fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC, 0) : ret;
		(void)SYS(close, fd);
		if (ret != -EINVAL)
			return ret;
		fd = up;
	}
	return fd < 0 ? fd : -EINVAL;
}

int op_rootfs(struct run *run, const struct plan_op *op)
{
	SCOPED_FD(directory) = (int)SYS(openat, AT_FDCWD, plan_string(run, op->ROOTFS_path), O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (directory < 0)
		return directory;
	int ret = set_parent_propagation(directory, op->ROOTFS_propagation ? op->ROOTFS_propagation : MS_PRIVATE);
	if (ret < 0)
		return ret;
	int tree = (int)SYS(open_tree, directory, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (tree < 0)
		return tree;
	run->slot[op->ROOTFS_root] = tree;
	return tree_attach(tree, directory);
}

int op_make_dir(struct run *run, const struct plan_op *op)
{
	SCOPED_FD(fd) = in_root_make_dirs(run->slot[op->MAKE_DIR_root], plan_string(run, op->MAKE_DIR_path), (uint32_t)op->MAKE_DIR_mode);
	return fd < 0 ? fd : 0;
}

/* The node is looked at by descriptor whoever made it: a foreign one must be the same device. */
int op_make_dev(struct run *run, const struct plan_op *op)
{
	const char *name;
	struct stat node;
	SCOPED_FD(parent) = in_root_parent(run->slot[op->MAKE_DEV_root], plan_string(run, op->MAKE_DEV_path), &name);
	if (parent < 0)
		return parent;
	long ret = SYS(mknodat, parent, name, op->MAKE_DEV_mode, op->MAKE_DEV_rdev);
	bool found = ret == -EEXIST;
	if (ret < 0 && !found)
		return (int)ret;
	SCOPED_FD(fd) = (int)SYS(openat, parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	ret = SYS(fstat, fd, &node);
	if (ret < 0)
		return (int)ret;
	bool is_fifo = (op->MAKE_DEV_mode & S_IFMT) == S_IFIFO;
	if ((node.st_mode & S_IFMT) != (op->MAKE_DEV_mode & S_IFMT) || (!is_fifo && node.st_rdev != op->MAKE_DEV_rdev)) {
		text_add(start_reason(run), "exists and is something else");
		return fail_with(run, DETAIL_REASON, EEXIST);
	}
	return found ? 0 : (int)SYS(fchownat, fd, "", op->MAKE_DEV_owner >> 32, op->MAKE_DEV_owner & 0xffffffff, AT_EMPTY_PATH);
}

int op_symlink(struct run *run, const struct plan_op *op)
{
	const char *name, *target = plan_string(run, op->SYMLINK_target);
	char present[PATH_BUFFER] UNINITIALIZED;
	SCOPED_FD(parent) = in_root_parent(run->slot[op->SYMLINK_root], plan_string(run, op->SYMLINK_path), &name);
	if (parent < 0)
		return parent;
	long ret = SYS(symlinkat, target, parent, name);
	if (ret != -EEXIST)
		return (int)ret;
	if (!(op->flags & OPF_REPLACE))
		return 0;
	long size = SYS(readlinkat, parent, name, present, sizeof(present) - 1);
	if (size >= 0 && (size_t)size == strlen(target) && !memcmp(present, target, (size_t)size))
		return 0;
	ret = SYS(unlinkat, parent, name, 0);
	return ret < 0 ? (int)ret : (int)SYS(symlinkat, target, parent, name);
}

/* MS_MOVE and chroot, where the old root is a ramfs: the old root's mounts stay below ours, unreachable by name. */
static int move_root(int root)
{
	long ret = SYS(fchdir, root);
	if (ret >= 0)
		ret = SYS(move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
	if (ret >= 0)
		ret = SYS(chroot, ".");
	return (int)ret;
}

static int swap_root(int root)
{
	SCOPED_FD(old) = (int)SYS(openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (old < 0)
		return old;
	long ret = SYS(fchdir, root);
	if (ret >= 0)
		ret = SYS(pivot_root, ".", "."); /* the old root now lies on top of the new one */
	if (ret >= 0)
		ret = SYS(fchdir, old);
	if (ret >= 0) /* its unmounting must not reach the host */
		ret = mount_propagation(old, MS_SLAVE | MS_REC);
	if (ret >= 0)
		ret = SYS(umount2, ".", MNT_DETACH);
	return (int)ret;
}

int op_pivot_root(struct run *run, const struct plan_op *op)
{
	int root = run->slot[op->PIVOT_ROOT_root];
	int ret = op->flags & OPF_NO_PIVOT ? unmount_kernel_views(run) : 0;
	if (ret >= 0)
		ret = op->flags & OPF_NO_PIVOT ? move_root(root) : swap_root(root);
	return ret < 0 ? ret : (int)SYS(chdir, "/");
}

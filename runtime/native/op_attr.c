/* Attributes of mounts that are there: read-only, idmapped, propagation, remounts; paths made read-only or covered. */
#include "executor_int.h"

#include <linux/mount.h>
#include <linux/stat.h>
#include <asm/stat.h>

int op_set_attr(struct run *run, const struct plan_op *op)
{
	struct mount_attr attr = {.attr_set = op->SET_ATTR_set, .attr_clr = op->SET_ATTR_clear, .propagation = op->SET_ATTR_propagation};
	const char *path = plan_optional(run, op->SET_ATTR_path);
	unsigned int flags = AT_EMPTY_PATH | (op->flags & OPF_RECURSIVE ? AT_RECURSIVE : 0);
	if (op->SET_ATTR_userns != PLAN_NO_SLOT) {
		attr.attr_set |= MOUNT_ATTR_IDMAP;
		attr.userns_fd = (uint32_t)run->slot[op->SET_ATTR_userns];
	}
	SCOPED_FD(opened) = op->SET_ATTR_tree == PLAN_NO_SLOT ? in_root_open(AT_FDCWD, path ? path : "/", 0, 0) : -1;
	int fd = op->SET_ATTR_tree == PLAN_NO_SLOT ? opened : run->slot[op->SET_ATTR_tree];
	return fd < 0 ? fd : (int)SYS(mount_setattr, fd, "", flags, &attr, sizeof(attr));
}

int op_remount(struct run *run, const struct plan_op *op)
{
	struct mount_attr attr = {.attr_set = op->REMOUNT_set, .attr_clr = op->REMOUNT_clear};
	char **option = plan_list(run, op);
	SCOPED_FD(target) = in_root_open(run->slot[op->REMOUNT_root], plan_string(run, op->REMOUNT_target), 0, 0);
	if (target < 0)
		return target;
	if (*option) {
		SCOPED_FD(fs) = (int)SYS(fspick, target, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);
		long ret = fs;
		for (; ret >= 0 && *option; option++)
			ret = set_option(fs, *option);
		if (ret >= 0)
			ret = SYS(fsconfig, fs, FSCONFIG_CMD_RECONFIGURE, 0, 0, 0);
		if (ret < 0)
			return fs >= 0 ? mount_refused(run, fs, (int)ret) : (int)ret;
	}
	return (int)SYS(mount_setattr, target, "", AT_EMPTY_PATH | (op->flags & OPF_RECURSIVE ? AT_RECURSIVE : 0), &attr, sizeof(attr));
}

int op_propagation(struct run *run, const struct plan_op *op)
{
	const char *path = plan_optional(run, op->PROPAGATION_path);
	if (op->PROPAGATION_dir != PLAN_NO_SLOT)
		return mount_propagation(run->slot[op->PROPAGATION_dir], op->PROPAGATION_flags);
	SCOPED_FD(fd) = (int)SYS(openat, AT_FDCWD, path ? path : "/", O_PATH | O_CLOEXEC, 0);
	return fd < 0 ? fd : mount_propagation(fd, op->PROPAGATION_flags);
}

/* A path inside the container after PIVOT_ROOT; what an image does not have needs no cover. */
static int open_inside(const char *path)
{
	int fd = in_root_open(AT_FDCWD, path, 0, 0);
	return fd == -ENOTDIR ? -ENOENT : fd;
}

int op_readonly_path(struct run *run, const struct plan_op *op)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
	SCOPED_FD(target) = open_inside(plan_string(run, op->READONLY_PATH_path));
	if (target < 0)
		return target == -ENOENT ? 0 : target;
	if (is_same_place(run->slot[SLOT_ROOTFS], target))
		return refuse_root(run);
	SCOPED_FD(tree) = (int)SYS(open_tree, target, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (tree < 0)
		return tree;
	long ret = SYS(mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr));
	return ret < 0 ? (int)ret : tree_attach(tree, target);
}

int op_mask_path(struct run *run, const struct plan_op *op)
{
	struct stat found;
	SCOPED_FD(target) = open_inside(plan_string(run, op->MASK_PATH_path));
	if (target < 0)
		return target == -ENOENT ? 0 : target;
	long ret = SYS(fstat, target, &found);
	if (ret < 0)
		return (int)ret;
	bool directory = (found.st_mode & S_IFMT) == S_IFDIR;
	if (directory && is_same_place(run->slot[SLOT_ROOTFS], target))
		return refuse_root(run);
	return attach_copy(run, directory ? op->MASK_PATH_empty : op->MASK_PATH_null, target);
}

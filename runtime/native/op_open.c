/* Host paths, trees, devices and sockets, opened before the container's root is the root. */
#include "executor_int.h"

#include <linux/mount.h>
#include <linux/stat.h>
#include <asm/stat.h>

int op_open_path(struct run *run, const struct plan_op *op)
{
	int fd = (int)SYS(openat, AT_FDCWD, plan_string(run, op->OPEN_PATH_path), O_PATH | O_CLOEXEC, 0);
	run->slot[op->OPEN_PATH_fd] = fd;
	return fd;
}

int op_open_tree(struct run *run, const struct plan_op *op)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (op->flags & OPF_RECURSIVE ? AT_RECURSIVE : 0);
	int fd = (int)SYS(open_tree, AT_FDCWD, plan_string(run, op->OPEN_TREE_path), flags);
	close_scoped_fd(&run->slot[op->OPEN_TREE_tree]); /* trees that are attached at once share a slot */
	run->slot[op->OPEN_TREE_tree] = fd;
	return fd;
}

/* The node is looked at by descriptor before it is used: CVE-2025-31133. */
int op_open_device(struct run *run, const struct plan_op *op)
{
	struct stat node;
	SCOPED_FD(fd) = (int)SYS(openat, AT_FDCWD, plan_string(run, op->OPEN_DEVICE_path), O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	long ret = SYS(fstat, fd, &node);
	if (ret < 0)
		return (int)ret;
	if ((node.st_mode & S_IFMT) != (op->OPEN_DEVICE_mode & S_IFMT) || node.st_rdev != op->OPEN_DEVICE_rdev) {
		text_add(start_reason(run), "not the device that it should be");
		return fail_with(run, DETAIL_REASON, ENODEV);
	}
	int tree = (int)SYS(open_tree, fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	close_scoped_fd(&run->slot[op->OPEN_DEVICE_tree]);
	run->slot[op->OPEN_DEVICE_tree] = tree;
	return tree;
}

int op_connect(struct run *run, const struct plan_op *op)
{
	int fd = connect_unix(plan_string(run, op->CONNECT_path));
	run->slot[op->CONNECT_socket] = fd;
	return fd;
}

int op_send_pidfd(struct run *run, const struct plan_op *op)
{
	return send_fd(run->slot[op->SEND_PIDFD_socket], plan_string(run, op->SEND_PIDFD_name), run->init_pidfd);
}

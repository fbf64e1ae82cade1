/* NOTIFY_SOCKET (sd_notify): the container gets a socket of its own, what it says is handed to the real one.
 *
 * For `create` only the directory is made here; `start` binds the socket and forwards, because somebody has to live that long. */
#include "executor_int.h"

#include <linux/mount.h>
#include <linux/un.h>
#include "socket_abi.h"

int op_notify_socket(struct run *run, const struct plan_op *op)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC};
	int state = run->slot[op->NOTIFY_SOCKET_dir];
	long ret = SYS(mkdirat, state, "notify", 0755);
	if (ret < 0)
		return (int)ret;
	ret = SYS(open_tree, state, "notify", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	run->slot[op->NOTIFY_SOCKET_tree] = (int)ret;
	return ret < 0 ? (int)ret : (int)SYS(mount_setattr, ret, "", AT_EMPTY_PATH, &attr, sizeof(attr));
}

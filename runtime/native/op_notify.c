/* NOTIFY_SOCKET (sd_notify): the container gets a socket of its own, what it says is handed to the real one.
 *
 * For `create` only the directory is made here; `start` binds the socket and forwards.  `run` does it itself: detached until the
 * container is ready, in the foreground as long as it waits anyway (there the runtime is the unit's main process). */
#include "executor_int.h"

#include <linux/mount.h>
#include "front.h"

static struct front front;

/* The address from the plan, in the form in which the front's functions take it. */
static int bind_socket(int state, const char *host_path)
{
	static char variable[256];
	static char *environment[] = {variable, NULL};
	struct text text = text_in(variable, sizeof(variable));
	text_add(&text, "NOTIFY_SOCKET=");
	text_add(&text, host_path);
	front.envp = environment;
	return text.cut ? -ENAMETOOLONG : notify_listen(&front, state);
}

int op_notify_socket(struct run *run, const struct plan_op *op)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC};
	int state = run->slot[op->NOTIFY_SOCKET_dir];
	long ret = SYS(mkdirat, state, "notify", 0755);
	if (ret >= 0 && run->plan.header->mode == MODE_RUN)
		ret = run->notify = bind_socket(state, plan_string(run, op->NOTIFY_SOCKET_host_path));
	if (ret < 0)
		return (int)ret;
	ret = SYS(open_tree, state, "notify", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	run->slot[op->NOTIFY_SOCKET_tree] = (int)ret;
	return ret < 0 ? (int)ret : (int)SYS(mount_setattr, ret, "", AT_EMPTY_PATH, &attr, sizeof(attr));
}

int forward_until_ready(const struct run *run)
{
	return run->notify < 0 ? 0 : notify_forward(&front, run->notify, run->init_pid, run->init_pidfd);
}

void forward_notification(struct run *run)
{
	int ret = notify_take(&front, run->notify);
	if (ret < 0)
		report_warning("unable to pass the container's readiness on");
	if (ret != 0) {
		(void)SYS(close, run->notify);
		run->notify = -1;
	}
}

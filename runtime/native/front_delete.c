/* postern delete: what has stopped, or was only created; with --force whatever there is, and nothing is no error. */
#include "front.h"

#include <linux/errno.h>
#include <linux/limits.h>

static int fail_not_stopped(const struct front *front, enum status status)
{
	char buffer[ID_MAX + 128];
	struct text line = text_in(buffer, sizeof(buffer));
	text_add(&line, "cannot delete container ");
	text_add(&line, front->id);
	text_add(&line, " that is not stopped: ");
	text_add(&line, status_word(status));
	return fail(buffer);
}

/* No container, or one that cannot be read: delete clears what a killed create left, but only --force calls that a success. */
static int delete_missing(const struct front *front, int dir_fd, int found)
{
	if (found == -EBADMSG)
		return HAND_OVER;
	if (found == -EBUSY)
		return fail("container is being deleted by another process");
	if (found != -ENOENT && found != -ENODATA)
		return fail_find(front, found);
	int error = found == -ENODATA ? container_clear(front, dir_fd) : id_is_valid(front->id) ? container_give_back(front) : 0;
	if (error)
		return fail_errno("unable to remove container state dir", error);
	return front->force ? 0 : fail_find(front, found);
}

int front_delete(struct front *front)
{
	static struct container_state state;
	SCOPED_FD(dir_fd) = -1;
	int found = container_find(front, &state, &dir_fd, true);
	if (found)
		return delete_missing(front, dir_fd, found);
	if (container_needs_python(front, &state) || (!front->planned && raw_equals(state.cgroup_manager, "systemd")))
		return HAND_OVER;
	enum status status = state_status(dir_fd, &state);
	if (!front->force && status != STATUS_STOPPED && status != STATUS_CREATED)
		return fail_not_stopped(front, status);
	/* in phase creating the pid is that of the create itself: it dies first, then what it has begun */
	SCOPED_FD(pidfd) = status == STATUS_STOPPED ? -ESRCH : container_pidfd(&state);
	if (pidfd < 0 && pidfd != -ESRCH)
		return fail_errno("unable to open a pidfd of init", pidfd);
	/* with --force also what somebody else put into the cgroup: it would keep it from being removed */
	bool everything = state.creating || !state.own_pid_namespace || front->force;
	int error = container_kill(&state, pidfd, everything);
	if (error == -ETIMEDOUT)
		return fail("container init still running");
	if (error)
		return fail_errno("unable to kill container", error);
	return container_destroy(front, &state, dir_fd);
}

/* postern start: open the fifo that init waits at, and see that init went on. */
#include "front.h"

#include "executor.h"
#include "report.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/poll.h>

#define FIFO_NAME "exec.fifo"

static int fail_status(enum status status)
{
	char buffer[64];
	struct text line = text_in(buffer, sizeof(buffer));
	if (status == STATUS_STOPPED)
		return fail("cannot start a container that has stopped");
	if (status == STATUS_RUNNING)
		return fail("cannot start an already running container");
	text_add(&line, "cannot start a container in the ");
	text_add(&line, status_word(status));
	text_add(&line, " state");
	return fail(buffer);
}

/* Wait for events on the fifo, or for init's end: 1 when the fifo has some, 0 when only init's end is left, -errno. */
static int wait_at_fifo(int fifo_fd, int pidfd, short events)
{
	struct pollfd fds[] = {{.fd = fifo_fd, .events = events}, {.fd = pidfd, .events = POLLIN}};
	long ready;
	do
		ready = SYS(ppoll, fds, ARRAY_SIZE(fds), NULL, NULL, 0);
	while (ready == -EINTR);
	return ready < 0 ? (int)ready : fds[0].revents != 0;
}

/* Let init go on: 0, or 1 with the error reported. Opening the fifo releases init, which writes one byte. */
static int release_init(int dir_fd, int pidfd, bool until_exec)
{
	char byte;
	SCOPED_FD(fifo_fd) = (int)SYS(openat, dir_fd, FIFO_NAME, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (fifo_fd == -ENOENT)
		return fail_status(STATUS_RUNNING);
	if (fifo_fd < 0)
		return fail_errno("open " FIFO_NAME, fifo_fd);
	int ready = wait_at_fifo(fifo_fd, pidfd, POLLIN);
	if (ready < 0)
		return fail_errno("poll " FIFO_NAME, ready);
	long size = SYS(read, fifo_fd, &byte, 1);
	if (size != 1) /* somebody else's start was first, or init died */
		return fail(wait_for_end(pidfd, 0) ? "cannot start an already running container" : "container process is already dead");
	long error = SYS(unlinkat, dir_fd, FIFO_NAME, 0);
	if (error && error != -ENOENT)
		return fail_errno("remove " FIFO_NAME, (int)error);
	/* init's end of the fifo closes when it executes the user's process: poststart hooks wait for that */
	if (until_exec) {
		ready = wait_at_fifo(fifo_fd, pidfd, 0);
		if (ready < 0)
			return fail_errno("poll " FIFO_NAME, ready);
		if (SYS(read, fifo_fd, &byte, 1) == 1) /* a startContainer hook failed; its error went to the container's stderr */
			return fail("container process ended before its program was executed");
	}
	return 0;
}

/* A failed poststart hook ends the container: it is stopped and destroyed (runtime.md, lifecycle step 9). */
static void end_container(const struct front *front, const struct container_state *state, int pidfd)
{
	static struct container_state again;
	SCOPED_FD(dir_fd) = -1;
	int error = container_kill(state, pidfd, true);
	if (!error)
		error = container_find(front, &again, &dir_fd, true);
	if (!error)
		error = container_destroy(front, &again, dir_fd);
	if (error < 0 && error != -ENOENT)
		report_warning("the container could not be removed after its poststart hook failed");
}

int front_start(struct front *front)
{
	static struct container_state state;
	SCOPED_FD(dir_fd) = -1;
	int code = container_open(front, &state, &dir_fd);
	if (code || container_needs_python(front, &state))
		return code ? code : HAND_OVER;
	SCOPED_FD(pidfd) = state.creating ? -ESRCH : container_pidfd(&state);
	if (pidfd < 0 && pidfd != -ESRCH)
		return fail_errno("unable to open a pidfd of init", pidfd);
	enum status status = pidfd < 0 && !state.creating ? STATUS_STOPPED : state_status(dir_fd, &state);
	if (status != STATUS_CREATED)
		return fail_status(status);
	SCOPED_FD(notify_fd) = notify_listen(front, dir_fd);
	if (notify_fd < 0 && notify_fd != -ENOENT)
		return fail_errno("unable to make the notify socket", notify_fd);
	code = release_init(dir_fd, pidfd, state.hooks);
	if (code)
		return code;
	if (state.hooks) {
		int error = run_saved_hooks(dir_fd, STAGE_POST, state.pid, "running", front->envp);
		if (error && error != -ENOENT) {
			end_container(front, &state, pidfd);
			return 1;
		}
	}
	return notify_fd < 0 ? 0 : notify_forward(front, notify_fd, state.pid, pidfd);
}

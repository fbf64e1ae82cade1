/* postern kill: a signal to init, or to every process of the container. */
#include "front.h"

#include "report.h"

#include <linux/errno.h>
#include <linux/signal.h>

static int fail_signal_name(const char *name)
{
	char buffer[512];
	struct text line = text_in(buffer, sizeof(buffer) - 1);
	text_add(&line, "unknown signal \"");
	text_add_json(&line, name);
	line.size++;
	text_add(&line, "\"");
	return fail(buffer);
}

static void debug_signal(const char *to, int signal)
{
	char buffer[64];
	struct text line = text_in(buffer, sizeof(buffer));
	text_add(&line, "signal ");
	text_add_number(&line, signal);
	text_add(&line, " sent to ");
	text_add(&line, to);
	report_debug(buffer);
}

/* Every process: 0, an exit code, or HAND_OVER for "signal init instead". */
static int signal_everything(const struct front *front, const struct container_state *state, int signal, bool alive)
{
	int error = container_signal_cgroup(state, signal);
	if (error == -ENOENT && !alive)
		return front->all ? 0 : fail("unable to kill all processes: container not running");
	if (error && state->rootless) {
		report_warning("failed to kill all processes, possibly due to lack of cgroup (Hint: enable cgroup v2 delegation)");
		return HAND_OVER;
	}
	if (error)
		return fail_errno("unable to kill all processes", error);
	debug_signal("the cgroup", signal);
	return 0;
}

int front_kill(struct front *front)
{
	static struct container_state state;
	SCOPED_FD(dir_fd) = -1;
	int code = container_open(front, &state, &dir_fd);
	if (code || container_needs_python(front, &state))
		return code ? code : HAND_OVER;
	int signal = front->signal && *front->signal ? parse_signal(front->signal) : SIGTERM;
	if (signal < 0)
		return fail_signal_name(front->signal);
	SCOPED_FD(pidfd) = state.creating ? -ESRCH : container_pidfd(&state);
	if (pidfd < 0 && pidfd != -ESRCH)
		return fail_errno("unable to open a pidfd of init", pidfd);
	/* in a pid namespace of its own everything dies with init; where it is shared, only the cgroup knows what belongs to it */
	if (state.cgroup_path.size > 0 && (front->all || (signal == SIGKILL && !state.own_pid_namespace))) {
		code = signal_everything(front, &state, signal, pidfd >= 0);
		if (code != HAND_OVER)
			return code;
	}
	long error = pidfd < 0 ? pidfd : SYS(pidfd_send_signal, pidfd, signal, NULL, 0);
	if (error == -ESRCH)
		return front->all ? 0 : fail("container not running");
	if (error)
		return fail_errno("unable to signal init", (int)error);
	debug_signal("init", signal);
	return 0;
}

/* A foreground run or exec: wait for the process, hand signals on, copy the terminal. */
#include "executor_int.h"

#include "signal_abi.h"

struct signal_record { /* struct signalfd_siginfo */
	uint32_t signal;
	char rest[124];
};

int signals_open(void)
{
	uint64_t all = ~0ull;
	(void)SYS(rt_sigprocmask, SIG_SETMASK, &all, 0, 8);
	return (int)SYS(signalfd4, -1, &all, 8, O_CLOEXEC | O_NONBLOCK);
}

/* Reap whatever ended (as subreaper also what the container left behind); true when it was init. */
static bool init_ended(struct run *run)
{
	for (;;) {
		int status = 0;
		long pid = SYS(wait4, -1, &status, WNOHANG, 0);
		if (pid == -EINTR)
			continue;
		if (pid <= 0)
			return run->init_reaped || pid == -ECHILD;
		if (pid == run->init_pid) {
			run->wait_status = status;
			run->init_reaped = true;
		}
	}
}

static void hand_on(struct run *run, const struct tty_proxy *tty, int signals)
{
	struct signal_record record;
	while (SYS(read, signals, &record, sizeof(record)) == sizeof(record)) {
		int signal = (int)record.signal;
		if (signal == SIGWINCH && tty->master >= 0)
			tty_resize(tty); /* the kernel tells the container's foreground group */
		else if (signal != SIGCHLD && signal != SIGURG)
			(void)SYS(pidfd_send_signal, run->init_pidfd, signal, 0, 0); /* it may just have ended */
	}
}

int wait_foreground(struct run *run, int signals)
{
	struct tty_proxy tty = {.master = -1};
	if (plan_flag(run, PLAN_TTY_PROXY))
		tty_open(&tty, run->slot[SLOT_PTY_MASTER]);
	while (!init_ended(run)) {
		struct poll_entry polled[4] = {
			{signals, POLLIN, 0},
			{tty.master, (short)(POLLIN | (tty.pending ? POLLOUT : 0)), 0},
			{tty.master >= 0 && tty.input && !tty.pending ? 0 : -1, POLLIN, 0},
			{run->notify, POLLIN, 0},
		};
		long ret = SYS(ppoll, polled, ARRAY_SIZE(polled), 0, 0, 8);
		if (ret < 0 && ret != -EINTR)
			break;
		if (polled[0].seen)
			hand_on(run, &tty, signals);
		if (polled[1].seen & (POLLIN | POLLHUP | POLLERR) && !tty_output(&tty))
			tty_close(&tty);
		if ((polled[1].seen & POLLOUT) || polled[2].seen)
			tty_input(&tty);
		if (polled[3].seen)
			forward_notification(run);
	}
	tty_close(&tty);
	return run->init_reaped ? status_code(run->wait_status) : failure_code(run);
}

/* postern broker: the keeper's life. One thread, one poll; whatever can wait for somebody else is not done here. */
#include "keeper.h"

#include "report.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/resource.h>
#include <linux/time_types.h>

#define FIRST_INHERITED 3
#define LONGEST_NS (3600 * SECOND_NS)
#define RLIMIT_FILES 7

static struct keeper keeper;

int64_t keeper_now(void)
{
	struct __kernel_timespec now;
	(void)SYS(clock_gettime, 1 /* CLOCK_MONOTONIC */, &now);
	return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static int64_t sooner(int64_t left, int64_t moment, int64_t now)
{
	int64_t until = moment > now ? moment - now : 0;
	return moment && until < left ? until : left;
}

/* How long the poll may take: until the next limit, slow peer, new attempt, or the end of idleness. */
static int64_t time_left(int64_t now)
{
	int64_t left = LONGEST_NS;
	size_t seen = 0;
	for (size_t i = 0; i < REGISTRATIONS_MAX && seen < keeper.registered; i++) {
		seen += keeper.registrations[i].key != 0;
		if (keeper.registrations[i].key)
			left = sooner(left, keeper.registrations[i].deadline_ns, now);
	}
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (keeper.peers[i].fd >= 0)
			left = sooner(left, keeper.peers[i].deadline_ns, now);
	if (keeper.retry_ns > now)
		left = sooner(left, keeper.retry_ns, now);
	if (keeper.registered == 0 && keeper.idle_ns)
		left = sooner(left, keeper.active_ns + keeper.idle_ns, now);
	return left;
}

static void end_due(int64_t now)
{
	for (size_t i = 0; i < REGISTRATIONS_MAX; i++) {
		struct registration *registration = &keeper.registrations[i];
		if (registration->key && registration->deadline_ns && registration->deadline_ns <= now)
			registration_end(&keeper, registration);
	}
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (keeper.peers[i].fd >= 0 && keeper.peers[i].deadline_ns <= now)
			peer_close(&keeper.peers[i]);
}

/* True when a signal asks for the end. */
static bool read_signals(void)
{
	struct {
		uint32_t signal;
		char rest[124];
	} record;
	bool ends = false;
	while (SYS(read, keeper.signals, &record, sizeof(record)) == sizeof(record))
		ends = ends || record.signal == SIGTERM || record.signal == SIGINT;
	return ends; /* SIGCHLD: a worker's end is read from its socket */
}

/* One turn; false: it is over. */
static bool turn(void)
{
	struct poll_entry polled[2 + WORKERS + PEERS_MAX];
	bool is_full = true;
	for (size_t i = 0; i < PEERS_MAX; i++) {
		polled[2 + WORKERS + i] = (struct poll_entry){keeper.peers[i].fd, POLLIN, 0};
		is_full = is_full && keeper.peers[i].fd >= 0;
	}
	for (size_t i = 0; i < WORKERS; i++)
		polled[2 + i] = (struct poll_entry){keeper.workers[i].socket, (short)(POLLIN | (keeper.workers[i].blocked ? POLLOUT : 0)), 0};
	polled[0] = (struct poll_entry){is_full ? -1 : keeper.listen, POLLIN, 0};
	polled[1] = (struct poll_entry){keeper.signals, POLLIN, 0};
	int64_t now = keeper_now(), left = time_left(now);
	struct __kernel_timespec limit = {left / SECOND_NS, left % SECOND_NS};
	long ret = SYS(ppoll, polled, ARRAY_SIZE(polled), &limit, NULL, 0);
	if (ret < 0 && ret != -EINTR) {
		(void)fail_errno("the broker cannot wait", (int)ret);
		return false;
	}
	for (size_t i = 0; i < WORKERS; i++)
		if (keeper.workers[i].socket >= 0 && polled[2 + i].seen & (POLLIN | POLLHUP | POLLERR))
			worker_read(&keeper, &keeper.workers[i]);
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (keeper.peers[i].fd >= 0 && polled[2 + WORKERS + i].seen)
			peer_read(&keeper, &keeper.peers[i]);
	if (polled[0].seen)
		peer_accept(&keeper);
	if (polled[1].seen && read_signals())
		return false;
	end_due(keeper_now());
	workers_tend(&keeper);
	return true;
}

static bool is_idle(void)
{
	if (!keeper.idle_ns || keeper.registered > 0)
		return false;
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (keeper.peers[i].fd >= 0)
			return false;
	if (keeper_now() - keeper.active_ns < keeper.idle_ns)
		return false;
	if (!keeper_is_used(&keeper))
		return true;
	keeper.active_ns = keeper_now();
	return false;
}

static void prepare(void)
{
	struct rlimit64 {
		uint64_t soft, hard;
	} files;
	uint64_t handled = 1ull << (SIGTERM - 1) | 1ull << (SIGINT - 1) | 1ull << (SIGCHLD - 1) | 1ull << (SIGPIPE - 1);
	struct kernel_sigaction usual = {0};
	for (int signal = 1; signal <= SIGNALS; signal++)
		(void)SYS(rt_sigaction, signal, &usual, NULL, 8); /* SIGKILL and SIGSTOP have nothing to set */
	(void)SYS(rt_sigprocmask, SIG_SETMASK, &handled, NULL, 8);
	keeper.signals = (int)SYS(signalfd4, -1, &handled, 8, O_CLOEXEC | O_NONBLOCK);
	/* three descriptors a registration; a worker inherits the limit and holds as many */
	if (SYS(prlimit64, 0, RLIMIT_FILES, NULL, &files) == 0) {
		files.soft = files.hard;
		(void)SYS(prlimit64, 0, RLIMIT_FILES, &files, NULL);
	}
}

/* Room for all registrations, of which only what is used is ever there. 0 or -errno. */
static int make_room(void)
{
	long memory = SYS(mmap, NULL, sizeof(struct registration) * REGISTRATIONS_MAX, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory < 0 && memory > -4096)
		return (int)memory;
	keeper.registrations = (struct registration *)memory;
	return 0;
}

static int serve(void)
{
	struct __kernel_timespec now;
	prepare();
	(void)SYS(clock_gettime, 0, &now); /* a new keeper's keys are none of an old one's */
	keeper.last_key = (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
	keeper.active_ns = keeper_now();
	workers_tend(&keeper);
	for (;;) {
		while (!is_idle())
			if (!turn())
				goto end; /* asked to: the workers end with their sockets, and listeners with them */
		if (!keeper_close(&keeper))
			break;
		keeper.active_ns = keeper_now();
	}
end:
	for (size_t i = 0; i < WORKERS; i++)
		if (keeper.workers[i].socket >= 0)
			(void)SYS(pidfd_send_signal, keeper.workers[i].pidfd, SIGTERM, NULL, 0);
	(void)SYS(unlinkat, keeper.directory, "socket", 0);
	return 0;
}

static bool take_options(struct front *front)
{
	uint64_t seconds = 0;
	if (!front->idle)
		front->idle = front->foreground ? "0" : "60";
	bool is_whole = front->root[0] == '/' && (!front->policy_dir || front->policy_dir[0] == '/'); /* else Python makes it so */
	if (!is_whole || !parse_number(front->idle, strlen(front->idle), &seconds) || seconds > 86400)
		return false;
	keeper.front = front;
	keeper.foreground = front->foreground;
	keeper.adopts = front->adopt;
	keeper.python = front->entry ? front->python : NULL;
	keeper.entry = front->entry;
	keeper.idle_ns = (int64_t)seconds * SECOND_NS;
	keeper.directory = keeper.lock = keeper.listen = keeper.control = keeper.metrics = keeper.signals = keeper.journal = -1;
	for (size_t i = 0; i < WORKERS; i++)
		keeper.workers[i].socket = -1;
	for (size_t i = 0; i < PEERS_MAX; i++)
		keeper.peers[i].fd = -1;
	return true;
}

int keeper_main(struct front *front)
{
	if (!take_options(front))
		return HAND_OVER;
	/* nothing of the caller's is kept open by us */
	long error = SYS(close_range, keeper.adopts ? LOCK_FD + 1 : FIRST_INHERITED, ~0u, 0);
	(void)SYS(umask, 077);
	if (!error && keeper.adopts)
		error = SYS(fcntl, LOCK_FD, F_SETFD, FD_CLOEXEC);
	if (!error)
		error = make_room();
	if (!error)
		error = keeper_open(&keeper);
	if (error)
		return error > 0 ? 0 : fail_errno("unable to start the broker", (int)error);
	if (keeper.foreground)
		return serve();
	long pid = SYS(clone, SIGCHLD, 0, 0, 0, 0);
	if (pid < 0)
		return fail_errno("unable to start the broker", (int)pid);
	if (pid > 0)
		return 0; /* it listens already */
	keeper_detach(&keeper);
	return serve();
}

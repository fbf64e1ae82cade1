/* The listener of the filter, on its way to whoever decides: an agent that the config names, or our own broker.
 *
 * Our broker says whether it has taken it. When its keeper dies meanwhile its worker starts another one, so it is asked again; but two
 * brokers must never have one listener. Keepers that took over from one another have a number in common, in the lock. */
#include "executor_int.h"

#include "signal_abi.h"
#include "small_file.h"
#include "socket_abi.h"
#include <linux/limits.h>

#define LIMIT_NS 10000000000ll /* for all attempts */
#define PAUSE_NS 2000000
#define LOCK_FILE "lock"
#define DESCRIPTION_MAX (PATH_MAX + 256) /* what keepers write into it */

struct delivery {
	int64_t until; /* CLOCK_MONOTONIC */
	bool sent;     /* the listener went out, and nobody said what became of it */
	uint64_t line; /* the number of those to whom it went */
};

struct moment {
	int64_t seconds, nanoseconds;
};

static int64_t now_ns(void)
{
	struct moment now;
	(void)SYS(clock_gettime, 1 /* CLOCK_MONOTONIC */, &now);
	return now.seconds * 1000000000ll + now.nanoseconds;
}

/* ContainerProcessState: head, pid, middle, the container's state, tail. */
static int send_document(const struct run *run, const struct plan_op *op, int socket)
{
	const struct plan_header *header = run->plan.header;
	char pid[24];
	struct text number = text_in(pid, sizeof(pid));
	text_add_number(&number, run->init_pid);
	const char *texts[] = {
		plan_string(run, op->SEND_LISTENER_head),
		pid,
		plan_string(run, op->SEND_LISTENER_middle),
		plan_string(run, header->state_head),
		header->mode == MODE_EXEC ? "running\",\"pid\":" : "creating\",\"pid\":",
		pid,
		plan_string(run, header->state_tail),
		plan_string(run, op->SEND_LISTENER_tail),
	};
	return send_parts_with_fd(socket, texts, ARRAY_SIZE(texts), run->listener);
}

/* Whoever has the listener decides for the container. */
static int check_owner(struct run *run, int socket)
{
	struct {
		int pid;
		uint32_t uid, gid;
	} owner; /* struct ucred of who called listen(2) */
	int size = sizeof(owner);
	long ret = SYS(getsockopt, socket, SOL_SOCKET, SO_PEERCRED, &owner, &size);
	if (ret < 0 || owner.uid == 0 || owner.uid == (uint32_t)SYS(geteuid))
		return (int)ret;
	struct text *reason = start_reason(run);
	text_add(reason, "user ");
	text_add_number(reason, owner.uid);
	text_add(reason, " listens there, who is not the broker's");
	return fail_with(run, DETAIL_REASON, EPERM);
}

/* The last line beside the socket in the lock; 0: there is none. */
static uint64_t line_of_keepers(const char *socket_path)
{
	static char description[DESCRIPTION_MAX];
	char path[PATH_MAX];
	uint64_t number;
	size_t size = strlen(socket_path);
	while (size > 0 && socket_path[size - 1] != '/')
		size--;
	struct text text = text_in(path, sizeof(path));
	text_add_bytes(&text, socket_path, size);
	text_add(&text, LOCK_FILE);
	long got = text.cut ? -ENAMETOOLONG : read_small_file(AT_FDCWD, path, description, sizeof(description));
	size_t end = got > 0 ? (size_t)got : 0, begin = end;
	while (begin > 0 && description[begin - 1] != '\n')
		begin--;
	return parse_number(description + begin, end - begin, &number) ? number : 0;
}

/* 0 or the errno of its refusal. It looks at us meanwhile, so we stay until then. */
static int broker_answer(int socket, int64_t until)
{
	struct poll_entry polled = {socket, POLLIN, 0};
	int64_t left = until - now_ns();
	struct moment limit = {left > 0 ? left / 1000000000 : 0, left > 0 ? left % 1000000000 : 0};
	int32_t answer = 0;
	long ret = SYS(shutdown, socket, 1 /* SHUT_WR */);
	if (ret >= 0)
		ret = SYS(ppoll, &polled, 1, &limit, 0, 8);
	if (ret <= 0)
		return ret < 0 ? (int)ret : -ETIMEDOUT;
	ret = SYS(read, socket, &answer, sizeof(answer));
	if (ret != sizeof(answer))
		return ret < 0 ? (int)ret : -ECONNRESET;
	return answer > 0 && answer < 4096 ? -answer : 0;
}

static int offer(struct run *run, const struct plan_op *op, struct delivery *delivery)
{
	const char *path = plan_string(run, op->SEND_LISTENER_path);
	SCOPED_FD(socket) = connect_unix(path);
	if (socket < 0)
		return socket;
	int ret = check_owner(run, socket);
	if (ret < 0)
		return ret;
	uint64_t line = line_of_keepers(path); /* now that it listens, its own */
	if (delivery->sent && (line == 0 || line != delivery->line)) {
		text_add(start_reason(run), "the broker died while it took the listener, and another broker listens by now");
		return fail_with(run, DETAIL_REASON, ESTALE);
	}
	ret = send_document(run, op, socket);
	if (ret < 0)
		return ret;
	delivery->sent = true;
	delivery->line = line;
	return broker_answer(socket, delivery->until);
}

static bool is_death(int error)
{
	return error == -ECONNREFUSED || error == -ENOENT || error == -ECONNRESET || error == -EPIPE;
}

/* A keeper that was there a moment ago has died, and the next one is about to listen; init waits. */
static int deliver(struct run *run, const struct plan_op *op)
{
	struct delivery delivery = {.until = now_ns() + LIMIT_NS};
	struct poll_entry ended = {run->init_pidfd, POLLIN, 0};
	struct moment pause = {0, PAUSE_NS};
	for (;;) {
		int ret = offer(run, op, &delivery);
		if (!is_death(ret) || now_ns() >= delivery.until || SYS(ppoll, &ended, 1, &pause, 0, 8) > 0)
			return ret;
	}
}

static int hand_to_agent(const struct run *run, const struct plan_op *op)
{
	SCOPED_FD(socket) = connect_unix(plan_string(run, op->SEND_LISTENER_path));
	return socket < 0 ? socket : send_document(run, op, socket);
}

int op_send_listener(struct run *run, const struct plan_op *op)
{
	if (run->listener_sent)
		return 0;
	if (run->listener < 0)
		return -EBADF;
	int ret = op->SEND_LISTENER_answered ? deliver(run, op) : hand_to_agent(run, op);
	(void)SYS(close, run->listener); /* whoever took it has it from now on */
	run->listener = -1;
	run->listener_sent = ret >= 0;
	return ret;
}

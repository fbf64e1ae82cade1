/* The workers: one serves, one waits. When the serving one ends, the other gets every registration and goes on where the journal says.
 *
 * A registration is sent when its generation is not that of the serving worker, so nothing is queued here: a worker that reads slowly
 * makes its socket full, and the rest is sent when the socket takes more. */
#include "keeper.h"

#include "report.h"

#include <linux/errno.h>
#include <linux/fcntl.h>

#define CLONE_PIDFD 0x1000
#define EXE "/proc/self/exe"
#define SITE_DIRECTORY "/etc/postern"
#define RETRY_MAX_NS (5 * SECOND_NS)

static long send_message(struct worker *worker, struct keeper_message *message, const struct packet *with)
{
	struct packet packet = *with;
	char data[MESSAGE_MAX];
	memcpy(data, message, sizeof(*message));
	memcpy(data + sizeof(*message), with->data, with->size);
	packet.data = data;
	packet.size = sizeof(*message) + with->size;
	return packet_send(worker->socket, &packet, MSG_DONTWAIT);
}

static void become_worker(const struct keeper *keeper, int socket)
{
	char socket_number[16], exe_number[16];
	struct text socket_text = text_in(socket_number, sizeof(socket_number)), exe_text = text_in(exe_number, sizeof(exe_number));
	uint64_t none = 0;
	(void)SYS(rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
	text_add_number(&socket_text, SYS(fcntl, socket, F_DUPFD, 3));
	const char *site = keeper->front->policy_dir;
	const char *words[] = {keeper->python, "-I", "-S", "-B", keeper->entry, exe_number, "--root", keeper->front->root, "--policy-dir",
		site ? site : SITE_DIRECTORY, "broker", "--worker", socket_number, NULL};
	if (keeper->python) {
		text_add_number(&exe_text, SYS(openat, AT_FDCWD, EXE, O_RDONLY));
		long error = SYS(execve, keeper->python, words, keeper->front->envp);
		(void)fail_errno(keeper->python, (int)error);
	} else {
		words[5] = "postern";
		struct front front = {.argc = 8, .argv = (char **)(uintptr_t)&words[5], .envp = keeper->front->envp, .verb = "broker"};
		(void)hand_over(&front);
	}
	(void)SYS(exit_group, 1);
}

static void say_hello(struct keeper *keeper, struct worker *worker)
{
	struct keeper_message message = {.kind = KEEPER_HELLO};
	const struct packet fds = {.fds = {keeper->journal, keeper->control, keeper->metrics}, .fd_count = 3, .data = "", .size = 0};
	if (send_message(worker, &message, &fds) < 0)
		(void)SYS(pidfd_send_signal, worker->pidfd, SIGKILL, NULL, 0);
}

static int worker_start(struct keeper *keeper, struct worker *worker)
{
	int ends[2];
	long ret = SYS(socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
	if (ret < 0)
		return (int)ret;
	worker->pidfd = -1;
	ret = SYS(clone, CLONE_PIDFD | SIGCHLD, 0, &worker->pidfd, 0, 0);
	if (ret == 0)
		become_worker(keeper, ends[1]);
	(void)SYS(close, ends[1]);
	if (ret < 0) {
		(void)SYS(close, ends[0]);
		return (int)ret;
	}
	worker->pid = (int)ret;
	worker->socket = ends[0];
	worker->ready = worker->serves = worker->settled = worker->blocked = false;
	worker->started_ns = keeper_now();
	say_hello(keeper, worker);
	return 0;
}

/* End it entirely, since two workers must never use the journal at once. An adopted one is another process's child. */
static void worker_reap(const struct worker *worker)
{
	struct poll_entry ended = {worker->pidfd, POLLIN, 0};
	int status;
	long ret;
	(void)SYS(pidfd_send_signal, worker->pidfd, SIGKILL, NULL, 0); /* gone already as a rule */
	do
		ret = worker->pid ? SYS(wait4, worker->pid, &status, 0, 0) : SYS(ppoll, &ended, 1, NULL, NULL, 0);
	while (ret == -EINTR);
}

/* It has ended, or its socket has. */
static void worker_lost(struct keeper *keeper, struct worker *worker)
{
	worker_reap(worker);
	(void)SYS(close, worker->pidfd);
	(void)SYS(close, worker->socket);
	worker->socket = -1;
	if (worker->settled || (worker->ready && !worker->serves)) {
		report_warning("the broker's worker has ended; the next one takes over");
		return;
	}
	int64_t pause = 50000000ll << (keeper->failures < 7 ? keeper->failures : 7);
	keeper->retry_ns = keeper_now() + (pause < RETRY_MAX_NS ? pause : RETRY_MAX_NS);
	keeper->failures++;
	report_error("the broker's worker has ended before it served");
}

static struct worker *serving(struct keeper *keeper)
{
	for (size_t i = 0; i < WORKERS; i++)
		if (keeper->workers[i].socket >= 0 && keeper->workers[i].serves)
			return &keeper->workers[i];
	return NULL;
}

/* The one that is ready, or else one that will be. */
static void promote(struct keeper *keeper)
{
	struct worker *best = NULL;
	for (size_t i = 0; i < WORKERS; i++) {
		struct worker *worker = &keeper->workers[i];
		if (worker->socket >= 0 && (!best || (worker->ready && !best->ready)))
			best = worker;
	}
	struct keeper_message message = {.kind = KEEPER_SERVE, .registrations = (uint32_t)keeper->registered};
	const struct packet nothing = {.data = "", .size = 0};
	if (!best || send_message(best, &message, &nothing) < 0)
		return; /* its end is read next */
	best->serves = true;
	best->generation = ++keeper->last_generation;
}

/* A standby loads when the serving worker has settled: it would take the processor from the one that everybody waits for. */
static void start_missing(struct keeper *keeper)
{
	struct worker *active = serving(keeper);
	size_t wanted = active && active->settled && keeper->registered > 0 ? WORKERS : 1, there = 0;
	for (size_t i = 0; i < WORKERS; i++)
		there += keeper->workers[i].socket >= 0;
	for (size_t i = 0; i < WORKERS && there < wanted && keeper_now() >= keeper->retry_ns; i++) {
		if (keeper->workers[i].socket >= 0)
			continue;
		int error = worker_start(keeper, &keeper->workers[i]);
		if (error) {
			(void)fail_errno("the broker's worker cannot be started", error);
			keeper->retry_ns = keeper_now() + SECOND_NS;
		}
		there++;
	}
}

static long send_registration(struct worker *worker, const struct registration *registration)
{
	char texts[ID_MAX + METADATA_MAX];
	size_t id_size = strlen(registration->id), metadata_size = strlen(registration->metadata);
	memcpy(texts, registration->id, id_size);
	memcpy(texts + id_size, registration->metadata, metadata_size);
	struct keeper_message message = {
		.kind = KEEPER_ADD,
		.flags = (registration->table >= 0 ? FLAG_TABLE : 0) | (registration->joined ? FLAG_JOINED : 0),
		.key = registration->key,
		.pid = registration->pid,
		.id_size = (uint32_t)id_size,
		.exe_device = registration->exe_device,
		.exe_inode = registration->exe_inode,
		.deadline_ns = registration->deadline_ns,
		.metadata_size = (uint32_t)metadata_size,
	};
	const struct packet packet = {.fds = {registration->listener, registration->table},
		.fd_count = registration->table >= 0 ? 2 : 1,
		.data = texts,
		.size = id_size + metadata_size};
	return send_message(worker, &message, &packet);
}

static void send_missing(struct keeper *keeper, struct worker *worker)
{
	worker->blocked = false;
	size_t seen = 0;
	for (size_t i = 0; i < REGISTRATIONS_MAX && seen < keeper->registered; i++) {
		struct registration *registration = &keeper->registrations[i];
		seen += registration->key != 0;
		if (registration->key == 0 || registration->generation == worker->generation)
			continue;
		long ret = send_registration(worker, registration);
		worker->blocked = ret == -EAGAIN || ret == -ETOOMANYREFS;
		if (ret < 0)
			return; /* full, or its end is read next */
		registration->generation = worker->generation;
	}
}

void workers_tend(struct keeper *keeper)
{
	if (!serving(keeper))
		promote(keeper); /* first of all: containers wait */
	start_missing(keeper);
	if (!serving(keeper))
		promote(keeper);
	struct worker *active = serving(keeper);
	if (active)
		send_missing(keeper, active);
}

void worker_tell_over(struct keeper *keeper, const struct registration *registration)
{
	struct keeper_message message = {.kind = KEEPER_OVER, .key = registration->key};
	const struct packet nothing = {.data = "", .size = 0};
	struct worker *active = serving(keeper);
	if (active && send_message(active, &message, &nothing) < 0)
		report_warning("the broker's worker was not told that a container's time is up");
}

static void take_message(struct keeper *keeper, struct worker *worker, const struct keeper_message *message, struct packet *packet)
{
	struct registration *registration = registration_find(keeper, message->key);
	if (message->kind == WORKER_READY) {
		worker->ready = true;
	} else if (message->kind == WORKER_SETTLED) {
		worker->settled = true;
		keeper->failures = 0;
	} else if (message->kind == WORKER_TABLE && registration && packet->fd_count > 0) {
		close_scoped_fd(&registration->table);
		registration->table = packet->fds[0];
		packet->fds[0] = -1;
	} else if (message->kind == WORKER_LIMIT && registration) {
		registration->deadline_ns = message->deadline_ns;
	} else if (message->kind == WORKER_GONE && registration) {
		registration_remove(keeper, registration);
	}
}

void worker_read(struct keeper *keeper, struct worker *worker)
{
	struct keeper_message message;
	struct packet packet = {.data = &message, .size = sizeof(message)};
	long got = packet_receive(worker->socket, &packet, MSG_DONTWAIT);
	if (got == -EAGAIN)
		return;
	if (got <= 0) {
		worker_lost(keeper, worker);
		return;
	}
	if (got == sizeof(message))
		take_message(keeper, worker, &message, &packet);
	for (int i = 0; i < packet.fd_count; i++)
		if (packet.fds[i] >= 0)
			(void)SYS(close, packet.fds[i]);
}

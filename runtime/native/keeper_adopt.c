/* After a keeper has died: its worker starts another one and hands over what it has, with the lock, over a socket pair. It goes on
 * serving, and the socket pair is then what keeper and worker talk over. */
#include "keeper.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/time_types.h>

#define ADOPTED 1 /* the generation of the worker that came with everything; later ones count on */

static void take_registration(struct keeper *keeper, const struct keeper_message *message, const char *texts, struct packet *packet)
{
	struct registration *made = NULL;
	for (size_t i = 0; !made && i < REGISTRATIONS_MAX; i++)
		if (keeper->registrations[i].key == 0)
			made = &keeper->registrations[i];
	if (!made || packet->fd_count < 1 || message->key == 0 || message->id_size >= ID_MAX || message->metadata_size >= METADATA_MAX)
		return; /* its descriptors are closed by our caller */
	memset(made, 0, sizeof(*made));
	made->key = message->key;
	made->generation = ADOPTED;
	made->listener = packet->fds[0];
	made->table = packet->fd_count > 1 ? packet->fds[1] : -1;
	packet->fd_count = 0;
	made->pid = message->pid;
	made->pidfd = (int)SYS(pidfd_open, made->pid, 0);
	made->joined = (message->flags & FLAG_JOINED) != 0;
	made->exe_device = message->exe_device;
	made->exe_inode = message->exe_inode;
	made->deadline_ns = message->deadline_ns;
	memcpy(made->id, texts, message->id_size);
	memcpy(made->metadata, texts + message->id_size, message->metadata_size);
	keeper->registered++;
}

/* The descriptors of a hello are ours. */
static bool take_hello(struct keeper *keeper, struct packet *packet)
{
	if (packet->fd_count != 4 || keeper->journal >= 0)
		return false;
	keeper->journal = packet->fds[0];
	keeper->control = packet->fds[1];
	keeper->metrics = packet->fds[2];
	keeper->workers[0].pidfd = packet->fds[3];
	packet->fd_count = 0;
	return true;
}

/* It hung up too soon. If it lives, it keeps what it has, and there is nothing for us to do; if it has died, what came is all there is. */
static int hung_up(struct keeper *keeper)
{
	struct poll_entry ended = {keeper->workers[0].pidfd, POLLIN, 0};
	struct __kernel_timespec patience = {.tv_sec = 1}; /* its socket closes before its end shows */
	(void)SYS(close, ADOPT_FD);
	if (keeper->journal < 0 || SYS(ppoll, &ended, 1, &patience, NULL, 0) != 1)
		return -ENODATA;
	(void)SYS(close, keeper->workers[0].pidfd);
	return 0;
}

/* It has handed over everything, and is the one that serves. */
static int adopt_worker(struct keeper *keeper)
{
	struct worker *worker = &keeper->workers[0];
	worker->socket = ADOPT_FD;
	worker->pid = 0; /* no child of ours: only its pidfd is used */
	worker->ready = worker->serves = worker->settled = true;
	worker->generation = ADOPTED;
	worker->started_ns = keeper_now();
	return (int)SYS(fcntl, ADOPT_FD, F_SETFD, FD_CLOEXEC);
}

int keeper_adopt(struct keeper *keeper)
{
	static char data[MESSAGE_MAX];
	struct keeper_message message;
	keeper->last_generation = ADOPTED;
	for (uint32_t left = 1; left > 0;) {
		struct packet packet = {.data = data, .size = sizeof(data)};
		long got = packet_receive(ADOPT_FD, &packet, 0);
		if (got <= 0)
			return hung_up(keeper);
		if ((size_t)got >= sizeof(message)) {
			memcpy(&message, data, sizeof(message));
			if (message.kind == KEEPER_HELLO && take_hello(keeper, &packet)) {
				left = message.registrations;
			} else if (message.kind == KEEPER_ADD && keeper->journal >= 0 &&
				   (size_t)got == sizeof(message) + message.id_size + message.metadata_size) {
				take_registration(keeper, &message, data + sizeof(message), &packet);
				left--;
			}
		}
		for (int i = 0; i < packet.fd_count; i++)
			(void)SYS(close, packet.fds[i]);
	}
	return adopt_worker(keeper);
}

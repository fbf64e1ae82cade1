/* After a keeper has died: its worker starts another one and hands over what it has, with the lock, over a socket pair. */
#include "keeper.h"

#include <linux/errno.h>

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

int keeper_adopt(struct keeper *keeper)
{
	static char data[MESSAGE_MAX];
	struct keeper_message message;
	for (;;) {
		struct packet packet = {.data = data, .size = sizeof(data)};
		long got = packet_receive(ADOPT_FD, &packet, 0);
		if (got <= 0) {
			(void)SYS(close, ADOPT_FD);
			return got < 0 ? (int)got : keeper->journal < 0 ? -ENODATA : 0;
		}
		if ((size_t)got >= sizeof(message)) {
			memcpy(&message, data, sizeof(message));
			if (message.kind == KEEPER_HELLO && packet.fd_count == 1 && keeper->journal < 0) {
				keeper->journal = packet.fds[0];
				packet.fd_count = 0;
			} else if (message.kind == KEEPER_ADD && (size_t)got == sizeof(message) + message.id_size + message.metadata_size) {
				take_registration(keeper, &message, data + sizeof(message), &packet);
			}
		}
		for (int i = 0; i < packet.fd_count; i++)
			(void)SYS(close, packet.fds[i]);
	}
}

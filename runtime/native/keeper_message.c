/* One message with descriptors beside it. */
#include "keeper.h"

#include <linux/errno.h>
#include <linux/uio.h>

#define MSG_CTRUNC 8
#define MSG_TRUNC 0x20

struct rights {
	struct control_head head;
	int fds[KEEPER_FDS];
};

long packet_send(int socket, const struct packet *packet, unsigned flags)
{
	struct rights rights = {.head = {sizeof(rights.head) + (size_t)packet->fd_count * sizeof(int), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec part = {packet->data, packet->size};
	struct message message = {.parts = &part, .part_count = 1};
	memcpy(rights.fds, packet->fds, (size_t)packet->fd_count * sizeof(int));
	if (packet->fd_count > 0) {
		message.control = &rights;
		message.control_size = sizeof(rights.head) + (((size_t)packet->fd_count * sizeof(int) + 7) & ~(size_t)7);
	}
	long ret;
	do
		ret = SYS(sendmsg, socket, &message, flags | MSG_NOSIGNAL);
	while (ret == -EINTR);
	return ret;
}

/* More descriptors than asked for never get here: the kernel puts in what the buffer holds and closes the rest (MSG_CTRUNC). */
static void take_rights(const struct rights *rights, size_t size, struct packet *packet)
{
	if (size < sizeof(rights->head) || rights->head.level != SOL_SOCKET || rights->head.type != SCM_RIGHTS)
		return;
	size_t count = (rights->head.size - sizeof(rights->head)) / sizeof(int);
	for (size_t i = 0; i < count && i < KEEPER_FDS; i++)
		packet->fds[packet->fd_count++] = rights->fds[i];
}

long packet_receive(int socket, struct packet *packet, unsigned flags)
{
	struct rights rights = {0};
	struct iovec part = {packet->data, packet->size};
	struct message message = {.parts = &part, .part_count = 1, .control = &rights, .control_size = sizeof(rights)};
	long ret;
	packet->fd_count = 0;
	do
		ret = SYS(recvmsg, socket, &message, flags | MSG_CMSG_CLOEXEC);
	while (ret == -EINTR);
	if (ret < 0)
		return ret;
	take_rights(&rights, message.control_size, packet);
	if (message.flags & (MSG_CTRUNC | MSG_TRUNC)) {
		for (int i = 0; i < packet->fd_count; i++)
			(void)SYS(close, packet->fds[i]);
		packet->fd_count = 0;
		return -EMSGSIZE;
	}
	return ret;
}

/* Those who bring a listener: a connection, one document with descriptors, our answer. Nobody is waited for. Runtimes end the document in
 * different ways: some close the connection, some keep it open for as long as they run. */
#include "keeper.h"

#include "json_walk.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

struct peer_identity { /* struct ucred */
	int pid;
	uint32_t uid, gid;
};

static struct peer *free_peer(struct keeper *keeper)
{
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (keeper->peers[i].fd < 0)
			return &keeper->peers[i];
	return NULL;
}

static bool may_register(int fd, struct peer_identity *identity)
{
	int size = sizeof(*identity);
	if (SYS(getsockopt, fd, SOL_SOCKET, SO_PEERCRED, identity, &size) != 0)
		return false;
	return identity->uid == 0 || identity->uid == (uint32_t)SYS(geteuid);
}

/* Room for a document; kept for the next peer of this place. */
static bool has_buffer(struct peer *peer)
{
	if (peer->data)
		return true;
	long memory = SYS(mmap, NULL, KEEPER_STATE_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory < 0 && memory > -4096)
		return false;
	peer->data = (char *)memory;
	return true;
}

void peer_accept(struct keeper *keeper)
{
	struct peer_identity identity;
	struct peer *peer = free_peer(keeper);
	if (!peer || !has_buffer(peer))
		return; /* stays in the queue until a place is free */
	int fd = (int)SYS(accept4, keeper->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	if (!may_register(fd, &identity)) {
		(void)SYS(close, fd);
		return;
	}
	keeper->active_ns = keeper_now();
	peer->fd = fd;
	peer->pid = identity.pid;
	peer->size = 0;
	peer->fd_count = 0;
	peer->deadline_ns = keeper->active_ns + PEER_TIMEOUT_MS * 1000000ll;
}

void peer_close(struct peer *peer)
{
	for (int i = 0; i < peer->fd_count; i++)
		if (peer->fds[i] >= 0)
			(void)SYS(close, peer->fds[i]);
	peer->fd_count = 0;
	(void)SYS(close, peer->fd);
	peer->fd = -1;
	/* what an unusual peer filled is given back */
	if (peer->size > 65536)
		(void)SYS(madvise, peer->data, KEEPER_STATE_MAX, MADV_DONTNEED);
}

/* The end of the document: register what it says, and answer. Whoever does not read the answer does not need it. */
static void finish(struct keeper *keeper, struct peer *peer)
{
	static struct process_state state;
	int error = process_state_parse(peer->data, peer->size, &state);
	if (!error)
		error = registration_add(keeper, &state, peer);
	if (!error) {
		peer->fds[state.listener] = -1; /* the registration's now */
		workers_tend(keeper); /* should we die when we have answered, the worker has it, too */
	}
	int32_t answer = -error;
	(void)SYS(sendto, peer->fd, &answer, sizeof(answer), MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
	peer_close(peer);
}

void peer_read(struct keeper *keeper, struct peer *peer)
{
	struct packet packet = {.data = peer->data + peer->size, .size = KEEPER_STATE_MAX - peer->size};
	long got = packet.size == 0 ? -EMSGSIZE : packet_receive(peer->fd, &packet, MSG_DONTWAIT);
	if (got == -EAGAIN)
		return;
	for (int i = 0; i < packet.fd_count && got >= 0; i++) {
		if (peer->fd_count < KEEPER_FDS)
			peer->fds[peer->fd_count++] = packet.fds[i];
		else
			(void)SYS(close, packet.fds[i]);
	}
	if (got < 0) {
		peer_close(peer);
		return;
	}
	peer->size += (size_t)got;
	if (got == 0 || json_document(peer->data, peer->size).start)
		finish(keeper, peer);
}

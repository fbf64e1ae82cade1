/* What the handlers of sockets share. */
#ifndef POSTERN_BROKER_SOCKETS_H
#define POSTERN_BROKER_SOCKETS_H

#include "broker_files.h"

#include <sys/socket.h>
#include <sys/un.h>

/* A socket of the caller and the address that it named, copied once. `unix_fd`: what a path led to, judged; the address then names it
 * below the worker's directory of descriptors, or, for bind, in the directory the worker stands in. */
struct endpoint {
	int socket, unix_fd; /* owned, -1: none */
	socklen_t size;
	int domain, type, protocol;
	union {
		struct sockaddr any;
		struct sockaddr_un un;
		struct sockaddr_storage storage;
		char bytes[sizeof(struct sockaddr_storage) + 1];
	} address;
};

enum use { USE_CONNECT, USE_BIND, USE_SEND };

/* The caller's socket; 0 or -errno. */
int endpoint_open(struct call *call, struct endpoint *endpoint, int fd);
void endpoint_close(struct endpoint *endpoint);
int endpoint_copy(struct call *call, struct endpoint *endpoint, uint64_t address, uint64_t size);
/* Judges the address and makes it one that can be used without looking at names again. */
bool endpoint_allow(struct call *call, struct endpoint *endpoint, enum use use, struct verdict *denied);
/* Whether the socket would wait, now: O_NONBLOCK is shared with the caller. */
bool endpoint_blocks(const struct endpoint *endpoint);

#endif

/* Sockets of a caller and the addresses it names. */
#define _GNU_SOURCE
#include "broker_sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int option(int socket, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);
	return getsockopt(socket, SOL_SOCKET, name, &value, &size) < 0 ? -1 : value;
}

int endpoint_open(struct call *call, struct endpoint *endpoint, int fd)
{
	*endpoint = (struct endpoint){.unix_fd = -1, .socket = target_fd(call, fd)};
	if (endpoint->socket < 0)
		return endpoint->socket;
	endpoint->domain = option(endpoint->socket, SO_DOMAIN);
	endpoint->type = option(endpoint->socket, SO_TYPE);
	endpoint->protocol = option(endpoint->socket, SO_PROTOCOL);
	return endpoint->domain < 0 || endpoint->type < 0 ? -ENOTSOCK : 0;
}

void endpoint_close(struct endpoint *endpoint)
{
	if (endpoint->socket >= 0)
		(void)close(endpoint->socket);
	if (endpoint->unix_fd >= 0)
		(void)close(endpoint->unix_fd);
	endpoint->socket = endpoint->unix_fd = -1;
}

int endpoint_copy(struct call *call, struct endpoint *endpoint, uint64_t address, uint64_t size)
{
	if (size > sizeof(endpoint->address.storage))
		return -EINVAL;
	endpoint->size = (socklen_t)size;
	return copy_in(call, address, &endpoint->address, size);
}

bool endpoint_blocks(const struct endpoint *endpoint)
{
	int flags = fcntl(endpoint->socket, F_GETFL);
	return flags >= 0 && !(flags & O_NONBLOCK);
}

static uint32_t protocol_bit(const struct endpoint *endpoint)
{
	if (endpoint->protocol == IPPROTO_TCP || endpoint->protocol == 262 /* IPPROTO_MPTCP */)
		return 1;
	return endpoint->protocol == IPPROTO_UDP || endpoint->protocol == 136 /* IPPROTO_UDPLITE */ ? 2 : 0;
}

/* An address of the internet in the form in which rules are compared. */
static void read_target(const struct endpoint *endpoint, struct table_target *target)
{
	const struct sockaddr_in *in = (const void *)&endpoint->address;
	const struct sockaddr_in6 *in6 = (const void *)&endpoint->address;
	*target = (struct table_target){.protocols = protocol_bit(endpoint)};
	if (endpoint->address.any.sa_family == AF_INET6) {
		target->port = ntohs(in6->sin6_port);
		target->family = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) ? AF_INET : AF_INET6;
		memcpy(target->address, (const char *)&in6->sin6_addr + (target->family == AF_INET ? 12 : 0),
			target->family == AF_INET ? 4 : 16);
		return;
	}
	/* sockets of IPv4 take an unspecified family for their own */
	target->port = ntohs(in->sin_port);
	target->family = AF_INET;
	memcpy(target->address, &in->sin_addr, 4);
}

static bool allow_internet(struct call *call, const struct endpoint *endpoint, enum use use)
{
	struct table_target target;
	call->text[0] = '\0';
	(void)snprintf(call->text, sizeof(call->text), "%s", use == USE_BIND ? "bind" : use == USE_SEND ? "send" : "connect");
	describe_address(call, &endpoint->address, endpoint->size);
	read_target(endpoint, &target);
	/* to nowhere is to the host itself: judged as the loopback address it becomes */
	static const uint8_t zero[16];
	if (use != USE_BIND && memcmp(target.address, zero, 16) == 0) {
		memcpy(target.address, "\x7f\0\0\1", target.family == AF_INET ? 4 : 0);
		target.address[15] = target.family == AF_INET6 ? 1 : 0;
	}
	return table_reaches(call->table, use == USE_BIND ? SECTION_BIND : SECTION_EGRESS, &target, &call->rule);
}

/* The file that a path leads to, judged by its own name; the address becomes its number in the worker's directory of descriptors. */
static bool find_unix(struct call *call, struct endpoint *endpoint, const char *path, struct verdict *denied)
{
	struct lookup lookup = {.path = path, .base = -1, .dir = AT_FDCWD};
	struct object object = {.fd = -1};
	int error = DISTURBED;
	for (int i = 0; i < RETRIES && error == DISTURBED; i++) {
		if (object.fd >= 0)
			(void)close(object.fd);
		object.fd = look_up(call, &lookup, 0);
		error = object.fd < 0 ? object.fd : name_object(call, &lookup, &object);
	}
	endpoint->unix_fd = object.fd;
	if (error < 0) {
		*denied = error == -EACCES || error == DISTURBED ? DENIED(call) : FAILED(error);
		return false;
	}
	const char *canonical = call->worker->canonical;
	(void)snprintf(call->text, sizeof(call->text), "connect unix:%.700s", canonical);
	if (table_hides(call->table, canonical, &call->rule)) {
		*denied = (struct verdict){.outcome = OUTCOME_ERROR, .value = ENOENT, .denied = true};
		return false;
	}
	if (!table_covers(call->table, SECTION_UNIX_CONNECT, canonical, &call->rule) && !is_granted(call))
		return false;
	struct sockaddr_un *un = &endpoint->address.un;
	int size = snprintf(un->sun_path, sizeof(un->sun_path), "%d", endpoint->unix_fd);
	endpoint->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)size + 1);
	return true;
}

/* For bind: the directory is judged and stood in, and the address becomes the last component, which bind does not follow. */
static bool find_unix_place(struct call *call, struct endpoint *endpoint, const char *path, struct verdict *denied)
{
	char parent[PATH_SIZE];
	const char *name;
	struct lookup lookup = {.path = parent, .base = -1, .dir = AT_FDCWD};
	if (!split_path(path, parent, &name)) {
		*denied = FAILED(EADDRINUSE);
		return false;
	}
	struct object object = {.fd = look_up(call, &lookup, O_DIRECTORY)};
	endpoint->unix_fd = object.fd;
	int error = object.fd < 0 ? object.fd : name_object(call, &lookup, &object);
	if (error < 0 || object.in_procfs || !append_name(call, name)) {
		*denied = error == -EACCES || error == DISTURBED || error == 0 ? DENIED(call) : FAILED(error);
		return false;
	}
	(void)snprintf(call->text, sizeof(call->text), "bind unix:%.700s", call->worker->canonical);
	bool hidden = table_hides(call->table, call->worker->canonical, &call->rule);
	if (hidden || (!table_covers(call->table, SECTION_UNIX_BIND, call->worker->canonical, &call->rule) && !is_granted(call)))
		return false;
	struct sockaddr_un *un = &endpoint->address.un;
	size_t size = strlen(name);
	char last[sizeof(un->sun_path)];
	if (size >= sizeof(last))
		return false;
	memcpy(last, name, size + 1); /* it lies in what is written next */
	memcpy(un->sun_path, last, size + 1);
	endpoint->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + 1);
	if (fchdir(object.fd) == 0)
		return true;
	*denied = FAILED(errno);
	return false;
}

static bool allow_unix(struct call *call, struct endpoint *endpoint, enum use use, struct verdict *denied)
{
	const struct sockaddr_un *un = &endpoint->address.un;
	char path[sizeof(un->sun_path) + 1];
	if (endpoint->size <= offsetof(struct sockaddr_un, sun_path))
		return use != USE_BIND || call->table->header->flags & TABLE_ABSTRACT; /* bind chooses an abstract name, connect fails */
	if (un->sun_path[0] == '\0') {
		(void)snprintf(call->text, sizeof(call->text), "%s", use == USE_BIND ? "bind" : "connect");
		describe_address(call, un, endpoint->size);
		return call->table->header->flags & TABLE_ABSTRACT;
	}
	size_t size = endpoint->size - offsetof(struct sockaddr_un, sun_path);
	size = size > sizeof(un->sun_path) ? sizeof(un->sun_path) : size;
	memcpy(path, un->sun_path, size);
	path[size] = '\0';
	int error = assume(call, use == USE_BIND);
	if (error < 0) {
		*denied = error == -ESRCH ? (struct verdict){.outcome = OUTCOME_GONE} : DENIED(call);
		return false;
	}
	return use == USE_BIND ? find_unix_place(call, endpoint, path, denied) : find_unix(call, endpoint, path, denied);
}

bool endpoint_allow(struct call *call, struct endpoint *endpoint, enum use use, struct verdict *denied)
{
	int family = endpoint->size >= sizeof(sa_family_t) ? endpoint->address.any.sa_family : -1;
	bool limited = call->table->header->section[use == USE_BIND ? SECTION_BIND : SECTION_EGRESS] != TABLE_NONE, good;
	*denied = DENIED(call);
	if (family < 0)
		return true; /* the kernel refuses it */
	if (family == AF_UNIX && endpoint->domain == AF_UNIX)
		good = allow_unix(call, endpoint, use, denied);
	else if (family == AF_INET || family == AF_INET6)
		good = allow_internet(call, endpoint, use);
	else if (family == AF_UNSPEC && use != USE_CONNECT && endpoint->domain == AF_INET)
		good = allow_internet(call, endpoint, use);
	else
		good = family == AF_UNSPEC || family == AF_NETLINK || !limited;
	bool path = family == AF_UNIX && endpoint->size > offsetof(struct sockaddr_un, sun_path) && endpoint->address.un.sun_path[0];
	return good || (!path && is_granted(call));
}

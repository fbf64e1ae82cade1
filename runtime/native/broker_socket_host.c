/* connect and bind: on a duplicate of the caller's socket, with the address that was judged. */
#define _GNU_SOURCE
#include "broker_sockets.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct verdict gone(void)
{
	return (struct verdict){.outcome = OUTCOME_GONE};
}

/* The socket and the address of connect and bind; outcome OUTCOME_VALUE: go on. */
static struct verdict prepare(struct call *call, struct endpoint *endpoint, enum use use)
{
	const struct seccomp_data *data = &call->slot->notif.data;
	int size = (int)data->args[2], error = endpoint_open(call, endpoint, (int)data->args[0]);
	struct verdict denied;
	if (error == 0)
		error = size < 0 ? -EINVAL : endpoint_copy(call, endpoint, data->args[1], (uint64_t)size);
	if (!still_valid(call))
		return gone();
	if (error < 0)
		return FAILED(error);
	if (endpoint->domain == AF_UNIX && (error = assume(call, use == USE_BIND)) < 0)
		return error == -ESRCH ? gone() : DENIED(call);
	if (!endpoint_allow(call, endpoint, use, &denied))
		return denied;
	return still_valid(call) ? (struct verdict){.outcome = OUTCOME_VALUE} : gone();
}

int judge_socket(struct call *call)
{
	const struct seccomp_data *data = &call->slot->notif.data;
	struct endpoint endpoint;
	struct verdict denied = DENIED(call);
	struct msghdr message = {0};
	enum use use = call->entry.handler == HANDLER_BIND ? USE_BIND : call->entry.handler == HANDLER_SEND ? USE_SEND : USE_CONNECT;
	uint64_t address = data->args[1], size = (uint32_t)data->args[2];
	if (data->nr == __NR_sendto) {
		address = data->args[4];
		size = (uint32_t)data->args[5];
	} else if (use == USE_SEND && copy_in(call, data->args[1], &message, sizeof(message)) == 0) {
		address = (uint64_t)(uintptr_t)message.msg_name;
		size = message.msg_namelen;
	}
	int error = endpoint_open(call, &endpoint, (int)data->args[0]);
	bool named = error == 0 && address && size > 0 && endpoint_copy(call, &endpoint, address, size) == 0;
	bool good = !named || endpoint_allow(call, &endpoint, use, &denied);
	endpoint_close(&endpoint);
	return good || !denied.denied ? 0 : (int)denied.value;
}

/* What connect(2) would have done for the caller. A socket that does not block does not block us either, and one of datagrams has
 * nobody to wait for, at least in these families. */
static int connect_socket(struct call *call, const struct endpoint *endpoint)
{
	int result, domain = endpoint->domain;
	bool at_once = endpoint->type == SOCK_DGRAM && (domain == AF_INET || domain == AF_INET6 || domain == AF_UNIX);
	if (at_once || !endpoint_blocks(endpoint))
		return connect(endpoint->socket, &endpoint->address.any, endpoint->size) < 0 ? -errno : 0;
	if (!wait_begin(call))
		return -EAGAIN;
	do
		result = connect(endpoint->socket, &endpoint->address.any, endpoint->size) < 0 ? -errno : 0;
	while (result == -EINTR && !atomic_load(&call->worker->interrupt));
	wait_end(call);
	return result;
}

struct verdict handle_connect(struct call *call)
{
	struct endpoint endpoint;
	struct verdict verdict = prepare(call, &endpoint, USE_CONNECT);
	if (verdict.outcome == OUTCOME_VALUE) {
		int error = 0, back = 0;
		bool peers = endpoint.domain == AF_UNIX; /* they are told who connects, and find paths below the descriptors */
		if (peers)
			error = fchdir(call->broker->proc_fd_dir) < 0 ? -errno : assume_effective(call, true);
		atomic_store(&call->slot->state, SLOT_ACTING);
		if (error == 0)
			error = connect_socket(call, &endpoint);
		if (peers)
			back = assume_effective(call, false);
		if (error == -EISCONN && call->redone)
			error = 0;
		if (error < 0 || back < 0)
			verdict = FAILED(error < 0 ? error : back);
	}
	endpoint_close(&endpoint);
	return verdict;
}

/* Whether the caller may bind ports below 1024 of this socket's network: its capability counts where its user namespace owns that. */
static bool may_bind_low(struct call *call, int socket)
{
	struct target *target = target_of(call);
	struct stat own = {0}, owner = {0};
	if (!target || target_read_status(target) < 0 || !(target->effective & 1ull << CAP_NET_BIND_SERVICE))
		return false;
	if (fstatat(target->proc, "ns/user", &own, 0) < 0 || with_capability(1ull << CAP_NET_ADMIN, true) < 0)
		return false;
	int network = ioctl(socket, SIOCGSKNS), user = network < 0 ? -1 : ioctl(network, NS_GET_USERNS);
	bool same = with_capability(0, false) == 0 && user >= 0 && fstat(user, &owner) == 0 && own.st_ino == owner.st_ino;
	if (network >= 0)
		(void)close(network);
	if (user >= 0)
		(void)close(user);
	return same;
}

static bool is_low_port(const struct endpoint *endpoint)
{
	const struct sockaddr_in *in = (const void *)&endpoint->address; /* the port of IPv6 lies at the same place */
	int family = endpoint->address.any.sa_family;
	bool internet = family == AF_INET || family == AF_INET6 || (family == AF_UNSPEC && endpoint->domain == AF_INET);
	return internet && in->sin_port != 0 && __builtin_bswap16(in->sin_port) < 1024;
}

struct verdict handle_bind(struct call *call)
{
	struct endpoint endpoint;
	struct verdict verdict = prepare(call, &endpoint, USE_BIND);
	if (verdict.outcome == OUTCOME_VALUE) {
		bool low = is_low_port(&endpoint) && may_bind_low(call, endpoint.socket);
		int error = low ? with_capability(1ull << CAP_NET_BIND_SERVICE, true) : 0, back = 0;
		atomic_store(&call->slot->state, SLOT_ACTING);
		if (error == 0 && bind(endpoint.socket, &endpoint.address.any, endpoint.size) < 0)
			error = -errno;
		if (low)
			back = with_capability(0, false);
		if (error == -EINVAL && call->redone)
			error = 0; /* it is bound already */
		if (error < 0 || back < 0)
			verdict = FAILED(error < 0 ? error : back);
	}
	endpoint_close(&endpoint);
	return verdict;
}

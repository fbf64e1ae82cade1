/* sendto, sendmsg, sendmmsg: address, data and control data are copied once, judged, and sent on a duplicate of the caller's socket. */
#define _GNU_SOURCE
#include "broker_send.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY 0x4000000
#endif

/* `size` bytes of the caller's parts from `offset` on. */
static int gather(const struct call *call, struct sending *sending, size_t offset, size_t size)
{
	struct iovec remote[PARTS_MAX], local = {sending->data, size};
	size_t count = 0, left = size;
	for (size_t i = 0; i < sending->part_count && left > 0; i++) {
		struct iovec part = sending->parts[i];
		if (offset >= part.iov_len) {
			offset -= part.iov_len;
			continue;
		}
		part.iov_base = (char *)part.iov_base + offset;
		part.iov_len = part.iov_len - offset < left ? part.iov_len - offset : left;
		offset = 0;
		left -= part.iov_len;
		remote[count++] = part;
	}
	if (size == 0)
		return 0;
	return process_vm_readv((pid_t)call->slot->notif.pid, &local, 1, remote, count, 0) == (ssize_t)size ? 0 : -EFAULT;
}

/* The kernel's limits: what is longer than an int is cut. */
static int measure(struct sending *sending)
{
	sending->total = 0;
	for (size_t i = 0; i < sending->part_count; i++) {
		struct iovec *part = &sending->parts[i];
		if ((ssize_t)part->iov_len < 0)
			return -EINVAL;
		if (part->iov_len > INT_MAX - sending->total)
			part->iov_len = INT_MAX - sending->total;
		sending->total += part->iov_len;
	}
	return sending->endpoint.type != SOCK_STREAM && sending->total > DATA_MAX ? -EMSGSIZE : 0;
}

static int copy_parts(const struct call *call, struct sending *sending, uint64_t address, size_t count)
{
	if (count > PARTS_MAX)
		return -EMSGSIZE;
	if (copy_in(call, address, sending->parts, count * sizeof(struct iovec)) < 0)
		return -EFAULT;
	sending->part_count = count;
	return 0;
}

/* One part of a stream, or a whole datagram. What would block blocks us only where it would block the caller. */
static ssize_t send_part(struct call *call, struct sending *sending, const struct msghdr *message, int flags)
{
	bool is_unix = sending->endpoint.domain == AF_UNIX, may_wait = !(flags & MSG_DONTWAIT) && endpoint_blocks(&sending->endpoint);
	int error = is_unix ? with_capability(1ull << CAP_SYS_ADMIN, true) : 0; /* to say whose process it is */
	if (error < 0)
		return error;
	ssize_t sent = sendmsg(sending->endpoint.socket, message, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
	error = errno;
	if (sent < 0 && error == EAGAIN && may_wait) {
		if (wait_begin(call)) {
			do {
				sent = sendmsg(sending->endpoint.socket, message, flags | MSG_NOSIGNAL);
				error = errno;
			} while (sent < 0 && error == EINTR && !atomic_load(&call->worker->interrupt));
			wait_end(call);
		}
	}
	if (is_unix && with_capability(0, false) < 0)
		return -EPERM;
	return sent < 0 ? -error : sent;
}

static ssize_t send_all(struct call *call, struct sending *sending, int flags)
{
	bool named = sending->endpoint.size > 0, blocks = !(flags & MSG_DONTWAIT) && endpoint_blocks(&sending->endpoint);
	size_t done = 0;
	do {
		size_t size = sending->total - done > DATA_MAX ? DATA_MAX : sending->total - done;
		struct iovec data = {sending->data, size};
		struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
		int error = gather(call, sending, done, size);
		if (error < 0)
			return done > 0 ? (ssize_t)done : error;
		if (named) {
			message.msg_name = &sending->endpoint.address;
			message.msg_namelen = sending->endpoint.size;
		}
		if (done == 0 && sending->control_size) {
			message.msg_control = sending->control;
			message.msg_controllen = sending->control_size;
		}
		ssize_t sent = send_part(call, sending, &message, flags);
		if (sent < 0)
			return done > 0 ? (ssize_t)done : sent;
		done += (size_t)sent;
		if ((size_t)sent < size && !blocks)
			break;
	} while (done < sending->total && still_valid(call));
	return (ssize_t)done;
}

/* One message; bytes sent, or -errno, or *refused set. */
static ssize_t send_message(struct call *call, struct sending *sending, const struct msghdr *message, int flags, struct verdict *refused)
{
	struct endpoint *endpoint = &sending->endpoint;
	struct verdict denied;
	bool named = message->msg_name && (int)message->msg_namelen > 0;
	int error = (int)message->msg_namelen < 0 ? -EINVAL : 0;
	endpoint->size = 0;
	sending->control_size = 0;
	memset(&endpoint->address, 0, sizeof(endpoint->address));
	if (error == 0 && flags & MSG_ZEROCOPY)
		error = -ENOBUFS; /* our memory cannot be the caller's */
	if (error == 0 && named)  /* as the kernel does, an address that is too long is cut */
		error = endpoint_copy(
			call, endpoint, (uint64_t)(uintptr_t)message->msg_name, message->msg_namelen > 128 ? 128 : message->msg_namelen);
	if (error == 0 && message->msg_iov)
		error = copy_parts(call, sending, (uint64_t)(uintptr_t)message->msg_iov, message->msg_iovlen);
	if (error == 0)
		error = measure(sending);
	if (error == 0)
		error = copy_control(
			call, sending, (uint64_t)(uintptr_t)message->msg_control, message->msg_control ? message->msg_controllen : 0);
	if (error < 0)
		return error;
	if (!still_valid(call)) {
		*refused = (struct verdict){.outcome = OUTCOME_GONE};
		return -ESRCH;
	}
	if (endpoint->domain == AF_UNIX && assume(call, false) < 0) {
		*refused = DENIED(call);
		return -EACCES;
	}
	if (named && !endpoint_allow(call, endpoint, USE_SEND, &denied)) {
		*refused = denied;
		return -EACCES;
	}
	if (endpoint->domain == AF_UNIX && fchdir(call->broker->proc_fd_dir) < 0)
		return -errno;
	if (call->redone && endpoint->type == SOCK_STREAM)
		return -ECONNRESET; /* it may have been sent: twice would be worse */
	atomic_store(&call->slot->state, SLOT_ACTING);
	return send_all(call, sending, flags);
}

static struct verdict result_of(struct call *call, const struct sending *sending, ssize_t sent, int flags, struct verdict refused)
{
	if (refused.outcome != OUTCOME_VALUE)
		return refused;
	if (sent == -EPIPE && !(flags & MSG_NOSIGNAL) && sending->endpoint.type == SOCK_STREAM && still_valid(call)) {
		int pidfd = target_pidfd(call->target);
		if (pidfd >= 0)
			(void)syscall(SYS_pidfd_send_signal, pidfd, SIGPIPE, NULL, 0);
	}
	return sent < 0 ? FAILED((int)sent) : (struct verdict){.outcome = OUTCOME_VALUE, .value = sent};
}

/* As sendmmsg(2): the number of messages sent, an error only where there are none. */
static struct verdict send_many(struct call *call, struct sending *sending, uint64_t address, uint64_t count, int flags)
{
	struct verdict refused = {.outcome = OUTCOME_VALUE};
	ssize_t sent = 0;
	uint64_t done = 0;
	for (count = count > PARTS_MAX ? PARTS_MAX : count; done < count; done++) {
		struct mmsghdr one;
		uint64_t at = address + done * sizeof(one);
		sent = copy_in(call, at, &one, sizeof(one));
		if (sent == 0)
			sent = send_message(call, sending, &one.msg_hdr, flags, &refused);
		close_passed(sending);
		if (sending->endpoint.unix_fd >= 0)
			(void)close(sending->endpoint.unix_fd);
		sending->endpoint.unix_fd = -1;
		if (sent < 0)
			break;
		unsigned size = (unsigned)sent;
		struct iovec local = {&size, sizeof(size)},
			     remote = {(void *)(uintptr_t)(at + offsetof(struct mmsghdr, msg_len)), sizeof(size)};
		(void)process_vm_writev(
			(pid_t)call->slot->notif.pid, &local, 1, &remote, 1, 0); /* the kernel ignores what it cannot write, too */
	}
	if (done > 0 && refused.outcome != OUTCOME_GONE)
		return (struct verdict){.outcome = OUTCOME_VALUE, .value = (int64_t)done};
	return result_of(call, sending, sent, flags, refused);
}

struct verdict handle_send(struct call *call)
{
	const struct seccomp_data *data = &call->slot->notif.data;
	int flags = (int)(data->nr == __NR_sendmsg ? data->args[2] : data->args[3]);
	struct verdict refused = {.outcome = OUTCOME_VALUE}, verdict;
	if (data->nr == __NR_sendto && (data->args[4] == 0 || (int)data->args[5] == 0) && !(flags & MSG_FASTOPEN))
		return CONTINUED; /* the registers say that no address is named */
	if (!call->worker->sending && !(call->worker->sending = malloc(sizeof(struct sending))))
		return FAILED(ENOBUFS);
	struct sending *sending = call->worker->sending;
	sending->passed_count = 0;
	int error = endpoint_open(call, &sending->endpoint, (int)data->args[0]);
	if (error == 0 && data->nr == __NR_sendmmsg) {
		verdict = send_many(call, sending, data->args[1], (uint32_t)data->args[2], flags);
		endpoint_close(&sending->endpoint);
		return verdict;
	}
	struct msghdr message = {.msg_name = (void *)(uintptr_t)data->args[4], .msg_namelen = (socklen_t)data->args[5]};
	sending->parts[0] = (struct iovec){(void *)(uintptr_t)data->args[1], data->args[2]};
	sending->part_count = 1;
	if (error == 0 && data->nr == __NR_sendmsg) {
		sending->part_count = 0;
		error = copy_in(call, data->args[1], &message, sizeof(message));
	}
	ssize_t sent = error < 0 ? error : send_message(call, sending, &message, flags, &refused);
	close_passed(sending);
	verdict = result_of(call, sending, sent, flags, refused);
	endpoint_close(&sending->endpoint);
	return verdict;
}

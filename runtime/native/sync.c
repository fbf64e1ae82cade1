/* The channel between the two halves: one SOCK_SEQPACKET pair, one kind of frame.
 *
 *   parent half                               init half
 *     HOST ops, clone3 ----------------------> starts
 *     PARENT ops (id maps)
 *     GO  (only with a new user namespace) ---> becomes root of it
 *                                              SETUP ops
 *     <-------- REACHED SETUP (only with RUNTIME_HOOKS)
 *     HOOKS ops, GO -------------------------->
 *                                              ROOT ops        <-- PTY may be sent here
 *     <-------- REACHED ROOT (only when READY has ops)
 *     READY ops, GO -------------------------->
 *                                              FINAL ops       <-- LISTENER may be sent here
 *     <-------- REACHED FINAL
 *     COMMIT ops, GO (the release) ----------->
 *                                              START ops, execve
 * At any time init may send WARNING, or ERROR and exit.  End of file before the release means that the other half is gone: init exits,
 * the parent reports its death.  After the release of a `create` init closes its end; of a `run` or `exec` it is closed by execve. */
#include "executor_int.h"

#include <linux/socket.h>
#include <linux/un.h>
#include <linux/uio.h>
#include "socket_abi.h"

int sync_pair(int ends[2])
{
	return (int)SYS(socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static long send_message(int socket, const struct iovec *parts, size_t count, int fd)
{
	struct {
		struct control_head head;
		int fd, pad;
	} control = {{sizeof(control.head) + sizeof(int), SOL_SOCKET, SCM_RIGHTS}, fd, 0};
	struct message message = {.parts = parts, .part_count = count};
	if (fd >= 0) {
		message.control = &control;
		message.control_size = sizeof(control);
	}
	long ret;
	do
		ret = SYS(sendmsg, socket, &message, MSG_NOSIGNAL);
	while (ret == -EINTR);
	return ret;
}

int sync_send(struct run *run, const struct frame *frame, int fd)
{
	struct iovec part = {(void *)frame, FRAME_HEAD + strlen(frame->text)};
	/* a filter on init may allow less than sendmsg, never less than write */
	long ret = fd < 0 && run->in_init ? SYS(write, run->sync, part.iov_base, part.iov_len) : send_message(run->sync, &part, 1, fd);
	return ret < 0 ? (int)ret : 0;
}

/* The descriptor and the sender's pid out of the control messages; a second descriptor is not expected and none is kept. */
static void take_control(const char *control, size_t size, int *fd, int *pid)
{
	size_t at = 0;
	while (at + sizeof(struct control_head) <= size) {
		struct control_head head;
		memcpy(&head, control + at, sizeof(head));
		if (head.size < sizeof(head) || head.size > size - at)
			return;
		int value;
		memcpy(&value, control + at + sizeof(head), sizeof(value));
		if (head.type == SCM_RIGHTS && fd && *fd < 0)
			*fd = value;
		else if (head.type == SCM_RIGHTS)
			(void)SYS(close, value);
		else if (head.type == SCM_CREDENTIALS && pid)
			*pid = value; /* struct ucred begins with the pid, in our pid namespace */
		at += (head.size + 7) & ~(size_t)7;
	}
}

int sync_receive(struct run *run, struct frame *frame, int *fd, int *pid)
{
	char control[128] __attribute__((aligned(8)));
	struct iovec part = {frame, sizeof(*frame) - 1};
	struct message message = {.parts = &part, .part_count = 1, .control = control, .control_size = sizeof(control)};
	long ret;
	if (fd)
		*fd = -1;
	do
		ret = run->in_init ? SYS(read, run->sync, frame, sizeof(*frame) - 1) : SYS(recvmsg, run->sync, &message, MSG_CMSG_CLOEXEC);
	while (ret == -EINTR);
	if (!run->in_init && ret >= 0)
		take_control(control, message.control_size, fd, pid);
	if (ret <= 0)
		return ret == -ECONNRESET ? 0 : (int)ret;
	if ((size_t)ret < FRAME_HEAD || frame->op >= run->plan.header->op_count)
		return -EPROTO;
	((char *)frame)[ret] = 0;
	return 1;
}

int send_fd(int socket, const char *name, int fd)
{
	struct iovec part = {(void *)name, strlen(name)};
	long ret = send_message(socket, &part, 1, fd);
	return ret < 0 ? (int)ret : 0;
}

int send_parts_with_fd(int socket, const char *const *texts, size_t count, int fd)
{
	struct iovec parts[8];
	size_t size = 0;
	for (size_t i = 0; i < count && i < ARRAY_SIZE(parts); i++) {
		parts[i] = (struct iovec){(void *)texts[i], strlen(texts[i])};
		size += parts[i].iov_len;
	}
	long ret = send_message(socket, parts, count, fd);
	size_t first = 0;
	while (ret > 0 && (size_t)ret < size) { /* a stream takes a long state in pieces; the descriptor went with the first */
		size -= (size_t)ret;
		for (size_t done = (size_t)ret; done > 0;) {
			size_t step = done < parts[first].iov_len ? done : parts[first].iov_len;
			parts[first].iov_base = (char *)parts[first].iov_base + step;
			parts[first].iov_len -= step;
			done -= step;
			first += parts[first].iov_len == 0;
		}
		ret = send_message(socket, parts + first, count - first, -1);
	}
	return ret < 0 ? (int)ret : 0;
}

int connect_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct text text = text_in(address.sun_path, sizeof(address.sun_path));
	int opened = -1;
	text_add(&text, path);
	if (text.cut) { /* longer than an address can be: by descriptor */
		opened = (int)SYS(openat, AT_FDCWD, path, O_PATH | O_CLOEXEC, 0);
		if (opened < 0)
			return opened;
		text = text_in(address.sun_path, sizeof(address.sun_path));
		text_add(&text, "/proc/self/fd/");
		text_add_number(&text, opened);
	}
	long fd = SYS(socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	long ret = fd < 0 ? fd : SYS(connect, fd, &address, sizeof(address));
	close_scoped_fd(&opened);
	if (ret < 0 && fd >= 0)
		(void)SYS(close, fd);
	return ret < 0 ? (int)ret : (int)fd;
}

/* sd_notify(3) for a container started under systemd: its notify/notify.sock is ours to listen at; what comes as READY=1 goes
 * on to the NOTIFY_SOCKET that we were given, followed by the main pid as the host sees it. */
#include "front.h"

#include "report.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/net.h>
#include <linux/poll.h>
#include <linux/socket.h>
#include <linux/un.h>

#define SOCKET_NAME "notify.sock"
#define BARRIER_TIMEOUT_MS 30000
#define FAMILY_UNIX 1
#define TYPE_DATAGRAM 2
#define LEVEL_SOCKET 1
#define RIGHTS 1

/* The kernel's layout of sendmsg(2)'s argument and of one descriptor passed along. */
struct io_vector {
	const void *data;
	size_t size;
};
struct message {
	const void *name;
	int name_size;
	struct io_vector *vectors;
	size_t vector_count;
	void *control;
	size_t control_size;
	unsigned flags;
};
struct passed_fd {
	size_t size;
	int level, type, fd, padding;
};

int notify_listen(const struct front *front, int dir_fd)
{
	const char *host = environment(front->envp, "NOTIFY_SOCKET");
	if (!host || !*host)
		return -ENOENT;
	SCOPED_FD(notify_dir_fd) = (int)SYS(openat, dir_fd, "notify", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (notify_dir_fd < 0)
		return notify_dir_fd;
	/* a socket's path has 108 bytes, a state root may have more: bind through the descriptor */
	struct sockaddr_un address = {.sun_family = FAMILY_UNIX};
	struct text path = text_in(address.sun_path, sizeof(address.sun_path));
	text_add(&path, "/proc/self/fd/");
	text_add_number(&path, notify_dir_fd);
	text_add(&path, "/" SOCKET_NAME);
	(void)SYS(unlinkat, notify_dir_fd, SOCKET_NAME, 0); /* of an earlier start that failed; bind says when it is still there */
	int socket_fd = (int)SYS(socket, FAMILY_UNIX, TYPE_DATAGRAM | O_CLOEXEC, 0);
	if (socket_fd < 0)
		return socket_fd;
	long mask = SYS(umask, 0); /* any user of the container may report; afterwards the name might be something else's */
	long error = SYS(bind, socket_fd, &address, sizeof(address));
	(void)SYS(umask, mask);
	if (error)
		(void)SYS(close, socket_fd);
	return error ? (int)error : socket_fd;
}

/* One datagram to the host's socket, with a descriptor when pass_fd >= 0. */
static int send_host(const struct front *front, const char *line, int pass_fd)
{
	const char *host = environment(front->envp, "NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = FAMILY_UNIX};
	struct text path = text_in(address.sun_path, sizeof(address.sun_path));
	text_add(&path, host);
	if (path.cut)
		return -ENAMETOOLONG;
	size_t size = sizeof(address.sun_family) + path.length + (host[0] != '@');
	if (host[0] == '@')
		address.sun_path[0] = '\0'; /* the abstract namespace */
	SCOPED_FD(socket_fd) = (int)SYS(socket, FAMILY_UNIX, TYPE_DATAGRAM | O_CLOEXEC, 0);
	if (socket_fd < 0)
		return socket_fd;
	struct io_vector vector = {line, strlen(line)};
	struct passed_fd passed = {.size = offsetof(struct passed_fd, padding), .level = LEVEL_SOCKET, .type = RIGHTS, .fd = pass_fd};
	struct message message = {.name = &address, .name_size = (int)size, .vectors = &vector, .vector_count = 1};
	if (pass_fd >= 0) {
		message.control = &passed;
		message.control_size = sizeof(passed);
	}
	long done = SYS(sendmsg, socket_fd, &message, 0);
	return done < 0 ? (int)done : 0;
}

/* The host closes its end of the pipe when it has dealt with all messages before. */
static int barrier(const struct front *front)
{
	int ends[2];
	long error = SYS(pipe2, ends, O_CLOEXEC);
	if (error)
		return (int)error;
	SCOPED_FD(read_fd) = ends[0];
	error = send_host(front, "BARRIER=1", ends[1]);
	(void)SYS(close, ends[1]);
	return error ? (int)error : wait_for_end(read_fd, BARRIER_TIMEOUT_MS);
}

static bool says_ready(const char *data, long size)
{
	static const char key[] = "READY=";
	for (long i = 0; i + (long)sizeof(key) - 1 <= size; i++)
		if ((i == 0 || data[i - 1] == '\n') && memcmp(data + i, key, sizeof(key) - 1) == 0)
			return true;
	return false;
}

static int tell_host(const struct front *front, int pid)
{
	char line[32];
	struct text text = text_in(line, sizeof(line));
	text_add(&text, "MAINPID=");
	text_add_number(&text, pid);
	text_add(&text, "\n");
	int error = send_host(front, "READY=1\n", -1);
	if (!error)
		error = send_host(front, line, -1);
	if (!error)
		error = barrier(front);
	return error ? fail_errno("unable to notify the host of the container's readiness", error) : 0;
}

int notify_take(const struct front *front, int socket_fd)
{
	char data[4096];
	long size = SYS(recvfrom, socket_fd, data, sizeof(data), 0, NULL, NULL);
	if (size <= 0 || !says_ready(data, size))
		return 0;
	int error = send_host(front, "READY=1\n", -1);
	return error ? error : 1;
}

int notify_forward(const struct front *front, int socket_fd, int pid, int pidfd)
{
	char data[4096];
	struct pollfd fds[] = {{.fd = socket_fd, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
	for (;;) {
		long ready = SYS(ppoll, fds, ARRAY_SIZE(fds), NULL, NULL, 0);
		if (ready == -EINTR)
			continue;
		if (ready < 0)
			return fail_errno("poll the notify socket", (int)ready);
		if (!fds[0].revents) /* ended without a word */
			return 0;
		long size = SYS(recvfrom, socket_fd, data, sizeof(data), 0, NULL, NULL);
		if (size > 0 && says_ready(data, size))
			return tell_host(front, pid);
	}
}

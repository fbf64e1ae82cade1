/*
 * racer: makes one system call again and again while another thread changes what it points to: memory, links, descriptors.
 *
 *     racer ATTACK TRIES DIRECTORY [PORT...]
 *
 * DIRECTORY holds allowed/ and secret/ (names of one length) and flip, a link to either that is exchanged with flop. Prints
 * "<tries> <successes> <leaks>": a leak is a call that reached secret/, or the second port.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static char good[256], bad[256], buffer[256], flip[256], flop[256], target[300], directory[200];
static volatile int stop;
static int good_fd, bad_fd, shared_fd = 100;
static struct sockaddr_in good_in, bad_in, in;
static struct msghdr message;

static void *flip_memory(void *unused) {
	size_t first = 0, last = strlen(good);
	while (good[first] == bad[first])
		first++;
	while (last > first && good[last - 1] == bad[last - 1])
		last--;
	while (!stop) {
		memcpy(buffer + first, bad + first, last - first);
		for (volatile int i = 0; i < 40; i++)
			;
		memcpy(buffer + first, good + first, last - first);
		for (volatile int i = 0; i < 40; i++)
			;
	}
	return unused;
}

static void *flip_link(void *unused) {
	while (!stop)
		syscall(SYS_renameat2, AT_FDCWD, flip, AT_FDCWD, flop, 2u /* RENAME_EXCHANGE */);
	return unused;
}

static void *flip_descriptor(void *unused) {
	while (!stop) {
		dup2(bad_fd, shared_fd);
		dup2(good_fd, shared_fd);
	}
	return unused;
}

static void *flip_port(void *unused) {
	while (!stop) {
		*(volatile in_port_t *)&in.sin_port = bad_in.sin_port;
		for (volatile int i = 0; i < 40; i++)
			;
		*(volatile in_port_t *)&in.sin_port = good_in.sin_port;
		for (volatile int i = 0; i < 40; i++)
			;
	}
	return unused;
}

static void *flip_pointer(void *unused) {
	while (!stop) {
		*(void *volatile *)&message.msg_name = &bad_in;
		for (volatile int i = 0; i < 40; i++)
			;
		*(void *volatile *)&message.msg_name = &good_in;
		for (volatile int i = 0; i < 40; i++)
			;
	}
	return unused;
}

/* 1: it worked; 2: and it was the secret one. */
static int look(int fd) {
	char first = 0;
	if (fd < 0)
		return 0;
	ssize_t got = read(fd, &first, 1);
	close(fd);
	return got == 1 && first == 's' ? 2 : 1;
}

static int open_buffer(void) {
	return look(open(buffer, O_RDONLY | O_CLOEXEC));
}

static int open_link(void) {
	return look(open(target, O_RDONLY | O_CLOEXEC));
}

static int open_descriptor(void) {
	return look(openat(shared_fd, "file", O_RDONLY | O_CLOEXEC));
}

static int is_secret(const char *name) {
	char path[300];
	snprintf(path, sizeof(path), "%.200s/secret/%.60s", directory, name);
	if (access(path, F_OK) < 0)
		return 0;
	unlink(path);
	return 1;
}

static int made(int result, const char *name) {
	char path[300];
	int leaked = is_secret(name);
	snprintf(path, sizeof(path), "%.200s/allowed/%.60s", directory, name);
	unlink(path);
	return leaked ? 2 : result >= 0;
}

static int create_link(void) {
	int fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	return made(fd, "made");
}

static int node_link(void) {
	return made((int)syscall(SYS_mknodat, AT_FDCWD, target, S_IFIFO | 0600, 0), "made");
}

static int truncate_link(void) {
	int fd = open(target, O_WRONLY | O_TRUNC | O_CLOEXEC);
	struct stat status;
	char path[300];
	if (fd >= 0)
		close(fd);
	snprintf(path, sizeof(path), "%.200s/secret/file", directory);
	if (stat(path, &status) < 0 || status.st_size > 0)
		return fd >= 0;
	fd = open(path, O_WRONLY); /* refused, too: the test that follows would always count */
	return 2;
}

static int unix_connect(void) {
	struct sockaddr_un un = {.sun_family = AF_UNIX}, peer = {0};
	socklen_t size = sizeof(peer);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strcpy(un.sun_path, target);
	int result = connect(fd, (struct sockaddr *)&un, sizeof(un));
	if (result == 0)
		getpeername(fd, (struct sockaddr *)&peer, &size);
	close(fd);
	return result < 0 ? 0 : strstr(peer.sun_path, "/secret/") ? 2 : 1;
}

static int unix_bind(void) {
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strcpy(un.sun_path, target);
	int result = bind(fd, (struct sockaddr *)&un, sizeof(un));
	close(fd);
	return made(result, "made");
}

static int in_connect(void) {
	struct sockaddr_in peer = {0};
	socklen_t size = sizeof(peer);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int result = connect(fd, (struct sockaddr *)&in, sizeof(in));
	if (result == 0)
		getpeername(fd, (struct sockaddr *)&peer, &size);
	close(fd);
	return result < 0 ? 0 : peer.sin_port == bad_in.sin_port ? 2 : 1;
}

static int in_bind(void) {
	struct sockaddr_in own = {0};
	socklen_t size = sizeof(own);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int result = bind(fd, (struct sockaddr *)&in, sizeof(in));
	if (result == 0)
		getsockname(fd, (struct sockaddr *)&own, &size);
	close(fd);
	return result < 0 ? 0 : own.sin_port == bad_in.sin_port ? 2 : 1;
}

static int sender, forbidden;

static int sent(long result) {
	char byte;
	return recv(forbidden, &byte, 1, MSG_DONTWAIT) == 1 ? 2 : result >= 0;
}

static int send_to(void) {
	return sent(sendto(sender, "x", 1, 0, (struct sockaddr *)&in, sizeof(in)));
}

static int send_message(void) {
	return sent(sendmsg(sender, &message, 0));
}

static int send_many(void) {
	struct mmsghdr many[2] = {{.msg_hdr = message}, {.msg_hdr = message}};
	many[0].msg_hdr.msg_name = &in;
	many[1].msg_hdr.msg_name = &in;
	return sent(sendmmsg(sender, many, 2, 0));
}

static const struct {
	const char *name;
	void *(*attacker)(void *);
	int (*attempt)(void);
} attacks[] = {
	{"open-memory", flip_memory, open_buffer},    {"open-link", flip_link, open_link},
	{"open-descriptor", flip_descriptor, open_descriptor}, {"create-link", flip_link, create_link},
	{"truncate-link", flip_link, truncate_link},  {"mknod-link", flip_link, node_link},
	{"connect-unix", flip_link, unix_connect},    {"bind-unix", flip_link, unix_bind},
	{"connect-memory", flip_port, in_connect},    {"bind-memory", flip_port, in_bind},
	{"sendto-memory", flip_port, send_to},        {"sendmsg-pointer", flip_pointer, send_message},
	{"sendmmsg-memory", flip_port, send_many},
};

static void prepare(char **argv, int argc) {
	static struct iovec part = {"x", 1};
	static const char *const names[] = {"made", "file", "sock"};
	const char *name = names[strstr(argv[1], "unix") && strstr(argv[1], "connect") ? 2 : strstr(argv[1], "open") || strstr(argv[1], "truncate") ? 1 : 0];
	snprintf(directory, sizeof(directory), "%s", argv[3]);
	snprintf(good, sizeof(good), "%.200s/allowed/%s", directory, name);
	snprintf(bad, sizeof(bad), "%.200s//secret/%s", directory, name); /* as long as the other: a slash more */
	strcpy(buffer, good);
	snprintf(flip, sizeof(flip), "%.200s/flip", directory);
	snprintf(flop, sizeof(flop), "%.200s/flop", directory);
	snprintf(target, sizeof(target), "%.200s/flip/%s", directory, name);
	char path[256];
	snprintf(path, sizeof(path), "%.200s/allowed", directory);
	good_fd = open(path, O_PATH | O_DIRECTORY);
	snprintf(path, sizeof(path), "%.200s/secret", directory);
	bad_fd = open(path, O_PATH | O_DIRECTORY);
	dup2(good_fd, shared_fd);
	good_in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	good_in.sin_port = htons((in_port_t)(argc > 4 ? atoi(argv[4]) : 0));
	bad_in = good_in;
	bad_in.sin_port = htons((in_port_t)(argc > 5 ? atoi(argv[5]) : 0));
	in = good_in;
	sender = socket(AF_INET, SOCK_DGRAM, 0);
	forbidden = argc > 6 ? atoi(argv[6]) : -1;
	message = (struct msghdr){.msg_name = &good_in, .msg_namelen = sizeof(good_in), .msg_iov = &part, .msg_iovlen = 1};
}

int main(int argc, char **argv) {
	if (argc < 4)
		return 2;
	long tries = atol(argv[2]), successes = 0, leaks = 0;
	prepare(argv, argc);
	for (size_t i = 0; i < sizeof(attacks) / sizeof(*attacks); i++) {
		if (strcmp(attacks[i].name, argv[1]) != 0)
			continue;
		pthread_t attacker;
		if (pthread_create(&attacker, NULL, attacks[i].attacker, NULL) != 0)
			return 3;
		for (long n = 0; n < tries; n++) {
			int result = attacks[i].attempt();
			successes += result > 0;
			leaks += result == 2;
		}
		stop = 1;
		pthread_join(attacker, NULL);
		printf("%ld %ld %ld\n", tries, successes, leaks);
		return 0;
	}
	return 2;
}

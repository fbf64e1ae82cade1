/*
 * Every call that can send to an address outside the permitted ones.
 *
 * The addresses are on the loopback of a network namespace of the test's own (integration/security/arena.py), where a
 * server listens and notes what arrived: each message is the attack's name.
 */
#include "attack.h"

#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FORBIDDEN4 "192.0.2.1"
#define FORBIDDEN6 "2001:db8:bad::1"
#define PERMITTED4 "198.51.100.1"
#define PERMITTED6 "2001:db8:1::1"
enum { PORT = 7001, OTHER_PORT = 7002, MPTCP = 262 };

static struct sockaddr_in address4(const char *text, int port) {
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
	inet_pton(AF_INET, text, &address.sin_addr);
	return address;
}

static struct sockaddr_in6 address6(const char *text, int port) {
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((unsigned short)port)};
	inet_pton(AF_INET6, text, &address.sin6_addr);
	return address;
}

static int sent(ssize_t count) { return count < 0 ? -1 : 0; }

static int says(int fd) { return sent(send(fd, attack_name, strlen(attack_name), MSG_NOSIGNAL)); }

/* Connects a fresh socket and says the attack's name through it. */
static int talk(int family, int type, int protocol, const void *address, socklen_t length) {
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);
	if (fd < 0 || connect(fd, address, length) != 0)
		return -1;
	return says(fd);
}

static int talk4(int type, int protocol, const char *host, int port) {
	struct sockaddr_in address = address4(host, port);
	return talk(AF_INET, type, protocol, &address, sizeof address);
}

static int talk6(int type, int protocol, const char *host, int port) {
	struct sockaddr_in6 address = address6(host, port);
	return talk(AF_INET6, type, protocol, &address, sizeof address);
}

static int connect_tcp(void) { return talk4(SOCK_STREAM, 0, FORBIDDEN4, PORT); }
static int connect_udp(void) { return talk4(SOCK_DGRAM, 0, FORBIDDEN4, PORT); }
static int connect_tcp6(void) { return talk6(SOCK_STREAM, 0, FORBIDDEN6, PORT); }
static int connect_udp6(void) { return talk6(SOCK_DGRAM, 0, FORBIDDEN6, PORT); }
static int connect_mapped_tcp(void) { return talk6(SOCK_STREAM, 0, "::ffff:" FORBIDDEN4, PORT); }
static int connect_mapped_udp(void) { return talk6(SOCK_DGRAM, 0, "::ffff:" FORBIDDEN4, PORT); }
static int connect_other_port(void) { return talk4(SOCK_STREAM, 0, PERMITTED4, OTHER_PORT); }
static int connect_mptcp(void) { return talk4(SOCK_STREAM, MPTCP, FORBIDDEN4, PORT); }
static int connect_mptcp6(void) { return talk6(SOCK_STREAM, MPTCP, FORBIDDEN6, PORT); }
static int connect_udplite(void) { return talk4(SOCK_DGRAM, 136, FORBIDDEN4, PORT); }
static int connect_sctp(void) { return talk4(SOCK_STREAM, 132, FORBIDDEN4, PORT); }
static int connect_permitted_tcp(void) { return talk4(SOCK_STREAM, 0, PERMITTED4, PORT); }
static int connect_permitted_udp(void) { return talk4(SOCK_DGRAM, 0, PERMITTED4, PORT); }
static int connect_permitted_tcp6(void) { return talk6(SOCK_STREAM, 0, PERMITTED6, PORT); }

/* A socket that talks to a permitted address is turned to another one. */
static int turned(int type, bool dissolve) {
	struct sockaddr_in permitted = address4(PERMITTED4, PORT), forbidden = address4(FORBIDDEN4, PORT);
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&permitted, sizeof permitted) != 0)
		return -1;
	if (dissolve && connect(fd, &nobody, sizeof nobody) != 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&forbidden, sizeof forbidden) != 0)
		return -1;
	return says(fd);
}

static int reconnect_udp(void) { return turned(SOCK_DGRAM, false); }
static int reconnect_udp_unspec(void) { return turned(SOCK_DGRAM, true); }
static int reconnect_tcp_unspec(void) { return turned(SOCK_STREAM, true); }

/* On a connected datagram socket an address given with the message is what counts. */
static int sendto_while_connected(void) {
	struct sockaddr_in permitted = address4(PERMITTED4, PORT), forbidden = address4(FORBIDDEN4, PORT);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&permitted, sizeof permitted) != 0)
		return -1;
	return sent(sendto(fd, attack_name, strlen(attack_name), 0, (struct sockaddr *)&forbidden, sizeof forbidden));
}

static int sendto_udp(void) {
	struct sockaddr_in address = address4(FORBIDDEN4, PORT);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : sent(sendto(fd, attack_name, strlen(attack_name), 0, (struct sockaddr *)&address, sizeof address));
}

/* AF_UNSPEC stands for AF_INET in the address of a datagram. */
static int sendto_unspec(void) {
	struct sockaddr_in address = address4(FORBIDDEN4, PORT);
	address.sin_family = AF_UNSPEC;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : sent(sendto(fd, attack_name, strlen(attack_name), 0, (struct sockaddr *)&address, sizeof address));
}

static int sendto_udp6(void) {
	struct sockaddr_in6 address = address6(FORBIDDEN6, PORT);
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : sent(sendto(fd, attack_name, strlen(attack_name), 0, (struct sockaddr *)&address, sizeof address));
}

/* An IPv4 address in an IPv6 socket. */
static int sendto_mapped(void) {
	struct sockaddr_in6 address = address6("::ffff:" FORBIDDEN4, PORT);
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : sent(sendto(fd, attack_name, strlen(attack_name), 0, (struct sockaddr *)&address, sizeof address));
}

static int sendto_four_in_six(void) {
	struct sockaddr_in address = address4(FORBIDDEN4, PORT);
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : sent(sendto(fd, attack_name, strlen(attack_name), 0, (struct sockaddr *)&address, sizeof address));
}

static int sendmsg_udp(void) {
	struct sockaddr_in address = address4(FORBIDDEN4, PORT);
	struct iovec part = {(void *)(unsigned long)attack_name, strlen(attack_name)};
	struct msghdr message = {.msg_name = &address, .msg_namelen = sizeof address, .msg_iov = &part, .msg_iovlen = 1};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : sent(sendmsg(fd, &message, 0));
}

/* The permitted address first, the other one in the second message. */
static int sendmmsg_second(void) {
	struct sockaddr_in address[] = {address4(PERMITTED4, PORT), address4(FORBIDDEN4, PORT)};
	struct iovec parts[] = {{(void *)(unsigned long)"permitted", 9}, {(void *)(unsigned long)attack_name, strlen(attack_name)}};
	struct mmsghdr messages[2];
	memset(messages, 0, sizeof messages);
	for (int i = 0; i < 2; i++) {
		messages[i].msg_hdr.msg_name = &address[i];
		messages[i].msg_hdr.msg_namelen = sizeof address[i];
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	int count = sendmmsg(fd, messages, 2, 0);
	/* the error of a later message is told by the next call alone */
	return count == 2 ? 0 : count < 0 ? -1 : sent(sendmsg(fd, &messages[1].msg_hdr, 0));
}

static int sendmmsg_udp(void) {
	struct sockaddr_in address = address4(FORBIDDEN4, PORT);
	struct iovec part = {(void *)(unsigned long)attack_name, strlen(attack_name)};
	struct mmsghdr message = {.msg_hdr = {.msg_name = &address, .msg_namelen = sizeof address, .msg_iov = &part, .msg_iovlen = 1}};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : sent(sendmmsg(fd, &message, 1, 0));
}

/* TCP fast open: sendto connects, without connect(2). */
static int fastopen_sendto(void) {
	struct sockaddr_in address = address4(FORBIDDEN4, PORT);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : sent(sendto(fd, attack_name, strlen(attack_name), MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&address, sizeof address));
}

static int fastopen_mptcp(void) {
	struct sockaddr_in address = address4(FORBIDDEN4, PORT);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, MPTCP);
	return fd < 0 ? -1 : sent(sendto(fd, attack_name, strlen(attack_name), MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&address, sizeof address));
}

/* Connected later, by the first write. */
static int fastopen_connect(void) {
	struct sockaddr_in address = address4(FORBIDDEN4, PORT);
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on) != 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
		return -1;
	return says(fd);
}

/* An address of nobody means this machine: not one that a policy named. */
static int connect_any(void) { return talk4(SOCK_STREAM, 0, "0.0.0.0", OTHER_PORT); }
static int connect_metadata(void) { return talk4(SOCK_STREAM, 0, "169.254.169.254", PORT); }
static int connect_loopback(void) { return talk4(SOCK_STREAM, 0, "127.0.0.1", OTHER_PORT); }

/* The same connect, asked of the kernel through a ring. */
static int connect_io_uring(void) {
	struct sockaddr_in address = address4(FORBIDDEN4, PORT);
	struct io_uring_params parameters;
	memset(&parameters, 0, sizeof parameters);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ring = (int)syscall(SYS_io_uring_setup, 4, &parameters);
	if (fd < 0 || ring < 0)
		return -1;
	size_t rings = parameters.cq_off.cqes + parameters.cq_entries * sizeof(struct io_uring_cqe) + 4096;
	char *shared = mmap(NULL, rings, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	struct io_uring_sqe *entry = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	if (shared == MAP_FAILED || entry == MAP_FAILED)
		return -1;
	entry->opcode = IORING_OP_CONNECT;
	entry->fd = fd;
	entry->addr = (unsigned long)&address;
	entry->off = sizeof address;
	*(unsigned *)(void *)(shared + parameters.sq_off.array) = 0;
	__atomic_store_n((unsigned *)(void *)(shared + parameters.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -1;
	struct io_uring_cqe *done = (struct io_uring_cqe *)(void *)(shared + parameters.cq_off.cqes);
	return done->res < 0 ? refuse(-done->res) : says(fd);
}

const struct attack network_attacks[] = {
    {"connect_permitted_tcp", connect_permitted_tcp},
    {"connect_permitted_udp", connect_permitted_udp},
    {"connect_permitted_tcp6", connect_permitted_tcp6},
    {"connect_tcp", connect_tcp},
    {"connect_udp", connect_udp},
    {"connect_tcp6", connect_tcp6},
    {"connect_udp6", connect_udp6},
    {"connect_mapped_tcp", connect_mapped_tcp},
    {"connect_mapped_udp", connect_mapped_udp},
    {"connect_other_port", connect_other_port},
    {"connect_mptcp", connect_mptcp},
    {"connect_mptcp6", connect_mptcp6},
    {"connect_udplite", connect_udplite},
    {"connect_sctp", connect_sctp},
    {"reconnect_udp", reconnect_udp},
    {"reconnect_udp_unspec", reconnect_udp_unspec},
    {"reconnect_tcp_unspec", reconnect_tcp_unspec},
    {"sendto_while_connected", sendto_while_connected},
    {"sendto_udp", sendto_udp},
    {"sendto_unspec", sendto_unspec},
    {"sendto_udp6", sendto_udp6},
    {"sendto_mapped", sendto_mapped},
    {"sendto_four_in_six", sendto_four_in_six},
    {"sendmsg_udp", sendmsg_udp},
    {"sendmmsg_udp", sendmmsg_udp},
    {"sendmmsg_second", sendmmsg_second},
    {"fastopen_sendto", fastopen_sendto},
    {"fastopen_connect", fastopen_connect},
    {"fastopen_mptcp", fastopen_mptcp},
    {"connect_metadata", connect_metadata},
    {"connect_any", connect_any},
    {"connect_loopback", connect_loopback},
    {"connect_io_uring", connect_io_uring},
    {NULL, NULL},
};

/* Sockets that reach around the network stack's front door; sockets that others can reach; sockets with a path. */
#include "attack.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { MPTCP = 262 };

static int opens(int family, int type, int protocol) {
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);
	return fd < 0 ? -1 : close(fd);
}

static int socket_raw(void) { return opens(AF_INET, SOCK_RAW, IPPROTO_ICMP); }
static int socket_raw6(void) { return opens(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6); }
static int socket_packet(void) { return opens(AF_PACKET, SOCK_RAW, htons(3)); }
static int socket_packet_old(void) { return opens(AF_INET, 10 /* SOCK_PACKET */, htons(3)); }
static int socket_netlink_route(void) { return opens(AF_NETLINK, SOCK_RAW, 0); }
static int socket_netlink_audit(void) { return opens(AF_NETLINK, SOCK_RAW, 9); }
static int socket_netlink_netfilter(void) { return opens(AF_NETLINK, SOCK_RAW, 12); }
static int socket_vsock(void) { return opens(AF_VSOCK, SOCK_STREAM, 0); }
static int socket_alg(void) { return opens(38 /* AF_ALG */, SOCK_SEQPACKET, 0); }
static int socket_xdp(void) { return opens(44 /* AF_XDP */, SOCK_RAW, 0); }
static int socket_smc(void) { return opens(43 /* AF_SMC */, SOCK_STREAM, 0); }
static int socket_mptcp(void) { return opens(AF_INET, SOCK_STREAM, MPTCP); }

/* A family above 32 bits: the kernel looks at the low half alone. */
static int socket_packet_high_bits(void) {
	long fd = syscall(SYS_socket, 1UL << 32 | AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(3));
	return fd < 0 ? -1 : close((int)fd);
}

static int bind_port(void) {
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(7003)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ? -1 : listen(fd, 1);
}

/* listen without bind takes a port of the kernel's choice. */
static int listen_unbound(void) {
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : listen(fd, 1);
}

static int unix_talk(const char *path, size_t length) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	memcpy(address.sun_path, path, length);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) != 0)
		return -1;
	return send(fd, attack_name, strlen(attack_name), MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int unix_path(void) { return unix_talk(OUTSIDE "/server", sizeof OUTSIDE "/server"); }
static int unix_abstract(void) { return unix_talk("\0attack-server", sizeof "\0attack-server" - 1); }

static int unix_bind_outside(void) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strncpy(address.sun_path, outside("socket"), sizeof address.sun_path - 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : bind(fd, (struct sockaddr *)&address, sizeof address);
}

const struct attack socket_attacks[] = {
    {"socket_raw", socket_raw},
    {"socket_raw6", socket_raw6},
    {"socket_packet", socket_packet},
    {"socket_packet_old", socket_packet_old},
    {"socket_packet_high_bits", socket_packet_high_bits},
    {"socket_netlink_route", socket_netlink_route},
    {"socket_netlink_audit", socket_netlink_audit},
    {"socket_netlink_netfilter", socket_netlink_netfilter},
    {"socket_vsock", socket_vsock},
    {"socket_alg", socket_alg},
    {"socket_xdp", socket_xdp},
    {"socket_smc", socket_smc},
    {"socket_mptcp", socket_mptcp},
    {"bind_port", bind_port},
    {"listen_unbound", listen_unbound},
    {"unix_path", unix_path},
    {"unix_abstract", unix_abstract},
    {"unix_bind_outside", unix_bind_outside},
    {NULL, NULL},
};

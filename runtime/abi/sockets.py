"""Sockets as far as policies speak of them.  Source: linux/socket.h, linux/net.h, linux/in.h."""

AF_UNIX = 1
AF_INET = 2
AF_INET6 = 10
AF_NETLINK = 16

SOCK_STREAM = 1
SOCK_DGRAM = 2

IPPROTO_IP = 0  # the type's own: TCP for a stream, UDP for datagrams
IPPROTO_TCP = 6
IPPROTO_UDP = 17
IPPROTO_ROUTING = 43  # an IPv6 extension header
NETLINK_ROUTE = 0

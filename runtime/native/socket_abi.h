/* Socket constants and structures of the kernel's interface that its exported headers do not have. */
#ifndef POSTERN_SOCKET_ABI_H
#define POSTERN_SOCKET_ABI_H

#include "sys.h"

#define AF_UNIX 1
#define AF_INET 2
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_SEQPACKET 5
#define SOCK_CLOEXEC 02000000
#define SOCK_NONBLOCK 04000
#define SOL_SOCKET 1
#define SO_PASSCRED 16
#define SO_PEERCRED 17
#define SCM_RIGHTS 1
#define SCM_CREDENTIALS 2
#define MSG_DONTWAIT 0x40
#define MSG_NOSIGNAL 0x4000
#define MSG_CMSG_CLOEXEC 0x40000000

struct iovec;

struct control_head { /* struct cmsghdr */
	size_t size;
	int level, type;
};

struct message { /* struct user_msghdr */
	void *name;
	int name_size;
	const struct iovec *parts;
	size_t part_count;
	void *control;
	size_t control_size;
	unsigned int flags;
};

#endif

/*
 * listeners: COUNT processes, each behind a filter of its own that notifies of getppid. Each sends its number and its listener over
 * standard input, a socket of packets, and ends when that is closed.
 */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int listener(void) {
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static int hand_over(int fd) {
	char room[CMSG_SPACE(sizeof(fd))] = {0}, byte;
	int pid = getpid();
	struct iovec part = {&pid, sizeof(pid)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	*head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(fd)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	if (fd < 0 || sendmsg(0, &message, MSG_NOSIGNAL) < 0)
		return 3;
	close(fd);
	return read(0, &byte, 1) != 0;
}

int main(int argc, char **argv) {
	for (long left = argc > 1 ? atol(argv[1]) : 0; left > 0; left--)
		if (fork() == 0)
			_exit(hand_over(listener()));
	return 0;
}

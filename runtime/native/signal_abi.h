/* Signals, prctl options and wait status of the kernel's interface; the exported headers clash with a freestanding build. */
#ifndef POSTERN_SIGNAL_ABI_H
#define POSTERN_SIGNAL_ABI_H

#include "sys.h"
#include <linux/prctl.h>

#define SIGINT 2
#define SIGKILL 9
#define SIGPIPE 13
#define SIGTERM 15
#define SIGCHLD 17
#define SIGSTOP 19
#define SIGURG 23
#define SIGWINCH 28
#define SIGNALS 64
#define SIG_SETMASK 2
#define SIG_DFL 0
#define SIG_IGN 1
#define WNOHANG 1

struct kernel_sigaction {
	uint64_t handler, flags;
#if defined(__x86_64__)
	uint64_t restorer;
#endif
	uint64_t mask;
};

static inline bool status_exited(int status)
{
	return (status & 0x7f) == 0;
}

static inline int status_code(int status) /* as a shell says it: the exit code, or 128 + signal */
{
	return status_exited(status) ? status >> 8 & 0xff : 128 + (status & 0x7f);
}

struct poll_entry { /* struct pollfd */
	int fd;
	short events, seen;
};
#define POLLIN 1
#define POLLOUT 4
#define POLLERR 8
#define POLLHUP 16

#endif

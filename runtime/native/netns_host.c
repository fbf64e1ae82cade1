/* Network namespaces for Python, which cannot make or enter them by itself before 3.12. */
#include "netns_host.h"

#include "sys.h"
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/sched.h>

#define OWN "/proc/thread-self/ns/net"

int netns_enter(int netns_fd)
{
	return (int)SYS(setns, netns_fd, CLONE_NEWNET);
}

int netns_own(void)
{
	return (int)SYS(openat, AT_FDCWD, OWN, O_RDONLY | O_CLOEXEC, 0);
}

int netns_make(void)
{
	SCOPED_FD(own) = netns_own();
	if (own < 0)
		return own;
	long error = SYS(unshare, CLONE_NEWNET);
	if (error < 0)
		return (int)error;
	int made = netns_own();
	error = netns_enter(own);
	if (error < 0 && made >= 0)
		(void)SYS(close, made);
	return error < 0 ? (int)error : made;
}

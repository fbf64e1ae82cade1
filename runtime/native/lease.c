/* The devices of a container's network go with its namespace; all that is left to remove is the file that holds its address. */
#include "lease.h"

#include "state_file.h"

#include <linux/errno.h>
#include <linux/fcntl.h>

#define LEASES "@network/leases"

int lease_remove(int root_fd, const char *id)
{
	if (!id_is_valid(id))
		return -EINVAL;
	SCOPED_FD(leases) = (int)SYS(openat, root_fd, LEASES, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (leases < 0)
		return leases == -ENOENT ? 0 : leases;
	long error = SYS(unlinkat, leases, id, 0);
	return error == -ENOENT ? 0 : (int)error;
}

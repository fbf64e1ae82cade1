/* The container's terminal: a pty of its own devpts, every piece verified by descriptor (CVE-2025-52565). */
#include "executor_int.h"

#include "signal_abi.h"
#include <asm/ioctls.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/stat.h>
#include <asm/stat.h>
#include <asm/statfs.h>

#define PTMX_DEVICE 0x502u /* 5:2 */
#define UNIX98_SLAVES 136u /* majors 136..143 */

static bool is_devpts_device(int fd, bool slave)
{
	struct stat node;
	struct statfs fs;
	if (SYS(fstat, fd, &node) < 0 || SYS(fstatfs, fd, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
		return false;
	if ((node.st_mode & S_IFMT) != S_IFCHR)
		return false;
	return slave ? (node.st_rdev >> 8 & 0xfff) - UNIX98_SLAVES < 8 : node.st_rdev == PTMX_DEVICE;
}

static int open_pty(int *slave)
{
	int unlocked = 0;
	int master = in_root_open(AT_FDCWD, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC, RESOLVE_NO_SYMLINKS);
	if (master < 0)
		return master;
	long ret = is_devpts_device(master, false) ? 0 : -ENODEV;
	if (ret >= 0)
		ret = SYS(ioctl, master, TIOCSPTLCK, &unlocked);
	if (ret >= 0)
		ret = SYS(ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (ret >= 0 && !is_devpts_device((int)ret, true)) {
		(void)SYS(close, ret);
		ret = -ENODEV;
	}
	if (ret < 0)
		(void)SYS(close, master);
	*slave = (int)ret;
	return ret < 0 ? (int)ret : master;
}

/* Bind the slave on /dev/console, which must be a file of the container's own /dev. */
static int cover_console(int slave)
{
	SCOPED_FD(dev) = in_root_open(AT_FDCWD, "/dev", O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_NO_SYMLINKS);
	if (dev < 0)
		return dev;
	long ret = SYS(mknodat, dev, "console", S_IFREG | 0666, 0);
	if (ret < 0 && ret != -EEXIST)
		return (int)ret;
	SCOPED_FD(target) = in_root_open(dev, "console", O_PATH | O_NOFOLLOW | O_CLOEXEC, RESOLVE_NO_SYMLINKS);
	if (target < 0)
		return target;
	struct stat node;
	ret = SYS(fstat, target, &node);
	uint32_t type = node.st_mode & S_IFMT;
	if (ret < 0 || (type != S_IFREG && type != S_IFCHR))
		return ret < 0 ? (int)ret : -ENODEV;
	SCOPED_FD(tree) = (int)SYS(open_tree, slave, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return tree < 0 ? tree : tree_attach(tree, target);
}

static int become_stdio(int slave)
{
	long ret = SYS(setsid);
	if (ret == -EPERM && SYS(getsid, 0) == SYS(getpid))
		ret = 0;
	if (ret >= 0)
		ret = SYS(ioctl, slave, TIOCSCTTY, 0);
	for (int fd = 0; fd < 3 && ret >= 0; fd++)
		ret = SYS(dup3, slave, fd, 0);
	return ret < 0 ? (int)ret : 0;
}

static int hand_over(struct run *run, const struct plan_op *op, int master)
{
	if (op->CONSOLE_socket != PLAN_NO_SLOT)
		return send_fd(run->slot[op->CONSOLE_socket], "/dev/ptmx", master);
	struct frame frame = {.kind = FRAME_PTY, .stage = run->stage};
	return sync_send(run, &frame, master);
}

int op_console(struct run *run, const struct plan_op *op)
{
	struct {
		uint16_t rows, columns, x, y;
	} window = {(uint16_t)op->CONSOLE_rows, (uint16_t)op->CONSOLE_columns, 0, 0};
	int opened;
	SCOPED_FD(master) = open_pty(&opened);
	if (master < 0)
		return master;
	SCOPED_FD(slave) = opened;
	long ret = window.rows || window.columns ? SYS(ioctl, master, TIOCSWINSZ, &window) : 0;
	if (ret >= 0 && op->CONSOLE_uid)
		ret = SYS(fchown, slave, op->CONSOLE_uid, -1);
	if (ret >= 0 && run->plan.header->mode != MODE_EXEC)
		ret = cover_console(slave);
	if (ret >= 0)
		ret = hand_over(run, op, master);
	return ret < 0 ? (int)ret : become_stdio(slave);
}

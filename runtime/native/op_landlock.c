/* Landlock: a ruleset, what it allows, and the moment from which it holds.  Paths are those of the container's root, and no symlink is
 * followed: whoever fills the root must not be able to lead a rule elsewhere. */
#include "executor_int.h"

#include "landlock_abi.h"
#include <linux/stat.h>
#include <asm/stat.h>

/* What may be allowed for anything but a directory. */
#define FILE_ACCESS \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_TRUNCATE | \
		LANDLOCK_ACCESS_FS_IOCTL_DEV)

static int refuse_ruleset(struct run *run, int error)
{
	const char *why = errno_text(error);
	if (error == -ENOSYS)
		why = "this kernel has no Landlock";
	if (error == -EOPNOTSUPP)
		why = "Landlock is not among this kernel's active security modules";
	if (error == -E2BIG || error == -EINVAL)
		why = "this kernel's Landlock does not know these rights";
	text_add(start_reason(run), why);
	return fail_with(run, DETAIL_REASON, -error);
}

int op_landlock_ruleset(struct run *run, const struct plan_op *op)
{
	const struct landlock_ruleset_attr attr = {op->LANDLOCK_RULESET_fs, op->LANDLOCK_RULESET_net, op->LANDLOCK_RULESET_scoped};
	/* kernels take a shorter structure, older ones nothing else */
	size_t size = attr.scoped ? sizeof(attr) : attr.handled_access_net ? offsetof(struct landlock_ruleset_attr, scoped) : 8;
	int fd = (int)SYS(landlock_create_ruleset, &attr, size, 0);
	run->slot[op->LANDLOCK_RULESET_ruleset] = fd; /* closes on execve */
	return fd < 0 ? refuse_ruleset(run, fd) : 0;
}

static int allow_beneath(int ruleset, int fd, uint64_t access)
{
	struct stat found;
	struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
	long ret = SYS(fstat, fd, &found);
	if (ret < 0)
		return (int)ret;
	if ((found.st_mode & S_IFMT) != S_IFDIR)
		rule.allowed_access &= FILE_ACCESS;
	if (!rule.allowed_access) /* rights of directories alone: a file has nothing of them, and the kernel takes no empty rule */
		return 0;
	return (int)SYS(landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

int op_landlock_path(struct run *run, const struct plan_op *op)
{
	SCOPED_FD(fd) = in_root_plain(plan_string(run, op->LANDLOCK_PATH_path), op->flags);
	return fd < 0 ? fd : allow_beneath(run->slot[op->LANDLOCK_PATH_ruleset], fd, op->LANDLOCK_PATH_access);
}

int op_landlock_port(struct run *run, const struct plan_op *op)
{
	const struct landlock_net_port_attr rule = {op->LANDLOCK_PORT_access, op->LANDLOCK_PORT_port};
	return (int)SYS(landlock_add_rule, run->slot[op->LANDLOCK_PORT_ruleset], LANDLOCK_RULE_NET_PORT, &rule, 0);
}

int op_landlock_restrict(struct run *run, const struct plan_op *op)
{
	int *ruleset = &run->slot[op->LANDLOCK_RESTRICT_ruleset];
	int ret = (int)SYS(landlock_restrict_self, *ruleset, 0);
	(void)SYS(close, *ruleset);
	*ruleset = -1;
	return ret;
}

int landlock_main(void)
{
	long abi = SYS(landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	unsigned char answer = (unsigned char)(abi < 0 ? 0 : abi > 99 ? 99 : abi);
	return SYS(write, 1, &answer, 1) == 1 ? 0 : 1;
}

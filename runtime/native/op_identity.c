/* Who the process is: ids, groups, capabilities, home. */
#include "executor_int.h"

#include "signal_abi.h"
#include <linux/capability.h>
#include <linux/stat.h>
#include <asm/stat.h>

#define NULL_DEVICE 0x103u /* 1:3 */
#define PASSWD_MAX (4 << 20)

int op_no_new_privs(struct run *run, const struct plan_op *op)
{
	(void)run;
	(void)op;
	return (int)SYS(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int op_stdio_owner(struct run *run, const struct plan_op *op)
{
	(void)run;
	for (int fd = 0; fd < 3; fd++) {
		struct stat file;
		long ret = SYS(fstat, fd, &file);
		if (ret == -EBADF)
			continue; /* the caller closed it */
		if (ret < 0)
			return (int)ret;
		/* the host's /dev/null is everybody's */
		if (file.st_uid == op->STDIO_OWNER_uid || ((file.st_mode & S_IFMT) == S_IFCHR && file.st_rdev == NULL_DEVICE))
			continue;
		ret = SYS(fchown, fd, op->STDIO_OWNER_uid, -1);
		/* unmapped owner or read-only file system: the process then has what rights the file gives, as with runc */
		if (ret < 0 && ret != -EINVAL && ret != -EPERM && ret != -EROFS)
			return (int)ret;
	}
	return 0;
}

int op_cap_bounding(struct run *run, const struct plan_op *op)
{
	(void)run;
	for (uint32_t capability = 0; capability < 64; capability++) {
		if (op->CAP_BOUNDING_keep >> capability & 1)
			continue;
		long ret = SYS(prctl, PR_CAPBSET_DROP, capability, 0, 0, 0);
		if (ret == -EINVAL)
			return 0; /* the kernel knows no more */
		if (ret < 0)
			return (int)ret;
	}
	return 0;
}

int op_set_ids(struct run *run, const struct plan_op *op)
{
	long ret = SYS(prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0);
	if (ret >= 0 && !(op->flags & OPF_KEEP_GROUPS)) {
		ret = SYS(setgroups, op->blob_len / 4, op->blob_len ? plan_blob(run, op) : NULL);
		if (ret == -EPERM && op->flags & OPF_TOLERATE) { /* denied in this user namespace: no group is won */
			if (op->blob_len) {
				text_add(start_reason(run), "additional groups are left out: setgroups is denied in this user namespace");
				run->detail = DETAIL_REASON;
				warn_from_op(run, op, EPERM);
			}
			ret = 0;
		}
	}
	if (ret >= 0)
		ret = SYS(setresgid, op->SET_IDS_gid, op->SET_IDS_gid, op->SET_IDS_gid);
	if (ret >= 0)
		ret = SYS(setresuid, op->SET_IDS_uid, op->SET_IDS_uid, op->SET_IDS_uid);
	return (int)ret;
}

/* What we do not have cannot be granted: the spec wants a warning, not an error. */
static uint64_t grantable(struct run *run, const struct plan_op *op, uint64_t wanted, uint64_t held, bool *warned)
{
	uint64_t missing = wanted & ~held;
	if (missing && !*warned) {
		struct text *reason = start_reason(run);
		text_add(reason, "capabilities that the runtime does not have are left out:");
		for (uint32_t capability = 0; capability < 64; capability++) {
			if (missing >> capability & 1) {
				text_add(reason, " ");
				text_add_number(reason, capability);
			}
		}
		run->detail = DETAIL_REASON;
		warn_from_op(run, op, EPERM);
		*warned = true;
	}
	return wanted & held;
}

int op_cap_set(struct run *run, const struct plan_op *op)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];
	bool warned = false;
	long ret = SYS(capget, &header, data);
	if (ret < 0)
		return (int)ret;
	uint64_t held = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	uint64_t permitted = grantable(run, op, op->CAP_SET_permitted, held, &warned);
	uint64_t effective = grantable(run, op, op->CAP_SET_effective, permitted, &warned);
	uint64_t inheritable = grantable(run, op, op->CAP_SET_inheritable, held, &warned);
	for (uint32_t half = 0; half < 2; half++)
		data[half] = (struct __user_cap_data_struct){
			(uint32_t)(effective >> 32 * half), (uint32_t)(permitted >> 32 * half), (uint32_t)(inheritable >> 32 * half)};
	ret = SYS(capset, &header, data);
	if (ret >= 0)
		ret = SYS(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	uint64_t ambient = grantable(run, op, op->CAP_SET_ambient, permitted & inheritable, &warned);
	for (uint32_t capability = 0; ret >= 0 && capability < 64; capability++)
		if (ambient >> capability & 1)
			ret = SYS(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
	return ret < 0 ? (int)ret : (int)SYS(prctl, PR_SET_KEEPCAPS, 0, 0, 0, 0);
}

/* One line of passwd: the sixth field when the third is the uid. */
static bool home_of_line(const char *line, uint64_t uid, struct text *home)
{
	const char *fields[7] = {line};
	size_t count = 1;
	for (const char *at = line; *at; at++)
		if (*at == ':' && count < ARRAY_SIZE(fields))
			fields[count++] = at + 1;
	uint64_t found;
	if (count < 7 || !parse_number(fields[2], (size_t)(fields[3] - fields[2] - 1), &found) || found != uid)
		return false;
	text_add_bytes(home, fields[5], (size_t)(fields[6] - fields[5] - 1));
	return true;
}

/* The image's own: a regular file, or it is as if there were none. */
static int open_passwd(void)
{
	struct stat file;
	SCOPED_FD(root) = (int)SYS(openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0); /* we are in process.cwd already */
	int fd = root < 0 ? root : in_root_open(root, "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
	if (fd >= 0 && (SYS(fstat, fd, &file) < 0 || (file.st_mode & S_IFMT) != S_IFREG)) {
		(void)SYS(close, fd);
		return -EINVAL;
	}
	return fd;
}

static void find_home(uint64_t uid, struct text *home)
{
	char chunk[1024], line[512];
	size_t used = 0;
	SCOPED_FD(fd) = open_passwd();
	for (long size = 1, read = 0; fd >= 0 && size > 0 && read < PASSWD_MAX; read += size) { /* it may be sparse, and huge */
		size = SYS(read, fd, chunk, sizeof(chunk));
		for (long i = 0; i < size; i++) {
			if (chunk[i] != '\n') {
				used += used < sizeof(line) - 1;
				line[used - 1] = chunk[i];
				continue;
			}
			line[used] = 0;
			used = 0;
			if (home_of_line(line, uid, home))
				return;
		}
	}
	line[used] = 0;
	(void)home_of_line(line, uid, home); /* a last line without its end */
}

int op_home(struct run *run, const struct plan_op *op)
{
	const struct plan_op *exec = plan_find(run, STAGE_START, OP_EXECVE);
	if (!exec)
		return -EINVAL;
	char **word = plan_list(run, exec), **end = word + exec->blob_len / 8;
	struct text home = text_in(run->home, sizeof(run->home));
	text_add(&home, "HOME=");
	size_t empty = home.length;
	find_home(op->HOME_uid, &home);
	if (home.length == empty || home.cut) {
		home = text_in(run->home, sizeof(run->home));
		text_add(&home, "HOME=/");
	}
	while (*word)
		word++; /* argv */
	word++;
	while (*word)
		word++; /* the environment's end: the reader has seen it */
	if (word + 1 >= end)
		return -ENOSPC; /* no spare place behind it */
	*word = run->home;
	return 0;
}

/* Mounts of the container, all by descriptors: targets are resolved in the new root, sources are detached trees. */
#include "executor_int.h"

#include <linux/mount.h>
#include <linux/stat.h>
#include <asm/stat.h>

int tree_attach(int tree, int target)
{
	return (int)SYS(move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

int mount_propagation(int fd, uint64_t flags)
{
	struct mount_attr attr = {.propagation = flags & ~(uint64_t)MS_REC};
	return (int)SYS(mount_setattr, fd, "", AT_EMPTY_PATH | (flags & MS_REC ? AT_RECURSIVE : 0), &attr, sizeof(attr));
}

/* A tree that is mounted in several places: itself first, then clones of it.  Kernels before 6.15 clone only attached trees, and every
 * kernel takes long (a grace period) to drop a detached one that was not mounted. */
int attach_copy(struct run *run, uint8_t slot, int target)
{
	int tree = run->slot[slot];
	if (!run->attached[slot]) {
		int ret = tree_attach(tree, target);
		run->attached[slot] = ret >= 0;
		return ret;
	}
	SCOPED_FD(copy) = (int)SYS(open_tree, tree, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return copy < 0 ? copy : tree_attach(copy, target);
}

static bool is_directory(int fd)
{
	struct stat found;
	return SYS(fstat, fd, &found) >= 0 && (found.st_mode & S_IFMT) == S_IFDIR;
}

static const char *without_slashes(const char *path)
{
	while (*path == '/')
		path++;
	return path;
}

/* What lxcfs may cover below /proc; everything else there could hide what the kernel says from those who check it. */
static bool may_cover_in_proc(const char *path)
{
	static const char *const names[] = {"cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo",
		"sys/kernel/ns_last_pid", "sys/crypto/fips_enabled"};
	if (strncmp(path, "proc/", 5) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(path + 5, names[i]))
			return true;
	return false;
}

static int refuse_target(struct run *run, const char *why)
{
	text_add(start_reason(run), why);
	return fail_with(run, DETAIL_REASON, EPERM);
}

/* Whether two descriptors are one directory of one mount; what cannot be asked about is not. */
bool is_same_place(int one, int other)
{
	struct statx facts[2];
	const int fds[2] = {one, other};
	for (int i = 0; i < 2; i++)
		if (SYS(statx, fds[i], "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &facts[i]) < 0)
			return false;
	return facts[0].stx_mnt_id == facts[1].stx_mnt_id && facts[0].stx_ino == facts[1].stx_ino;
}

int refuse_root(struct run *run)
{
	return refuse_target(run, "cannot be covered because it is the root of the container");
}

/* What the image calls otherwise is /dev: device nodes would be made, and files replaced by links, in somebody's volume. */
static bool is_dev_by_link(int root, int target, const char *plain)
{
	if (!strcmp(plain, "dev") || !strcmp(plain, "proc") || !strcmp(plain, "sys"))
		return false;
	SCOPED_FD(dev) = in_root_open(root, "dev", O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_NO_SYMLINKS);
	return dev >= 0 && is_same_place(dev, target);
}

/* Attach `tree` at `target`, which was opened as `path`: CVE-2019-16884, CVE-2019-19921. */
static int attach_checked(struct run *run, int root, int tree, int target, const char *path)
{
	const char *plain = without_slashes(path);
	if (is_same_place(root, target))
		return refuse_root(run);
	if (is_dev_by_link(root, target, plain))
		return refuse_target(run, "cannot be mounted because it is /dev");
	if (!strcmp(plain, "proc") && !is_procfs(tree))
		return refuse_target(run, "only a procfs may be mounted at /proc");
	if (strcmp(plain, "proc") != 0 && is_procfs(target)) {
		SCOPED_FD(again) = in_root_open(root, path, 0, RESOLVE_NO_SYMLINKS);
		if (again < 0 || !may_cover_in_proc(plain))
			return refuse_target(run, "cannot be mounted because it is inside /proc");
		return tree_attach(tree, again);
	}
	return tree_attach(tree, target);
}

/* The place to mount on.  /proc and /sys must be directories themselves: behind a symlink, what is written to them would go elsewhere
 * (CVE-2023-27561). */
static int open_target(struct run *run, int root, const char *path, bool directory, bool plain)
{
	const char *name = without_slashes(path);
	int fd = in_root_target(root, *name ? path : ".", directory);
	if (fd < 0 || !(plain || !strcmp(name, "proc") || !strcmp(name, "sys")))
		return fd;
	(void)SYS(close, fd);
	fd = in_root_open(root, path, O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_NO_SYMLINKS);
	return fd == -ELOOP || fd == -ENOTDIR ? refuse_target(run, "must be mounted on ordinary directory") : fd;
}

/* The file system says in words what it did not like. */
int mount_refused(struct run *run, int fs, int error)
{
	char words[256];
	long size = SYS(read, fs, words, sizeof(words) - 1);
	if (size < 3)
		return error;
	struct text *reason = start_reason(run);
	text_add(reason, errno_text(error));
	text_add(reason, " (");
	text_add_bytes(reason, words + 2, (size_t)size - 2 - (words[size - 1] == '\n')); /* "e message" */
	text_add(reason, ")");
	return fail_with(run, DETAIL_REASON, -error);
}

long set_option(int fs, const char *option)
{
	char key[64];
	struct text text = text_in(key, sizeof(key));
	size_t size = 0;
	while (option[size] && option[size] != '=')
		size++;
	text_add_bytes(&text, option, size);
	if (text.cut)
		return -EINVAL;
	return option[size] ? SYS(fsconfig, fs, FSCONFIG_SET_STRING, key, option + size + 1, 0)
			    : SYS(fsconfig, fs, FSCONFIG_SET_FLAG, key, 0, 0);
}

/* tmpfs takes over the mode of the directory that it covers, unless an option says otherwise. */
static long set_mode_of(int fs, int target)
{
	struct stat found;
	char mode[8] = "0000";
	long ret = SYS(fstat, target, &found);
	for (int i = 3, bits = (int)(found.st_mode & 07777); i >= 0; i--, bits >>= 3)
		mode[i] = (char)('0' + (bits & 7));
	return ret < 0 ? ret : SYS(fsconfig, fs, FSCONFIG_SET_STRING, "mode", mode, 0);
}

/* The detached mount of a new file system. */
static int make_fs(struct run *run, const struct plan_op *op, int target)
{
	const char *source = plan_optional(run, op->MOUNT_FS_source);
	SCOPED_FD(fs) = (int)SYS(fsopen, plan_string(run, op->MOUNT_FS_fstype), FSOPEN_CLOEXEC);
	long ret = fs;
	if (ret >= 0 && source)
		ret = SYS(fsconfig, fs, FSCONFIG_SET_STRING, "source", source, 0);
	if (ret >= 0 && op->MOUNT_FS_target_mode && target >= 0)
		ret = set_mode_of(fs, target);
	for (char **option = plan_list(run, op); ret >= 0 && *option; option++)
		ret = set_option(fs, *option);
	if (ret >= 0)
		ret = SYS(fsconfig, fs, FSCONFIG_CMD_CREATE, 0, 0, 0);
	if (ret >= 0)
		ret = SYS(fsmount, fs, FSMOUNT_CLOEXEC, op->MOUNT_FS_attr);
	return ret < 0 && fs >= 0 ? mount_refused(run, fs, (int)ret) : (int)ret;
}

static int place_fs(struct run *run, const struct plan_op *op, int tree, int target)
{
	int ret = op->flags & OPF_COPY_UP && !is_procfs(target) ? copy_up(target, tree) : 0; /* a procfs is refused below */
	if (ret >= 0)
		ret = attach_checked(run, run->slot[op->MOUNT_FS_root], tree, target, plan_string(run, op->MOUNT_FS_target));
	if (ret >= 0 && op->MOUNT_FS_propagation)
		ret = mount_propagation(tree, op->MOUNT_FS_propagation);
	return ret;
}

int op_mount_fs(struct run *run, const struct plan_op *op)
{
	const char *path = plan_optional(run, op->MOUNT_FS_target), *fstype = plan_string(run, op->MOUNT_FS_fstype);
	bool attached = path && op->MOUNT_FS_root != PLAN_NO_SLOT;
	bool plain = !strcmp(fstype, "proc") || !strcmp(fstype, "sysfs");
	SCOPED_FD(target) = attached ? open_target(run, run->slot[op->MOUNT_FS_root], path, true, plain) : -1;
	if (attached && target < 0)
		return target;
	int tree = make_fs(run, op, target);
	if (tree < 0)
		return tree;
	int ret = attached ? place_fs(run, op, tree, target) : 0;
	if (op->MOUNT_FS_tree != PLAN_NO_SLOT)
		run->slot[op->MOUNT_FS_tree] = tree;
	else
		(void)SYS(close, tree);
	return ret;
}

int op_mount_tree(struct run *run, const struct plan_op *op)
{
	int root = run->slot[op->MOUNT_TREE_root], tree = run->slot[op->MOUNT_TREE_tree];
	const char *path = plan_string(run, op->MOUNT_TREE_target);
	bool directory = op->flags & OPF_DIRECTORY || (!(op->flags & OPF_FILE) && is_directory(tree));
	SCOPED_FD(target) = open_target(run, root, path, directory, false);
	return target < 0 ? target : attach_checked(run, root, tree, target, path);
}

int op_mount_copy(struct run *run, const struct plan_op *op)
{
	SCOPED_FD(target) = in_root_open(run->slot[op->MOUNT_COPY_root], plan_string(run, op->MOUNT_COPY_target), 0, 0);
	if (target < 0)
		return target;
	return is_procfs(target) ? refuse_target(run, "cannot be mounted because it is inside /proc")
				 : attach_copy(run, op->MOUNT_COPY_tree, target);
}

/* The container's cgroup: its directory, its values, its programs. */
#include "executor_int.h"

#include "cgroup_dir.h"

static int refuse_cgroup(struct run *run, const char *why)
{
	text_add(start_reason(run), why);
	return fail_with(run, DETAIL_BARE, EBUSY);
}

int op_cgroup_create(struct run *run, const struct plan_op *op)
{
	const char *controllers = plan_optional(run, op->CGROUP_CREATE_controllers);
	int fd = cgroup_create(plan_string(run, op->CGROUP_CREATE_mount), plan_string(run, op->CGROUP_CREATE_path),
		controllers ? controllers : "", &run->cgroup_made);
	if (fd < 0)
		return fd;
	run->slot[op->CGROUP_CREATE_dir] = fd;
	if (run->cgroup_made)
		return (int)SYS(fchmod, fd, op->CGROUP_CREATE_mode);
	int frozen = cgroup_is_frozen(fd);
	if (frozen < 0 && frozen != -ENOENT) /* the root cgroup has no cgroup.freeze */
		return frozen;
	if (frozen > 0)
		return refuse_cgroup(run, "container's cgroup unexpectedly frozen");
	int populated = op->flags & OPF_MUST_BE_EMPTY ? cgroup_is_populated(fd) : 0;
	if (populated < 0 && populated != -ENOENT)
		return populated;
	return populated > 0 ? refuse_cgroup(run, "container's cgroup is not empty") : 0;
}

int op_cgroup_owner(struct run *run, const struct plan_op *op)
{
	int dir = run->slot[op->CGROUP_OWNER_dir];
	long ret = SYS(fchownat, dir, "", op->CGROUP_OWNER_uid, -1, AT_EMPTY_PATH);
	for (char **name = plan_list(run, op); ret >= 0 && *name; name++) {
		ret = SYS(fchownat, dir, *name, op->CGROUP_OWNER_uid, -1, AT_SYMLINK_NOFOLLOW);
		if (ret == -ENOENT)
			ret = 0; /* this kernel has no such file to delegate */
	}
	return (int)ret;
}

static int write_at(int dir, const char *name, const char *value)
{
	struct open_how how = {.flags = O_WRONLY | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};
	SCOPED_FD(fd) = (int)SYS(openat2, dir, name, &how, sizeof(how));
	if (fd < 0)
		return fd;
	long ret = SYS(write, fd, value, strlen(value));
	return ret < 0 ? (int)ret : 0;
}

int op_write_at(struct run *run, const struct plan_op *op)
{
	int dir = run->slot[op->WRITE_AT_dir];
	int ret = write_at(dir, plan_string(run, op->WRITE_AT_name), plan_string(run, op->WRITE_AT_value));
	return ret == -ENOENT && !(op->flags & OPF_OPTIONAL) && op->WRITE_AT_dir == SLOT_CGROUP ? refuse_limit(run, dir) : ret;
}

int op_write_first(struct run *run, const struct plan_op *op)
{
	char **words = plan_list(run, op);
	int ret = -ENOENT;
	for (; ret == -ENOENT && words[0] && words[1]; words += 2)
		ret = write_at(run->slot[op->WRITE_FIRST_dir], words[0], words[1]);
	return ret;
}

/* The container's cgroup: its directory, its values, its programs. */
#include "executor_int.h"

#include "bpf_program.h"
#include "cgroup_dir.h"
#include <linux/bpf.h>

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

int op_bpf_device(struct run *run, const struct plan_op *op)
{
	const struct bpf_program device = {
		.type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.attach_type = BPF_CGROUP_DEVICE,
		.insns = (struct bpf_insn *)(void *)(run->plan.pool + op->blob),
		.size = op->blob_len,
		.maps = {-1, -1, -1},
	};
	SCOPED_FD(program) = bpf_program_load(&device);
	return program < 0 ? program : bpf_program_attach(run->slot[op->BPF_DEVICE_cgroup], program, BPF_CGROUP_DEVICE, -1);
}

int op_bpf_map(struct run *run, const struct plan_op *op)
{
	const struct bpf_map_shape shape = {
		(uint32_t)op->BPF_MAP_type, (uint32_t)op->BPF_MAP_key_size, (uint32_t)op->BPF_MAP_value_size, (uint32_t)op->BPF_MAP_flags};
	int fd = bpf_map_make(&shape, plan_blob(run, op), op->blob_len);
	run->slot[op->BPF_MAP_map] = fd;
	return fd < 0 ? fd : 0;
}

static int slot_or_none(const struct run *run, uint8_t slot)
{
	return slot == PLAN_NO_SLOT ? -1 : run->slot[slot];
}

int op_bpf_attach(struct run *run, const struct plan_op *op)
{
	const struct bpf_program wanted = {
		.type = (uint32_t)op->BPF_ATTACH_prog_type,
		.attach_type = (uint32_t)op->BPF_ATTACH_attach_type,
		.name = plan_string(run, op->BPF_ATTACH_name),
		.insns = (struct bpf_insn *)(void *)(run->plan.pool + op->blob),
		.size = op->blob_len,
		.maps = {slot_or_none(run, op->BPF_ATTACH_map0), slot_or_none(run, op->BPF_ATTACH_map1),
			slot_or_none(run, op->BPF_ATTACH_map2)},
	};
	SCOPED_FD(program) = bpf_program_load(&wanted);
	return program < 0 ? program : bpf_program_attach(run->slot[op->BPF_ATTACH_cgroup], program, wanted.attach_type, -1);
}

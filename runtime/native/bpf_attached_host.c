/* Which programs a cgroup has: how Python finds the ones that it is to exchange. */
#include "bpf_program.h"

#include "sys.h"
#include <linux/bpf.h>
#include <linux/errno.h>

#define ATTACHED_MAX 64 /* what the kernel allows in one place */

static bool has_name(int program_fd, const char *name)
{
	struct bpf_prog_info info = {0};
	union bpf_attr ask = {0};
	ask.info.bpf_fd = (uint32_t)program_fd;
	ask.info.info_len = sizeof(info);
	ask.info.info = (uint64_t)(uintptr_t)&info;
	return SYS(bpf, BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof(ask)) == 0 && strncmp(info.name, name, BPF_NAME_MAX - 1) == 0;
}

int bpf_program_find(int cgroup_fd, uint32_t attach_type, const char *name)
{
	uint32_t ids[ATTACHED_MAX] = {0};
	union bpf_attr query = {0};
	query.query.target_fd = (uint32_t)cgroup_fd;
	query.query.attach_type = attach_type;
	query.query.prog_ids = (uint64_t)(uintptr_t)ids;
	query.query.prog_cnt = ATTACHED_MAX;
	long ret = SYS(bpf, BPF_PROG_QUERY, &query, sizeof(query));
	if (ret < 0)
		return (int)ret;
	for (uint32_t i = 0; i < query.query.prog_cnt && i < ATTACHED_MAX; i++) {
		union bpf_attr by_id = {.prog_id = ids[i]};
		int fd = (int)SYS(bpf, BPF_PROG_GET_FD_BY_ID, &by_id, sizeof(by_id));
		if (fd == -ENOENT)
			continue; /* detached meanwhile */
		if (fd < 0)
			return fd;
		if (has_name(fd, name))
			return fd;
		(void)SYS(close, fd);
	}
	return -ENOENT;
}

int bpf_program_detach(int cgroup_fd, int program_fd, uint32_t attach_type)
{
	union bpf_attr detach = {.target_fd = (uint32_t)cgroup_fd, .attach_bpf_fd = (uint32_t)program_fd, .attach_type = attach_type};
	return (int)SYS(bpf, BPF_PROG_DETACH, &detach, sizeof(detach));
}

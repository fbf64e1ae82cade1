/* bpf(2) as far as programs of a cgroup need it: for the executor, and for Python that changes a running container's. */
#include "bpf_program.h"

#include "sys.h"
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/mman.h>
#include <linux/time_types.h>

#include <stdbool.h>

#define BATCH_FROM 16u /* pairs: fewer are not worth the memory to take them apart in */

static const char licence[] = "Apache-2.0"; /* no helper for GPL programs alone is called */

static uint64_t address(const void *pointer)
{
	return (uint64_t)(uintptr_t)pointer;
}

static void copy_name(char to[BPF_NAME_MAX], const char *name)
{
	for (size_t i = 0; name && name[i] && i < BPF_NAME_MAX - 1; i++)
		to[i] = name[i];
}

/* The kernel's allocator is refilled by an interrupt, which some machines deliver with their next tick alone. */
static long put_in(const union bpf_attr *update)
{
	const struct __kernel_timespec tick = {.tv_nsec = 2000000};
	long ret = SYS(bpf, BPF_MAP_UPDATE_ELEM, update, sizeof(*update));
	for (int tries = 0; ret == -ENOMEM && tries < 100; tries++) {
		(void)SYS(nanosleep, &tick, NULL);
		ret = SYS(bpf, BPF_MAP_UPDATE_ELEM, update, sizeof(*update));
	}
	return ret;
}

/* All pairs by one call, which wants keys and values apart; -errno where the kernel cannot do that with this map (LPM tries: since
 * 5.13), or not just now. */
static long put_all(int map_fd, const struct bpf_map_shape *shape, const char *pairs, size_t count)
{
	size_t key = shape->key_size, value = shape->value_size, size = count * (key + value);
	long memory = SYS(mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory < 0)
		return memory;
	char *keys = (char *)(uintptr_t)memory, *values = keys + count * key;
	for (size_t i = 0; i < count; i++, pairs += key + value) {
		memcpy(keys + i * key, pairs, key);
		memcpy(values + i * value, pairs + key, value);
	}
	union bpf_attr all = {
		.batch = {.keys = address(keys), .values = address(values), .count = (uint32_t)count, .map_fd = (uint32_t)map_fd}};
	long ret = SYS(bpf, BPF_MAP_UPDATE_BATCH, &all, sizeof(all));
	(void)SYS(munmap, memory, size);
	return ret;
}

static long fill(int map_fd, const struct bpf_map_shape *shape, const char *pairs, size_t size)
{
	size_t step = (size_t)shape->key_size + shape->value_size;
	long ret = 0;
	bool all = size / step >= BATCH_FROM && put_all(map_fd, shape, pairs, size / step) >= 0;
	for (size_t at = 0; !all && at < size && ret >= 0; at += step) {
		union bpf_attr update = {
			.map_fd = (uint32_t)map_fd, .key = address(pairs + at), .value = address(pairs + at + shape->key_size)};
		ret = put_in(&update);
	}
	if (ret < 0)
		return ret;
	union bpf_attr freeze = {.map_fd = (uint32_t)map_fd};
	return SYS(bpf, BPF_MAP_FREEZE, &freeze, sizeof(freeze));
}

int bpf_map_make(const struct bpf_map_shape *shape, const void *pairs, size_t size)
{
	size_t step = (size_t)shape->key_size + shape->value_size;
	if (step == 0 || size % step)
		return -EINVAL;
	union bpf_attr create = {
		.map_type = shape->type,
		.key_size = shape->key_size,
		.value_size = shape->value_size,
		.max_entries = size ? (uint32_t)(size / step) : 1,
		.map_flags = shape->flags,
	};
	copy_name(create.map_name, "postern");
	int fd = (int)SYS(bpf, BPF_MAP_CREATE, &create, sizeof(create));
	if (fd < 0)
		return fd;
	long ret = fill(fd, shape, pairs, size);
	if (ret < 0) {
		(void)SYS(close, fd);
		return (int)ret;
	}
	return fd;
}

/* A load of a map's address names the map by its place in `maps`; the kernel wants its descriptor. */
static struct bpf_insn *next_map_load(const struct bpf_program *program, size_t *at)
{
	size_t count = program->size / sizeof(struct bpf_insn);
	while (*at < count) {
		struct bpf_insn *insn = &program->insns[(*at)++];
		if (insn->code != (BPF_LD | BPF_IMM | BPF_DW))
			continue;
		++*at; /* its other half is no instruction of its own */
		if (insn->src_reg == BPF_PSEUDO_MAP_FD)
			return insn;
	}
	return NULL;
}

static bool maps_are_there(const struct bpf_program *program)
{
	size_t at = 0;
	for (const struct bpf_insn *insn; (insn = next_map_load(program, &at));)
		if ((uint32_t)insn->imm >= BPF_MAPS_MAX || program->maps[insn->imm] < 0)
			return false;
	return true;
}

/* Only where the maps are there. */
static void name_maps(const struct bpf_program *program)
{
	size_t at = 0;
	for (struct bpf_insn *insn; (insn = next_map_load(program, &at));)
		insn->imm = program->maps[insn->imm];
}

static void restore_places(const struct bpf_program *program)
{
	size_t at = 0;
	for (struct bpf_insn *insn; (insn = next_map_load(program, &at));)
		for (int place = 0; place < BPF_MAPS_MAX; place++)
			if (program->maps[place] == insn->imm) {
				insn->imm = place;
				break;
			}
}

int bpf_program_load(const struct bpf_program *program)
{
	if (program->size % sizeof(struct bpf_insn))
		return -EINVAL;
	if (!maps_are_there(program))
		return -EBADSLT;
	union bpf_attr load = {
		.prog_type = program->type,
		.insn_cnt = (uint32_t)(program->size / sizeof(struct bpf_insn)),
		.insns = address(program->insns),
		.license = address(licence),
		.expected_attach_type = program->attach_type,
	};
	copy_name(load.prog_name, program->name);
	name_maps(program);
	int fd = (int)SYS(bpf, BPF_PROG_LOAD, &load, sizeof(load));
	restore_places(program);
	return fd;
}

int bpf_program_identify(int program_fd, struct bpf_identity *identity)
{
	struct bpf_prog_info info = {0};
	union bpf_attr ask = {.info = {.bpf_fd = (uint32_t)program_fd, .info_len = sizeof(info), .info = address(&info)}};
	long ret = SYS(bpf, BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof(ask));
	*identity = (struct bpf_identity){.load_time = info.load_time, .id = info.id};
	return (int)ret;
}

int bpf_program_of(const struct bpf_identity *identity)
{
	union bpf_attr by_id = {.prog_id = identity->id};
	struct bpf_identity found;
	int fd = (int)SYS(bpf, BPF_PROG_GET_FD_BY_ID, &by_id, sizeof(by_id));
	if (fd < 0)
		return fd;
	int ret = bpf_program_identify(fd, &found);
	if (ret >= 0 && found.id == identity->id && found.load_time == identity->load_time)
		return fd;
	(void)SYS(close, fd);
	return ret < 0 ? ret : -ENOENT;
}

int bpf_program_attach(int cgroup_fd, int program_fd, uint32_t attach_type, int old_fd)
{
	union bpf_attr attach = {
		.target_fd = (uint32_t)cgroup_fd,
		.attach_bpf_fd = (uint32_t)program_fd,
		.attach_type = attach_type,
		.attach_flags = BPF_F_ALLOW_MULTI,
	};
	if (old_fd >= 0) {
		attach.attach_flags |= BPF_F_REPLACE;
		attach.replace_bpf_fd = (uint32_t)old_fd;
	}
	return (int)SYS(bpf, BPF_PROG_ATTACH, &attach, sizeof(attach));
}

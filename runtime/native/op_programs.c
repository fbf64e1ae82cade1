/* The programs of the container's cgroup: those of another container that were made of the same bytes, or new ones. */
#include "executor_int.h"

#include "bpf_table.h"
#include "kept_programs.h"

static int load_maps(const char *table, int *maps)
{
	const struct bpf_table_head *head = (const void *)table;
	const struct bpf_table_map *rows = bpf_table_maps(table);
	for (uint32_t i = 0; i < head->map_count; i++) {
		maps[i] = bpf_map_make(&rows[i].shape, table + rows[i].offset, rows[i].size);
		if (maps[i] < 0)
			return maps[i];
	}
	return 0;
}

/* What is said of a failure: which of several programs it was. */
static int program_failed(struct run *run, const struct bpf_table_program *row, int error)
{
	if (!row->label[0])
		return error;
	struct text *text = start_reason(run);
	text_add(text, row->label);
	text_add(text, ": ");
	text_add(text, errno_text(-error));
	return fail_with(run, DETAIL_REASON, -error);
}

static int load_programs(struct run *run, char *table, const int *maps, int *programs)
{
	const struct bpf_table_head *head = (const void *)table;
	const struct bpf_table_program *rows = bpf_table_programs(table);
	for (uint32_t i = 0; i < head->program_count; i++) {
		struct bpf_program wanted = {
			.type = rows[i].type,
			.attach_type = rows[i].attach_type,
			.name = rows[i].name,
			.insns = (struct bpf_insn *)(void *)(table + rows[i].offset),
			.size = rows[i].size,
		};
		memcpy(wanted.maps, maps, sizeof(wanted.maps));
		programs[i] = bpf_program_load(&wanted);
		if (programs[i] < 0)
			return program_failed(run, &rows[i], programs[i]);
	}
	return 0;
}

static int make_programs(struct run *run, char *table, int *programs)
{
	int maps[BPF_MAPS_MAX];
	memset(maps, 0xff, sizeof(maps)); /* -1 */
	int ret = load_maps(table, maps);
	if (ret >= 0)
		ret = load_programs(run, table, maps, programs);
	for (size_t i = 0; i < BPF_MAPS_MAX; i++)
		close_scoped_fd(&maps[i]); /* the programs hold them */
	return ret;
}

/* A cgroup that was there before may have a shared program already, from a container that ended or was killed halfway: the kernel refuses
 * to have one twice, and takes it in its own place only where it is. */
static int attach(int cgroup, int program, uint32_t attach_type)
{
	int ret = bpf_program_attach(cgroup, program, attach_type, -1);
	return ret == -EINVAL && bpf_program_attach(cgroup, program, attach_type, program) >= 0 ? 0 : ret;
}

static int attach_programs(struct run *run, int cgroup, const char *table, const int *programs)
{
	const struct bpf_table_head *head = (const void *)table;
	const struct bpf_table_program *rows = bpf_table_programs(table);
	for (uint32_t i = 0; i < head->program_count; i++) {
		int ret = attach(cgroup, programs[i], rows[i].attach_type);
		if (ret < 0)
			return program_failed(run, &rows[i], ret);
	}
	return 0;
}

int op_bpf_programs(struct run *run, const struct plan_op *op)
{
	int programs[BPF_TABLE_PROGRAMS_MAX];
	char *table = run->plan.pool + op->blob;
	const char *root = plan_string(run, run->plan.header->root);
	memset(programs, 0xff, sizeof(programs)); /* -1 */
	bool known = find_programs(root, table, op->blob_len, programs);
	int ret = known ? 0 : make_programs(run, table, programs);
	if (ret >= 0)
		ret = attach_programs(run, run->slot[op->BPF_PROGRAMS_cgroup], table, programs);
	if (ret >= 0 && !known)
		keep_programs(root, table, op->blob_len, programs);
	for (size_t i = 0; i < BPF_TABLE_PROGRAMS_MAX; i++)
		close_scoped_fd(&programs[i]);
	return ret;
}

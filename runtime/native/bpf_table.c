/* Tables of programs taken apart. */
#include "bpf_table.h"

#define INSN_SIZE 8

const struct bpf_table_map *bpf_table_maps(const void *table)
{
	return (const struct bpf_table_map *)(const void *)((const char *)table + sizeof(struct bpf_table_head));
}

const struct bpf_table_program *bpf_table_programs(const void *table)
{
	const struct bpf_table_head *head = table;
	return (const struct bpf_table_program *)(const void *)(bpf_table_maps(table) + head->map_count);
}

static bool lies_in(size_t size, uint32_t offset, uint32_t length)
{
	return offset <= size && length <= size - offset;
}

/* Pairs of a key and a value. */
static bool map_is_sound(const struct bpf_table_map *map, size_t size)
{
	uint32_t key = map->shape.key_size, value = map->shape.value_size;
	return key > 0 && key <= UINT8_MAX && value > 0 && value <= UINT8_MAX && map->size % (key + value) == 0 &&
	       lies_in(size, map->offset, map->size);
}

static bool program_is_sound(const struct bpf_table_program *program, size_t size)
{
	return program->size > 0 && program->size % INSN_SIZE == 0 && program->offset % INSN_SIZE == 0 &&
	       lies_in(size, program->offset, program->size) && program->name[BPF_NAME_MAX - 1] == 0 &&
	       program->label[BPF_LABEL_MAX - 1] == 0;
}

bool bpf_table_is_sound(const void *table, size_t size)
{
	const struct bpf_table_head *head = table;
	if (size < sizeof(*head) || head->map_count > BPF_MAPS_MAX || head->program_count == 0 ||
	    head->program_count > BPF_TABLE_PROGRAMS_MAX)
		return false;
	size_t rows = sizeof(*head) + head->map_count * sizeof(struct bpf_table_map) +
		      head->program_count * sizeof(struct bpf_table_program);
	bool sound = rows <= size;
	for (uint32_t i = 0; sound && i < head->map_count; i++)
		sound = map_is_sound(&bpf_table_maps(table)[i], size);
	for (uint32_t i = 0; sound && i < head->program_count; i++)
		sound = program_is_sound(&bpf_table_programs(table)[i], size) && bpf_table_programs(table)[i].offset >= rows;
	return sound;
}

/* The plan reader on mutated images, built hosted with ASan and UBSan: it refuses or accepts, and what it accepts is safe to use.
 *
 *     reader_fuzz ROUNDS SEED IMAGE...
 *
 * Prints "<accepted> accepted, <refused> refused"; ends with an abort when the reader touches what it must not, or when it accepts an
 * image whose promises do not hold. */
#include "../../runtime/native/bpf_table.h"
#include "../../runtime/native/executor.h"

extern void *malloc(size_t size);
extern void free(void *memory);
extern void abort(void);
extern int printf(const char *format, ...);
extern int open(const char *path, int flags, ...);
extern long read(int fd, void *to, size_t size);
extern int close(int fd);

static uint64_t state;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	printf("accepted an image although %s\n", what);
	abort();
}

static size_t use_string(const struct plan *plan, uint32_t offset, bool optional)
{
	if (offset == PLAN_NO_STRING) {
		require(optional, "a required string is missing");
		return 0;
	}
	require(offset < plan->pool_size, "a string lies outside the pool");
	size_t size = strlen(plan->pool + offset); /* ASan watches the end of the image */
	require(offset + size < plan->pool_size, "a string does not end inside the pool");
	return size;
}

static size_t use_list(const struct plan *plan, const struct plan_op *op, uint32_t lists)
{
	const uint64_t *word = (const uint64_t *)(const void *)(plan->pool + op->blob), *end = word + op->blob_len / 8;
	size_t total = 0;
	for (uint32_t list = 0; list < lists; list++, word++) {
		for (; word < end && *word; word++) {
			const char *string = (const char *)(uintptr_t)*word;
			require(string >= plan->pool && string < plan->pool + plan->pool_size, "a list points outside the pool");
			total += strlen(string);
		}
		require(word < end, "a list is not closed");
	}
	for (; word < end; word++)
		require(*word == 0, "a spare place is in use");
	return total;
}

/* A table is copied to memory of its own size: one byte too far is seen. */
static size_t use_table(const char *table, size_t size)
{
	size_t total = 0;
	char *copy = malloc(size);
	memcpy(copy, table, size);
	const struct bpf_table_head *head = (const void *)copy;
	require(head->map_count <= BPF_MAPS_MAX && head->program_count <= BPF_TABLE_PROGRAMS_MAX, "too many rows");
	for (uint32_t i = 0; i < head->map_count; i++) {
		const struct bpf_table_map *map = &bpf_table_maps(copy)[i];
		uint64_t step = (uint64_t)map->shape.key_size + map->shape.value_size;
		require(step > 1 && step < 512 && map->size % step == 0, "a map's last pair is cut");
		for (uint32_t k = 0; k < map->size; k++)
			total += (unsigned char)copy[map->offset + k];
	}
	for (uint32_t i = 0; i < head->program_count; i++) {
		const struct bpf_table_program *program = &bpf_table_programs(copy)[i];
		require(program->size > 0 && program->size % 8 == 0 && program->offset % 8 == 0, "a program's last instruction is cut");
		for (uint32_t k = 0; k < program->size; k++)
			total += (unsigned char)copy[program->offset + k];
		total += strlen(program->name) + strlen(program->label);
	}
	free(copy);
	return total;
}

/* Touch everything that the executor would. */
static size_t use(const struct plan *plan)
{
	const struct plan_header *header = plan->header;
	size_t total = use_string(plan, header->id, false) + use_string(plan, header->log_path, true);
	uint32_t begin = 0;
	for (uint32_t stage = 0; stage < STAGE_COUNT; stage++) {
		require(header->stage_end[stage] >= begin && header->stage_end[stage] <= header->op_count, "stages run backwards");
		begin = header->stage_end[stage];
	}
	require(begin == header->op_count, "operations are left over");
	for (uint32_t i = 0; i < header->op_count; i++) {
		const struct plan_op *op = &plan->ops[i];
		require(op->code > 0 && op->code < OP_CODE_END && op->stage < STAGE_COUNT, "an operation is unknown");
		total += use_string(plan, op->what, false);
		for (uint32_t k = 0; k < 4; k++) {
			total += use_string(plan, op->s[k], true);
			require(op->slot[k] == PLAN_NO_SLOT || op->slot[k] < PLAN_SLOT_COUNT, "a slot is out of range");
		}
		require(op->blob + (uint64_t)op->blob_len < plan->pool_size, "a blob lies outside the pool");
		for (uint32_t k = 0; k < op->blob_len; k++)
			total += (unsigned char)plan->pool[op->blob + k];
		if (op->code == OP_EXECVE || op->code == OP_HOOK)
			total += use_list(plan, op, 2);
		if (op->code == OP_MOUNT_FS || op->code == OP_EXEC_PATH || op->code == OP_CGROUP_OWNER)
			total += use_list(plan, op, 1);
		if (op->code == OP_BPF_PROGRAMS)
			total += use_table(plan->pool + op->blob, op->blob_len);
	}
	return total;
}

static size_t mutate(unsigned char *image, size_t size)
{
	static const uint64_t edges[] = {0, 1, 7, 8, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x7fffffff, 0xffffffff, 0xffffffffffffffff};
	if (next_random() % 8 == 0)
		return next_random() % (size + 1); /* cut */
	for (uint64_t changes = 1 + next_random() % 4; changes > 0; changes--) {
		/* mostly where structure is: the header and the operations */
		size_t at = next_random() % (next_random() % 4 && size > 2048 ? 2048 : size);
		uint64_t value = next_random() % 2 ? edges[next_random() % ARRAY_SIZE(edges)] : next_random();
		size_t width = 1u << next_random() % 4;
		at -= at % width;
		if (at + width <= size)
			memcpy(image + at, &value, width);
	}
	return size;
}

static bool check_copy(const unsigned char *image, size_t size, bool mutated)
{
	struct plan plan;
	const char *why = NULL;
	unsigned char *copy = malloc(size ? size : 1); /* of exactly this size: one byte too far is seen */
	memcpy(copy, image, size);
	size = mutated ? mutate(copy, size) : size;
	unsigned char *exact = malloc(size ? size : 1);
	memcpy(exact, copy, size);
	bool good = plan_check(exact, size, &plan, &why) == 0;
	if (good)
		(void)use(&plan);
	else
		require(why && *why, "no reason was given");
	free(exact);
	free(copy);
	return good;
}

static uint64_t number(const char *text)
{
	uint64_t value = 0;
	for (; *text >= '0' && *text <= '9'; text++)
		value = value * 10 + (uint64_t)(*text - '0');
	return value;
}

int main(int argc, char **argv)
{
	static unsigned char image[PLAN_MAX_IMAGE];
	uint64_t accepted = 0, refused = 0;
	if (argc < 4)
		return 2;
	uint64_t rounds = number(argv[1]);
	state = number(argv[2]) * 2 + 1;
	for (int i = 3; i < argc; i++) {
		int fd = open(argv[i], 0);
		long got = fd < 0 ? -1 : read(fd, image, sizeof(image));
		if (fd >= 0)
			close(fd);
		if (got <= 0 || !check_copy(image, (size_t)got, false)) {
			printf("%s is refused as it is\n", argv[i]);
			return 1;
		}
		for (uint64_t round = 0; round < rounds; round++) {
			if (check_copy(image, (size_t)got, true))
				accepted++;
			else
				refused++;
		}
	}
	printf("%lu accepted, %lu refused\n", (unsigned long)accepted, (unsigned long)refused);
	return 0;
}

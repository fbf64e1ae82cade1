/* The plan reader: every bound is checked before the first operation runs.
 *
 * It refuses whatever runtime/plan/encode.py could not have written.  Lists of strings become arrays of pointers in place, so that
 * nothing is allocated later.  Compiled hosted too, under ASan and UBSan, by the tests. */
#define PLAN_SHAPES
#include "bpf_table.h"
#include "executor.h"

#include <linux/errno.h>

struct reader {
	struct plan *plan;
	const char *why;
	uint32_t blob_end;                            /* blobs come in the order of the ops and do not overlap */
	uint8_t filled[2][(PLAN_SLOT_COUNT + 7) / 8]; /* slots that parent and init have */
};

static bool refuse(struct reader *reader, const char *why)
{
	reader->why = why;
	return false;
}

static bool string_is_valid(const struct reader *reader, uint32_t offset)
{
	return offset < reader->plan->pool_size; /* the pool's last byte is NUL */
}

static bool check_header(struct reader *reader, const char *image, size_t size)
{
	const struct plan_header *header = reader->plan->header;
	if (memcmp(header->magic, PLAN_MAGIC, sizeof(header->magic)))
		return refuse(reader, "not a launch plan");
	if (header->version != PLAN_LAYOUT_VERSION || header->digest != PLAN_DIGEST)
		return refuse(reader, "written by another version of postern");
	if (header->size != size)
		return refuse(reader, "size does not match the file");
	if (header->mode < MODE_CREATE || header->mode > MODE_HOOKS || header->flags & ~PLAN_FLAGS_KNOWN)
		return refuse(reader, "unknown mode or flag");
	if (header->op_count > PLAN_MAX_OPS)
		return refuse(reader, "too many operations");
	uint32_t pool_offset = PLAN_HEADER_SIZE + header->op_count * PLAN_OP_SIZE;
	if (header->pool_offset != pool_offset || pool_offset > size - 8 || header->pool_size != size - pool_offset)
		return refuse(reader, "pool out of place");
	if (image[size - 1] != 0)
		return refuse(reader, "pool without an end");
	for (size_t i = sizeof(*header); i < PLAN_HEADER_SIZE; i++)
		if (image[i] != 0)
			return refuse(reader, "header not zero where it must be");
	return true;
}

static bool check_header_strings(struct reader *reader)
{
	const struct plan_header *header = reader->plan->header;
	const uint32_t required[] = {header->id, header->root, header->error_prefix, header->state_head, header->state_tail};
	const uint32_t optional[] = {header->log_path, header->cgroup_mount, header->cgroup_path};
	for (size_t i = 0; i < ARRAY_SIZE(required); i++)
		if (!string_is_valid(reader, required[i]))
			return refuse(reader, "header string outside the pool");
	for (size_t i = 0; i < ARRAY_SIZE(optional); i++)
		if (optional[i] != PLAN_NO_STRING && !string_is_valid(reader, optional[i]))
			return refuse(reader, "header string outside the pool");
	return true;
}

static bool check_stages(struct reader *reader)
{
	const struct plan_header *header = reader->plan->header;
	uint32_t begin = 0;
	for (uint32_t stage = 0; stage < STAGE_COUNT; stage++) {
		uint32_t end = header->stage_end[stage];
		if (end < begin || end > header->op_count)
			return refuse(reader, "stages out of order");
		for (uint32_t i = begin; i < end; i++)
			if (reader->plan->ops[i].stage != stage)
				return refuse(reader, "operation in a wrong stage");
		if (end > begin && header->mode == MODE_HOOKS && stage != STAGE_POST && stage != STAGE_STOP)
			return refuse(reader, "saved hooks with other stages");
		begin = end;
	}
	return begin == header->op_count || refuse(reader, "operation outside the stages");
}

static bool check_slots(struct reader *reader, const struct plan_op *op, const struct op_shape *shape)
{
	uint32_t half = stage_halves[op->stage] == 2;
	for (uint32_t i = 0; i < 4; i++) {
		uint8_t slot = op->slot[i];
		uint8_t bit = (uint8_t)(1u << i);
		if (slot == PLAN_NO_SLOT) {
			if (shape->slots_required & bit)
				return refuse(reader, "operation without a slot that it needs");
			continue;
		}
		if (!(shape->slots & bit) || slot >= PLAN_SLOT_COUNT)
			return refuse(reader, "slot out of range");
		if (!(shape->slots_out & bit)) {
			if (!(reader->filled[half][slot / 8] & 1u << slot % 8))
				return refuse(reader, "slot used before it is filled");
			continue;
		}
		for (uint32_t h = 0; h < 2; h++)
			if (h == half || op->stage == STAGE_HOST) /* what is open before the clone both halves have */
				reader->filled[h][slot / 8] = (uint8_t)(reader->filled[h][slot / 8] | 1u << slot % 8);
	}
	return true;
}

static bool check_numbers_and_strings(struct reader *reader, const struct plan_op *op, const struct op_shape *shape)
{
	for (uint32_t i = 0; i < 4; i++) {
		uint8_t bit = (uint8_t)(1u << i);
		if (!(shape->numbers & bit) && op->n[i] != 0)
			return refuse(reader, "number where none belongs");
		if (op->s[i] == PLAN_NO_STRING) {
			if (shape->strings_required & bit)
				return refuse(reader, "operation without a string that it needs");
		} else if (!(shape->strings & bit) || !string_is_valid(reader, op->s[i])) {
			return refuse(reader, "string outside the pool");
		}
	}
	return string_is_valid(reader, op->what) || refuse(reader, "string outside the pool");
}

/* Turn `count` words at `words` into pointers: `lists` lists, each closed by LIST_END, then only LIST_END. */
static bool convert_lists(struct reader *reader, uint64_t *words, uint32_t count, uint32_t lists)
{
	uint32_t closed = 0;
	for (uint32_t i = 0; i < count; i++) {
		const char *string = NULL;
		if (words[i] == PLAN_LIST_END) {
			closed++;
		} else {
			if (closed >= lists || words[i] >= reader->plan->pool_size)
				return refuse(reader, "list out of shape");
			string = reader->plan->pool + words[i];
		}
		uint64_t pointer = (uint64_t)(uintptr_t)string;
		words[i] = pointer;
	}
	return closed >= lists || refuse(reader, "list without an end");
}

static bool check_blob(struct reader *reader, const struct plan_op *op, const struct op_shape *shape)
{
	uint32_t length = op->blob_len, lists = shape->blob == BLOB_LIST ? 1 : shape->blob == BLOB_LIST2 ? 2 : 0;
	if (length == 0)
		return (op->blob == 0 && lists == 0) || refuse(reader, "blob out of shape");
	static const uint8_t unit[] = {[BLOB_BYTES] = 1, [BLOB_U32] = 4, [BLOB_U64] = 8, [BLOB_LIST] = 8, [BLOB_LIST2] = 8};
	if (shape->blob == BLOB_NONE || length % unit[shape->blob] || op->blob % 8)
		return refuse(reader, "blob out of shape");
	/* the pool's last byte belongs to no blob: it ends the last string whatever a list becomes */
	if (op->blob < reader->blob_end || op->blob >= reader->plan->pool_size || length >= reader->plan->pool_size - op->blob)
		return refuse(reader, "blob outside the pool");
	reader->blob_end = op->blob + length;
	return !lists || convert_lists(reader, (uint64_t *)(void *)(reader->plan->pool + op->blob), length / 8, lists);
}

/* What goes to bpf(2) is taken apart here. */
static bool check_bpf(struct reader *reader, const struct plan_op *op)
{
	if (op->code == OP_BPF_PROGRAMS && !bpf_table_is_sound(reader->plan->pool + op->blob, op->blob_len))
		return refuse(reader, "table of programs out of shape");
	return true;
}

static bool check_op(struct reader *reader, const struct plan_op *op)
{
	if (op->code == 0 || op->code >= OP_CODE_END || op->flags & ~OPF_KNOWN || op->zero != 0)
		return refuse(reader, "unknown operation or flag");
	const struct op_shape *shape = &op_shapes[op->code];
	if (!(shape->halves & stage_halves[op->stage]))
		return refuse(reader, "operation in the wrong half");
	return check_slots(reader, op, shape) && check_numbers_and_strings(reader, op, shape) && check_blob(reader, op, shape) &&
	       check_bpf(reader, op);
}

int plan_check(void *image, size_t size, struct plan *plan, const char **why)
{
	struct reader reader = {.plan = plan};
	_Static_assert(sizeof(struct plan_header) <= PLAN_HEADER_SIZE, "the header fits its place");
	_Static_assert(sizeof(struct plan_op) == PLAN_OP_SIZE, "operations have no padding");
	_Static_assert(sizeof(void *) == sizeof(uint64_t), "list words become pointers in place");
	*why = "not a launch plan";
	if (size < PLAN_HEADER_SIZE + 8 || size > PLAN_MAX_IMAGE || (uintptr_t)image % 8)
		return -EBADMSG;
	plan->header = image;
	plan->ops = (const struct plan_op *)(const void *)((char *)image + PLAN_HEADER_SIZE);
	bool good = check_header(&reader, image, size);
	if (good) {
		plan->pool = (char *)image + plan->header->pool_offset;
		plan->pool_size = plan->header->pool_size;
		good = check_header_strings(&reader) && check_stages(&reader);
	}
	for (uint32_t i = 0; good && i < plan->header->op_count; i++)
		good = check_op(&reader, &plan->ops[i]);
	*why = reader.why;
	return good ? 0 : -EBADMSG;
}

/* From op codes to functions, and what OPTIONAL and TOLERATE mean for all of them. */
#include "executor_int.h"

typedef int op_function(struct run *run, const struct plan_op *op);

#define ENTER_OP(code, function) [code] = function,
static op_function *const functions[OP_CODE_END] = {OP_LIST(ENTER_OP)};

int fail_with(struct run *run, enum detail detail, int error)
{
	run->detail = detail;
	return -error;
}

struct text *start_reason(struct run *run)
{
	run->reason = text_in(run->reason_buffer, sizeof(run->reason_buffer));
	return &run->reason;
}

static void warn(struct run *run, const struct plan_op *op, int error)
{
	if (run->in_init) {
		warn_from_op(run, op, error);
		return;
	}
	struct frame frame = {.kind = FRAME_WARNING, .stage = run->stage, .op = (uint32_t)(op - run->plan.ops), .error = error};
	report_op_warning(run, &frame);
}

static bool is_refusal(int error)
{
	return error == -EPERM || error == -EACCES || error == -EROFS;
}

int run_stage(struct run *run, uint32_t stage, const struct plan_op **failed)
{
	run->stage = stage;
	for (uint32_t i = stage_begin(run, stage); i < run->plan.header->stage_end[stage]; i++) {
		const struct plan_op *op = &run->plan.ops[i];
		int ret = functions[op->code](run, op);
		if (ret >= 0 || (ret == -ENOENT && op->flags & OPF_OPTIONAL && op->code != OP_CHDIR))
			continue;
		/* SET_IDS tolerates setgroups by itself: going on with the old ids must never be possible */
		if (!(is_refusal(ret) && op->flags & OPF_TOLERATE) || op->code == OP_SET_IDS) {
			*failed = op;
			return ret;
		}
		warn(run, op, -ret);
	}
	return 0;
}

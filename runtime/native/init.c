/* The init half: from clone3 to execve, inside the container's namespaces. */
#include "executor_int.h"

#include "signal_abi.h"
#include <linux/mman.h>

#define PAGE 4096ul
#define STACK_USED (64 * PAGE) /* no call of ours goes deeper */

void reset_signals(void)
{
	/* what an engine or an interpreter ignores (SIGPIPE, SIGXFSZ) would stay ignored across execve */
	struct kernel_sigaction action = {0};
	uint64_t none = 0;
	for (int signal = 1; signal <= SIGNALS; signal++)
		(void)SYS(rt_sigaction, signal, &action, 0, 8); /* SIGKILL and SIGSTOP cannot be set */
	(void)SYS(rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
}

/* uid 0 and gid 0 of the user namespace; without a mapping for them the kernel refuses with EINVAL and ids stay as they are. */
int become_root(void)
{
	long ret = SYS(setresgid, 0, 0, 0);
	if (ret < 0 && ret != -EINVAL)
		return (int)ret;
	ret = SYS(setgroups, 0, 0); /* EPERM: denied in this namespace, so that no group is lost or won */
	if (ret < 0 && ret != -EPERM)
		return (int)ret;
	ret = SYS(setresuid, 0, 0, 0);
	return ret < 0 && ret != -EINVAL ? (int)ret : 0;
}

/* Nobody who sees us may look into us or at our descriptors: CVE-2016-9962. */
int hide_init(void)
{
	return (int)SYS(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static void send_or_exit(struct run *run, const struct frame *frame)
{
	if (sync_send(run, frame, -1) < 0)
		(void)SYS(exit_group, 1);
}

static uint32_t op_index(const struct run *run, const struct plan_op *op)
{
	return op ? (uint32_t)(op - run->plan.ops) : 0;
}

static void fill_frame(struct run *run, struct frame *frame, const struct plan_op *op, int error)
{
	frame->stage = run->stage;
	frame->op = op_index(run, op);
	frame->error = error;
	frame->detail = run->detail;
	struct text text = text_in(frame->text, sizeof(frame->text));
	if (run->detail != DETAIL_ERRNO)
		text_add(&text, run->reason.data);
	else if (!op)
		text_add(&text, "unable to join namespaces");
	run->detail = DETAIL_ERRNO;
}

void leave_init(struct run *run, const struct plan_op *op, int error)
{
	struct frame frame = {.kind = FRAME_ERROR};
	fill_frame(run, &frame, op, error);
	if (run->sync >= 0) {
		(void)sync_send(run, &frame, -1);
	} else { /* the runtime is gone after `create`: the container's own stderr is all there is */
		report_to = (struct report){0};
		struct text *line = start_reason(run);
		if (frame.detail == DETAIL_ERRNO && op)
			text_add(line, plan_string(run, op->what));
		if (frame.detail == DETAIL_ERRNO)
			text_add(line, ": ");
		text_add(line, frame.detail == DETAIL_ERRNO ? errno_text(error) : frame.text);
		text_add(line, "\n");
		(void)SYS(write, 2, line->data, line->length);
		if (run->fifo >= 0 && op && op->code == OP_HOOK) { /* start waits for the hooks; it may have been killed */
			struct kernel_sigaction ignore = {.handler = SIG_IGN};
			(void)SYS(rt_sigaction, SIGPIPE, &ignore, 0, 8);
			(void)SYS(write, run->fifo, "1", 1);
		}
	}
	(void)SYS(exit_group, 1);
	__builtin_unreachable();
}

void warn_from_op(struct run *run, const struct plan_op *op, int error)
{
	struct frame frame = {.kind = FRAME_WARNING};
	fill_frame(run, &frame, op, error);
	if (run->sync >= 0)
		send_or_exit(run, &frame);
}

static void apply_stage(struct run *run, uint32_t stage)
{
	const struct plan_op *failed = NULL;
	int ret = run_stage(run, stage, &failed);
	if (ret < 0)
		leave_init(run, failed, -ret);
}

static void wait_for_go(struct run *run)
{
	struct frame frame;
	int ret = sync_receive(run, &frame, NULL, NULL);
	if (ret <= 0 || frame.kind != FRAME_GO)
		(void)SYS(exit_group, 1); /* the parent half was killed: nothing of this container may start */
}

static void reached(struct run *run, uint32_t stage)
{
	struct frame frame = {.kind = FRAME_REACHED, .stage = stage};
	send_or_exit(run, &frame);
	wait_for_go(run);
}

/* Close what no stage of init's from this one on names. */
void drop_slots(struct run *run, uint32_t from)
{
	bool used[PLAN_SLOT_COUNT + 6] = {false};
	for (uint32_t i = stage_begin(run, from); i < run->plan.header->stage_end[STAGE_START]; i++)
		for (uint32_t k = 0; k < 4 && is_init_stage(run->plan.ops[i].stage); k++)
			used[run->plan.ops[i].slot[k]] = true; /* NO_SLOT is 255 */
	for (uint32_t slot = 0; slot < PLAN_SLOT_COUNT; slot++) {
		if (run->slot[slot] >= 0 && !used[slot]) {
			(void)SYS(close, run->slot[slot]);
			run->slot[slot] = -1;
		}
	}
}

/* A created container may wait for long: give back what only the way here needed, the depth of the stack and the large blobs that the
 * parent half alone reads.  Pages of the plan in which pointers were written are not among them. */
__attribute__((noinline)) static void give_back_memory(const struct run *run)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0) & ~(PAGE - 1);
	(void)SYS(madvise, here - STACK_USED, STACK_USED - PAGE, MADV_DONTNEED);
	for (uint32_t i = 0; i < run->plan.header->stage_end[STAGE_PARENT]; i++) {
		const struct plan_op *op = &run->plan.ops[i];
		uintptr_t begin = ((uintptr_t)plan_blob(run, op) + PAGE - 1) & ~(PAGE - 1);
		uintptr_t end = ((uintptr_t)plan_blob(run, op) + op->blob_len) & ~(PAGE - 1);
		if (op->code == OP_SAVE_FILE && begin < end)
			(void)SYS(madvise, begin, end - begin, MADV_DONTNEED);
	}
}

void init_half(struct run *run)
{
	run->in_init = true;
	reset_signals();
	run->stage = STAGE_SETUP;
	if (run->through) {
		struct frame frame = {.kind = FRAME_BORN};
		send_or_exit(run, &frame);
	}
	if (plan_flag(run, PLAN_USERNS)) {
		wait_for_go(run);
		int ret = become_root();
		if (ret >= 0) /* new ids may have undone it, and an unprivileged parent's child was not born so */
			ret = hide_init();
		if (ret < 0)
			leave_init(run, NULL, -ret);
	}
	(void)SYS(umask, 0); /* modes in the plan are meant as they are */
	apply_stage(run, STAGE_SETUP);
	if (plan_flag(run, PLAN_RUNTIME_HOOKS))
		reached(run, STAGE_SETUP);
	(void)SYS(umask, 022);
	apply_stage(run, STAGE_ROOT);
	if (!stage_is_empty(run, STAGE_READY))
		reached(run, STAGE_ROOT);
	drop_slots(run, STAGE_FINAL);
	if (run->plan.header->mode == MODE_CREATE)
		give_back_memory(run);
	apply_stage(run, STAGE_FINAL);
	reached(run, STAGE_FINAL);
	if (run->plan.header->mode == MODE_CREATE) {
		(void)SYS(close, run->sync);
		run->sync = -1;
	}
	apply_stage(run, STAGE_START);
	leave_init(run, NULL, ENOEXEC); /* a plan without EXECVE */
}

/* The parent half: runs on the host, makes init, answers its frames, and stays only as long as somebody waits in the foreground. */
#include "executor_int.h"

#include "signal_abi.h"
#include "socket_abi.h"
#include <linux/close_range.h>

#define MAX_KEPT_FDS 65536

const struct plan_op *plan_find(const struct run *run, uint32_t stage, uint32_t code)
{
	for (uint32_t i = stage_begin(run, stage); i < run->plan.header->stage_end[stage]; i++)
		if (run->plan.ops[i].code == code)
			return &run->plan.ops[i];
	return NULL;
}

static bool is_foreground(const struct run *run)
{
	return run->plan.header->mode != MODE_CREATE && !plan_flag(run, PLAN_DETACH);
}

static int op_failed(struct run *run, const struct plan_op *op, int ret)
{
	struct frame frame = {
		.kind = FRAME_ERROR, .stage = run->stage, .op = (uint32_t)(op - run->plan.ops), .error = -ret, .detail = run->detail};
	struct text text = text_in(frame.text, sizeof(frame.text));
	if (run->detail != DETAIL_ERRNO)
		text_add(&text, run->reason.data);
	run->detail = DETAIL_ERRNO;
	report_failure(run, &frame);
	return -ECANCELED;
}

/* Run a stage of the parent half; a failure is reported. */
static int parent_stage(struct run *run, uint32_t stage)
{
	const struct plan_op *failed = NULL;
	int ret = run_stage(run, stage, &failed);
	return ret < 0 ? op_failed(run, failed, ret) : 0;
}

static int answer(struct run *run)
{
	struct frame frame = {.kind = FRAME_GO};
	int ret = sync_send(run, &frame, -1);
	return ret == -EPIPE || ret == -ECONNRESET ? 0 : ret; /* init is gone: its last frame or the end of file says why */
}

static int init_reached(struct run *run, uint32_t stage)
{
	static const uint8_t next[STAGE_COUNT] = {[STAGE_SETUP] = STAGE_HOOKS, [STAGE_ROOT] = STAGE_READY, [STAGE_FINAL] = STAGE_COMMIT};
	if (stage >= STAGE_COUNT || !next[stage])
		return -EPROTO;
	int ret = parent_stage(run, next[stage]);
	return ret < 0 ? ret : answer(run);
}

/* The listener goes to the agent at once: everything that init does from now on may be trapped. */
static int listener_announced(struct run *run, int number)
{
	int ret = fetch_listener(run, number);
	const struct plan_op *op = plan_find(run, STAGE_COMMIT, OP_SEND_LISTENER);
	if (ret < 0 || run->listener < 0 || !op)
		return ret;
	run->stage = STAGE_COMMIT;
	ret = op_send_listener(run, op);
	return ret < 0 ? op_failed(run, op, ret) : 0;
}

static void pty_arrived(struct run *run, int fd)
{
	if (run->slot[SLOT_PTY_MASTER] >= 0)
		(void)SYS(close, run->slot[SLOT_PTY_MASTER]);
	run->slot[SLOT_PTY_MASTER] = fd;
}

/* Answer frames until init waits for nothing more. 0; 1: the process runs; -ECANCELED: reported; other -errno: not reported. */
static int talk(struct run *run)
{
	bool released = false;
	for (;;) {
		struct frame frame;
		int fd = -1;
		int ret = sync_receive(run, &frame, &fd, NULL);
		if (ret < 0)
			return ret;
		if (ret == 0)
			return released ? 1 : init_died(run);
		if (fd >= 0 && frame.kind != FRAME_PTY)
			(void)SYS(close, fd);
		switch (frame.kind) {
		case FRAME_PTY:
			pty_arrived(run, fd);
			break;
		case FRAME_WARNING:
			report_op_warning(run, &frame);
			break;
		case FRAME_LISTENER:
			ret = listener_announced(run, frame.value);
			break;
		case FRAME_REACHED:
			ret = init_reached(run, frame.stage);
			released = frame.stage == STAGE_FINAL;
			break;
		case FRAME_ERROR:
			report_failure(run, &frame);
			return -ECANCELED;
		default:
			return -EPROTO;
		}
		if (ret < 0)
			return ret;
		if (released)
			report_debug("init was released");
		if (released && run->plan.header->mode == MODE_CREATE)
			return 1;
	}
}

static void say_pid(const struct run *run)
{
	char buffer[64];
	struct text line = text_in(buffer, sizeof(buffer));
	text_add(&line, "init is process ");
	text_add_number(&line, run->init_pid);
	report_debug(line.data);
}

/* Everything up to the running (or, for create, waiting) process. 1, or negative as in talk(). */
static int launch(struct run *run)
{
	int ret = parent_stage(run, STAGE_HOST);
	if (ret < 0)
		return ret;
	ret = start_init(run);
	if (ret < 0)
		return ret;
	say_pid(run);
	if (run->kept_fds) /* the container's: whoever waits for their end must not wait for us */
		(void)SYS(close_range, 3, 2 + run->kept_fds, 0);
	ret = parent_stage(run, STAGE_PARENT);
	if (ret >= 0 && plan_flag(run, PLAN_USERNS))
		ret = answer(run);
	return ret < 0 ? ret : talk(run);
}

/* Failed without an operation of the plan to name. */
static int fail_launch(struct run *run, int error)
{
	struct frame frame = {.kind = FRAME_ERROR, .stage = STAGE_PARENT, .error = -error, .detail = DETAIL_WHOLE};
	struct text text = text_in(frame.text, sizeof(frame.text));
	text_add(&text, "unable to start the container's init: ");
	text_add(&text, run->detail == DETAIL_REASON ? run->reason.data : errno_text(error));
	run->detail = DETAIL_ERRNO;
	report_failure(run, &frame);
	return -ECANCELED;
}

static int run_plan(struct run *run)
{
	if (is_foreground(run) && run->plan.header->mode == MODE_RUN && plan_flag(run, PLAN_SUBREAPER))
		(void)SYS(prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* not needed for the container's own processes */
	int signals = is_foreground(run) ? signals_open() : 0;
	int ret = signals < 0 ? signals : launch(run);
	if (ret < 0 && ret != -ECANCELED)
		ret = fail_launch(run, ret);
	if (ret >= 0)
		ret = parent_stage(run, STAGE_POST);
	if (ret < 0) {
		undo(run);
		return failure_code(run);
	}
	if (!is_foreground(run))
		return forward_until_ready(run);
	int code = wait_foreground(run, signals);
	return run->plan.header->mode == MODE_RUN ? end_of_run(run, code) : code;
}

/* A descriptor of ours must not become somebody's standard input: places that the caller left empty are filled. */
static int fill_stdio(int plan_fd)
{
	long ret = SYS(close, plan_fd); /* mapped by now, and perhaps itself in such a place */
	for (int fd = 0; fd < 3 && ret >= 0; fd++)
		if (SYS(fcntl, fd, F_GETFD) == -EBADF)
			ret = SYS(openat, AT_FDCWD, "/dev/null", O_RDWR | O_NOCTTY, 0); /* the lowest free number, which is fd */
	return ret < 0 ? (int)ret : 0;
}

/* Close everything from `first` on but the one namespace that the planner may hand over, which no program is to get. */
static long close_all_but(uint32_t first, const struct plan_op *held)
{
	if (!held)
		return SYS(close_range, first, ~0u, 0);
	uint64_t fd = held->HELD_NS_fd;
	if (fd < first || fd >= INT32_MAX)
		return -EBADF;
	long ret = SYS(fcntl, fd, F_SETFD, FD_CLOEXEC);
	if (ret >= 0 && fd > first)
		ret = SYS(close_range, first, fd - 1, 0);
	return ret < 0 ? ret : SYS(close_range, fd + 1, ~0u, 0);
}

/* What the caller left open stays out of both halves; what the container is to get (--preserve-fds, LISTEN_FDS) out of our children. */
static int seal_descriptors(struct run *run)
{
	const struct plan_op *keep = plan_find(run, STAGE_START, OP_KEEP_FDS);
	if (keep && keep->KEEP_FDS_count > MAX_KEPT_FDS)
		return -EMFILE;
	run->kept_fds = keep ? (uint32_t)keep->KEEP_FDS_count : 0;
	uint32_t first = 3 + run->kept_fds;
	long ret = close_all_but(first, plan_find(run, STAGE_HOST, OP_HELD_NS));
	if (ret >= 0 && run->kept_fds)
		ret = SYS(close_range, 3, first - 1, CLOSE_RANGE_CLOEXEC);
	return (int)ret;
}

static int refuse_plan(const char *why)
{
	char buffer[256];
	struct text text = text_in(buffer, sizeof(buffer));
	text_add(&text, "launch plan refused: ");
	text_add(&text, why);
	report_error(text.data);
	return 1;
}

int executor_main(int argc, char **argv, char **envp)
{
	static struct run run;
	uint64_t plan_fd = 0;
	const char *why = "";
	if (argc != 2 || !parse_number(argv[1], strlen(argv[1]), &plan_fd) || plan_fd > INT32_MAX)
		return refuse_plan("no descriptor given");
	int ret = plan_map((int)plan_fd, &run.plan, &why);
	if (ret < 0)
		return refuse_plan(ret == -EBADMSG ? why : errno_text(ret));
	const struct plan_header *header = run.plan.header;
	if (header->mode == MODE_HOOKS)
		return refuse_plan("saved hooks are not run on their own");
	report_to = (struct report){plan_optional(&run, header->log_path), plan_flag(&run, PLAN_LOG_JSON), plan_flag(&run, PLAN_DEBUG)};
	run.envp = envp;
	run.sync = run.init_pid = run.init_pidfd = run.listener = run.fifo = run.notify = -1;
	memset(run.slot, 0xff, sizeof(run.slot)); /* -1 */
	ret = fill_stdio((int)plan_fd);
	if (ret >= 0)
		ret = seal_descriptors(&run);
	if (ret < 0)
		return refuse_plan(errno_text(ret));
	return run_plan(&run);
}

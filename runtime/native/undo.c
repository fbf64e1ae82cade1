/* What is said and what is removed when something failed or ended. */
#include "executor_int.h"

#include "cgroup_dir.h"
#include "lease.h"
#include "signal_abi.h"

#define REMOVE_TIMEOUT_MS 10000

int failure_code(const struct run *run)
{
	return run->plan.header->mode == MODE_EXEC ? 255 : 1;
}

static void add_prefix(const struct run *run, struct text *line, bool first_part_only)
{
	const char *prefix = plan_string(run, run->plan.header->error_prefix);
	size_t size = strlen(prefix);
	if (first_part_only)
		for (size_t i = 0; i + 1 < size; i++)
			if (prefix[i] == ':' && prefix[i + 1] == ' ')
				size = i + 2;
	text_add_bytes(line, prefix, size);
}

static void add_failure(const struct run *run, struct text *line, const struct frame *failure)
{
	bool has_what = failure->detail == DETAIL_ERRNO || failure->detail == DETAIL_REASON;
	if (has_what && failure->kind == FRAME_ERROR && is_init_stage(failure->stage) && run->plan.header->mode != MODE_EXEC)
		text_add(line, "error during container init: ");
	if (has_what && !(failure->detail == DETAIL_ERRNO && failure->text[0])) {
		text_add(line, plan_string(run, run->plan.ops[failure->op].what));
		text_add(line, ": ");
	}
	text_add(line, failure->text);
	if (failure->detail == DETAIL_ERRNO) {
		text_add(line, failure->text[0] ? ": " : "");
		text_add(line, errno_text(failure->error));
	}
}

void report_failure(struct run *run, const struct frame *failure)
{
	char buffer[PATH_BUFFER];
	struct text line = text_in(buffer, sizeof(buffer));
	const char *death = NULL;
	if (run->init_pid > 0 && is_init_stage(failure->stage)) {
		reap_init(run);
		death = cause_of_death(run);
	}
	add_prefix(run, &line, failure->detail == DETAIL_BARE);
	if (death)
		text_add(&line, death);
	else
		add_failure(run, &line, failure);
	report_error(line.data);
}

void report_op_warning(struct run *run, const struct frame *warning)
{
	char buffer[PATH_BUFFER];
	struct text line = text_in(buffer, sizeof(buffer));
	add_failure(run, &line, warning);
	report_warning(line.data);
}

/* A limit too small for init kills it without a word: say so, as runc does. */
const char *cause_of_death(const struct run *run)
{
	if (run->slot[SLOT_CGROUP] < 0 || !run->cgroup_made)
		return NULL;
	char events[512];
	SCOPED_FD(fd) = (int)SYS(openat, run->slot[SLOT_CGROUP], "memory.events", O_RDONLY | O_CLOEXEC, 0);
	long size = fd < 0 ? fd : SYS(read, fd, events, sizeof(events) - 1);
	if (size <= 0)
		return NULL;
	events[size] = 0;
	static const char key[] = "oom_kill ";
	for (const char *line = events; *line; line++) {
		if ((line == events || line[-1] == '\n') && !strncmp(line, key, sizeof(key) - 1))
			return line[sizeof(key) - 1] != '0' ? "container init was OOM-killed (memory limit too low?)" : NULL;
	}
	return NULL;
}

void reap_init(struct run *run)
{
	if (run->init_pid <= 0 || run->init_reaped)
		return;
	if (run->init_pidfd >= 0)
		(void)SYS(pidfd_send_signal, run->init_pidfd, SIGKILL, 0, 0);
	long ret;
	do
		ret = SYS(wait4, run->init_pid, &run->wait_status, 0, 0);
	while (ret == -EINTR);
	run->init_reaped = true;
}

int init_died(struct run *run)
{
	struct frame frame = {.kind = FRAME_ERROR, .stage = STAGE_SETUP, .detail = DETAIL_WHOLE};
	reap_init(run);
	struct text text = text_in(frame.text, sizeof(frame.text));
	text_add(&text, "container init ended early: ");
	text_add(&text, status_exited(run->wait_status) ? "exit status " : "signal ");
	text_add_number(&text, status_exited(run->wait_status) ? status_code(run->wait_status) : run->wait_status & 0x7f);
	report_failure(run, &frame);
	return -ECANCELED;
}

/* The files that this project writes there, and no others. */
static void remove_state(struct run *run)
{
	static const char *const names[] = {"state.json.tmp", "config.json", "seccomp.bpf", "policy.bin", "broker.table", "exec.fifo",
		"hooks.plan", "notify/notify.sock"};
	int dir = run->slot[SLOT_STATE_DIR];
	if (!run->state_made || dir < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)SYS(unlinkat, dir, names[i], 0);
	(void)SYS(unlinkat, dir, "notify", AT_REMOVEDIR);
	(void)SYS(unlinkat, dir, "state.json", 0); /* last: while it is there, delete --force knows what to do */
	SCOPED_FD(root) = (int)SYS(openat, dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	const char *id = plan_string(run, run->plan.header->id);
	if (root >= 0) {
		(void)SYS(unlinkat, root, id, AT_REMOVEDIR);
		(void)lease_remove(root, id); /* an address that stays taken is given out again once nobody has it */
	}
	run->state_made = false;
}

/* Kill what is left in a cgroup of ours and remove it. */
static int remove_cgroup(struct run *run)
{
	const struct plan_header *header = run->plan.header;
	if (!run->cgroup_made || header->cgroup_mount == PLAN_NO_STRING || header->cgroup_path == PLAN_NO_STRING)
		return 0;
	const char *mount = plan_string(run, header->cgroup_mount), *path = plan_string(run, header->cgroup_path);
	int ret = cgroup_remove(mount, path, 0);
	if (ret == -EBUSY || ret == -ENOTEMPTY) {
		if (run->slot[SLOT_CGROUP] >= 0)
			(void)cgroup_kill(run->slot[SLOT_CGROUP]); /* what it could not kill keeps the directory busy, which is reported */
		ret = cgroup_remove(mount, path, REMOVE_TIMEOUT_MS);
	}
	run->cgroup_made = ret < 0;
	return ret;
}

static void report_leftover(const struct run *run, int error)
{
	char buffer[PATH_BUFFER];
	struct text line = text_in(buffer, sizeof(buffer));
	text_add(&line, "unable to remove cgroup ");
	text_add(&line, plan_string(run, run->plan.header->cgroup_path));
	text_add(&line, ": ");
	text_add(&line, errno_text(error));
	report_warning(line.data);
}

/* Poststop hooks: a plan's own, or what a create saved. */
static void run_stop_hooks(struct run *run)
{
	const struct plan_op *failed = NULL;
	if (!stage_is_empty(run, STAGE_STOP))
		(void)run_stage(run, STAGE_STOP, &failed); /* each reports for itself */
	else if (run->plan.header->mode == MODE_CREATE && run->slot[SLOT_STATE_DIR] >= 0)
		(void)run_saved_hooks(run->slot[SLOT_STATE_DIR], STAGE_STOP, 0, "stopped", run->envp);
}

void undo(struct run *run)
{
	bool born = run->init_pid > 0;
	reap_init(run);
	int ret = remove_cgroup(run);
	if (ret < 0)
		report_leftover(run, ret);
	if (born && run->plan.header->mode != MODE_EXEC && run->state_made)
		run_stop_hooks(run);
	remove_state(run);
}

int end_of_run(struct run *run, int code)
{
	reap_init(run);
	if (plan_flag(run, PLAN_KEEP)) {
		if (plan_flag(run, PLAN_KILL_ALL) && run->cgroup_made)
			(void)cgroup_kill(run->slot[SLOT_CGROUP]);
		return code;
	}
	int ret = remove_cgroup(run);
	if (ret < 0)
		report_leftover(run, ret);
	run_stop_hooks(run);
	remove_state(run);
	return code;
}

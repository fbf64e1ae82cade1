/* From a received call to its verdict: whose table, which handler, which mode. */
#define _GNU_SOURCE
#include "broker_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#else
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#endif
#define PF_FORKNOEXEC 0x40ul /* linux/sched.h; the ninth field of /proc/PID/stat */

/* Whether a process has never executed anything: it runs the program that its parent had when it was made. */
static bool has_not_executed(const struct broker *broker, pid_t pid)
{
	char path[32], stat[512];
	(void)snprintf(path, sizeof(path), "%d/stat", (int)pid);
	if (read_text(openat(broker->proc_dir, path, O_RDONLY | O_CLOEXEC), stat, sizeof(stat)) <= 0)
		return false;
	const char *at = strrchr(stat, ')'); /* the name before it may hold anything */
	unsigned long flags;
	return at && sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %lu", &flags) == 1 && flags & PF_FORKNOEXEC;
}

/* Init before its program: still our executor, which is trusted, has one thread and cannot execute anything while it waits for us.
 * An image's program may be that very file, by a link to /proc/self/exe: what has been executed is the container's. */
bool is_exempt(const struct broker *broker, struct container *container, pid_t pid)
{
	char path[32];
	struct stat status;
	if (!atomic_load(&container->exempt))
		return false;
	/* not by "/proc": this thread's root may be that of a container which it worked for before */
	(void)snprintf(path, sizeof(path), "%d/exe", (int)pid);
	bool same = pid == container->init && has_not_executed(broker, pid) && fstatat(broker->proc_dir, path, &status, 0) == 0 &&
		    status.st_dev == container->exe_dev && status.st_ino == container->exe_ino;
	if (!same)
		atomic_store(&container->exempt, false); /* for good */
	return same;
}

static struct verdict handle(struct call *call)
{
	switch (call->entry.handler) {
	case HANDLER_OPEN:
		return handle_open(call);
	case HANDLER_CONNECT:
		return handle_connect(call);
	case HANDLER_BIND:
		return handle_bind(call);
	case HANDLER_SEND:
		return handle_send(call);
	case HANDLER_EXEC:
		return handle_exec(call);
	case HANDLER_MKNOD:
		return handle_mknod(call);
	case HANDLER_MOUNT:
		return handle_mount(call);
	case HANDLER_RECORD:
		return handle_record(call);
	case HANDLER_CONTINUE:
		return CONTINUED;
	default: /* registers alone decided; whoever was asked and agreed decided on the same */
		return call->granted ? CONTINUED : DENIED(call);
	}
}

/* Calls whose notice is all that the broker wants of them. Before they are done, so what is remembered afterwards is not older. */
static void note(struct call *call, int nr)
{
	struct container *container = call->container;
	if (nr == __NR_setgroups)
		atomic_fetch_add(&container->groups_seen, 1);
	/* A thread that executes takes over the number of its process's first one, whose groups may be others, and that one may be looked
	 * at once more before it ends: from here on nothing is remembered. */
	bool executes = nr == __NR_execve || nr == __NR_execveat;
	if (executes && !atomic_load(&container->threads_execute) && !is_first_thread(call) &&
		!atomic_exchange(&container->threads_execute, true))
		journal_note(call->broker, container->key, NOTED_THREADS);
	if ((nr == __NR_chroot || nr == __NR_pivot_root) && !atomic_exchange(&container->roots_moved, true))
		journal_note(call->broker, container->key, NOTED_ROOTS);
}

static struct verdict decide_call(struct call *call)
{
	const struct seccomp_data *data = &call->slot->notif.data;
	uint32_t mode = call->table->header->mode;
	if (is_exempt(call->broker, call->container, (pid_t)call->slot->notif.pid)) {
		if (mode != MODE_RECORD || data->nr != __NR_execve)
			return CONTINUED;
		call->entry = table_call(call->table, data->nr); /* the one call of init's that a learned policy has to know */
		return handle_record(call);
	}
	call->entry = table_call(call->table, data->nr);
	call->rule = call->entry.rule;
	/* numbers mean something else on another architecture; x32's carry bit 30 and are in no table */
	if (data->arch != NATIVE_ARCH || call->entry.handler == HANDLER_NONE) {
		call->entry.error = EPERM;
		return DENIED(call);
	}
	note(call, data->nr);
	/* nothing is enforced, so nothing can be lost by a race */
	if (mode == MODE_RECORD || call->entry.handler == HANDLER_RECORD)
		return handle_record(call);
	if (mode == MODE_AUDIT)
		return handle_audit(call);
	struct verdict verdict = handle(call);
	if (verdict.denied && mode == MODE_ASK && !call->granted && call->entry.handler != HANDLER_MOUNT)
		return (struct verdict){.outcome = OUTCOME_ASK};
	return verdict;
}

/* From here on the clock leaves the call alone. */
static void leave(struct worker *worker)
{
	atomic_store(&worker->call, NULL);
	if (!atomic_load(&worker->watched) && !atomic_load(&worker->hangs) && !atomic_load(&worker->overdue))
		return;
	(void)pthread_mutex_lock(&worker->hold);
	if (atomic_exchange(&worker->hangs, false))
		(void)atomic_fetch_add(&worker->broker->available, 1);
	atomic_store(&worker->overdue, false);
	(void)pthread_mutex_unlock(&worker->hold);
}

void decide(struct worker *worker, struct container *container, struct slot *slot, struct parked *parked)
{
	struct loaded *loaded = atomic_load(&container->loaded);
	struct call call = {.broker = worker->broker,
		.worker = worker,
		.container = container,
		.table = &loaded->table,
		.slot = slot,
		.rule = BROKER_NO_RULE,
		.began_ns = parked ? parked->began_ns : worker->received_ns,
		.ticket = parked ? parked->ticket : 0,
		.redone = parked && !parked->ticket && atomic_load(&slot->state) == SLOT_ACTING,
		.granted = parked && parked->verdict == 0 && parked->ticket,
		.asked = parked ? parked->text : ""};
	struct verdict verdict;
	atomic_store(&worker->began_ns, parked ? now_ns() : call.began_ns);
	atomic_store(&worker->call, &call);
	if (atomic_load(&worker->broker->pace) == IDLE)
		clock_wake(worker->broker, BUSY);
	if (parked && parked->ticket && parked->verdict) {
		call.entry = table_call(call.table, slot->notif.data.nr);
		call.rule = call.entry.rule;
		memcpy(call.text, parked->text, sizeof(call.text));
		verdict = (struct verdict){
			.outcome = OUTCOME_ERROR, .value = parked->verdict > 0 ? parked->verdict : call.entry.error, .denied = true};
		if (parked->verdict < 0 && call.table->header->flags & TABLE_KILL)
			kill_target(&call);
	} else {
		verdict = decide_call(&call);
	}
	leave(worker);
	if (verdict.outcome == OUTCOME_ASK && park(&call))
		return;
	if (verdict.outcome == OUTCOME_ASK)
		verdict = DENIED(&call);
	finish(&call, verdict);
}

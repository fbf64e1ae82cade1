/* Answers, and what is known of them afterwards: counters and events. */
#define _GNU_SOURCE
#include "broker_int.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

bool still_valid(const struct call *call)
{
	return ioctl(call->container->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &call->slot->notif.id) == 0;
}

/* 0 or -errno; the caller has its answer. */
static int send_answer(struct call *call, struct verdict verdict)
{
	struct seccomp_notif_resp answer = {.id = call->slot->notif.id};
	if (verdict.outcome == OUTCOME_CONTINUE)
		answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else if (verdict.outcome == OUTCOME_ERROR)
		answer.error = -(int32_t)verdict.value;
	else
		answer.val = verdict.value;
	return ioctl(call->container->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) < 0 ? -errno : 0;
}

/* In two steps. In one (SECCOMP_ADDFD_FLAG_SEND) the kernel counts the call as answered before the descriptor is there, and when we are
 * killed in between the caller is told 0, a descriptor that it does not have. So it may have one too many instead, when the next broker
 * does the call again. */
int inject(struct call *call, int fd, bool cloexec)
{
	struct seccomp_notif_addfd add = {
		.id = call->slot->notif.id, .srcfd = (uint32_t)fd, .newfd_flags = cloexec ? 02000000 /* O_CLOEXEC */ : 0};
	for (;;) {
		int number = ioctl(call->container->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
		if (number >= 0)
			return number;
		if (errno != EINTR)
			return -errno;
	}
}

void kill_target(struct call *call)
{
	/* the id is still valid, so the number is still the caller's */
	if (still_valid(call))
		(void)kill((pid_t)call->slot->notif.pid, SIGKILL);
}

static bool is_told(struct call *call, struct verdict verdict)
{
	uint32_t level = call->table->header->audit, mode = call->table->header->mode;
	if (mode == MODE_RECORD)
		return call->entry.handler != HANDLER_NONE && is_recorded(call); /* what init did before its program is not the program's */
	if (call->entry.handler == HANDLER_RECORD)
		return true;
	if (level == AUDIT_ALL)
		return true;
	if (verdict.denied)
		return level != AUDIT_NONE;
	return level == AUDIT_DECISIONS && call->entry.handler != HANDLER_NONE;
}

static void count(struct container *container, struct verdict verdict, uint32_t micros)
{
	if (verdict.outcome == OUTCOME_GONE)
		atomic_fetch_add(&container->lost, 1);
	else if (verdict.outcome == OUTCOME_CONTINUE)
		atomic_fetch_add(&container->continued, 1);
	else if (verdict.denied)
		atomic_fetch_add(&container->denied, 1);
	else
		atomic_fetch_add(&container->allowed, 1);
	unsigned bucket = 0;
	while (bucket < 19 && micros >> bucket)
		bucket++;
	atomic_fetch_add(&container->micros[bucket], 1);
}

/* Before the caller goes on, so that the events of one thread are in the order of its calls. */
static void tell(struct call *call, struct verdict verdict, uint32_t micros)
{
	if (verdict.outcome == OUTCOME_GONE || !is_told(call, verdict))
		return;
	if (!call->text[0] && call->table->header->mode != MODE_RECORD)
		describe(call); /* while the caller's memory still says what it asked */
	bool passed = verdict.outcome == OUTCOME_CONTINUE && !verdict.denied;
	bool failed = verdict.outcome == OUTCOME_ERROR || verdict.denied;
	call->denied = verdict.denied;
	emit_decision(call, BROKER_DECISION, passed ? BROKER_CONTINUE : failed ? (int32_t)verdict.value : 0, micros);
}

void finish(struct call *call, struct verdict verdict)
{
	struct container *container = call->container;
	uint32_t micros = (uint32_t)((now_ns() - call->began_ns) / 1000);
	tell(call, verdict, micros);
	int error = verdict.outcome == OUTCOME_GONE ? 0 : send_answer(call, verdict);
	if (error == -ENOENT || error == -EINPROGRESS)
		verdict.outcome = OUTCOME_GONE; /* killed, interrupted, or answered when its time was over */
	count(container, verdict, micros);
	slot_clear(call->slot);
	if (call->slot != call->worker->slot)
		slot_give(call->broker, call->slot);
	container_done(call->broker, container);
}

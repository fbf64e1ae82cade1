/* The clock: gives up on calls whose time is over, interrupts waits that nobody needs any more, replaces workers that hang in a slow
 * file system, frees what was replaced. */
#define _GNU_SOURCE
#include "broker_stay.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define BUSY_NS 20000000
#define CALM_TICKS 8      /* without anything to watch, before it slows down */
#define SLOW_NS 20000000u /* a handler that takes this long hangs in somebody's file system */

/* A signal of the caller's would have ended the wait if it made the call itself. */
static bool has_news(const struct call *call)
{
	if (!still_valid(call))
		return true;
	struct target target; /* of our own: the worker's is the worker's */
	return call->target && (target = *call->target, target_read_status(&target) == 0) && target.pending;
}

static void give_up(struct worker *worker, struct call *call)
{
	struct container *container = call->container;
	uint32_t error = call->entry.error ? call->entry.error : EPERM;
	struct seccomp_notif_resp answer = {.id = call->slot->notif.id, .error = -(int32_t)error};
	if (atomic_exchange(&worker->overdue, true))
		return;
	atomic_fetch_add(&container->timed_out, 1);
	if (call->table->header->flags & TABLE_KILL)
		kill_target(call);
	(void)ioctl(container->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer); /* what the worker sends later comes too late */
	(void)pthread_kill(worker->thread, INTERRUPT);                       /* it may hang in something that can be interrupted */
}

/* True while it is at work. `call` is the worker's own: it is looked at only while the worker is known to hang. */
static bool watch(struct broker *broker, struct worker *worker, uint64_t now)
{
	struct call *call = atomic_load(&worker->call);
	if (!atomic_load(&worker->alive) || !call)
		return false;
	if (atomic_load(&worker->began_ns) + STAY_NS > now)
		return true;
	(void)pthread_mutex_lock(&worker->hold); /* until it is released the worker cannot leave the call that it is at */
	atomic_store(&worker->watched, true);
	call = atomic_load(&worker->call);
	uint64_t began = atomic_load(&worker->began_ns);
	if (call && began + STAY_NS <= now && atomic_load(&worker->holds)) { /* it may be waiting for another thread of that container */
		stay_was_slow(call->container);
		stay_release(worker, call->container);
	}
	if (began + SLOW_NS > now)
		call = NULL;
	if (call && atomic_load(&worker->waiting)) {
		if (has_news(call)) {
			atomic_store(&worker->interrupt, true);
			(void)pthread_kill(worker->thread, INTERRUPT);
		}
	} else if (call) {
		if (!atomic_exchange(&worker->hangs, true)) {
			(void)atomic_fetch_sub(&broker->available, 1);
		}
		if (now - began > (uint64_t)call->table->header->timeout_ms * 1000000u)
			give_up(worker, call);
	}
	atomic_store(&worker->watched, false);
	(void)pthread_mutex_unlock(&worker->hold);
	return true;
}

/* Sends a worker back to the epoll that has had nothing to do since the last tick. True: nobody else is told of its container's calls. */
static bool ends_stay(struct worker *worker)
{
	if (!atomic_load(&worker->stay))
		return false;
	uint64_t rests = atomic_load(&worker->rests);
	if (atomic_load(&worker->rest) != AWAKE && rests == worker->rests_seen)
		rouse(worker);
	worker->rests_seen = rests;
	return atomic_load(&worker->holds);
}

/* Of tables anybody may hold an old one. Of containers a worker that is at a call, for hours perhaps, has its own alone, which counts it
 * as in flight; it finds no other one before it looks again, and then not one that is gone. */
static uint64_t oldest_epoch(struct broker *broker, bool of_containers)
{
	uint64_t oldest = UINT64_MAX;
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		struct worker *worker = atomic_load(&broker->workers[i]);
		bool counts = worker && !(of_containers && atomic_load(&worker->call));
		uint64_t epoch = counts ? atomic_load(&worker->epoch) : 0;
		if (epoch && epoch < oldest)
			oldest = epoch;
	}
	return oldest;
}

/* With the lock held. */
static void free_container(struct broker *broker, struct container *container)
{
	struct loaded *loaded = atomic_load(&container->loaded);
	(void)close(container->listener);
	if (container->root >= 0)
		(void)close(container->root);
	table_retire(broker, loaded);
	free(container);
}

/* Whether no worker stands in a container that is gone; those that do are told to leave it, and all to forget its threads. */
static bool all_left(struct broker *broker, struct container *container)
{
	bool left = true;
	for (unsigned i = 0; i < WORKERS_MAX && !atomic_load(&broker->stopping); i++) {
		struct worker *worker = atomic_load(&broker->workers[i]);
		if (!worker || !atomic_load(&worker->alive))
			continue;
		bool inside = atomic_load(&worker->stands) == container->generation || atomic_load(&worker->stay) == container;
		if (inside || !container->told) {
			atomic_store(&worker->home, true);
			rouse(worker);
		}
		left = left && !inside;
	}
	container->told = true;
	return left;
}

void reclaim(struct broker *broker)
{
	(void)pthread_mutex_lock(&broker->lock);
	uint64_t oldest = oldest_epoch(broker, true);
	for (struct container **place = &broker->retired_containers; *place;) {
		struct container *container = *place;
		if (container->epoch > oldest || atomic_load(&container->inflight) || !all_left(broker, container)) {
			place = &container->next;
			continue;
		}
		*place = container->next;
		free_container(broker, container);
	}
	oldest = oldest_epoch(broker, false);
	for (struct loaded **place = &broker->retired; *place;) {
		struct loaded *loaded = *place;
		if (loaded->epoch > oldest) {
			place = &loaded->next;
			continue;
		}
		*place = loaded->next;
		free(loaded);
	}
	(void)pthread_mutex_unlock(&broker->lock);
}

static enum pace look_round(struct broker *broker)
{
	uint64_t now = now_ns();
	(void)pthread_mutex_lock(&broker->lock);
	bool parked = broker->parked, retired = broker->retired || broker->retired_containers;
	(void)pthread_mutex_unlock(&broker->lock);
	enum pace pace = parked || retired ? BUSY : IDLE;
	for (unsigned i = 0; i < atomic_load(&broker->started); i++) {
		struct worker *worker = atomic_load(&broker->workers[i]);
		if (worker && watch(broker, worker, now) && pace == IDLE)
			pace = BUSY;
		if (worker && ends_stay(worker))
			pace = STAYING;
	}
	if (parked)
		expire(broker, now);
	if (retired)
		reclaim(broker);
	if (atomic_load(&broker->available) < 1)
		(void)worker_start(broker, true);
	return pace;
}

/* True: somebody has woken it. */
static bool rest(struct broker *broker, enum pace pace)
{
	struct timespec until;
	if (pace == IDLE)
		return sem_wait(&broker->tick) == 0;
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += pace == STAYING ? STAY_NS : BUSY_NS;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return sem_timedwait(&broker->tick, &until) == 0;
}

void clock_wake(struct broker *broker, enum pace pace)
{
	atomic_thread_fence(memory_order_seq_cst); /* what there is to watch comes first: look_round sees it, or it is seen here */
	uint32_t now = atomic_load(&broker->pace);
	if (now < pace && atomic_compare_exchange_strong(&broker->pace, &now, pace))
		(void)sem_post(&broker->tick);
}

/* It ticks while there is something to watch and a little longer, and then sleeps until it is woken. */
void *clock_main(void *argument)
{
	struct broker *broker = argument;
	sigset_t all;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, NULL);
	(void)prctl(PR_SET_NAME, "broker-clock");
	enum pace pace = BUSY;
	for (unsigned calm = 0; !atomic_load(&broker->stopping);) {
		atomic_store(&broker->pace, pace);
		atomic_thread_fence(memory_order_seq_cst);
		enum pace needed = look_round(broker);
		calm = needed < pace ? calm + 1 : 0;
		if (needed > pace || calm > CALM_TICKS) {
			pace = needed > pace ? needed : pace - 1;
			calm = 0;
		} else if (rest(broker, pace) && pace < STAYING) {
			pace++;
		}
	}
	return NULL;
}

/* Staying with one listener. A worker that has answered a call of a container waits for its next one in RECV itself: that is one system
 * call where the epoll takes three, and the container's calls find a worker that knows them. Until it goes back nobody else is told of
 * that container's calls, so it stays only while another worker waits for everybody's, while the calls come one after the other and
 * not from several threads at a time, and never through a call that takes long: the clock sees to both. */
#define _GNU_SOURCE
#include "broker_stay.h"

#include <errno.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#define RUSH_NS 10000000 /* nobody stays for so long when there was nobody left for the next call */
#define CROWD_CALLS 256u /* so many calls are served by whoever is free, when threads take turns or one was slow */
#define TURN 3u          /* calls of one thread that make up for a change of threads */
#define TURNS_MAX 8u

static uint32_t limit_of(struct container *container)
{
	const struct loaded *loaded = atomic_load(&container->loaded);
	return loaded->table.header->max_inflight;
}

static bool may_bring_another(const struct broker *broker, struct container *container)
{
	uint32_t inflight = atomic_load(&container->inflight);
	return inflight == 0 || has_room(broker, inflight, limit_of(container));
}

void stay_begin(struct worker *worker, struct container *container)
{
	atomic_store_explicit(&worker->stay, container, memory_order_relaxed);
	atomic_store(&worker->holds, true);
}

void stay_release(struct worker *worker, struct container *container)
{
	struct broker *broker = worker->broker;
	if (!atomic_load_explicit(&worker->holds, memory_order_relaxed) || !atomic_exchange(&worker->holds, false))
		return;
	if (!may_bring_another(broker, container)) {
		atomic_store(&container->paused, true);
		if (!may_bring_another(broker, container) || !atomic_exchange(&container->paused, false))
			return; /* container_done goes on */
	}
	(void)container_arm(broker, container, EPOLL_CTL_MOD);
}

void stay_end(struct worker *worker, struct container *container)
{
	stay_release(worker, container);
	atomic_store(&worker->stay, NULL);
}

void stay_was_slow(struct container *container)
{
	atomic_store_explicit(&container->crowd, CROWD_CALLS, memory_order_relaxed);
}

/* Threads that take turns are served by several workers for a while: one's slow call shall not hold up another one's. */
static bool is_crowded(struct container *container, uint32_t tid)
{
	uint32_t left = atomic_load_explicit(&container->crowd, memory_order_relaxed);
	uint32_t turns = atomic_load_explicit(&container->turns, memory_order_relaxed);
	if (tid != atomic_load_explicit(&container->last_tid, memory_order_relaxed)) {
		atomic_store_explicit(&container->last_tid, tid, memory_order_relaxed);
		turns += TURN;
	} else if (turns > 0) {
		turns--;
	}
	if (turns >= TURNS_MAX) {
		turns = 0;
		left = CROWD_CALLS;
	}
	atomic_store_explicit(&container->turns, turns, memory_order_relaxed);
	if (left > 0)
		atomic_store_explicit(&container->crowd, left - 1, memory_order_relaxed);
	return left > 0;
}

/* Workers that wait for one container each are missed where many call. */
static bool is_rush(const struct worker *worker)
{
	return (int64_t)(worker->received_ns - atomic_load_explicit(&worker->broker->rush_ns, memory_order_relaxed)) < RUSH_NS;
}

/* With a call whose event the worker has taken from the epoll. One container's calls alone are no rush, though two workers may take turns
 * with them: the caller goes on before the one that has answered it is back. */
void stay_note_rush(struct worker *worker, const struct container *container)
{
	struct broker *broker = worker->broker;
	if (atomic_load_explicit(&broker->latest, memory_order_relaxed) == container->generation)
		return;
	atomic_store_explicit(&broker->latest, container->generation, memory_order_relaxed);
	uint64_t last = atomic_load_explicit(&broker->rush_ns, memory_order_relaxed);
	/* not at each call: other processors read it */
	if (atomic_load_explicit(&broker->idle, memory_order_relaxed) == 0 && (int64_t)(worker->received_ns - last) > RUSH_NS / 8)
		atomic_store_explicit(&broker->rush_ns, worker->received_ns, memory_order_relaxed);
}

/* Whether the call that was received now is one of many that follow each other. */
bool stay_is_worth_it(struct worker *worker, struct container *container)
{
	uint64_t before = atomic_load_explicit(&container->last_ns, memory_order_relaxed);
	atomic_store_explicit(&container->last_ns, worker->received_ns, memory_order_relaxed);
	bool worth_it = !is_crowded(container, worker->slot->notif.pid) && worker->received_ns - before < STAY_NS && !is_rush(worker) &&
			atomic_load_explicit(&worker->broker->idle, memory_order_relaxed) > 0;
	if (worth_it && atomic_load(&worker->broker->pace) != STAYING)
		clock_wake(worker->broker, STAYING);
	return worth_it;
}

/* Whether the worker may wait for the container's next call, and nobody else. */
bool stay_goes_on(struct worker *worker, struct container *container)
{
	struct broker *broker = worker->broker;
	return atomic_load_explicit(&worker->holds, memory_order_relaxed) && !is_rush(worker) &&
	       atomic_load_explicit(&broker->idle, memory_order_relaxed) > 0 && !atomic_load(&broker->stopping) &&
	       !atomic_load(&worker->home) && !container->removed && !container->gone && may_bring_another(broker, container);
}

void rest_begin(struct worker *worker)
{
	atomic_store_explicit(&worker->rests, atomic_load_explicit(&worker->rests, memory_order_relaxed) + 1, memory_order_relaxed);
	atomic_store_explicit(&worker->epoch, 0, memory_order_release);
	atomic_store(&worker->rest, RESTING);
}

/* A signal that was sent meanwhile has hit when this returns: nothing that is done on behalf of somebody is interrupted by it. */
void rest_end(struct worker *worker)
{
	if (atomic_exchange(&worker->rest, AWAKE) == ROUSED) {
		(void)pthread_mutex_lock(&worker->hold);
		(void)pthread_mutex_unlock(&worker->hold);
		(void)sched_yield(); /* signals hit on the way back from a system call */
	}
	atomic_store(&worker->epoch, atomic_load(&worker->broker->epoch));
}

void rouse(struct worker *worker)
{
	uint32_t was = RESTING;
	(void)pthread_mutex_lock(&worker->hold);
	if (atomic_compare_exchange_strong(&worker->rest, &was, ROUSED) || was == ROUSED) /* again: the last one may have come too early */
		(void)pthread_kill(worker->thread, INTERRUPT);
	(void)pthread_mutex_unlock(&worker->hold);
}

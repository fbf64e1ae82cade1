/* The workers: each waits on one epoll for any listener, receives one call, decides and answers it, and perhaps waits for the next one
 * of the same container. Nothing is handed over, so a decision costs one wake-up; a listener is armed for one event at a time, so two
 * workers never wait for the same notification. */
#define _GNU_SOURCE
#include "broker_stay.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define RESUME UINT64_MAX
#define STOP (UINT64_MAX - 1)
#define STACK_SIZE (256u << 10)
#define SURPLUS_MS 1000 /* how long one that replaced another stays when there is nothing to do */

uint64_t now_ns(void)
{
	struct timespec time;
	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* One notification, straight into the journal. False: there was none. */
static bool receive(struct container *container, struct slot *slot)
{
	slot->key = container->key;
	atomic_store_explicit(&slot->state, SLOT_RECEIVING, memory_order_release);
	if (ioctl(container->listener, SECCOMP_IOCTL_NOTIF_RECV, &slot->notif) == 0)
		return true;
	slot_clear(slot);
	return false;
}

/* Waits for the next one. Older kernels do not say here that nobody is left who could call: the epoll does, after the clock. */
static bool receive_next(struct worker *worker, struct container *container)
{
	rest_begin(worker);
	bool received = receive(container, worker->slot);
	rest_end(worker);
	return received;
}

/* True: the worker waits for the next one, too. */
static bool serve_call(struct worker *worker, struct container *container, bool first)
{
	worker->received_ns = now_ns();
	if (first)
		stay_note_rush(worker, container);
	atomic_fetch_add_explicit(&container->received, 1, memory_order_relaxed);
	atomic_fetch_add(&worker->broker->inflight, 1);
	atomic_fetch_add(&container->inflight, 1);
	if (!stay_is_worth_it(worker, container))
		stay_release(worker, container);
	decide(worker, container, worker->slot, NULL);
	return stay_goes_on(worker, container);
}

static void serve(struct worker *worker, struct container *container, uint32_t events)
{
	struct broker *broker = worker->broker;
	if (!(events & EPOLLIN)) {
		if (events & (EPOLLHUP | EPOLLERR))
			container_gone(broker, container);
		return;
	}
	stay_begin(worker, container);
	bool more = true;
	for (bool first = true; more; first = false) {
		if (!worker->slot && !(worker->slot = slot_take(broker))) {
			stay_release(worker, container);
			(void)usleep(1000); /* every slot of the journal belongs to a call that waits */
			break;
		}
		if (!(first ? receive(container, worker->slot) : receive_next(worker, container)))
			break;
		more = serve_call(worker, container, first);
	}
	stay_end(worker, container);
}

/* A surplus worker goes when others are there. */
static bool may_leave(struct worker *worker)
{
	struct broker *broker = worker->broker;
	int available = atomic_load(&broker->available);
	while (available > 1)
		if (atomic_compare_exchange_weak(&broker->available, &available, available - 1))
			return true;
	return false;
}

void *worker_main(void *argument)
{
	struct worker *worker = argument;
	struct broker *broker = worker->broker;
	sigset_t all;
	(void)sigfillset(&all);
	(void)sigdelset(&all, INTERRUPT); /* interrupts a wait: broker_clock_host.c */
	(void)pthread_sigmask(SIG_SETMASK, &all, NULL);
	(void)prctl(PR_SET_NAME, "broker");
	int prepared = worker_prepare(worker);
	atomic_store(&worker->prepared, prepared);
	bool counted = true;
	while (!atomic_load(&broker->stopping) && prepared == 0) {
		struct epoll_event event;
		if (atomic_exchange(&worker->home, false)) {
			targets_forget(worker);
			go_home(worker);
		}
		rest_begin(worker);
		(void)atomic_fetch_add_explicit(&broker->idle, 1, memory_order_relaxed);
		int count = epoll_wait(broker->epoll, &event, 1, worker->surplus ? SURPLUS_MS : -1);
		(void)atomic_fetch_sub_explicit(&broker->idle, 1, memory_order_relaxed);
		rest_end(worker); /* before anything of a container is looked at: what is replaced meanwhile stays until the worker is done
				   */
		if (count == 0 && may_leave(worker)) {
			counted = false;
			break;
		}
		if (count <= 0 || event.data.u64 == STOP)
			continue;
		if (event.data.u64 == RESUME) {
			resume_answered(worker);
		} else {
			struct container *container = atomic_load(&broker->containers[(uint32_t)event.data.u64 % CONTAINERS_MAX]);
			if (container && container->generation == event.data.u64 >> 32 && !container->removed)
				serve(worker, container, event.events);
		}
	}
	atomic_store(&worker->epoch, 0);
	targets_forget(worker);
	free(worker->sending);
	worker->sending = NULL;
	if (worker->slot)
		slot_give(broker, worker->slot);
	worker->slot = NULL;
	if (counted)
		(void)atomic_fetch_sub(&broker->available, 1);
	(void)atomic_fetch_sub(&broker->threads, 1);
	atomic_store(&worker->alive, false);
	return NULL;
}

static int start_in(struct broker *broker, unsigned number, bool surplus)
{
	struct worker *worker = atomic_load(&broker->workers[number]);
	if (worker) {
		(void)pthread_join(worker->thread, NULL);
	} else {
		worker = calloc(1, sizeof(*worker));
		if (!worker)
			return -ENOMEM;
	}
	worker->broker = broker;
	worker->number = number;
	worker->surplus = surplus;
	atomic_store(&worker->prepared, 1);
	(void)pthread_mutex_init(&worker->hold, NULL);
	for (unsigned i = 0; i < TARGETS; i++)
		worker->targets[i].tid = 0;
	atomic_store(&worker->alive, true);
	atomic_fetch_add(&broker->available, 1);
	atomic_fetch_add(&broker->threads, 1);
	pthread_attr_t attributes;
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
	int error = pthread_create(&worker->thread, &attributes, worker_main, worker);
	(void)pthread_attr_destroy(&attributes);
	if (error) {
		atomic_fetch_sub(&broker->available, 1);
		atomic_fetch_sub(&broker->threads, 1);
		atomic_store(&broker->workers[number], NULL);
		free(worker);
		return -error;
	}
	atomic_store(&broker->workers[number], worker);
	if (number >= atomic_load(&broker->started))
		atomic_store(&broker->started, number + 1);
	return 0;
}

/* In the first place that is free; -EAGAIN: there is none. */
int worker_start(struct broker *broker, bool surplus)
{
	int error = -EAGAIN;
	(void)pthread_mutex_lock(&broker->lock);
	for (unsigned i = 0; i < WORKERS_MAX && error == -EAGAIN; i++) {
		struct worker *worker = atomic_load(&broker->workers[i]);
		if (!worker || !atomic_load(&worker->alive)) {
			error = start_in(broker, i, surplus);
			break;
		}
	}
	(void)pthread_mutex_unlock(&broker->lock);
	return error;
}

static void give_back(struct call *call)
{
	(void)atomic_fetch_sub(&call->container->waits, 1);
	(void)atomic_fetch_sub(&call->broker->waits, 1);
}

/* Nobody has more than what is left for all: however many containers let calls wait, the next one finds room.
 * The clock starts the replacement: a worker's threads would have its caller's ids and none of the broker's rights. */
bool wait_begin(struct call *call)
{
	struct broker *broker = call->broker;
	stay_release(call->worker, call->container);
	uint32_t all = atomic_fetch_add(&broker->waits, 1), own = atomic_fetch_add(&call->container->waits, 1);
	bool full = all >= WORKERS_MAX || own >= WORKERS_MAX - all;
	if (full || (atomic_load(&broker->threads) >= (int)WORKERS_MAX && atomic_load(&broker->available) <= 1)) {
		give_back(call);
		return false;
	}
	if (atomic_fetch_sub(&broker->available, 1) <= 1)
		(void)sem_post(&broker->tick);
	atomic_store(&call->worker->interrupt, false);
	atomic_store(&call->worker->waiting, true);
	return true;
}

void wait_end(struct call *call)
{
	atomic_store(&call->worker->waiting, false);
	atomic_fetch_add(&call->broker->available, 1);
	give_back(call);
}

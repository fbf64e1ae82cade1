/* The ring of events: many workers write, one reader drains, nobody waits. What finds no room is lost and counted.
 *
 * A container may have as many events in it as are free for the others: one that makes more of them than the reader takes, on purpose
 * perhaps, loses its own and never a neighbour's. The end of a listener is never lost: it is no event in the ring but a mark at the
 * container, which the reader finds. */
#define _GNU_SOURCE
#include "broker_int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

int ring_open(struct broker *broker)
{
	/* pages that no event reached cost nothing */
	void *memory = mmap(NULL, RING * sizeof(struct ring_cell), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	broker->ring = memory;
	return 0;
}

/* Whether an event may have a cell; it counts for its container until it is drained. */
static bool share_take(struct broker *broker, struct container *container)
{
	uint64_t tail = __atomic_load_n(&broker->ring_tail, __ATOMIC_ACQUIRE); /* never past the head that is read next */
	uint64_t used = atomic_load_explicit(&broker->ring_head, memory_order_relaxed) - tail;
	uint32_t own = atomic_fetch_add_explicit(&broker->undrained[container->index], 1, memory_order_relaxed);
	return used < RING && own < RING - used;
}

static void wake_reader(struct broker *broker)
{
	uint64_t one = 1;
	if (!atomic_exchange(&broker->signalled, true))
		(void)!write(broker->wake, &one, sizeof(one)); /* fails only where the reader has been woken often enough */
}

static void lose(struct broker *broker, struct container *container)
{
	atomic_fetch_sub(&broker->undrained[container->index], 1);
	atomic_fetch_add(&container->lost_events, 1);
	atomic_fetch_add(&broker->lost_events, 1);
	if (atomic_load(&broker->ends))
		wake_reader(broker);
}

/* A cell's sequence: twice the lap in which it is to be filled, plus one while it holds that lap's event. */
void emit(struct broker *broker, struct container *container, const struct broker_event *event)
{
	if (!share_take(broker, container)) {
		lose(broker, container);
		return;
	}
	uint64_t head = atomic_load_explicit(&broker->ring_head, memory_order_relaxed);
	struct ring_cell *cell;
	for (;;) {
		cell = &broker->ring[head % RING];
		uint64_t lap = head / RING * 2, sequence = atomic_load_explicit(&cell->sequence, memory_order_acquire);
		if (sequence < lap) { /* still the event of the lap before */
			lose(broker, container);
			return;
		}
		if (sequence > lap)
			head = atomic_load_explicit(&broker->ring_head, memory_order_relaxed);
		else if (atomic_compare_exchange_weak(&broker->ring_head, &head, head + 1))
			break;
	}
	cell->container = (uint32_t)container->index;
	cell->event = *event;
	atomic_store_explicit(&cell->sequence, head / RING * 2 + 1, memory_order_release);
	wake_reader(broker);
}

void emit_end(struct broker *broker, struct container *container)
{
	if (atomic_exchange(&container->ended, true))
		return;
	atomic_store(&broker->ends, true);
	wake_reader(broker);
}

/* The ends of containers of which nothing is left in the ring. Where some stay, the reader is woken by what it waits for, or again. */
static size_t take_ends(struct broker *broker, struct broker_event *out, size_t max)
{
	size_t count = 0;
	if (!atomic_exchange(&broker->ends, false))
		return 0;
	(void)pthread_mutex_lock(&broker->lock);
	for (unsigned i = 0; i < CONTAINERS_MAX; i++) {
		struct container *container = atomic_load(&broker->containers[i]);
		if (!container || container->end_taken || !atomic_load(&container->ended))
			continue;
		if (count == max || atomic_load(&broker->undrained[i]) > 0) {
			atomic_store(&broker->ends, true);
			if (count == max || atomic_load(&broker->undrained[i]) > 0)
				continue; /* the one who makes it none sees that there are ends */
		}
		container->end_taken = true;
		out[count++] = (struct broker_event){
			.key = container->key, .kind = BROKER_GONE, .pid = container->init, .rule = BROKER_NO_RULE};
	}
	(void)pthread_mutex_unlock(&broker->lock);
	return count;
}

size_t broker_events(struct broker *broker, struct broker_event *out, size_t max)
{
	size_t count = 0;
	uint64_t value;
	(void)pthread_mutex_lock(&broker->drain);
	(void)!read(broker->wake, &value, sizeof(value)); /* EAGAIN: nobody has woken us, which is as well */
	atomic_store(&broker->signalled, false);
	while (count < max) {
		struct ring_cell *cell = &broker->ring[broker->ring_tail % RING];
		uint64_t round = broker->ring_tail / RING * 2;
		if (atomic_load_explicit(&cell->sequence, memory_order_acquire) != round + 1)
			break;
		out[count++] = cell->event;
		atomic_fetch_sub_explicit(&broker->undrained[cell->container], 1, memory_order_relaxed);
		atomic_store_explicit(&cell->sequence, round + 2, memory_order_release);
		__atomic_store_n(&broker->ring_tail, broker->ring_tail + 1, __ATOMIC_RELEASE);
	}
	count += take_ends(broker, out + count, max - count);
	if (count == max)
		wake_reader(broker); /* there may be more */
	(void)pthread_mutex_unlock(&broker->drain);
	return count;
}

int broker_wake_fd(const struct broker *broker)
{
	return broker->wake;
}

void emit_decision(struct call *call, enum broker_event_kind kind, int32_t verdict, uint32_t micros)
{
	const struct seccomp_notif *notif = &call->slot->notif;
	struct broker_event event = {.ticket = call->ticket,
		.key = call->container->key,
		.kind = kind,
		.pid = (int32_t)notif->pid,
		.nr = notif->data.nr,
		.arch = notif->data.arch,
		.verdict = verdict,
		.rule = call->rule,
		.handler = call->entry.handler,
		.micros = micros,
		.denied = call->denied};
	struct timespec time;
	(void)clock_gettime(CLOCK_REALTIME, &time);
	event.time_ns = (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec - (now_ns() - call->began_ns);
	for (int i = 0; i < 6; i++)
		event.args[i] = notif->data.args[i];
	memcpy(event.text, call->text, sizeof(event.text));
	char path[32];
	int at = 0;
	for (uint32_t pid = notif->pid, unit = 1000000000; unit; unit /= 10)
		if (pid / unit || unit == 1)
			path[at++] = (char)('0' + pid / unit % 10);
	memcpy(path + at, "/comm", 6);
	int fd = openat(call->broker->proc_dir, path, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, event.comm, sizeof(event.comm) - 1);
	if (size > 0 && event.comm[size - 1] == '\n')
		event.comm[size - 1] = '\0';
	if (fd >= 0)
		(void)close(fd);
	emit(call->broker, call->container, &event);
}

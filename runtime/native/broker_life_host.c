/* The beginning and the end of a broker, and what it has counted. */
#define _GNU_SOURCE
#include "broker_int.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static void interrupted(int signal)
{
	(void)signal; /* its only effect is EINTR */
}

static int watch(int epoll, int fd, uint64_t data, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u64 = data};
	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static int open_descriptors(struct broker *broker)
{
	broker->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	broker->resume = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC | EFD_SEMAPHORE);
	broker->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	broker->epoll = epoll_create1(EPOLL_CLOEXEC);
	broker->proc_dir = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	broker->host_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	broker->proc_fd_dir = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (broker->wake < 0 || broker->resume < 0 || broker->stop_fd < 0 || broker->epoll < 0 || broker->proc_dir < 0 ||
		broker->host_root < 0 || broker->proc_fd_dir < 0)
		return -errno;
	if (watch(broker->epoll, broker->resume, UINT64_MAX, EPOLLIN) < 0 ||
		watch(broker->epoll, broker->stop_fd, UINT64_MAX - 1, EPOLLIN) < 0)
		return -errno;
	struct rlimit files; /* two descriptors a listener, three a thread that is remembered: as many as we may */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	struct sigaction action = {.sa_handler = interrupted}; /* without SA_RESTART */
	return sigaction(INTERRUPT, &action, NULL) < 0 ? -errno : 0;
}

static int start(struct broker *broker)
{
	int error = 0;
	for (unsigned i = 0; i < broker->wanted && error == 0; i++)
		error = worker_start(broker, false);
	for (unsigned i = 0; i < broker->wanted && error == 0; i++) {
		struct worker *worker = atomic_load(&broker->workers[i]);
		while ((error = atomic_load(&worker->prepared)) == 1)
			(void)usleep(100);
	}
	if (error == 0)
		error = -pthread_create(&broker->clock, NULL, clock_main, broker);
	broker->clock_runs = error == 0;
	return error;
}

struct broker *broker_open(int journal_fd, unsigned threads)
{
	struct broker *broker = calloc(1, sizeof(*broker));
	if (!broker)
		return NULL;
	broker->wake = broker->resume = broker->stop_fd = broker->epoll = broker->proc_dir = broker->proc_fd_dir = broker->host_root = -1;
	broker->wanted = threads < 1 ? 1 : threads > WORKERS_MAX / 2 ? WORKERS_MAX / 2 : threads;
	atomic_store(&broker->epoch, 1);
	(void)pthread_mutex_init(&broker->lock, NULL);
	(void)pthread_mutex_init(&broker->drain, NULL);
	(void)sem_init(&broker->tick, 0, 0);
	int error = open_descriptors(broker);
	if (error == 0)
		error = ring_open(broker);
	if (error == 0)
		error = journal_open(broker, journal_fd);
	if (error == 0)
		error = start(broker);
	if (error < 0) {
		broker_close(broker);
		errno = -error;
		return NULL;
	}
	return broker;
}

/* Workers that wait in the kernel are interrupted until they have seen that it is over. */
static void stop_workers(struct broker *broker)
{
	uint64_t one = 1;
	atomic_store(&broker->stopping, true);
	(void)sem_post(&broker->tick);
	if (broker->stop_fd >= 0)
		(void)!write(broker->stop_fd, &one, sizeof(one));
	if (broker->clock_runs)
		(void)pthread_join(broker->clock, NULL);
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		struct worker *worker = atomic_load(&broker->workers[i]);
		while (worker && atomic_load(&worker->alive)) {
			atomic_store(&worker->interrupt, true);
			(void)pthread_kill(worker->thread, INTERRUPT);
			(void)usleep(1000);
		}
		if (worker)
			(void)pthread_join(worker->thread, NULL);
		free(worker);
		atomic_store(&broker->workers[i], NULL);
	}
}

void broker_close(struct broker *broker)
{
	int descriptors[] = {
		broker->wake, broker->resume, broker->stop_fd, broker->epoll, broker->proc_dir, broker->proc_fd_dir, broker->host_root};
	stop_workers(broker);
	for (int i = 0; i < (int)CONTAINERS_MAX; i++)
		(void)container_retire(broker, i, false); /* the next broker goes on with them */
	struct parked *lists[] = {broker->parked, broker->answered};
	for (unsigned i = 0; i < 2; i++) {
		for (struct parked *parked = lists[i], *next; parked; parked = next) {
			next = parked->next;
			atomic_fetch_sub(&parked->container->inflight, 1);
			free(parked);
		}
	}
	reclaim(broker);
	for (unsigned i = 0; i < sizeof(descriptors) / sizeof(*descriptors); i++)
		if (descriptors[i] >= 0)
			(void)close(descriptors[i]);
	if (broker->ring)
		(void)munmap(broker->ring, RING * sizeof(struct ring_cell));
	if (broker->journal)
		(void)munmap(broker->journal, sizeof(struct journal));
	free(broker);
}

static void add_stats(const struct container *container, struct broker_stats *stats)
{
	stats->received += container->received;
	stats->allowed += container->allowed;
	stats->denied += container->denied;
	stats->continued += container->continued;
	stats->asked += container->asked;
	stats->timed_out += container->timed_out;
	stats->gone += container->lost;
	stats->replayed += container->replayed;
	stats->inflight += container->inflight;
	stats->lost_events += container->lost_events;
	for (unsigned i = 0; i < 20; i++)
		stats->micros[i] += container->micros[i];
}

void broker_stats(const struct broker *broker, int index, struct broker_stats *stats)
{
	struct broker *mutable = (struct broker *)broker; /* for the lock alone */
	memset(stats, 0, sizeof(*stats));
	(void)pthread_mutex_lock(&mutable->lock); /* a container is not freed meanwhile */
	for (int i = index < 0 ? 0 : index; i < (index < 0 ? (int)CONTAINERS_MAX : index + 1) && i < (int)CONTAINERS_MAX; i++) {
		const struct container *container = atomic_load(&broker->containers[i]);
		if (container)
			add_stats(container, stats);
	}
	if (index < 0)
		stats->lost_events = atomic_load(&broker->lost_events); /* with those of containers that are gone */
	(void)pthread_mutex_unlock(&mutable->lock);
}

/* Listeners and their tables: added, replaced and removed while workers decide, without a lock on their way. */
#define _GNU_SOURCE
#include "broker_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP 1ull
#endif
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000u
#endif

static uint64_t data_of(const struct container *container)
{
	return (uint64_t)container->generation << 32 | (uint32_t)container->index;
}

int container_arm(struct broker *broker, struct container *container, int operation)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = data_of(container)};
	if (container->removed || container->gone)
		return 0;
	return epoll_ctl(broker->epoll, operation, container->listener, &event) < 0 ? -errno : 0;
}

/* The end is told once, after everything else that there is to tell of the container. */
static void tell_end(struct broker *broker, struct container *container)
{
	if (atomic_load(&container->gone) && atomic_load(&container->inflight) == 0)
		emit_end(broker, container);
}

/* Whether a container that has so many calls in flight may bring another one: below its own limit, and no more than are left for all, so
 * that one alone gets half of the journal and there is always a slot for the next. */
bool has_room(const struct broker *broker, uint32_t inflight, uint32_t limit)
{
	uint32_t taken = atomic_load(&broker->inflight), all = SLOTS - WORKERS_MAX; /* each worker keeps one */
	return inflight < limit && taken < all && inflight < all - taken;
}

void container_done(struct broker *broker, struct container *container)
{
	const struct loaded *loaded = atomic_load(&container->loaded);
	uint32_t limit = loaded->table.header->max_inflight, left = atomic_fetch_sub(&container->inflight, 1) - 1;
	atomic_fetch_sub(&broker->inflight, 1);
	if (atomic_load(&container->paused) && (left == 0 || has_room(broker, left, limit)) && atomic_exchange(&container->paused, false))
		(void)container_arm(broker, container, EPOLL_CTL_MOD);
	if (left == 0)
		tell_end(broker, container);
}

void container_gone(struct broker *broker, struct container *container)
{
	if (atomic_exchange(&container->gone, true))
		return;
	(void)epoll_ctl(broker->epoll, EPOLL_CTL_DEL, container->listener, NULL);
	tell_end(broker, container);
}

static uint64_t user_namespace(pid_t pid)
{
	char path[48];
	struct stat status;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	return stat(path, &status) < 0 ? 0 : status.st_ino;
}

/* The root that paths of the table are relative to: init's, when the container was first seen. */
static void open_root(struct broker *broker, struct container *container, const struct table *table)
{
	char path[48];
	struct statx seen;
	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)container->init);
	container->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (container->root < 0)
		return;
	(void)pthread_mutex_lock(&broker->lock);
	struct root_record *record = journal_root(broker, container->key, true);
	bool good = record && statx(container->root, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID_UNIQUE, &seen) == 0;
	if (good && !record->mount)
		*record = (struct root_record){
			.key = container->key, .inode = seen.stx_ino, .mount = seen.stx_mnt_id, .noted = table->header->flags};
	good = good && record->inode == seen.stx_ino && record->mount == seen.stx_mnt_id;
	if (good) {
		container->noted = record->noted;
		atomic_store(&container->roots_moved, record->moved & NOTED_ROOTS);
		atomic_store(&container->threads_execute, record->moved & NOTED_THREADS);
	}
	(void)pthread_mutex_unlock(&broker->lock);
	if (!good) { /* init has changed its root since: without the container's own nothing can be judged */
		(void)close(container->root);
		container->root = -1;
		return;
	}
	container->root_mount = seen.stx_mnt_id;
	container->root_inode = seen.stx_ino;
	container->root_is_mount = seen.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

static int publish(struct broker *broker, struct container *container)
{
	int index = -ENOSPC;
	(void)pthread_mutex_lock(&broker->lock);
	for (int i = 0; i < (int)CONTAINERS_MAX && index < 0; i++)
		if (!atomic_load(&broker->containers[i]))
			index = i;
	if (index >= 0) {
		container->index = index;
		container->generation = ++broker->generation & 0x7fffffff;
		atomic_store(&broker->containers[index], container);
	}
	(void)pthread_mutex_unlock(&broker->lock);
	return index;
}

/* Calls that the broker before us had received: a worker takes them up as if an answer had come. */
static void replay(struct broker *broker, struct container *container)
{
	uint64_t one = 1;
	for (unsigned i = 0; i < SLOTS; i++) {
		struct slot *slot = &broker->journal->slots[i];
		if (slot->key != container->key || atomic_load(&slot->state) == SLOT_FREE || !slot->notif.id)
			continue;
		struct parked *parked = calloc(1, sizeof(*parked));
		if (!parked)
			continue; /* the caller hangs until a signal, as it did so far */
		*parked = (struct parked){.slot = slot, .container = container, .began_ns = now_ns(), .generation = container->generation};
		atomic_fetch_add(&container->inflight, 1);
		atomic_fetch_add(&broker->inflight, 1);
		atomic_fetch_add(&container->replayed, 1);
		(void)pthread_mutex_lock(&broker->lock);
		parked->next = broker->answered;
		broker->answered = parked;
		(void)pthread_mutex_unlock(&broker->lock);
		(void)!write(broker->resume, &one, sizeof(one));
	}
}

int broker_add(struct broker *broker, uint64_t key, int listener_fd, int table_fd, int init_pid, uint64_t exe_dev, uint64_t exe_ino)
{
	uint64_t flags = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;
	int error = 0;
	struct container *container = calloc(1, sizeof(*container));
	struct loaded *loaded = table_load(broker, table_fd, &error);
	if (!container || !loaded) {
		free(container);
		table_drop(broker, loaded);
		(void)close(listener_fd);
		return error ? error : -ENOMEM;
	}
	*container = (struct container){.key = key, .listener = listener_fd, .init = init_pid, .exe_dev = exe_dev, .exe_ino = exe_ino};
	container->user_ns = user_namespace(init_pid);
	atomic_store(&container->loaded, loaded);
	atomic_store(&container->exempt, exe_dev != 0);
	(void)ioctl(listener_fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags); /* faster; older kernels have no such flag */
	open_root(broker, container, &loaded->table);
	int index = publish(broker, container);
	if (index >= 0) {
		replay(broker, container);
		error = container_arm(broker, container, EPOLL_CTL_ADD);
		if (error == 0)
			return index;
		(void)broker_remove(broker, index);
		return error;
	}
	(void)close(listener_fd);
	if (container->root >= 0)
		(void)close(container->root);
	table_drop(broker, loaded);
	free(container);
	return index;
}

static struct container *container_at(const struct broker *broker, int index)
{
	return index < 0 || index >= (int)CONTAINERS_MAX ? NULL : atomic_load(&broker->containers[index]);
}

int broker_swap(struct broker *broker, int index, int table_fd)
{
	int error;
	struct loaded *loaded = table_load(broker, table_fd, &error);
	if (!loaded)
		return error;
	(void)pthread_mutex_lock(&broker->lock);
	struct container *container = container_at(broker, index);
	struct loaded *old = container ? atomic_exchange(&container->loaded, loaded) : loaded;
	table_retire(broker, old);
	(void)pthread_mutex_unlock(&broker->lock);
	clock_wake(broker, BUSY);
	return container ? 0 : -ENOENT;
}

int container_retire(struct broker *broker, int index, bool forget)
{
	(void)pthread_mutex_lock(&broker->lock);
	struct container *container = container_at(broker, index);
	if (container) {
		atomic_store(&container->removed, true);
		(void)epoll_ctl(broker->epoll, EPOLL_CTL_DEL, container->listener, NULL);
		atomic_store(&broker->containers[index], NULL);
		if (forget)
			journal_forget(broker, container->key);
		container->epoch = atomic_fetch_add(&broker->epoch, 1) + 1;
		container->next = broker->retired_containers;
		broker->retired_containers = container;
	}
	(void)pthread_mutex_unlock(&broker->lock);
	clock_wake(broker, BUSY);
	return container ? 0 : -ENOENT;
}

int broker_remove(struct broker *broker, int index)
{
	return container_retire(broker, index, true);
}

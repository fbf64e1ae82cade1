/* Tables in memory of our own. Containers under one policy have equal ones, which are kept once. */
#define _GNU_SOURCE
#include "broker_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether the table wants something done for a caller: that takes rights which a broker without root has not. */
static bool wants_acting(const struct table *table)
{
	if (table->header->mode != MODE_ENFORCE && table->header->mode != MODE_ASK)
		return false;
	for (uint32_t i = 0; i < table->header->call_count; i++) {
		uint8_t handler = table->calls[i].handler;
		if ((handler >= HANDLER_OPEN && handler <= HANDLER_SEND) || handler == HANDLER_MKNOD)
			return true;
	}
	return false;
}

/* The table in memory of our own: a file could change after it was checked. NULL and -errno in *error. */
static struct loaded *copy_of(const struct broker *broker, int fd, int *error)
{
	struct stat status;
	*error = fstat(fd, &status) < 0 ? -errno : 0;
	if (*error == 0 && (status.st_size < (off_t)sizeof(struct table_header) || status.st_size > (off_t)TABLE_MAX))
		*error = -EINVAL;
	if (*error)
		return NULL;
	size_t size = (size_t)status.st_size, whole = sizeof(struct loaded) + size;
	struct loaded *loaded = aligned_alloc(16, (whole + 15) / 16 * 16);
	const char *why;
	if (!loaded) {
		*error = -ENOMEM;
		return NULL;
	}
	memset(loaded, 0, sizeof(*loaded));
	loaded->mapped = whole;
	size_t got = 0;
	for (ssize_t part = 1; got < size && part > 0; got += part > 0 ? (size_t)part : 0)
		part = pread(fd, (char *)(loaded + 1) + got, size - got, (off_t)got);
	*error = got < size ? -EIO : table_check(loaded + 1, size, &loaded->table, &why);
	if (*error == 0 && !atomic_load(&broker->acts) && wants_acting(&loaded->table))
		*error = -EPERM; /* better than to refuse every call later */
	if (*error) {
		free(loaded);
		return NULL;
	}
	return loaded;
}

static bool are_equal(const struct loaded *a, const struct loaded *b)
{
	return a->mapped == b->mapped && memcmp(a + 1, b + 1, a->mapped - sizeof(*a)) == 0;
}

struct loaded *table_load(struct broker *broker, int fd, int *error)
{
	struct loaded *loaded = copy_of(broker, fd, error), *found;
	if (!loaded)
		return NULL;
	(void)pthread_mutex_lock(&broker->lock);
	for (found = broker->tables; found && !are_equal(found, loaded); found = found->next)
		continue;
	if (found) {
		free(loaded);
		loaded = found;
	} else {
		loaded->next = broker->tables;
		broker->tables = loaded;
	}
	loaded->users++;
	(void)pthread_mutex_unlock(&broker->lock);
	return loaded;
}

/* One user less. True: it was the last, and nobody new can find the table. */
static bool leave(struct broker *broker, struct loaded *loaded)
{
	if (--loaded->users)
		return false;
	for (struct loaded **place = &broker->tables; *place; place = &(*place)->next)
		if (*place == loaded) {
			*place = loaded->next;
			break;
		}
	return true;
}

void table_drop(struct broker *broker, struct loaded *loaded)
{
	if (!loaded)
		return;
	(void)pthread_mutex_lock(&broker->lock);
	bool last = leave(broker, loaded);
	(void)pthread_mutex_unlock(&broker->lock);
	if (last)
		free(loaded);
}

/* A call may be decided by it through whichever container had it, one that has another table by now among them: so it is never
 * freed at once, however long ago its last container went. */
void table_retire(struct broker *broker, struct loaded *loaded)
{
	if (!leave(broker, loaded))
		return;
	loaded->epoch = atomic_fetch_add(&broker->epoch, 1) + 1;
	loaded->next = broker->retired;
	broker->retired = loaded;
}

/* The journal: every call that was received and not answered, in memory that outlives this process. */
#define _GNU_SOURCE
#include "broker_int.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL_MAGIC 0x324c4e524a505250u

int journal_open(struct broker *broker, int fd)
{
	struct stat status;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (status.st_size == 0 && ftruncate(fd, sizeof(struct journal)) < 0)
		return -errno;
	if (status.st_size != 0 && status.st_size != sizeof(struct journal))
		return -EINVAL; /* of another build: its slots cannot be read */
	struct journal *journal = mmap(NULL, sizeof(*journal), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (journal == MAP_FAILED)
		return -errno;
	broker->journal = journal;
	if (status.st_size != 0 && journal->magic != JOURNAL_MAGIC)
		return -EINVAL;
	journal->magic = JOURNAL_MAGIC;
	for (unsigned i = SLOTS; i-- > 0;) {
		struct slot *slot = &journal->slots[i];
		if (slot->state != SLOT_FREE && slot->notif.id)
			continue; /* waits for broker_add of its key */
		slot_clear(slot);
		broker->free_slots[broker->free_count++] = slot;
	}
	return 0;
}

size_t broker_owed(const struct broker *broker, uint64_t *keys, size_t max)
{
	size_t found = 0;
	for (unsigned i = 0; i < SLOTS && found < max; i++) {
		const struct slot *slot = &broker->journal->slots[i];
		if (atomic_load(&slot->state) != SLOT_FREE && slot->notif.id)
			keys[found++] = slot->key;
	}
	return found;
}

/* NULL: all are taken by calls that wait. */
struct slot *slot_take(struct broker *broker)
{
	(void)pthread_mutex_lock(&broker->lock);
	struct slot *slot = broker->free_count ? broker->free_slots[--broker->free_count] : NULL;
	(void)pthread_mutex_unlock(&broker->lock);
	return slot;
}

void slot_give(struct broker *broker, struct slot *slot)
{
	slot_clear(slot);
	(void)pthread_mutex_lock(&broker->lock);
	broker->free_slots[broker->free_count++] = slot;
	(void)pthread_mutex_unlock(&broker->lock);
}

/* Free, and zero as SECCOMP_IOCTL_NOTIF_RECV demands. The state goes first: a slot without one is never read again. */
void slot_clear(struct slot *slot)
{
	atomic_store(&slot->state, SLOT_FREE);
	memset(&slot->notif, 0, sizeof(slot->notif));
}

struct root_record *journal_root(struct broker *broker, uint64_t key, bool create)
{
	struct root_record *empty = NULL;
	for (unsigned i = 0; i < CONTAINERS_MAX; i++) {
		struct root_record *record = &broker->journal->roots[i];
		if (record->key == key && record->mount)
			return record;
		if (!record->mount && !empty)
			empty = record;
	}
	return create ? empty : NULL;
}

/* For the brokers that come after us. */
void journal_note(struct broker *broker, uint64_t key, uint32_t what)
{
	(void)pthread_mutex_lock(&broker->lock);
	struct root_record *record = journal_root(broker, key, false);
	if (record)
		record->moved |= what;
	(void)pthread_mutex_unlock(&broker->lock);
}

void journal_forget(struct broker *broker, uint64_t key)
{
	struct root_record *record = journal_root(broker, key, false);
	if (record)
		record->mount = 0;
}

/* What outlives a broker: its calls in flight, and what it knew of each container. */
#ifndef POSTERN_BROKER_JOURNAL_H
#define POSTERN_BROKER_JOURNAL_H

#include <linux/seccomp.h>
#include <stdatomic.h>
#include <stdint.h>

#define CONTAINERS_MAX 4096u
#define SLOTS 2048u /* calls that are received and not answered */

enum slot_state { SLOT_FREE, SLOT_RECEIVING, SLOT_ACTING };
struct slot {
	_Atomic uint32_t state; /* enum slot_state; RECEIVING with an id: received. ACTING: an effect may have happened */
	uint32_t zero;
	uint64_t key;
	struct seccomp_notif notif;
	uint64_t spare[3];
};
_Static_assert(sizeof(struct slot) == 120 || sizeof(struct slot) == 128, "slots are small");

#define NOTED_ROOTS 1u   /* somebody in there has called chroot */
#define NOTED_THREADS 2u /* a thread that was not its process's first one has executed a program */
/* What a container's own root directory is, kept in the journal: after a restart init may have changed its own. */
struct root_record {
	uint64_t key, mount, inode;
	uint32_t moved; /* NOTED_* */
	uint32_t noted; /* of its first table: TABLE_*_SEEN, which say what its filter notifies; later tables have the same filter */
};
struct journal {
	uint64_t magic;
	struct root_record roots[CONTAINERS_MAX];
	struct slot slots[SLOTS];
};

#endif

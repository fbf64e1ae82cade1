/* A message of a caller's, copied. */
#ifndef POSTERN_BROKER_SEND_H
#define POSTERN_BROKER_SEND_H

#include "broker_sockets.h"

#include <sys/uio.h>

#define CONTROL_MAX 16384u
#define PASSED_MAX 253 /* SCM_MAX_FD */
#define PARTS_MAX 1024u
#define DATA_MAX (1u << 20) /* of a datagram; streams go in parts */

struct sending {
	struct endpoint endpoint;
	struct iovec parts[PARTS_MAX]; /* the caller's addresses */
	size_t part_count, total;
	int passed[PASSED_MAX], passed_count; /* owned duplicates of descriptors that are sent along */
	size_t control_size;
	_Alignas(struct cmsghdr) char control[CONTROL_MAX + 64];
	_Alignas(64) char data[DATA_MAX];
};

/* Copies control data and makes it ours: descriptors by duplicates, credentials only the caller's own. 0 or -errno. */
int copy_control(struct call *call, struct sending *sending, uint64_t address, size_t size);
void close_passed(struct sending *sending);

#endif

/* What a runtime sends with a listener: the OCI's container process state, as far as the keeper needs it. */
#ifndef POSTERN_KEEPER_STATE_H
#define POSTERN_KEEPER_STATE_H

#include "state_file.h"

#define KEEPER_STATE_MAX (512 * 1024) /* bytes of one document: a state's annotations may be many */
#define METADATA_MAX 1024
#define KEEPER_FDS 4

struct process_state {
	uint64_t pid;
	bool joined;  /* the container runs already: a process that joins it, not its init */
	int listener; /* index into the passed descriptors */
	char id[ID_MAX];
	char metadata[METADATA_MAX];
};

/* Take a document apart: 0, or -EBADMSG (no JSON, or a member that must be there is missing or has a wrong type). Members that it
 * does not know are left alone. Source: config-linux.md#containerprocessstate. */
int process_state_parse(const char *data, size_t size, struct process_state *state);

#endif

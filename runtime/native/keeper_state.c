/* The OCI's container process state: {"ociVersion", "fds": ["seccompFd"], "pid", "metadata", "state": {"id", "status", ...}}. */
#include "keeper_state.h"

#include "json_walk.h"

#include <linux/errno.h>

static bool is_text(struct json value, const char *text)
{
	char buffer[32];
	return json_text(value, buffer, sizeof(buffer)) && strcmp(buffer, text) == 0;
}

static bool parse_descriptors(struct json fds, struct process_state *state)
{
	state->listener = -1;
	for (int i = 0; i < KEEPER_FDS; i++)
		if (is_text(json_element(fds, (size_t)i), "seccompFd"))
			state->listener = i;
	return state->listener >= 0 && !json_element(fds, KEEPER_FDS).start;
}

int process_state_parse(const char *data, size_t size, struct process_state *state)
{
	memset(state, 0, sizeof(*state));
	struct json document = json_document(data, size), inner = json_member(document, "state"), metadata = json_member(document, "metadata");
	if (!json_natural(json_member(document, "pid"), &state->pid) || state->pid == 0 || state->pid > 1 << 22)
		return -EBADMSG;
	if (!parse_descriptors(json_member(document, "fds"), state))
		return -EBADMSG;
	if (metadata.start && !json_text(metadata, state->metadata, sizeof(state->metadata)))
		return -EBADMSG;
	if (!json_text(json_member(inner, "id"), state->id, sizeof(state->id)) || !id_is_valid(state->id))
		return -EBADMSG;
	state->joined = !is_text(json_member(inner, "status"), "creating");
	return 0;
}

/* The OCI's container process state: {"ociVersion", "fds": ["seccompFd"], "pid", "metadata", "state": {"id", "status", ...}}.
 *
 * A worker that hands its containers to a new keeper adds "posternTable" to fds, and "posternExe": [device, inode], "posternLeft": ms. */
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
	state->listener = state->table = -1;
	for (int i = 0; i < KEEPER_FDS; i++) {
		struct json name = json_element(fds, (size_t)i);
		if (is_text(name, "seccompFd"))
			state->listener = i;
		else if (is_text(name, "posternTable"))
			state->table = i;
	}
	return state->listener >= 0 && !json_element(fds, KEEPER_FDS).start;
}

static bool parse_optional(struct json document, struct process_state *state)
{
	struct json metadata = json_member(document, "metadata"), exe = json_member(document, "posternExe");
	struct json left = json_member(document, "posternLeft");
	if (metadata.start && !json_text(metadata, state->metadata, sizeof(state->metadata)))
		return false;
	if (left.start && !json_natural(left, &state->deadline_ms))
		return false;
	return !exe.start ||
	       (json_natural(json_element(exe, 0), &state->exe_device) && json_natural(json_element(exe, 1), &state->exe_inode));
}

int process_state_parse(const char *data, size_t size, struct process_state *state)
{
	memset(state, 0, sizeof(*state));
	struct json document = json_document(data, size), inner = json_member(document, "state");
	if (!json_natural(json_member(document, "pid"), &state->pid) || state->pid == 0 || state->pid > 1 << 22)
		return -EBADMSG;
	if (!parse_descriptors(json_member(document, "fds"), state) || !parse_optional(document, state))
		return -EBADMSG;
	if (!json_text(json_member(inner, "id"), state->id, sizeof(state->id)) || !id_is_valid(state->id))
		return -EBADMSG;
	state->joined = !is_text(json_member(inner, "status"), "creating");
	return 0;
}

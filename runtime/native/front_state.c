/* postern state: the container as JSON, two-space indented, on stdout. */
#include "front.h"

#include <linux/errno.h>

static char output[STATE_MAX * 3]; /* annotations grow by indentation, everything else shrinks */

static void add_pair(struct text *text, const char *key, struct raw value)
{
	text_add(text, "  \"");
	text_add(text, key);
	text_add(text, "\": \"");
	text_add_bytes(text, value.data, value.size);
	text_add(text, "\",\n");
}

/* {"a":"b","c":"d"} with one pair a line; left out when empty. */
static void add_annotations(struct text *text, struct raw map)
{
	if (map.size <= 2)
		return;
	text_add(text, "  \"annotations\": {\n    ");
	bool inside = false;
	for (size_t i = 1; i + 1 < map.size; i++) {
		char byte = map.data[i];
		text_add_bytes(text, &byte, 1);
		if (byte == '\\') {
			text_add_bytes(text, &map.data[++i], 1);
		} else if (byte == '"') {
			inside = !inside;
		} else if (!inside && byte == ':') {
			text_add(text, " ");
		} else if (!inside && byte == ',') {
			text_add(text, "\n    ");
		}
	}
	text_add(text, "\n  },\n");
}

static int print(const char *data, size_t size)
{
	while (size > 0) {
		long done = SYS(write, 1, data, size);
		if (done == -EINTR)
			continue;
		if (done < 0)
			return fail_errno("write to stdout", (int)done);
		data += done;
		size -= (size_t)done;
	}
	return 0;
}

int front_state(struct front *front)
{
	static struct container_state state;
	SCOPED_FD(dir_fd) = -1;
	int code = container_open(front, &state, &dir_fd);
	if (code)
		return code;
	enum status status = state_status(dir_fd, &state);
	struct text text = text_in(output, sizeof(output));
	text_add(&text, "{\n");
	add_pair(&text, "ociVersion", state.oci_version);
	add_pair(&text, "id", state.id);
	text_add(&text, "  \"pid\": ");
	/* while it is being made, the pid on record is that of the runtime */
	text_add_number(&text, status == STATUS_STOPPED || status == STATUS_CREATING ? 0 : state.pid);
	text_add(&text, ",\n");
	const char *word = status_word(status);
	add_pair(&text, "status", (struct raw){word, strlen(word)});
	add_pair(&text, "bundle", state.bundle);
	add_pair(&text, "rootfs", state.rootfs);
	add_pair(&text, "created", state.created);
	add_annotations(&text, state.annotations);
	text_add(&text, "  \"owner\": \"");
	text_add_bytes(&text, state.owner.data, state.owner.size);
	text_add(&text, "\"\n}"); /* no newline, as runc */
	return print(output, text.length);
}

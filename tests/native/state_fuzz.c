/* state_fuzz ROUNDS SEED FILE...: the reader of state.json on mutated copies of each file, with everything behind the file's last
 * byte poisoned. What is accepted must lie inside the file. Built by test_state_fuzz.py with ASan and UBSan. */
#include "../../runtime/native/state_file.h"

#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t state_of_random;

static uint32_t random_below(uint32_t limit)
{
	state_of_random = state_of_random * 6364136223846793005ull + 1442695040888963407ull;
	return limit ? (uint32_t)(state_of_random >> 33) % limit : 0;
}

static size_t mutate(char *data, size_t size)
{
	static const char *const pieces[] = {"\"", "\\", "\\u12", "\\ud800\\udc00", "{", "}", ",\n", "\": ", "true", "-1", "\xc3", "\xf4\x90"};
	for (uint32_t changes = 1 + random_below(3); changes > 0; changes--) {
		size_t at = random_below((uint32_t)size + 1);
		switch (random_below(4)) {
		case 0:
			if (at < size)
				data[at] = (char)random_below(256);
			break;
		case 1: {
			const char *piece = pieces[random_below(sizeof(pieces) / sizeof(*pieces))];
			memmove(data + at + strlen(piece), data + at, size - at);
			memcpy(data + at, piece, strlen(piece));
			size += strlen(piece);
			break;
		}
		case 2: {
			size_t gone = random_below((uint32_t)(size - at) < 40 ? (uint32_t)(size - at) + 1 : 40);
			memmove(data + at, data + at + gone, size - at - gone);
			size -= gone;
			break;
		}
		default:
			if (random_below(4) == 0)
				size = at;
		}
	}
	return size;
}

static void check_inside(const struct container_state *state, struct raw value, size_t size)
{
	if (value.data < state->buffer || value.data + value.size > state->buffer + size)
		abort();
}

static int round_of(struct container_state *state, const char *sample, size_t size)
{
	memcpy(state->buffer, sample, size);
	size = mutate(state->buffer, size);
	state->buffer[size] = '\0';
	ASAN_POISON_MEMORY_REGION(state->buffer + size + 1, sizeof(state->buffer) - size - 1);
	int result = state_parse(state, size);
	ASAN_UNPOISON_MEMORY_REGION(state->buffer, sizeof(state->buffer));
	if (result != 0)
		return 0;
	const struct raw values[] = {state->oci_version, state->id, state->bundle, state->rootfs, state->created, state->owner,
				     state->annotations, state->cgroup_mount, state->cgroup_path, state->cgroup_manager};
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		check_inside(state, values[i], size);
	if (state->pid <= 0)
		abort();
	return 1;
}

int main(int argc, char **argv)
{
	static struct container_state state;
	static char sample[65536];
	unsigned long rounds = strtoul(argv[1], NULL, 10), accepted = 0;
	state_of_random = strtoull(argv[2], NULL, 10);
	for (int i = 3; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");
		size_t size = file ? fread(sample, 1, sizeof(sample), file) : 0;
		if (!file || fclose(file) != 0 || size == 0)
			return 2;
		for (unsigned long round = 0; round < rounds; round++)
			accepted += (unsigned long)round_of(&state, sample, size);
	}
	printf("%lu accepted %lu refused\n", accepted, rounds * (unsigned long)(argc - 3) - accepted);
	return 0;
}

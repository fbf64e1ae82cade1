/* The reader of the broker's tables on mutated ones, built with ASan and UBSan: it refuses or accepts, and what it accepts can be asked
 * anything.
 *
 *     broker_table_fuzz ROUNDS SEED TABLE...
 *
 * Prints "<accepted> accepted, <refused> refused". */
#include "../../runtime/native/broker.h"
#include "../../runtime/native/broker_table.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint64_t state;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static size_t mutate(unsigned char *image, size_t size)
{
	static const uint64_t edges[] = {0, 1, 3, 4, 7, 8, 31, 0x7f, 0xff, 0x100, 0xffff, 0x7fffffff, 0xfffffffc, 0xffffffff};
	if (next_random() % 8 == 0)
		return next_random() % (size + 1); /* cut */
	for (uint64_t changes = 1 + next_random() % 4; changes > 0; changes--) {
		size_t width = 1u << next_random() % 3, at = next_random() % size / width * width;
		uint64_t value = next_random() % 2 ? edges[next_random() % (sizeof(edges) / sizeof(*edges))] : next_random() % (2 * size);
		if (at + width <= size)
			memcpy(image + at, &value, width);
	}
	return size;
}

/* Everything that the loop asks, with arguments that walk through all of it. */
static uint64_t use(const struct table *table)
{
	static const char *const paths[] = {"/", "/usr", "/usr/lib/x", "/workspace/a/b/c", "/srv/a/.ssh/id", "/a//b", "/tmp/x.log"};
	uint64_t total = 0;
	uint32_t rule = 0;
	for (int nr = -1; nr < 600; nr++)
		total += table_call(table, nr).handler;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		for (unsigned section = SECTION_READ; section <= SECTION_UNIX_BIND; section++)
			total += table_covers(table, section, paths[i], &rule);
		total += table_hides(table, paths[i], &rule);
	}
	for (unsigned family = 0; family < 2; family++) {
		struct table_target target = {.family = family ? AF_INET : AF_INET6, .port = (uint16_t)next_random(), .protocols = 1};
		for (unsigned i = 0; i < 16; i++)
			target.address[i] = (uint8_t)next_random();
		total += table_reaches(table, SECTION_EGRESS, &target, &rule) + table_reaches(table, SECTION_BIND, &target, &rule);
	}
	return total + rule;
}

static bool check_copy(const unsigned char *image, size_t size, bool mutated)
{
	struct table table;
	const char *why = NULL;
	unsigned char *copy = malloc(size), *exact;
	memcpy(copy, image, size);
	size = mutated ? mutate(copy, size) : size;
	exact = malloc(size ? size : 1); /* of exactly this size: one byte too far is seen */
	memcpy(exact, copy, size);
	if (mutated && size >= 12 && next_random() % 2)
		memcpy(exact + 8, &(uint32_t){(uint32_t)size}, 4); /* so that a cut is not all that is seen */
	bool good = table_check(exact, size, &table, &why) == 0;
	volatile uint64_t used = good ? use(&table) : 0;
	(void)used;
	if (!good && (!why || !*why)) {
		printf("no reason was given\n");
		abort();
	}
	free(exact);
	free(copy);
	return good;
}

int main(int argc, char **argv)
{
	static unsigned char image[1 << 20];
	uint64_t accepted = 0, refused = 0;
	if (argc < 4)
		return 2;
	uint64_t rounds = strtoull(argv[1], NULL, 10);
	state = strtoull(argv[2], NULL, 10) * 2 + 1;
	for (int i = 3; i < argc; i++) {
		int fd = open(argv[i], O_RDONLY);
		ssize_t got = fd < 0 ? -1 : read(fd, image, sizeof(image));
		if (fd >= 0)
			(void)close(fd);
		if (got <= 0 || !check_copy(image, (size_t)got, false)) {
			printf("%s is refused as it is\n", argv[i]);
			return 1;
		}
		for (uint64_t round = 0; round < rounds; round++) {
			if (check_copy(image, (size_t)got, true))
				accepted++;
			else
				refused++;
		}
	}
	printf("%lu accepted, %lu refused\n", (unsigned long)accepted, (unsigned long)refused);
	return 0;
}

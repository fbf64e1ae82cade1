/*
 * pauses FILE MICROSECONDS REST: opens a file again and again until SIGTERM, with a rest of so many microseconds after each.
 * Prints "ready", then a line for each open that took longer than MICROSECONDS: when it began (CLOCK_MONOTONIC) and how long
 * it took, in nanoseconds.  The last line is how many there were and how many failed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ended;

static void end(int signal) {
	(void)signal;
	ended = 1;
}

static long now(void) {
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000l + time.tv_nsec;
}

int main(int argc, char **argv) {
	struct sigaction action = {.sa_handler = end};
	unsigned long calls = 0, failed = 0;
	if (argc != 4 || sigaction(SIGTERM, &action, NULL) < 0)
		return 2;
	long limit = atol(argv[2]) * 1000;
	struct timespec rest = {.tv_nsec = atol(argv[3]) * 1000};
	dprintf(1, "ready\n");
	while (!ended) {
		long begin = now();
		int fd = (int)syscall(SYS_openat, AT_FDCWD, argv[1], O_RDONLY | O_CLOEXEC);
		long spent = now() - begin;
		if (fd < 0 && ended)
			break; /* the signal has interrupted it */
		calls++;
		if (fd < 0)
			failed++;
		else
			close(fd);
		if (spent > limit)
			dprintf(1, "%ld %ld\n", begin, spent);
		nanosleep(&rest, NULL);
	}
	dprintf(1, "%lu %lu\n", calls, failed);
	return 0;
}

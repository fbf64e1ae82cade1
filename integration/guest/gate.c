/*
 * gate: puts itself behind a seccomp filter that notifies of the calls given by number, prints the listener's descriptor,
 * waits for a line, and then acts:
 *
 *     gate NUMBERS exec PROGRAM...          executes a program behind the filter
 *     gate NUMBERS loop COUNT NR [ARG...]   makes one call COUNT times; prints the last result, and in nanoseconds the mean,
 *                                           the median, the 99th percentile, and when it began and ended (CLOCK_MONOTONIC)
 *
 *     gate NUMBERS forked loop ...          the same in a child that executes nothing and shares its descriptors
 *
 * Whoever started it takes the listener with pidfd_getfd.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int load(char *numbers) {
	struct sock_filter filter[128];
	unsigned short size = 0;
	filter[size++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (char *word = strtok(numbers, ","); word != NULL && size < 120; word = strtok(NULL, ",")) {
		filter[size++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)atoi(word), 0, 1);
		filter[size++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	}
	filter[size++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {size, filter};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	unsigned long killable = 1ul << 5; /* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV */
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | killable, &program);
}

static int compare(const void *a, const void *b) {
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
	return (x > y) - (x < y);
}

static long now(void) {
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000l + time.tv_nsec;
}

/* A word of the command line: a number, a path as it is, or an address of a socket made here. */
static long argument(const char *word) {
	static struct sockaddr_in in = {.sin_family = AF_INET};
	if (word[0] == '/')
		return (long)word;
	if (strcmp(word, "udp") == 0)
		return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (strncmp(word, "loopback:", 9) != 0)
		return strtol(word, NULL, 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in.sin_port = htons((unsigned short)atoi(word + 9));
	return (long)&in;
}

static int loop(long count, char **words) {
	long call[7] = {0}, result = 0;
	unsigned *spent = calloc((size_t)count, sizeof(*spent));
	if (spent == NULL || count < 1)
		return 3;
	for (int i = 0; i < 7 && words[i] != NULL; i++)
		call[i] = argument(words[i]);
	long begin = now();
	for (long i = 0; i < count; i++) {
		long start = now();
		result = syscall(call[0], call[1], call[2], call[3], call[4], call[5], call[6]);
		spent[i] = (unsigned)(now() - start);
		if (result < 0)
			result = -errno;
		else if (call[0] == SYS_openat)
			close((int)result);
	}
	long end = now();
	qsort(spent, (size_t)count, sizeof(*spent), compare);
	printf("%ld %ld %u %u %ld %ld\n", result, (end - begin) / count, spent[count / 2], spent[count - 1 - count / 100], begin, end);
	return 0;
}

int main(int argc, char **argv) {
	char line[8];
	if (argc < 4)
		return 2;
	if (strcmp(argv[2], "forked") == 0) {
		int status;
		long child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
		if (child != 0)
			return child < 0 || waitpid((pid_t)child, &status, 0) < 0 || !WIFEXITED(status) ? 4 : WEXITSTATUS(status);
		argv[2] = argv[1];
		argv++;
	}
	int listener = strcmp(argv[1], "none") ? load(argv[1]) : 0; /* none: no filter, for comparison */
	dprintf(1, "%d\n", listener < 0 ? -errno : listener);
	if (listener < 0 || read(0, line, 1) != 1)
		return 1;
	if (listener > 0)
		close(listener);
	if (strcmp(argv[2], "exec") == 0) {
		execv(argv[3], argv + 3);
		return 127;
	}
	return loop(atol(argv[3]), argv + 4);
}

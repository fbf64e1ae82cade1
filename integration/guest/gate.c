/*
 * gate: puts itself behind a seccomp filter that notifies of the calls given by number, prints the listener's descriptor,
 * waits for a line, and then acts:
 *
 *     gate NUMBERS exec PROGRAM...          executes a program behind the filter
 *     gate NUMBERS loop COUNT NR [ARG...]   makes one call COUNT times, prints the last result and nanoseconds per call
 *
 * Whoever started it takes the listener with pidfd_getfd.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
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

static int loop(long count, char **words) {
	long call[7] = {0};
	for (int i = 0; i < 7 && words[i] != NULL; i++)
		call[i] = words[i][0] == '/' ? (long)words[i] : strtol(words[i], NULL, 0);
	struct timespec begin, end;
	long result = 0;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (long i = 0; i < count; i++) {
		result = syscall(call[0], call[1], call[2], call[3], call[4], call[5], call[6]);
		if (result < 0)
			result = -errno;
		else if (call[0] == SYS_openat)
			close((int)result);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	double spent = (double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec);
	printf("%ld %.0f\n", result, spent / (double)count);
	return 0;
}

int main(int argc, char **argv) {
	char line[8];
	if (argc < 4)
		return 2;
	int listener = load(argv[1]);
	dprintf(1, "%d\n", listener < 0 ? -errno : listener);
	if (listener < 0 || read(0, line, 1) != 1)
		return 1;
	close(listener);
	if (strcmp(argv[2], "exec") == 0) {
		execv(argv[3], argv + 3);
		return 127;
	}
	return loop(atol(argv[3]), argv + 4);
}

/*
 * detacher: opens a file on a mount again and again while the mount is taken away: another mount namespace, where nothing is mounted
 * there, removes the directory below it.
 *
 *     detacher TRIES DIRECTORY
 *
 * DIRECTORY holds allowed/file, and tree/DIRECTORY/allowed/file, which is secret: where tree is mounted, at secret/point, nobody may open
 * anything. Once it is detached the kernel names it from the mount's own root on: as if it were the file in allowed/. Prints
 * "<tries> <detached> <leaks>".
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BARE, MOUNTED, OVER };

struct shared {
	volatile int state, apart;
	volatile long detached;
};

static struct shared *shared;
static char point[256], tree[256], target[4000];

/* In the other namespace. The wait is of another length each time, so that each moment of an open is met. */
static int take_away(void) {
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 4;
	unsigned length = 1;
	shared->apart = 1; /* what is mounted from now on is not mounted here, where it could not be taken away */
	while (shared->state != OVER) {
		if (shared->state != MOUNTED) {
			sched_yield();
			continue;
		}
		length = length * 1103515245u + 12345u;
		for (volatile unsigned i = 0; i < length >> 16; i++)
			;
		if (rmdir(point) < 0 || mkdir(point, 0755) < 0)
			return 5;
		shared->detached++;
		__sync_bool_compare_and_swap(&shared->state, MOUNTED, BARE);
	}
	return 0;
}

static void *put_there(void *unused) {
	while (shared->state != OVER) {
		if (shared->apart && shared->state == BARE && mount(tree, point, NULL, MS_BIND, NULL) == 0)
			__sync_bool_compare_and_swap(&shared->state, BARE, MOUNTED);
		else
			sched_yield();
	}
	return unused;
}

static int leaks(void) {
	char first = 0;
	int fd = open(target, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t got = read(fd, &first, 1);
	close(fd);
	return got == 1 && first == 's';
}

int main(int argc, char **argv) {
	pthread_t thread;
	int status;
	if (argc < 3)
		return 2;
	long tries = atol(argv[1]), leaked = 0;
	snprintf(point, sizeof(point), "%.200s/secret/point", argv[2]);
	snprintf(tree, sizeof(tree), "%.200s/tree", argv[2]);
	/* the long way beyond the mount gives the other side time */
	strcpy(target, point);
	while (strlen(target) < 3500)
		strcat(target, "/.");
	snprintf(target + strlen(target), sizeof(target) - strlen(target), "%.200s/allowed/file", argv[2]);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 3;
	pid_t child = fork();
	if (child == 0)
		_exit(take_away());
	if (child < 0 || pthread_create(&thread, NULL, put_there, NULL) != 0)
		return 3;
	for (long n = 0; n < tries; n++)
		leaked += leaks();
	shared->state = OVER;
	pthread_join(thread, NULL);
	if (waitpid(child, &status, 0) < 0 || status != 0)
		return 6;
	(void)umount2(point, MNT_DETACH);
	printf("%ld %ld %ld\n", tries, shared->detached, leaked);
	return 0;
}

/*
 * hello: what a small C program does between its start and its end, for glibc and musl, static and dynamic: a thread, a
 * child, a pipe, the clock, memory from the heap and from mmap, a file read, locale and stdio. Prints one line.
 */
#define _GNU_SOURCE
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int sum;

static void *add(void *number) {
	sum += *(int *)number;
	return NULL;
}

static int ask_child(void) {
	int ends[2], answer = 0;
	if (pipe(ends) != 0)
		return -1;
	pid_t child = fork();
	if (child == 0)
		_exit(write(ends[1], &(int){20}, sizeof(int)) != sizeof(int));
	close(ends[1]);
	if (child < 0 || read(ends[0], &answer, sizeof answer) != sizeof answer || waitpid(child, NULL, 0) != child)
		return -1;
	close(ends[0]);
	return answer;
}

int main(void) {
	char line[256] = "";
	int first = 22;
	pthread_t thread;
	struct timespec now;
	setlocale(LC_ALL, "");
	if (pthread_create(&thread, NULL, add, &first) != 0 || pthread_join(thread, NULL) != 0)
		return 1;
	sum += ask_child();
	FILE *passwd = fopen("/etc/passwd", "r");
	if (passwd == NULL || fgets(line, sizeof line, passwd) == NULL || strncmp(line, "root:", 5) != 0)
		return 2;
	fclose(passwd);
	char *large = malloc(1 << 22), *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (large == NULL || page == MAP_FAILED || clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		return 3;
	memset(large, 1, 1 << 22);
	page[0] = large[1 << 20];
	free(large);
	printf("sum %d\n", sum);
	return fflush(stdout) != 0 || page[0] != 1;
}

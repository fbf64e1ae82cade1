/*
 * attack: tries to leave what a policy allows, in every way that has a name.
 *
 * `attack list` prints the names; `attack run NAME…` runs them in this order (all without names), each in a child, and
 * prints a line for each: NAME, a tab, and `succeeded`, `denied ERRNO` or `killed SIGNAL`. The program is the
 * container's init, or is started by exec into one whose init is `attack wait`. It needs the directories that integration/security/arena.py lays out.
 */
#include "attack.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Exit codes of a program whose running is what an attack is after. */
enum { PATIENCE_S = 20, RAN = 77, RAN_WITHOUT_RIGHTS = 78, LOADER_REFUSED = 127 };

const char *attack_name = "";
volatile long init_word = 1;

const char *outside(const char *name) {
	static char path[512];
	snprintf(path, sizeof path, OUTSIDE "/%s/%s", attack_name, name);
	return path;
}

const char *inside(const char *name) {
	static char path[512];
	const char *directory = getenv("INSIDE");
	snprintf(path, sizeof path, "%s/attacks/%s/%s", directory != NULL ? directory : "/tmp", attack_name, name);
	return path;
}

int reached(long rc, int proof, int other_proof) {
	if (rc < 0 && errno != proof && errno != other_proof)
		return -1;
	return 0;
}

int refuse(int number) {
	errno = number;
	return -1;
}

int expect_changed(const char *path) {
	char content[16] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t got = read(fd, content, sizeof content - 1);
	close(fd);
	return got >= 0 && (got != 10 || memcmp(content, "untouched\n", 10) != 0) ? 0 : refuse(ENODATA);
}

/* The verdict's line; the child has told 0 or an errno through its pipe, or died without a word. */
static void print_verdict(const char *name, bool told, int code, int status) {
	if (!told && WIFSIGNALED(status))
		printf("%s\tkilled SIG%s\n", name, sigabbrev_np(WTERMSIG(status)));
	else if (!told)
		printf("%s\tlost %d\n", name, status);
	else if (code == 0)
		printf("%s\tsucceeded\n", name);
	else
		printf("%s\tdenied %s\n", name, strerrorname_np(code) != NULL ? strerrorname_np(code) : "unknown");
	fflush(stdout);
}

static int run_one(const struct attack *attack) {
	int ends[2], code = 0, status = 0;
	if (pipe(ends) != 0)
		return 3;
	attack_name = attack->name;
	fflush(stdout);
	pid_t child = fork();
	if (child < 0)
		return 3;
	if (child == 0) {
		fcntl(ends[1], F_SETFD, FD_CLOEXEC);
		signal(SIGSYS, SIG_DFL);
		signal(SIGPIPE, SIG_IGN);
		alarm(PATIENCE_S);
		code = attack->run() == 0 ? 0 : errno;
		_exit(write(ends[1], &code, sizeof code) != sizeof code);
	}
	close(ends[1]);
	bool told = read(ends[0], &code, sizeof code) == sizeof code;
	close(ends[0]);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!told && WIFEXITED(status)) {
		int ended = WEXITSTATUS(status);
		told = ended == RAN || ended == RAN_WITHOUT_RIGHTS || ended == LOADER_REFUSED;
		code = ended == RAN ? 0 : ended == LOADER_REFUSED ? EACCES : EPERM;
	}
	print_verdict(attack->name, told, code, status);
	return 0;
}

static bool wanted(const char *name, int count, char **names) {
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return count == 0;
}

int main(int argc, char **argv) {
	static const struct attack *const all[] = {namespace_attacks, kernel_attacks, device_attacks, mount_attacks, socket_attacks, network_attacks, route_attacks,
	                                           write_attacks,     rename_attacks, exec_attacks,   entry_attacks};
	if (argc > 1 && strcmp(argv[1], "wait") == 0)
		for (;;)
			pause();
	if (argc > 1 && strcmp(argv[1], "succeed") == 0)
		return RAN;
	if (argc > 1 && strcmp(argv[1], "succeed-as-root") == 0)
		return geteuid() == 0 ? RAN : RAN_WITHOUT_RIGHTS;
	if (argc < 2 || (strcmp(argv[1], "list") != 0 && strcmp(argv[1], "run") != 0)) {
		fprintf(stderr, "attack: list | run NAME...\n");
		return 2;
	}
	for (size_t group = 0; group < sizeof all / sizeof *all; group++)
		for (const struct attack *one = all[group]; one->name != NULL; one++) {
			if (strcmp(argv[1], "list") == 0)
				printf("%s\n", one->name);
			else if (wanted(one->name, argc - 2, argv + 2) && run_one(one) != 0)
				return 3;
		}
	printf("end\n");
	return 0;
}

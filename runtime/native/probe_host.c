/* One system call under a seccomp filter, in a process of its own. */
#include "probe_host.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct outcome {
	bool loaded, returned;
	long value; /* while not loaded: -errno of loading */
};

__attribute__((noreturn)) static void make_call(const struct sock_fprog *filter, unsigned flags, const long call[7], struct outcome *outcome)
{
	(void)signal(SIGILL, SIG_DFL); /* the parent may have a handler, which would need system calls */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, filter) < 0) {
		outcome->value = -errno;
		_exit(1);
	}
	outcome->loaded = true;
	long value = syscall(call[0], call[1], call[2], call[3], call[4], call[5], call[6]);
	outcome->value = value < 0 ? -errno : value;
	outcome->returned = true;
	(void)syscall(__NR_exit_group, 0);
	__builtin_trap(); /* the filter does not let us end ourselves; `returned` has said it all */
}

int probe_filter(const void *program, size_t size, unsigned flags, const long call[7], struct filter_verdict *verdict)
{
	struct sock_fprog filter = {.len = (unsigned short)(size / sizeof(struct sock_filter)), .filter = (struct sock_filter *)program};
	if (size % sizeof(struct sock_filter) || size / sizeof(struct sock_filter) > BPF_MAXINSNS)
		return -EINVAL;
	struct outcome *outcome = mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (outcome == MAP_FAILED)
		return -errno;
	int status = 0, error = 0;
	pid_t child = fork();
	if (child == 0)
		make_call(&filter, flags, call, outcome);
	if (child < 0)
		error = -errno;
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!error && !outcome->loaded)
		error = outcome->value < 0 ? (int)outcome->value : -ECHILD;
	verdict->signal = !outcome->returned && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	verdict->value = outcome->value;
	(void)munmap(outcome, sizeof(*outcome));
	return error;
}

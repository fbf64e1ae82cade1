/*
 * stepper: runs a program and kills it at its K-th state-changing system call.
 *
 *     stepper main|other K PROGRAM ARGS…
 *
 * With `main` the calls of the program's own process are counted and that process is killed at the entry of call K;
 * with `other` those of all its descendants, and the one that makes call K is killed. What is not killed goes on
 * undisturbed. Exit code: 99 when something was killed (in mode `other`: plus the program having been waited for, its
 * exit code is on standard error as "ended N"), 98 when the program ended before call K; "calls N" on standard error.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const long changing[] = {
    SYS_mkdirat, SYS_clone, SYS_clone3, SYS_mount, SYS_umount2, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_move_mount,
    SYS_open_tree, SYS_mount_setattr, SYS_pivot_root, SYS_write, SYS_pwrite64, SYS_sendmsg, SYS_sendto, SYS_renameat2, SYS_renameat,
    SYS_symlinkat, SYS_linkat, SYS_unlinkat, SYS_mknodat, SYS_execve, SYS_execveat, SYS_unshare, SYS_setns, SYS_bpf,
    SYS_seccomp, SYS_prctl, SYS_fchown, SYS_fchownat, SYS_fchmod, SYS_fchmodat, SYS_ftruncate, SYS_socketpair, SYS_memfd_create,
    SYS_pidfd_open, SYS_wait4, SYS_waitid, SYS_setsid, SYS_chdir, SYS_fchdir, SYS_kill, SYS_pidfd_send_signal, SYS_setrlimit,
    SYS_prlimit64, SYS_capset, SYS_setresuid, SYS_setresgid, SYS_setgroups, SYS_recvmsg, SYS_recvfrom, SYS_connect, SYS_close_range,
#ifdef SYS_mkdir
    SYS_mkdir, SYS_rename, SYS_symlink, SYS_unlink, SYS_rmdir, SYS_mknod, SYS_fork, SYS_vfork, SYS_chmod, SYS_chown,
#endif
};

static bool is_changing(unsigned long long number) {
	for (size_t i = 0; i < sizeof changing / sizeof *changing; i++)
		if ((long)number == changing[i])
			return true;
	return false;
}

/* The process (not thread) a task belongs to. */
static pid_t process_of(pid_t task) {
	char path[64], line[256];
	snprintf(path, sizeof path, "/proc/%d/status", task);
	FILE *file = fopen(path, "re");
	pid_t process = task;
	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		if (sscanf(line, "Tgid: %d", &process) == 1)
			break;
	if (file != NULL)
		fclose(file);
	return process;
}

int main(int argc, char **argv) {
	if (argc < 4)
		return 2;
	bool of_main = strcmp(argv[1], "main") == 0, struck = false;
	long wanted = atol(argv[2]), calls = 0;
	pid_t program = fork();
	if (program == 0) {
		raise(SIGSTOP);
		execv(argv[3], argv + 3);
		_exit(127);
	}
	int status;
	waitpid(program, &status, WUNTRACED);
	long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
	if (ptrace(PTRACE_SEIZE, program, 0, options) != 0) {
		perror("stepper: seize");
		return 2;
	}
	kill(program, SIGCONT);
	for (;;) {
		pid_t task = waitpid(-1, &status, __WALL);
		if (task < 0)
			break;
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (task != program)
				continue;
			fprintf(stderr, "calls %ld\nended %d\n", calls, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
			return struck ? 99 : 98;
		}
		int event = status >> 16, stop = WSTOPSIG(status);
		long deliver = 0;
		if (stop == (SIGTRAP | 0x80)) {
			struct __ptrace_syscall_info info;
			memset(&info, 0, sizeof info);
			ptrace(PTRACE_GET_SYSCALL_INFO, task, sizeof info, &info);
			if (info.op == PTRACE_SYSCALL_INFO_ENTRY && is_changing(info.entry.nr) && !struck) {
				pid_t process = process_of(task);
				if ((process == program) == of_main && ++calls == wanted) {
					struck = true;
					fprintf(stderr, "struck call %llu of process %d\n", (unsigned long long)info.entry.nr, process);
					kill(process, SIGKILL);
					if (of_main) {
						fprintf(stderr, "calls %ld\n", calls);
						fflush(stderr);
						_exit(99);
					}
					continue;
				}
			}
		} else if (event == PTRACE_EVENT_STOP) {
			if (stop == SIGSTOP || stop == SIGTSTP || stop == SIGTTIN || stop == SIGTTOU) {
				ptrace(PTRACE_LISTEN, task, 0, 0);
				continue;
			}
		} else if (event == 0) {
			deliver = stop;
		}
		ptrace(PTRACE_SYSCALL, task, 0, deliver);
	}
	fprintf(stderr, "calls %ld\n", calls);
	return struck ? 99 : 98;
}

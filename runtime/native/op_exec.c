/* The last steps: working directory, executable, fifo, descriptors, execve. */
#include "executor_int.h"

#include <linux/close_range.h>
#include <linux/stat.h>
#include <asm/stat.h>

#define X_OK 1

int op_chdir(struct run *run, const struct plan_op *op)
{
	char where[PATH_BUFFER] UNINITIALIZED;
	/* once in there as root it stays, as the user may perhaps not enter; but where it lies is looked at again */
	long ret = run->in_cwd ? 0 : SYS(chdir, plan_string(run, op->CHDIR_path));
	if ((ret == -EACCES || ret == -EPERM) && op->flags & OPF_OPTIONAL)
		return 0; /* tried again with the process's own ids */
	if (ret >= 0)
		ret = SYS(getcwd, where, sizeof(where));
	if (ret >= 0 && where[0] != '/') { /* "(unreachable)...": a descriptor led out of the root, CVE-2024-21626 */
		text_add(start_reason(run), "current working directory is outside of container mount namespace root");
		return fail_with(run, DETAIL_REASON, ENOENT);
	}
	run->in_cwd = ret >= 0;
	return ret < 0 ? (int)ret : 0;
}

/* 0 when the effective user may execute this file. */
static int is_executable(const char *path)
{
	struct stat file;
	long ret = SYS(newfstatat, AT_FDCWD, path, &file, 0);
	if (ret < 0)
		return (int)ret;
	if ((file.st_mode & S_IFMT) == S_IFDIR)
		return -EISDIR;
	ret = SYS(faccessat2, AT_FDCWD, path, X_OK, AT_EACCESS);
	if (ret == -ENOSYS || (ret == -EPERM && (file.st_mode & 0111))) /* a filter that does not know faccessat2 */
		ret = SYS(faccessat, AT_FDCWD, path, X_OK);
	return (int)ret;
}

/* Go's words, which Docker and podman turn into 126 and 127. */
static int refuse_executable(struct run *run, const struct plan_op *op, const char *path, int error)
{
	struct text *reason = start_reason(run);
	text_add(reason, "exec: \"");
	text_add(reason, plan_string(run, op->EXEC_PATH_name));
	text_add(reason, "\": ");
	if (!(op->flags & OPF_ABSOLUTE)) {
		text_add(reason, "executable file not found in $PATH");
		return fail_with(run, DETAIL_WHOLE, ENOENT);
	}
	if (error == ENOENT || error == ENOTDIR) {
		text_add(reason, "stat ");
		text_add(reason, path);
		text_add(reason, ": ");
	}
	text_add(reason, errno_text(error));
	return fail_with(run, DETAIL_WHOLE, error);
}

int op_exec_path(struct run *run, const struct plan_op *op)
{
	int ret = -ENOENT;
	char **candidate = plan_list(run, op);
	for (; *candidate; candidate++) {
		ret = is_executable(*candidate);
		if (ret < 0)
			continue;
		run->executable = *candidate;
		return 0;
	}
	return refuse_executable(run, op, plan_string(run, op->EXEC_PATH_name), -ret);
}

/* Whoever opens the other end of exec.fifo starts the container; it may be opened only through a procfs that we trust.  Our end stays
 * open: start sees in its closing that the program was executed, and in a second byte that it was not. */
int op_fifo_wait(struct run *run, const struct plan_op *op)
{
	char path[32];
	struct text text = text_in(path, sizeof(path));
	text_add(&text, "self/fd/");
	text_add_number(&text, run->slot[op->FIFO_WAIT_fifo]);
	long fd;
	do
		fd = SYS(openat, run->slot[op->FIFO_WAIT_proc], path, O_WRONLY | O_CLOEXEC, 0);
	while (fd == -EINTR);
	if (fd < 0)
		return (int)fd;
	run->fifo = (int)fd;
	long ret = SYS(write, fd, "0", 1);
	return ret < 0 ? (int)ret : 0;
}

int op_keep_fds(struct run *run, const struct plan_op *op)
{
	(void)op; /* counted before the first descriptor was opened */
	for (uint32_t i = 0; i < run->kept_fds; i++) {
		long ret = SYS(fcntl, 3 + i, F_SETFD, 0);
		if (ret < 0)
			return (int)ret;
	}
	/* not closed but marked: an execve that fails still has to say so through the channel */
	return (int)SYS(close_range, 3 + run->kept_fds, ~0u, CLOSE_RANGE_CLOEXEC);
}

int op_execve(struct run *run, const struct plan_op *op)
{
	char **argv = plan_list(run, op), **envp = argv;
	if (!run->executable)
		return -EINVAL;
	while (*envp)
		envp++;
	long ret = SYS(execve, run->executable, argv, envp + 1);
	struct text *reason = start_reason(run);
	text_add(reason, "exec ");
	text_add(reason, run->executable);
	text_add(reason, ": ");
	text_add(reason, errno_text((int)ret));
	return fail_with(run, DETAIL_WHOLE, (int)-ret);
}

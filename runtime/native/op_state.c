/* The state directory and the files that create leaves: state.json, the saved parts of the plan, exec.fifo, the pid file. */
#include "executor_int.h"

#include <linux/stat.h>
#include <linux/uio.h>
#include "socket_abi.h"
#include "state_file.h"

#define CREATE_FLAGS (O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC)

/* mkdir -p of a host path by name: the state root is the runtime's own, nobody else may write there. */
static int make_host_dirs(const char *path, uint32_t mode)
{
	char part[PATH_BUFFER] UNINITIALIZED;
	long ret = SYS(mkdirat, AT_FDCWD, path, mode);
	if (ret != -ENOENT)
		return ret == -EEXIST ? 0 : (int)ret;
	for (size_t i = 1; path[i]; i++) {
		if (path[i] != '/')
			continue;
		struct text text = text_in(part, sizeof(part));
		text_add_bytes(&text, path, i);
		ret = text.cut ? -ENAMETOOLONG : SYS(mkdirat, AT_FDCWD, part, mode);
		if (ret < 0 && ret != -EEXIST)
			return (int)ret;
	}
	ret = SYS(mkdirat, AT_FDCWD, path, mode);
	return ret == -EEXIST ? 0 : (int)ret;
}

int op_state_dir(struct run *run, const struct plan_op *op)
{
	const char *id = plan_string(run, op->STATE_DIR_id), *root = plan_string(run, op->STATE_DIR_root);
	if (!id_is_valid(id))
		return -EINVAL;
	int ret = make_host_dirs(root, 0700);
	if (ret < 0)
		return ret;
	SCOPED_FD(parent) = (int)SYS(openat, AT_FDCWD, root, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (parent < 0)
		return parent;
	ret = (int)SYS(mkdirat, parent, id, 0711);
	if (ret == -EEXIST) {
		text_add(start_reason(run), "container with given ID already exists");
		return fail_with(run, DETAIL_BARE, EEXIST);
	}
	if (ret < 0)
		return ret;
	run->state_made = true;
	run->slot[op->STATE_DIR_dir] = (int)SYS(openat, parent, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	ret = run->slot[op->STATE_DIR_dir];
	if (ret < 0)
		(void)SYS(unlinkat, parent, id, AT_REMOVEDIR);
	return ret;
}

static int write_whole(int fd, const char *data, size_t size)
{
	while (size > 0) {
		long done = SYS(write, fd, data, size);
		if (done == -EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? (int)done : -ENOSPC;
		data += done;
		size -= (size_t)done;
	}
	return 0;
}

static int write_new_file(int dir, const char *name, const char *data, size_t size, uint32_t mode)
{
	SCOPED_FD(fd) = (int)SYS(openat, dir, name, CREATE_FLAGS, mode);
	return fd < 0 ? fd : write_whole(fd, data, size);
}

int op_save_state(struct run *run, const struct plan_op *op)
{
	bool creating = op->flags & OPF_CREATING;
	int dir = run->slot[op->SAVE_STATE_dir], pid = creating ? (int)SYS(getpid) : run->init_pid;
	char middle[128];
	struct text text = text_in(middle, sizeof(middle));
	text_add(&text, creating ? "creating" : "created");
	text_add(&text, "\",\n\"pid\": ");
	text_add_number(&text, pid);
	text_add(&text, ",\n\"startTime\": ");
	run->init_start_time = process_start_time(pid);
	if (!run->init_start_time)
		return -ESRCH;
	text_add_number(&text, (int64_t)run->init_start_time);
	const char *head = plan_string(run, op->SAVE_STATE_head), *tail = plan_string(run, op->SAVE_STATE_tail);
	struct iovec parts[] = {{(void *)head, strlen(head)}, {middle, text.length}, {(void *)tail, strlen(tail)}};
	SCOPED_FD(fd) = (int)SYS(openat, dir, "state.json.tmp", CREATE_FLAGS, 0600);
	if (fd < 0)
		return fd;
	long ret = SYS(writev, fd, parts, ARRAY_SIZE(parts));
	if (ret >= 0 && (size_t)ret != parts[0].iov_len + parts[1].iov_len + parts[2].iov_len)
		ret = -ENOSPC;
	if (ret >= 0)
		ret = SYS(renameat2, dir, "state.json.tmp", dir, "state.json", 0);
	if (ret < 0)
		(void)SYS(unlinkat, dir, "state.json.tmp", 0);
	return ret < 0 ? (int)ret : 0;
}

int op_save_file(struct run *run, const struct plan_op *op)
{
	return write_new_file(run->slot[op->SAVE_FILE_dir], plan_string(run, op->SAVE_FILE_name), plan_blob(run, op), op->blob_len,
		(uint32_t)op->SAVE_FILE_mode);
}

/* The engine reads it as soon as it is there: digits only, whole or not at all. */
int op_pid_file(struct run *run, const struct plan_op *op)
{
	const char *path = plan_string(run, op->PID_FILE_path), *name = path;
	char temporary[PATH_BUFFER] UNINITIALIZED;
	char digits[24];
	for (const char *at = path; *at; at++)
		if (*at == '/')
			name = at + 1;
	struct text text = text_in(temporary, sizeof(temporary)), number = text_in(digits, sizeof(digits));
	text_add_bytes(&text, path, (size_t)(name - path));
	text_add(&text, ".");
	text_add(&text, name);
	text_add_number(&number, run->init_pid);
	if (text.cut)
		return -ENAMETOOLONG;
	(void)SYS(unlinkat, AT_FDCWD, temporary, 0); /* a killed create's; what is still there afterwards is an error */
	SCOPED_FD(fd) = (int)SYS(openat, AT_FDCWD, temporary, CREATE_FLAGS, 0666);
	if (fd < 0)
		return fd;
	int ret = write_whole(fd, number.data, number.length);
	if (ret >= 0)
		ret = (int)SYS(renameat2, AT_FDCWD, temporary, AT_FDCWD, path, 0);
	if (ret < 0)
		(void)SYS(unlinkat, AT_FDCWD, temporary, 0);
	return ret;
}

int op_fifo(struct run *run, const struct plan_op *op)
{
	int dir = run->slot[op->FIFO_dir];
	long mask = SYS(umask, 0);
	long ret = SYS(mknodat, dir, "exec.fifo", S_IFIFO | 0622, 0);
	(void)SYS(umask, mask);
	if (ret < 0)
		return (int)ret;
	run->slot[op->FIFO_fifo] = (int)SYS(openat, dir, "exec.fifo", O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (run->slot[op->FIFO_fifo] < 0)
		return run->slot[op->FIFO_fifo];
	return (int)SYS(fchownat, run->slot[op->FIFO_fifo], "", op->FIFO_uid, op->FIFO_gid, AT_EMPTY_PATH);
}

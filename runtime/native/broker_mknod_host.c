/* mknod, mknodat: files without content, FIFOs and sockets, made in a directory that was judged. Device nodes are refused: they need a
 * capability and the device cgroup, and both would be the broker's. */
#define _GNU_SOURCE
#include "broker_files.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct verdict make_node(struct call *call, struct lookup *lookup, const char *name, mode_t mode)
{
	struct object directory = {.fd = look_up(call, lookup, O_DIRECTORY)};
	struct verdict verdict = DENIED(call);
	int error = directory.fd < 0 ? directory.fd : name_object(call, lookup, &directory);
	if (error < 0)
		verdict = FAILED(error);
	else if (directory.in_procfs || !append_name(call, name))
		verdict = FAILED(EPERM);
	else if (may_access(call, call->worker->canonical, ACCESS_WRITE, &verdict)) {
		atomic_store(&call->slot->state, SLOT_ACTING);
		error = mknodat(directory.fd, name, mode, 0);
		verdict = error < 0 && !(errno == EEXIST && call->redone) ? FAILED(errno) : (struct verdict){.outcome = OUTCOME_VALUE};
	}
	if (directory.fd >= 0)
		(void)close(directory.fd);
	return verdict;
}

struct verdict handle_mknod(struct call *call)
{
	const struct seccomp_data *data = &call->slot->notif.data;
	const uint64_t *args = (const uint64_t *)(const void *)data->args;
	bool at = data->nr == __NR_mknodat;
	mode_t mode = (mode_t)args[at ? 2 : 1], kind = mode & S_IFMT;
	char parent[PATH_SIZE];
	const char *name;
	struct lookup lookup = {.path = parent, .base = -1, .dir = at ? (int)args[0] : AT_FDCWD};
	int length = copy_string(call, args[at ? 1 : 0], call->worker->path, PATH_SIZE);
	if (!still_valid(call))
		return (struct verdict){.outcome = OUTCOME_GONE};
	if (length <= 0)
		return FAILED(length < 0 ? length : ENOENT);
	if (kind == S_IFCHR || kind == S_IFBLK) {
		describe(call);
		return (struct verdict){.outcome = OUTCOME_ERROR, .value = EPERM, .denied = true};
	}
	if (!split_path(call->worker->path, parent, &name))
		return FAILED(EEXIST);
	int error = assume(call, true);
	if (error < 0)
		return error == -ESRCH ? (struct verdict){.outcome = OUTCOME_GONE} : DENIED(call);
	struct verdict verdict = FAILED(EACCES);
	for (int i = 0; i < RETRIES; i++) {
		verdict = make_node(call, &lookup, name, mode);
		if (verdict.outcome != OUTCOME_ERROR || verdict.value != -DISTURBED)
			return verdict;
	}
	return DENIED(call);
}

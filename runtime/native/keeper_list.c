/* The registrations: one for each listener, so one for a container's init and one for each process that joined it. */
#include "keeper.h"

#include "report.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/stat.h>
#include <linux/time_types.h>

#define TABLE_FILE "broker.table"
#define POLICY_KEY "policy="

static bool is_trusted(int fd)
{
	struct statx facts;
	if (SYS(statx, fd, "", AT_EMPTY_PATH, STATX_UID | STATX_MODE | STATX_TYPE, &facts) != 0)
		return false;
	return facts.stx_uid == (uint32_t)SYS(geteuid) && (facts.stx_mode & S_IFMT) == S_IFREG && (facts.stx_mode & 022) == 0;
}

/* The table that the planner left in the container's state directory, or -errno. */
static int open_table(const struct keeper *keeper, const char *id)
{
	SCOPED_FD(dir_fd) = state_open_dir(keeper->front->root, id);
	if (dir_fd < 0)
		return dir_fd;
	int table = (int)SYS(openat, dir_fd, TABLE_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (table < 0 || is_trusted(table))
		return table;
	(void)SYS(close, table);
	return -EACCES;
}

/* The program of the process that brought the listener: while init still runs the same one, it is our executor. */
static void identify(struct registration *registration, int pid)
{
	char path[32];
	struct statx facts;
	struct text text = text_in(path, sizeof(path));
	text_add(&text, "/proc/");
	text_add_number(&text, pid);
	text_add(&text, "/exe");
	if (SYS(statx, AT_FDCWD, path, 0, STATX_INO, &facts) != 0)
		return;
	uint64_t major = facts.stx_dev_major, minor = facts.stx_dev_minor; /* as stat(2) of the C library puts them together */
	registration->exe_device = (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xffull) << 12 | (major & ~0xfffull) << 32;
	registration->exe_inode = facts.stx_ino;
}

static int free_slot(const struct keeper *keeper)
{
	for (int i = 0; i < REGISTRATIONS_MAX; i++)
		if (keeper->registrations[i].key == 0)
			return i;
	return -ENOSPC;
}

/* A container that leaves something behind with every exec gets half of the places, and of what is left with others like it a share:
 * there is always room for the next one's. */
static bool has_its_share(const struct keeper *keeper, const char *id)
{
	size_t own = 0;
	for (size_t i = 0, seen = 0; i < REGISTRATIONS_MAX && seen < keeper->registered; i++) {
		const struct registration *one = &keeper->registrations[i];
		seen += one->key != 0;
		own += one->key != 0 && strcmp(one->id, id) == 0;
	}
	return own >= REGISTRATIONS_MAX - keeper->registered;
}

struct registration *registration_find(struct keeper *keeper, uint64_t key)
{
	for (size_t i = 0; key && i < REGISTRATIONS_MAX; i++)
		if (keeper->registrations[i].key == key)
			return &keeper->registrations[i];
	return NULL;
}

/* Who did not hear our answer, since the keeper before us died with it, brings the same listener again. A process has one, and its number
 * is another's only after it has ended. */
static bool is_known(const struct keeper *keeper, const struct process_state *state)
{
	struct __kernel_timespec no_time = {0};
	for (size_t i = 0, seen = 0; i < REGISTRATIONS_MAX && seen < keeper->registered; i++) {
		const struct registration *one = &keeper->registrations[i];
		struct poll_entry ended = {one->pidfd, POLLIN, 0};
		seen += one->key != 0;
		if (one->key != 0 && one->pid == (int)state->pid && one->joined == state->joined && strcmp(one->id, state->id) == 0 &&
			one->pidfd >= 0 && SYS(ppoll, &ended, 1, &no_time, NULL, 0) == 0)
			return true;
	}
	return false;
}

/* Where its table comes from: the metadata names a policy for the worker to compile (-1), or it lies in the state directory. */
static int find_table(const struct keeper *keeper, const struct process_state *state)
{
	if (strncmp(state->metadata, POLICY_KEY, sizeof(POLICY_KEY) - 1) == 0)
		return -1;
	int table = open_table(keeper, state->id);
	return table == -EPERM ? -EACCES : table; /* -1 is: to be compiled */
}

int registration_add(struct keeper *keeper, const struct process_state *state, const struct peer *peer)
{
	int slot = free_slot(keeper);
	if (state->listener >= peer->fd_count)
		return -EBADMSG;
	if (is_known(keeper, state)) {
		(void)SYS(close, peer->fds[state->listener]);
		return 0;
	}
	if (slot < 0)
		return slot;
	if (state->joined && has_its_share(keeper, state->id))
		return -ENOSPC;
	int table = find_table(keeper, state);
	if (table < -1)
		return table;
	struct registration *made = &keeper->registrations[slot];
	memset(made, 0, offsetof(struct registration, id));
	made->listener = peer->fds[state->listener];
	made->table = table;
	made->pid = (int)state->pid;
	made->joined = state->joined;
	made->pidfd = (int)SYS(pidfd_open, made->pid, 0);
	identify(made, peer->pid);
	memcpy(made->id, state->id, sizeof(made->id));
	memcpy(made->metadata, state->metadata, sizeof(made->metadata));
	made->key = ++keeper->last_key;
	keeper->registered++;
	return 0;
}

void registration_remove(struct keeper *keeper, struct registration *registration)
{
	const int fds[] = {registration->listener, registration->table, registration->pidfd};
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close_scoped_fd(&fds[i]);
	registration->key = 0;
	keeper->registered--;
	keeper->active_ns = keeper_now();
}

/* Kill the container: its whole cgroup where postern knows it, its process in any case. */
void registration_end(struct keeper *keeper, struct registration *registration)
{
	static struct container_state state;
	struct front front = {.root = keeper->front->root, .id = registration->id};
	SCOPED_FD(dir_fd) = -1;
	registration->deadline_ns = 0;
	if (container_find(&front, &state, &dir_fd, false) == 0 && state.pid == registration->pid) {
		int error = container_signal_cgroup(&state, SIGKILL);
		if (error && error != -ENOENT)
			report_warning("a container whose time is up: its cgroup cannot be killed");
	}
	if (registration->pidfd >= 0)
		(void)SYS(pidfd_send_signal, registration->pidfd, SIGKILL, NULL, 0);
	worker_tell_over(keeper, registration);
}

/* The keeper's directory <root>/@broker, its lock and its sockets; and leaving whoever started it. */
#include "keeper.h"

#include "report.h"
#include "small_file.h"

#include <linux/capability.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <linux/stat.h>
#include <linux/time_types.h>
#include <linux/un.h>
#include <asm/statfs.h>

#define BACKLOG 1024
#define LOCK_TRIES 2500
#define LOCK_PAUSE_NS 2000000
#define COURTESY_TRIES 500
#define TURN_PAUSE_NS 50000000
#define LOG_MAX (1 << 20)

/* <root>/@broker: ours and nobody else's. No ID contains an @. */
static int open_directory(const char *root)
{
	char path[PATH_MAX];
	struct statx facts;
	struct text text = text_in(path, sizeof(path));
	text_add(&text, root);
	text_add(&text, "/@broker");
	if (text.cut)
		return -ENAMETOOLONG;
	(void)SYS(mkdirat, AT_FDCWD, root, 0700); /* opening what is below says when it is not there */
	long made = SYS(mkdirat, AT_FDCWD, path, 0700);
	if (made < 0 && made != -EEXIST)
		return (int)made;
	int fd = (int)SYS(openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fd;
	long error = SYS(statx, fd, "", AT_EMPTY_PATH, STATX_UID | STATX_MODE, &facts);
	if (!error && (facts.stx_uid != (uint32_t)SYS(geteuid) || (facts.stx_mode & 077)))
		error = -EACCES;
	if (error)
		(void)SYS(close, fd);
	return error ? (int)error : fd;
}

static struct sockaddr_un address_in(int directory, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct text path = text_in(address.sun_path, sizeof(address.sun_path)); /* never too long: by descriptor */
	text_add(&path, "/proc/self/fd/");
	text_add_number(&path, directory);
	text_add(&path, "/");
	text_add(&path, name);
	return address;
}

/* A listening socket under this name. It appears when it listens, never before. */
static int listen_at(int directory, const char *name)
{
	struct sockaddr_un address = address_in(directory, "new");
	int fd = (int)SYS(socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	(void)SYS(unlinkat, directory, "new", 0); /* of a keeper that died; bind says when it is still there */
	long error = SYS(bind, fd, &address, sizeof(address));
	if (!error)
		error = SYS(listen, fd, BACKLOG);
	if (!error)
		error = SYS(renameat2, directory, "new", directory, name, 0);
	if (error)
		(void)SYS(close, fd);
	return error ? (int)error : fd;
}

static bool somebody_listens(int directory, const char *name)
{
	struct sockaddr_un address = address_in(directory, name);
	SCOPED_FD(fd) = (int)SYS(socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && SYS(connect, fd, &address, sizeof(address)) == 0;
}

static void add_namespace(struct text *text, const char *path)
{
	struct statx facts;
	text_add(text, "\n");
	text_add_number(text, SYS(statx, AT_FDCWD, path, 0, STATX_INO, &facts) == 0 ? (int64_t)facts.stx_ino : 0);
}

/* The lock's content, for those who need a broker: whose config.toml this one goes by (nothing: the usual one), its capabilities, its user
 * and its pid namespace, a line each. They compare: what it lacks its workers lack. The last line is a number that stays as long as each
 * keeper adopts the worker of the one before: what one of them was given the next one has. */
static int describe_self(const struct keeper *keeper)
{
	char words[PATH_MAX + 128];
	struct text text = text_in(words, sizeof(words));
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];
	struct __kernel_timespec now;
	long ret = SYS(capget, &header, data);
	if (ret == 0)
		ret = SYS(clock_gettime, 0 /* CLOCK_REALTIME */, &now);
	if (ret < 0)
		return (int)ret;
	text_add(&text, keeper->front->policy_dir ? keeper->front->policy_dir : "");
	text_add(&text, "\n");
	text_add_number(&text, (int64_t)((uint64_t)data[1].permitted << 32 | data[0].permitted));
	add_namespace(&text, "/proc/self/ns/user");
	add_namespace(&text, "/proc/self/ns/pid");
	text_add(&text, "\n");
	text_add_number(&text, now.tv_sec * SECOND_NS + now.tv_nsec);
	if (text.cut)
		return -ENAMETOOLONG;
	ret = SYS(ftruncate, keeper->lock, 0);
	if (ret == 0)
		ret = SYS(pwrite64, keeper->lock, words, strlen(words), 0);
	return ret < 0 ? (int)ret : 0;
}

static void pause_for(int64_t nanoseconds)
{
	struct __kernel_timespec pause = {.tv_nsec = nanoseconds};
	(void)SYS(nanosleep, &pause, NULL);
}

/* The worker of a keeper that died is about to take the lock, to start a keeper that has all of its containers: it comes first. One that
 * does not come is serving its last ones alone. */
static bool gives_way(const struct keeper *keeper)
{
	bool ended = SYS(faccessat, keeper->directory, "socket", 0 /* F_OK */) == -ENOENT; /* it takes that with it, unless it is killed */
	return !ended && !somebody_listens(keeper->directory, "socket") && somebody_listens(keeper->directory, "control");
}

/* In the foreground somebody counts on us: the next one's turn comes when the other one has ended. */
static int await_turn(const struct keeper *keeper, bool *told)
{
	if (!keeper->foreground)
		return 1;
	if (!*told)
		report_warning("another broker serves here; this one waits until it has ended");
	*told = true;
	pause_for(TURN_PAUSE_NS);
	return 0;
}

/* One keeper a root. Whoever holds the lock listens, is about to, or is about to end. */
static int take_lock(struct keeper *keeper)
{
	bool told = false;
	if (keeper->adopts) {
		keeper->lock = LOCK_FD;
		return (int)SYS(flock, LOCK_FD, LOCK_EX | LOCK_NB); /* held already, through the same open file */
	}
	keeper->lock = (int)SYS(openat, keeper->directory, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (keeper->lock < 0)
		return keeper->lock;
	for (int tries = 0, courtesy = 0; tries < LOCK_TRIES;) {
		long error = SYS(flock, keeper->lock, LOCK_EX | LOCK_NB);
		if (error && error != -EWOULDBLOCK)
			return (int)error;
		if (!error && (courtesy == COURTESY_TRIES || !gives_way(keeper)))
			return describe_self(keeper);
		if (!error) {
			courtesy++;
			(void)SYS(flock, keeper->lock, LOCK_UN);
		} else if (somebody_listens(keeper->directory, "socket")) {
			if (await_turn(keeper, &told))
				return 1;
			courtesy = 0;
			continue;
		}
		tries += !keeper->foreground;
		pause_for(LOCK_PAUSE_NS);
	}
	return -EBUSY;
}

int keeper_open(struct keeper *keeper)
{
	keeper->directory = open_directory(keeper->front->root);
	int ret = keeper->directory < 0 ? keeper->directory : take_lock(keeper);
	if (ret)
		return ret;
	int *sockets[] = {&keeper->control, &keeper->metrics, &keeper->listen};
	static const char *const names[] = {"control", "metrics", "socket"}; /* the last says that all are there */
	if (keeper->adopts)
		ret = keeper_adopt(keeper);
	if (ret)
		return ret;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (*sockets[i] >= 0)
			continue; /* the adopted worker's: it listens there all the time */
		*sockets[i] = listen_at(keeper->directory, names[i]);
		if (*sockets[i] < 0)
			return *sockets[i];
	}
	if (keeper->adopts)
		return 0;
	keeper->journal = (int)SYS(memfd_create, "postern-journal", MFD_CLOEXEC);
	return keeper->journal < 0 ? keeper->journal : 0;
}

int keeper_close(struct keeper *keeper)
{
	struct poll_entry queue = {keeper->listen, POLLIN, 0};
	struct __kernel_timespec no_time = {0};
	(void)SYS(unlinkat, keeper->directory, "socket", 0);
	/* whoever connected before it was unlinked is in the queue */
	if (SYS(ppoll, &queue, 1, &no_time, NULL, 0) <= 0)
		return 0;
	int fd = listen_at(keeper->directory, "socket");
	if (fd < 0)
		return 1; /* serve those who are there; the next ones find no socket and start a keeper when this one has ended */
	while (SYS(ppoll, &queue, 1, &no_time, NULL, 0) > 0)
		peer_accept(keeper);
	(void)SYS(close, keeper->listen);
	keeper->listen = fd;
	return 1;
}

int keeper_is_used(struct keeper *keeper)
{
	struct statx facts;
	struct __kernel_timespec now;
	if (SYS(statx, keeper->lock, "", AT_EMPTY_PATH, STATX_MTIME, &facts) != 0 || SYS(clock_gettime, 0 /* CLOCK_REALTIME */, &now) != 0)
		return 0;
	int64_t age = (now.tv_sec - facts.stx_mtime.tv_sec) * SECOND_NS;
	return age >= 0 && age < keeper->idle_ns;
}

/* The cgroup of whoever called us ends with them, and with it everything in it. The hierarchy's root is nobody's; where it may not be
 * entered we stay. */
static void leave_cgroup(void)
{
	static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		struct statfs facts;
		SCOPED_FD(fd) = (int)SYS(openat, AT_FDCWD, mounts[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || SYS(fstatfs, fd, &facts) != 0 || facts.f_type != CGROUP2_SUPER_MAGIC)
			continue;
		int error = write_small_file(fd, "cgroup.procs", "0", 1);
		if (error && error != -EACCES && error != -EPERM) /* whom that is forbidden cannot expect it */
			report_warning("the broker stays in the cgroup of its caller");
		return;
	}
}

/* What is said from now on goes to a file; a large one begins anew. */
static int open_log(const struct keeper *keeper)
{
	struct statx facts;
	int fd = (int)SYS(openat, keeper->directory, "broker.log", O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd >= 0 && SYS(statx, fd, "", AT_EMPTY_PATH, STATX_SIZE, &facts) == 0 && facts.stx_size > LOG_MAX)
		(void)SYS(ftruncate, fd, 0);
	return fd;
}

void keeper_detach(struct keeper *keeper)
{
	SCOPED_FD(null_fd) = (int)SYS(openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
	SCOPED_FD(log_fd) = open_log(keeper);
	(void)SYS(setsid);
	(void)SYS(chdir, "/");
	if (SYS(geteuid) == 0)
		leave_cgroup();
	if (null_fd >= 0) {
		(void)SYS(dup3, null_fd, 0, 0);
		(void)SYS(dup3, null_fd, 1, 0);
		(void)SYS(dup3, log_fd >= 0 ? log_fd : null_fd, 2, 0);
	}
	report_to.log_path = NULL; /* the caller's */
}

/* Acting as the caller: its ids, groups, umask, root and working directory, and none of its capabilities. A worker's file system context
 * and credentials are its own; the rest of the process never changes. */
#define _GNU_SOURCE
#include "broker_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000u
#endif
#define BIT(capability) (1ull << (capability))
/* None of them helps with a file: what remains is for looking at the caller, becoming it and killing it. */
#define KEPT (BIT(CAP_SYS_PTRACE) | BIT(CAP_SYS_CHROOT) | BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_KILL))
/* for single steps, see with_capability */
#define SPARE (BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SYS_ADMIN) | BIT(CAP_NET_ADMIN))

static int set_capabilities(uint64_t effective, uint64_t permitted)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{.effective = (uint32_t)effective, .permitted = (uint32_t)permitted},
		{.effective = (uint32_t)(effective >> 32), .permitted = (uint32_t)(permitted >> 32)},
	};
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int with_capability(uint64_t capability, bool on)
{
	return set_capabilities(on ? KEPT | capability : KEPT, KEPT | SPARE);
}

int worker_prepare(struct worker *worker)
{
	worker->umask = (mode_t)-1;
	worker->ids = (struct ids){.group_count = -1};
	if (unshare(CLONE_FS) < 0)
		return -errno;
	if (geteuid() != 0)
		return 0; /* decides by registers; whatever needs rights will be refused by the kernel */
	/* ids that change must not bring capabilities back */
	unsigned long bits = SECBIT_NO_SETUID_FIXUP | SECBIT_KEEP_CAPS;
	if (prctl(PR_SET_SECUREBITS, bits) < 0)
		return -errno;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	uint64_t had = data[0].permitted | (uint64_t)data[1].permitted << 32;
	/* a user namespace may deny it even to its root */
	if ((had & KEPT) == KEPT && syscall(SYS_setgroups, 0, NULL) == 0)
		atomic_store(&worker->broker->acts, true);
	return set_capabilities(had & KEPT, had & (KEPT | SPARE));
}

static bool groups_are(const struct ids *a, const struct ids *b)
{
	return a->group_count == b->group_count && !memcmp(a->groups, b->groups, sizeof(gid_t) * (size_t)a->group_count);
}

#ifndef PIDFD_GET_INFO
struct pidfd_info {
	__u64 mask, cgroupid;
	__u32 pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	__s32 exit_code;
	__u32 coredump_mask, spare;
};
#define PIDFD_INFO_CREDS (1ull << 1)
#define PIDFD_GET_INFO _IOWR(0xFF, 11, struct pidfd_info)
#endif

/* The ids by the cheapest way that cannot be old. Groups change only by setgroups: where the table has it notified they are remembered. */
static int read_ids(struct call *call, struct target *target, bool whole)
{
	uint64_t seen = atomic_load(&call->container->groups_seen);
	bool known = target->ids.group_count >= 0 && target->groups_seen == seen && !atomic_load(&call->container->threads_execute) &&
		     call->table->header->flags & call->container->noted & TABLE_GROUPS_SEEN;
	struct pidfd_info info = {.mask = PIDFD_INFO_CREDS};
	int pidfd = known && !whole ? target_pidfd(target) : -1;
	if (pidfd >= 0 && ioctl(pidfd, PIDFD_GET_INFO, &info) == 0 && info.mask & PIDFD_INFO_CREDS) {
		target->ids.fsuid = info.fsuid;
		target->ids.fsgid = info.fsgid;
		target->ids.euid = info.euid;
		target->ids.egid = info.egid;
		return 0;
	}
	target->groups_seen = seen;
	return target_read_status(target);
}

int assume(struct call *call, bool create)
{
	struct worker *worker = call->worker;
	struct target *target;
	int error;
	bool again = false;
	do {
		target = target_of(call);
		error = target ? read_ids(call, target, create) : -ESRCH;
	} while (error == -ESRCH && target_is_new(call, &again));
	if (error < 0)
		return error;
	const struct ids *ids = &target->ids;
	struct ids *own = &worker->ids;
	if (own->group_count < 0 || !groups_are(own, ids)) {
		own->group_count = -1;
		if (syscall(SYS_setgroups, ids->group_count, ids->groups) < 0)
			return -errno;
		own->fsuid = own->fsgid = (uid_t)-1;
	}
	/* the second call reports what the first one did: setfsuid itself cannot fail visibly */
	if (own->fsgid != ids->fsgid && (syscall(SYS_setfsgid, ids->fsgid), (gid_t)syscall(SYS_setfsgid, ids->fsgid)) != ids->fsgid)
		return -EPERM;
	own->fsgid = ids->fsgid;
	if (own->fsuid != ids->fsuid && (syscall(SYS_setfsuid, ids->fsuid), (uid_t)syscall(SYS_setfsuid, ids->fsuid)) != ids->fsuid)
		return -EPERM;
	own->fsuid = ids->fsuid;
	if (own->group_count < 0) {
		memcpy(own->groups, ids->groups, sizeof(gid_t) * (size_t)ids->group_count);
		own->group_count = ids->group_count;
	}
	if (create && worker->umask != target->umask) {
		(void)umask(target->umask);
		worker->umask = target->umask;
	}
	return 0;
}

/* A peer is told the effective ids of who connects. Not the real ones: those decide who may signal this thread. */
int assume_effective(struct call *call, bool on)
{
	const struct ids *ids = &call->target->ids;
	gid_t gid = on ? ids->egid : 0;
	uid_t uid = on ? ids->euid : 0;
	call->worker->ids.fsuid = call->worker->ids.fsgid = (uid_t)-1; /* they follow the effective ones */
	if (syscall(SYS_setresgid, -1, gid, -1) < 0 || syscall(SYS_setresuid, -1, uid, -1) < 0)
		return -errno;
	return 0;
}

bool roots_are_fixed(const struct call *call)
{
	const struct container *container = call->container;
	return call->table->header->flags & container->noted & TABLE_ROOT_SEEN && container->root >= 0 && container->root_is_mount &&
	       !atomic_load(&container->roots_moved);
}

/* Through the thread's own directory in procfs: whatever its root is now. The caller waits for us, but threads that share its file system
 * context can change it; then we act as it would have a moment later. */
int enter_root(struct call *call)
{
	struct target *target = target_of(call);
	struct container *container = call->container;
	struct statx seen;
	if (!target)
		return -ESRCH;
	bool own = roots_are_fixed(call);
	if (!own) {
		if (statx(target->proc, "root", 0, STATX_INO | STATX_MNT_ID_UNIQUE, &seen) < 0)
			return -errno;
		own = container->root >= 0 && seen.stx_ino == container->root_inode && seen.stx_mnt_id == container->root_mount;
	}
	if (own)
		return call->worker->in_root == container->generation ? 1 : enter_container_root(call) < 0 ? -errno : 1;
	call->worker->in_root = 0;
	atomic_store(&call->worker->stands, container->generation);
	return fchdir(target->proc) < 0 || chroot("root") < 0 ? -errno : 0;
}

int enter_cwd(struct call *call)
{
	struct target *target = target_of(call);
	atomic_store(&call->worker->stands, call->container->generation); /* its root is entered before */
	return !target ? -ESRCH : fchdir(target->proc) < 0 || chdir("cwd") < 0 ? -errno : 0;
}

int enter_container_root(struct call *call)
{
	call->worker->in_root = 0;
	atomic_store(&call->worker->stands, call->container->generation);
	if (fchdir(call->container->root) < 0 || chroot(".") < 0)
		return -errno;
	call->worker->in_root = call->container->generation;
	return 0;
}

/* A root that somebody stands in cannot go away. */
void go_home(struct worker *worker)
{
	worker->in_root = 0;
	if (fchdir(worker->broker->host_root) == 0)
		(void)!chroot("."); /* fails only where entering another one failed, too */
	atomic_store(&worker->stands, 0);
}

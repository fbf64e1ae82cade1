/* Making and joining namespaces, and what is done to the processes beside oneself. */
#include "attack.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int made(long pid) {
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return -1;
	return waitpid((pid_t)pid, NULL, __WALL) == (pid_t)pid ? 0 : -1;
}

static int with_clone(unsigned long flags) { return made(syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, 0L)); }

static int with_clone3(unsigned long flags) {
	struct clone_args arguments = {.flags = flags, .exit_signal = SIGCHLD};
	return made(syscall(SYS_clone3, &arguments, sizeof arguments));
}

static int unshare_user(void) { return unshare(CLONE_NEWUSER); }
static int unshare_mount(void) { return unshare(CLONE_NEWNS); }
static int unshare_network(void) { return unshare(CLONE_NEWNET); }
static int unshare_pid(void) { return unshare(CLONE_NEWPID); }
static int unshare_ipc(void) { return unshare(CLONE_NEWIPC); }
static int unshare_uts(void) { return unshare(CLONE_NEWUTS); }
static int unshare_cgroup(void) { return unshare(CLONE_NEWCGROUP); }
static int unshare_time(void) { return unshare(CLONE_NEWTIME); }
static int unshare_user_and_mount(void) { return unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_FS); }
static int clone_user(void) { return with_clone(CLONE_NEWUSER); }
static int clone_mount(void) { return with_clone(CLONE_NEWNS); }
static int clone_network(void) { return with_clone(CLONE_NEWNET); }
static int clone3_user(void) { return with_clone3(CLONE_NEWUSER); }
static int clone3_mount(void) { return with_clone3(CLONE_NEWNS); }
static int clone3_time(void) { return with_clone3(CLONE_NEWTIME); }

/* clone looks at the low half of its flags alone: a check of all 64 bits for equality would be walked around. */
static int clone_user_high_bits(void) { return with_clone(CLONE_NEWUSER | 1UL << 40); }

static int setns_file(void) {
	int fd = open("/proc/1/ns/uts", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -1 : setns(fd, CLONE_NEWUTS);
}

static int setns_any(void) {
	int fd = open("/proc/1/ns/uts", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -1 : setns(fd, 0); /* 0: whatever kind it is, so a check of the flags sees nothing */
}

static int setns_pidfd(void) {
	int fd = (int)syscall(SYS_pidfd_open, 1, 0);
	return fd < 0 ? -1 : setns(fd, CLONE_NEWUTS);
}

/* More rights than were given: CAP_SYS_ADMIN. */
static int capset_admin(void) {
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {{0, 0, 0}, {0, 0, 0}};
	if (syscall(SYS_capget, &header, data) != 0)
		return -1;
	data[0].effective |= 1U << CAP_SYS_ADMIN;
	data[0].permitted |= 1U << CAP_SYS_ADMIN;
	return (int)syscall(SYS_capset, &header, data);
}

static int ptrace_init(void) { return (int)ptrace(PTRACE_SEIZE, 1, NULL, NULL); }
static int ptrace_traceme(void) { return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL); }

static int word_changed(long wrote, long before) {
	if (wrote < 0)
		return -1;
	long now = 0;
	struct iovec mine = {&now, sizeof now}, theirs = {(void *)(uintptr_t)&init_word, sizeof now};
	if (process_vm_readv(1, &mine, 1, &theirs, 1, 0) != sizeof now)
		return wrote == sizeof now ? 0 : refuse(ENODATA);
	return now != before ? 0 : refuse(ENODATA);
}

static int process_vm_write(void) {
	long value = 4711 + getpid();
	struct iovec mine = {&value, sizeof value}, theirs = {(void *)(uintptr_t)&init_word, sizeof value};
	return word_changed(process_vm_writev(1, &mine, 1, &theirs, 1, 0), init_word);
}

static int process_vm_read(void) {
	long value;
	struct iovec mine = {&value, sizeof value}, theirs = {(void *)(uintptr_t)&init_word, sizeof value};
	return process_vm_readv(1, &mine, 1, &theirs, 1, 0) < 0 ? -1 : 0;
}

static int proc_mem_write(void) {
	long value = 815 + getpid();
	int fd = open("/proc/1/mem", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	return word_changed(pwrite(fd, &value, sizeof value, (off_t)(uintptr_t)&init_word), init_word);
}

static int pidfd_steal(void) {
	int fd = (int)syscall(SYS_pidfd_open, 1, 0);
	return fd < 0 ? -1 : ((int)syscall(SYS_pidfd_getfd, fd, 0, 0) < 0 ? -1 : 0);
}

static int kcmp_init(void) { return syscall(SYS_kcmp, 1, getpid(), 1 /* KCMP_VM */, 0, 0) < 0 ? -1 : 0; }

const struct attack namespace_attacks[] = {
    {"unshare_user", unshare_user},
    {"unshare_mount", unshare_mount},
    {"unshare_network", unshare_network},
    {"unshare_pid", unshare_pid},
    {"unshare_ipc", unshare_ipc},
    {"unshare_uts", unshare_uts},
    {"unshare_cgroup", unshare_cgroup},
    {"unshare_time", unshare_time},
    {"unshare_user_and_mount", unshare_user_and_mount},
    {"clone_user", clone_user},
    {"clone_user_high_bits", clone_user_high_bits},
    {"clone_mount", clone_mount},
    {"clone_network", clone_network},
    {"clone3_user", clone3_user},
    {"clone3_mount", clone3_mount},
    {"clone3_time", clone3_time},
    {"setns_file", setns_file},
    {"setns_any", setns_any},
    {"setns_pidfd", setns_pidfd},
    {"capset_admin", capset_admin},
    {"ptrace_init", ptrace_init},
    {"ptrace_traceme", ptrace_traceme},
    {"process_vm_write", process_vm_write},
    {"process_vm_read", process_vm_read},
    {"proc_mem_write", proc_mem_write},
    {"pidfd_steal", pidfd_steal},
    {"kcmp_init", kcmp_init},
    {NULL, NULL},
};

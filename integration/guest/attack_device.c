/* Devices and the switches of /proc and /sys: they are opened as an attacker would, and never written to. */
#include "attack.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

static int opens(const char *path, int flags) {
	int fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -1 : close(fd);
}

/* The same with a file of the kernel, which a mask covers with the null device. */
static int opens_file(const char *path, int flags) {
	struct stat facts;
	int fd = open(path, flags | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &facts) != 0)
		return -1;
	return S_ISREG(facts.st_mode) ? close(fd) : refuse(EACCES);
}

static int node(mode_t kind, unsigned major_number, unsigned minor_number, int flags) {
	if (mknod(inside("node"), kind | 0600, makedev(major_number, minor_number)) != 0)
		return -1;
	int rc = opens(inside("node"), flags);
	int failure = errno;
	unlink(inside("node"));
	return rc == 0 ? 0 : refuse(failure);
}

static int dev_mem(void) { return node(S_IFCHR, 1, 1, O_RDONLY); }
static int dev_kmsg(void) { return node(S_IFCHR, 1, 11, O_RDONLY | O_NONBLOCK); }
static int dev_tty0(void) { return node(S_IFCHR, 10, 183 /* hwrng: any device that no container is given */, O_RDONLY | O_NONBLOCK); }
static int make_char_node(void) { return mknod(inside("c"), S_IFCHR | 0600, makedev(1, 3)); }
static int make_block_node(void) { return mknod(inside("b"), S_IFBLK | 0600, makedev(7, 0)); }
static int sysrq(void) { return opens_file("/proc/sysrq-trigger", O_WRONLY); }
static int core_pattern(void) { return opens_file("/proc/sys/kernel/core_pattern", O_WRONLY); }
static int modprobe_path(void) { return opens_file("/proc/sys/kernel/modprobe", O_WRONLY); }
static int randomize_va(void) { return opens_file("/proc/sys/kernel/randomize_va_space", O_WRONLY); }
static int kcore(void) { return opens_file("/proc/kcore", O_RDONLY); }
static int uevent_helper(void) { return opens("/sys/kernel/uevent_seqnum", O_RDONLY) == 0 ? opens("/sys/kernel/profiling", O_WRONLY) : -1; }
static int cgroup_procs(void) { return opens("/sys/fs/cgroup/cgroup.procs", O_WRONLY); }

/* Another cgroup of one's own: its processes would not be under the limits and programs of the container's. */
static int cgroup_make(void) {
	if (mkdir("/sys/fs/cgroup/attack", 0755) != 0)
		return -1;
	return rmdir("/sys/fs/cgroup/attack");
}

/* Typing into a terminal as if the keyboard had: it belongs to somebody with more rights once a tool shares its tty. */
static int terminal_input(void) {
	char letter = 'x', name[64];
	int number = 0, unlocked = 0, master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || setsid() < 0 || ioctl(master, TIOCSPTLCK, &unlocked) != 0 || ioctl(master, TIOCGPTN, &number) != 0)
		return -1;
	snprintf(name, sizeof name, "/dev/pts/%d", number);
	int fd = open(name, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ioctl(fd, TIOCSCTTY, 0);
	return ioctl(fd, TIOCSTI, &letter);
}

/* The same request with bits set above the 32 that the kernel looks at. */
static int terminal_input_high_bits(void) {
	char letter = 'x', name[64];
	int number = 0, unlocked = 0, master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || setsid() < 0 || ioctl(master, TIOCSPTLCK, &unlocked) != 0 || ioctl(master, TIOCGPTN, &number) != 0)
		return -1;
	snprintf(name, sizeof name, "/dev/pts/%d", number);
	int fd = open(name, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -1 : (int)syscall(SYS_ioctl, fd, 1UL << 32 | TIOCSTI, &letter);
}

const struct attack device_attacks[] = {
    {"dev_mem", dev_mem},
    {"dev_kmsg", dev_kmsg},
    {"dev_other", dev_tty0},
    {"make_char_node", make_char_node},
    {"make_block_node", make_block_node},
    {"sysrq", sysrq},
    {"core_pattern", core_pattern},
    {"modprobe_path", modprobe_path},
    {"randomize_va_space", randomize_va},
    {"kcore", kcore},
    {"sys_write", uevent_helper},
    {"cgroup_procs", cgroup_procs},
    {"cgroup_make", cgroup_make},
    {"terminal_input", terminal_input},
    {"terminal_input_high_bits", terminal_input_high_bits},
    {NULL, NULL},
};

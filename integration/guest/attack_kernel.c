/* Parts of the kernel that few programs need and many exploits do; the dangerous ones are called with false arguments. */
#include "attack.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <unistd.h>

static int opened(long fd) { return fd < 0 ? -1 : close((int)fd); }

static int bpf_map(void) {
	union bpf_attr attributes;
	memset(&attributes, 0, sizeof attributes);
	attributes.map_type = BPF_MAP_TYPE_ARRAY;
	attributes.key_size = attributes.value_size = 4;
	attributes.max_entries = 1;
	return opened(syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes));
}

static int bpf_program(void) {
	static const struct bpf_insn zero[] = {{.code = 0xb7, .dst_reg = 0, .imm = 0}, {.code = 0x95}};
	union bpf_attr attributes;
	memset(&attributes, 0, sizeof attributes);
	attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attributes.insns = (unsigned long)zero;
	attributes.insn_cnt = 2;
	attributes.license = (unsigned long)"Apache-2.0";
	return opened(syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes));
}

static long bpf(int command, union bpf_attr *attributes) { return syscall(SYS_bpf, command, attributes, sizeof *attributes); }

/* Takes the programs that judge connections away from the container's cgroup, after adding one that allows everything. */
static int bpf_detach(void) {
	static const struct bpf_insn one[] = {{.code = 0xb7, .dst_reg = 0, .imm = 1}, {.code = 0x95}};
	unsigned ids[64];
	union bpf_attr attributes;
	memset(&attributes, 0, sizeof attributes);
	attributes.prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR;
	attributes.expected_attach_type = BPF_CGROUP_INET4_CONNECT;
	attributes.insns = (unsigned long)one;
	attributes.insn_cnt = 2;
	attributes.license = (unsigned long)"Apache-2.0";
	int group = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC), program = (int)bpf(BPF_PROG_LOAD, &attributes);
	if (group < 0 || program < 0)
		return -1;
	memset(&attributes, 0, sizeof attributes);
	attributes.target_fd = (unsigned)group;
	attributes.attach_bpf_fd = (unsigned)program;
	attributes.attach_type = BPF_CGROUP_INET4_CONNECT;
	attributes.attach_flags = BPF_F_ALLOW_MULTI;
	if (bpf(BPF_PROG_ATTACH, &attributes) != 0)
		return -1;
	memset(&attributes, 0, sizeof attributes);
	attributes.query.target_fd = (unsigned)group;
	attributes.query.attach_type = BPF_CGROUP_INET4_CONNECT;
	attributes.query.prog_ids = (unsigned long)ids;
	attributes.query.prog_cnt = 64;
	if (bpf(BPF_PROG_QUERY, &attributes) != 0)
		return -1;
	for (unsigned i = 0, count = attributes.query.prog_cnt; i < count && i < 64; i++) {
		memset(&attributes, 0, sizeof attributes);
		attributes.prog_id = ids[i];
		int attached = (int)bpf(BPF_PROG_GET_FD_BY_ID, &attributes);
		memset(&attributes, 0, sizeof attributes);
		attributes.target_fd = (unsigned)group;
		attributes.attach_bpf_fd = (unsigned)attached;
		attributes.attach_type = BPF_CGROUP_INET4_CONNECT;
		if (attached < 0 || bpf(BPF_PROG_DETACH, &attributes) != 0)
			return -1;
	}
	return 0;
}

static int userfaultfd_any(void) { return opened(syscall(SYS_userfaultfd, 0)); }
static int userfaultfd_user(void) { return opened(syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */)); }

static int io_uring_setup(void) {
	struct io_uring_params parameters;
	memset(&parameters, 0, sizeof parameters);
	return opened(syscall(SYS_io_uring_setup, 2, &parameters));
}

static int io_uring_enter(void) { return reached(syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0), EBADF, 0); }
static int io_uring_register(void) { return reached(syscall(SYS_io_uring_register, -1, 0, NULL, 0), EBADF, EINVAL); }
static int keyctl_join(void) { return syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, "attack") < 0 ? -1 : 0; }
static int add_key(void) { return syscall(SYS_add_key, "user", "attack", "x", 1, -2 /* process keyring */) < 0 ? -1 : 0; }
static int request_key(void) { return reached(syscall(SYS_request_key, "user", "attack:none", NULL, 0), ENOKEY, 0); }

static int perf_event(void) {
	struct perf_event_attr attributes;
	memset(&attributes, 0, sizeof attributes);
	attributes.size = sizeof attributes;
	attributes.type = PERF_TYPE_SOFTWARE;
	attributes.config = PERF_COUNT_SW_CPU_CLOCK;
	return opened(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0));
}

/* Modules and kernels: nothing is ever loaded or removed; the rights are looked at before the arguments. */
static int init_module_call(void) { return reached(syscall(SYS_init_module, NULL, 0UL, ""), EFAULT, ENOEXEC); }
static int finit_module_call(void) { return reached(syscall(SYS_finit_module, -1, "", 0), EBADF, ENOEXEC); }
static int delete_module_call(void) { return reached(syscall(SYS_delete_module, "no-such-module", O_NONBLOCK), ENOENT, 0); }
static int kexec_load_call(void) { return reached(syscall(SYS_kexec_load, 0UL, 4096UL, NULL, 0xdead00UL), EINVAL, EFAULT); }
static int kexec_file_call(void) {
#ifdef SYS_kexec_file_load
	return reached(syscall(SYS_kexec_file_load, -1, -1, 0UL, NULL, 0x8000UL), EINVAL, EBADF);
#else
	return refuse(ENOSYS);
#endif
}

static int reboot_call(void) { return reached(syscall(SYS_reboot, 1, 2, 3, NULL), EINVAL, 0); }
static int swapon_call(void) { return reached(syscall(SYS_swapon, "/no/such/file", 0), ENOENT, 0); }
static int acct_call(void) { return reached(syscall(SYS_acct, "/no/such/file"), ENOENT, 0); }
static int quotactl_call(void) { return reached(syscall(SYS_quotactl, 0x80000700UL, "/no/such/device", 0, NULL), ENOENT, ENOTBLK); }

static int clock_set(void) {
	struct timex never = {.modes = ADJ_TICK, .tick = 1};
	return reached(adjtimex(&never), EINVAL, 0);
}

static int kernel_log(void) { return syscall(SYS_syslog, 10 /* SYSLOG_ACTION_SIZE_BUFFER */, NULL, 0) < 0 ? -1 : 0; }
static int set_hostname(void) { return (int)syscall(SYS_sethostname, "attacked", 8L); }
static int fanotify_call(void) { return opened(syscall(SYS_fanotify_init, 0, 0)); }

static int personality_readable_code(void) { return syscall(SYS_personality, READ_IMPLIES_EXEC) < 0 ? -1 : 0; }

static int io_ports(void) {
#ifdef SYS_iopl
	return (int)syscall(SYS_iopl, 3);
#else
	return refuse(ENOSYS);
#endif
}

static int local_descriptors(void) {
#ifdef SYS_modify_ldt
	char entry[16];
	return syscall(SYS_modify_ldt, 0, entry, sizeof entry) < 0 ? -1 : 0;
#else
	return refuse(ENOSYS);
#endif
}

/* A filter of one's own that asks a listener of one's own: what the policy refuses could be taken over there. */
static int seccomp_listener(void) {
	struct sock_filter notify[] = {{0x06, 0, 0, SECCOMP_RET_USER_NOTIF}};
	struct sock_fprog program = {1, notify};
	struct sock_filter allow[] = {{0x20, 0, 0, 0}, {0x15, 0, 1, 0xffff}, notify[0], {0x06, 0, 0, SECCOMP_RET_ALLOW}};
	program.len = 4;
	program.filter = allow;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) < 0 ? -1 : 0;
}

const struct attack kernel_attacks[] = {
    {"bpf_map", bpf_map},
    {"bpf_program", bpf_program},
    {"bpf_detach", bpf_detach},
    {"userfaultfd", userfaultfd_any},
    {"userfaultfd_user_mode", userfaultfd_user},
    {"io_uring_setup", io_uring_setup},
    {"io_uring_enter", io_uring_enter},
    {"io_uring_register", io_uring_register},
    {"keyctl_join", keyctl_join},
    {"add_key", add_key},
    {"request_key", request_key},
    {"perf_event_open", perf_event},
    {"init_module", init_module_call},
    {"finit_module", finit_module_call},
    {"delete_module", delete_module_call},
    {"kexec_load", kexec_load_call},
    {"kexec_file_load", kexec_file_call},
    {"reboot", reboot_call},
    {"swapon", swapon_call},
    {"acct", acct_call},
    {"quotactl", quotactl_call},
    {"adjtimex", clock_set},
    {"kernel_log", kernel_log},
    {"sethostname", set_hostname},
    {"fanotify_init", fanotify_call},
    {"personality", personality_readable_code},
    {"iopl", io_ports},
    {"modify_ldt", local_descriptors},
    {"seccomp_listener", seccomp_listener},
    {NULL, NULL},
};

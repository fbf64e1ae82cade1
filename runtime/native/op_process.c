/* What a process is told about itself: limits, scheduling, session, names. */
#include "executor_int.h"

#include "signal_abi.h"
#include "socket_abi.h"
#include <linux/keyctl.h>

#define SIOCSIFFLAGS 0x8914
#define IFNAMSIZ 16
#define IFF_UP 1

int op_oom_score(struct run *run, const struct plan_op *op)
{
	char value[24];
	struct text text = text_in(value, sizeof(value));
	text_add_number(&text, (int64_t)op->OOM_SCORE_value);
	return write_proc_file(run->init_pid, "oom_score_adj", value);
}

int op_rlimit(struct run *run, const struct plan_op *op)
{
	uint64_t limit[2] = {op->RLIMIT_soft, op->RLIMIT_hard}, now[2] = {0};
	int pid = run->in_init ? 0 : run->init_pid;
	long ret = op->flags & OPF_OPTIONAL ? SYS(prlimit64, pid, op->RLIMIT_resource, 0, now) : 0;
	for (size_t i = 0; op->flags & OPF_OPTIONAL && i < ARRAY_SIZE(limit); i++)
		limit[i] = now[i] < limit[i] ? now[i] : limit[i];
	return ret < 0 ? (int)ret : (int)SYS(prlimit64, pid, op->RLIMIT_resource, limit, 0);
}

int op_affinity(struct run *run, const struct plan_op *op)
{
	uint64_t every[128]; /* 8192 CPUs, the most that a kernel can be built for */
	if (op->blob_len) {
		long ret = SYS(sched_setaffinity, 0, op->blob_len, plan_blob(run, op));
		return ret < 0 ? (int)ret : 0;
	}
	memset(every, 0xff, sizeof(every));
	return (int)SYS(sched_setaffinity, 0, sizeof(every), every);
}

int op_keyring(struct run *run, const struct plan_op *op)
{
	/* the default rights (possessor everything, user view, read, link) and search for the user */
	const uint32_t rights = 0x3f1b0000;
	long key = SYS(keyctl, KEYCTL_JOIN_SESSION_KEYRING, plan_string(run, op->KEYRING_name), 0, 0, 0);
	if (key == -ENOSYS || key == -EDQUOT) {
		warn_from_op(run, op, (int)-key);
		return 0;
	}
	return key < 0 ? (int)key : (int)SYS(keyctl, KEYCTL_SETPERM, key, rights, 0, 0);
}

int op_lo_up(struct run *run, const struct plan_op *op)
{
	struct {
		char name[IFNAMSIZ];
		short flags;
		char rest[22];
	} request = {.name = "lo", .flags = IFF_UP};
	(void)run;
	(void)op;
	SCOPED_FD(fd) = (int)SYS(socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? fd : (int)SYS(ioctl, fd, SIOCSIFFLAGS, &request);
}

int op_hostname(struct run *run, const struct plan_op *op)
{
	const char *name = plan_string(run, op->HOSTNAME_name);
	return (int)SYS(sethostname, name, strlen(name));
}

int op_domainname(struct run *run, const struct plan_op *op)
{
	const char *name = plan_string(run, op->DOMAINNAME_name);
	return (int)SYS(setdomainname, name, strlen(name));
}

int op_umask(struct run *run, const struct plan_op *op)
{
	(void)run;
	(void)SYS(umask, op->UMASK_mask); /* returns the old mask, cannot fail */
	return 0;
}

int op_setsid(struct run *run, const struct plan_op *op)
{
	(void)run;
	(void)op;
	long ret = SYS(setsid);
	if (ret == -EPERM && SYS(getsid, 0) == SYS(getpid))
		return 0; /* leads its session already */
	return ret < 0 ? (int)ret : 0;
}

int op_scheduler(struct run *run, const struct plan_op *op)
{
	return (int)SYS(sched_setattr, 0, plan_blob(run, op), 0);
}

int op_ioprio(struct run *run, const struct plan_op *op)
{
	(void)run;
	return (int)SYS(ioprio_set, 2 /* IOPRIO_WHO_PGRP */, 0, op->IOPRIO_value);
}

int op_personality(struct run *run, const struct plan_op *op)
{
	(void)run;
	long ret = SYS(personality, op->PERSONALITY_persona);
	return ret < 0 ? (int)ret : 0;
}

int op_mempolicy(struct run *run, const struct plan_op *op)
{
	return (int)SYS(set_mempolicy, op->MEMPOLICY_mode, op->blob_len ? plan_blob(run, op) : NULL, op->MEMPOLICY_maxnode);
}

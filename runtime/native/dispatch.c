/* From op codes to functions, and what OPTIONAL and TOLERATE mean for all of them. */
#include "executor_int.h"

typedef int op_function(struct run *run, const struct plan_op *op);

static op_function *const functions[OP_CODE_END] = {
	[OP_STATE_DIR] = op_state_dir,
	[OP_SAVE_STATE] = op_save_state,
	[OP_SAVE_FILE] = op_save_file,
	[OP_CGROUP_CREATE] = op_cgroup_create,
	[OP_CGROUP_OWNER] = op_cgroup_owner,
	[OP_WRITE_AT] = op_write_at,
	[OP_BPF_DEVICE] = op_bpf_device,
	[OP_FIFO] = op_fifo,
	[OP_OPEN_NS] = op_open_ns,
	[OP_SETNS] = op_setns,
	[OP_TIMENS] = op_timens,
	[OP_USERNS_FD] = op_userns_fd,
	[OP_OPEN_PATH] = op_open_path,
	[OP_OPEN_TREE] = op_open_tree,
	[OP_OPEN_DEVICE] = op_open_device,
	[OP_CONNECT] = op_connect,
	[OP_PIDFD_OPEN] = op_pidfd_open,
	[OP_ID_MAPS] = op_id_maps,
	[OP_OOM_SCORE] = op_oom_score,
	[OP_RLIMIT] = op_rlimit,
	[OP_HOOK] = op_hook,
	[OP_UNSHARE] = op_unshare,
	[OP_AFFINITY] = op_affinity,
	[OP_KEYRING] = op_keyring,
	[OP_LO_UP] = op_lo_up,
	[OP_PROPAGATION] = op_propagation,
	[OP_ROOTFS] = op_rootfs,
	[OP_PRIVATE_PROC] = op_private_proc,
	[OP_MOUNT_FS] = op_mount_fs,
	[OP_MOUNT_TREE] = op_mount_tree,
	[OP_MOUNT_COPY] = op_mount_copy,
	[OP_SET_ATTR] = op_set_attr,
	[OP_MAKE_DIR] = op_make_dir,
	[OP_MAKE_DEV] = op_make_dev,
	[OP_SYMLINK] = op_symlink,
	[OP_PIVOT_ROOT] = op_pivot_root,
	[OP_CONSOLE] = op_console,
	[OP_HOSTNAME] = op_hostname,
	[OP_DOMAINNAME] = op_domainname,
	[OP_SYSCTL] = op_sysctl,
	[OP_READONLY_PATH] = op_readonly_path,
	[OP_MASK_PATH] = op_mask_path,
	[OP_UMASK] = op_umask,
	[OP_SETSID] = op_setsid,
	[OP_SCHEDULER] = op_scheduler,
	[OP_IOPRIO] = op_ioprio,
	[OP_PERSONALITY] = op_personality,
	[OP_MEMPOLICY] = op_mempolicy,
	[OP_LSM_LABEL] = op_lsm_label,
	[OP_NO_NEW_PRIVS] = op_no_new_privs,
	[OP_STDIO_OWNER] = op_stdio_owner,
	[OP_CAP_BOUNDING] = op_cap_bounding,
	[OP_SET_IDS] = op_set_ids,
	[OP_CAP_SET] = op_cap_set,
	[OP_CHDIR] = op_chdir,
	[OP_HOME] = op_home,
	[OP_EXEC_PATH] = op_exec_path,
	[OP_SECCOMP] = op_seccomp,
	[OP_SEND_LISTENER] = op_send_listener,
	[OP_SEND_PIDFD] = op_send_pidfd,
	[OP_PID_FILE] = op_pid_file,
	[OP_FIFO_WAIT] = op_fifo_wait,
	[OP_KEEP_FDS] = op_keep_fds,
	[OP_EXECVE] = op_execve,
	[OP_NOTIFY_SOCKET] = op_notify_socket,
	[OP_REMOUNT] = op_remount,
	[OP_WRITE_FIRST] = op_write_first,
};

int fail_with(struct run *run, enum detail detail, int error)
{
	run->detail = detail;
	return -error;
}

struct text *start_reason(struct run *run)
{
	run->reason = text_in(run->reason_buffer, sizeof(run->reason_buffer));
	return &run->reason;
}

static void warn(struct run *run, const struct plan_op *op, int error)
{
	if (run->in_init) {
		warn_from_op(run, op, error);
		return;
	}
	struct frame frame = {.kind = FRAME_WARNING, .stage = run->stage, .op = (uint32_t)(op - run->plan.ops), .error = error};
	report_op_warning(run, &frame);
}

static bool is_refusal(int error)
{
	return error == -EPERM || error == -EACCES || error == -EROFS;
}

int run_stage(struct run *run, uint32_t stage, const struct plan_op **failed)
{
	run->stage = stage;
	for (uint32_t i = stage_begin(run, stage); i < run->plan.header->stage_end[stage]; i++) {
		const struct plan_op *op = &run->plan.ops[i];
		int ret = functions[op->code](run, op);
		if (ret >= 0 || (ret == -ENOENT && op->flags & OPF_OPTIONAL && op->code != OP_CHDIR))
			continue;
		if (!(is_refusal(ret) && op->flags & OPF_TOLERATE)) {
			*failed = op;
			return ret;
		}
		warn(run, op, -ret);
	}
	return 0;
}

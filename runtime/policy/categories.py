"""Groups of system calls, ioctl requests and prctl options that a policy may name together as @NAME.

Every call of x86_64 is in at least one group; one call may be in several.  `@dangerous` is what no built-in policy allows: each of
these calls either acts on the whole host or has been the way into many kernels.  Pure data.
"""

from runtime.policy.tables.calls import CALLS

KNOWN = frozenset(CALLS.split())

# what reaches beyond the container, or opens parts of the kernel that ordinary programs have no use for
_DANGEROUS = {
    "@mount": """mount umount umount2 pivot_root chroot open_tree open_tree_attr move_mount fsopen fsconfig fsmount fspick mount_setattr
        quotactl quotactl_fd swapon swapoff nfsservctl""",
    "@module": "init_module finit_module delete_module create_module query_module get_kernel_syms",
    "@reboot": "reboot kexec_load kexec_file_load",
    "@debug": """ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd perf_event_open lookup_dcookie process_madvise
        process_mrelease uprobe uretprobe""",
    "@bpf": "bpf",
    "@keyring": "add_key request_key keyctl",
    "@io-uring": "io_uring_setup io_uring_enter io_uring_register",
    "@namespaces": "unshare setns",
    "@clock": "settimeofday clock_settime clock_settime64 clock_adjtime clock_adjtime64 adjtimex stime",
    "@raw-io": "iopl ioperm pciconfig_read pciconfig_write pciconfig_iobase",
    "@kernel": """acct syslog sethostname setdomainname vhangup userfaultfd open_by_handle_at fanotify_init fanotify_mark
        lsm_set_self_attr move_pages migrate_pages rtas spu_create spu_run subpage_prot sys_debug_setcontext listns""",
    "@obsolete": """_sysctl sysfs uselib ustat afs_syscall tuxcall security getpmsg putpmsg vserver idle bdflush break ftime gtty stty
        lock mpx prof profil ulimit epoll_ctl_old epoll_wait_old remap_file_pages""",
}

_CALLS = {
    "@basic-io": """read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 close close_range lseek _llseek dup dup2
        dup3 fcntl fcntl64 ioctl pipe pipe2 sendfile sendfile64 splice tee vmsplice copy_file_range poll ppoll ppoll_time64 select
        _newselect pselect6 pselect6_time64 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2
        io_setup io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_submit io_cancel""",
    "@memory": """brk mmap mmap2 munmap mremap mprotect msync mincore madvise mlock mlock2 munlock mlockall munlockall memfd_create
        memfd_secret pkey_alloc pkey_free pkey_mprotect membarrier mseal map_shadow_stack mbind get_mempolicy set_mempolicy
        set_mempolicy_home_node cachestat cacheflush""",
    "@process": """clone clone3 fork vfork execve execveat exit exit_group wait4 waitid waitpid getpid getppid gettid getpgid getpgrp
        setpgid getsid setsid set_tid_address set_robust_list get_robust_list arch_prctl prctl set_thread_area get_thread_area
        set_tls get_tls modify_ldt rseq rseq_slice_yield futex futex_time64 futex_waitv futex_wake futex_wait futex_requeue
        sched_yield sched_getaffinity sched_setaffinity getcpu getrlimit ugetrlimit setrlimit prlimit64 getrusage times uname
        olduname oldolduname sysinfo personality restart_syscall pidfd_open seccomp landlock_create_ruleset landlock_add_rule
        landlock_restrict_self lsm_get_self_attr lsm_list_modules getrandom riscv_flush_icache riscv_hwprobe swapcontext
        s390_runtime_instr s390_guarded_storage s390_sthyi s390_pci_mmio_read s390_pci_mmio_write switch_endian""",
    "@scheduling": """sched_setscheduler sched_getscheduler sched_setparam sched_getparam sched_setattr sched_getattr
        sched_get_priority_max sched_get_priority_min sched_rr_get_interval sched_rr_get_interval_time64 getpriority setpriority nice
        ioprio_get ioprio_set""",
    "@identity": """getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid setregid setresuid setresgid
        setgroups setfsuid setfsgid capget capset umask getuid32 geteuid32 getgid32 getegid32 getresuid32 getresgid32 getgroups32
        setuid32 setgid32 setreuid32 setregid32 setresuid32 setresgid32 setgroups32 setfsuid32 setfsgid32""",
    "@signal": """kill tkill tgkill pidfd_send_signal rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait
        rt_sigtimedwait_time64 rt_sigqueueinfo rt_tgsigqueueinfo rt_sigsuspend sigaltstack signalfd signalfd4 pause alarm signal
        sigaction sigprocmask sigpending sigreturn sigsuspend sgetmask ssetmask""",
    "@time": """time gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 clock_nanosleep
        clock_nanosleep_time64 nanosleep getitimer setitimer timer_create timer_delete timer_gettime timer_gettime64 timer_settime
        timer_settime64 timer_getoverrun timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64""",
    "@ipc": """shmget shmat shmctl shmdt semget semop semtimedop semtimedop_time64 semctl msgget msgsnd msgrcv msgctl mq_open
        mq_unlink mq_timedsend mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64 mq_notify mq_getsetattr ipc""",
    "@network": """socket socketpair bind listen accept accept4 connect getsockname getpeername sendto recvfrom sendmsg recvmsg
        sendmmsg recvmmsg recvmmsg_time64 send recv shutdown setsockopt getsockopt socketcall""",
    "@filesystem": """open openat openat2 creat access faccessat faccessat2 stat lstat fstat newfstatat fstatat64 stat64 lstat64
        fstat64 statx statfs statfs64 fstatfs fstatfs64 statmount listmount getdents getdents64 readdir getcwd chdir fchdir mkdir
        mkdirat rmdir rename renameat renameat2 link linkat unlink unlinkat symlink symlinkat readlink readlinkat chmod fchmod
        fchmodat fchmodat2 chown chown32 fchown fchown32 lchown lchown32 fchownat mknod mknodat truncate truncate64 ftruncate
        ftruncate64 fallocate fadvise64 fadvise64_64 arm_fadvise64_64 readahead sync syncfs fsync fdatasync sync_file_range
        sync_file_range2 arm_sync_file_range flock utime utimes utimensat utimensat_time64 futimesat inotify_init inotify_init1
        inotify_add_watch inotify_rm_watch name_to_handle_at getxattr lgetxattr fgetxattr getxattrat listxattr llistxattr
        flistxattr listxattrat setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat
        file_getattr file_setattr oldstat oldlstat oldfstat""",
    **_DANGEROUS,
    "@dangerous": " ".join(_DANGEROUS.values()),
}

# what a program does to a terminal that it was given; TIOCSTI and TIOCLINUX, which put words into its input, are in no group
_IOCTLS = {
    "@terminal": """TCGETS TCSETS TCSETSW TCSETSF TCGETS2 TCSETS2 TCSETSW2 TCSETSF2 TCGETA TCSETA TCSETAW TCSETAF TCSBRK TCSBRKP TCXONC
        TCFLSH TIOCGWINSZ TIOCSWINSZ TIOCGPGRP TIOCSPGRP TIOCGSID TIOCSCTTY TIOCNOTTY TIOCOUTQ TIOCEXCL TIOCNXCL TIOCGEXCL TIOCPKT
        TIOCGPKT TIOCGPTN TIOCSPTLCK TIOCGPTLCK TIOCGPTPEER TIOCGETD TIOCMGET TIOCGDEV""",
    "@file": """FIONREAD FIONBIO FIOASYNC FIOCLEX FIONCLEX FIOQSIZE FIOGETOWN FIOSETOWN FIGETBSZ FICLONE FICLONERANGE FIDEDUPERANGE
        FS_IOC_GETFLAGS FS_IOC_SETFLAGS FS_IOC_GETVERSION FS_IOC_FIEMAP FS_IOC_FSGETXATTR BLKGETSIZE BLKGETSIZE64 BLKSSZGET
        BLKPBSZGET BLKBSZGET""",
    "@socket": """SIOCATMARK SIOCGPGRP SIOCSPGRP SIOCGIFCONF SIOCGIFNAME SIOCGIFINDEX SIOCGIFFLAGS SIOCGIFADDR SIOCGIFDSTADDR
        SIOCGIFBRDADDR SIOCGIFNETMASK SIOCGIFMTU SIOCGIFMETRIC SIOCGIFHWADDR SIOCGIFMAP SIOCGIFTXQLEN SIOCGSTAMP_OLD SIOCGSTAMPNS_OLD
        SIOCGSTAMP_NEW SIOCGSTAMPNS_NEW SIOCOUTQNSD""",
}

_PRCTLS = {
    "@ordinary": """PR_SET_PDEATHSIG PR_GET_PDEATHSIG PR_GET_DUMPABLE PR_SET_DUMPABLE PR_GET_KEEPCAPS PR_SET_KEEPCAPS PR_SET_NAME
        PR_GET_NAME PR_GET_SECCOMP PR_SET_SECCOMP PR_CAPBSET_READ PR_CAPBSET_DROP PR_GET_SECUREBITS PR_SET_SECUREBITS
        PR_SET_TIMERSLACK PR_GET_TIMERSLACK PR_SET_CHILD_SUBREAPER PR_GET_CHILD_SUBREAPER PR_SET_NO_NEW_PRIVS PR_GET_NO_NEW_PRIVS
        PR_GET_TID_ADDRESS PR_SET_THP_DISABLE PR_GET_THP_DISABLE PR_CAP_AMBIENT PR_GET_SPECULATION_CTRL PR_SET_SPECULATION_CTRL
        PR_SVE_SET_VL PR_SVE_GET_VL PR_PAC_RESET_KEYS PR_SET_TAGGED_ADDR_CTRL PR_GET_TAGGED_ADDR_CTRL PR_SET_MDWE PR_GET_MDWE
        PR_SET_VMA PR_GET_AUXV PR_RSEQ_SLICE_EXTENSION PR_FUTEX_HASH""",
}

CALL_GROUPS = {name: tuple(dict.fromkeys(text.split())) for name, text in _CALLS.items()}
IOCTL_GROUPS = {name: tuple(text.split()) for name, text in _IOCTLS.items()}
PRCTL_GROUPS = {name: tuple(text.split()) for name, text in _PRCTLS.items()}

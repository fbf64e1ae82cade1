/* What the files of the broker's core share. */
#ifndef POSTERN_BROKER_INT_H
#define POSTERN_BROKER_INT_H

#include "broker.h"
#include "broker_journal.h"
#include "broker_table.h"

#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/types.h>

#define WORKERS_MAX 256u /* with those that replace workers which wait */
#define TARGETS 32u      /* threads of containers that a worker remembers descriptors of */
#define GROUPS_MAX 1024u
#define SEEN_CALLS 1024 /* system call numbers that mode record tells apart */
#define RING 2048u      /* events, a power of two */
#define PATH_SIZE 4096u
#define MOUNTS 16u /* a worker remembers */
/* Ends a thread's wait. No real-time signal: those queue, and a thread that hangs where nothing interrupts it would collect them until
 * nobody of the same user could be sent another one. */
#define INTERRUPT SIGURG
#define RETRIES 8       /* of a resolution that somebody's rename disturbed */
#define STAY_NS 2000000 /* a worker waits no longer for one container alone */

struct loaded { /* a table in memory of its own */
	struct table table;
	struct loaded *next; /* among those in use, or the retired ones */
	uint64_t epoch;
	size_t mapped;
	uint32_t users; /* containers */
};

struct container {
	struct container *next; /* among the retired ones */
	uint64_t epoch, key;
	int listener, index, root; /* root: O_PATH, -1: unknown, nothing is opened on behalf */
	uint32_t generation;
	pid_t init;
	uint64_t exe_dev, exe_ino, root_mount, root_inode, user_ns;
	_Atomic(struct loaded *) loaded;
	_Atomic uint32_t inflight, waits;
	bool told; /* retired: the workers know that they must leave its root */
	_Atomic bool ended; /* nothing more comes of it */
	bool end_taken;     /* and the reader knows; the broker's lock */
	_Atomic bool paused, exempt, gone, removed;
	uint32_t noted;                          /* as in the journal */
	bool root_is_mount;                      /* nothing of its mount namespace lies outside of it */
	_Atomic bool roots_moved;                /* a caller's root may be another one than the container's: it is looked at each time */
	_Atomic bool threads_execute;            /* a thread's number may be another one's by now: its groups are looked at each time */
	_Atomic uint32_t crowd, turns, last_tid; /* broker_stay_host.c */
	_Atomic uint64_t last_ns;                /* when it made the last call */
	_Atomic uint64_t groups_seen;            /* calls of setgroups: what was remembered before the last one may be wrong */
	_Atomic uint64_t seen[SEEN_CALLS / 64];  /* mode record: calls that were told already */
	_Atomic uint64_t received, allowed, denied, continued, asked, timed_out, lost, replayed, lost_events, micros[20];
};

struct ids {
	uid_t fsuid, euid;
	gid_t fsgid, egid;
	int group_count; /* -1: unknown */
	gid_t groups[GROUPS_MAX];
};

/* What a worker keeps open of one thread of a container. The descriptors name the thread itself, never a later one of its number. */
struct target {
	pid_t tid;
	int proc, status, pidfd; /* pidfd: -1 until it is needed */
	uint64_t used, groups_seen, key;
	struct ids ids;
	/* read from status by target_read_status */
	pid_t tgid;
	mode_t umask;
	uint64_t effective, pending; /* capabilities; signals that would interrupt a call */
	uid_t real_uid;
	gid_t real_gid;
	pid_t inner_tgid[8], inner_tid[8]; /* from the broker's pid namespace inwards */
	int levels;
};

enum rest { AWAKE, RESTING, ROUSED };
enum pace { IDLE, BUSY, STAYING }; /* of the clock: asleep; by 20 ms; by STAY_NS */
struct call;
struct sending;
struct worker {
	struct broker *broker;
	pthread_t thread;
	unsigned number;
	_Atomic int prepared;   /* 1: not yet; 0, or -errno: it cannot act for others and has ended */
	bool surplus;           /* replaces one that waits: ends when there is nothing to do */
	_Atomic uint64_t epoch; /* when it began with what it does now, 0: nothing */
	_Atomic uint64_t began_ns;
	_Atomic(struct call *) call;
	_Atomic bool waiting, interrupt, overdue, hangs, alive;
	pthread_mutex_t hold; /* the clock holds it while it looks at `call`, and says so in `watched` */
	_Atomic bool watched;
	_Atomic(struct container *) stay; /* the container that it serves: is not freed meanwhile */
	_Atomic bool holds;               /* nobody else is told of that one's calls */
	_Atomic uint32_t rest;            /* enum rest: whether it may be interrupted */
	_Atomic uint64_t rests;           /* how often it has waited for a call */
	uint64_t rests_seen, received_ns; /* the clock's alone; when it received the call that it is at */
	struct slot *slot;
	_Atomic bool home;       /* to leave the root that it stands in: its container is gone */
	uint32_t in_root;        /* the container in whose own root it stands, 0: another one */
	_Atomic uint32_t stands; /* the container in one of whose directories it stands, 0: at home */
	uint64_t mounts[MOUNTS]; /* that are known not to be procfs */
	struct sending *sending; /* broker_send_host.c, once it is needed */
	struct ids ids;          /* its own at the moment */
	mode_t umask;
	uint64_t clock;
	struct target targets[TARGETS];
	char path[PATH_SIZE], canonical[PATH_SIZE], scratch[2 * PATH_SIZE];
};

/* One call on its way to an answer. */
struct call {
	struct broker *broker;
	struct worker *worker;
	struct container *container;
	const struct table *table;
	struct slot *slot;
	struct table_call entry;
	uint64_t began_ns, ticket;
	struct target *target; /* NULL until something of the thread is needed */
	bool redone;           /* a broker before us died while it carried this out */
	bool granted;          /* ask mode: the handler said yes to `asked` */
	const char *asked;
	uint32_t rule;
	bool denied; /* what is told of it */
	char text[768];
};

/* What a handler decided. */
enum outcome { OUTCOME_VALUE, OUTCOME_ERROR, OUTCOME_CONTINUE, OUTCOME_ASK, OUTCOME_GONE };
struct verdict {
	enum outcome outcome;
	int64_t value; /* or the errno */
	bool denied;   /* the error is the policy's, not the call's own; of OUTCOME_CONTINUE: mode audit, it would have been `value` */
};

struct parked { /* a call that waits for broker_answer; its slot stays taken */
	struct parked *next;
	uint64_t ticket, deadline_ns, began_ns, generation;
	struct slot *slot;
	struct container *container;
	int verdict; /* -1: none yet, -2: the time is over */
	char text[768];
};

struct ring_cell {
	_Atomic uint64_t sequence;
	uint32_t container; /* index: whose share it is of */
	struct broker_event event;
};

struct broker {
	int epoll, wake, resume, proc_fd_dir, proc_dir, stop_fd, host_root;
	unsigned wanted;
	struct journal *journal;
	pthread_mutex_t lock; /* containers, slots, parked calls, workers */
	pthread_t clock;
	bool clock_runs;
	_Atomic bool stopping, signalled;
	_Atomic bool acts; /* the workers may take on callers' ids */
	_Atomic(struct container *) containers[CONTAINERS_MAX];
	uint32_t generation;
	struct slot *free_slots[SLOTS];
	unsigned free_count;
	struct parked *parked, *answered;
	struct loaded *tables, *retired;
	struct container *retired_containers;
	_Atomic uint64_t epoch, ticket;
	_Atomic int available, threads; /* workers that do not wait for somebody else, and all */
	_Atomic uint32_t inflight;      /* calls of all containers */
	_Atomic uint32_t waits;         /* calls that wait for somebody else, of all containers */
	_Atomic int idle;               /* workers that wait for whoever calls */
	_Atomic uint64_t rush_ns;       /* when the last of them took a call */
	_Atomic uint32_t latest;        /* the container whose call was taken from the epoll last */
	sem_t tick;                     /* wakes the clock before its time */
	_Atomic uint32_t pace;          /* enum pace: how often the clock looks */
	_Atomic unsigned started;       /* places among `workers` that were ever used: those before this one */
	_Atomic(struct worker *) workers[WORKERS_MAX];
	struct ring_cell *ring;
	_Atomic uint64_t ring_head, lost_events;
	_Atomic bool ends; /* some container may have ended whose end the reader does not know */
	uint64_t ring_tail;
	_Atomic uint32_t undrained[CONTAINERS_MAX]; /* events of each container in the ring */
	pthread_mutex_t drain;
};

/* broker_loop_host.c */
void *worker_main(void *worker);
int worker_start(struct broker *broker, bool surplus);
/* Around a wait for somebody else (a peer, a slow file system): another worker takes over meanwhile. False: too many wait, give up. */
bool wait_begin(struct call *call);
void wait_end(struct call *call);
uint64_t now_ns(void);
/* broker_decide_host.c */
void decide(struct worker *worker, struct container *container, struct slot *slot, struct parked *parked);
/* broker_answer_host.c */
bool still_valid(const struct call *call);
void finish(struct call *call, struct verdict verdict);
int inject(struct call *call, int fd, bool cloexec); /* the caller's number, or -errno; -ENOENT: it is gone */
void kill_target(struct call *call);
/* broker_tables_host.c */
struct loaded *table_load(struct broker *broker, int fd, int *error); /* for one more user. NULL and -errno in *error */
void table_retire(struct broker *broker, struct loaded *loaded);      /* one user less; the lock is held */
void table_drop(struct broker *broker, struct loaded *loaded);        /* the same for one that no worker has seen; the lock is not */
/* broker_container_host.c */
void container_done(struct broker *broker, struct container *container); /* one call less in flight */
bool has_room(const struct broker *broker, uint32_t inflight, uint32_t limit);
int container_arm(struct broker *broker, struct container *container, int operation);
void container_gone(struct broker *broker, struct container *container);
int container_retire(struct broker *broker, int index, bool forget); /* forget: what the journal knows of it, too */
void reclaim(struct broker *broker);                                 /* frees what no worker can see any more */
bool is_exempt(const struct broker *broker, struct container *container, pid_t pid);
/* broker_journal_host.c */
int journal_open(struct broker *broker, int fd);
struct slot *slot_take(struct broker *broker);
void slot_give(struct broker *broker, struct slot *slot);
void slot_clear(struct slot *slot);
struct root_record *journal_root(struct broker *broker, uint64_t key, bool create);
void journal_note(struct broker *broker, uint64_t key, uint32_t what);
void journal_forget(struct broker *broker, uint64_t key);
/* broker_ask_host.c */
bool park(struct call *call);
void resume_answered(struct worker *worker);
void expire(struct broker *broker, uint64_t now);
/* broker_clock_host.c */
void *clock_main(void *broker);
void clock_wake(struct broker *broker, enum pace pace); /* there is something to watch */
/* broker_event_host.c */
int ring_open(struct broker *broker);
void emit(struct broker *broker, struct container *container, const struct broker_event *event);
void emit_end(struct broker *broker, struct container *container); /* again does nothing */
void emit_decision(struct call *call, enum broker_event_kind kind, int32_t verdict, uint32_t micros);

/* broker_target_host.c: what is read of the caller */
struct target *target_of(struct call *call); /* NULL: it is gone */
void targets_forget(struct worker *worker);
bool target_is_new(struct call *call, bool *again); /* after -ESRCH: forget and try once more */
int target_read_status(struct target *target);
bool is_first_thread(struct call *call);
ssize_t read_text(int fd, char *text, size_t size); /* what fits, and a zero; closes `fd`, which may be -errno. <= 0: nothing */
int target_pidfd(struct target *target);
int target_fd(struct call *call, int fd);                                          /* a duplicate, or -errno */
int copy_in(const struct call *call, uint64_t address, void *to, size_t size);     /* all of it, or -EFAULT */
int copy_string(const struct call *call, uint64_t address, char *to, size_t size); /* its length; -EFAULT, -ENAMETOOLONG */
/* broker_identity_host.c: acting as the caller */
int worker_prepare(struct worker *worker);
int assume(struct call *call, bool create);       /* ids; with create the umask too */
int assume_effective(struct call *call, bool on); /* the euid and egid as well, for what peers are told */
int enter_root(struct call *call);                /* 1: the container's own; 0: another one */
bool roots_are_fixed(const struct call *call);    /* every caller's root is the container's, and no caller can change a mount */
int enter_cwd(struct call *call);
int enter_container_root(struct call *call);
void go_home(struct worker *worker);
int with_capability(uint64_t capabilities, bool on); /* for one step; only those that a worker keeps in reserve */

#define DENIED(call) ((struct verdict){.outcome = OUTCOME_ERROR, .value = (call)->entry.error, .denied = true})
#define FAILED(number) ((struct verdict){.outcome = OUTCOME_ERROR, .value = (number) < 0 ? -(number) : (number)})
#define CONTINUED ((struct verdict){.outcome = OUTCOME_CONTINUE})

/* broker_describe_host.c */
void describe_recorded(struct call *call); /* mode record: absolute paths, a line each; broker_record_host.c */
bool is_recorded(struct call *call);
void await_reader(const struct call *call);
void describe(struct call *call); /* fills call->text as far as registers and one copy of memory tell */
void describe_address(struct call *call, const void *address, size_t size);

#define ASKED_MAX 690                     /* what is longer may have been cut: nobody can say yes to it */
bool is_granted(const struct call *call); /* ask mode: somebody said yes to just what call->text says now */

/* the handlers */
struct verdict handle_open(struct call *call);
struct verdict handle_connect(struct call *call);
struct verdict handle_bind(struct call *call);
struct verdict handle_send(struct call *call);
struct verdict handle_exec(struct call *call);
struct verdict handle_mknod(struct call *call);
struct verdict handle_mount(struct call *call);
struct verdict handle_record(struct call *call);
struct verdict handle_audit(struct call *call); /* what would have been refused, and lets it pass */
int judge_open(struct call *call);              /* mode audit: 0, or the errno that would have been */
int judge_socket(struct call *call);
int judge_change(struct call *call);

#endif

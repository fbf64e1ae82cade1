/* The keeper: what must outlive the broker's worker. It holds every seccomp listener, table and the journal, decides nothing, and starts
 * a new worker when one dies. docs/broker-service.md */
#ifndef POSTERN_KEEPER_H
#define POSTERN_KEEPER_H

#include "front.h"
#include "keeper_state.h"
#include "signal_abi.h"
#include "socket_abi.h"

#define REGISTRATIONS_MAX 4096
#define PEERS_MAX 16
#define WORKERS 2 /* one serves, one waits with everything loaded */
#define PEER_TIMEOUT_MS 5000
#define ADOPT_FD 3 /* with --adopt: the worker of a dead keeper, which hands everything over and goes on serving */
#define LOCK_FD 4  /* and the lock, held */
#define MESSAGE_MAX (sizeof(struct keeper_message) + ID_MAX + METADATA_MAX)

/* Keeper and worker talk in these, one a packet, over a socket pair; runtime/broker/keeper_wire.py packs the same. */
enum keeper_kind {
	KEEPER_HELLO = 1, /* to the worker; descriptors: journal, control and metrics socket. From one that is adopted: its pidfd, too */
	KEEPER_SERVE,     /* to the worker: you are the one that serves; so many registrations follow */
	KEEPER_ADD,       /* to the worker; id and metadata follow; descriptors: listener, and the table when flags has TABLE */
	KEEPER_OVER,      /* to the worker: the registration's time is up, its processes were killed */
	WORKER_READY = 16, /* everything is loaded */
	WORKER_TABLE,     /* a new table for a registration; descriptor: table */
	WORKER_LIMIT,     /* a registration must end at deadline_ns */
	WORKER_GONE,      /* nobody can make a call at this listener any more */
	WORKER_SETTLED,   /* it serves the registrations that were there when it was told to */
};

enum { FLAG_TABLE = 1, FLAG_JOINED = 2 };

struct keeper_message {
	uint32_t kind, flags;
	uint64_t key;
	int32_t pid;
	uint32_t id_size;
	uint64_t exe_device, exe_inode;
	int64_t deadline_ns; /* CLOCK_MONOTONIC, 0: none */
	uint32_t metadata_size, registrations;
};

struct registration {
	uint64_t key; /* 0: free */
	uint64_t generation; /* of the worker that has it */
	int listener, table, pidfd, pid;
	bool joined;
	uint64_t exe_device, exe_inode;
	int64_t deadline_ns;
	char id[ID_MAX], metadata[METADATA_MAX];
};

struct peer {
	int fd, pid;
	int fds[KEEPER_FDS];
	int fd_count;
	size_t size;
	int64_t deadline_ns;
	char *data; /* KEEPER_STATE_MAX bytes */
};

struct worker {
	int pid, pidfd, socket; /* socket -1: none */
	uint64_t generation;
	int64_t started_ns;
	bool ready, serves, settled, blocked; /* blocked: its socket takes no more just now */
};

struct keeper {
	struct front *front;
	const char *python, *entry; /* how the worker is started; NULL: as the launch file says */
	bool foreground, adopts;
	int64_t idle_ns; /* end when nothing was to be done for so long; 0: never */
	int directory, lock, listen, control, metrics, signals, journal;
	struct worker workers[WORKERS];
	struct peer peers[PEERS_MAX];
	struct registration *registrations;
	size_t registered;
	uint64_t last_key, last_generation;
	int64_t active_ns, retry_ns; /* last time of use; no worker is started before */
	unsigned failures;           /* workers in a row that ended before they were ready */
};

#define SECOND_NS 1000000000ll

int64_t keeper_now(void); /* CLOCK_MONOTONIC */

/* keeper_start.c: directory, lock and sockets. 0, 1 when another keeper listens already, or -errno. */
int keeper_open(struct keeper *keeper);
int keeper_close(struct keeper *keeper); /* unlink the socket; 1 when somebody came meanwhile and the keeper must go on */
void keeper_detach(struct keeper *keeper); /* session, cgroup, descriptors, signals */
int keeper_is_used(struct keeper *keeper); /* the lock file was touched since active_ns: a container is about to come */

/* keeper_adopt.c: the worker of a dead keeper and what it has. 0 or -errno */
int keeper_adopt(struct keeper *keeper);

/* keeper_peer.c: those who bring a listener */
void peer_accept(struct keeper *keeper);
void peer_read(struct keeper *keeper, struct peer *peer);
void peer_close(struct peer *peer);

/* keeper_list.c: registrations. -errno when it is not taken; the descriptors are the keeper's in any case */
int registration_add(struct keeper *keeper, const struct process_state *state, const struct peer *peer);
void registration_remove(struct keeper *keeper, struct registration *registration);
struct registration *registration_find(struct keeper *keeper, uint64_t key);
void registration_end(struct keeper *keeper, struct registration *registration); /* its time is up */

/* keeper_worker.c */
void workers_tend(struct keeper *keeper); /* reap, start, promote, send what they do not have yet */
void worker_read(struct keeper *keeper, struct worker *worker);
void worker_tell_over(struct keeper *keeper, const struct registration *registration);

/* keeper_message.c: descriptors in SCM_RIGHTS; the size received, 0 at the end, -errno. Received ones are closed when too many came. */
struct packet {
	void *data;
	size_t size;
	int fds[KEEPER_FDS];
	int fd_count;
};
long packet_send(int socket, const struct packet *packet, unsigned flags);
long packet_receive(int socket, struct packet *packet, unsigned flags);

int keeper_main(struct front *front); /* the verb `broker`; an exit code, or HAND_OVER */

#endif

/* Only in the extension module: the broker's core. Answers the notifications of many seccomp listeners by their tables.
 *
 * Threads of its own do the work; the caller adds and removes listeners and reads events. Every function may be called from any
 * thread, none blocks longer than a lock of microseconds, and errors are -errno. docs/broker.md says what is promised. */
#ifndef POSTERN_BROKER_H
#define POSTERN_BROKER_H

#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>

#define BROKER_CONTINUE (-1) /* a verdict: the kernel carries the call out */

enum broker_event_kind {
	BROKER_DECISION = 1, /* a call was answered */
	BROKER_ASK = 2,      /* a call waits for broker_answer(ticket) */
	BROKER_GONE = 3,     /* the last process under this filter has ended */
};

struct broker_event {
	uint64_t ticket, time_ns, key; /* time: CLOCK_REALTIME, when the call was received */
	uint32_t kind;
	int32_t pid, nr; /* pid: of the thread, as the broker's pid namespace numbers it */
	uint32_t arch;
	uint64_t args[6];
	int32_t verdict; /* 0: carried out; > 0: that errno; BROKER_CONTINUE */
	uint32_t rule;   /* index into the table's rules, BROKER_NO_RULE: none */
	uint32_t handler;
	uint32_t micros; /* from the notification's receipt to its answer */
	uint32_t denied; /* 1: by the policy; 0: an errno in `verdict` is the call's own. In mode audit: it would have been */
	char comm[16];
	char text[768]; /* the arguments that matter, decoded; cut with "..." */
};

#define BROKER_NO_RULE 0xffffffffu

struct broker_stats {
	uint64_t received, allowed, denied, continued; /* answered in these ways */
	uint64_t asked, timed_out;
	uint64_t gone;        /* the caller died or was interrupted before the answer */
	uint64_t replayed;    /* taken from the journal of a broker that died */
	uint64_t lost_events; /* events that found no room in the ring; of all: those of containers that are gone, too */
	uint64_t inflight;
	uint64_t micros[20]; /* answers by duration: element n counts those below 2^n microseconds, the last one all others */
};

struct broker;

/* Maps the journal (sized here when it is new) and starts the threads. NULL and errno. The descriptor stays the caller's. */
struct broker *broker_open(int journal_fd, unsigned threads);
/* Ends the threads and closes the listeners; unanswered calls stay in the journal. Nobody may use the broker any more. */
void broker_close(struct broker *broker);

/* Takes the listener's ownership (on failure too), reads the table, redoes the calls that the journal holds for `key`.
 * exe_dev 0: no launch exemption. >= 0: the index. */
int broker_add(struct broker *broker, uint64_t key, int listener_fd, int table_fd, int init_pid, uint64_t exe_dev, uint64_t exe_ino);
/* The next call is decided by this table. -EINVAL: the table is wrong; the old one stays. */
int broker_swap(struct broker *broker, int index, int table_fd);
/* Closes the listener: its calls fail with ENOSYS unless somebody else holds a duplicate. */
int broker_remove(struct broker *broker, int index);

/* The keys of calls that the journal holds of a broker that died, some perhaps twice; at most `max` of them. */
size_t broker_owed(const struct broker *broker, uint64_t *keys, size_t max);

int broker_wake_fd(const struct broker *broker); /* an eventfd, readable while events wait; the broker's own */
size_t broker_events(struct broker *broker, struct broker_event *out, size_t max);
int broker_answer(struct broker *broker, uint64_t ticket, int verdict); /* 0: let it be done; > 0: that errno. -ENOENT: too late */
void broker_stats(const struct broker *broker, int index, struct broker_stats *stats); /* index < 0: of all together */

/* 0, or -EINVAL and why not in *why: the whole of a table's bytes, checked as broker_add does. */
int broker_table_test(const void *image, size_t size, const char **why);

#endif

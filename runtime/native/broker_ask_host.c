/* Calls that wait for somebody's word, and what is redone from the journal: parked aside, taken up by any worker. */
#define _GNU_SOURCE
#include "broker_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The slot goes with the call; the worker takes another one for the next. */
bool park(struct call *call)
{
	struct broker *broker = call->broker;
	struct parked *parked = calloc(1, sizeof(*parked));
	if (!parked)
		return false;
	if (!call->text[0])
		describe(call);
	call->ticket = atomic_fetch_add(&broker->ticket, 1) + 1;
	*parked = (struct parked){
		.ticket = call->ticket, .slot = call->slot, .container = call->container, .began_ns = call->began_ns, .verdict = -1};
	parked->deadline_ns = now_ns() + (uint64_t)call->table->header->timeout_ms * 1000000u;
	memcpy(parked->text, call->text, sizeof(parked->text));
	if (call->worker->slot == call->slot)
		call->worker->slot = NULL;
	atomic_fetch_add(&call->container->asked, 1);
	(void)pthread_mutex_lock(&broker->lock);
	parked->next = broker->parked;
	broker->parked = parked;
	(void)pthread_mutex_unlock(&broker->lock);
	clock_wake(broker, BUSY);
	emit_decision(call, BROKER_ASK, 0, 0);
	return true;
}

/* With the lock held: to the list that workers take from. */
static void answered(struct broker *broker, struct parked **place, int verdict)
{
	uint64_t one = 1;
	struct parked *parked = *place;
	*place = parked->next;
	parked->verdict = verdict;
	parked->next = broker->answered;
	broker->answered = parked;
	(void)!write(broker->resume, &one, sizeof(one));
}

int broker_answer(struct broker *broker, uint64_t ticket, int verdict)
{
	int found = -ENOENT;
	if (verdict < 0 || verdict > 4095)
		return -EINVAL;
	(void)pthread_mutex_lock(&broker->lock);
	for (struct parked **place = &broker->parked; *place && found < 0; place = &(*place)->next) {
		if ((*place)->ticket == ticket) {
			answered(broker, place, verdict);
			found = 0;
			break;
		}
	}
	(void)pthread_mutex_unlock(&broker->lock);
	return found;
}

void expire(struct broker *broker, uint64_t now)
{
	(void)pthread_mutex_lock(&broker->lock);
	for (struct parked **place = &broker->parked; *place;) {
		struct parked *parked = *place;
		if (parked->deadline_ns > now && !parked->container->removed && !parked->container->gone) {
			place = &parked->next;
			continue;
		}
		atomic_fetch_add(&parked->container->timed_out, 1);
		answered(broker, place, -2);
	}
	(void)pthread_mutex_unlock(&broker->lock);
}

void resume_answered(struct worker *worker)
{
	struct broker *broker = worker->broker;
	uint64_t value;
	if (read(broker->resume, &value, sizeof(value)) < 0)
		return; /* a semaphore: another worker was quicker */
	(void)pthread_mutex_lock(&broker->lock);
	struct parked *parked = broker->answered;
	if (parked)
		broker->answered = parked->next;
	(void)pthread_mutex_unlock(&broker->lock);
	if (!parked)
		return;
	decide(worker, parked->container, parked->slot, parked);
	free(parked);
}

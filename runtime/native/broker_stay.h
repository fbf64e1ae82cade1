/* A worker that waits for the next call of one container. */
#ifndef POSTERN_BROKER_STAY_H
#define POSTERN_BROKER_STAY_H

#include "broker_int.h"

void stay_begin(struct worker *worker, struct container *container);   /* whose event the worker has taken, so that it is not armed */
void stay_release(struct worker *worker, struct container *container); /* the next call is whoever's; the clock may do it, too */
void stay_end(struct worker *worker, struct container *container);
void stay_was_slow(struct container *container);
void stay_note_rush(struct worker *worker, const struct container *container);
bool stay_is_worth_it(struct worker *worker, struct container *container);
bool stay_goes_on(struct worker *worker, struct container *container);
/* Around a wait for a call: the epoch is given up, and only here is a worker interrupted by `rouse`. */
void rest_begin(struct worker *worker);
void rest_end(struct worker *worker);
void rouse(struct worker *worker);

#endif

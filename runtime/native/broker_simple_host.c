/* The handlers that carry nothing out: what they know of the call goes into the event. */
#define _GNU_SOURCE
#include "broker_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* Which program runs is decided where the kernel opens it (Landlock, mounts): by name it cannot be judged without a race. */
struct verdict handle_exec(struct call *call)
{
	if (call->table->header->mode == MODE_RECORD || call->entry.handler == HANDLER_RECORD) {
		describe_recorded(call);
		await_reader(call);
	} else {
		describe(call);
	}
	return CONTINUED;
}

struct verdict handle_mount(struct call *call)
{
	describe(call);
	return DENIED(call);
}

struct verdict handle_record(struct call *call)
{
	if (call->table->header->mode == MODE_RECORD || call->entry.handler == HANDLER_RECORD) {
		describe_recorded(call);
		await_reader(call);
	} else {
		describe(call);
	}
	return CONTINUED;
}

struct verdict handle_audit(struct call *call)
{
	int error = 0;
	uint8_t handler = call->entry.handler;
	if (handler == HANDLER_OPEN)
		error = judge_open(call);
	else if (handler == HANDLER_CONNECT || handler == HANDLER_BIND || handler == HANDLER_SEND)
		error = judge_socket(call);
	else if (handler == HANDLER_CHANGE || handler == HANDLER_MKNOD)
		error = judge_change(call);
	else if (handler == HANDLER_DENY || handler == HANDLER_MOUNT)
		error = call->entry.error;
	return (struct verdict){.outcome = OUTCOME_CONTINUE, .value = error, .denied = error > 0};
}

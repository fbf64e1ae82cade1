/* Control data of a message: descriptors and credentials are the caller's, not ours. */
#define _GNU_SOURCE
#include "broker_send.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

void close_passed(struct sending *sending)
{
	while (sending->passed_count > 0)
		(void)close(sending->passed[--sending->passed_count]);
}

static int pass(struct call *call, struct sending *sending, struct cmsghdr *header)
{
	size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (size_t i = 0; i < count; i++) {
		int fd;
		memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
		if (sending->passed_count == PASSED_MAX)
			return -EINVAL;
		int copy = target_fd(call, fd);
		if (copy < 0)
			return copy;
		sending->passed[sending->passed_count++] = copy;
		memcpy(CMSG_DATA(header) + i * sizeof(int), &copy, sizeof(copy));
	}
	return 0;
}

/* What the kernel would have attached or accepted: the process itself, under one of its ids. Compared as the caller's namespaces number
 * them, which is possible where they are ours too or say the caller's own process. */
static int check_credentials(const struct target *target, const struct cmsghdr *header, struct ucred *own)
{
	struct ucred said;
	if (header->cmsg_len != CMSG_LEN(sizeof(said)))
		return -EINVAL;
	memcpy(&said, CMSG_DATA(header), sizeof(said));
	bool pid = target->levels > 0 && said.pid == target->inner_tgid[target->levels - 1];
	bool uid = said.uid == target->real_uid || said.uid == target->ids.euid,
	     gid = said.gid == target->real_gid || said.gid == target->ids.egid;
	if (!pid || !uid || !gid)
		return -EPERM;
	own->uid = said.uid;
	own->gid = said.gid;
	return 0;
}

/* Source routes would lead elsewhere than the address says. */
static bool is_route(const struct cmsghdr *header)
{
	if (header->cmsg_level == IPPROTO_IP)
		return header->cmsg_type == IP_RETOPTS;
	return header->cmsg_level == IPPROTO_IPV6 && (header->cmsg_type == IPV6_RTHDR || header->cmsg_type == 5 /* IPV6_2292RTHDR */);
}

static void attach_credentials(struct sending *sending, const struct ucred *own)
{
	struct cmsghdr *header = (struct cmsghdr *)(void *)(sending->control + sending->control_size);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_CREDENTIALS;
	header->cmsg_len = CMSG_LEN(sizeof(*own));
	memcpy(CMSG_DATA(header), own, sizeof(*own));
	sending->control_size += CMSG_SPACE(sizeof(*own));
}

int copy_control(struct call *call, struct sending *sending, uint64_t address, size_t size)
{
	bool is_unix = sending->endpoint.domain == AF_UNIX, said = false;
	struct target *target = target_of(call);
	int error = size > CONTROL_MAX ? -ENOBUFS : copy_in(call, address, sending->control, size);
	if (error == 0 && is_unix)
		error = target ? target_read_status(target) : -ESRCH;
	if (error < 0)
		return error;
	struct ucred own = {0};
	if (is_unix)
		own = (struct ucred){.pid = target->tgid, .uid = target->real_uid, .gid = target->real_gid};
	memset(sending->control + size, 0, 64);
	struct msghdr message = {.msg_control = sending->control, .msg_controllen = size};
	for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header && error == 0; header = CMSG_NXTHDR(&message, header)) {
		size_t room = (size_t)(sending->control + size - (char *)header);
		if (header->cmsg_len < sizeof(*header) || header->cmsg_len > room)
			return -EINVAL;
		if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
			error = pass(call, sending, header);
		else if (is_unix && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS) {
			error = check_credentials(target, header, &own);
			memcpy(CMSG_DATA(header), &own, error == 0 ? sizeof(own) : 0);
			said = true;
		} else if (is_route(header) && call->table->header->section[SECTION_EGRESS] != TABLE_NONE)
			error = -EPERM;
	}
	sending->control_size = CMSG_ALIGN(size);
	if (error == 0 && is_unix && !said)
		attach_credentials(sending, &own);
	return error;
}

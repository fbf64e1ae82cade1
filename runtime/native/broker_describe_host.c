/* A call in words, for events: paths and addresses as they are in the caller's memory at the moment. Nothing is decided by them. */
#define _GNU_SOURCE
#include "broker_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

/* Which arguments of a call are what: positions plus one, 0: it has none. */
struct shape {
	int nr;
	const char *name;
	uint8_t dir, path, second, address, length, message, flags, how;
};

static const struct shape shapes[] = {
#ifdef __NR_open
	{__NR_open, "open", .path = 1, .flags = 2},
	{__NR_creat, "creat", .path = 1},
	{__NR_mknod, "mknod", .path = 1, .flags = 2},
#endif
	{__NR_openat, "openat", .dir = 1, .path = 2, .flags = 3},
	{__NR_openat2, "openat2", .dir = 1, .path = 2, .how = 3},
	{__NR_execve, "execve", .path = 1},
	{__NR_execveat, "execveat", .dir = 1, .path = 2, .flags = 5},
	{__NR_mknodat, "mknodat", .dir = 1, .path = 2, .flags = 3},
	{__NR_mount, "mount", .path = 1, .second = 2, .flags = 4},
	{__NR_umount2, "umount2", .path = 1, .flags = 2},
	{__NR_connect, "connect", .address = 2, .length = 3},
	{__NR_bind, "bind", .address = 2, .length = 3},
	{__NR_sendto, "sendto", .address = 5, .length = 6, .flags = 4},
	{__NR_sendmsg, "sendmsg", .message = 2, .flags = 3},
	{__NR_sendmmsg, "sendmmsg", .message = 2, .flags = 4},
};

static void add(struct call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct call *call, const char *format, ...)
{
	size_t used = strlen(call->text), room = sizeof(call->text) - used;
	va_list list;
	va_start(list, format);
	int wanted = vsnprintf(call->text + used, room, format, list);
	va_end(list);
	if (wanted >= (int)room) /* cut */
		memcpy(call->text + sizeof(call->text) - 4, "...", 4);
}

static void add_path(struct call *call, uint64_t address)
{
	char path[PATH_SIZE];
	int length = address ? copy_string(call, address, path, sizeof(path)) : -EFAULT;
	if (length < 0)
		add(call, " <%s>", length == -EFAULT ? "unreadable" : "too long");
	else
		add(call, " %s", path);
}

void describe_address(struct call *call, const void *address, size_t size)
{
	const struct sockaddr *any = address;
	char text[INET6_ADDRSTRLEN];
	if (size >= sizeof(struct sockaddr_in) && any->sa_family == AF_INET) {
		const struct sockaddr_in *in = address;
		add(call, " %s:%u", inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)), ntohs(in->sin_port));
	} else if (size >= 24 && any->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = address;
		add(call, " [%s]:%u", inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text)), ntohs(in6->sin6_port));
	} else if (size > 2 && any->sa_family == AF_UNIX) {
		const struct sockaddr_un *un = address;
		size_t length = size - 2 > sizeof(un->sun_path) ? sizeof(un->sun_path) : size - 2;
		bool abstract = un->sun_path[0] == '\0';
		add(call, " unix:%s%.*s", abstract ? "@" : "", (int)(length - abstract), un->sun_path + abstract);
	} else if (size >= 2) {
		add(call, " family %u", any->sa_family);
	}
}

static void add_address(struct call *call, uint64_t address, uint64_t length)
{
	union {
		struct sockaddr_storage storage;
		char bytes[129];
	} copy = {0};
	size_t size = length > 128 ? 128 : length;
	if (!address || size == 0)
		return;
	if (copy_in(call, address, &copy, size) < 0)
		add(call, " <unreadable>");
	else
		describe_address(call, &copy, size);
}

void describe(struct call *call)
{
	const struct seccomp_notif *notif = &call->slot->notif;
	const uint64_t *args = (const uint64_t *)(const void *)notif->data.args;
	const struct shape *shape = NULL;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		if (shapes[i].nr == notif->data.nr)
			shape = &shapes[i];
	call->text[0] = '\0';
	if (!shape)
		return; /* the numbers in args say it all */
	add(call, "%s", shape->name);
	if (shape->dir && (int32_t)args[shape->dir - 1] != -100)
		add(call, " in %d", (int32_t)args[shape->dir - 1]);
	if (shape->path)
		add_path(call, args[shape->path - 1]);
	if (shape->second)
		add_path(call, args[shape->second - 1]);
	if (shape->address)
		add_address(call, args[shape->address - 1], (uint32_t)args[shape->length - 1]);
	struct msghdr message;
	if (shape->message && copy_in(call, args[shape->message - 1], &message, sizeof(message)) == 0)
		add_address(call, (uint64_t)(uintptr_t)message.msg_name, message.msg_namelen);
	struct open_how how;
	if (shape->how && copy_in(call, args[shape->how - 1], &how, sizeof(how)) == 0)
		add(call, " flags %#llx resolve %#llx", (unsigned long long)how.flags, (unsigned long long)how.resolve);
	if (shape->flags)
		add(call, " flags %#llx", (unsigned long long)args[shape->flags - 1]);
}

#include "broker_int.h"
struct verdict handle_open(struct call *c)
{
	return DENIED(c);
}
struct verdict handle_connect(struct call *c)
{
	return DENIED(c);
}
struct verdict handle_bind(struct call *c)
{
	return DENIED(c);
}
struct verdict handle_send(struct call *c)
{
	return DENIED(c);
}
struct verdict handle_mknod(struct call *c)
{
	return DENIED(c);
}

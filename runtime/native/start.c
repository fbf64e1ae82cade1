/* Process entry and the few memory functions that a compiler takes for granted.  No libc is linked. */
#include "sys.h"

int postern_main(int argc, char **argv, char **envp);

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\txor %ebp,%ebp\n\tmov %rsp,%rdi\n\tand $-16,%rsp\n\tcall start_c\n\thlt\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n\tmov x29,#0\n\tmov x30,#0\n\tmov x0,sp\n\tand sp,x0,#-16\n\tbl start_c\n");
#endif

__attribute__((noreturn, used)) void start_c(long *stack);
__attribute__((noreturn, used)) void start_c(long *stack)
{
	int argc = (int)stack[0];
	char **argv = (char **)(stack + 1);
	(void)SYS(exit_group, postern_main(argc, argv, argv + argc + 1));
	__builtin_unreachable();
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	unsigned char *out = to;
	const unsigned char *in = from;
	for (size_t i = 0; i < size; i++)
		out[i] = in[i];
	return to;
}

void *memmove(void *to, const void *from, size_t size)
{
	unsigned char *out = to;
	const unsigned char *in = from;
	if (out <= in)
		return memcpy(to, from, size);
	for (size_t i = size; i > 0; i--)
		out[i - 1] = in[i - 1];
	return to;
}

void *memset(void *to, int byte, size_t size)
{
	unsigned char *out = to;
	for (size_t i = 0; i < size; i++)
		out[i] = (unsigned char)byte;
	return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const unsigned char *x = a, *y = b;
	for (size_t i = 0; i < size; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

size_t strlen(const char *text)
{
	size_t size = 0;
	while (text[size])
		size++;
	return size;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, (size_t)-1);
}

int strncmp(const char *a, const char *b, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (a[i] != b[i] || !a[i])
			return (unsigned char)a[i] - (unsigned char)b[i];
	return 0;
}

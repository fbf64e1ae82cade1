/* The door to the kernel: raw system calls without a libc.  Every function returns the kernel's value, errors as -errno. */
#ifndef POSTERN_SYS_H
#define POSTERN_SYS_H

#include <asm/unistd.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}
#else
#error "postern's executor knows x86_64 and aarch64"
#endif

/* Arguments of any integer or pointer type become longs: SYS(openat2, dir, path, &how, sizeof(how)). */
#define SYS_L(x) ((long)(x))
#define SYS_0(nr) sys6(nr, 0, 0, 0, 0, 0, 0)
#define SYS_1(nr, a) sys6(nr, SYS_L(a), 0, 0, 0, 0, 0)
#define SYS_2(nr, a, b) sys6(nr, SYS_L(a), SYS_L(b), 0, 0, 0, 0)
#define SYS_3(nr, a, b, c) sys6(nr, SYS_L(a), SYS_L(b), SYS_L(c), 0, 0, 0)
#define SYS_4(nr, a, b, c, d) sys6(nr, SYS_L(a), SYS_L(b), SYS_L(c), SYS_L(d), 0, 0)
#define SYS_5(nr, a, b, c, d, e) sys6(nr, SYS_L(a), SYS_L(b), SYS_L(c), SYS_L(d), SYS_L(e), 0)
#define SYS_6(nr, a, b, c, d, e, f) sys6(nr, SYS_L(a), SYS_L(b), SYS_L(c), SYS_L(d), SYS_L(e), SYS_L(f))
#define SYS_PICK(_0, _1, _2, _3, _4, _5, _6, name, ...) name
#define SYS(...) SYS_(__VA_ARGS__)
#define SYS_(name, ...) SYS_PICK(name, ##__VA_ARGS__, SYS_6, SYS_5, SYS_4, SYS_3, SYS_2, SYS_1, SYS_0, )(__NR_##name, ##__VA_ARGS__)

/* Memory functions that the compiler may call by itself, and strings. start.c */
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t size);

/* Scope-owned file descriptor: `SCOPED_FD(dir) = open...` is closed when it goes out of scope (negative values are not). */
static inline void close_scoped_fd(const int *fd)
{
	if (*fd >= 0)
		(void)SYS(close, *fd);
}
#define SCOPED_FD(name) __attribute__((cleanup(close_scoped_fd))) int name

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif

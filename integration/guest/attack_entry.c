/*
 * The other doors into the kernel: i386 and x32 calls have numbers of their own, which a filter for the native
 * architecture would read as other calls. Elsewhere there are none.
 */
#include "attack.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __x86_64__

/* unshare(CLONE_NEWUSER) in i386's numbers. */
static int int80(void) {
	long rc = 310;
	__asm__ volatile("int $0x80" : "+a"(rc) : "b"(0x10000000UL), "c"(0UL), "d"(0UL) : "memory", "r8", "r9", "r10", "r11");
	rc = (int)rc;
	return rc < 0 ? refuse((int)-rc) : 0;
}

static int int80_getpid(void) {
	long rc = 20;
	__asm__ volatile("int $0x80" : "+a"(rc) : : "memory", "r8", "r9", "r10", "r11");
	return (int)rc == getpid() ? 0 : refuse(rc < 0 ? (int)-rc : EINVAL);
}

/*
 * Code in a 32-bit segment, as a 32-bit program runs. The program lies below 4 GB, so its code needs no copy; the stack
 * does not, so another one is lent.
 */
int in_segment32(int number, void *low_stack);
__asm__(".text\n"
        "in_segment32:\n\t"
        "pushq %rbx\n\tpushq %rbp\n\tpushq %r12\n\tpushq %r13\n\tpushq %r14\n\tpushq %r15\n\t"
        "movq %rsp, segment32_stack(%rip)\n\t"
        "movq %rsi, %rsp\n\t"
        "movl %edi, %eax\n\t"
        "leaq 1f(%rip), %rdx\n\t"
        "pushq $0x23\n\tpushq %rdx\n\tlretq\n"
        ".code32\n"
        "1:\tint $0x80\n\t"
        "ljmp $0x33, $2f\n"
        ".code64\n"
        "2:\tmovq segment32_stack(%rip), %rsp\n\t"
        "popq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbp\n\tpopq %rbx\n\t"
        "ret\n"
        ".bss\n"
        "segment32_stack: .quad 0\n"
        ".text\n");

static int segment32(void) {
	char *low = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (low == MAP_FAILED)
		return -1;
	return in_segment32(20 /* getpid */, low + 16384 - 64) == getpid() ? 0 : refuse(EINVAL);
}

static int x32_getpid(void) { return syscall(0x40000000L | SYS_getpid) == getpid() ? 0 : -1; }
static int x32_unshare(void) { return (int)syscall(0x40000000L | SYS_unshare, 0x10000000L); }

/* A number with bits above the 32 that the kernel looks at. */
static int high_bits(void) { return (int)syscall((long)(1UL << 33 | (unsigned long)SYS_unshare), 0x10000000L); }

const struct attack entry_attacks[] = {
    {"int80_unshare", int80},
    {"int80_getpid", int80_getpid},
    {"segment32_getpid", segment32},
    {"x32_getpid", x32_getpid},
    {"x32_unshare", x32_unshare},
    {"number_high_bits", high_bits},
    {NULL, NULL},
};

#else

const struct attack entry_attacks[] = {{NULL, NULL}};

#endif

/* What the parts of the attack program share; attack.c says how it is called and what it prints. */
#ifndef ATTACK_H
#define ATTACK_H

#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

/* One attack: 0 when it got what it was after, -1 with errno when it was stopped. */
struct attack {
	const char *name;
	int (*run)(void);
};

extern const struct attack namespace_attacks[], kernel_attacks[], device_attacks[], mount_attacks[], socket_attacks[], network_attacks[], route_attacks[],
    write_attacks[], rename_attacks[], exec_attacks[], entry_attacks[];

/* The name of the attack that runs; its files lie in OUTSIDE/name and INSIDE/name. */
extern const char *attack_name;
/* A word in the memory of the container's init, at the same address in each of its children. */
extern volatile long init_word;

/* Where policies let nobody write, and where they let everybody. */
#define OUTSIDE "/outside"
const char *outside(const char *name);
const char *inside(const char *name);

/*
 * For calls that would harm the machine if they were meant: they are made with arguments that the kernel refuses after
 * it has looked at the caller's rights. `rc` as it came, or 0 if errno is one of those that show it came that far.
 */
int reached(long rc, int proof, int other_proof);
/* -1 with errno set. */
int refuse(int number);
/* Whether a file holds other than what it was set up with. */
int expect_changed(const char *path);

#endif

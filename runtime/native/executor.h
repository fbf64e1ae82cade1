/* What front and executor share: hooks saved for later, waiting for processes. */
#ifndef POSTERN_EXECUTOR_H
#define POSTERN_EXECUTOR_H

#include "layout.h"
#include "report.h"

/* A mapped and fully checked plan image. */
struct plan {
	const struct plan_header *header;
	const struct plan_op *ops;
	char *pool; /* private copy: lists in it become pointers */
	size_t pool_size;
};

/* Check an image of `size` bytes in memory against layout.h; 0 or -EBADMSG with *why set. Touches nothing outside it. reader.c
 * (also compiled hosted, under ASan/UBSan, by the fuzz tests). */
int plan_check(void *image, size_t size, struct plan *plan, const char **why);

/* Map a plan image read-only sealed memfd or file privately and check it. reader_map.c */
int plan_map(int fd, struct plan *plan, const char **why);

/* argv[0] == "postern:init": run the plan in fd argv[1]. Returns the exit code of the runtime process. executor.c */
int executor_main(int argc, char **argv, char **envp);

/* argv[0] == "postern:landlock": writes the ABI of the kernel's Landlock as one byte, 0 for none. op_landlock.c */
int landlock_main(void);

/* `postern plan-check FILE...`: 0 when every image is accepted, 1 with one line each otherwise. */
int plan_check_main(int argc, char **argv);

/* Run the ops of one stage (POST or STOP) of <dir>/hooks.plan for a container with this pid and status word.
 * 0; -ENOENT when there is no hooks.plan; otherwise the error was reported and a negative value comes back. hooks.c */
int run_saved_hooks(int state_dir_fd, uint32_t stage, int pid, const char *status, char **envp);

#endif

/* One program, two lives: the executor of a plan, or the front. */
#include "executor.h"
#include "front.h"
#include "keeper.h"

int postern_main(int argc, char **argv, char **envp);

static int run_front(int argc, char **argv, char **envp)
{
	static struct front front;
	static const struct {
		const char *name;
		int (*run)(struct front *front);
	} verbs[] = {{"start", front_start}, {"state", front_state}, {"kill", front_kill}, {"delete", front_delete}, {"broker", keeper_main}};

	front_parse(&front, argc, argv, envp);
	for (size_t i = 0; front.understood && i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(front.verb, verbs[i].name) != 0)
			continue;
		int code = verbs[i].run(&front);
		if (code != HAND_OVER)
			return code;
	}
	return hand_over(&front);
}

int postern_main(int argc, char **argv, char **envp)
{
	if (argc > 0 && strcmp(argv[0], "postern:init") == 0)
		return executor_main(argc, argv, envp);
	if (argc > 0 && strcmp(argv[0], "postern:landlock") == 0)
		return landlock_main();
	if (argc > 1 && strcmp(argv[1], "plan-check") == 0)
		return plan_check_main(argc, argv);
	return run_front(argc, argv, envp);
}

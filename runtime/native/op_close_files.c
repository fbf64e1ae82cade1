/* A policy's files: everything read-only and noexec but the places that it opens. */
#include "executor_int.h"

#include <linux/mount.h>
#include <asm/stat.h>

struct place {
	int tree; /* a copy of the place with all that is mounted in it; -1: there is no such place */
	const char *path;
};

/* What is said of a failure when the operation is not it: "PATH": reason. */
static int place_failed(struct run *run, const char *path, int error)
{
	if (run->detail != DETAIL_ERRNO)
		return error;
	struct text *text = start_reason(run);
	text_add(text, "\"");
	text_add(text, path);
	text_add(text, "\": ");
	text_add(text, errno_text(-error));
	return fail_with(run, DETAIL_REASON, -error);
}

/* What stays as it is while everything around it is closed: a copy of it, attached again afterwards.  Mounts below that nobody knows of
 * keep their own attributes in it, and are closed with the rest outside of it. */
static int copy_place(struct run *run, struct place *place, uint64_t attributes)
{
	struct mount_attr attr = {.attr_set = attributes, .propagation = MS_PRIVATE};
	SCOPED_FD(target) = in_root_plain(place->path, OPF_OPTIONAL);
	if (target == -ENOENT)
		return 0; /* images differ */
	if (target < 0)
		return target;
	if (is_same_place(AT_FDCWD, target))
		return refuse_root(run);
	place->tree = (int)SYS(open_tree, target, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	return place->tree < 0 ? place->tree : (int)SYS(mount_setattr, place->tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr));
}

static bool is_same_file(int one, int other)
{
	struct stat facts[2];
	return SYS(fstat, one, &facts[0]) >= 0 && SYS(fstat, other, &facts[1]) >= 0 && facts[0].st_dev == facts[1].st_dev &&
	       facts[0].st_ino == facts[1].st_ino;
}

static int put_back(const struct place *place)
{
	if (place->tree < 0)
		return 0;
	SCOPED_FD(target) = in_root_plain(place->path, 0);
	if (target < 0)
		return target;
	if (!is_same_file(place->tree, target)) /* somebody renames things in a volume meanwhile */
		return -ESTALE;
	return tree_attach(place->tree, target);
}

static int close_around(uint64_t attributes)
{
	struct mount_attr attr = {.attr_set = attributes, .propagation = MS_PRIVATE};
	SCOPED_FD(root) = in_root_open(AT_FDCWD, "/", 0, 0);
	return root < 0 ? root : (int)SYS(mount_setattr, root, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr));
}

static int close_files(struct run *run, const struct plan_op *op, struct place *places, size_t *count)
{
	char **words = plan_list(run, op);
	int ret = 0;
	for (; ret >= 0 && words[0] && words[1]; words += 2, ++*count) {
		uint64_t attributes;
		if (*count >= PLAN_PLACES_MAX || !parse_number(words[0], strlen(words[0]), &attributes))
			return -EPROTO;
		places[*count] = (struct place){-1, words[1]};
		ret = copy_place(run, &places[*count], attributes);
		if (ret < 0)
			ret = place_failed(run, words[1], ret);
	}
	if (ret >= 0)
		ret = close_around(op->CLOSE_FILES_set);
	for (size_t i = 0; ret >= 0 && i < *count; i++) {
		ret = put_back(&places[i]);
		if (ret < 0)
			ret = place_failed(run, places[i].path, ret);
	}
	return ret;
}

int op_close_files(struct run *run, const struct plan_op *op)
{
	struct place places[PLAN_PLACES_MAX];
	size_t count = 0;
	int ret = close_files(run, op, places, &count);
	for (size_t i = 0; i < count; i++)
		close_scoped_fd(&places[i].tree);
	return ret;
}

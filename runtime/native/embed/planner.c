/* The planner's own interpreter: CPython linked in, every hot module frozen, nothing searched for and nothing else set up.
 *
 * Called by the front for create, run and exec:  planner PYTHON ENTRY EXE_FD ARGUMENT...
 * Only the interpreter's core is initialised (PEP 587, "multi-phase initialization"): no sys.path but our own, no stdio, no codecs
 * registry, no site.  That halves the cost of a start.  Whatever goes wrong in here, from a missing module to a bad config, is nobody's
 * to explain in here: the same command line is given to the stock interpreter (PYTHON -I -S -B ENTRY EXE_FD ARGUMENT...), which
 * has everything that good error texts need.  That is sound since planning changes nothing: the only thing with an effect is the
 * execve of the executor, after which this program no longer exists.
 *
 * Built only where the interpreter comes as a static library (Debian's libpythonX.Y-dev); the front does without it otherwise. */
#include <Python.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/* frozen_modules (struct _frozen[]) and frozen_sites (const char *[], relative ones are relative to ENTRY's directory) */
#include "frozen.h"

extern char **environ;

static void leave_to_stock(int argc, char **argv, int cwd)
{
	char *arguments[argc + 3];
	int count = 0;
	if (cwd < 0 || fchdir(cwd) != 0)
		_exit(1);
	arguments[count++] = argv[1];
	arguments[count++] = "-I";
	arguments[count++] = "-S";
	arguments[count++] = "-B";
	for (int i = 2; i < argc; i++)
		arguments[count++] = argv[i];
	arguments[count] = NULL;
	execve(argv[1], arguments, environ);
	_exit(1);
}

/* sys.path, for the one extension module that is loaded by its path (pydantic-core's) */
static int set_path(const char *entry)
{
	const char *slash = strrchr(entry, '/');
	int directory_size = slash ? (int)(slash - entry) : 0;
	PyObject *path = PyList_New(0);
	for (size_t i = 0; path && frozen_sites[i]; i++) {
		const char *site = frozen_sites[i];
		char absolute[PATH_MAX];
		int size = site[0] == '/' ? snprintf(absolute, sizeof(absolute), "%s", site)
					  : snprintf(absolute, sizeof(absolute), "%.*s/%s", directory_size, entry, site);
		PyObject *text = size < (int)sizeof(absolute) ? PyUnicode_DecodeFSDefault(absolute) : NULL;
		if (!text || PyList_Append(path, text) != 0)
			Py_CLEAR(path);
		Py_XDECREF(text);
	}
	int result = path ? PySys_SetObject("path", path) : -1;
	Py_XDECREF(path);
	return result;
}

static int initialize(int argc, char **argv)
{
	PyPreConfig before;
	PyPreConfig_InitIsolatedConfig(&before);
	before.utf8_mode = 1;
	PyStatus status = Py_PreInitialize(&before);
	if (PyStatus_Exception(status))
		return -1;
	PyConfig config;
	PyConfig_InitIsolatedConfig(&config);
	config._init_main = 0;
	config.site_import = 0;
	config.write_bytecode = 0;
	config.install_signal_handlers = 0;
	config.parse_argv = 0;
	config.pathconfig_warnings = 0;
	config.module_search_paths_set = 1;
	/* everything that getpath would otherwise look for in the file system */
	static const wchar_t nowhere[] = L"/";
	wchar_t **const places[] = {&config.program_name, &config.executable, &config.base_executable, &config.prefix,
				    &config.base_prefix, &config.exec_prefix, &config.base_exec_prefix, &config.stdlib_dir};
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (PyStatus_Exception(PyConfig_SetString(&config, places[i], nowhere)))
			return -1;
	if (PyStatus_Exception(PyConfig_SetBytesArgv(&config, argc, argv)))
		return -1;
	PyImport_FrozenModules = frozen_modules;
	status = Py_InitializeFromConfig(&config);
	return PyStatus_Exception(status) ? -1 : 0;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 1;
	int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (initialize(argc - 4, argv + 4) != 0 || set_path(argv[2]) != 0)
		leave_to_stock(argc, argv, cwd);
	PyGC_Disable(); /* what one plan allocates is never garbage */
	PyObject *arguments = PyList_New(0);
	for (int i = 4; arguments && i < argc; i++) {
		PyObject *text = PyUnicode_DecodeUTF8(argv[i], (Py_ssize_t)strlen(argv[i]), "surrogateescape");
		if (!text || PyList_Append(arguments, text) != 0)
			Py_CLEAR(arguments);
		Py_XDECREF(text);
	}
	PyObject *module = arguments ? PyImport_ImportModule("runtime.cli.hot") : NULL;
	if (module)
		Py_XDECREF(PyObject_CallMethod(module, "launch", "iO", atoi(argv[3]), arguments));
	leave_to_stock(argc, argv, cwd);
}

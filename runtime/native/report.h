/* Errors and the --log file, runc's way: with --log the plain line goes to stderr too; without, a logrus line does. */
#ifndef POSTERN_REPORT_H
#define POSTERN_REPORT_H

#include "text.h"

struct report {
	const char *log_path; /* or NULL; appended, 0644 */
	bool json;
	bool debug;
};

extern struct report report_to; /* set once by the front's argv or the plan's header */

void report_error(const char *line);   /* level=error; the only thing an engine reads */
void report_warning(const char *line); /* level=warning */
void report_debug(const char *line);   /* only with --debug */

#endif

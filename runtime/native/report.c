/* Errors and the --log file. One record is one write(2), so that records of concurrent runtimes do not mix. */
#include "report.h"

#include <linux/fcntl.h>
#include <linux/errno.h>
#include <linux/time.h>
#include <linux/time_types.h>

#define RECORD_MAX 16384
#define RECORD_TAIL 64 /* always left for what follows the message */

struct report report_to;

static void write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		long done = SYS(write, fd, data, size);
		if (done == -EINTR)
			continue;
		if (done <= 0)
			return; /* nobody listens: nothing is left to tell it with */
		data += done;
		size -= (size_t)done;
	}
}

static void add_padded(struct text *text, int64_t number)
{
	if (number < 10)
		text_add(text, "0");
	text_add_number(text, number);
}

/* RFC 3339 in UTC: containerd's shim refuses a whole log when one time does not parse. */
static void add_time(struct text *text)
{
	struct __kernel_timespec now = {0, 0};
	(void)SYS(clock_gettime, CLOCK_REALTIME, &now);
	int64_t days = now.tv_sec / 86400, second = now.tv_sec % 86400;
	/* civil date of a day count, eras of 400 years that begin on 1 March */
	int64_t shifted = days + 719468, era = shifted / 146097, day_of_era = shifted % 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t shifted_month = (5 * day_of_year + 2) / 153;
	int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
	text_add_number(text, year_of_era + era * 400 + (month <= 2));
	text_add(text, "-");
	add_padded(text, month);
	text_add(text, "-");
	add_padded(text, day_of_year - (153 * shifted_month + 2) / 5 + 1);
	text_add(text, "T");
	add_padded(text, second / 3600);
	text_add(text, ":");
	add_padded(text, second / 60 % 60);
	text_add(text, ":");
	add_padded(text, second % 60);
	text_add(text, "Z");
}

/* One logrus record, as text or as JSON. */
static void add_record(struct text *record, const char *level, const char *line)
{
	size_t size = record->size;
	record->size -= RECORD_TAIL;
	if (report_to.json) {
		text_add(record, "{\"level\":\"");
		text_add(record, level);
		text_add(record, "\",\"msg\":\"");
		text_add_json(record, line);
		record->size = size;
		text_add(record, "\",\"time\":\"");
		add_time(record);
		text_add(record, "\"}\n");
	} else {
		text_add(record, "time=\"");
		add_time(record);
		text_add(record, "\" level=");
		text_add(record, level);
		text_add(record, " msg=\"");
		text_add_json(record, line);
		record->size = size;
		text_add(record, "\"\n");
	}
}

static void write_line(const char *line)
{
	char buffer[RECORD_MAX];
	struct text text = text_in(buffer, sizeof(buffer));
	text_add_bytes(&text, line, strlen(line) < RECORD_MAX - 256 ? strlen(line) : RECORD_MAX - 256);
	for (size_t i = 0; i < text.length; i++) /* names in it may be an image's: one line, and no orders to a terminal */
		if ((unsigned char)buffer[i] < 0x20 || buffer[i] == 0x7f)
			buffer[i] = ' ';
	text_add(&text, "\n");
	write_all(2, text.data, text.length);
}

static void log_record(const char *level, const char *line)
{
	char buffer[RECORD_MAX];
	struct text record = text_in(buffer, sizeof(buffer));
	add_record(&record, level, line);
	if (!report_to.log_path) {
		write_all(2, record.data, record.length);
		return;
	}
	SCOPED_FD(fd) = (int)SYS(openat, AT_FDCWD, report_to.log_path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_CLOEXEC, 0644);
	if (fd >= 0) {
		write_all(fd, record.data, record.length);
		return;
	}
	char failure[5000];
	struct text text = text_in(failure, sizeof(failure));
	text_add(&text, "unable to open the log ");
	text_add(&text, report_to.log_path);
	text_add(&text, ": ");
	text_add(&text, errno_text(fd));
	write_line(text.data);
}

void report_error(const char *line)
{
	if (report_to.log_path)
		write_line(line); /* first: podman shows the first line that it knows */
	log_record("error", line);
}

void report_warning(const char *line)
{
	log_record("warning", line);
}

void report_debug(const char *line)
{
	if (report_to.debug)
		log_record("debug", line);
}

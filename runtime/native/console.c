/* The foreground terminal: the caller's terminal in raw mode, copied to and from the container's pty. */
#include "executor_int.h"

#include "signal_abi.h"
#include <asm/ioctls.h>
#include <asm/termbits.h>

struct window {
	uint16_t rows, columns, x, y;
};

static void make_raw(struct termios *mode)
{
	mode->c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	mode->c_oflag &= ~(tcflag_t)OPOST;
	mode->c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
	mode->c_cflag = (mode->c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
	mode->c_cc[VMIN] = 1;
	mode->c_cc[VTIME] = 0;
}

void tty_open(struct tty_proxy *tty, int master)
{
	struct termios mode;
	_Static_assert(sizeof(mode) <= sizeof(tty->saved), "a terminal's mode fits");
	tty->master = master;
	tty->input = true;
	if (master < 0)
		return;
	(void)SYS(fcntl, master, F_SETFL, O_RDWR | O_NONBLOCK);
	if (SYS(ioctl, 0, TCGETS, &mode) < 0)
		return; /* stdin is no terminal: bytes are copied all the same */
	memcpy(tty->saved, &mode, sizeof(mode));
	make_raw(&mode);
	tty->raw = SYS(ioctl, 0, TCSETS, &mode) >= 0;
	tty_resize(tty);
}

void tty_resize(const struct tty_proxy *tty)
{
	struct window window;
	if (SYS(ioctl, 0, TIOCGWINSZ, &window) >= 0 && window.rows)
		(void)SYS(ioctl, tty->master, TIOCSWINSZ, &window);
}

void tty_input(struct tty_proxy *tty)
{
	if (!tty->pending) {
		long got = SYS(read, 0, tty->buffer, sizeof(tty->buffer));
		if (got == -EINTR || got == -EAGAIN)
			return;
		tty->input = got > 0;
		tty->pending = got > 0 ? (size_t)got : 0;
		tty->done = 0;
	}
	if (!tty->pending || tty->master < 0)
		return;
	long put = SYS(write, tty->master, tty->buffer + tty->done, tty->pending);
	if (put == -EAGAIN || put == -EINTR)
		return;
	if (put < 0)
		put = (long)tty->pending; /* nobody reads it any more */
	tty->done += (size_t)put;
	tty->pending -= (size_t)put;
}

bool tty_output(struct tty_proxy *tty)
{
	char data[4096];
	long got = SYS(read, tty->master, data, sizeof(data));
	if (got == -EAGAIN || got == -EINTR)
		return true;
	for (long at = 0; at < got;) {
		long put = SYS(write, 1, data + at, got - at);
		if (put == -EINTR)
			continue;
		if (put == -EAGAIN) { /* the caller's end is non-blocking: wait until it takes more */
			struct poll_entry polled = {1, POLLOUT, 0};
			(void)SYS(ppoll, &polled, 1, 0, 0, 8);
			continue;
		}
		if (put <= 0)
			break; /* the caller reads no more: the container must not block on it */
		at += put;
	}
	return got > 0;
}

void tty_close(struct tty_proxy *tty)
{
	if (tty->master >= 0) {
		struct poll_entry polled = {tty->master, POLLIN, 0};
		struct {
			int64_t seconds, nanoseconds;
		} now = {0, 0};
		while (SYS(ppoll, &polled, 1, &now, 0, 8) > 0 && polled.seen & POLLIN && tty_output(tty))
			;
		(void)SYS(close, tty->master);
		tty->master = -1;
	}
	if (tty->raw)
		(void)SYS(ioctl, 0, TCSETS, tty->saved);
	tty->raw = false;
}

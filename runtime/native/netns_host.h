/* Network namespaces of the calling thread, for the extension module alone. */
#ifndef POSTERN_NETNS_HOST_H
#define POSTERN_NETNS_HOST_H

int netns_make(void);          /* a new one, which the thread does not stay in: fd or -errno */
int netns_own(void);           /* the thread's: fd or -errno */
int netns_enter(int netns_fd); /* 0 or -errno */

#endif

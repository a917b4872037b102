#ifndef COMMON_FDS_H
#define COMMON_FDS_H
/* After a fork without exec: closes every descriptor above 2 but those n. */
void fds_keep_only(const int *keep, unsigned n);
#endif

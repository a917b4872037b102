#ifndef SMTPD_STS_H
#define SMTPD_STS_H
/*
 * Policies of MTA-STS (RFC 8461) from files: which hosts may take mail for a
 * domain, and that they must prove their names by TLS.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/view.h"

enum { STS_MX_MAX = 32, STS_FILE_MAX = 65536, STS_DOMAINS_MAX = 10000 };

enum sts_mode { STS_NONE, STS_TESTING, STS_ENFORCE };

struct sts_policy {
	char domain[256];
	enum sts_mode mode;
	char *mx[STS_MX_MAX]; /* owned; lower-case, may begin with "*." */
	unsigned mx_n;
};

/* Reads a policy (3.2).  Pure.  False: it is none; out is empty then. */
bool sts_parse(struct view text, struct sts_policy *out);
void sts_free(struct sts_policy *);
/* 4.1: "*" stands for one label, the leftmost. */
bool sts_mx_ok(const struct sts_policy *, const char *host);

/* Reads all files of the directory, once; a file that is none is named in the
 * log and does not count.  "": no policies.  False: err is one line. */
bool sts_load(const char *directory, char *err, size_t size);
/* NULL: there is none. */
const struct sts_policy *sts_find(const char *domain);
#endif

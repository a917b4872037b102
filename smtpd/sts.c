/* MTA-STS policies.  Runs in: relay (reads them), sender. */
#define _GNU_SOURCE
#include "smtpd/sts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/address.h"
#include "common/log.h"
#include "common/msg.h"

static struct sts_policy *policies;
static unsigned policy_n;

void
sts_free(struct sts_policy *p)
{
	for (unsigned i = 0; i < p->mx_n; i++)
		free(p->mx[i]);
	memset(p, 0, sizeof(*p));
}

static bool
add_mx(struct sts_policy *p, struct view v)
{
	char name[256];
	struct view plain = v;

	if (view_casestarts(v, "*."))
		plain = (struct view){ v.p + 2, v.n - 2 };
	if (!domain_valid(plain) || plain.p[0] == '[' ||
	    !view_copy(v, name, sizeof(name)))
		return false;
	if (p->mx_n == STS_MX_MAX) /* more are not used */
		return true;
	for (char *c = name; *c != '\0'; c++)
		*c = (char)ascii_lower(*c);
	p->mx[p->mx_n] = strdup(name);
	return p->mx[p->mx_n] != NULL && p->mx_n++ < STS_MX_MAX;
}

bool
sts_parse(struct view text, struct sts_policy *out)
{
	bool version = false, mode = false, good = true;

	memset(out, 0, sizeof(*out));
	while (text.n > 0 && good) {
		struct view value = view_split(&text, '\n', NULL);
		if (value.n > 0 && value.p[value.n - 1] == '\r')
			value.n--;
		struct view key = view_trim(view_split(&value, ':', NULL));
		value = view_trim(value);
		if (view_eqs(key, "version"))
			good = version = view_eqs(value, "STSv1");
		else if (view_eqs(key, "mx"))
			good = add_mx(out, value);
		else if (view_eqs(key, "mode") && !mode) {
			mode = true;
			out->mode = view_eqs(value, "enforce")	 ? STS_ENFORCE
				    : view_eqs(value, "testing") ? STS_TESTING
								 : STS_NONE;
			good = out->mode != STS_NONE || view_eqs(value, "none");
		} /* max_age is for who fetches it; others are for later */
	}
	good =
	    good && version && mode && (out->mode == STS_NONE || out->mx_n > 0);
	if (!good)
		sts_free(out);
	return good;
}

bool
sts_mx_ok(const struct sts_policy *p, const char *host)
{
	const char *dot = strchr(host, '.');

	for (unsigned i = 0; i < p->mx_n; i++) {
		const char *mx = p->mx[i];
		if (strncmp(mx, "*.", 2) == 0
			? dot != NULL && dot != host &&
			      strcasecmp(dot + 1, mx + 2) == 0
			: strcasecmp(host, mx) == 0)
			return true;
	}
	return false;
}

/* ---- files ---- */

static void
load_one(int dir, const char *name)
{
	static char text[STS_FILE_MAX];
	struct sts_policy p;
	struct stat st;
	ssize_t n = -1;
	int fd =
	    openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd != -1 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size < STS_FILE_MAX)
		n = read(fd, text, sizeof(text));
	close_fd(&fd);
	if (n < 0 || !domain_valid(view_of(name)) ||
	    !sts_parse((struct view){ text, (size_t)n }, &p)) {
		log_warn("warning: mta_sts_policies: %s is no policy of a "
			 "domain; it is left out",
		    name);
		return;
	}
	struct sts_policy *more =
	    realloc(policies, (policy_n + 1) * sizeof(*policies));
	if (more == NULL) {
		sts_free(&p);
		return;
	}
	snprintf(p.domain, sizeof(p.domain), "%s", name);
	policies = more;
	policies[policy_n++] = p;
}

bool
sts_load(const char *directory, char *err, size_t size)
{
	struct dirent *e;

	if (directory[0] == '\0')
		return true;
	DIR *d = opendir(directory);
	if (d == NULL) {
		snprintf(err, size, "mta_sts_policies %s: %s", directory,
		    strerror(errno));
		return false;
	}
	while (policy_n < STS_DOMAINS_MAX && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			load_one(dirfd(d), e->d_name);
	closedir(d);
	return true;
}

const struct sts_policy *
sts_find(const char *domain)
{
	for (unsigned i = 0; i < policy_n; i++)
		if (strcasecmp(policies[i].domain, domain) == 0)
			return &policies[i];
	return NULL;
}

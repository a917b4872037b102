/*
 * Taking up a new configuration, renewed certificates, a new program.  Runs in:
 * master.
 *
 * Each begins beside what serves, and takes its place when it has proved that
 * it works.  One at a time: what is asked for meanwhile is done afterwards.
 */
#define _GNU_SOURCE
#include "common/reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "common/cert_watch.h"
#include "common/listen.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/notify.h"
#include "common/running.h"
#include "common/service.h"
#include "common/upgrade.h"

enum { RETIRE_MS = 10000 };

static struct config *config_before; /* while reloading */
static bool reloading;
static bool certs_again;
static bool reload_again;      /* asked for while it could not be */
static struct group *replaced; /* a reload ends when it takes no clients */
static struct timer *replaced_timer;
static struct watch *successor_watch;
static int successor_fd = -1;

void
reload_if_asked(void)
{
	if (reload_again)
		reload(NULL);
	else if (certs_again)
		reload_certificates();
}

/* ---- reloading ---- */

static void
reload_refused(const char *why)
{
	log_error(
	    "reload refused: %s; the old configuration stays in force", why);
	if (strcmp(master.config->settings->log_to, "stderr") != 0)
		fprintf(stderr, "%s: reload refused: %s\n", master.daemon->name,
		    why);
	notify_systemd("READY=1\nSTATUS=reload refused: %.150s", why);
	running_reload_ended(why);
}

/* The new configuration did not get into force. */
static void
reload_undo(const char *why)
{
	reloading = false;
	struct config *refused = master.config;
	master.config = config_before;
	config_before = NULL;
	cert_watch(master.config->settings, reload_certificates, false);
	reload_refused(why);
	config_release(refused);
	reload_if_asked();
}

/* Nothing else may be under way: a restart, another reload, a successor. */
static bool
can_reload(void)
{
	for (enum group_kind k = GROUP_LOG; k < GROUP__N; k++)
		if (master.coming[k] != NULL)
			return false;
	return master.serving && !reloading && replaced == NULL &&
	       successor_fd == -1;
}

/* The settings to come; NULL: refused. */
static struct settings *
read_settings(void)
{
	char *text = NULL;
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	notify_systemd("RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
	running_reload_begins();
	struct settings *s =
	    settings_read(master.opt->config, master.daemon->pop3, &text);
	if (s == NULL) {
		reload_refused(text);
	} else if (s->listener_n == 0) {
		/* Most likely it is being written just now. */
		reload_refused("there is no listen line in it");
		settings_free(s);
		s = NULL;
	}
	free(text);
	if (s != NULL && master.opt->to_stderr) {
		free(s->log_to);
		s->log_to = strdup("stderr");
	}
	return s;
}

void
reload(struct settings *s)
{
	char err[512];

	if (!can_reload() || master.stopping || master.opt->inetd) {
		*(s == NULL ? &reload_again : &certs_again) =
		    !master.stopping && !master.opt->inetd;
		settings_free(s);
		return;
	}
	certs_again = false;
	if (s == NULL) {
		reload_again = false;
		s = read_settings();
		if (s == NULL)
			return;
	}
	struct config *c = calloc(1, sizeof(*c));
	if (c == NULL || s->log_to == NULL)
		fatal("out of memory");
	if (!listen_all(s, master.config->settings, master.config->listen_fd,
		c->listen_fd, err, sizeof(err))) {
		reload_refused(err);
		settings_free(s);
		free(c);
		return;
	}
	c->settings = s;
	c->refs = 1;
	config_before = master.config;
	master.config = c;
	reloading = true;
	cert_watch(s, reload_certificates, true);
	master.coming[GROUP_FRONT] =
	    group_start(GROUP_FRONT, c, master.current[GROUP_LOG],
		master.current[GROUP_BACK], err, sizeof(err));
	if (master.coming[GROUP_FRONT] == NULL)
		reload_undo(err);
}

/* Somebody may be editing the configuration: the one in force is taken. */
void
reload_certificates(void)
{
	struct settings *s =
	    settings_copy(master.config->settings, master.daemon->pop3);

	if (s == NULL) {
		log_error("certificates: %s", strerror(errno));
		return;
	}
	log_info("certificates have changed");
	reload(s);
}

/* ---- what the groups do meanwhile ---- */

/* No client comes to what was before any more: the reload is complete. */
static void
reload_done(void)
{
	timer_del(replaced_timer);
	replaced_timer = NULL;
	replaced = NULL;
	log_info("configuration reloaded");
	notify_systemd("READY=1\nSTATUS=serving");
	running_reload_ended(NULL);
	reload_if_asked();
}

static void
retired_late(void *arg)
{
	(void)arg;
	replaced_timer = NULL;
	reload_done();
}

bool
reload_ready(struct group *old)
{
	if (!reloading)
		return false;
	reloading = false;
	config_release(config_before); /* its groups hold it, too */
	config_before = NULL;
	group_new_settings(master.current[GROUP_LOG], master.config->settings);
	group_new_settings(master.current[GROUP_BACK], master.config->settings);
	group_new_sockets(master.current[GROUP_BACK], master.config);
	replaced = master_has_pool(old) ? old : NULL;
	if (replaced == NULL)
		reload_done();
	else
		replaced_timer = timer_add(RETIRE_MS, retired_late, NULL);
	return true;
}

void
reload_retired(const struct group *g)
{
	if (g == replaced && g != NULL && !master.stopping)
		reload_done();
}

bool
reload_failed(const char *why)
{
	const struct group *front = master.current[GROUP_FRONT];

	if (reloading) {
		reload_undo(why);
		/* Unless it was to replace what had died. */
		return master.coming[GROUP_FRONT] != NULL ||
		       (front != NULL && !front->failed);
	}
	if (!reload_again)
		return false;
	log_error("%s", why);
	reload(NULL); /* it may be the remedy */
	return master.coming[GROUP_FRONT] != NULL;
}

/* ---- a new program ---- */

static void
successor_speaks(void *arg, uint32_t events)
{
	char text[256];
	ssize_t n = read(successor_fd, text, sizeof(text) - 1);

	(void)arg;
	(void)events;
	watch_del(successor_watch);
	successor_watch = NULL;
	close_fd(&successor_fd);
	if (master.stopping)
		return;
	if (n == 1 && text[0] == '\n') {
		log_info("process %ld takes over; this one ends with its "
			 "sessions",
		    (long)master.successor);
		notify_systemd("MAINPID=%ld\nREADY=1\nSTATUS=serving",
		    (long)master.successor);
		master_stop(UINT32_MAX);
		return;
	}
	master.successor = 0;
	text[n > 0 ? n : 0] = '\0';
	log_error("the new program does not start: %s; the old one goes on",
	    n > 0 ? text : "it ended; it said why on standard error");
	running_reload_ended(n > 0 ? text : "the new program ended at once");
	reload_if_asked();
}

void
upgrade(void)
{
	char err[512];

	if (!can_reload() || master.stopping || master.opt->inetd) {
		log_warn("an upgrade was asked for while something else was "
			 "under way: ask again");
		return;
	}
	running_reload_begins();
	successor_fd = upgrade_start(master.config->listen_fd,
	    master.config->settings->listener_n, running_fd(),
	    &master.successor, err, sizeof(err));
	if (successor_fd != -1)
		successor_watch =
		    watch_add(successor_fd, EPOLLIN, successor_speaks, NULL);
	if (successor_watch == NULL) {
		close_fd(&successor_fd);
		log_error("%s; the old program goes on", err);
		running_reload_ended(err);
	}
}

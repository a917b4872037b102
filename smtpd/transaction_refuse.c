/* Content that cannot be used.  Runs in: worker. */
#include <stdio.h>
#include <string.h>

#include "smtpd/content.h"
#include "smtpd/pra.h"
#include "smtpd/session.h"
#include "smtpd/solicit.h"
#include "smtpd/trace.h"
#include "smtpd/transaction.h"

/* RFC 3865 2.3: the word of the Solicitation field that is not taken here. */
static struct view
unwanted(const struct session *s, const struct content *content)
{
	return solicit_match(header_text(&content->header, HEADER_SOLICITATION),
	    view_of(s->set->no_soliciting));
}

/* RFC 4405 4.2: what is wrong with SUBMITTER, or NULL. */
static const char *
bad_submitter(const struct session *s, const struct content *content)
{
	struct address pra;

	if (s->t.submitter[0] == '\0')
		return NULL;
	if (!pra_find(&content->header, &pra))
		return "Cannot verify submitter address";
	return view_caseeqs(view_of(pra.text), s->t.submitter)
		   ? NULL
		   : "Submitter does not match header";
}

static enum next
refuse_content(struct session *s, const struct content *content)
{
	if (content->too_big)
		return reject(s, transaction_only_rcpt(s), 552, "5.3.4",
		    "The message is larger than %lld octets",
		    (long long)s->set->message_size_max);
	if (content->status != OK)
		return transaction_refuse_status(s, content->status);
	if (content->binary && content->convert.bad)
		return reject(s, transaction_only_rcpt(s), 554, "5.6.3",
		    "The binary MIME parts cannot be converted: nested too "
		    "deep, or a header field is too long");
	if (content->bare_lf && s->set->bare_newline_reject)
		return reject(s, transaction_only_rcpt(s), 554, "5.6.0",
		    "A line of the message ends in <LF> alone, not in "
		    "<CR><LF>");
	if (content->header.received > TRACE_HOPS_MAX)
		return reject(s, transaction_only_rcpt(s), 554, "5.4.6",
		    "Too many hops: the message is in a loop");
	struct view word = unwanted(s, content);
	if (word.n > 0)
		return reject(s, transaction_only_rcpt(s), 550, "5.7.1",
		    "SOLICIT=%.*s is not taken here", (int)word.n, word.p);
	const char *why = bad_submitter(s, content);
	bool known = why[0] == 'S';
	return reject(s, transaction_only_rcpt(s), known ? 550 : 554,
	    known ? "5.7.1" : "5.7.7", "%s", why);
}

bool
transaction_refused(struct session *s, const struct content *content,
    bool whole, enum next *next)
{
	bool refused = content->too_big || content->status != OK ||
		       (content->binary && content->convert.bad) ||
		       (content->bare_lf && s->set->bare_newline_reject) ||
		       content->header.received > TRACE_HOPS_MAX;

	if (!refused && whole) /* what only the whole header can tell */
		refused = unwanted(s, content).n > 0 ||
			  bad_submitter(s, content) != NULL;
	if (refused)
		*next = refuse_content(s, content);
	return refused;
}

/* LANG and UTF8 (RFC 6856).  Runs in: worker (pop3d). */
#include "pop3d/command.h"
#include "pop3d/reply.h"

static enum next
list_languages(struct session *s)
{
	reply_ok(s, "Languages follow.");
	for (int l = 0; l < LANG__N; l++)
		reply_line(s, "%s %s", lang_tag((enum lang)l),
		    lang_name((enum lang)l));
	return reply_end(s);
}

enum next
cmd_lang(struct session *s, struct view arg)
{
	enum lang l = LANG_EN;

	if (arg.n == 0)
		return list_languages(s);
	if (view_eqs(arg, "*"))
		arg = view_of(s->w->settings->language);
	if (!lang_find(arg, &l))
		return reply_err(
		    s, NULL, "Unknown language; LANG lists those there are.");
	s->lang = l;
	return reply_ok(s, "%s %s", lang_tag(l),
	    lang_text(l, LANG_TEXT("Replies are in English from now on.")));
}

enum next
cmd_utf8(struct session *s, struct view arg)
{
	(void)arg;
	s->utf8 = true;
	return reply_ok(s, "UTF-8 mode is on.");
}

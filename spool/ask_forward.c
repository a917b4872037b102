/* Asking for a user's forward(5) file, and for what stands in it to be done.
 * Runs in: queue; the other halves in deliver and its children. */
#include "spool/ask_forward.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/msg.h"

void
forwarding_free(struct forwarding *f)
{
	free(f->target);
	*f = (struct forwarding){ .n = 0 };
}

void
forward_put_ask(struct msg *m, const char *address)
{
	msg_start(m, DELIVER_FORWARD);
	msg_put_str(m, address);
}

/* One that can stand in an envelope. */
static bool
get_target(struct msg *m, struct alias_target *out)
{
	uint32_t kind = msg_get_u32(m);

	msg_get_str(m, out->text, sizeof(out->text));
	if (m->bad || kind >= TARGET__N || !(TARGETS_FORWARD & 1u << kind) ||
	    out->text[0] == '\0')
		return false;
	out->kind = (enum target_kind)kind;
	return true;
}

void
forward_got(struct msg *m, struct delivery *d, struct forwarding *out)
{
	bool good;

	*out = (struct forwarding){ .n = 0 };
	d->status = status_unpack(msg_get_u32(m));
	msg_get_str(m, d->user, sizeof(d->user));
	msg_get_str(m, d->text, sizeof(d->text));
	msg_get_str(m, out->delivered_to, sizeof(out->delivered_to));
	uint32_t n = msg_get_u32(m);
	good = !m->bad && m->fd == -1 && n <= FORWARD_TARGETS_MAX &&
	       (n > 0) == (d->status == OK) &&
	       (d->status != OK || d->user[0] != '\0');
	if (good && n > 0) {
		view_copy(view_of(d->user), out->user, sizeof(out->user));
		out->target = calloc(n, sizeof(*out->target));
		if (out->target == NULL)
			d->status = ERR_NOMEM;
	}
	while (good && out->target != NULL && out->n < n)
		good = get_target(m, &out->target[out->n++]);
	if (!good || (d->status != ERR_NOMEM && !msg_done(m))) {
		d->status = ERR_DOWN;
		snprintf(d->text, sizeof(d->text), "%s",
		    "deliver's answer made no sense");
	}
	if (d->status != OK)
		forwarding_free(out);
	close_fd(&m->fd);
}

void
run_put(struct msg *m, const struct run *r)
{
	msg_start(m, DELIVER_RUN);
	run_add(m, r);
}

void
run_add(struct msg *m, const struct run *r)
{
	msg_put_u32(m, r->kind);
	msg_put_u32(m, r->source);
	msg_put_str(m, r->user);
	msg_put_str(m, r->text);
	msg_put_str(m, r->id);
	msg_put_str(m, r->sender);
	msg_put_str(m, r->original);
	msg_put_u64(m, r->offset);
	msg_put_u64(m, r->length);
	m->fd = r->file;
}

bool
run_get(struct msg *m, struct run *out, struct run_space *space)
{
	uint32_t kind = msg_get_u32(m), source = msg_get_u32(m);

	msg_get_str(m, space->user, sizeof(space->user));
	msg_get_str(m, space->text, sizeof(space->text));
	msg_get_str(m, space->id, sizeof(space->id));
	msg_get_str(m, space->sender, sizeof(space->sender));
	msg_get_str(m, space->original, sizeof(space->original));
	*out = (struct run){ .kind = (enum target_kind)kind,
		.source = (enum envelope_source)source,
		.user = space->user,
		.text = space->text,
		.id = space->id,
		.sender = space->sender,
		.original = space->original,
		.offset = msg_get_u64(m),
		.file = m->fd };
	out->length = msg_get_u64(m);
	return msg_done(m) && (kind == TARGET_COMMAND || kind == TARGET_FILE) &&
	       source <= SOURCE_ALIASES && out->offset <= INT64_MAX &&
	       out->length <= INT64_MAX - out->offset &&
	       envelope_id_valid(view_of(space->id)) &&
	       envelope_value_valid(view_of(space->sender)) &&
	       envelope_value_valid(view_of(space->original));
}

void
run_put_answer(
    struct msg *m, enum run_outcome o, const char *code, const char *text)
{
	msg_put_u32(m, o);
	msg_put_str(m, code);
	msg_put_view(
	    m, (struct view){ text, strnlen(text, DELIVER_TEXT_MAX - 1) });
}

/* "5.3.0", and of the class that the outcome has. */
static bool
code_valid(enum run_outcome o, const char *code)
{
	size_t n = strspn(code, "0123456789.");

	return code[n] == '\0' && n >= 5 && code[1] == '.' &&
	       code[0] == (o == RUN_DONE	? '2'
			      : o == RUN_FAILED ? '5'
						: '4');
}

bool
run_got(struct msg *m, enum run_outcome *out, char *code, char *text)
{
	uint32_t o = msg_get_u32(m);

	msg_get_str(m, code, RUN_CODE_MAX);
	msg_get_str(m, text, DELIVER_TEXT_MAX);
	if (!msg_done(m) || m->fd != -1 || o >= RUN__N)
		return false;
	*out = (enum run_outcome)o;
	for (char *c = text; *c != '\0'; c++)
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	return code_valid(*out, code);
}

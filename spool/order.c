/* What is to be done as a user.  Runs in: deliver and its children. */
#include "spool/order.h"

void
order_put(struct msg *m, uint32_t what, const struct order *o)
{
	msg_start(m, what);
	msg_put_str(m, o->user.name);
	msg_put_u32(m, o->user.uid);
	msg_put_u32(m, o->user.gid);
	msg_put_str(m, o->user.home);
	msg_put_str(m, o->user.shell);
	msg_put_u32(m, o->shell_ok);
	msg_put_u32(m, o->mboxrd);
	msg_put_u32(m, o->dotlock);
	msg_put_u64(m, (uint64_t)o->lock_wait);
	msg_put_u64(m, (uint64_t)o->time);
	msg_put_str(m, o->delivered_to);
	msg_put_str(m, o->extension);
	msg_put_str(m, o->aliases);
	if (what == ORDER_RUN)
		run_add(m, &o->run);
}

bool
order_get(struct msg *m, struct order *o)
{
	*o = (struct order){ .shell_ok = false };
	msg_get_str(m, o->user.name, sizeof(o->user.name));
	o->user.uid = msg_get_u32(m);
	o->user.gid = msg_get_u32(m);
	msg_get_str(m, o->user.home, sizeof(o->user.home));
	msg_get_str(m, o->user.shell, sizeof(o->user.shell));
	o->shell_ok = msg_get_u32(m) != 0;
	o->mboxrd = msg_get_u32(m) != 0;
	o->dotlock = msg_get_u32(m) != 0;
	o->lock_wait = (int64_t)msg_get_u64(m);
	o->time = (int64_t)msg_get_u64(m);
	msg_get_str(m, o->delivered_to, sizeof(o->delivered_to));
	msg_get_str(m, o->extension, sizeof(o->extension));
	msg_get_str(m, o->aliases, sizeof(o->aliases));
	if (m->type == ORDER_RUN)
		return run_get(m, &o->run, &o->space) && m->fd != -1;
	return m->type == ORDER_FORWARD && msg_done(m) && m->fd == -1;
}

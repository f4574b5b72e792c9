/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_handover.c - every chunk is there: the network goes, and the kernel gets the store
 */
#include "serve.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/rundir.h"

/* Nothing is fetched any more: let the network side go. */
static void end_fetching(struct serve *s)
{
	engine_stop(s->engine);
	daemon_tell(s->d->serve_end, KEEPER_NET_DONE, "");
}

void serve_say_resident(const struct serve *s)
{
	daemon_tell(s->d->serve_end, KEEPER_RESIDENT, "");
	const int err = rundir_write(s->d->rundir_fd, "resident", "");

	if (err < 0)
		log_warning("/run/hydroot/%s/resident: %s", s->o->name, strerror(-err));
}

void serve_finish_handover(struct serve *s, enum handover_method method)
{
	s->record->method = method;
	s->record->is_swapped = true;
	handover_finish(&s->attachment, method);
	s->handover_method = method;
	s->handover_done = true;
}

/* Everything is there, so the network is not needed any more, but the daemon is. */
static void stay(struct serve *s)
{
	serve_write_status(s);
	serve_say_resident(s);
}

void serve_hand_over(struct serve *s)
{
	enum handover_method method = handover_choose(&s->attachment, s->store);
	int64_t start_ns = clock_ns();
	int err;

	if (s->record->seconds_resident <= 0)
		s->record->seconds_resident = serve_seconds(s);
	s->seconds_resident = s->record->seconds_resident;
	end_fetching(s);
	s->state = store_is_persistent(s->store) ? STATE_CACHED : STATE_RESIDENT;
	if (method == HANDOVER_NONE) {
		log_notice("%s after %.1f s; the daemon goes on serving the device",
			   attach_state_name(s->state), s->seconds_resident);
		stay(s);
		return;
	}
	s->record->method = method;
	if (store_is_persistent(s->store))
		serve_release_claim(s);
	err = handover_run(&s->attachment, s->store, method);
	if (err < 0) {
		snprintf(s->error, sizeof s->error, "handover: %s", strerror(-err));
		log_error("handover by %s: %s: the daemon goes on serving the device",
			  handover_method_name(method), strerror(-err));
		stay(s);
		return;
	}
	serve_finish_handover(s, method);
	log_notice("%s after %.1f s; handed over by %s in %.1f ms: "
		   "server and daemon are not needed any more",
		   attach_state_name(s->state), s->seconds_resident,
		   handover_method_name(method), (double)(clock_ns() - start_ns) / 1e6);
}

int serve_deliver(struct serve *s)
{
	int err;

	log_forget_error();
	s->seconds_resident = serve_seconds(s);
	end_fetching(s);
	if (store_is_persistent(s->store))
		serve_release_claim(s);
	s->attachment = serve_attachment(s);
	err = attachment_open_store(&s->attachment, s->store);
	if (err < 0)
		return serve_fail(s, err, "block device");
	s->state = store_is_persistent(s->store) ? STATE_CACHED : STATE_RESIDENT;
	s->handover_method = s->attachment.has_dm ? HANDOVER_DM : HANDOVER_PLAIN;
	s->handover_done = true;
	/* For a process after this one only the end is left. */
	s->record->seconds_resident = s->seconds_resident;
	s->record->method = s->handover_method;
	s->record->is_swapped = true;
	log_notice("%s after %.1f s: server and daemon are not needed any more",
		   attach_state_name(s->state), s->seconds_resident);
	return 0;
}

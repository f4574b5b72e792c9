/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request_fuzz.c - packets on the control socket, and the values that `set` takes from them
 */
#include "tests/fuzz/fuzz.h"

#include "face/control_request.h"

static void check_text(const struct control_request *rq, const char *text)
{
	fuzz_assert(text >= rq->text && text < rq->text + sizeof rq->text);
	fuzz_assert(memchr(text, 0, (size_t)(rq->text + sizeof rq->text - text)));
}

/* Wrong words leave the options as they are. */
static void change(const struct control_request *rq)
{
	static struct options o, before;
	char why[128] = "";
	unsigned changed = 0;
	int err;

	options_init(&o);
	snprintf(o.servers[0], sizeof o.servers[0], "http://a/i.hri");
	o.n_servers = 1;
	o.has_url = true;
	before = o;
	err = options_change(&o, rq->values, rq->n_values, &changed, why, sizeof why);
	fuzz_assert(memchr(why, 0, sizeof why));
	fuzz_assert(o.n_servers >= 1 && o.n_servers <= OPTIONS_SERVERS_MAX);
	fuzz_assert(o.mode == MODE_HYBRID || o.mode == MODE_STREAM);
	fuzz_assert(err == 0 ? changed != 0 : why[0] != '\0');
	fuzz_assert(err == 0 || memcmp(&o, &before, sizeof o) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	static struct control_request rq;
	char *packet;

	if (n_bytes > CONTROL_REQUEST_BYTES)
		return 0;
	packet = fuzz_copy(data, n_bytes);
	if (control_request_parse(packet, n_bytes, &rq) == 0) {
		fuzz_assert(rq.command <= CONTROL_DETACH);
		fuzz_assert((rq.command == CONTROL_SET) == (rq.n_values > 0));
		fuzz_assert(rq.n_values <= OPTIONS_CHANGES_MAX);
		for (unsigned i = 0; i < rq.n_values; i++)
			check_text(&rq, rq.values[i]);
		if (rq.n_values)
			change(&rq);
		fuzz_accept();
	}
	free(packet);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_auth.h - the secret for the server and the proxy of a transfer, and for nobody else
 */
#ifndef SOURCE_NET_AUTH_H
#define SOURCE_NET_AUTH_H

#include <curl/curl.h>

#include "source/net.h"

struct net_auth {
	struct curl_slist *headers; /* to be sent to any host; owned */
};

/*
 * Proxy, and what cfg->credentials has for url's host.  libcurl leaves it out when it follows a
 * redirect to another host, port or scheme.  `headers` of the last call are freed.
 */
void net_auth_set(struct net_auth *a, CURL *easy, const struct net_config *cfg,
		  const char *url);
void net_auth_fini(struct net_auth *a);

/* Whether transfers may go through a proxy: the address connected to is not the server's then. */
bool net_auth_has_proxy(const struct net_config *cfg);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_tls.h - whom a transfer believes, who it says it is, and who was there instead
 */
#ifndef SOURCE_NET_TLS_H
#define SOURCE_NET_TLS_H

#include <curl/curl.h>

#include "source/net.h"

#define NET_TLS_ISSUER_BYTES 96u

/* The certificate that was not believed, of the last handshake. */
struct net_tls {
	long error; /* X509_V_ERR_…; 0: none */
	char issuer[NET_TLS_ISSUER_BYTES]; /* in one line */
};

/*
 * CA bundle and client certificate from memory; no file is looked at.  `tls` is filled when a
 * handshake fails, and stays the caller's as long as `easy` is used.
 */
void net_tls_set(CURL *easy, const struct net_config *cfg, struct net_tls *tls);

/* A sentence about why the certificate of `host` is not believed and what to do. */
void net_tls_explain(const struct net_tls *tls, const char *host, char *ret,
		     size_t n_bytes);

#endif

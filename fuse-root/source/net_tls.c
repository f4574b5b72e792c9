/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_tls.c - whom a transfer believes, who it says it is, and who was there instead
 *
 * libcurl says that a certificate was not believed; whose it was only OpenSSL knows, so
 * its own check is watched, never changed.  With a libcurl of another TLS library the
 * issuer is not named.
 */
#include "source/net_tls.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <time.h>

static struct curl_blob blob_of(const struct net_pem *pem)
{
	return (struct curl_blob){
		.data = pem->data,
		.len = pem->n_bytes,
		.flags = CURL_BLOB_NOCOPY,
	};
}

static void name_issuer(X509 *cert, char *ret, size_t n_bytes)
{
	X509_NAME *name = cert ? X509_get_issuer_name(cert) : NULL;
	char text[64];

	ret[0] = '\0';
	if (!name)
		return;
	if (X509_NAME_get_text_by_NID(name, NID_commonName, text, sizeof text) > 0)
		snprintf(ret, n_bytes, "%s", text);
	const size_t n = strlen(ret);
	if (X509_NAME_get_text_by_NID(name, NID_organizationName, text, sizeof text) > 0)
		snprintf(ret + n, n_bytes - n, "%s%.30s", n ? ", " : "", text);
}

static int on_verified(int is_good, X509_STORE_CTX *ctx)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct net_tls *tls = ssl ? SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)) : NULL;

	if (!is_good && tls) {
		tls->error = X509_STORE_CTX_get_error(ctx);
		/* That of the server itself, wherever in the chain the fault is. */
		name_issuer(X509_STORE_CTX_get0_cert(ctx), tls->issuer,
			    sizeof tls->issuer);
	}
	return is_good;
}

static CURLcode watch(CURL *easy, void *ssl_ctx, void *arg)
{
	(void)easy;
	SSL_CTX_set_app_data(ssl_ctx, arg);
	SSL_CTX_set_verify(ssl_ctx, SSL_CTX_get_verify_mode(ssl_ctx), on_verified);
	return CURLE_OK;
}

void net_tls_set(CURL *easy, const struct net_config *cfg, struct net_tls *tls)
{
	struct curl_blob ca = blob_of(&cfg->ca), cert = blob_of(&cfg->cert),
			 key = blob_of(&cfg->cert_key);

	*tls = (struct net_tls){0};
	curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, NULL);
	curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
	if (ca.data) {
		curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &ca);
		curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO_BLOB, &ca);
	}
	if (cert.data) {
		curl_easy_setopt(easy, CURLOPT_SSLCERTTYPE, "PEM");
		curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &cert);
		curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &key);
	}
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, tls);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, watch);
}

static void explain_time(const char *what, const char *host, char *ret, size_t n_bytes)
{
	const time_t now = time(NULL);
	char date[32] = "";
	struct tm tm;

	if (gmtime_r(&now, &tm))
		strftime(date, sizeof date, "%Y-%m-%d %H:%M", &tm);
	snprintf(ret, n_bytes,
		 "TLS: the certificate of %.60s %s: this clock says %s: set it, "
		 "or renew the certificate",
		 host, what, date);
}

void net_tls_explain(const struct net_tls *tls, const char *host, char *ret,
		     size_t n_bytes)
{
	switch (tls->error) {
	case X509_V_ERR_CERT_NOT_YET_VALID:
		explain_time("is not valid yet", host, ret, n_bytes);
		return;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		explain_time("has expired", host, ret, n_bytes);
		return;
	case 0: /* the certificate is believed, but it is another server's */
		snprintf(ret, n_bytes,
			 "TLS: the certificate is for another name than %.60s", host);
		return;
	default:
		snprintf(ret, n_bytes,
			 "TLS: the certificate of %.60s is by '%s': %s: the line is "
			 "intercepted, or ca= lacks that issuer",
			 host, tls->issuer, X509_verify_cert_error_string(tls->error));
	}
}

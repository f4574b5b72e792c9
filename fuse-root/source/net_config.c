/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_config.c - everything with a path that the network process needs, opened and read
 * at the start
 *
 * What is wrong with a file is said here, where its name is known; a secret never is.
 */
#include "source/net.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include "base/log.h"
#include "source/net_filter.h"
#include "source/net_open.h"
#include "source/readfile.h"

#define CA_BYTES_MAX (16u * 1024 * 1024)
#define SECRET_BYTES_MAX (256u * 1024)

/* -- certificates ------------------------------------------------------------------------- */

/* A key that wants a password cannot have one: nobody is there to type it. */
static int no_password(char *buf, int size, int rwflag, void *arg)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)arg;
	return 0;
}

static X509 *parse_cert(const struct net_pem *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->n_bytes);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;

	BIO_free(bio);
	return cert;
}

static EVP_PKEY *parse_key(const struct net_pem *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->n_bytes);
	EVP_PKEY *key =
		bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

	BIO_free(bio);
	return key;
}

static int load_pem(const char *key, const char *path, size_t max, struct net_pem *ret)
{
	int r = readfile_path(path, max, &ret->data, &ret->n_bytes);

	if (r < 0)
		log_error("%s: %s: %s", key, path, strerror(-r));
	return r;
}

static int check_cert(const char *key, const char *path, const struct net_pem *pem)
{
	X509 *cert = parse_cert(pem);

	X509_free(cert);
	if (cert)
		return 0;
	log_error("%s: %s: no certificate in PEM in it", key, path);
	return -EINVAL;
}

static int load_ca(struct net_config *cfg)
{
	static const char *const bundles[] = {
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/cert.pem",
	};
	const char *path = cfg->o->ca;

	if (path[0]) {
		int r = load_pem("ca", path, CA_BYTES_MAX, &cfg->ca);
		return r < 0 ? r : check_cert("ca", path, &cfg->ca);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bundles); i++)
		if (readfile_path(bundles[i], CA_BYTES_MAX, &cfg->ca.data,
				  &cfg->ca.n_bytes) == 0)
			return 0;
	return 0; /* then no https server will be trusted, and the error will say why */
}

/* The key belongs to the certificate: a server would only say that it refuses us. */
static int check_pair(const struct net_config *cfg, const char *key_path)
{
	X509 *cert = parse_cert(&cfg->cert);
	EVP_PKEY *key = parse_key(&cfg->cert_key);
	int r = 0;

	if (!key)
		log_error("cert-key: %s: no private key in PEM in it that can be read "
			  "without a password",
			  key_path);
	else if (X509_check_private_key(cert, key) != 1)
		log_error("cert-key: %s: it is not the key of the certificate in %s",
			  key_path, cfg->o->cert);
	if (!key || X509_check_private_key(cert, key) != 1)
		r = -EINVAL;
	X509_free(cert);
	EVP_PKEY_free(key);
	return r;
}

static int load_cert(struct net_config *cfg)
{
	const char *key_path = cfg->o->cert_key[0] ? cfg->o->cert_key : cfg->o->cert;

	if (!cfg->o->cert[0]) {
		if (cfg->o->cert_key[0])
			log_error("cert-key: without cert: give the certificate, too");
		return cfg->o->cert_key[0] ? -EINVAL : 0;
	}
	int r = load_pem("cert", cfg->o->cert, SECRET_BYTES_MAX, &cfg->cert);
	if (r == 0)
		r = check_cert("cert", cfg->o->cert, &cfg->cert);
	if (r == 0)
		r = load_pem("cert-key", key_path, SECRET_BYTES_MAX, &cfg->cert_key);
	return r < 0 ? r : check_pair(cfg, key_path);
}

/* -- credentials -------------------------------------------------------------------------- */

static int load_credentials(struct net_config *cfg)
{
	const char *path = cfg->o->credentials;
	struct stat st;
	uint8_t *text;
	size_t n;

	if (!path[0])
		return 0;
	int r = readfile_path(path, SECRET_BYTES_MAX, &text, &n);
	if (r < 0) {
		log_error("credentials: %s: %s", path, strerror(-r));
		return r;
	}
	if (stat(path, &st) == 0 && st.st_mode & 077)
		log_warning("credentials: %s: others may read it: chmod 600 %s", path,
			    path);
	return credentials_parse(&cfg->credentials, path, (char *)text, n);
}

/* -- all ---------------------------------------------------------------------------------- */

int net_config_init(struct net_config *cfg, const struct options *o)
{
	*cfg = (struct net_config){.o = o, .root_fd = -1, .proc_fd = -1};
	for (unsigned i = 0; i < ARRAY_SIZE(cfg->files); i++)
		cfg->files[i] = NET_FILE_NONE;
	for (unsigned i = 0; i < o->n_servers && i < SOURCE_SERVERS_MAX; i++)
		cfg->urls[i] = o->servers[i];
	cfg->urls[SOURCE_SERVERS_MAX] = o->pack.url[0] ? o->pack.url : NULL;
	cfg->has_filter = net_filter_is_supported();
	if (!cfg->has_filter)
		log_warning("network process: this kernel has no seccomp filters "
			    "(CONFIG_SECCOMP_FILTER): going on without");
	int r = load_ca(cfg);
	if (r == 0)
		r = load_cert(cfg);
	return r < 0 ? r : load_credentials(cfg);
}

static void wipe(struct net_pem *pem)
{
	if (pem->data)
		explicit_bzero(pem->data, pem->n_bytes);
	free(pem->data);
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void net_config_fini(struct net_config *cfg)
{
	free(cfg->ca.data);
	wipe(&cfg->cert);
	wipe(&cfg->cert_key);
	credentials_fini(&cfg->credentials);
	/* Without options it was never initialised. */
	if (cfg->o)
		net_open_end(cfg);
	close_if_open(cfg->root_fd);
	close_if_open(cfg->proc_fd);
	*cfg = (struct net_config){.root_fd = -1, .proc_fd = -1};
}

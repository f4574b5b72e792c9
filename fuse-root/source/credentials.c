/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credentials.c - which secret is for which server
 *
 * The rule for messages: a line's number and what is wrong with it, nothing of what it says.
 */
#include "source/credentials.h"

#include <errno.h>
#include <strings.h>

#include "base/log.h"

#define BLANKS " \t\r"

/* The next word of *p, or NULL. */
static char *next_word(char **p)
{
	char *start = *p + strspn(*p, BLANKS);

	if (!*start)
		return NULL;
	char *end = start + strcspn(start, BLANKS);
	*p = *end ? end + 1 : end;
	*end = '\0';
	return start;
}

/* What is left, blanks inside included: a password may have some. */
static char *rest_of(char **p)
{
	char *start = *p + strspn(*p, BLANKS);
	char *end = start + strlen(start);

	while (end > start && strchr(BLANKS, end[-1]))
		end--;
	*end = '\0';
	return *start ? start : NULL;
}

static bool parse_port(const char *text, unsigned *ret)
{
	const size_t n = strlen(text);

	if (n == 0 || n > 5 || strspn(text, "0123456789") != n)
		return false;
	*ret = (unsigned)strtoul(text, NULL, 10);
	return *ret > 0 && *ret < 65536;
}

static char *take_scheme(char *text, struct credential *ret)
{
	if (strncmp(text, "https://", 8) == 0)
		ret->scheme = "https";
	else if (strncmp(text, "http://", 7) == 0)
		ret->scheme = "http";
	return ret->scheme ? text + strlen(ret->scheme) + 3 : text;
}

/* [SCHEME://]HOST[:PORT], [SCHEME://][IPV6][:PORT] */
static bool parse_place(char *text, struct credential *ret)
{
	char *host = take_scheme(text, ret), *port;

	if (host[0] == '[') {
		char *close = strchr(++host, ']');

		if (!close)
			return false;
		*close = '\0';
		if (close[1] && close[1] != ':')
			return false;
		port = close[1] ? close + 2 : NULL;
	} else {
		port = strchr(host, ':');
		if (port)
			*port++ = '\0';
	}
	ret->host = host;
	if (!host[0] || strpbrk(host, "/@?#"))
		return false;
	return !port || parse_port(port, &ret->port);
}

static const char *parse_kind(char *kind, char *rest, struct credential *ret)
{
	if (strcmp(kind, "basic") == 0) {
		ret->kind = CREDENTIAL_BASIC;
		ret->user = next_word(&rest);
		ret->secret = rest_of(&rest);
		return ret->user && ret->secret ? NULL
						: "wanted: HOST basic USER PASSWORD";
	}
	if (strcmp(kind, "bearer") == 0) {
		ret->kind = CREDENTIAL_BEARER;
		ret->secret = next_word(&rest);
		return ret->secret && !rest_of(&rest) ? NULL
						      : "wanted: HOST bearer TOKEN";
	}
	if (strcmp(kind, "s3") == 0) {
		ret->kind = CREDENTIAL_S3;
		ret->region = next_word(&rest);
		ret->user = next_word(&rest);
		ret->secret = next_word(&rest);
		return ret->secret && !rest_of(&rest)
			       ? NULL
			       : "wanted: HOST s3 REGION ACCESS-KEY SECRET-KEY";
	}
	return "the second word is none of basic, bearer, s3";
}

/* What is wrong with it, or NULL. */
static const char *parse_line(struct credentials *c, char *line)
{
	char *place = next_word(&line), *kind;

	if (!place || place[0] == '#')
		return NULL;
	if (c->n == CREDENTIALS_MAX)
		return "there are too many";
	struct credential *new = &c->list[c->n];
	*new = (struct credential){0};
	if (!parse_place(place, new))
		return "the first word is no HOST, HOST:PORT or https://HOST";
	kind = next_word(&line);
	const char *wrong = kind ? parse_kind(kind, line, new)
				 : "after the host comes basic, bearer or s3";
	c->n += !wrong;
	return wrong;
}

int credentials_parse(struct credentials *c, const char *path, char *text, size_t n_bytes)
{
	char *rest = text, *line;
	unsigned number = 0;

	*c = (struct credentials){.text = text, .n_bytes = n_bytes};
	while ((line = strsep(&rest, "\n"))) {
		const char *wrong = parse_line(c, line);

		number++;
		if (!wrong)
			continue;
		log_error("credentials: %s: line %u: %s", path, number, wrong);
		credentials_fini(c);
		return -EINVAL;
	}
	if (c->n == 0)
		log_warning("credentials: %s: nothing in it", path);
	return 0;
}

void credentials_fini(struct credentials *c)
{
	if (c->text)
		explicit_bzero(c->text, c->n_bytes);
	free(c->text);
	*c = (struct credentials){0};
}

const struct credential *credentials_find(const struct credentials *c, const char *scheme,
					  const char *host, unsigned port)
{
	for (unsigned i = 0; i < c->n; i++) {
		const struct credential *this = &c->list[i];

		if ((!this->scheme || strcasecmp(this->scheme, scheme) == 0) &&
		    strcasecmp(this->host, host) == 0 &&
		    (!this->port || this->port == port))
			return this;
	}
	return NULL;
}

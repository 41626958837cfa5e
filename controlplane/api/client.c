/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libcurl does the talking. The host part of the URL is a formality: the connection goes to the socket. The
 * answer is gathered in memory up to a bound and must be JSON, whatever its status.
 */
#include "client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct api_client {
	CURL *curl;
	char *socket;
};

struct gathered {
	char *bytes;
	size_t len;
	bool too_large;
};

struct api_client *api_client_new(const char *socket, long timeout_s)
{
	struct api_client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->curl = curl_easy_init();
	c->socket = strdup(socket);
	if (c->curl == NULL || c->socket == NULL) {
		api_client_free(c);
		return NULL;
	}
	curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, c->socket);
	curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, timeout_s > 0 ? timeout_s : API_TIMEOUT_S);
	curl_easy_setopt(c->curl, CURLOPT_USERAGENT, "cordon");
	return c;
}

void api_client_free(struct api_client *c)
{
	if (c == NULL)
		return;
	curl_easy_cleanup(c->curl);
	free(c->socket);
	free(c);
}

static size_t gather(char *data, size_t size, size_t n, void *ctx)
{
	struct gathered *g = ctx;
	size_t len = size * n;

	if (len > API_ANSWER_MAX - g->len) {
		g->too_large = true;
		return 0;
	}
	char *more = realloc(g->bytes, g->len + len + 1);
	if (more == NULL)
		return 0;
	g->bytes = more;
	memcpy(g->bytes + g->len, data, len);
	g->len += len;
	return len;
}

/* http://cordon/path?key=value&..., or NULL. */
static CURLU *url_make(const char *path, const struct api_query *query, size_t n)
{
	CURLU *url = curl_url();
	bool good = url != NULL && curl_url_set(url, CURLUPART_URL, "http://cordon/", 0) == CURLUE_OK &&
		    curl_url_set(url, CURLUPART_PATH, path, 0) == CURLUE_OK;

	for (size_t i = 0; good && i < n; i++) {
		char *pair = NULL;
		if (query[i].value == NULL)
			continue;
		good = asprintf(&pair, "%s=%s", query[i].key, query[i].value) >= 0 &&
		       curl_url_set(url, CURLUPART_QUERY, pair, CURLU_APPENDQUERY | CURLU_URLENCODE) ==
			       CURLUE_OK;
		free(pair);
	}
	if (good)
		return url;
	curl_url_cleanup(url);
	return NULL;
}

static enum api_result failed(const struct api_client *c, CURLcode code, const struct gathered *g,
			      struct api_reply *reply)
{
	struct stat st;
	const char *why = curl_easy_strerror(code);

	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		snprintf(reply->text, sizeof(reply->text), "no answer from %s in time", c->socket);
		return API_TIMED_OUT;
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		if (stat(c->socket, &st) != 0)
			why = strerror(errno);
		else if (!S_ISSOCK(st.st_mode))
			why = "not a socket";
		else
			why = "nobody listens there, or you may not connect to it";
		snprintf(reply->text, sizeof(reply->text), "%s: %s", c->socket, why);
		return API_UNREACHABLE;
	default:
		snprintf(reply->text, sizeof(reply->text), "%s: %s", c->socket,
			 g->too_large ? "the answer is too large" : why);
		return API_BROKEN;
	}
}

static enum api_result parse(struct api_client *c, const struct gathered *g, struct api_reply *reply)
{
	json_error_t error;

	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &reply->status);
	reply->json = json_loadb(g->bytes != NULL ? g->bytes : "", g->len, JSON_REJECT_DUPLICATES, &error);
	if (json_is_object(reply->json))
		return API_ANSWERED;
	json_decref(reply->json);
	reply->json = NULL;
	snprintf(reply->text, sizeof(reply->text), "%s: HTTP %ld with an answer that is not a JSON object",
		 c->socket, reply->status);
	return API_BROKEN;
}

static enum api_result exchange(struct api_client *c, CURLU *url, const char *method, const char *body,
				struct api_reply *reply)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	struct gathered g = {0};

	headers = curl_slist_append(headers, "Expect:"); /* no round trip before a large body */
	curl_easy_setopt(c->curl, CURLOPT_CURLU, url);
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c->curl, CURLOPT_HTTPGET, 1L);
	if (strcmp(method, "POST") == 0) {
		curl_easy_setopt(c->curl, CURLOPT_POST, 1L);
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE,
				 (curl_off_t)(body != NULL ? strlen(body) : 0));
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body != NULL ? body : "");
	}
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, gather);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &g);
	CURLcode code = curl_easy_perform(c->curl);
	enum api_result result = code == CURLE_OK ? parse(c, &g, reply) : failed(c, code, &g, reply);
	curl_slist_free_all(headers);
	free(g.bytes);
	return result;
}

enum api_result api_call(struct api_client *c, const char *method, const char *path,
			 const struct api_query *query, size_t n_query, const json_t *body,
			 struct api_reply *reply)
{
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	CURLU *url = url_make(path, query, n_query);

	*reply = (struct api_reply){0};
	if (url == NULL || (body != NULL && text == NULL)) {
		curl_url_cleanup(url);
		free(text);
		snprintf(reply->text, sizeof(reply->text), "the request could not be made");
		return API_BROKEN;
	}
	enum api_result result = exchange(c, url, method, text, reply);
	curl_easy_setopt(c->curl, CURLOPT_CURLU, NULL);
	curl_url_cleanup(url);
	free(text);
	return result;
}

void api_reply_free(struct api_reply *reply)
{
	json_decref(reply->json);
	reply->json = NULL;
}

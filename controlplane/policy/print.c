/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The canonical form: one fact a line, all facts in order, the same for every text with the same meaning.
 * Free text is quoted; places, file names and what only the gateway's config says are not in it. The digest
 * is its SHA-256.
 */
#include "print.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "build.h"
#include "timefmt.h"

static void put_quoted(FILE *out, const char *name, const char *text)
{
	if (!text)
		return;
	fprintf(out, " %s=\"", name);
	for (; *text; text++) {
		if ((unsigned char)*text < ' ')
			fprintf(out, "\\x%02x", (unsigned char)*text);
		else
			fprintf(out, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
	}
	fputc('"', out);
}

static void put_time(FILE *out, const char *name, bool has, int64_t utc)
{
	char text[TIME_TEXT];

	if (has)
		fprintf(out, " %s=%s", name, time_print_seconds(utc, text, sizeof(text)));
}

static void put_service(FILE *out, const char *name, const struct service_set *s)
{
	char first[24], last[24];

	fprintf(out, " %s=", name);
	for (size_t i = 0; i < s->n; i++) {
		service_key_text(s->ranges[i].from, first, sizeof(first));
		service_key_text(s->ranges[i].to - 1, last, sizeof(last));
		fprintf(out, "%s%s", i ? "," : "", first);
		if (strcmp(first, last) != 0)
			fprintf(out, "-%s", last);
	}
}

static const char *const mode_words[] = {
	[MODE_ENFORCE] = "enforce", [MODE_MONITOR] = "monitor", [MODE_OFF] = "off"};
static const char *const tier_words[] = {
	[TIER_GUARD] = "guard", [TIER_TEAM] = "team", [TIER_BASELINE] = "baseline"};

static void put_bundle(FILE *out, const struct ruleset *rs)
{
	fprintf(out, "cordon 1\nbundle");
	put_quoted(out, "name", rs->name);
	put_quoted(out, "owner", rs->owner);
	put_quoted(out, "timezone", rs->timezone);
	put_quoted(out, "model", rs->framework.model);
	put_quoted(out, "version", rs->framework.version);
	put_quoted(out, "checked", rs->framework.checked);
	put_time(out, "tests_at", rs->has_tests_at, rs->tests_at);
	fputc('\n', out);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool put_label(FILE *out, const struct label_key *l)
{
	const char **values = malloc((l->n_values + 1) * sizeof(*values));

	if (!values)
		return false;
	if (l->n_values)
		memcpy(values, l->values, l->n_values * sizeof(*values));
	qsort(values, l->n_values, sizeof(*values), compare_texts);
	fprintf(out, "label %s", l->name);
	for (size_t i = 0; i < l->n_values; i++)
		fprintf(out, "%s%s", i ? "," : " values=", values[i]);
	if (l->default_value)
		fprintf(out, " default=%s", l->values[l->default_value - 1]);
	fputc('\n', out);
	free(values);
	return true;
}

static void put_classifier(FILE *out, const struct ruleset *rs, const struct classifier *c)
{
	char text[ADDR_TEXT];

	fprintf(out, "classify %s", c->id);
	if (c->has_prefix)
		fprintf(out, " prefix=%s",
			addr_print_prefix(c->family, c->prefix, c->prefix_len, text, sizeof(text)));
	if (c->has_mac)
		fprintf(out, " mac=%s", mac_print(c->mac, text, sizeof(text)));
	if (c->has_port)
		put_quoted(out, "port", c->port);
	if (c->has_vlan)
		fprintf(out, " vlan=%u", c->vlan);
	for (size_t k = 0; k < rs->n_labels; k++)
		if (c->value[k])
			fprintf(out, " set.%s=%s", rs->labels[k].name, rs->labels[k].values[c->value[k] - 1]);
	fputc('\n', out);
}

static void put_rule(FILE *out, const struct rule *r)
{
	fprintf(out, "rule %s effect=%s tier=%s mode=%s", r->id, r->effect == EFFECT_ALLOW ? "allow" : "deny",
		tier_words[r->tier], mode_words[r->mode]);
	fprintf(out, " from=%s to=%s", r->from.text, r->to.text);
	put_service(out, "service", &r->service);
	if (r->effect == EFFECT_DENY)
		fprintf(out, " action=%s", r->action == ACTION_REJECT ? "reject" : "drop");
	fprintf(out, " log=%s keep=%s", r->log == LOG_ALWAYS ? "always" : "default",
		r->keep ? "true" : "false");
	put_quoted(out, "owner", r->owner);
	put_quoted(out, "why", r->why);
	put_quoted(out, "ticket", r->ticket);
	fprintf(out, " review_by=%s\n", r->review_by);
}

static void put_scope(FILE *out, const struct scope *s)
{
	fprintf(out, "scope %s mode=%s from=%s to=%s", s->id, mode_words[s->mode], s->from.text, s->to.text);
	if (s->enforce_services.n)
		put_service(out, "enforce_services", &s->enforce_services);
	fputc('\n', out);
}

static void put_test(FILE *out, const struct policy_test *t)
{
	fprintf(out, "test");
	put_quoted(out, "name", t->name);
	fprintf(out, " from=%s to=%s", t->from_text, t->to_text);
	put_service(out, "service", &t->service);
	put_time(out, "at", t->has_at, t->at);
	if (t->has_verdict)
		fprintf(out, " verdict=%s", verdict_word(t->verdict));
	if (t->has_intended)
		fprintf(out, " intended=%s", verdict_word(t->intended));
	put_quoted(out, "rule", t->rule);
	put_quoted(out, "intended_rule", t->intended_rule);
	if (t->has_reason)
		fprintf(out, " reason=%s", reason_word(t->reason));
	fputc('\n', out);
}

static bool put_all(FILE *out, const struct ruleset *rs)
{
	bool ok = true;

	put_bundle(out, rs);
	for (size_t i = 0; i < rs->n_labels; i++)
		ok = put_label(out, &rs->labels[i]) && ok;
	for (size_t i = 0; i < rs->n_classifiers; i++)
		put_classifier(out, rs, &rs->classifiers[i]);
	for (size_t i = 0; i < rs->n_groups; i++)
		fprintf(out, "group %s %s\n", rs->groups[i].name, rs->groups[i].selector.text);
	for (size_t i = 0; i < rs->n_services; i++) {
		fprintf(out, "service %s", rs->services[i].name);
		put_service(out, "is", &rs->services[i].set);
		fputc('\n', out);
	}
	for (size_t i = 0; i < rs->n_profiles; i++) {
		fprintf(out, "profile %s members=%s", rs->profiles[i].name, rs->profiles[i].members_text);
		put_quoted(out, "mission", rs->profiles[i].mission);
		put_quoted(out, "owner", rs->profiles[i].owner);
		fputc('\n', out);
	}
	for (size_t i = 0; i < rs->n_rules; i++)
		put_rule(out, &rs->rules[i]);
	for (size_t i = 0; i < rs->n_scopes; i++)
		put_scope(out, &rs->scopes[i]);
	for (size_t i = 0; i < rs->n_tests; i++)
		put_test(out, &rs->tests[i]);
	return ok;
}

char *policy_print_canonical(const struct ruleset *rs, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);
	bool ok;

	if (!out)
		return NULL;
	ok = put_all(out, rs) && !ferror(out);
	if (fclose(out) != 0 || !ok) {
		free(text);
		return NULL;
	}
	return text;
}

bool print_digest(struct ruleset *rs)
{
	size_t len;
	char *text = policy_print_canonical(rs, &len);
	bool ok = text && EVP_Digest(text, len, rs->digest, NULL, EVP_sha256(), NULL) == 1;

	free(text);
	return ok;
}

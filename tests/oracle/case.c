/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A draft that the loader refuses is no failure of a test, one that the compiler refuses is.
 */
#include "case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draft.h"

static void print_errors(const struct diags *d, const char *text)
{
	if (!getenv("ORACLE_VERBOSE"))
		return;
	diags_print(d, stderr, NULL, NULL);
	fprintf(stderr, "%s\n", text);
}

bool case_compile(struct policy_case *c, char *text, struct dictionary *dict)
{
	const struct policy_source source = {"drawn.yaml", text, strlen(text)};
	const struct compile_limits limits = COMPILE_LIMITS_DEFAULT;
	struct diags diags;
	char error[256];

	*c = (struct policy_case){.text = text, .dict = dict, .own_dict = !dict};
	diags_init(&diags);
	c->rs = policy_compile(&source, 1, NULL, &diags);
	if (!c->rs)
		print_errors(&diags, text);
	diags_free(&diags);
	if (!c->rs)
		return false;
	if (!dict)
		c->dict = dictionary_new();
	if (!c->dict ||
	    compile_image(c->rs, c->dict, &limits, &c->image, &c->size, NULL, error, sizeof error)) {
		fprintf(stderr, "compile: %s\n%s\n", c->dict ? error : "no dictionary", text);
		abort();
	}
	return true;
}

void case_draw(struct policy_case *c, uint64_t *seed, size_t *refused)
{
	for (;;) {
		struct draft *draft = draft_random((*seed)++);
		const bool ok = case_compile(c, draft_text(draft, 0), NULL);

		draft_free(draft);
		if (ok)
			return;
		case_free(c);
		(*refused)++;
	}
}

void case_free(struct policy_case *c)
{
	free(c->image);
	if (c->own_dict)
		dictionary_free(c->dict);
	ruleset_free(c->rs);
	free(c->text);
	*c = (struct policy_case){0};
}

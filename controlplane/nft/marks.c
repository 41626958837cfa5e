/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "marks.h"

#include <stdlib.h>
#include <string.h>

static bool copy(struct marks_of *of, const struct nft_program *p, const struct nft_version *version)
{
	*of = (struct marks_of){.version = *version};
	if (!p || !p->decision.count)
		return true;
	of->decision = calloc(p->decision.count, sizeof(*of->decision));
	if (!of->decision)
		return false;
	memcpy(of->decision, nft_at(p, p->decision), p->decision.count * sizeof(*of->decision));
	of->n = p->decision.count;
	return true;
}

bool marks_use(struct marks *m, const struct nft_program *program, const struct nft_version *version)
{
	const uint32_t last = m->of[0].version.turn == version->turn ? 0 : MARKS_KEPT - 1;

	free(m->of[last].decision);
	memmove(&m->of[1], &m->of[0], last * sizeof(m->of[0]));
	return copy(&m->of[0], program, version);
}

void marks_free(struct marks *m)
{
	for (uint32_t i = 0; i < MARKS_KEPT; i++)
		free(m->of[i].decision);
	*m = (struct marks){0};
}

bool marks_read(const struct marks *m, uint32_t mark, struct mark_meaning *out)
{
	const uint32_t class = nft_mark_class(mark);

	for (uint32_t i = 0; i < MARKS_KEPT; i++) {
		const struct marks_of *of = &m->of[i];

		if (class >= of->n || nft_mark(of->version.turn, class) != mark)
			continue;
		*out = (struct mark_meaning){of->decision[class], of->version.generation, of->version.turn,
					     class};
		return true;
	}
	return false;
}

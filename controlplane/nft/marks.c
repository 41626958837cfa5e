/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "marks.h"

#include <stdlib.h>
#include <string.h>

static bool copy(struct marks_of *of, const struct nft_program *p, uint32_t generation)
{
	*of = (struct marks_of){.generation = generation};
	if (!p || !p->decision.count)
		return true;
	of->decision = calloc(p->decision.count, sizeof(*of->decision));
	if (!of->decision)
		return false;
	memcpy(of->decision, nft_at(p, p->decision), p->decision.count * sizeof(*of->decision));
	of->n = p->decision.count;
	return true;
}

/* The same generation again is another matrix of its schedule: the one before it stays. */
bool marks_use(struct marks *m, const struct nft_program *program, uint32_t generation)
{
	struct marks_of *first = &m->of[0];

	if (first->generation == generation && first->n) {
		free(first->decision);
	} else if (first->n) {
		free(m->of[1].decision);
		m->of[1] = *first;
	}
	return copy(first, program, generation);
}

void marks_free(struct marks *m)
{
	for (uint32_t i = 0; i < MARKS_GENERATIONS; i++)
		free(m->of[i].decision);
	*m = (struct marks){0};
}

bool marks_read(const struct marks *m, uint32_t mark, struct mark_meaning *out)
{
	const uint32_t class = nft_mark_class(mark);

	for (uint32_t i = 0; i < MARKS_GENERATIONS; i++) {
		const struct marks_of *of = &m->of[i];

		if (class >= of->n || nft_mark(of->generation, class) != mark)
			continue;
		*out = (struct mark_meaning){of->decision[class], of->generation, class};
		return true;
	}
	return false;
}

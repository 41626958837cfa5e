/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The proof. What the maps of a read-back say is decoded by their own rules (nftmodel.h, sets.h) and held
 * against the tables of the image, with no code of the compiler. Classes are compared, not identities: who is
 * of which class must be equal first, then each row of source classes with the responder classes that either
 * side treats apart, then each list of services once.
 *
 * What cannot be reached is not compared here (a row of no class, a list of no pair): that the kernel holds
 * exactly what was sent is for nft_differ() to say, as is what the rules do with the maps.
 */
#include <inttypes.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sets.h"
#include "to_nft.h"

#define IDENTITIES 65536u
#define NO_LIST    UINT32_MAX /* neither pair nor row: denied by default */
#define LOW        0xffffu

enum { ICMP = 1, TCP = 6, UDP = 17, ICMP6 = 58 };

/* Keys [from, end) of one protocol have this class. */
struct piece {
	service_key from, end;
	uint32_t class;
};
struct pieces {
	struct piece *at;
	size_t n, room;
};

struct got_pair {
	uint32_t source, responder, list;
};

struct proof {
	const struct image_header *image;
	const struct nft_program *got;
	const struct nft_table *table;
	const uint32_t *matrix; /* in force */
	bool host;
	struct nft_difference *out;

	uint16_t *who[2]; /* by class: an identity that has it, 0 none; sources, responders */
	uint32_t n_live;  /* responder classes that somebody has, without 0 */
	uint32_t *row;    /* by source class: list */
	struct got_pair *pair;
	size_t n_pairs;
	uint8_t *equal;     /* by list: found equal to the kernel's of the same number */
	uint32_t *stamp[2]; /* by responder class: image, kernel: source class + 1 whose exception it is */
	uint32_t *list[2];
	struct pieces want, have;
	bool no_memory;
};

/* --- telling ------------------------------------------------------------------------------------------ */

static const struct image_decision *decision_of(const struct proof *p, uint32_t class)
{
	static const struct image_decision unknown;
	const struct image_decision *d = image_at(p->image, p->image->decision);

	return class < p->image->decision.count ? &d[class] : &unknown;
}

static void service_text(service_key key, char *out, size_t room)
{
	const unsigned proto = key >> 16, low = key & LOW;

	if (proto == TCP || proto == UDP)
		snprintf(out, room, "%s/%u", proto == TCP ? "tcp" : "udp", low);
	else if (proto == ICMP || proto == ICMP6)
		snprintf(out, room, "%s type %u code %u", proto == ICMP ? "icmp" : "icmpv6", low >> 8,
			 low & 0xff);
	else
		snprintf(out, room, "protocol %u", proto);
}

static bool tell_cell(struct proof *p, uint16_t from, uint16_t to, service_key key, uint32_t expected,
		      uint32_t found)
{
	char service[48];

	service_text(key, service, sizeof service);
	*p->out = (struct nft_difference){
		.from = from, .to = to, .key = key, .expected = expected, .found = found};
	snprintf(p->out->text, sizeof p->out->text,
		 "%sa packet from identity %u to %u, %s: the image has class %" PRIu32
		 " (%s), the kernel %" PRIu32 " (%s)",
		 p->host ? "host: " : "", from, to, service, expected,
		 verdict_word(decision_of(p, expected)->flags & DECISION_ALLOW), found,
		 verdict_word(decision_of(p, found)->flags & DECISION_ALLOW));
	return false;
}

static bool tell(struct proof *p, const char *what, const char *set, uint64_t number)
{
	*p->out = (struct nft_difference){0};
	snprintf(p->out->text, sizeof p->out->text, "%sset %s: %s %" PRIu64, p->host ? "host: " : "", set,
		 what, number);
	return false;
}

/* --- reading sets ------------------------------------------------------------------------------------- */

struct reading {
	const struct nft_set *set;
	struct nft_set_shape shape;
	const struct nft_element *element;
	uint32_t n;
};

static bool read_set(struct proof *p, const char *name, struct reading *r)
{
	r->set = nft_find_set(p->got, p->table, name);
	if (!r->set || !nft_shape_of(name, r->set, &r->shape))
		return tell(p, "is missing, or not of its kind in table", name, p->table->family);
	r->element = (const struct nft_element *)nft_at(p->got, p->got->element) + r->set->element_first;
	r->n = r->set->element_count;
	return true;
}

static uint32_t first_of(const struct reading *r, uint32_t i, uint32_t field)
{
	return nft_key_get(&r->shape, field, r->element[i].key);
}

static uint32_t last_of(const struct reading *r, uint32_t i, uint32_t field)
{
	return nft_key_get(&r->shape, field, r->element[i].key_end);
}

/* --- services ----------------------------------------------------------------------------------------- */

static void add_piece(struct proof *p, struct pieces *to, struct piece piece)
{
	if (to->n == to->room) {
		const size_t room = to->room ? 2 * to->room : 64;
		struct piece *more = realloc(to->at, room * sizeof *more);

		if (!more) {
			p->no_memory = true;
			return;
		}
		to->at = more;
		to->room = room;
	}
	to->at[to->n++] = piece;
}

/* The regions of a list that lie in one protocol and are not denied by default. */
static void want_pieces(struct proof *p, uint32_t number, uint32_t proto)
{
	const struct image_list *list =
		(const struct image_list *)image_at(p->image, p->image->list) + number;
	const struct image_region *region = image_at(p->image, p->image->region);
	const service_key low = proto << 16, high = (proto + 1) << 16;

	p->want.n = 0;
	region += list->region_first;
	for (uint32_t i = 0; i < list->region_count && region[i].from < high; i++) {
		service_key from = region[i].from > low ? region[i].from : low;
		service_key end = i + 1 < list->region_count ? region[i + 1].from : SERVICE_KEY_END;

		if (end > high)
			end = high;
		if (from < end && region[i].decision)
			add_piece(p, &p->want, (struct piece){from, end, region[i].decision});
	}
}

/* The first element of a list, in a set whose first field is the list. */
static uint32_t seek(const struct reading *r, uint32_t list)
{
	uint32_t low = 0, high = r->n;

	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;

		if (first_of(r, middle, 0) < list)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Ranges of ports, or of types and codes: a range of each type unless the codes are all. */
static void have_element(struct proof *p, const struct reading *r, uint32_t i, uint32_t proto)
{
	const uint32_t class = r->element[i].data, a = first_of(r, i, 1), b = last_of(r, i, 1);
	const uint32_t c = first_of(r, i, 2), d = last_of(r, i, 2), base = proto << 16;

	if (proto == TCP || proto == UDP) {
		if (a <= proto && proto <= b)
			add_piece(p, &p->have, (struct piece){base | c, (base | d) + 1, class});
		return;
	}
	if (c == 0 && d == 0xff) {
		add_piece(p, &p->have, (struct piece){base | a << 8, (base | b << 8) + 0x100, class});
		return;
	}
	for (uint32_t type = a; type <= b; type++)
		add_piece(p, &p->have,
			  (struct piece){base | type << 8 | c, (base | type << 8 | d) + 1, class});
}

static int by_from(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

static void have_pieces(struct proof *p, const struct reading *r, uint32_t list, uint32_t proto)
{
	p->have.n = 0;
	for (uint32_t i = seek(r, list); i < r->n && first_of(r, i, 0) == list; i++)
		have_element(p, r, i, proto);
	if (p->have.n)
		qsort(p->have.at, p->have.n, sizeof *p->have.at, by_from);
}

/* Class at `at` by pieces from *i on, and up to where that holds. */
static uint32_t class_from(const struct pieces *pieces, size_t *i, service_key at, service_key *end)
{
	while (*i < pieces->n && pieces->at[*i].end <= at)
		(*i)++;
	if (*i == pieces->n)
		return 0;
	if (pieces->at[*i].from > at) {
		if (pieces->at[*i].from < *end)
			*end = pieces->at[*i].from;
		return 0;
	}
	if (pieces->at[*i].end < *end)
		*end = pieces->at[*i].end;
	return pieces->at[*i].class;
}

struct cell_difference {
	service_key key;
	uint32_t expected, found;
};

static bool same_pieces(struct proof *p, uint32_t proto, struct cell_difference *d)
{
	const service_key high = (proto + 1) << 16;
	size_t w = 0, h = 0;

	for (service_key at = proto << 16, end; at < high; at = end) {
		end = high;
		*d = (struct cell_difference){at, class_from(&p->want, &w, at, &end),
					      class_from(&p->have, &h, at, &end)};
		if (d->expected != d->found)
			return false;
	}
	return true;
}

static bool same_protos(struct proof *p, const struct reading *r, uint32_t number, uint32_t kernel_list,
			struct cell_difference *d)
{
	uint32_t class[256] = {0};

	for (uint32_t i = seek(r, kernel_list); kernel_list != NO_LIST && i < r->n; i++) {
		if (first_of(r, i, 0) != kernel_list)
			break;
		for (uint32_t x = first_of(r, i, 1); x <= last_of(r, i, 1); x++)
			class[x] = r->element[i].data;
	}
	for (uint32_t proto = 0; proto < 256; proto++) {
		size_t w = 0;
		service_key end = SERVICE_KEY_END;

		if (proto == TCP || proto == UDP || proto == ICMP || proto == ICMP6)
			continue;
		want_pieces(p, number, proto);
		*d = (struct cell_difference){proto << 16, class_from(&p->want, &w, proto << 16, &end),
					      class[proto]};
		if (d->expected != d->found)
			return false;
	}
	return true;
}

struct services {
	struct reading ports, types, types6, protos;
};

static bool same_list(struct proof *p, const struct services *s, uint32_t number, uint32_t kernel_list,
		      struct cell_difference *d)
{
	const struct {
		uint32_t proto;
		const struct reading *r;
	} parts[] = {{ICMP, &s->types}, {TCP, &s->ports}, {UDP, &s->ports}, {ICMP6, &s->types6}};

	if (number == kernel_list && p->equal[number])
		return true;
	if (number == 0 && kernel_list == NO_LIST)
		return true;
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		want_pieces(p, number, parts[i].proto);
		p->have.n = 0;
		if (kernel_list != NO_LIST)
			have_pieces(p, parts[i].r, kernel_list, parts[i].proto);
		if (!same_pieces(p, parts[i].proto, d))
			return false;
	}
	if (!same_protos(p, &s->protos, number, kernel_list, d))
		return false;
	if (number == kernel_list)
		p->equal[number] = 1;
	return true;
}

/* An element that speaks of several lists or protocols would be missed by looking for one; and of two that
 * overlap the kernel may choose either. No compiler of ours makes such. */
static bool plain_services(struct proof *p, const struct reading *r, const char *name, uint32_t fields)
{
	for (uint32_t i = 0; i < r->n; i++)
		for (uint32_t f = 0; f < fields; f++)
			if (first_of(r, i, f) != last_of(r, i, f))
				return tell(p, "an element spans several lists or protocols, number", name,
					    i);
	return true;
}

static bool overlap(const struct reading *r, uint32_t a, uint32_t b)
{
	for (uint32_t f = 0; f < r->shape.n_fields; f++)
		if (first_of(r, a, f) > last_of(r, b, f) || first_of(r, b, f) > last_of(r, a, f))
			return false;
	return true;
}

/* In canonical order what overlaps an element begins before the element's second field ends. */
static bool apart(struct proof *p, const struct reading *r, const char *name)
{
	for (uint32_t i = 0; i < r->n; i++)
		for (uint32_t k = i + 1; k < r->n && first_of(r, k, 0) == first_of(r, i, 0) &&
					 first_of(r, k, 1) <= last_of(r, i, 1);
		     k++) {
			if (overlap(r, i, k))
				return tell(p, "two elements overlap, the first is number", name, i);
			if (first_of(r, i, 1) == last_of(r, i, 1) &&
			    (r->shape.n_fields < 3 || first_of(r, k, 2) > last_of(r, i, 2)))
				break;
		}
	return true;
}

static bool read_services(struct proof *p, struct services *s)
{
	const struct {
		const char *name;
		struct reading *r;
		uint32_t plain;
	} parts[] = {{"ports", &s->ports, 2},
		     {"types", &s->types, 1},
		     {"types6", &s->types6, 1},
		     {"protos", &s->protos, 1}};

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (!read_set(p, parts[i].name, parts[i].r) ||
		    !plain_services(p, parts[i].r, parts[i].name, parts[i].plain) ||
		    !apart(p, parts[i].r, parts[i].name))
			return false;
	return true;
}

/* --- rows --------------------------------------------------------------------------------------------- */

static const struct image_row *image_row(const struct proof *p, uint32_t source)
{
	return (const struct image_row *)image_at(p->image, p->image->row) + p->matrix[source];
}

static uint32_t image_list(const struct proof *p, uint32_t source, uint32_t responder)
{
	return p->stamp[0][responder] == source + 1 ? p->list[0][responder]
						    : image_row(p, source)->default_list;
}

static uint32_t kernel_list(const struct proof *p, uint32_t source, uint32_t responder)
{
	return p->stamp[1][responder] == source + 1 ? p->list[1][responder] : p->row[source];
}

static bool same_cell(struct proof *p, const struct services *s, uint32_t source, uint32_t responder)
{
	struct cell_difference d;

	if (same_list(p, s, image_list(p, source, responder), kernel_list(p, source, responder), &d))
		return true;
	return tell_cell(p, p->who[0][source], p->who[1][responder], d.key, d.expected, d.found);
}

/* Notes an exception of one side. */
static void except(struct proof *p, int side, uint32_t source, uint32_t responder, uint32_t list)
{
	if (responder >= p->image->n_responder)
		return;
	p->stamp[side][responder] = source + 1;
	p->list[side][responder] = list;
}

static bool excepted(const struct proof *p, uint32_t source, uint32_t responder)
{
	return p->stamp[0][responder] == source + 1 || p->stamp[1][responder] == source + 1;
}

static size_t pairs_of(const struct proof *p, uint32_t source, size_t *at)
{
	size_t first;

	while (*at < p->n_pairs && p->pair[*at].source < source)
		(*at)++;
	first = *at;
	while (*at < p->n_pairs && p->pair[*at].source == source)
		(*at)++;
	return first;
}

static bool same_exceptions(struct proof *p, const struct services *s, uint32_t source, size_t first,
			    size_t last, uint32_t *n)
{
	const struct image_row *row = image_row(p, source);
	const struct image_slot *slot = image_at(p->image, p->image->slot);
	const uint32_t end = row->slot_first + row->slot_count;

	for (uint32_t i = row->slot_first; i < end; i++)
		if (slot[i].responder != IMAGE_SLOT_EMPTY)
			except(p, 0, source, slot[i].responder, slot[i].list);
	for (size_t i = first; i < last; i++)
		except(p, 1, source, p->pair[i].responder, p->pair[i].list);
	*n = 0;
	for (uint32_t i = row->slot_first; i < end; i++) {
		const uint32_t r = slot[i].responder;

		if (r == IMAGE_SLOT_EMPTY || !r || !p->who[1][r])
			continue;
		++*n;
		if (!same_cell(p, s, source, r))
			return false;
	}
	for (size_t i = first; i < last; i++) {
		const uint32_t r = p->pair[i].responder;

		if (!r || r >= p->image->n_responder || !p->who[1][r] || p->stamp[0][r] == source + 1)
			continue;
		++*n;
		if (!same_cell(p, s, source, r))
			return false;
	}
	return true;
}

/* All responder classes that neither side excepts share one answer. */
static bool same_rest(struct proof *p, const struct services *s, uint32_t source)
{
	for (uint32_t r = 1; r < p->image->n_responder; r++)
		if (p->who[1][r] && !excepted(p, source, r))
			return same_cell(p, s, source, r);
	return true;
}

static bool same_rows(struct proof *p, const struct services *s)
{
	size_t at = 0;

	for (uint32_t source = 1; source < p->image->n_source; source++) {
		const size_t first = pairs_of(p, source, &at);
		uint32_t n;

		if (!p->who[0][source])
			continue;
		if (!same_exceptions(p, s, source, first, at, &n))
			return false;
		if (n < p->n_live && !same_rest(p, s, source))
			return false;
	}
	return true;
}

static int by_classes(const void *a, const void *b)
{
	const struct got_pair *x = a, *y = b;

	if (x->source != y->source)
		return x->source < y->source ? -1 : 1;
	return (x->responder > y->responder) - (x->responder < y->responder);
}

static bool read_rows(struct proof *p)
{
	struct reading pair, row;

	if (!read_set(p, "pair", &pair) || !read_set(p, "row", &row))
		return false;
	p->pair = calloc(pair.n + 1u, sizeof *p->pair);
	p->no_memory |= !p->pair;
	for (uint32_t i = 0; i < pair.n && p->pair; i++)
		p->pair[p->n_pairs++] =
			(struct got_pair){first_of(&pair, i, 0), first_of(&pair, i, 1), pair.element[i].data};
	if (p->pair)
		qsort(p->pair, p->n_pairs, sizeof *p->pair, by_classes);
	for (uint32_t i = 0; i < p->image->n_source; i++)
		p->row[i] = NO_LIST;
	for (uint32_t i = 0; i < row.n; i++)
		if (first_of(&row, i, 0) < p->image->n_source)
			p->row[first_of(&row, i, 0)] = row.element[i].data;
	return !p->no_memory;
}

/* --- who is who --------------------------------------------------------------------------------------- */

static uint16_t image_class(const struct proof *p, uint32_t identity, int side)
{
	const struct image_identity *id = image_at(p->image, p->image->identity);

	if (identity >= p->image->identity.count)
		return 0;
	return side ? id[identity].responder : id[identity].source;
}

/* What an identity of another class would meet: the first pair that shows it. */
static bool tell_class(struct proof *p, int side, uint32_t identity, uint32_t found)
{
	snprintf(p->out->text, sizeof p->out->text,
		 "%sa packet %s identity %" PRIu32 ": the image has %s class %u, the kernel %" PRIu32,
		 p->host ? "host: " : "", side ? "to" : "from", identity, side ? "responder" : "source",
		 image_class(p, identity, side), found);
	p->out->from = p->out->to = (uint16_t)identity;
	p->out->expected = p->out->found = 0;
	p->out->key = 0;
	return false;
}

static bool same_identities(struct proof *p, const char *name, int side)
{
	struct reading r;
	uint32_t *class;
	bool same = true;

	if (!read_set(p, name, &r))
		return false;
	class = calloc(IDENTITIES, sizeof *class);
	if (!class)
		return !(p->no_memory = true);
	for (uint32_t i = 0; same && i < r.n; i++) {
		const uint32_t identity = first_of(&r, i, 0);

		if (identity < IDENTITIES)
			class[identity] = r.element[i].data;
		else
			same = tell(p, "an element for no identity:", name, identity);
	}
	for (uint32_t i = 0; same && i < IDENTITIES; i++)
		if (class[i] != image_class(p, i, side))
			same = tell_class(p, side, i, class[i]);
	free(class);
	return same;
}

static void find_who(struct proof *p)
{
	for (uint32_t i = 0; i < p->image->identity.count; i++)
		for (int side = 0; side < 2; side++) {
			uint16_t *who = &p->who[side][image_class(p, i, side)];

			if (!*who)
				*who = (uint16_t)i;
		}
	for (uint32_t r = 1; r < p->image->n_responder; r++)
		p->n_live += p->who[1][r] != 0;
}

/* --- what a class means ------------------------------------------------------------------------------- */

/* `refuse_no_rule` and `reject_no_rule` say `no-rule`. */
static bool refusal_says(const char *chain, unsigned reason)
{
	const char *word = reason_word(reason);

	if (strncmp(chain, "refuse_", 7) != 0 && strncmp(chain, "reject_", 7) != 0)
		return false;
	for (chain += 7; *chain && *word; chain++, word++)
		if (*chain != (*word == '-' ? '_' : *word))
			return false;
	return !*chain && !*word;
}

static bool verdict_right(const struct proof *p, uint32_t class, const struct nft_element *e,
			  const char *allowed)
{
	const char *chain = nft_text(p->got, e->chain);
	const uint32_t no_session = p->image->decision.count;

	if (e->verdict != NFT_GOTO)
		return false;
	if (p->host && strncmp(chain, "host_", 5) != 0)
		return false;
	chain += p->host ? 5 : 0;
	if (class == no_session)
		return refusal_says(chain, REASON_NO_SESSION);
	if (decision_of(p, class)->flags & DECISION_ALLOW)
		return !strcmp(chain, allowed);
	return refusal_says(chain, decision_of(p, class)->reason);
}

static bool same_verdicts(struct proof *p, const char *name, const char *allowed)
{
	const uint32_t n = p->image->decision.count + 1;
	struct reading r;
	uint8_t *seen;
	bool same = true;

	if (!read_set(p, name, &r))
		return false;
	seen = calloc(n, 1);
	if (!seen)
		return !(p->no_memory = true);
	for (uint32_t i = 0; same && i < r.n; i++) {
		const uint32_t class = first_of(&r, i, 0);

		if (class < n)
			seen[class] = 1;
		if (class >= n || !verdict_right(p, class, &r.element[i], allowed))
			same = tell(p, "a packet of a session leads elsewhere than its decision says, class",
				    name, class);
	}
	for (uint32_t i = 0; same && i < n; i++)
		if (!seen[i])
			same = tell(p, "a packet of a session leads nowhere, class", name, i);
	free(seen);
	return same;
}

static bool same_names(struct proof *p, const char *name, const uint64_t bits[4], bool protos)
{
	uint64_t have[4] = {0};
	struct reading r;

	if (!read_set(p, name, &r))
		return false;
	for (uint32_t i = 0; i < r.n; i++)
		have[first_of(&r, i, 0) / 64 % 4] |= UINT64_C(1) << first_of(&r, i, 0) % 64;
	for (uint32_t i = 0; i < 256; i++) {
		const bool lower = protos && (i == TCP || i == UDP || i == ICMP || i == ICMP6);

		if ((have[i / 64] >> i % 64 & 1) != (!lower && bits[i / 64] >> i % 64 & 1))
			return tell(p, "who may open a session with a packet of protocol or type", name, i);
	}
	return true;
}

/* --- addresses of the host plane ---------------------------------------------------------------------- */

__extension__ typedef unsigned __int128 address;

static address from_key(const uint8_t *key, size_t n)
{
	address a = 0;

	for (size_t i = 0; i < n; i++)
		a = a << 8 | key[i];
	return a;
}

static address prefix_begin(const struct image_header *image, int family, uint32_t i)
{
	const struct image_prefix6 *p6 = image_at(image, image->prefix6);

	if (family == 4)
		return ((const struct image_prefix4 *)image_at(image, image->prefix4))[i].from;
	return (address)p6[i].from_high << 64 | p6[i].from_low;
}

static uint32_t prefix_says(const struct image_header *image, int family, uint32_t i)
{
	const struct image_prefix4 *p4 = image_at(image, image->prefix4);
	const struct image_prefix6 *p6 = image_at(image, image->prefix6);
	const uint16_t flags = family == 4 ? p4[i].flags : p6[i].flags;

	if (!(flags & PREFIX_FINAL))
		return IDENTITY_UNKNOWN;
	return family == 4 ? p4[i].identity : p6[i].identity;
}

/* How many of our own addresses lie in a range; they are few. */
static uint32_t own_in(const struct reading *own, address first, address last, size_t size)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < own->n; i++) {
		const address a = from_key(own->element[i].key, size);

		n += a >= first && a <= last;
	}
	return n;
}

static bool prefixes_say(const struct image_header *image, int family, address first, address last,
			 uint32_t identity)
{
	const uint32_t n = family == 4 ? image->prefix4.count : image->prefix6.count;
	uint32_t low = 0, high = n;

	while (high - low > 1) {
		const uint32_t middle = low + (high - low) / 2;

		if (prefix_begin(image, family, middle) <= first)
			low = middle;
		else
			high = middle;
	}
	for (uint32_t i = low; i < n && prefix_begin(image, family, i) <= last; i++)
		if (prefix_says(image, family, i) != identity)
			return false;
	return true;
}

/* The elements must follow one another without gap; each is our own, or what the prefixes say that it meets.
 */
static bool same_addresses(struct proof *p, int family, const char *name, const char *own_name)
{
	const size_t size = family == 4 ? 4 : 16;
	struct reading r, own;
	address next = 0;

	if (!read_set(p, name, &r) || !read_set(p, own_name, &own))
		return false;
	for (uint32_t i = 0; i < r.n; i++) {
		const address first = from_key(r.element[i].key, size);
		const address last = from_key(r.element[i].key_end, size);
		const uint32_t identity = r.element[i].data, n = own_in(&own, first, last, size);

		if (first != next)
			return tell(p, "a packet of an address in no range, before element", name, i);
		next = last + 1;
		if (identity == IDENTITY_GATEWAY && n && n - 1 == last - first)
			continue;
		if (n || !prefixes_say(p->image, family, first, last, identity))
			return tell(p, "a packet of an address that is of another identity, element", name,
				    i);
	}
	if (next != (family == 4 ? (address)UINT32_MAX + 1 : 0) || !r.n)
		return tell(p, "a packet of an address in no range, after element", name, r.n);
	return true;
}

/* --- all of it ---------------------------------------------------------------------------------------- */

static bool prepare(struct proof *p)
{
	const uint32_t n[2] = {p->image->n_source, p->image->n_responder};

	for (int side = 0; side < 2; side++) {
		p->who[side] = calloc(n[side], sizeof *p->who[side]);
		p->stamp[side] = calloc(p->image->n_responder, sizeof *p->stamp[side]);
		p->list[side] = calloc(p->image->n_responder, sizeof *p->list[side]);
		p->no_memory |= !p->who[side] || !p->stamp[side] || !p->list[side];
	}
	p->row = calloc(n[0], sizeof *p->row);
	p->equal = calloc(p->image->list.count, 1);
	p->no_memory |= !p->row || !p->equal;
	return !p->no_memory;
}

static void release(struct proof *p)
{
	for (int side = 0; side < 2; side++) {
		free(p->who[side]);
		free(p->stamp[side]);
		free(p->list[side]);
	}
	free(p->row);
	free(p->pair);
	free(p->equal);
	free(p->want.at);
	free(p->have.at);
}

static bool same_maps(struct proof *p)
{
	struct services s;

	find_who(p);
	return same_identities(p, "source", 0) && same_identities(p, "responder", 1) && read_rows(p) &&
	       read_services(p, &s) && same_rows(p, &s) &&
	       same_names(p, "named_proto", p->image->named_proto, true) &&
	       same_names(p, "named_icmp", p->image->named_icmp, false) &&
	       same_names(p, "named_icmp6", p->image->named_icmpv6, false);
}

static bool same_plane(struct proof *p)
{
	if (p->host)
		return same_verdicts(p, "host_opening", "open") &&
		       same_verdicts(p, "host_standing", "pass") && same_addresses(p, 4, "host4", "mgmt4") &&
		       same_addresses(p, 6, "host6", "mgmt6");
	return same_verdicts(p, "opening", "open") && same_verdicts(p, "standing", "pass");
}

static const uint32_t *matrix_at(const struct image_header *image, int64_t at_utc)
{
	const struct image_edge *edge = image_at(image, image->schedule);
	const uint32_t *matrix = image_at(image, image->matrix);
	uint32_t in_force = 0;

	for (uint32_t i = 0; i < image->schedule.count; i++)
		if (edge[i].from_utc <= at_utc)
			in_force = edge[i].matrix;
	return matrix + (size_t)in_force * image->n_source;
}

static bool prove_table(const struct nft_program *got, const struct nft_table *t,
			const struct image_header *image, int64_t at_utc, struct nft_difference *out)
{
	struct proof p = {
		.image = image, .got = got, .table = t, .matrix = matrix_at(image, at_utc), .out = out};
	bool same = prepare(&p) && same_maps(&p);

	for (int host = 0; same && host < 2; host++) {
		p.host = host;
		if (nft_find_set(got, t, host ? "host_opening" : "opening"))
			same = same_plane(&p);
	}
	if (p.no_memory) {
		*out = (struct nft_difference){.text = "out of memory: nothing was compared"};
		same = false;
	}
	release(&p);
	return same;
}

bool nft_means(const struct nft_program *got, const struct image_header *image, int64_t at_utc,
	       struct nft_difference *out)
{
	static const uint32_t families[] = {NFT_INET, NFT_BRIDGE};
	bool any = false;

	for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
		const struct nft_table *t = nft_find_table(got, 0, families[i]);

		if (!t || (!nft_find_set(got, t, "opening") && !nft_find_set(got, t, "host_opening")))
			continue;
		any = true;
		if (!prove_table(got, t, image, at_utc, out))
			return false;
	}
	if (!any)
		*out = (struct nft_difference){.text = "the kernel holds no decisions: it denies everything"};
	return any;
}

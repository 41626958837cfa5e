/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sets and maps of a program, from the tables of the image. Which set holds what is the table at the end.
 *
 * What a map does not say is denied, so what the image denies by default is left out: identities of class 0,
 * rows whose default is list 0, regions of decision 0. An exception to list 0 in a row of another default is
 * kept, and leads to a list that no region map knows.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "nft_parts.h"
#include "sets.h"

enum { TCP = 6, UDP = 17, ICMP = 1, ICMP6 = 58 };
enum { ICMP_TYPES = 256, LOW_MAX = 0xffff };

/* Where elements go. Without a builder they are only counted. */
struct sink {
	struct nft_builder *b;
	const struct nft_making *m;
	struct nft_set_shape shape;
	uint64_t n;
};

typedef void fill_fn(struct sink *s);

static void put(struct sink *s, struct nft_element *x, const char *chain)
{
	static const uint8_t none[NFT_KEY_MAX];

	s->n++;
	if (!s->b)
		return;
	if (!(s->shape.flags & NFT_SET_INTERVAL) || !memcmp(x->key_end, none, sizeof none))
		memcpy(x->key_end, x->key, sizeof x->key);
	nft_build_element(s->b, x, chain);
}

static void put_number(struct sink *s, uint32_t key, uint32_t data)
{
	struct nft_element x = {.data = data};

	nft_key_number(&s->shape, 0, key, x.key);
	put(s, &x, NULL);
}

static void put_verdict(struct sink *s, uint32_t key, const char *chain)
{
	struct nft_element x = {.verdict = NFT_GOTO};

	nft_key_number(&s->shape, 0, key, x.key);
	put(s, &x, chain);
}

/* A key of numbers, each with its last one. */
struct range {
	uint32_t first, last;
};

static void put_ranges(struct sink *s, const struct range *r, uint32_t data)
{
	struct nft_element x = {.data = data};

	for (uint32_t i = 0; i < s->shape.n_fields; i++) {
		nft_key_number(&s->shape, i, r[i].first, x.key);
		nft_key_number(&s->shape, i, r[i].last, x.key_end);
	}
	put(s, &x, NULL);
}

/* Elements come from traffic or with bindings. */
static void nothing(struct sink *s)
{
	(void)s;
}

/* --- ports and domains -------------------------------------------------------------------------------- */

static void put_device(struct sink *s, const char *device, uint32_t number)
{
	struct nft_element x = {.data = number};

	nft_key_bytes(&s->shape, 0, device, strnlen(device, NFT_DEVICE), x.key);
	put(s, &x, NULL);
}

static void port(struct sink *s)
{
	for (uint32_t i = 0; i < s->m->box->n_ports; i++)
		put_device(s, s->m->box->port[i].device, i + 1);
	put_device(s, NFT_PROBE_DEVICE_0, NFT_PROBE_PORT + 1);
	put_device(s, NFT_PROBE_DEVICE_1, NFT_PROBE_PORT + 2);
}

static void domain(struct sink *s)
{
	for (uint32_t i = 0; i < s->m->box->n_ports; i++)
		if (s->m->box->port[i].vlan)
			put_number(s, i + 1, s->m->box->port[i].vlan);
	put_number(s, NFT_PROBE_PORT + 1, DP_PROBE_DOMAIN);
	put_number(s, NFT_PROBE_PORT + 2, DP_PROBE_DOMAIN);
}

static void tagged(struct sink *s)
{
	for (uint32_t i = 0; i < s->m->box->n_ports; i++)
		for (uint32_t v = 0; v < s->m->box->port[i].n_vlans; v++) {
			struct nft_element x = {.data = s->m->box->port[i].vlans[v]};

			nft_key_number(&s->shape, 0, i + 1, x.key);
			nft_key_number(&s->shape, 1, s->m->box->port[i].vlans[v], x.key);
			put(s, &x, NULL);
		}
}

/* --- what the parser of the engine knows (dataplane/core/parse.c) ------------------------------------- */

static void put_range4(struct sink *s, uint32_t first, uint32_t last)
{
	put_ranges(s, &(struct range){first, last}, 0);
}

static void martian4(struct sink *s)
{
	put_range4(s, 0x00000000, 0x00000000);
	put_range4(s, 0x7f000000, 0x7fffffff);
	put_range4(s, 0xe0000000, 0xefffffff);
	put_range4(s, 0xffffffff, 0xffffffff);
}

static void group4(struct sink *s)
{
	put_range4(s, 0xe0000000, 0xefffffff);
	put_range4(s, 0xffffffff, 0xffffffff);
}

static void group6(struct sink *s)
{
	struct nft_element x = {.key = {0xff}};

	memset(x.key_end, 0xff, 16);
	put(s, &x, NULL);
}

/* ::, ::1 and groups. */
static void martian6(struct sink *s)
{
	struct nft_element x = {.key_end = {[15] = 1}};

	put(s, &x, NULL);
	group6(s);
}

/* Of FIN, SYN, RST and ACK. */
static void tcp_sane(struct sink *s)
{
	enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };
	static const uint8_t sane[] = {SYN, RST, ACK, ACK | SYN, ACK | RST, ACK | FIN};

	for (size_t i = 0; i < sizeof sane; i++)
		put_number(s, sane[i], 0);
}

static void dhcp4(struct sink *s)
{
	put_number(s, 67, 0);
	put_number(s, 68, 0);
}

static void dhcp6(struct sink *s)
{
	put_number(s, 546, 0);
	put_number(s, 547, 0);
}

struct lead {
	uint32_t key;
	const char *chain;
};

#define PUT_LEADS(s, leads)                                                                                  \
	for (size_t i = 0; i < sizeof(leads) / sizeof *(leads); i++)                                         \
	put_verdict(s, (leads)[i].key, (leads)[i].chain)

static void layer3(struct sink *s)
{
	static const struct lead leads[] = {
		{0x0800, "frame_ip4"}, {0x0806, "frame_arp"}, {0x86dd, "frame_ip6"}};

	PUT_LEADS(s, leads);
}

/* The kernel looks through authentication headers, the engine does not. */
static void next6(struct sink *s)
{
	static const struct lead leads[] = {
		{0, "drop_ext_header"},  {1, "drop_proto"},  {43, "drop_ext_header"}, {44, "drop_fragment"},
		{51, "drop_ext_header"}, {59, "drop_proto"}, {60, "drop_ext_header"},
	};

	PUT_LEADS(s, leads);
}

static void guard6(struct sink *s)
{
	static const struct lead leads[] = {
		{130, "drop_multicast"},
		{131, "drop_multicast"},
		{132, "drop_multicast"},
		{133, "drop_nd"},
		{134, "drop_nd"},
		{135, "nd"},
		{136, "nd"},
		{137, "drop_nd"},
		{143, "drop_multicast"},
	};

	PUT_LEADS(s, leads);
}

/* --- who ---------------------------------------------------------------------------------------------- */

static void source(struct sink *s)
{
	const struct image_identity *id = image_at(s->m->image, s->m->image->identity);

	for (uint32_t i = 0; i < s->m->image->identity.count; i++)
		if (id[i].source)
			put_number(s, i, id[i].source);
}

static void responder(struct sink *s)
{
	const struct image_identity *id = image_at(s->m->image, s->m->image->identity);

	for (uint32_t i = 0; i < s->m->image->identity.count; i++)
		if (id[i].responder)
			put_number(s, i, id[i].responder);
}

/* --- whom to whom ------------------------------------------------------------------------------------- */

static const struct image_row *row_of(const struct nft_making *m, uint32_t source)
{
	const uint32_t *matrix = image_at(m->image, m->image->matrix);
	const struct image_row *rows = image_at(m->image, m->image->row);

	return &rows[matrix[(size_t)m->matrix * m->image->n_source + source]];
}

static void row(struct sink *s)
{
	for (uint32_t i = 1; i < s->m->image->n_source; i++)
		if (row_of(s->m, i)->default_list)
			put_number(s, i, row_of(s->m, i)->default_list);
}

static void pair(struct sink *s)
{
	const struct image_slot *slot = image_at(s->m->image, s->m->image->slot);

	for (uint32_t i = 1; i < s->m->image->n_source; i++) {
		const struct image_row *r = row_of(s->m, i);

		for (uint32_t k = r->slot_first; k < r->slot_first + r->slot_count; k++) {
			struct nft_element x = {.data = slot[k].list};

			if (slot[k].responder == IMAGE_SLOT_EMPTY || !slot[k].responder ||
			    slot[k].list == r->default_list)
				continue;
			nft_key_number(&s->shape, 0, i, x.key);
			nft_key_number(&s->shape, 1, slot[k].responder, x.key);
			put(s, &x, NULL);
		}
	}
}

/* --- services ----------------------------------------------------------------------------------------- */

/* Part of one protocol's keys: its number and what lies below it. */
struct piece {
	uint32_t list, class;
	uint8_t proto;
	struct range low;
};

typedef void piece_fn(struct sink *s, const struct piece *p);

static void cut_region(struct sink *s, uint32_t list, service_key from, service_key end, uint32_t class,
		       piece_fn *f)
{
	for (service_key at = from, next; at < end; at = next) {
		struct piece p = {list, class, (uint8_t)(at >> 16), {at & LOW_MAX, 0}};

		next = ((at >> 16) + 1) << 16;
		if (next > end)
			next = end;
		p.low.last = (next - 1) & LOW_MAX;
		f(s, &p);
	}
}

static void each_region(struct sink *s, void (*f)(struct sink *s, uint32_t list, service_key from,
						  service_key end, uint32_t class))
{
	const struct image_header *image = s->m->image;
	const struct image_list *list = image_at(image, image->list);
	const struct image_region *region = image_at(image, image->region);

	for (uint32_t i = 0; i < image->list.count; i++) {
		const uint32_t last = list[i].region_first + list[i].region_count - 1;

		if (!s->m->list_used[i])
			continue;
		for (uint32_t k = list[i].region_first; k <= last; k++)
			if (region[k].decision)
				f(s, i, region[k].from, k < last ? region[k + 1].from : SERVICE_KEY_END,
				  region[k].decision);
	}
}

static void port_piece(struct sink *s, const struct piece *p)
{
	const struct range r[] = {{p->list, p->list}, {p->proto, p->proto}, p->low};

	if (p->proto == TCP || p->proto == UDP)
		put_ranges(s, r, p->class);
}

static void port_region(struct sink *s, uint32_t list, service_key from, service_key end, uint32_t class)
{
	cut_region(s, list, from, end, class, port_piece);
}

static void ports(struct sink *s)
{
	each_region(s, port_region);
}

static void put_types(struct sink *s, const struct piece *p, struct range type, struct range code)
{
	const struct range r[] = {{p->list, p->list}, type, code};

	put_ranges(s, r, p->class);
}

/* Numbers type << 8 | code as rectangles of types and codes: a part of the first type, whole types, a part of
 * the last. */
static void put_rectangles(struct sink *s, const struct piece *p)
{
	const uint32_t code_max = 0xff;
	struct range type = {p->low.first >> 8, p->low.last >> 8};
	const struct range code = {p->low.first & code_max, p->low.last & code_max};
	const struct range all = {0, code_max};

	if (type.first == type.last) {
		put_types(s, p, type, code);
		return;
	}
	if (code.first) {
		put_types(s, p, (struct range){type.first, type.first}, (struct range){code.first, code_max});
		type.first++;
	}
	if (code.last != code_max) {
		put_types(s, p, (struct range){type.last, type.last}, (struct range){0, code.last});
		type.last--;
	}
	if (type.first <= type.last)
		put_types(s, p, type, all);
}

static void type_piece(struct sink *s, const struct piece *p)
{
	if (p->proto == ICMP)
		put_rectangles(s, p);
}

static void type6_piece(struct sink *s, const struct piece *p)
{
	if (p->proto == ICMP6)
		put_rectangles(s, p);
}

static void type_region(struct sink *s, uint32_t list, service_key from, service_key end, uint32_t class)
{
	cut_region(s, list, from, end, class, type_piece);
}

static void type6_region(struct sink *s, uint32_t list, service_key from, service_key end, uint32_t class)
{
	cut_region(s, list, from, end, class, type6_piece);
}

static void types(struct sink *s)
{
	each_region(s, type_region);
}

static void types6(struct sink *s)
{
	each_region(s, type6_region);
}

static bool has_lower_part(uint32_t proto)
{
	return proto == TCP || proto == UDP || proto == ICMP || proto == ICMP6;
}

/* Packets of all other protocols have the key proto << 16. Neighbours share an element. */
static void proto_region(struct sink *s, uint32_t list, service_key from, service_key end, uint32_t class)
{
	const uint32_t first = (from + LOW_MAX) >> 16, last = (end - 1) >> 16;

	for (uint32_t p = first, next; p <= last; p = next + 1) {
		next = p;
		if (has_lower_part(p))
			continue;
		while (next < last && !has_lower_part(next + 1))
			next++;
		put_ranges(s, (const struct range[]){{list, list}, {p, next}}, class);
	}
}

static void protos(struct sink *s)
{
	each_region(s, proto_region);
}

static void put_named(struct sink *s, const uint64_t bits[4])
{
	for (uint32_t i = 0; i < ICMP_TYPES; i++)
		if (bits[i / 64] >> i % 64 & 1)
			put_number(s, i, 0);
}

static void named_proto(struct sink *s)
{
	uint64_t bits[4];

	memcpy(bits, s->m->image->named_proto, sizeof bits);
	for (uint32_t i = 0; i < ICMP_TYPES; i++)
		if (has_lower_part(i))
			bits[i / 64] &= ~(UINT64_C(1) << i % 64);
	put_named(s, bits);
}

static void named_icmp(struct sink *s)
{
	put_named(s, s->m->image->named_icmp);
}

static void named_icmp6(struct sink *s)
{
	put_named(s, s->m->image->named_icmpv6);
}

/* --- what a class means ------------------------------------------------------------------------------- */

static void put_classes(struct sink *s, bool host, const char *allowed)
{
	char chain[NFT_CHAIN_NAME];

	for (uint32_t i = 0; i < nft_class_count(s->m->image); i++) {
		const struct image_decision *d = &s->m->class[i];

		nft_refusal_chain(d, host, s->m->box->layout, chain);
		put_verdict(s, i, d->flags & DECISION_ALLOW ? allowed : chain);
	}
}

static void opening(struct sink *s)
{
	put_classes(s, false, "open");
}

static void standing(struct sink *s)
{
	put_classes(s, false, "pass");
}

static void host_opening(struct sink *s)
{
	put_classes(s, true, "host_open");
}

static void host_standing(struct sink *s)
{
	put_classes(s, true, "host_pass");
}

/* --- the host ----------------------------------------------------------------------------------------- */

__extension__ typedef unsigned __int128 address;

/* Addresses up to `last` have this identity. */
struct stretch {
	address first, last;
	uint16_t identity;
};

static address from_bytes(const uint8_t *bytes, size_t n)
{
	address a = 0;

	for (size_t i = 0; i < n; i++)
		a = a << 8 | bytes[i];
	return a;
}

static size_t address_size(uint8_t family)
{
	return family == 4 ? 4 : 16;
}

static void put_address(struct sink *s, uint8_t family, address first, address last, uint32_t data)
{
	const size_t n = address_size(family);
	struct nft_element x = {.data = data};
	uint8_t from[sizeof first], to[sizeof last];

	for (size_t i = sizeof first; i-- > 0; first >>= 8, last >>= 8) {
		from[i] = (uint8_t)first;
		to[i] = (uint8_t)last;
	}
	memcpy(x.key, from + sizeof from - n, n);
	memcpy(x.key_end, to + sizeof to - n, n);
	put(s, &x, NULL);
}

static void management(struct sink *s, uint8_t family)
{
	for (uint32_t i = 0; i < s->m->box->n_management; i++) {
		const struct nft_box_address *a = &s->m->box->management[i];
		const address n = from_bytes(a->addr, address_size(family));

		if (a->family == family)
			put_address(s, family, n, n, 0);
	}
}

static void mgmt4(struct sink *s)
{
	management(s, 4);
}

static void mgmt6(struct sink *s)
{
	management(s, 6);
}

/* The image's partition of the addresses of a family. Without a binding only what is final counts; all that
 * is not bound is outside. */
static uint32_t prefix_count(const struct image_header *image, uint8_t family)
{
	return family == 4 ? image->prefix4.count : image->prefix6.count;
}

static address prefix_from(const struct image_header *image, uint8_t family, uint32_t i)
{
	const struct image_prefix4 *p4 = image_at(image, image->prefix4);
	const struct image_prefix6 *p6 = image_at(image, image->prefix6);

	return family == 4 ? p4[i].from : (address)p6[i].from_high << 64 | p6[i].from_low;
}

static uint16_t prefix_identity(const struct image_header *image, uint8_t family, uint32_t i)
{
	const struct image_prefix4 *p4 = image_at(image, image->prefix4);
	const struct image_prefix6 *p6 = image_at(image, image->prefix6);
	const uint16_t flags = family == 4 ? p4[i].flags : p6[i].flags;

	if (!(flags & PREFIX_FINAL))
		return IDENTITY_UNKNOWN;
	return family == 4 ? p4[i].identity : p6[i].identity;
}

/* Of the management addresses from `from` on, the first. */
static bool next_management(const struct nft_box *box, uint8_t family, address from, address *out)
{
	bool found = false;

	*out = 0;
	for (uint32_t i = 0; i < box->n_management; i++) {
		const address a = from_bytes(box->management[i].addr, address_size(family));

		if (box->management[i].family != family || a < from || (found && a >= *out))
			continue;
		*out = a;
		found = true;
	}
	return found;
}

/* Neighbours of one identity are one element. */
static void add_stretch(struct sink *s, uint8_t family, struct stretch *open, const struct stretch *next)
{
	if (open->identity == next->identity) {
		open->last = next->last;
		return;
	}
	if (open->identity)
		put_address(s, family, open->first, open->last, open->identity);
	*open = *next;
}

/* One range of the partition, cut at the box's own addresses. */
static void add_range(struct sink *s, uint8_t family, struct stretch *open, struct stretch range)
{
	address own;

	while (next_management(s->m->box, family, range.first, &own) && own <= range.last) {
		if (own > range.first)
			add_stretch(s, family, open, &(struct stretch){range.first, own - 1, range.identity});
		add_stretch(s, family, open, &(struct stretch){own, own, IDENTITY_GATEWAY});
		if (own == range.last)
			return;
		range.first = own + 1;
	}
	add_stretch(s, family, open, &range);
}

static void host(struct sink *s, uint8_t family)
{
	const struct image_header *image = s->m->image;
	const uint32_t n = prefix_count(image, family);
	const address end = family == 4 ? UINT32_MAX : ~(address)0;
	struct stretch open = {0};

	for (uint32_t i = 0; i < n; i++)
		add_range(s, family, &open,
			  (struct stretch){prefix_from(image, family, i),
					   i + 1 < n ? prefix_from(image, family, i + 1) - 1 : end,
					   prefix_identity(image, family, i)});
	add_stretch(s, family, &open, &(struct stretch){0});
}

static void host4(struct sink *s)
{
	host(s, 4);
}

static void host6(struct sink *s)
{
	host(s, 6);
}

/* --- which set holds what ----------------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint32_t places; /* enum nft_place */
	fill_fn *fill;
} sets[] = {
	{"port", NFT_AT_GUARD, port},
	{"domain", NFT_AT_ZONED, domain},
	{"tagged", NFT_AT_TAGGED, tagged},
	{"segment", NFT_AT_TAGGED, domain},
	{"segment_tagged", NFT_AT_TAGGED, tagged},
	{"bound4", NFT_AT_GUARD, nothing},
	{"bound6", NFT_AT_GUARD, nothing},
	{"held4", NFT_AT_GUARD, nothing},
	{"held6", NFT_AT_GUARD, nothing},
	{"to4", NFT_AT_GUARD, nothing},
	{"to6", NFT_AT_GUARD, nothing},
	{"behind", NFT_AT_GUARD, nothing},
	{"home", NFT_AT_GUARD, nothing},
	{"fresh", NFT_AT_GUARD, nothing},
	{"martian4", NFT_AT_GUARD, martian4},
	{"martian6", NFT_AT_GUARD, martian6},
	{"group4", NFT_AT_GUARD, group4},
	{"group6", NFT_AT_GUARD, group6},
	{"tcp_sane", NFT_AT_GUARD, tcp_sane},
	{"layer3", NFT_AT_GUARD, layer3},
	{"dhcp4", NFT_AT_GUARD, dhcp4},
	{"dhcp6", NFT_AT_GUARD, dhcp6},
	{"next6", NFT_AT_GUARD, next6},
	{"guard6", NFT_AT_GUARD, guard6},
	{"address4", NFT_AT_DECIDE, nothing},
	{"address6", NFT_AT_DECIDE, nothing},
	{"same4", NFT_AT_DECIDE, nothing},
	{"same6", NFT_AT_DECIDE, nothing},
	{"source", NFT_AT_DECIDE | NFT_AT_HOST, source},
	{"responder", NFT_AT_DECIDE | NFT_AT_HOST, responder},
	{"pair", NFT_AT_DECIDE | NFT_AT_HOST, pair},
	{"row", NFT_AT_DECIDE | NFT_AT_HOST, row},
	{"ports", NFT_AT_DECIDE | NFT_AT_HOST, ports},
	{"types", NFT_AT_DECIDE | NFT_AT_HOST, types},
	{"types6", NFT_AT_DECIDE | NFT_AT_HOST, types6},
	{"protos", NFT_AT_DECIDE | NFT_AT_HOST, protos},
	{"named_proto", NFT_AT_DECIDE | NFT_AT_HOST, named_proto},
	{"named_icmp", NFT_AT_DECIDE | NFT_AT_HOST, named_icmp},
	{"named_icmp6", NFT_AT_DECIDE | NFT_AT_HOST, named_icmp6},
	{"opening", NFT_AT_DECIDE, opening},
	{"standing", NFT_AT_DECIDE, standing},
	{"mgmt4", NFT_AT_HOST, mgmt4},
	{"mgmt6", NFT_AT_HOST, mgmt6},
	{"host4", NFT_AT_HOST, host4},
	{"host6", NFT_AT_HOST, host6},
	{"host_opening", NFT_AT_HOST, host_opening},
	{"host_standing", NFT_AT_HOST, host_standing},
};
#define N_SETS (sizeof sets / sizeof sets[0])

static struct sink count(const struct nft_making *m, size_t i)
{
	struct sink s = {.m = m};

	nft_shape(m->box->layout, sets[i].name, &s.shape);
	sets[i].fill(&s);
	return s;
}

const char *nft_maps_too_large(const struct nft_making *m, uint32_t limit, uint64_t *needed)
{
	for (size_t i = 0; i < N_SETS; i++) {
		*needed = count(m, i).n;
		if (*needed > limit)
			return sets[i].name;
	}
	return NULL;
}

uint64_t nft_maps_elements(const struct nft_making *m, uint32_t places)
{
	uint64_t n = 0;

	for (size_t i = 0; i < N_SETS; i++)
		if (sets[i].places & places)
			n += count(m, i).n;
	return n;
}

void nft_build_maps(struct nft_builder *b, const struct nft_making *m, uint32_t places)
{
	for (size_t i = 0; i < N_SETS; i++) {
		struct sink s;
		struct nft_set set;

		if (!(sets[i].places & places))
			continue;
		s = count(m, i);
		set = nft_shape_set(&s.shape, (uint32_t)s.n);
		nft_build_set(b, sets[i].name, &set);
		s.b = b;
		sets[i].fill(&s);
	}
}

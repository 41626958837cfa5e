/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cases as scripts, and the small builder that makes their frames. Sequence numbers fit, so that an
 * engine that follows TCP windows agrees with one that does not.
 */
#include "probe.h"

#include <string.h>

enum { ICMP = 1, IGMP = 2, TCP = 6, UDP = 17, FRAGMENT = 44, ICMPV6 = 58 };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32 };

#define ETHER       14u
#define CLIENT_PORT 40000u
#define QUOTED      28u /* bytes of an IPv4 packet in an error; IPv6: its header and as much */

/* --- scripts -------------------------------------------------------------------------------------------- */

enum what {
	W_FIRST,   /* the question's first packet */
	W_ANSWER,  /* UDP back, echo reply */
	W_TCP,     /* a segment with the step's flags */
	W_ERROR,   /* ICMP unreachable, quoting the first packet */
	W_NOTHING, /* the same, quoting a packet that nobody sent */
};

enum shape {
	S_PLAIN,
	S_FRAG_FIRST,
	S_FRAG_LATER,
	S_FRAG_ATOMIC,
	S_ROUTE,   /* IPv4 loose source route */
	S_MAC,     /* from another MAC */
	S_ADDRESS, /* with the other side's address */
};

enum fate { NEVER, IF_ALLOWED };

struct step {
	uint8_t side, what, shape, fate;
	uint8_t flags;
	uint8_t seq, ack; /* packets of the two sides before: see tcp() */
};

/* K_ALLOWED: not of a refused pair, where the answer is a question of the other direction's policy. */
enum kind { K_TCP = 1, K_UDP = 2, K_ECHO = 4, K_OTHER = 8, K_ALL = 15, K_ALLOWED = 16 };
enum families { F_4 = 1, F_6 = 2, F_BOTH = 3 };

struct script {
	const char *about, *name;
	uint8_t kinds, families;
	uint8_t n;
	struct step step[PROBE_STEPS];
};

#define FIRST(fate)                                                                                          \
	{                                                                                                    \
		0, W_FIRST, S_PLAIN, fate, SYN, 0, 0                                                         \
	}
#define SHAPED(shape)                                                                                        \
	{                                                                                                    \
		0, W_FIRST, shape, NEVER, SYN, 0, 0                                                          \
	}
#define BACK(fate)                                                                                           \
	{                                                                                                    \
		1, W_ANSWER, S_PLAIN, fate, 0, 0, 0                                                          \
	}
#define SEG(side, flags, s, a, f)                                                                            \
	{                                                                                                    \
		side, W_TCP, S_PLAIN, f, flags, s, a                                                         \
	}
#define ERROR(what, fate)                                                                                    \
	{                                                                                                    \
		1, what, S_PLAIN, fate, 0, 0, 0                                                              \
	}
#define OPENED                                                                                               \
	SEG(0, SYN, 0, 0, IF_ALLOWED), SEG(1, SYN | ACK, 0, 1, IF_ALLOWED), SEG(0, ACK, 1, 1, IF_ALLOWED)

static const struct script scripts[] = {
	{"decision", "first packet", K_ALL, F_BOTH, 1, {FIRST(IF_ALLOWED)}},
	{"state", "handshake", K_TCP, F_BOTH, 4, {OPENED, SEG(1, ACK, 1, 1, IF_ALLOWED)}},
	{"state", "segment without SYN", K_TCP, F_BOTH, 2, {SEG(0, ACK, 1, 1, NEVER), FIRST(IF_ALLOWED)}},
	{"state", "SYN and FIN", K_TCP, F_BOTH, 2, {SEG(0, SYN | FIN, 0, 0, NEVER), FIRST(IF_ALLOWED)}},
	{"state", "no flags", K_TCP, F_BOTH, 1, {SEG(0, 0, 0, 0, NEVER)}},
	{"state", "all flags", K_TCP, F_BOTH, 1, {SEG(0, FIN | PSH | URG, 0, 0, NEVER)}},
	{"state", "answer before a session", K_TCP, F_BOTH, 1, {SEG(1, SYN | ACK, 0, 1, NEVER)}},
	{"state", "SYN-ACK from the wrong side", K_TCP, F_BOTH, 1, {SEG(0, SYN | ACK, 0, 1, NEVER)}},
	{"state",
	 "reset without a session",
	 K_TCP,
	 F_BOTH,
	 2,
	 {SEG(0, RST, 0, 0, NEVER), SEG(1, RST | ACK, 0, 1, NEVER)}},
	{"state", "reset in a session", K_TCP, F_BOTH, 4, {OPENED, SEG(0, RST | ACK, 1, 1, IF_ALLOWED)}},
	{"error", "error about a live session", K_TCP, F_BOTH, 4, {OPENED, ERROR(W_ERROR, IF_ALLOWED)}},
	{"error",
	 "error about a live session",
	 K_UDP | K_ECHO,
	 F_BOTH,
	 2,
	 {FIRST(IF_ALLOWED), ERROR(W_ERROR, IF_ALLOWED)}},
	{"error",
	 "error before a session",
	 K_TCP | K_UDP | K_ECHO,
	 F_BOTH,
	 2,
	 {ERROR(W_ERROR, NEVER), FIRST(IF_ALLOWED)}},
	{"error",
	 "error about nothing",
	 K_TCP | K_UDP,
	 F_BOTH,
	 2,
	 {FIRST(IF_ALLOWED), ERROR(W_NOTHING, NEVER)}},
	{"state",
	 "answer",
	 K_UDP | K_ECHO | K_ALLOWED,
	 F_BOTH,
	 3,
	 {FIRST(IF_ALLOWED), BACK(IF_ALLOWED), FIRST(IF_ALLOWED)}},
	{"state", "echo reply before a request", K_ECHO, F_BOTH, 2, {BACK(NEVER), FIRST(IF_ALLOWED)}},
	{"fragment", "first fragment", K_ALL, F_BOTH, 2, {SHAPED(S_FRAG_FIRST), FIRST(IF_ALLOWED)}},
	{"fragment", "later fragment", K_ALL, F_BOTH, 2, {SHAPED(S_FRAG_LATER), FIRST(IF_ALLOWED)}},
	{"fragment", "atomic fragment", K_ALL, F_6, 2, {SHAPED(S_FRAG_ATOMIC), FIRST(IF_ALLOWED)}},
	{"option", "source route", K_ALL, F_4, 2, {SHAPED(S_ROUTE), FIRST(IF_ALLOWED)}},
	{"spoofing", "another's MAC address", K_ALL, F_BOTH, 2, {SHAPED(S_MAC), FIRST(IF_ALLOWED)}},
	{"spoofing", "another's address", K_ALL, F_BOTH, 2, {SHAPED(S_ADDRESS), FIRST(IF_ALLOWED)}},
};
#define SCRIPTS (sizeof(scripts) / sizeof(scripts[0]))

_Static_assert(SCRIPTS <= PROBE_CASES_MAX, "all cases of a question");

/* --- services ------------------------------------------------------------------------------------------- */

static uint8_t proto_of(service_key key)
{
	return (uint8_t)(key >> 16);
}

static uint16_t low_of(service_key key)
{
	return (uint16_t)key;
}

static uint8_t echo_type(uint8_t family)
{
	return family == 4 ? 8 : 128;
}

static enum kind kind_of(service_key key)
{
	switch (proto_of(key)) {
	case TCP:
		return K_TCP;
	case UDP:
		return K_UDP;
	case ICMP:
	case ICMPV6:
		return K_ECHO;
	default:
		return K_OTHER;
	}
}

static bool is_dhcp(uint8_t family, uint16_t port)
{
	return family == 4 ? port == 67 || port == 68 : port == 546 || port == 547;
}

/* Numbers that are no protocol over IP: extension headers of IPv6 (also not over IPv4, so that one table
 * serves), and what has a guard. */
static bool is_plain_proto(uint8_t proto)
{
	static const uint8_t odd[] = {0, IGMP, 43, FRAGMENT, 50, 51, 59, 60, 135, 139, 140, 253, 254};

	return !memchr(odd, proto, sizeof(odd));
}

bool probe_sendable(uint8_t family, service_key key)
{
	switch (proto_of(key)) {
	case TCP:
		return low_of(key) != 0;
	case UDP:
		return low_of(key) != 0 && !is_dhcp(family, low_of(key));
	case ICMP:
	case ICMPV6:
		return (proto_of(key) == ICMP) == (family == 4) && low_of(key) == echo_type(family) << 8;
	default:
		return low_of(key) == 0 && is_plain_proto(proto_of(key));
	}
}

/* --- hosts ---------------------------------------------------------------------------------------------- */

/* Addresses for benchmarks and documentation: no host may have them. */
static void set_host(uint8_t addr[16], uint8_t mac[6], uint8_t family, uint32_t n)
{
	static const uint8_t net4[2] = {198, 18}, net6[4] = {0x20, 0x01, 0x0d, 0xb8};
	uint8_t *low = addr + (family == 4 ? 1 : 13);

	memset(addr, 0, 16);
	memset(mac, 0, 6);
	low[0] = (uint8_t)(n >> 16);
	low[1] = (uint8_t)(n >> 8);
	low[2] = (uint8_t)n;
	if (family == 4)
		memcpy(addr, net4, sizeof(net4));
	else
		memcpy(addr, net6, sizeof(net6));
	if (family == 4)
		addr[1] = (uint8_t)(net4[1] + (n >> 16));
	mac[0] = 0x02;
	mac[1] = 0xc0;
	memcpy(mac + 3, (uint8_t[]){(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}, 3);
}

struct hosts {
	uint8_t addr[2][16], mac[2][6];
};

static void set_hosts(struct hosts *h, const struct probe_question *q)
{
	for (uint32_t side = 0; side < 2; side++)
		set_host(h->addr[side], h->mac[side], q->family, (q->serial & PROBE_SERIAL_MAX) * 2 + side);
}

/* --- bytes ---------------------------------------------------------------------------------------------- */

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void put32(uint8_t *at, uint32_t v)
{
	put16(at, v >> 16);
	put16(at + 2, v & 0xffff);
}

static uint32_t sum_add(uint32_t sum, const uint8_t *bytes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		sum += i & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

static uint16_t sum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* What an IP packet carries. */
struct load {
	uint8_t proto;
	uint32_t len;
	uint32_t sum_at; /* 0: none */
	uint8_t bytes[PROBE_BYTES - ETHER - 48];
};

/* Side 0 begins at 1000, side 1 at 5000; `seq` and `ack` say how many bytes of each are over. */
static void tcp(struct load *l, const struct step *s, uint16_t sport, uint16_t dport)
{
	const uint32_t begin[2] = {1000, 5000};

	*l = (struct load){.proto = TCP, .len = 20, .sum_at = 16};
	put16(l->bytes, sport);
	put16(l->bytes + 2, dport);
	put32(l->bytes + 4, begin[s->side] + s->seq);
	if (s->flags & ACK)
		put32(l->bytes + 8, begin[!s->side] + s->ack);
	l->bytes[12] = 0x50;
	l->bytes[13] = s->flags;
	put16(l->bytes + 14, 8192);
}

static void udp(struct load *l, uint16_t sport, uint16_t dport)
{
	*l = (struct load){.proto = UDP, .len = 16, .sum_at = 6};
	put16(l->bytes, sport);
	put16(l->bytes + 2, dport);
	put16(l->bytes + 4, l->len);
}

static void icmp(struct load *l, uint8_t family, uint8_t type, uint8_t code, uint32_t rest)
{
	*l = (struct load){.proto = family == 4 ? ICMP : ICMPV6, .len = 8, .sum_at = 2};
	l->bytes[0] = type;
	l->bytes[1] = code;
	put32(l->bytes + 4, rest);
}

/* The packet of the step in its own direction. `odd`: with a client port that nobody uses. */
static void load_packet(struct load *l, const struct probe_question *q, const struct step *s, bool odd)
{
	uint16_t client = (uint16_t)(CLIENT_PORT + odd), low = low_of(q->key);
	uint16_t sport = s->side ? low : client, dport = s->side ? client : low;
	uint8_t reply = q->family == 4 ? 0 : 129;

	switch (kind_of(q->key)) {
	case K_TCP:
		tcp(l, s, sport, dport);
		return;
	case K_UDP:
		udp(l, sport, dport);
		return;
	case K_ECHO:
		icmp(l, q->family, s->side ? reply : echo_type(q->family), 0, (uint32_t)client << 16 | 1);
		return;
	default:
		*l = (struct load){.proto = proto_of(q->key), .len = 16};
	}
}

static void finish_sum(struct load *l, uint8_t family, const uint8_t *src, const uint8_t *dst)
{
	uint32_t size = family == 4 ? 4 : 16, sum = 0;

	if (!l->sum_at)
		return;
	if (l->proto != ICMP)
		sum = sum_add(sum_add(l->proto + l->len, src, size), dst, size);
	put16(l->bytes + l->sum_at, sum_fold(sum_add(sum, l->bytes, l->len)));
}

static uint32_t ip4(uint8_t *at, const struct load *l, const uint8_t *src, const uint8_t *dst,
		    enum shape shape)
{
	static const uint8_t route[8] = {131, 7, 4, 198, 18, 255, 1, 0};
	uint32_t header = shape == S_ROUTE ? 28 : 20;

	memset(at, 0, header);
	at[0] = (uint8_t)(0x40 | header / 4);
	put16(at + 2, header + l->len);
	if (shape == S_FRAG_FIRST)
		put16(at + 6, 0x2000);
	if (shape == S_FRAG_LATER)
		put16(at + 6, 1);
	at[8] = 64;
	at[9] = l->proto;
	memcpy(at + 12, src, 4);
	memcpy(at + 16, dst, 4);
	if (shape == S_ROUTE)
		memcpy(at + 20, route, sizeof(route));
	put16(at + 10, sum_fold(sum_add(0, at, header)));
	memcpy(at + header, l->bytes, l->len);
	return header + l->len;
}

static uint32_t ip6(uint8_t *at, const struct load *l, const uint8_t *src, const uint8_t *dst,
		    enum shape shape)
{
	bool fragment = shape == S_FRAG_FIRST || shape == S_FRAG_LATER || shape == S_FRAG_ATOMIC;
	uint32_t header = fragment ? 48 : 40;

	memset(at, 0, header);
	at[0] = 0x60;
	put16(at + 4, header - 40 + l->len);
	at[6] = fragment ? FRAGMENT : l->proto;
	at[7] = 64;
	memcpy(at + 8, src, 16);
	memcpy(at + 24, dst, 16);
	if (fragment) {
		at[40] = l->proto;
		put16(at + 42, shape == S_FRAG_FIRST ? 1 : shape == S_FRAG_LATER ? 8 : 0);
		at[47] = 1;
	}
	memcpy(at + header, l->bytes, l->len);
	return header + l->len;
}

static uint32_t ip(uint8_t *at, uint8_t family, struct load *l, const uint8_t *src, const uint8_t *dst,
		   enum shape shape)
{
	finish_sum(l, family, src, dst);
	return family == 4 ? ip4(at, l, src, dst, shape) : ip6(at, l, src, dst, shape);
}

/* An error from side 1 about what side 0 sent, or did not send. */
static void load_error(struct load *l, const struct probe_question *q, const struct hosts *h, bool odd)
{
	const struct step first = {.flags = SYN};
	struct load quoted;
	uint8_t packet[PROBE_BYTES];
	uint32_t n;

	load_packet(&quoted, q, &first, odd);
	n = ip(packet, q->family, &quoted, h->addr[0], h->addr[1], S_PLAIN);
	if (q->family == 4 && n > QUOTED)
		n = QUOTED;
	icmp(l, q->family, q->family == 4 ? 3 : 1, 1, 0);
	memcpy(l->bytes + l->len, packet, n);
	l->len += n;
}

static void build(struct probe_frame *f, const struct probe_question *q, const struct hosts *h,
		  const struct step *s)
{
	uint32_t far = !s->side, src = s->shape == S_ADDRESS ? far : s->side;
	struct load l;

	if (s->what == W_ERROR || s->what == W_NOTHING)
		load_error(&l, q, h, s->what == W_NOTHING);
	else
		load_packet(&l, q, s, false);
	*f = (struct probe_frame){.side = s->side, .forwarded = s->fate == IF_ALLOWED && q->allow};
	memcpy(f->bytes, h->mac[far], 6);
	memcpy(f->bytes + 6, h->mac[s->side], 6);
	if (s->shape == S_MAC)
		f->bytes[6 + 2] ^= 0x55;
	put16(f->bytes + 12, q->family == 4 ? 0x0800 : 0x86dd);
	f->len = (uint16_t)(ETHER +
			    ip(f->bytes + ETHER, q->family, &l, h->addr[src], h->addr[!src], s->shape));
}

/* --- cases ---------------------------------------------------------------------------------------------- */

size_t probe_cases(const struct probe_question *q, struct probe_case *out, size_t room)
{
	uint8_t families = q->family == 4 ? F_4 : F_6;
	struct hosts h;
	size_t n = 0;

	if (!probe_sendable(q->family, q->key))
		return 0;
	set_hosts(&h, q);
	for (size_t i = 0; i < SCRIPTS && n < room; i++) {
		const struct script *s = &scripts[i];

		if (!(s->kinds & kind_of(q->key)) || !(s->families & families) ||
		    ((s->kinds & K_ALLOWED) && !q->allow))
			continue;
		out[n].about = s->about;
		out[n].name = s->name;
		out[n].n = s->n;
		for (uint32_t k = 0; k < s->n; k++)
			build(&out[n].frame[k], q, &h, &s->step[k]);
		n++;
	}
	return n;
}

size_t probe_order(const struct probe_question *q, const struct probe_case *c, struct dp_probes *order,
		   uint8_t *bytes)
{
	struct hosts h;
	size_t size = 0;

	set_hosts(&h, q);
	*order = (struct dp_probes){.from = q->from, .to = q->to, .family = q->family, .n = (uint16_t)c->n};
	memcpy(order->src, h.addr[0], sizeof(order->src));
	memcpy(order->dst, h.addr[1], sizeof(order->dst));
	memcpy(order->src_mac, h.mac[0], sizeof(order->src_mac));
	memcpy(order->dst_mac, h.mac[1], sizeof(order->dst_mac));
	for (uint32_t i = 0; i < c->n; i++) {
		order->frame[i] = (struct dp_probe){.side = c->frame[i].side, .len = c->frame[i].len};
		memcpy(bytes + size, c->frame[i].bytes, c->frame[i].len);
		size += c->frame[i].len;
	}
	return size;
}

int probe_differs(const struct probe_case *c, const struct dp_probes *answer)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (i >= answer->n || !!answer->frame[i].forwarded != c->frame[i].forwarded)
			return (int)i;
	return -1;
}

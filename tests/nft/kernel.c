/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

#define WAIT_MS   2000
#define BURST     64u
#define SETTLE_US 30000
#define RECEIVE   (32 << 20)
#define REPLY     65536u
#define ETHER     14u
#define FLUSH_CS  1u /* of the log's queue, hundredths of a second */

struct kernel {
	int in, out; /* packet sockets at the far ends of lab1 and lab2 */
	struct mnl_socket *log, *conntrack;
	uint32_t seq;
	const struct kernel_packet *sent;
	struct kernel_met *met;
	uint32_t n, told; /* packets of the batch; those whose fate is known */
	char reply[REPLY];
};

/* --- the world ------------------------------------------------------------------------------------------ */

static const char *const world[] = {
	"ip link add br-cordon type bridge mcast_snooping 0",
	"for i in 1 2 3; do ip link add lab$i type veth peer name far$i || exit 1;"
	" ip link set lab$i master br-cordon up; ip link set far$i up; done",
	"ip link set lo up && ip link set br-cordon up",
	/* a port forwards once the kernel has noticed its carrier */
	"for i in $(seq 100); do [ $(bridge link show | grep -c 'state forwarding') = 3 ] && exit 0;"
	" sleep 0.05; done; exit 1",
};

static const struct {
	const char *path, *value;
} settings[] = {
	{"net/ipv6/conf/all/disable_ipv6", "1"},       {"net/ipv6/conf/default/disable_ipv6", "1"},
	{"net/bridge/bridge-nf-call-iptables", "1"},   {"net/bridge/bridge-nf-call-ip6tables", "1"},
	{"net/netfilter/nf_conntrack_tcp_loose", "0"},
};

static bool set(const char *path, const char *value)
{
	char full[128];
	int fd, n;

	snprintf(full, sizeof(full), "/proc/sys/%s", path);
	fd = open(full, O_WRONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : (int)write(fd, value, strlen(value));
	if (fd >= 0)
		close(fd);
	return n > 0;
}

static const char *make_world(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		return "no new network namespace";
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (!set(settings[i].path, settings[i].value))
			return settings[i].path;
	for (size_t i = 0; i < sizeof(world) / sizeof(world[0]); i++)
		if (system(world[i]))
			return world[i];
	return NULL;
}

static int packet_socket(const char *device)
{
	const int size = RECEIVE;
	struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	a.sll_ifindex = (int)if_nametoindex(device);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return bind(fd, (struct sockaddr *)&a, sizeof(a)) ? -1 : fd;
}

static struct mnl_socket *netlink(void)
{
	const int size = RECEIVE;
	struct mnl_socket *s = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);

	if (!s)
		return NULL;
	setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (!mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID))
		return s;
	mnl_socket_close(s);
	return NULL;
}

static struct nlmsghdr *message(struct kernel *k, char *room, uint16_t type, uint16_t flags, uint8_t family,
				uint16_t id)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(room);
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = ++k->seq;
	*g = (struct nfgenmsg){.nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(id)};
	return h;
}

/* Sends and reads everything that comes back for it, also the acknowledgement. */
static bool ask(struct kernel *k, struct mnl_socket *s, struct nlmsghdr *h, mnl_cb_t f)
{
	unsigned port = mnl_socket_get_portid(s);
	int r = mnl_socket_sendto(s, h, h->nlmsg_len) < 0 ? -1 : 1;

	while (r > 0) {
		ssize_t n = mnl_socket_recvfrom(s, k->reply, sizeof(k->reply));

		r = n < 0 ? -1 : mnl_cb_run(k->reply, (size_t)n, h->nlmsg_seq, port, f, k);
	}
	return r >= 0;
}

static bool listen_log(struct kernel *k, uint16_t group)
{
	const struct nfulnl_msg_config_mode mode = {.copy_range = htonl(256),
						    .copy_mode = NFULNL_COPY_PACKET};
	char room[512];
	struct nlmsghdr *h = message(k, room, NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG, NLM_F_ACK, 0, group);

	mnl_attr_put(h, NFULA_CFG_CMD, sizeof(struct nfulnl_msg_config_cmd),
		     &(struct nfulnl_msg_config_cmd){.command = NFULNL_CFG_CMD_BIND});
	if (!ask(k, k->log, h, NULL))
		return false;
	h = message(k, room, NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG, NLM_F_ACK, 0, group);
	mnl_attr_put(h, NFULA_CFG_MODE, sizeof(mode), &mode);
	mnl_attr_put_u32(h, NFULA_CFG_TIMEOUT, htonl(FLUSH_CS));
	return ask(k, k->log, h, NULL);
}

struct kernel *kernel_start(const struct nft_box *box, const char **error)
{
	struct kernel *k = calloc(1, sizeof(*k));

	*error = k ? make_world() : "no memory";
	if (*error) {
		free(k);
		return NULL;
	}
	k->in = packet_socket("far1");
	k->out = packet_socket("far2");
	k->log = netlink();
	k->conntrack = netlink();
	if (k->in >= 0 && k->out >= 0 && k->log && k->conntrack && listen_log(k, box->group) &&
	    fcntl(mnl_socket_get_fd(k->log), F_SETFL, O_NONBLOCK) == 0)
		return k;
	*error = "no sockets";
	kernel_stop(k);
	return NULL;
}

void kernel_stop(struct kernel *k)
{
	if (!k)
		return;
	if (k->in >= 0)
		close(k->in);
	if (k->out >= 0)
		close(k->out);
	if (k->log)
		mnl_socket_close(k->log);
	if (k->conntrack)
		mnl_socket_close(k->conntrack);
	free(k);
}

/* --- what became of them -------------------------------------------------------------------------------- */

static void meet(struct kernel *k, uint32_t number, enum kernel_fate fate, uint32_t mark)
{
	struct kernel_met *m;

	if (number >= k->n)
		return;
	m = &k->met[number];
	k->told += m->times == 0;
	m->fate = (uint8_t)fate;
	m->mark = mark;
	m->times++;
}

/* UINT32_MAX: no packet of a batch. */
static uint32_t number_of(const uint8_t *ip, uint32_t len)
{
	uint32_t end, number;

	if (len < 24 || (ip[0] >> 4 == 6 && len < 44))
		return UINT32_MAX;
	end = ip[0] >> 4 == 4 ? (uint32_t)ip[2] << 8 | ip[3] : 40 + ((uint32_t)ip[4] << 8 | ip[5]);
	if (end < 24 || end > len)
		return UINT32_MAX;
	memcpy(&number, ip + end - 4, 4);
	return ntohl(number);
}

static void read_far_end(struct kernel *k)
{
	struct sockaddr_ll from;
	uint8_t frame[256];
	ssize_t n;

	for (;;) {
		socklen_t size = sizeof(from);

		n = recvfrom(k->out, frame, sizeof(frame), 0, (struct sockaddr *)&from, &size);
		if (n < 0)
			return;
		if (from.sll_pkttype != PACKET_OUTGOING && n > (ssize_t)ETHER)
			meet(k, number_of(frame + ETHER, (uint32_t)n - ETHER), KERNEL_PASSED, 0);
	}
}

static int attribute(const struct nlattr *a, void *ctx)
{
	const struct nlattr **of = ctx;

	if (mnl_attr_get_type(a) < 32)
		of[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

static int on_log(const struct nlmsghdr *h, void *ctx)
{
	const struct nlattr *of[32] = {NULL};

	mnl_attr_parse(h, sizeof(struct nfgenmsg), attribute, of);
	if (of[NFULA_PAYLOAD])
		meet(ctx,
		     number_of(mnl_attr_get_payload(of[NFULA_PAYLOAD]),
			       mnl_attr_get_payload_len(of[NFULA_PAYLOAD])),
		     KERNEL_REFUSED, of[NFULA_MARK] ? ntohl(mnl_attr_get_u32(of[NFULA_MARK])) : 0);
	return MNL_CB_OK;
}

static void read_log(struct kernel *k)
{
	ssize_t n;

	while ((n = mnl_socket_recvfrom(k->log, k->reply, sizeof(k->reply))) > 0)
		mnl_cb_run(k->reply, (size_t)n, 0, 0, on_log, k);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void wait_for_all(struct kernel *k, int64_t until)
{
	struct pollfd p[] = {{k->out, POLLIN, 0}, {mnl_socket_get_fd(k->log), POLLIN, 0}};

	for (;;) {
		read_far_end(k);
		read_log(k);
		if (k->told == k->n || now_ms() >= until)
			return;
		poll(p, 2, 20);
	}
}

/* The packet of the batch that an entry's original direction is of. */
static uint32_t packet_of(const struct kernel *k, const struct nlattr *ip[32], const struct nlattr *l4[32])
{
	uint8_t proto = mnl_attr_get_u8(l4[CTA_PROTO_NUM]);
	bool v4 = ip[CTA_IP_V4_SRC];
	const struct nlattr *id = l4[CTA_PROTO_ICMP_ID] ? l4[CTA_PROTO_ICMP_ID] : l4[CTA_PROTO_ICMPV6_ID];
	const void *src = mnl_attr_get_payload(ip[v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC]);
	const void *dst = mnl_attr_get_payload(ip[v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST]);
	uint32_t size = v4 ? 4 : 16, at = ETHER + (v4 ? 12 : 8);

	if (proto == IPPROTO_TCP || proto == IPPROTO_UDP)
		id = l4[CTA_PROTO_SRC_PORT];
	if (id && proto != IPPROTO_GRE)
		return ntohs(mnl_attr_get_u16(id)) - KERNEL_CLIENT;
	for (uint32_t i = 0; i < k->n; i++)
		if (k->sent[i].proto == proto && k->sent[i].family == (v4 ? 4 : 6) &&
		    !memcmp(k->sent[i].bytes + at, src, size) &&
		    !memcmp(k->sent[i].bytes + at + size, dst, size))
			return i;
	return UINT32_MAX;
}

static int on_session(const struct nlmsghdr *h, void *ctx)
{
	const struct nlattr *of[32] = {NULL}, *tuple[32] = {NULL}, *ip[32] = {NULL}, *l4[32] = {NULL};
	struct kernel *k = ctx;
	uint32_t number;

	mnl_attr_parse(h, sizeof(struct nfgenmsg), attribute, of);
	if (!of[CTA_TUPLE_ORIG] || !of[CTA_MARK])
		return MNL_CB_OK;
	mnl_attr_parse_nested(of[CTA_TUPLE_ORIG], attribute, tuple);
	if (!tuple[CTA_TUPLE_IP] || !tuple[CTA_TUPLE_PROTO])
		return MNL_CB_OK;
	mnl_attr_parse_nested(tuple[CTA_TUPLE_IP], attribute, ip);
	mnl_attr_parse_nested(tuple[CTA_TUPLE_PROTO], attribute, l4);
	number = packet_of(k, ip, l4);
	if (number < k->n && k->met[number].fate == KERNEL_PASSED)
		k->met[number].mark = ntohl(mnl_attr_get_u32(of[CTA_MARK]));
	return MNL_CB_OK;
}

static bool read_sessions(struct kernel *k)
{
	char room[256];

	return ask(k, k->conntrack,
		   message(k, room, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC, 0),
		   on_session);
}

static bool forget_sessions(struct kernel *k)
{
	char room[256];

	return ask(
		k, k->conntrack,
		message(k, room, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, NLM_F_ACK, AF_UNSPEC, 0),
		NULL);
}

/* --- sending -------------------------------------------------------------------------------------------- */

static bool send_burst(struct kernel *k, const struct kernel_packet *p, uint32_t n)
{
	struct mmsghdr m[BURST] = {0};
	struct iovec v[BURST];

	for (uint32_t i = 0; i < n; i++) {
		v[i] = (struct iovec){(void *)(uintptr_t)p[i].bytes, p[i].len};
		m[i].msg_hdr = (struct msghdr){.msg_iov = &v[i], .msg_iovlen = 1};
	}
	for (uint32_t done = 0; done < n;) {
		int r = sendmmsg(k->in, m + done, n - done, 0);

		if (r < 0 && errno != EAGAIN && errno != ENOBUFS)
			return false;
		done += r > 0 ? (uint32_t)r : 0;
	}
	return true;
}

bool kernel_run(struct kernel *k, const struct kernel_packet *p, uint32_t n, struct kernel_met *met)
{
	k->n = 0;
	wait_for_all(k, 0); /* whatever is left of a batch before */
	if (!forget_sessions(k))
		return false;
	memset(met, 0, n * sizeof(*met));
	k->sent = p;
	k->met = met;
	k->n = n;
	k->told = 0;
	for (uint32_t done = 0; done < n; done += BURST) {
		if (!send_burst(k, p + done, n - done < BURST ? n - done : BURST))
			return false;
		read_far_end(k);
		read_log(k);
	}
	wait_for_all(k, now_ms() + WAIT_MS);
	usleep(SETTLE_US); /* what is said twice is said a little later */
	wait_for_all(k, 0);
	return read_sessions(k);
}

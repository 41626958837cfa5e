/* SPDX-License-Identifier: BSD-3-Clause */
#include "port.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_vhost.h>

#include "guest.h"
#include "netdev.h"

#define RX_DESCRIPTORS 2048u
#define TX_DESCRIPTORS 2048u
#define MBUFS_BASE     8191u
#define MBUF_CACHE     256u
#define MBUF_OVERHEAD  256u /* struct rte_mbuf, mempool header and padding */
#define PAGE_BYTES     4096u

/* What a guest is not offered, and so cannot ask for: to leave checksums and segmentation to us, or to take
 * frames from us for which it would have to do them; and several queues. The frames of its port are those of
 * a wire, complete and no longer than the MTU. */
#define FEATURE(name) (1ull << VIRTIO_NET_F_##name)
#define NOT_OFFERED                                                                                          \
	(FEATURE(CSUM) | FEATURE(GSO) | FEATURE(HOST_TSO4) | FEATURE(HOST_TSO6) | FEATURE(HOST_UFO) |        \
	 FEATURE(HOST_ECN) | FEATURE(GUEST_CSUM) | FEATURE(GUEST_TSO4) | FEATURE(GUEST_TSO6) |               \
	 FEATURE(GUEST_UFO) | FEATURE(GUEST_ECN) | FEATURE(MQ))

int ports_plan(struct ports *p, const struct args *a, char *error, size_t room)
{
	uint32_t longest = RTE_MBUF_DEFAULT_DATAROOM;

	*p = (struct ports){.n = a->n_ports, .mbufs = MBUFS_BASE, .probe = -1};
	for (uint32_t i = 0; i < p->n; i++)
		p->port[i].claim = -1;
	for (uint32_t i = 0; i < p->n; i++) {
		struct port *port = &p->port[i];
		int code = device_plan(&port->device, &a->port[i], i, error, room);

		if (code)
			return code;
		memcpy(port->name, a->port[i].name, sizeof(port->name));
		memcpy(port->driver, port->device.driver, sizeof(port->driver));
		p->mbufs += port->device.mbufs;
		if (port->device.frame_room > longest)
			longest = port->device.frame_room;
	}
	if (longest + RTE_PKTMBUF_HEADROOM > UINT16_MAX) {
		snprintf(error, room, "frames of %u bytes do not fit into one buffer", longest);
		return -EMSGSIZE;
	}
	p->mbuf_room = (uint16_t)(longest + RTE_PKTMBUF_HEADROOM);
	return 0;
}

uint64_t ports_memory(const struct ports *p, bool no_huge)
{
	uint64_t each = p->mbuf_room + MBUF_OVERHEAD;

	/* DPDK lets no frame lie across two ordinary pages. */
	if (no_huge)
		each = (each + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	return p->mbufs * each;
}

static int fail(const struct port *port, const char *step, int code, char *error, size_t room)
{
	snprintf(error, room, "port %s (%s): %s: %s", port->name, port->device.devargs, step,
		 rte_strerror(-code));
	return code;
}

/* Settings some drivers do not have. */
static int unless_unsupported(int code)
{
	return code == -ENOTSUP || code == -ENOSYS ? 0 : code;
}

static int find_or_probe(struct port *port)
{
	if (port->device.pci) /* probed at start, because it was allowed there */
		return rte_eth_dev_get_port_by_name(port->device.id, &port->id);
	int code = rte_dev_probe(port->device.devargs);
	return code ? code : rte_eth_dev_get_port_by_name(port->device.id, &port->id);
}

void port_leaves(struct port *port)
{
	atomic_store_explicit(&port->leaving, true, memory_order_relaxed);
}

static void on_device_event(const char *device, enum rte_dev_event_type event, void *port)
{
	if (event == RTE_DEV_EVENT_REMOVE)
		port_leaves(port);
}

static int on_port_event(uint16_t id, enum rte_eth_event_type event, void *port, void *answer)
{
	port_leaves(port);
	return 0;
}

/* Of a device under vfio-pci the kernel asks; drivers that hear of it otherwise say so of the port. What is
 * registered stays so: the port outlives the threads that call. */
static int hear_of_removal(struct port *port)
{
	int code = rte_dev_event_callback_register(rte_dev_name(port->on), on_device_event, port);

	if (code && code != -EEXIST)
		return code;
	return rte_eth_dev_callback_register(port->id, RTE_ETH_EVENT_INTR_RMV, on_port_event, port);
}

/* The socket of a guest's port appears here. Nobody else can connect before ports_admit(). */
static int configure(const struct port *port, const struct rte_eth_conf *conf)
{
	mode_t before = umask(GUEST_UMASK);
	int code = rte_eth_dev_configure(port->id, 1, 1, conf);

	umask(before);
	if (!code && port->device.socket[0] &&
	    rte_vhost_driver_disable_features(port->device.socket, NOT_OFFERED))
		code = -EIO;
	return code;
}

static int set_up_queues(const struct ports *p, const struct port *port, const struct rte_eth_dev_info *info)
{
	uint16_t n_rx = RX_DESCRIPTORS, n_tx = TX_DESCRIPTORS;
	struct rte_eth_conf conf = {0};
	int code;

	if (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE)
		conf.txmode.offloads = RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	conf.intr_conf.rmv = !!(*info->dev_flags & RTE_ETH_DEV_INTR_RMV);
	code = configure(port, &conf);
	if (!code)
		code = unless_unsupported(rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &n_rx, &n_tx));
	if (!code)
		code = rte_eth_rx_queue_setup(port->id, 0, n_rx, SOCKET_ID_ANY, NULL, p->pool);
	if (!code)
		code = rte_eth_tx_queue_setup(port->id, 0, n_tx, SOCKET_ID_ANY, NULL);
	return code;
}

static int check_mtu(const struct port *port, const struct rte_eth_dev_info *info, uint16_t mtu, char *error,
		     size_t room)
{
	if (mtu <= info->max_mtu)
		return 0;
	snprintf(error, room, "port %s: an MTU of %u, but %s takes at most %u", port->name, mtu,
		 info->driver_name, info->max_mtu);
	return -EMSGSIZE;
}

/* Of a kernel device the kernel knows more than its driver here, which refuses more than 1,500. */
static int set_mtu(const struct ports *p, const struct port *port, uint16_t mtu)
{
	if (port->device.netdev[0])
		return netdev_raise_mtu(p->probe, port->device.netdev, mtu);
	return unless_unsupported(rte_eth_dev_set_mtu(port->id, mtu));
}

static int open_device(const struct ports *p, struct port *port, uint16_t mtu, char *error, size_t room)
{
	struct rte_eth_dev_info info;
	int code = find_or_probe(port);

	if (code)
		return fail(port, "cannot open", code, error, room);
	port->open = true;
	code = rte_eth_dev_info_get(port->id, &info);
	if (code)
		return fail(port, "cannot ask what it can do", code, error, room);
	port->on = info.device;
	code = check_mtu(port, &info, mtu, error, room);
	if (code)
		return code;
	code = hear_of_removal(port);
	if (code)
		return fail(port, "cannot ask to be told of its removal", code, error, room);
	code = set_up_queues(p, port, &info);
	if (code)
		return fail(port, "cannot set up", code, error, room);
	snprintf(port->driver, sizeof(port->driver), "%s", info.driver_name);
	code = set_mtu(p, port, mtu);
	if (code)
		return fail(port, "cannot set the MTU", code, error, room);
	code = rte_eth_dev_start(port->id);
	if (code)
		return fail(port, "cannot start", code, error, room);
	code = unless_unsupported(rte_eth_promiscuous_enable(port->id));
	return code ? fail(port, "cannot be made promiscuous", code, error, room) : 0;
}

static int claim_netdev(struct port *port, char *why, size_t room)
{
	port->netdev = if_nametoindex(port->device.netdev);
	port->claim = netdev_claim(port->device.netdev, why, room);
	if (port->claim < 0)
		return port->claim;
	return strcmp(port->driver, "net_af_xdp") ? 0 : netdev_clear_xdp(port->device.netdev, why, room);
}

/* What outlives a process: a kernel's device that it had marked, a guest's socket. */
static int claim(struct port *port, char *error, size_t room)
{
	char why[256];
	int code = 0;

	if (port->device.netdev[0])
		code = claim_netdev(port, why, sizeof(why));
	else if (port->device.socket[0])
		code = guest_clear(port->device.socket, why, sizeof(why));
	if (code)
		snprintf(error, room, "port %s: %s", port->name, why);
	return code;
}

int ports_open(struct ports *p, const struct args *a, char *error, size_t room)
{
	p->pool = rte_pktmbuf_pool_create("frames", p->mbufs, MBUF_CACHE, 0, p->mbuf_room, SOCKET_ID_ANY);
	if (!p->pool) {
		snprintf(error, room, "no memory for %u frames of %u bytes: %s", p->mbufs, p->mbuf_room,
			 rte_strerror(rte_errno));
		return -ENOMEM;
	}
	netdev_quiet();
	p->probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (uint32_t i = 0; i < p->n; i++) {
		struct port *port = &p->port[i];
		int code = claim(port, error, room);

		if (!code)
			code = open_device(p, port, a->port[i].engine.mtu, error, room);
		if (code)
			return code;
		port_poll_link(p, port);
	}
	return 0;
}

int port_remove(struct port *port)
{
	/* A device that does not stop is not closed, but its driver takes it away all the same. */
	if (!rte_eth_dev_stop(port->id))
		rte_eth_dev_close(port->id);
	int code = rte_dev_remove(port->on);

	port->open = false;
	if (port->claim >= 0)
		close(port->claim);
	port->claim = -1;
	atomic_store_explicit(&port->up, false, memory_order_relaxed);
	atomic_store_explicit(&port->removed, true, memory_order_relaxed);
	return code;
}

int ports_admit(const struct ports *p, char *error, size_t room)
{
	for (uint32_t i = 0; i < p->n; i++) {
		const struct port *port = &p->port[i];
		int code = port->device.socket[0] ? guest_admit(port->device.socket) : 0;

		if (code)
			return fail(port, "cannot let guests connect", code, error, room);
	}
	return 0;
}

void ports_close(struct ports *p)
{
	/* af_xdp would complain that it has no right any more to take its program off; the next start does
	 * that. */
	rte_log_set_global_level(RTE_LOG_EMERG);
	for (uint32_t i = 0; i < p->n; i++) {
		struct port *port = &p->port[i];

		if (port->open) {
			rte_eth_dev_stop(port->id);
			rte_eth_dev_close(port->id);
		}
		if (port->claim >= 0)
			close(port->claim);
	}
	if (p->probe >= 0)
		close(p->probe);
}

static bool link_is_up(const struct ports *p, const struct port *port)
{
	struct rte_eth_link link = {0};

	if (port->device.netdev[0]) /* these drivers' own link state never changes */
		return netdev_is_up(p->probe, port->device.netdev);
	return !rte_eth_link_get_nowait(port->id, &link) && link.link_status == RTE_ETH_LINK_UP;
}

bool port_poll_link(const struct ports *p, struct port *port)
{
	bool up = link_is_up(p, port);

	if (port->netdev && !netdev_is_there(p->probe, port->netdev))
		port_leaves(port);
	return atomic_exchange_explicit(&port->up, up, memory_order_relaxed) != up;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "device.h"

#include <ctype.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>

#include "device_string.h"
#include "netdev.h"

#define L2_ROOM         22u /* Ethernet, two tags */
#define AF_PACKET_HEAD  128u
#define AF_PACKET_FRAME 2048u
#define AF_PACKET_BLOCK 4096u
#define AF_PACKET_BYTES (1u << 20)

/* How many mbufs a port's queues and the frames on their way take; af_xdp fills a ring of 4,096 before it
 * starts. */
static const struct driver_need {
	const char *driver;
	uint32_t mbufs;
} driver_needs[] = {
	{"net_af_xdp", 8192},
	{"net_af_packet", 2048},
	{"net_null", 512},
	{"net_vhost", 512}, /* it copies, both ways */
};
#define MBUFS_DEFAULT 4096u

static void plan_names(struct device *d, const char *device, uint32_t index)
{
	size_t word = strcspn(device, ",");

	d->pci = device_string_is_pci(device);
	if (d->pci || (word && isdigit((unsigned char)device[word - 1])))
		snprintf(d->id, sizeof(d->id), "%.*s", (int)word, device);
	else
		snprintf(d->id, sizeof(d->id), "%.*s%u", (int)word, device, index);
	snprintf(d->devargs, sizeof(d->devargs), "%s%s", d->id, device + word);
	snprintf(d->driver, sizeof(d->driver), "%.*s", d->pci ? 3 : (int)word, d->pci ? "pci" : device);
	for (size_t n = strlen(d->driver); !d->pci && n && isdigit((unsigned char)d->driver[n - 1]); n--)
		d->driver[n - 1] = 0;
}

/* The guest's frames are whole and lie in one buffer: no segments to join, and none that the guest could make
 * as long as it likes. One queue, because there is one worker. */
static void plan_guest(struct device *d, const char *path, uint32_t index)
{
	snprintf(d->socket, sizeof(d->socket), "%s", path);
	snprintf(d->driver, sizeof(d->driver), "net_vhost");
	snprintf(d->id, sizeof(d->id), "net_vhost%u", index);
	snprintf(d->devargs, sizeof(d->devargs), "%s,iface=%s,queues=1,client=0,tso=0,linear-buffer=1", d->id,
		 path);
}

/* af_packet's rings have 512 frames of 2,048 bytes unless it is told otherwise. Larger frames, and as many
 * fewer: the rings are locked memory, which is limited. */
static void plan_frames(struct device *d, const char *device)
{
	uint32_t size = AF_PACKET_BLOCK;
	size_t len = strlen(d->devargs);

	if (strcmp(d->driver, "net_af_packet") || strstr(device, ",framesz=") ||
	    d->frame_room + AF_PACKET_HEAD <= AF_PACKET_FRAME)
		return;
	while (size < d->frame_room + AF_PACKET_HEAD)
		size *= 2;
	snprintf(d->devargs + len, sizeof(d->devargs) - len, ",blocksz=%u,framesz=%u,framecnt=%u", size, size,
		 AF_PACKET_BYTES / size);
	d->frame_room = size; /* the driver wants buffers as large as its frames */
}

/* An infinite_rx capture is held in mbufs as a whole: count its frames. */
static int plan_capture(struct device *d, const char *device, char *error, size_t room)
{
	const char *key = strstr(device, ",rx_pcap=");
	char path[ARGS_DEVICE], why[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	const u_char *bytes;
	uint32_t frames = 0;

	if (!key)
		return 0;
	key += strlen(",rx_pcap=");
	snprintf(path, sizeof(path), "%.*s", (int)strcspn(key, ","), key);
	pcap_t *capture = pcap_open_offline(path, why);
	if (!capture) {
		snprintf(error, room, "capture %.220s", why);
		return -ENOENT;
	}
	while (pcap_next_ex(capture, &header, &bytes) == 1) {
		frames++;
		if (header->caplen > d->frame_room)
			d->frame_room = header->caplen;
	}
	bool ethernet = pcap_datalink(capture) == DLT_EN10MB;
	pcap_close(capture);
	if (!frames || !ethernet) {
		snprintf(error, room, "capture %.200s: %s", path,
			 frames ? "not an Ethernet capture" : "no frames");
		return -EINVAL;
	}
	if (strstr(device, ",infinite_rx=1"))
		d->mbufs += frames;
	return 0;
}

int device_plan(struct device *d, const struct args_port *port, uint32_t index, char *error, size_t room)
{
	const char *device = port->device, *wrong = device_string_wrong(device), *guest;

	*d = (struct device){.mbufs = MBUFS_DEFAULT, .frame_room = port->engine.mtu + L2_ROOM};
	if (wrong) {
		snprintf(error, room, "port %s: device '%s': %s", port->name, device, wrong);
		return -EINVAL;
	}
	guest = vhost_path(device, &wrong);
	if (guest)
		plan_guest(d, guest, index);
	else
		plan_names(d, device, index);
	netdev_of(device, d->netdev);
	plan_frames(d, device);
	for (size_t i = 0; i < sizeof(driver_needs) / sizeof(driver_needs[0]); i++)
		if (!strcmp(driver_needs[i].driver, d->driver))
			d->mbufs = driver_needs[i].mbufs;

	char why[256] = "";
	int code = strcmp(d->driver, "net_pcap") ? 0 : plan_capture(d, device, why, sizeof(why));
	if (code)
		snprintf(error, room, "port %s: %s", port->name, why);
	return code;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "device_string.h"

#include <string.h>

#include "vhost.h"

#define HEX "0123456789abcdef"

bool device_string_is_pci(const char *device)
{
	static const char form[] = "hhhh:hh:hh.f";
	size_t i = 0;

	for (; form[i]; i++) {
		const char set[] = {form[i], 0}, *in = form[i] == 'h'   ? HEX
						       : form[i] == 'f' ? "01234567"
									: set;

		if (!device[i] || !strchr(in, device[i]))
			return false;
	}
	return !device[i] || device[i] == ',';
}

/* Someone meant a PCI address, shortened or in capitals. */
static bool looks_like_pci(const char *device)
{
	const char *dot = device + strspn(device, HEX "ABCDEF:");

	return *dot == '.' && memchr(device, ':', (size_t)(dot - device));
}

#define DIGITS "0123456789"
#define NAME                                                                                                 \
	"abcdefghijklmnopqrstuvwxyz"                                                                         \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "._-"

bool device_string_is_name(const char *text, size_t n)
{
	return n > 0 && n < DEVICE_NAME && strspn(text, NAME) >= n && !strchr(".-", text[0]);
}

static bool ends_with(const char *text, size_t n, const char *end)
{
	size_t len = strlen(end);

	return n >= len && !memcmp(text + n - len, end, len);
}

/* Of n bytes, of which name are its name. DPDK takes for an option's name what stands before the last `=`,
 * and what begins after a `/` for another device: what it could read otherwise than we do is not handed to
 * it; nor, of its virtual devices, an option without a value, by which they end. A card's may be a piece of a
 * list. */
static const char *option_wrong(const char *option, size_t n, size_t name, bool pci)
{
	const char *value = option + name + 1;

	if (name == n && pci)
		return memchr(option, '/', n) ? "an option has no `/` in its name" : NULL;
	if (!name || name == n || memchr(option, '/', name) || memchr(value, '=', n - name - 1))
		return "an option is written NAME=VALUE, with one `=`, without `/` in NAME";
	if (!ends_with(option, name, "iface") && !ends_with(option, name, "iface_in"))
		return NULL;
	if (pci)
		return "a card has no `iface=`";
	return device_string_is_name(value, n - name - 1)
		       ? NULL
		       : "what stands after `iface=` cannot be a port's name";
}

/* Of two `iface=` DPDK takes one. */
static const char *options_wrong(const char *option, bool pci)
{
	bool has_iface = false;
	size_t n;

	for (; *option++ == ','; option += n) {
		n = strcspn(option, ",");
		size_t name = strcspn(option, "=,");
		bool iface = name < n && name == strlen("iface") && !memcmp(option, "iface", name);
		const char *wrong = n ? option_wrong(option, n, name, pci) : NULL;

		if (wrong)
			return wrong;
		if (iface && has_iface)
			return "`iface=` stands there twice";
		has_iface = has_iface || iface;
	}
	return NULL;
}

/* Those that open what their options say, and nothing else: others make devices of the kernel's, open more
 * than one device, or run commands. */
static bool is_driver(const char *device)
{
	static const char *const drivers[] = {"net_af_xdp", "net_af_packet", "net_pcap", "net_null"};

	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		size_t n = strlen(drivers[i]);

		if (strncmp(device, drivers[i], n))
			continue;
		n += strspn(device + n, DIGITS);
		if (!device[n] || device[n] == ',')
			return true;
	}
	return false;
}

const char *device_string_wrong(const char *device)
{
	const char *wrong;

	if (vhost_path(device, &wrong) || wrong)
		return wrong;
	if (device_string_is_pci(device) || is_driver(device))
		return options_wrong(device + strcspn(device, ","), device_string_is_pci(device));
	if (!strncmp(device, "net_", 4))
		return "of DPDK's virtual devices only net_af_xdp, net_af_packet, net_pcap and net_null "
		       "are taken";
	if (looks_like_pci(device))
		return "a PCI address is written in full and in lower case, such as 0000:03:00.0";
	return "it is neither a PCI address (0000:03:00.0) nor a DPDK device (net_...) nor vhost:PATH; "
	       "for a device of the kernel's write net_af_packet,iface=NAME or net_af_xdp,iface=NAME, "
	       "or choose engine: nft";
}

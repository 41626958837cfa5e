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

bool device_string_is_name(const char *text, size_t n)
{
	return n > 0 && n < DEVICE_NAME && strcspn(text, "/: ,=*?[\\") >= n;
}

static bool ends_with(const char *text, size_t n, const char *end)
{
	size_t len = strlen(end);

	return n >= len && !memcmp(text + n - len, end, len);
}

/* DPDK takes for an option's name what stands before the last `=`, and of two `iface=` one: what it could
 * read otherwise than those who make the device ready and keep the kernel from it, is not handed to it. */
static const char *options_wrong(const char *option)
{
	bool has_iface = false;
	size_t n;

	for (; *option++ == ','; option += n) {
		n = strcspn(option, ",");
		size_t name = strcspn(option, "="), value = name + 1;

		if (name >= n)
			continue;
		if (!name || strcspn(option + value, "=") < n - value)
			return "an option is written NAME=VALUE, with one `=`";
		if (!ends_with(option, name, "iface") && !ends_with(option, name, "iface_in"))
			continue;
		if (!device_string_is_name(option + value, n - value))
			return "what stands after `iface=` cannot be a network device's name";
		if (name == strlen("iface") && has_iface)
			return "`iface=` stands there twice";
		has_iface = has_iface || name == strlen("iface");
	}
	return NULL;
}

const char *device_string_wrong(const char *device)
{
	const char *wrong;

	if (vhost_path(device, &wrong) || wrong)
		return wrong;
	if (device_string_is_pci(device) || !strncmp(device, "net_", 4))
		return options_wrong(device + strcspn(device, ","));
	if (looks_like_pci(device))
		return "a PCI address is written in full and in lower case, such as 0000:03:00.0";
	return "it is neither a PCI address (0000:03:00.0) nor a DPDK device (net_...) nor vhost:PATH; "
	       "for a device of the kernel's write net_af_packet,iface=NAME or net_af_xdp,iface=NAME, "
	       "or choose engine: nft";
}

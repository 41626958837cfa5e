/* SPDX-License-Identifier: BSD-3-Clause */
#include "device_string.h"

#include <stddef.h>
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

const char *device_string_wrong(const char *device)
{
	const char *wrong;

	if (vhost_path(device, &wrong) || wrong || device_string_is_pci(device) ||
	    !strncmp(device, "net_", 4))
		return wrong;
	if (looks_like_pci(device))
		return "a PCI address is written in full and in lower case, such as 0000:03:00.0";
	return "it is neither a PCI address (0000:03:00.0) nor a DPDK device (net_...) nor vhost:PATH; "
	       "for a device of the kernel's write net_af_packet,iface=NAME or net_af_xdp,iface=NAME, "
	       "or choose engine: nft";
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "removal.h"

#include <string.h>

#include "log.h"

static bool is_to_leave(const struct port *port)
{
	return port->open && atomic_load_explicit(&port->leaving, memory_order_relaxed);
}

static void let_go(struct ports *p, uint32_t i, struct worker *w)
{
	struct port *port = &p->port[i];
	struct order leave = {.kind = ORDER_PORT, .port = {.index = i, .leave = true}};
	int code = worker_order(w, &leave);

	if (code)
		return; /* the worker still has it */
	code = port_remove(port);
	log_warning("port %s is removed: its device %s is gone; the other ports go on", port->name,
		    port->device.id);
	if (code)
		log_error("port %s: DPDK does not let go of its device: %s", port->name, strerror(-code));
}

void removal_see_to(struct ports *p, struct worker *w)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (is_to_leave(&p->port[i]))
			let_go(p, i, w);
}

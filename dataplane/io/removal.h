/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports whose device leaves the running machine: a card that is taken out, an interface that is deleted.
 * Whoever hears of it says port_leaves(); here the control thread has the worker let go of the port, and only
 * then closes it. The kernel does not give a card back to its slot before that.
 */
#pragma once

#include "port.h"
#include "worker.h"

/* Ports that are to leave do. */
void removal_see_to(struct ports *p, struct worker *w);

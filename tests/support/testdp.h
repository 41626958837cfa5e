/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A dataplane without DPDK: the real engine and a real ring file behind the real control socket, on a thread
 * of its own. It can be told to misbehave on the next message of a type. Ports: lan1 (inside, VLAN 10), lan2
 * (inside, VLAN 10), wan (outside, VLAN 10).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet.h"

enum testdp_fault {
	TESTDP_SOUND,
	TESTDP_SIZE,     /* answers half a message */
	TESTDP_ABI,      /* another abi */
	TESTDP_TYPE,     /* an unknown type */
	TESTDP_SEQ,      /* another sequence number */
	TESTDP_STALL,    /* does the work, never answers */
	TESTDP_CLOSE,    /* does the work, closes instead of answering */
	TESTDP_REFUSE,   /* does nothing, answers DP_ERROR */
	TESTDP_LIE,      /* does nothing, answers DP_OK */
	TESTDP_SPOIL,    /* dump: one byte is another */
	TESTDP_UNSEALED, /* dump: a memfd that can still change */
	TESTDP_HALF,     /* dump: one byte too few */
	TESTDP_FLOOD,    /* events without end instead of the answer */
};

struct testdp;

/* What is done to a kernel program behind everybody's back. */
enum testdp_tamper {
	TESTDP_WIDEN, /* an element of the map of ports ends at port 65535 */
	TESTDP_CUT,   /* the last rule of a chain is gone */
};

/* Listens at <run_dir>/dp.sock. NULL on failure. */
struct testdp *testdp_start(const char *run_dir);
/* The same for a kernel engine: no frames, but programs, bindings and read-backs as cordon-nft has them.
 * Listens at <run_dir>/nft.sock. */
struct testdp *testdp_start_nft(const char *run_dir, uint32_t features, bool standby);
/* Ends as a killed process would: socket and ring file stay where they are. */
void testdp_stop(struct testdp *t);
/* The heartbeat stops, as that of a worker that hangs, or goes on; all else works. */
void testdp_silence(struct testdp *t, bool on);

/* Misbehave on the next `times` messages of this type. */
void testdp_fault(struct testdp *t, uint16_t type, enum testdp_fault fault, unsigned times);
/* Messages of this type seen so far. */
unsigned testdp_seen(struct testdp *t, uint16_t type);
uint32_t testdp_generation(struct testdp *t);
/* One frame in at a port; whether it was let through. */
bool testdp_frame(struct testdp *t, uint32_t port, struct pkt *p);
/* Put another image in force behind the control plane's back: the one in force with a decision turned. */
void testdp_drift(struct testdp *t);
/* Turn one decision of the image in force, and hide it: read-backs show what was published. */
void testdp_turn(struct testdp *t, uint32_t decision);
void testdp_tamper(struct testdp *t, enum testdp_tamper how);
/* Ports whose device left, a bit each; the others are up. */
void testdp_remove_ports(struct testdp *t, uint32_t ports);
/* Say that somebody changed the tables. */
void testdp_tell_drift(struct testdp *t);
/* The standby's state, as cordon-nft would tell it. */
void testdp_stand(struct testdp *t, uint8_t state, uint64_t takeovers, uint64_t gap_ms);
/* Whether UTC can be relied on. */
void testdp_clock(struct testdp *t, bool good);
size_t testdp_held(struct testdp *t);
/* Turn one bit of a byte of the image in force, `offset` bytes behind its header; the engine does not use it
 * any more. False: the image has no such byte. */
bool testdp_flip(struct testdp *t, size_t offset);
/* Let `seconds` pass for the engine and tick it. */
void testdp_pass(struct testdp *t, double seconds);

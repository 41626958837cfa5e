-- SPDX-License-Identifier: BSD-3-Clause
-- flows-<YYYY-MM-DD>.db (UTC day of storing): what the dataplane recorded. WAL, batched inserts.
-- Rows and the reader's position are written in one transaction, so a record is stored exactly once.
-- Addresses are RFC 5952 text; times UTC nanoseconds; verdicts and reasons are their words; NULL is "not known".

CREATE TABLE IF NOT EXISTS decision (
	instance TEXT NOT NULL, worker INTEGER NOT NULL, sequence INTEGER NOT NULL, -- position in the ring
	type TEXT NOT NULL,                    -- open, refused, changed
	session INTEGER NOT NULL,              -- 0 for a refused packet
	time_ns INTEGER NOT NULL,
	domain INTEGER NOT NULL, in_port INTEGER, out_port INTEGER,
	src_mac TEXT, dst_mac TEXT,
	proto INTEGER NOT NULL,
	src TEXT NOT NULL, sport INTEGER NOT NULL, dst TEXT NOT NULL, dport INTEGER NOT NULL,
	src_identity INTEGER NOT NULL, dst_identity INTEGER NOT NULL,
	generation INTEGER NOT NULL,
	verdict TEXT NOT NULL, rule INTEGER NOT NULL, reason TEXT NOT NULL,
	intended TEXT NOT NULL, intended_rule INTEGER NOT NULL, intended_reason TEXT NOT NULL,
	old_verdict TEXT, old_rule INTEGER,
	bytes INTEGER NOT NULL,
	posture TEXT, enc_class TEXT, tls_version TEXT, draft_verdict TEXT, revoked_by INTEGER,
	synthetic INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (instance, worker, sequence)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS decision_time ON decision (time_ns);

CREATE TABLE IF NOT EXISTS session_update (
	instance TEXT NOT NULL, worker INTEGER NOT NULL, sequence INTEGER NOT NULL,
	session INTEGER NOT NULL,
	final INTEGER NOT NULL,                -- 1: the session's end
	why TEXT,                              -- closed, timeout, revoked, shutdown
	first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,
	packets_forward INTEGER NOT NULL, packets_back INTEGER NOT NULL,
	bytes_forward INTEGER NOT NULL, bytes_back INTEGER NOT NULL,
	generation INTEGER NOT NULL, rule INTEGER NOT NULL,
	PRIMARY KEY (instance, worker, sequence)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS session_update_session ON session_update (session, final);

-- Repeats of a refusal, or allowed sessions above the record rate; counts are exact.
CREATE TABLE IF NOT EXISTS aggregate (
	instance TEXT NOT NULL, worker INTEGER NOT NULL, serial INTEGER NOT NULL,
	domain INTEGER NOT NULL, in_port INTEGER,
	src TEXT NOT NULL, src_identity INTEGER NOT NULL, dst_identity INTEGER NOT NULL,
	generation INTEGER NOT NULL,
	verdict TEXT NOT NULL, rule INTEGER NOT NULL, reason TEXT NOT NULL,
	intended TEXT NOT NULL, intended_rule INTEGER NOT NULL, intended_reason TEXT NOT NULL,
	count INTEGER NOT NULL,
	first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,
	samples TEXT NOT NULL,                 -- JSON array of {dst, sport, dport, proto}
	PRIMARY KEY (instance, worker, serial)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS aggregate_last ON aggregate (last_ns);

-- Frames by hour, port and reason (reason '' = forwarded, port '' = not known by port), as increments of that hour.
-- Reason l2 (tap mode) tells which of the forwarded frames were ARP or ND; it is no addition to them.
CREATE TABLE IF NOT EXISTS frames (
	instance TEXT NOT NULL, hour INTEGER NOT NULL, port TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL,
	PRIMARY KEY (instance, hour, port, reason)
) WITHOUT ROWID;

-- What `frames` adds up to over the life of an instance, so that increments can be told after a restart; like an
-- account, the newest file's rows count.
CREATE TABLE IF NOT EXISTS frames_total (
	instance TEXT NOT NULL, port TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL,
	PRIMARY KEY (instance, port, reason)
) WITHOUT ROWID;

-- The account of each dataplane instance, cumulative over its life; the newest file's row counts.
CREATE TABLE IF NOT EXISTS account (
	instance TEXT NOT NULL, worker INTEGER NOT NULL,
	tail INTEGER NOT NULL,                 -- ring position up to which records are stored here or in older files
	written INTEGER NOT NULL, aggregated INTEGER NOT NULL, updates_written INTEGER NOT NULL,
	decisions INTEGER NOT NULL, lost INTEGER NOT NULL, updates INTEGER NOT NULL, updates_lost INTEGER NOT NULL,
	frames_in INTEGER NOT NULL, forwarded INTEGER NOT NULL, dropped INTEGER NOT NULL,
	closed INTEGER NOT NULL DEFAULT 0,     -- 1: the instance is over and drained; 2: a reboot took what was pending
	started_ns INTEGER NOT NULL, seen_ns INTEGER NOT NULL,
	missed INTEGER NOT NULL DEFAULT 0,         -- part of `lost`: what died with the dataplane, or with the machine
	updates_missed INTEGER NOT NULL DEFAULT 0, -- the same of `updates_lost`
	clock_back INTEGER NOT NULL DEFAULT 0,     -- decisions dated more than 100 ms before their predecessor
	clock_ns INTEGER NOT NULL DEFAULT 0,       -- latest date of a decision
	PRIMARY KEY (instance, worker)
) WITHOUT ROWID;

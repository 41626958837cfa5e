-- SPDX-License-Identifier: BSD-3-Clause
-- control.db: what was decided by people and by the control plane. WAL, synchronous=FULL: few rows, each durable.
-- Times are UTC nanoseconds since 1970 unless a column says otherwise. Columns are only ever added.

CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- Append-only: a number means the same label set for ever.
CREATE TABLE IF NOT EXISTS dictionary (number INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);

-- One row per generation; numbers are never reused. state: prepared (intent), active, retired, abandoned.
CREATE TABLE IF NOT EXISTS generation (
	number INTEGER PRIMARY KEY,
	state TEXT NOT NULL CHECK (state IN ('prepared', 'active', 'retired', 'abandoned')),
	digest TEXT NOT NULL,               -- hex SHA-256 of the policy's canonical form
	image_digest TEXT NOT NULL,         -- hex SHA-256 of the image bytes
	author TEXT NOT NULL,               -- from the peer's credentials, never from the request
	message TEXT NOT NULL,
	ticket TEXT,
	from_generation INTEGER,            -- rollback: whose text this is
	prepared_ns INTEGER NOT NULL,
	active_ns INTEGER,
	ended_ns INTEGER,
	tests_passed INTEGER NOT NULL DEFAULT 0,
	needs_dpdk INTEGER,                 -- rules that the kernel engine follows stricter; NULL: no such engine
	origin TEXT NOT NULL DEFAULT 'api'  -- pipeline, api, console, drift
);
CREATE TABLE IF NOT EXISTS generation_file (
	generation INTEGER NOT NULL REFERENCES generation (number),
	name TEXT NOT NULL,
	text TEXT NOT NULL,
	PRIMARY KEY (generation, name)
) WITHOUT ROWID;
-- The image and its stored facts; `bytes` is what was published.
CREATE TABLE IF NOT EXISTS generation_image (generation INTEGER PRIMARY KEY REFERENCES generation (number), bytes BLOB NOT NULL);

-- Rule number -> where it stands. Number 0 is default-deny; scopes have bit 31 set. width: see the assessment.
CREATE TABLE IF NOT EXISTS rule (
	generation INTEGER NOT NULL REFERENCES generation (number),
	number INTEGER NOT NULL,
	id TEXT NOT NULL,                   -- rule id, default-deny or scope:<id>
	effect TEXT NOT NULL,               -- allow, deny, scope
	tier TEXT,                          -- guard, team, baseline
	mode TEXT NOT NULL,                 -- enforce, monitor, off
	file TEXT, line INTEGER,
	owner TEXT,
	review_end INTEGER,                 -- UTC seconds
	services INTEGER NOT NULL DEFAULT 0,     -- services named; the same ports over TCP and UDP are one, so are both echoes
	widest_range INTEGER NOT NULL DEFAULT 0, -- ports in the widest of them
	from_count INTEGER NOT NULL DEFAULT 0,   -- identities selected
	to_count INTEGER NOT NULL DEFAULT 0,
	to_profiles INTEGER NOT NULL DEFAULT 0,  -- 1: one application profile holds all of `to`; else those it meets, 0 or >= 2
	to_segments INTEGER NOT NULL DEFAULT 0,  -- segments among the identities of `to`
	PRIMARY KEY (generation, number)
) WITHOUT ROWID;
-- Identities of each generation's space, with the segment (labels without defaulted ones) they belong to.
CREATE TABLE IF NOT EXISTS generation_identity (
	generation INTEGER NOT NULL REFERENCES generation (number),
	number INTEGER NOT NULL,
	text TEXT NOT NULL,
	segment TEXT NOT NULL,
	critical INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (generation, number)
) WITHOUT ROWID;
-- Facts computed in C from the decoded image that was read back, e.g. blast_radius per identity.
CREATE TABLE IF NOT EXISTS fact (
	generation INTEGER NOT NULL,
	name TEXT NOT NULL,
	subject TEXT NOT NULL,
	value REAL NOT NULL,
	time_ns INTEGER NOT NULL,
	PRIMARY KEY (generation, name, subject)
) WITHOUT ROWID;

-- Read-back of what an engine holds.
CREATE TABLE IF NOT EXISTS readback (
	id INTEGER PRIMARY KEY,
	time_ns INTEGER NOT NULL,
	engine TEXT NOT NULL,               -- dpdk, nft
	generation INTEGER NOT NULL,        -- what the engine says it runs
	expected INTEGER NOT NULL,
	image_digest TEXT NOT NULL,
	equal INTEGER NOT NULL,
	clock_bad INTEGER                   -- 1: nobody vouched for the clock that dates this and the records around it; NULL: not known
);
-- Binding history: who had an address, when.
CREATE TABLE IF NOT EXISTS binding (
	id INTEGER PRIMARY KEY,
	domain INTEGER NOT NULL,
	address TEXT NOT NULL,
	mac TEXT NOT NULL,
	port TEXT NOT NULL,
	identity INTEGER NOT NULL,
	method TEXT NOT NULL,               -- prefix, mac, port, vlan, none: the strongest evidence used
	from_ns INTEGER NOT NULL,
	until_ns INTEGER                    -- NULL: still held
);
CREATE INDEX IF NOT EXISTS binding_address ON binding (address, from_ns);
CREATE TABLE IF NOT EXISTS event (
	id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL,
	kind TEXT NOT NULL,                 -- spoof, moved, conflict, drift, alarm, start, stop, access-denied, ...
	text TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS probe (id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, kind TEXT NOT NULL,
	src_identity INTEGER, dst_identity INTEGER, service TEXT, expected TEXT, observed TEXT, generation INTEGER);
CREATE TABLE IF NOT EXISTS review (id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, subject TEXT NOT NULL,
	reviewer TEXT NOT NULL, text TEXT);
CREATE TABLE IF NOT EXISTS attestation (id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, requirement TEXT NOT NULL,
	author TEXT NOT NULL, statement TEXT NOT NULL, expires_ns INTEGER NOT NULL);
-- What is left of days that retention removed: one row per removed day, and its decisions by hour.
CREATE TABLE IF NOT EXISTS removed_day (
	day TEXT PRIMARY KEY,
	from_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL,
	written INTEGER NOT NULL, aggregated INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hourly (
	hour INTEGER NOT NULL,              -- UTC hours since 1970
	generation INTEGER NOT NULL,
	src_identity INTEGER NOT NULL, dst_identity INTEGER NOT NULL,
	verdict TEXT NOT NULL, intended TEXT NOT NULL, rule INTEGER NOT NULL, reason TEXT NOT NULL,
	count INTEGER NOT NULL,             -- decisions, aggregated ones by the hour of their first
	PRIMARY KEY (hour, generation, src_identity, dst_identity, verdict, intended, rule, reason)
) WITHOUT ROWID;
-- Every result of an assessment, as it was given out.
CREATE TABLE IF NOT EXISTS assessment (
	id INTEGER PRIMARY KEY,
	time_ns INTEGER NOT NULL,
	window_from_ns INTEGER NOT NULL,
	window_until_ns INTEGER NOT NULL,
	catalogue_digest TEXT NOT NULL,
	author TEXT NOT NULL,
	result TEXT NOT NULL                -- the whole result as JSON
);

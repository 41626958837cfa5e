/* SPDX-License-Identifier: BSD-3-Clause */
/* The command table itself. A verb of the contract that is not built has no `run` and is refused with those
 * words. */
#include "command.h"
#include "verbs.h"

#define OPTIONS(...)  ((const struct option_def[]){__VA_ARGS__, {NULL, 0, NULL, NULL, 0}})
#define EXAMPLES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define TEXTUAL                                                                                              \
	(OUT_BIT(OUT_TABLE) | OUT_BIT(OUT_WIDE) | OUT_BIT(OUT_PLAIN) | OUT_BIT(OUT_JSON) | OUT_BIT(OUT_JSONL))
#define WAIT_OPTION                                                                                          \
	{                                                                                                    \
		"wait", 0, "SECONDS", "for an engine that is not connected yet (default 30)", 0              \
	}
#define NOT_BUILT(verb, what)                                                                                \
	{                                                                                                    \
		.name = verb, .usage = "...", .summary = what                                                \
	}

const struct command cli_commands[] = {
	{
		.name = "check",
		.usage = "FILE|DIR",
		.summary = "compile a policy, run its tests, see whether it fits",
		.run = verb_check,
		.formats = TEXTUAL,
		.args_min = 1,
		.args_max = 1,
		.examples = EXAMPLES("cordon check policy.yaml", "cordon check policies/examples/agency-core",
				     "cordon check -o json policy.yaml",
				     "cordon check --config /etc/cordon/cordon.yaml policy.yaml"),
		.options = OPTIONS(
			{"config", 0, "FILE", "judge it for this gateway, its ports and management", 0},
			{"engine", 0, "ENGINE", "dpdk or nft: note what this engine does not do", 0}),
		.notes = "Findings go to stdout, each as file:line:column: error: text.\n"
			 "Exit code 0, 3 (does not compile or a test fails) or 7 (does not fit).",
	},
	{
		.name = "test",
		.usage = "FILE|DIR",
		.summary = "run the tests inside a policy",
		.run = verb_test,
		.formats = TEXTUAL,
		.args_min = 1,
		.args_max = 1,
		.examples = EXAMPLES("cordon test policy.yaml", "cordon test -o json policy.yaml"),
		.options = OPTIONS({"strength", 0, NULL, "mutants caught of mutants made", OPTION_LATER}),
		.notes = "The last line is `N passed, N failed`. Exit code 0, 1 (a test failed) or 3.",
	},
	{
		.name = "explain",
		.usage = "[--policy FILE|DIR] FROM TO SERVICE",
		.summary = "what the policy says to one question, and why",
		.run = verb_explain,
		.formats = OUT_ROWS,
		.args_min = 3,
		.args_max = 3,
		.examples = EXAMPLES("cordon explain --policy policy.yaml staff hr-web tcp/443",
				     "cordon explain --policy policy.yaml role=web,app=hr '$world' any",
				     "cordon explain 10.20.0.11 10.20.0.31 pg --expect allow"),
		.options =
			OPTIONS({"policy", 'p', "FILE|DIR", "judge this policy here, without the daemon", 0},
				{"at", 0, "TIME", "as of this time (RFC 3339, or an age like 2h)", 0},
				{"expect", 0, "VERDICT", "allow or deny: exit 1 if any answer differs", 0},
				{"with", 0, "KEY=VALUE", "posture and TLS facts", OPTION_LATER}),
		.notes = "FROM, TO: a group, label=value,..., $unknown and the like, any, or an address.\n"
			 "SERVICE: tcp/443, udp/1000-2000, ping, icmp/8, any, or a service of the policy.",
	},
	{
		.name = "replay",
		.usage = "--policy FILE|DIR --pcap CAPTURE",
		.summary = "run the real engine over a capture",
		.run = verb_replay,
		.formats = OUT_ROWS,
		.examples = EXAMPLES("cordon replay --policy policy.yaml --pcap traffic.pcap",
				     "cordon replay --policy policy.yaml --pcap traffic.pcapng -o jsonl"),
		.options = OPTIONS(
			{"policy", 'p', "FILE|DIR", "the policy", OPTION_NEEDED},
			{"pcap", 0, "CAPTURE", "pcap or pcapng; - is stdin", OPTION_NEEDED},
			{"port", 0, "NAME", "the port that classifiers see", 0},
			{"sessions", 0, "N", "room for live sessions (default: by the file's size)", 0},
			{"lines", 0, "N", "lines held at once (default 4000000)", 0}),
		.notes = "One line per session and one per refused (5-tuple, initiator), then the\n"
			 "summary. Memory: about 500 bytes per live session (--sessions, at most 1048576\n"
			 "by itself) and 400 per line held. Beyond --lines, finished lines are printed\n"
			 "early; a refused tuple that goes on after that gets another line.\n"
			 "Exit code 8 if the capture breaks off or a decision has no line.",
	},
	{
		.name = "compile",
		.usage = "--policy P --image OUT [--pcap CAPTURE --bindings OUT]",
		.summary = "write the image and bindings a dataplane can start from",
		.run = verb_compile,
		.examples = EXAMPLES("cordon compile --policy p.yaml --image i --pcap c.pcap --bindings b"),
		.options = OPTIONS({"policy", 'p', "FILE|DIR", "the policy", OPTION_NEEDED},
				   {"image", 0, "OUT", "where the image goes", OPTION_NEEDED},
				   {"pcap", 0, "CAPTURE", "bind every endpoint of this capture", 0},
				   {"bindings", 0, "OUT", "where the bindings snapshot goes", 0},
				   {"port", 0, "NAME", "the port that classifiers see", 0}),
	},
	{
		.name = "assess",
		.usage = "[--store DIR]",
		.summary = "maturity stages that the evidence supports, and what lacks",
		.run = verb_assess,
		.formats = OUT_ROWS,
		.examples = EXAMPLES("cordon assess", "cordon assess --store /var/lib/cordon -o json"),
		.options = OPTIONS(
			{"store", 0, "DIR", "read this evidence store here, without the daemon", 0},
			{"catalogue", 0, "DIR", "functions and metrics (default: $CORDON_CATALOGUE)", 0},
			{"since", 0, "TIME", "evidence from here on (RFC 3339, or an age like 14d)", 0},
			{"until", 0, "TIME", "evidence up to here", 0}),
		.notes = "Without --store the daemon is asked. A store without evidence is no error.",
	},
	{
		.name = "status",
		.usage = "",
		.summary = "what is enforced now, and whether everything adds up",
		.run = verb_status,
		.flags = COMMAND_ONLINE,
		.formats = TEXTUAL,
		.examples = EXAMPLES("cordon status", "cordon status -o json"),
	},
	{
		.name = "commit",
		.usage = "FILE|DIR -m TEXT [--ticket ID]",
		.summary = "put a policy into force",
		.run = verb_commit,
		.flags = COMMAND_ONLINE,
		.formats = TEXTUAL,
		.args_min = 1,
		.args_max = 1,
		.examples = EXAMPLES("cordon commit policies/hq -m 'printing for staff' --ticket CHG-1077"),
		.options = OPTIONS({"message", 'm', "TEXT", "why, for the log", OPTION_NEEDED},
				   {"ticket", 0, "ID", "the change it belongs to", 0}, WAIT_OPTION,
				   {"confirm", 0, "TIME", "come back unless confirmed", OPTION_LATER}),
		.notes = "All or nothing: what fails leaves the old generation in force, and says so\n"
			 "(exit code 3, 4, 6 or 7).",
	},
	{
		.name = "rollback",
		.usage = "[N] [-m TEXT]",
		.summary = "make a new generation with the text of an old one",
		.run = verb_rollback,
		.flags = COMMAND_ONLINE,
		.formats = TEXTUAL,
		.args_max = 1,
		.examples = EXAMPLES("cordon rollback", "cordon rollback 12 -m 'printing broke'"),
		.options = OPTIONS({"message", 'm', "TEXT", "why, for the log", 0}, WAIT_OPTION),
		.notes = "Without N: the generation before the one in force.",
	},
	{
		.name = "generations",
		.usage = "",
		.summary = "every policy that was put into force",
		.run = verb_generations,
		.flags = COMMAND_ONLINE,
		.formats = OUT_ROWS,
		.examples = EXAMPLES("cordon generations"),
	},
	{
		.name = "flows",
		.usage = "[--since TIME] [--verdict LIST] [...]",
		.summary = "what was decided, by which rule",
		.run = verb_flows,
		.flags = COMMAND_ONLINE,
		.formats = OUT_ROWS,
		.examples = EXAMPLES("cordon flows --since 1h --verdict deny,would-deny",
				     "cordon flows --from role=web --service tcp/5432 -n 20",
				     "cordon flows --since 2026-08-25T00:00:00Z -o jsonl"),
		.options = OPTIONS({"since", 0, "TIME", "RFC 3339, or an age like 30s 15m 2h 14d", 0},
				   {"until", 0, "TIME", "likewise", 0},
				   {"verdict", 0, "LIST", "of allow, deny, would-deny, would-allow", 0},
				   {"from", 0, "WHO", "the initiator's labels or identity, or address", 0},
				   {"to", 0, "WHO", "likewise for the responder", 0},
				   {"rule", 0, "ID", "decided by this rule", 0},
				   {"reason", 0, "WORD", "for this reason", 0},
				   {"service", 0, "SERVICE", "such as tcp/443", 0},
				   {"limit", 'n', "N", "at most N, the newest (default 100)", 0},
				   {"complete", 0, NULL, "exit 8 if anything is lost or aggregated away", 0}),
	},
	{
		.name = "verify",
		.usage = "",
		.summary = "prove that every engine holds the policy, and ask it with packets",
		.run = verb_verify,
		.flags = COMMAND_ONLINE,
		.formats = TEXTUAL | OUT_BIT(OUT_JUNIT),
		.examples = EXAMPLES("cordon verify", "cordon verify -o junit > verify.xml"),
		.notes = "Each engine is read back and compared with the policy cell by cell; then frames\n"
			 "of made-up hosts go through it, the standby as well: one for each decision, and\n"
			 "cases of state, errors, fragments, options and spoofing. What is never asked is\n"
			 "a row that is skipped and says why. Exit code 0 (all as it must be), 1 (a\n"
			 "difference, shown with a packet that meets it) or 8 (something was not asked).",
	},
	NOT_BUILT("blast", "what one identity reaches if it is taken over"),
	NOT_BUILT("capture", "packets by verdict, as a capture file"),
	NOT_BUILT("confirm", "keep a commit that would come back by itself"),
	NOT_BUILT("diff", "what an edit opens and closes"),
	NOT_BUILT("quarantine", "cut one endpoint off"),
	NOT_BUILT("sessions", "live sessions"),
	NOT_BUILT("suggest", "rules that recorded traffic asks for"),
	NOT_BUILT("trace", "one packet's way through the stages"),
	NOT_BUILT("who", "who had an address, and when"),
	{.name = NULL},
};

-- SPDX-License-Identifier: BSD-3-Clause
-- The views that the metrics are written over. To re-run a metric by hand: open the evidence store with sqlite3 as
-- docs say (control.db and the day files attached, one view per table), read this file, then the metric's, with
--   :from_ns :until_ns   the window            :now_ns      when the assessment was made
--   :generation          the active generation
--
-- Every metric gives rows (measure, stratum, numerator, denominator): `measure` is what the catalogue sets bounds on,
-- `stratum` the segment the row speaks of ('' none). A measure's value is sum(numerator) / sum(denominator), its sample
-- is sum(denominator); no denominator, no value.

-- Natural flows: sessions opened and packets refused by policy, repeats with their exact count. Left out: probes
-- (live verification runs in domain 4095, where no host can be), and packets without a session (no rule was asked
-- about them).
CREATE TEMP VIEW flow AS
SELECT time_ns, generation, src, dst, src_identity, dst_identity, proto, dport, verdict, intended, rule, reason,
	1 AS count
FROM decision
WHERE type IN ('open', 'refused') AND synthetic = 0 AND reason <> 'no-session'
UNION ALL
SELECT last_ns, generation, src, samples ->> '$[0].dst', src_identity, dst_identity, samples ->> '$[0].proto',
	samples ->> '$[0].dport', verdict, intended, rule, reason, count
FROM aggregate
WHERE domain <> 4095 AND src_identity NOT BETWEEN 8 AND 15 AND dst_identity NOT BETWEEN 8 AND 15
	AND reason <> 'no-session';

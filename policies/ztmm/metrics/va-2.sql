-- SPDX-License-Identifier: BSD-3-Clause
-- VA-2, attribution.
-- denominator: flows (flows, strong) or distinct source, destination and service (pairs) in the window
-- numerator:   those with a classified identity at both ends: $unknown, $conflict, $world and the like are none.
--              strong: and both ends were bound at that time by more than an address prefix
-- sample:      the denominator; stratum: the destination's segment
WITH judged AS (
	SELECT coalesce(gi.segment, 'unclassified') AS segment, f.src_identity, f.dst_identity, f.proto, f.dport, f.count,
		f.src_identity >= 16 AND f.dst_identity >= 16 AS known,
		EXISTS (SELECT 1 FROM binding AS b WHERE b.address = f.src AND b.from_ns <= f.time_ns
			AND coalesce(b.until_ns, f.time_ns) >= f.time_ns AND b.method NOT IN ('prefix', 'none', 'static'))
		AND EXISTS (SELECT 1 FROM binding AS b WHERE b.address = f.dst AND b.from_ns <= f.time_ns
			AND coalesce(b.until_ns, f.time_ns) >= f.time_ns AND b.method NOT IN ('prefix', 'none', 'static'))
		AS strong
	FROM flow AS f
	LEFT JOIN generation_identity AS gi ON gi.generation = f.generation AND gi.number = f.dst_identity
	WHERE f.time_ns >= :from_ns AND f.time_ns < :until_ns
), pair AS (
	SELECT segment, min(known) AS known FROM judged GROUP BY segment, src_identity, dst_identity, proto, dport
)
SELECT 'flows' AS measure, segment AS stratum, sum(count * known) AS numerator, sum(count) AS denominator
FROM judged GROUP BY segment
UNION ALL
SELECT 'pairs', segment, sum(known), count(*) FROM pair GROUP BY segment
UNION ALL
SELECT 'strong', segment, sum(count * (known AND strong)), sum(count) FROM judged GROUP BY segment;

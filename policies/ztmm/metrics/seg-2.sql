-- SPDX-License-Identifier: BSD-3-Clause
-- SEG-2, explicit decisions.
-- denominator: flows (measure flows) or distinct source, destination and service (measure pairs) between different
--              identities in the window
-- numerator:   those that a specific rule or default-deny decided and enforced. Not counted as decided: whatever a
--              monitored scope let pass or a monitored rule would have decided otherwise; whatever goes to a responder
--              that a monitored scope relaxes, for nothing is enforced there; flows of a generation whose image was not
--              read; allows between two identities for which the image, over all rules, allows more than half of all
--              ports, and allows between more than half of all identities. A pair is decided if each of its flows is.
-- sample:      the denominator; stratum: the destination's segment
WITH spaces AS (
	SELECT generation, count(*) AS identities FROM generation_identity GROUP BY generation
), judged AS (
	SELECT coalesce(gi.segment, 'unclassified') AS segment, f.src_identity, f.dst_identity, f.proto, f.dport, f.count,
		f.verdict = f.intended AND f.reason IN ('rule', 'no-rule') AND f.rule < 2147483648
		AND EXISTS (SELECT 1 FROM fact WHERE generation = f.generation AND name = 'image_read')
		AND NOT EXISTS (SELECT 1 FROM fact WHERE generation = f.generation AND name = 'monitored_responder'
			AND subject = CAST(f.dst_identity AS TEXT))
		AND NOT coalesce(r.effect = 'allow' AND (2 * r.from_count > s.identities AND 2 * r.to_count > s.identities
			OR EXISTS (SELECT 1 FROM fact WHERE generation = f.generation AND name = 'wide_pair'
				AND subject = f.src_identity || '>' || f.dst_identity AND value > 32768)
			OR EXISTS (SELECT 1 FROM fact WHERE generation = f.generation AND name = 'wide_pairs_uncounted')),
			f.rule <> 0) AS decided
	FROM flow AS f
	LEFT JOIN generation_identity AS gi ON gi.generation = f.generation AND gi.number = f.dst_identity
	LEFT JOIN rule AS r ON r.generation = f.generation AND r.number = f.rule
	LEFT JOIN spaces AS s ON s.generation = f.generation
	WHERE f.time_ns >= :from_ns AND f.time_ns < :until_ns AND f.src_identity <> f.dst_identity
), pair AS (
	SELECT segment, min(decided) AS decided FROM judged GROUP BY segment, src_identity, dst_identity, proto, dport
)
SELECT 'flows' AS measure, segment AS stratum, sum(count * decided) AS numerator, sum(count) AS denominator
FROM judged GROUP BY segment
UNION ALL
SELECT 'pairs', segment, sum(decided), count(*) FROM pair GROUP BY segment;

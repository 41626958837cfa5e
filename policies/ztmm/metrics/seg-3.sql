-- SPDX-License-Identifier: BSD-3-Clause
-- SEG-3, wide allows.
-- denominator: allowed flows (flows), or distinct source, destination and service that were allowed (pairs), in the
--              window
-- numerator:   those allowed by a scope or by an unknown rule, by a rule that names more than one service, a range of
--              more than 16 ports, or several segments that are not within one application profile; and those between a
--              pair of identities for which the image, over all rules, allows a range of more than 16 ports: so a wide
--              rule below many narrow ones counts, and splitting it does not help. A pair is wide if one of its flows
--              is.
-- sample:      the denominator; stratum: the destination's segment
WITH judged AS (
	SELECT coalesce(gi.segment, 'unclassified') AS segment, f.src_identity, f.dst_identity, f.proto, f.dport, f.count,
		f.rule >= 2147483648 OR r.number IS NULL OR r.services > 1 OR r.widest_range > 16
		OR r.to_segments > 1 AND r.to_profiles <> 1
		OR EXISTS (SELECT 1 FROM fact WHERE generation = f.generation AND name = 'wide_pair'
			AND subject = f.src_identity || '>' || f.dst_identity)
		OR EXISTS (SELECT 1 FROM fact WHERE generation = f.generation AND name = 'wide_pairs_uncounted')
		OR NOT EXISTS (SELECT 1 FROM fact WHERE generation = f.generation AND name = 'image_read') AS wide
	FROM flow AS f
	LEFT JOIN generation_identity AS gi ON gi.generation = f.generation AND gi.number = f.dst_identity
	LEFT JOIN rule AS r ON r.generation = f.generation AND r.number = f.rule
	WHERE f.time_ns >= :from_ns AND f.time_ns < :until_ns AND f.verdict = 'allow'
), pair AS (
	SELECT segment, max(wide) AS wide FROM judged GROUP BY segment, src_identity, dst_identity, proto, dport
)
SELECT 'flows' AS measure, segment AS stratum, sum(count * wide) AS numerator, sum(count) AS denominator
FROM judged GROUP BY segment
UNION ALL
SELECT 'pairs', segment, sum(wide), count(*) FROM pair GROUP BY segment;

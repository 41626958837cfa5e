-- SPDX-License-Identifier: BSD-3-Clause
-- AO-2, lifetimes.
-- denominator: rules that are not off and monitored scopes of the active generation (a scope in enforce is no exception
--              and needs no end)
-- numerator:   covered: those with a review date no more than 365 days from now; a later one counts as none
--              overdue: those enforced although their date passed more than a day ago
--              life_days: days from activation to the date, 90th percentile (denominator 1)
-- sample:      the denominator; no strata
WITH object AS (
	SELECT mode, review_end * 1000000000 AS end_ns FROM rule
	WHERE generation = :generation AND number <> 0
		AND (effect <> 'scope' AND mode <> 'off' OR effect = 'scope' AND mode = 'monitor')
), life AS (
	SELECT (end_ns - g.active_ns) / 86400e9 AS days, row_number() OVER (ORDER BY end_ns) AS place, count(*) OVER () AS n
	FROM object JOIN generation AS g ON g.number = :generation
	WHERE end_ns IS NOT NULL
)
SELECT 'covered' AS measure, '' AS stratum,
	sum(end_ns IS NOT NULL AND end_ns <= :now_ns + 365 * 86400000000000) AS numerator, count(*) AS denominator
FROM object
UNION ALL
SELECT 'overdue', '', sum(mode = 'enforce' AND end_ns IS NOT NULL AND end_ns < :now_ns - 86400000000000), count(*)
FROM object
UNION ALL
SELECT 'life_days', '', days, 1 FROM life WHERE place = (90 * n + 99) / 100;

-- SPDX-License-Identifier: BSD-3-Clause
-- SEG-8, blast radius.
-- denominator: the other segments of the active generation
-- numerator:   how many of them the segment at the 95th percentile reaches in at most two hops over allows that the
--              image enforces. The counts are facts, computed from the image bytes that the engine was read back with.
-- sample:      the denominator; no strata
WITH reach AS (
	SELECT value, row_number() OVER (ORDER BY value) AS place, count(*) OVER () AS segments
	FROM fact WHERE generation = :generation AND name = 'blast_radius'
)
SELECT 'p95' AS measure, '' AS stratum, value AS numerator, segments - 1 AS denominator
FROM reach WHERE place = (95 * segments + 99) / 100;

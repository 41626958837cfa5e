-- SPDX-License-Identifier: BSD-3-Clause
-- VA-1, complete records.
-- denominator: decisions that the dataplane counted, over every instance that lived in the window
-- numerator:   those of them that this store holds, written or aggregated; what is pending or lost is not
-- sample:      the denominator; no strata
SELECT 'records' AS measure, '' AS stratum, sum(min(written + aggregated, decisions)) AS numerator,
	sum(decisions) AS denominator
FROM account
WHERE started_ns < :until_ns AND seen_ns >= :from_ns;

/* SPDX-License-Identifier: BSD-3-Clause */
#include "shorten.h"
#include "text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define S      INT64_C(1000000000)

static void times_as_typed(void **state)
{
	const int64_t now = 1000000 * S;
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = {
		{"0s", 1000000 * S},
		{"30s", 999970 * S},
		{"15m", 999100 * S},
		{"2h", 992800 * S},
		{"10d", 136000 * S},
		{"1970-01-01T00:00:10Z", 10 * S},
		{"1970-01-01T03:00:10+03:00", 10 * S},
		{"1970-01-01T00:00:10.5Z", 10 * S + S / 2},
	};
	static const char *const bad[] = {"",
					  "h",
					  "2",
					  "2w",
					  "-2h",
					  "2h30",
					  "2 h",
					  "yesterday",
					  "0x2h",
					  "1970-01-01",
					  "1970-01-01T00:00:10",
					  "1970-02-30T00:00:10Z",
					  "99999999999999999999h"};
	int64_t ns;

	for (size_t i = 0; i < LEN(good); i++) {
		if (!text_parse_time(good[i].text, now, &ns) || ns != good[i].ns)
			fail_msg("%s", good[i].text);
	}
	for (size_t i = 0; i < LEN(bad); i++)
		if (text_parse_time(bad[i], now, &ns))
			fail_msg("%s was taken", bad[i]);
}

static void amounts(void **state)
{
	static const struct {
		uint64_t amount;
		const char *text;
	} cases[] = {{0, "0"},         {812, "812"},     {999, "999"},       {1000, "1.0k"},
		     {4096, "4.1k"},   {9949, "9.9k"},   {9951, "10k"},      {17300000, "17M"},
		     {999499, "999k"}, {999500, "1.0M"}, {UINT64_MAX, "18E"}};
	char buffer[16];

	for (size_t i = 0; i < LEN(cases); i++)
		assert_string_equal(text_amount(cases[i].amount, buffer, sizeof(buffer)), cases[i].text);
}

static void protocols(void **state)
{
	char buffer[8];

	assert_string_equal(text_proto(6, buffer, sizeof(buffer)), "tcp");
	assert_string_equal(text_proto(17, buffer, sizeof(buffer)), "udp");
	assert_string_equal(text_proto(1, buffer, sizeof(buffer)), "icmp");
	assert_string_equal(text_proto(58, buffer, sizeof(buffer)), "icmpv6");
	assert_string_equal(text_proto(0, buffer, sizeof(buffer)), "0");
	assert_string_equal(text_proto(255, buffer, sizeof(buffer)), "255");
}

static void short_identities(void **state)
{
	static const struct {
		const char *seen[3], *text[3];
	} cases[] = {
		{{"app=hr,role=web,state=normal", "app=hr,role=db,state=normal", "$unknown"},
		 {"web", "db", "$unknown"}},
		{{"app=hr,role=web,state=normal", "app=hr,role=db,state=quarantined", "app=it"},
		 {"hr/web/normal", "hr/db/quarantined", "it"}},
		{{"app=hr,role=web", "app=hr,role=web", "app=hr,role=web"}, {"hr/web", "hr/web", "hr/web"}},
		{{"a=1", "a=1,b=2", "a=1,b=3"}, {"1", "2", "3"}},
		{{"ab=1", "b=1", "-"}, {"1", "1", "-"}},
		{{"", "$world", "x=y"}, {"", "$world", "y"}},
	};
	char buffer[64], tiny[6];

	for (size_t i = 0; i < LEN(cases); i++) {
		struct shorten s = {0};
		for (size_t k = 0; k < 3; k++)
			shorten_see(&s, cases[i].seen[k]);
		for (size_t k = 0; k < 3; k++)
			assert_string_equal(shorten_text(&s, cases[i].seen[k], buffer, sizeof(buffer)),
					    cases[i].text[k]);
	}
	struct shorten none = {0};
	assert_string_equal(shorten_text(&none, "app=abcdefgh", tiny, sizeof(tiny)), "abcde");
}

static void local_times(void **state)
{
	char buffer[40];

	setenv("TZ", "Europe/Riga", 1);
	tzset();
	assert_string_equal(text_time_local("2020-07-01T10:00:00Z", buffer, sizeof(buffer)),
			    "2020-07-01 13:00");
	assert_string_equal(text_time_local("nonsense", buffer, sizeof(buffer)), "nonsense");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_as_typed), cmocka_unit_test(amounts),
		cmocka_unit_test(protocols),      cmocka_unit_test(short_identities),
		cmocka_unit_test(local_times),
	};

	return cmocka_run_group_tests_name("cli-text", tests, NULL, NULL);
}

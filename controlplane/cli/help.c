/* SPDX-License-Identifier: BSD-3-Clause */
/* Examples come first: most people who ask for help want to copy a line and change a word. */
#include "help.h"

#include <jansson.h>
#include <string.h>

static void help_group(FILE *out, const char *title, bool built, unsigned flags)
{
	fprintf(out, "\n%s\n", title);
	for (const struct command *c = cli_commands; c->name != NULL; c++)
		if ((c->flags & COMMAND_HIDDEN) == 0 && (c->run != NULL) == built &&
		    (!built || (c->flags & COMMAND_ONLINE) == flags))
			fprintf(out, "  %-12s %s\n", c->name, c->summary);
}

void help_all(FILE *out)
{
	fputs("  cordon check policies/examples/agency-core\n"
	      "  cordon explain --policy POLICY hr-web hr-db tcp/5432\n"
	      "  cordon status\n"
	      "\n"
	      "usage: cordon COMMAND [OPTION...] [ARGUMENT...]\n",
	      out);
	help_group(out, "Without the daemon:", true, 0);
	help_group(out, "With the daemon:", true, COMMAND_ONLINE);
	help_group(out, "Not supported yet:", false, 0);
	fputs("\n`cordon help COMMAND` tells more. Exit codes: 0 yes or done, 1 the answer is\n"
	      "no, 2 usage, 3 policy does not compile, 4 not allowed, 5 daemon unreachable,\n"
	      "6 apply failed and the old generation is active, 7 capacity refused, 8 answer\n"
	      "incomplete, 9 timed out, 130 interrupted.\n",
	      out);
}

static void help_option(FILE *out, const struct option_def *o)
{
	char left[64];

	snprintf(left, sizeof(left), "%s%c%s--%s%s%s", o->letter != 0 ? "-" : "  ",
		 o->letter != 0 ? o->letter : ' ', o->letter != 0 ? ", " : " ", o->name,
		 o->value != NULL ? " " : "", o->value != NULL ? o->value : "");
	fprintf(out, "  %-24s %s%s\n", left, o->help, o->flags & OPTION_LATER ? " (not supported yet)" : "");
}

static void help_options(FILE *out, const struct command *c, const struct option_def *options)
{
	for (; options != NULL && options->name != NULL; options++)
		if (c->formats != 0 || (options->flags & OPTION_FORMAT) == 0)
			help_option(out, options);
}

static void help_formats(FILE *out, const struct command *c)
{
	const char *comma = "";

	if (c->formats == 0)
		return;
	fputs("\nFormats: ", out);
	for (int i = 0; i < OUT_FORMATS; i++) {
		if ((c->formats & OUT_BIT(i)) == 0)
			continue;
		fprintf(out, "%s%s", comma, out_format_name((enum out_format)i));
		comma = ", ";
	}
	fputs(";\na terminal gets table, a pipe gets plain\n", out);
}

void help_command(const struct command *c, FILE *out)
{
	for (const char *const *e = c->examples; e != NULL && *e != NULL; e++)
		fprintf(out, "  %s\n", *e);
	fprintf(out, "%susage: cordon %s%s%s\n\n%s%s\n", c->examples != NULL ? "\n" : "", c->name,
		c->usage[0] != '\0' ? " " : "", c->usage, c->summary,
		c->run == NULL ? " (not supported yet)" : "");
	if (c->run == NULL)
		return;
	fputs("\nOptions:\n", out);
	help_options(out, c, c->options);
	help_options(out, c, command_global_options());
	help_formats(out, c);
	if (c->notes != NULL)
		fprintf(out, "\n%s\n", c->notes);
}

static json_t *dump_options(const struct option_def *options)
{
	json_t *list = json_array();

	for (; options != NULL && options->name != NULL; options++) {
		char letter[2] = {options->letter, '\0'};
		json_array_append_new(list, json_pack("{s:s, s:s?, s:s?, s:s, s:b}", "name", options->name,
						      "letter", letter[0] != '\0' ? letter : NULL, "value",
						      options->value, "help", options->help, "later",
						      (options->flags & OPTION_LATER) != 0));
	}
	return list;
}

static json_t *dump_strings(const char *const *strings)
{
	json_t *list = json_array();

	for (; strings != NULL && *strings != NULL; strings++)
		json_array_append_new(list, json_string(*strings));
	return list;
}

static json_t *dump_formats(unsigned formats)
{
	json_t *list = json_array();

	for (int i = 0; i < OUT_FORMATS; i++)
		if (formats & OUT_BIT(i))
			json_array_append_new(list, json_string(out_format_name((enum out_format)i)));
	return list;
}

void help_dump(FILE *out)
{
	for (const struct command *c = cli_commands; c->name != NULL; c++) {
		json_t *line = json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:o, s:o, s:o, s:o, s:s?}", "name",
					 c->name, "usage", c->usage, "summary", c->summary, "built",
					 c->run != NULL, "online", (c->flags & COMMAND_ONLINE) != 0, "hidden",
					 (c->flags & COMMAND_HIDDEN) != 0, "formats",
					 dump_formats(c->formats), "options", dump_options(c->options),
					 "global_options", dump_options(command_global_options()), "examples",
					 dump_strings(c->examples), "notes", c->notes);
		json_dumpf(line, out, JSON_COMPACT);
		fputc('\n', out);
		json_decref(line);
	}
}

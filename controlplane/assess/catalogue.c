/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading the catalogue, strictly: an unknown key, a missing one, a name that nothing defines or a bound that
 * cannot be read ends with one finding and its place. The tree is kept, because the texts are borrowed from
 * it.
 */
#include "catalogue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "digest.h"
#include "yaml.h"

#define FILE_MAX  (4u << 20)
#define PATH_ROOM 1200u

const char *const stage_words[STAGE_COUNT] = {"traditional", "initial", "advanced", "optimal"};
static const char *const see_words[] = {"observed", "partly", "attested", "outside"};

struct load {
	struct catalogue *c;
	const char *dir;
	struct diags diags;
	struct digest *digest;
};

static void finding(struct load *l, const struct yaml_node *n, const char *what, const char *name)
{
	diag_add(&l->diags, SEV_ERROR, n->place, "%s: %s", name, what);
}

static void *take(size_t n, size_t size)
{
	return calloc(n ? n : 1, size);
}

/* --- nodes --------------------------------------------------------------------------------------------- */

/* Every key of `map` is in the NULL-ended list. */
static bool keys_ok(struct load *l, const struct yaml_node *map, const char *const *keys)
{
	if (map->type != YAML_MAP) {
		finding(l, map, "a map is wanted here", "catalogue");
		return false;
	}
	for (const struct yaml_node *v = map->first; v; v = v->next) {
		size_t i = 0;

		while (keys[i] && strcmp(keys[i], v->key->text))
			i++;
		if (!keys[i]) {
			finding(l, v->key, "unknown key", v->key->text);
			return false;
		}
	}
	return true;
}

static const struct yaml_node *want(struct load *l, const struct yaml_node *map, const char *key,
				    enum yaml_type type)
{
	const struct yaml_node *n = yaml_get(map, key);

	if (!n)
		finding(l, map, "missing", key);
	else if (n->type != type)
		finding(l, n, "of the wrong type", key);
	else
		return n;
	return NULL;
}

static const char *want_text(struct load *l, const struct yaml_node *map, const char *key)
{
	const struct yaml_node *n = want(l, map, key, YAML_SCALAR);

	return n ? n->text : "";
}

static double want_number(struct load *l, const struct yaml_node *map, const char *key)
{
	const struct yaml_node *n = want(l, map, key, YAML_SCALAR);
	char *end = NULL;
	double v = n ? strtod(n->text, &end) : 0;

	if (n && (end == n->text || *end || !(v >= 0))) {
		finding(l, n, "a number of at least 0 is wanted", key);
		return 0;
	}
	return v;
}

static int index_of(const char *const *words, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(words[i], word))
			return (int)i;
	}
	return -1;
}

/* --- files --------------------------------------------------------------------------------------------- */

static char *read_file(const char *dir, const char *name, size_t *size, char *error, size_t room)
{
	char path[PATH_ROOM];
	char *text = NULL;
	struct stat st;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	if (!f || fstat(fileno(f), &st) < 0) {
		snprintf(error, room, "%s: %s", path, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		snprintf(error, room, "%s: not a file of at most %u bytes", path, FILE_MAX);
	} else {
		text = calloc(1, (size_t)st.st_size + 1);
		*size = text ? fread(text, 1, (size_t)st.st_size, f) : 0;
	}
	if (f)
		fclose(f);
	return text;
}

static void read_sql(struct load *l, const struct yaml_node *n, struct metric *m)
{
	char error[256] = "";
	size_t size = 0;

	if (m->sql_file[0] == '/' || strstr(m->sql_file, "..")) {
		finding(l, n, "a path below the catalogue is wanted", "sql");
		return;
	}
	m->sql = read_file(l->dir, m->sql_file, &size, error, sizeof(error));
	if (!m->sql) {
		finding(l, n, error, "sql");
		return;
	}
	digest_bytes(m->sql, size, m->digest);
	digest_part(l->digest, m->sql_file, strlen(m->sql_file));
	digest_part(l->digest, m->sql, size);
}

/* --- head ---------------------------------------------------------------------------------------------- */

static void load_model(struct load *l, const struct yaml_node *root)
{
	static const char *const keys[] = {"name", "version", "published", "pillar", "checked", NULL};
	const struct yaml_node *n = want(l, root, "model", YAML_MAP);

	if (!n || !keys_ok(l, n, keys))
		return;
	l->c->model = want_text(l, n, "name");
	l->c->version = want_text(l, n, "version");
	l->c->published = want_text(l, n, "published");
	l->c->pillar = want_text(l, n, "pillar");
	l->c->checked = want_text(l, n, "checked");
}

static void load_stages(struct load *l, const struct yaml_node *root)
{
	static const char *const keys[] = {"id", "days", "flows", "loss", NULL};
	const struct yaml_node *list = want(l, root, "stages", YAML_LIST);

	for (const struct yaml_node *n = list ? list->first : NULL; n; n = n->next) {
		int i;

		if (!keys_ok(l, n, keys))
			return;
		i = index_of(stage_words, STAGE_COUNT, want_text(l, n, "id"));
		if (i <= STAGE_TRADITIONAL) {
			finding(l, n, "initial, advanced or optimal is wanted", "id");
			return;
		}
		l->c->stages[i].days = (unsigned)want_number(l, n, "days");
		l->c->stages[i].flows = (uint64_t)want_number(l, n, "flows");
		l->c->stages[i].loss = want_number(l, n, "loss");
	}
	for (int i = STAGE_INITIAL; list && i < STAGE_COUNT; i++) {
		if (!l->c->stages[i].days)
			finding(l, list, "a window of at least one day is wanted", stage_words[i]);
	}
}

static void load_limits(struct load *l, const struct yaml_node *root)
{
	static const char *const keys[] = {"flow_floor",
					   "flows_per_identity",
					   "segment_flows",
					   "hours_share",
					   "gap_hours",
					   "day_share",
					   "floor_points",
					   "commit_age_hours",
					   "readback_gap_seconds",
					   "clock_tolerance_seconds",
					   NULL};
	const struct yaml_node *n = want(l, root, "limits", YAML_MAP);
	struct limits *m = &l->c->limits;
	double *const fields[] = {&m->flow_floor,
				  &m->flows_per_identity,
				  &m->segment_flows,
				  &m->hours_share,
				  &m->gap_hours,
				  &m->day_share,
				  &m->floor_points,
				  &m->commit_age_hours,
				  &m->readback_gap_seconds,
				  &m->clock_tolerance_seconds};

	if (!n || !keys_ok(l, n, keys))
		return;
	for (size_t i = 0; keys[i]; i++)
		*fields[i] = want_number(l, n, keys[i]);
}

/* --- functions ----------------------------------------------------------------------------------------- */

static void load_requirement(struct load *l, const struct yaml_node *n, struct requirement *r)
{
	static const char *const keys[] = {"id", "see", "text", NULL};
	int see;

	if (!keys_ok(l, n, keys))
		return;
	r->id = want_text(l, n, "id");
	r->text = want_text(l, n, "text");
	r->see_word = want_text(l, n, "see");
	see = index_of(see_words, sizeof(see_words) / sizeof(see_words[0]), r->see_word);
	if (see < 0)
		finding(l, n, "observed, partly, attested or outside is wanted", "see");
	else
		r->see = (enum see)see;
}

static void load_requirements(struct load *l, const struct yaml_node *map, struct function *f,
			      enum stage stage)
{
	const struct yaml_node *list = want(l, map, stage_words[stage], YAML_LIST);
	size_t i = 0;

	if (!list)
		return;
	f->stages[stage].requirements = take(list->n_children, sizeof(struct requirement));
	f->stages[stage].n = f->stages[stage].requirements ? list->n_children : 0;
	for (const struct yaml_node *n = list->first; n && i < f->stages[stage].n; n = n->next)
		load_requirement(l, n, &f->stages[stage].requirements[i++]);
}

static void load_exemptions(struct load *l, const struct yaml_node *map, struct function *f)
{
	static const char *const keys[] = {"stage", "reason", "approver", NULL};
	const struct yaml_node *list = yaml_get(map, "not_applicable");

	if (list && list->type != YAML_LIST)
		finding(l, list, "of the wrong type", "not_applicable");
	for (const struct yaml_node *n = list && list->type == YAML_LIST ? list->first : NULL; n;
	     n = n->next) {
		int i;

		if (!keys_ok(l, n, keys))
			return;
		i = index_of(stage_words, STAGE_COUNT, want_text(l, n, "stage"));
		if (i <= STAGE_TRADITIONAL) {
			finding(l, n, "initial, advanced or optimal is wanted", "stage");
			return;
		}
		f->stages[i].exemption =
			(struct exemption){want_text(l, n, "reason"), want_text(l, n, "approver")};
	}
}

static void load_function(struct load *l, const struct yaml_node *n, struct function *f)
{
	static const char *const keys[] = {"id",       "title",   "source",         "traditional", "initial",
					   "advanced", "optimal", "not_applicable", NULL};

	if (!keys_ok(l, n, keys))
		return;
	f->id = want_text(l, n, "id");
	f->title = want_text(l, n, "title");
	f->source = want_text(l, n, "source");
	for (int i = 0; i < STAGE_COUNT; i++)
		load_requirements(l, n, f, (enum stage)i);
	load_exemptions(l, n, f);
}

static void load_functions(struct load *l, const struct yaml_node *root)
{
	const struct yaml_node *list = want(l, root, "functions", YAML_LIST);
	size_t i = 0;

	if (!list)
		return;
	l->c->functions = take(list->n_children, sizeof(*l->c->functions));
	l->c->n_functions = l->c->functions ? list->n_children : 0;
	for (const struct yaml_node *n = list->first; n && i < l->c->n_functions; n = n->next)
		load_function(l, n, &l->c->functions[i++]);
}

/* --- metrics ------------------------------------------------------------------------------------------- */

static const struct function *find_function(const struct catalogue *c, const char *id)
{
	for (size_t i = 0; i < c->n_functions; i++) {
		if (c->functions[i].id && !strcmp(c->functions[i].id, id))
			return &c->functions[i];
	}
	return NULL;
}

static bool has_requirement(const struct function *f, const char *id)
{
	for (int s = 0; s < STAGE_COUNT; s++) {
		for (size_t i = 0; i < f->stages[s].n; i++) {
			const char *known = f->stages[s].requirements[i].id;

			if (known && !strcmp(known, id))
				return true;
		}
	}
	return false;
}

static void load_covers(struct load *l, const struct yaml_node *map, struct metric *m)
{
	const struct yaml_node *list = want(l, map, "covers", YAML_LIST);

	for (const struct yaml_node *n = list ? list->first : NULL; n; n = n->next) {
		if (n->type != YAML_SCALAR || m->n_covers == COVERS_MAX ||
		    !has_requirement(m->function, n->text)) {
			finding(l, n, "no requirement of this function, or too many", "covers");
			return;
		}
		m->covers[m->n_covers++] = n->text;
	}
}

/* `>= 0.60` or `<= 0.40` */
static void load_threshold(struct load *l, const struct yaml_node *n, struct demand *d)
{
	struct threshold *t = &d->thresholds[d->n];
	char *end = NULL;

	if (n->type != YAML_SCALAR || d->n == MEASURES_MAX ||
	    (strncmp(n->text, ">= ", 3) && strncmp(n->text, "<= ", 3))) {
		finding(l, n, "`>= number` or `<= number` is wanted", n->key->text);
		return;
	}
	*t = (struct threshold){.measure = n->key->text, .text = n->text, .at_least = n->text[0] == '>'};
	t->bound = strtod(n->text + 3, &end);
	if (end == n->text + 3 || *end)
		finding(l, n, "`>= number` or `<= number` is wanted", n->key->text);
	else
		d->n++;
}

static void load_demand(struct load *l, const struct yaml_node *map, struct metric *m, enum stage stage)
{
	const struct yaml_node *n = yaml_get(map, stage_words[stage]);
	struct demand *d = &m->demands[stage];

	if (!n)
		return;
	d->asked = true;
	if (n->type == YAML_SCALAR && (!m->sql_file || !strcmp(n->text, "reported"))) {
		d->text = n->text;
	} else if (n->type == YAML_MAP && m->sql_file && n->first) {
		for (const struct yaml_node *v = n->first; v; v = v->next)
			load_threshold(l, v, d);
	} else {
		finding(l, n, m->sql_file ? "a map of measures, or `reported`" : "words are wanted",
			stage_words[stage]);
	}
}

static void load_metric(struct load *l, const struct yaml_node *n, struct metric *m)
{
	static const char *const keys[] = {"id",    "function", "title",    "formula", "covers", "sql",
					   "lacks", "initial",  "advanced", "optimal", NULL};
	const struct yaml_node *sql, *lacks;

	if (!keys_ok(l, n, keys))
		return;
	m->id = want_text(l, n, "id");
	m->title = want_text(l, n, "title");
	m->formula = want_text(l, n, "formula");
	m->function = find_function(l->c, want_text(l, n, "function"));
	sql = yaml_get(n, "sql");
	lacks = yaml_get(n, "lacks");
	if (!m->function) {
		finding(l, n, "no such function", "function");
		return;
	}
	if (!sql == !lacks || (sql ? sql : lacks)->type != YAML_SCALAR) {
		finding(l, n, "either sql or lacks is wanted", m->id);
		return;
	}
	m->sql_file = sql ? sql->text : NULL;
	m->lacks = lacks ? lacks->text : NULL;
	if (sql)
		read_sql(l, sql, m);
	load_covers(l, n, m);
	for (int i = STAGE_INITIAL; i < STAGE_COUNT; i++)
		load_demand(l, n, m, (enum stage)i);
}

static void load_metrics(struct load *l, const struct yaml_node *root)
{
	const struct yaml_node *list = want(l, root, "metrics", YAML_LIST);
	size_t i = 0;

	if (!list)
		return;
	l->c->metrics = take(list->n_children, sizeof(*l->c->metrics));
	l->c->n_metrics = l->c->metrics ? list->n_children : 0;
	for (const struct yaml_node *n = list->first; n && i < l->c->n_metrics; n = n->next)
		load_metric(l, n, &l->c->metrics[i++]);
}

/* --- all ----------------------------------------------------------------------------------------------- */

static void load_root(struct load *l, const struct yaml_node *root)
{
	static const char *const keys[] = {"ztmm", "model", "stages", "limits", "functions", "metrics", NULL};

	if (!keys_ok(l, root, keys))
		return;
	if (strcmp(want_text(l, root, "ztmm"), "1"))
		finding(l, root, "only version 1 is known", "ztmm");
	load_model(l, root);
	load_stages(l, root);
	load_limits(l, root);
	load_functions(l, root);
	if (!l->diags.n_errors)
		load_metrics(l, root);
}

static void first_finding(struct diags *d, char *error, size_t room)
{
	diags_sort(d);
	for (size_t i = 0; i < d->n; i++) {
		const struct diag *x = &d->items[i];

		if (x->severity == SEV_ERROR) {
			snprintf(error, room, "%s:%u:%u: %s", x->place.file, x->place.line, x->place.column,
				 x->text);
			return;
		}
	}
	snprintf(error, room, "catalogue.yaml: empty");
}

static bool load_all(struct load *l, char *error, size_t room)
{
	size_t size = 0, views = 0;
	bool good;

	l->c->text = read_file(l->dir, "catalogue.yaml", &size, error, room);
	l->c->views = l->c->text ? read_file(l->dir, "views.sql", &views, error, room) : NULL;
	if (!l->c->views)
		return false;
	digest_part(l->digest, l->c->text, size);
	digest_part(l->digest, l->c->views, views);
	l->c->tree = yaml_parse("catalogue.yaml", l->c->text, size, &l->diags);
	if (l->c->tree && yaml_root(l->c->tree) && !l->diags.n_errors)
		load_root(l, yaml_root(l->c->tree));
	good = l->c->tree && yaml_root(l->c->tree) && !l->diags.n_errors;
	if (!good)
		first_finding(&l->diags, error, room);
	return good;
}

struct catalogue *catalogue_load(const char *dir, char *error, size_t room)
{
	struct load l = {.c = take(1, sizeof(struct catalogue)), .dir = dir, .digest = digest_new()};
	bool good = false;

	if (l.c && l.digest) {
		diags_init(&l.diags);
		good = load_all(&l, error, room);
		diags_free(&l.diags);
	}
	if (l.digest && !digest_end(l.digest, l.c ? l.c->digest : (char[DIGEST_TEXT]){0}))
		good = false;
	if (good)
		return l.c;
	catalogue_free(l.c);
	return NULL;
}

void catalogue_free(struct catalogue *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_functions; i++) {
		for (int s = 0; s < STAGE_COUNT; s++)
			free(c->functions[i].stages[s].requirements);
	}
	for (size_t i = 0; i < c->n_metrics; i++)
		free(c->metrics[i].sql);
	free(c->functions);
	free(c->metrics);
	yaml_free(c->tree);
	free(c->views);
	free(c->text);
	free(c);
}

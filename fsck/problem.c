// SPDX-License-Identifier: BSD-3-Clause
/* problem.c - the table of findings, and the reports for people and for scripts. */
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fsck.h"

/* A hostile pool can have a finding for each of its pages: more of one kind are only counted. */
#define SHOWN_MAX 1000u
#define DETAIL_MAX 512

static const struct problem problems[PR_COUNT] = {
#define X(id, code, text, fix) [PR_##id] = { code, text, FIX_##fix },
	PROBLEMS(X)
#undef X
};

static bool may_fix(const struct fsck *c, enum problem_fix fix)
{
	if (c->mode == FSCK_YES)
		return fix == FIX_PREEN || fix == FIX_YES || (fix == FIX_CUT && cuts(c));
	return c->mode == FSCK_PREEN && fix == FIX_PREEN;
}

static void count(struct fsck *c, const struct problem *p, bool fixed)
{
	if (p->fix == FIX_NOTE)
		c->notes++;
	else if (fixed)
		c->fixed++;
	else
		c->left++;
}

static void object_name(char *buf, size_t size, struct object about)
{
	if (about.number == OBJECT_ALONE)
		snprintf(buf, size, "%s", about.kind);
	else
		snprintf(buf, size, "%s %llu", about.kind, (unsigned long long)about.number);
}

static void add_json(struct fsck *c, const struct problem *p, const char *name, const char *detail,
		     bool fixed)
{
	struct json_object *f = json_object_new_object();
	char message[DETAIL_MAX + 128];

	snprintf(message, sizeof(message), "%s%s%s", p->text, *detail ? ": " : "", detail);
	json_object_object_add(f, "code", json_object_new_string(p->code));
	json_object_object_add(f, "message", json_object_new_string(message));
	json_object_object_add(f, "object", json_object_new_string(name));
	json_object_object_add(f, "fixed", json_object_new_boolean(fixed));
	json_object_object_add(f, "note", json_object_new_boolean(p->fix == FIX_NOTE));
	json_object_array_add(c->findings, f);
}

static void show(const struct fsck *c, const struct problem *p, const char *name,
		 const char *detail, bool fixed)
{
	const char *state = "";

	if (p->fix != FIX_NOTE && c->mode != FSCK_CHECK)
		state = fixed ? " (fixed)" : " (NOT fixed)";
	printf("%s: %s: %s%s%s [%s]%s\n", c->path, name, p->text, *detail ? ": " : "", detail,
	       p->code, state);
}

static void report(struct fsck *c, enum problem_code code, struct object about, bool fixed,
		   const char *format, va_list args)
{
	const struct problem *p = &problems[code];
	char detail[DETAIL_MAX] = "", name[96];

	count(c, p, fixed);
	if (++c->shown[code] > SHOWN_MAX) {
		if (c->shown[code] == SHOWN_MAX + 1 && !c->findings)
			printf("%s: more findings of the kind [%s] are not shown\n", c->path,
			       p->code);
		return;
	}
	if (format)
		vsnprintf(detail, sizeof(detail), format, args);
	object_name(name, sizeof(name), about);
	if (c->findings)
		add_json(c, p, name, detail, fixed);
	else
		show(c, p, name, detail, fixed);
}

bool problem(struct fsck *c, enum problem_code code, struct object about, const char *detail, ...)
{
	bool fixed = may_fix(c, problems[code].fix);
	va_list args;

	if (c->dry) {
		c->dry_found++;
		return false;
	}
	if (fixed)
		mend_begin(c);

	va_start(args, detail);
	report(c, code, about, fixed, detail, args);
	va_end(args);
	return fixed;
}

void problem_keep(struct fsck *c, enum problem_code code, struct object about, const char *detail,
		  ...)
{
	va_list args;

	if (c->dry) {
		c->dry_found++;
		return;
	}
	va_start(args, detail);
	report(c, code, about, false, detail, args);
	va_end(args);
}

struct problem_mark problem_mark(const struct fsck *c)
{
	struct problem_mark mark = {.left = c->left, .notes = c->notes};

	memcpy(mark.shown, c->shown, sizeof(mark.shown));
	mark.findings = c->findings ? json_object_array_length(c->findings) : 0;
	return mark;
}

static bool is_fixed(struct json_object *finding)
{
	struct json_object *fixed;

	return json_object_object_get_ex(finding, "fixed", &fixed) &&
	       json_object_get_boolean(fixed);
}

void problem_back(struct fsck *c, const struct problem_mark *mark)
{
	c->left = mark->left;
	c->notes = mark->notes;
	memcpy(c->shown, mark->shown, sizeof(c->shown));
	if (!c->findings) {
		printf("%s: all is looked at again\n", c->path);
		return;
	}
	for (size_t i = json_object_array_length(c->findings); i-- > mark->findings;)
		if (!is_fixed(json_object_array_get_idx(c->findings, i)))
			json_object_array_del_idx(c->findings, i, 1);
}

void problem_list(void)
{
	static const char *const how[] = {
		[FIX_PREEN] = "-p -y",
		[FIX_YES] = "-y",
		[FIX_CUT] = "-y",
		[FIX_NEVER] = "never",
		[FIX_NOTE] = "note",
	};

	for (unsigned int i = 0; i < PR_COUNT; i++)
		printf("%s\t%s\t%s\n", problems[i].code, how[problems[i].fix], problems[i].text);
}

static void finish_json(struct fsck *c, int status)
{
	struct json_object *all = json_object_new_object();

	json_object_object_add(all, "pool", json_object_new_string(c->path));
	json_object_object_add(all, "exit", json_object_new_int(status));
	json_object_object_add(all, "fixed", json_object_new_int64((int64_t)c->fixed));
	json_object_object_add(all, "left", json_object_new_int64((int64_t)c->left));
	json_object_object_add(all, "notes", json_object_new_int64((int64_t)c->notes));
	if (c->error[0])
		json_object_object_add(all, "error", json_object_new_string(c->error));
	json_object_object_add(all, "findings", c->findings);
	puts(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY));
	json_object_put(all);
	c->findings = NULL;
}

static void finish_text(const struct fsck *c)
{
	if (c->error[0]) {
		fprintf(stderr, "fsck.umfs: %s: %s\n", c->path, c->error);
		return;
	}
	if (c->skipped) {
		printf("%s: clean\n", c->path);
		return;
	}
	if (c->left || c->fixed)
		printf("%s: %llu problems found, %llu fixed\n", c->path,
		       (unsigned long long)(c->left + c->fixed), (unsigned long long)c->fixed);
	else
		printf("%s: no problems; %llu/%llu inodes, %llu/%llu pages in use\n", c->path,
		       (unsigned long long)c->inodes_used, (unsigned long long)c->inodes_all,
		       (unsigned long long)c->pages_used, (unsigned long long)c->geo.pool_pages);
}

void problem_finish(struct fsck *c, int status)
{
	if (c->findings)
		finish_json(c, status);
	else
		finish_text(c);
	fflush(stdout);
}

/* SPDX-License-Identifier: MIT */
/*
 * The variables of a request, each with its text in one arena.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "shared/wire/fcgi.h"
#include "shared/wire/vars.h"

void
vars_add(struct vars *vars, const char *name, const char *value)
{
	str_add(&vars->arena, name, strlen(name) + 1);
	str_add(&vars->arena, value, strlen(value) + 1);
	vars->n++;
}

void
vars_done(struct vars *vars)
{
	const char *p = vars->arena.p;

	vars->var = xcalloc(vars->n, sizeof(*vars->var));
	for (size_t i = 0; i < vars->n; i++) {
		vars->var[i].name = p;
		p += strlen(p) + 1;
		vars->var[i].value = p;
		p += strlen(p) + 1;
	}
}

int
vars_set_pairs(struct vars *vars, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	const char *name, *value;
	size_t name_len, value_len;
	int got;

	while ((got = fcgi_pair(&p, &len, &name, &name_len, &value,
		    &value_len)) == 1) {
		if (memchr(name, '\0', name_len) != NULL ||
		    memchr(value, '\0', value_len) != NULL)
			return -1;
		str_add(&vars->arena, name, name_len);
		str_add(&vars->arena, "", 1);
		str_add(&vars->arena, value, value_len);
		str_add(&vars->arena, "", 1);
		vars->n++;
	}
	if (got == 0)
		vars_done(vars);
	return got;
}

int
vars_set_text(struct vars *vars, const char *text, size_t len)
{
	const char *end = text + len;
	size_t n = 0;

	if (len == 0 || end[-1] != '\0')
		return -1;
	for (const char *p = text; p < end; p += strlen(p) + 1, n++)
		if (n % 2 == 0 && *p == '\0')
			return -1;
	if (n % 2 != 0)
		return -1;
	str_add(&vars->arena, text, len);
	vars->n = n / 2;
	vars_done(vars);
	return 0;
}

void
vars_keep(struct vars *vars, const struct vars *from, const char *const *names,
    size_t n)
{
	for (size_t i = 0; i < from->n; i++)
		for (size_t j = 0; j < n; j++)
			if (strcmp(from->var[i].name, names[j]) == 0)
				vars_add(vars, names[j], from->var[i].value);
	vars_done(vars);
}

void
vars_free(struct vars *vars)
{
	str_free(&vars->arena);
	free(vars->var);
	*vars = (struct vars){ 0 };
}

const char *
vars_get(const struct vars *vars, const char *name)
{
	for (size_t i = 0; i < vars->n; i++)
		if (strcmp(vars->var[i].name, name) == 0)
			return vars->var[i].value;
	return "";
}

bool
vars_has(const struct vars *vars, const char *name)
{
	for (size_t i = 0; i < vars->n; i++)
		if (strcmp(vars->var[i].name, name) == 0)
			return true;
	return false;
}

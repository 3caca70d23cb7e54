/* SPDX-License-Identifier: MIT */
/*
 * Encodings: a message is encoded once for all clients of one form, and some of
 * the last encodings are kept for those who come a little later.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/str.h"
#include "shared/out/form.h"
#include "shared/table/change.h"
#include "shared/wire/chunk.h"

#define RECENT_BYTES 4096 /* longer ones are encoded again */

struct form *
form_get(struct forms *forms, const struct transport *transport,
    const char *param)
{
	struct form *form;

	LIST_FOREACH(form, &forms->list, link) {
		if (form->transport == transport &&
		    (param == NULL ? form->param == NULL
				   : form->param != NULL &&
					 strcmp(form->param, param) == 0)) {
			form->users++;
			return form;
		}
	}
	form = xcalloc(1, sizeof(*form));
	form->transport = transport;
	form->param = param == NULL ? NULL : xstrndup(param, strlen(param));
	form->users = 1;
	form->serial = (uint32_t)(forms->made++ * 37);
	LIST_INSERT_HEAD(&forms->list, form, link);
	return form;
}

static void
forget_recent(struct recent *recent)
{
	chunk_unref(recent->chunk);
	*recent = (struct recent){ 0 };
}

void
form_release(struct forms *forms, struct form *form)
{
	if (form == NULL || --form->users > 0)
		return;
	for (size_t i = 0; i < FORM_RECENT; i++)
		if (forms->recent[i].form == form)
			forget_recent(&forms->recent[i]);
	LIST_REMOVE(form, link);
	chunk_unref(form->chunk);
	free(form->param);
	free(form);
}

struct chunk *
form_encode(struct forms *forms, struct form *form, const struct change *ch,
    const char *epoch)
{
	struct recent *recent;

	if (form->chunk != NULL && form->id == ch->id)
		return chunk_ref(form->chunk);
	chunk_unref(form->chunk);
	form->id = ch->id;
	recent = &forms->recent[((uint64_t)ch->id + form->serial) &
				(FORM_RECENT - 1)];
	if (recent->form == form && recent->id == ch->id) {
		form->chunk = chunk_ref(recent->chunk);
		return chunk_ref(form->chunk);
	}
	form->chunk = form->transport->message(form, ch, epoch);
	if (form->chunk->len <= RECENT_BYTES) {
		forget_recent(recent);
		*recent =
		    (struct recent){ form, ch->id, chunk_ref(form->chunk) };
	}
	return chunk_ref(form->chunk);
}

void
form_forget_all(struct forms *forms)
{
	struct form *form;

	for (size_t i = 0; i < FORM_RECENT; i++)
		forget_recent(&forms->recent[i]);
	LIST_FOREACH(form, &forms->list, link) {
		chunk_unref(form->chunk);
		form->chunk = NULL;
	}
}

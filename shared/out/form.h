/* SPDX-License-Identifier: MIT */
#ifndef SHARED_OUT_FORM_H
#define SHARED_OUT_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/queue.h>

struct change;
struct chunk;
struct client;
struct form;

/*
 * How a transport frames.  One constant of these is what a program under
 * cgi-bin/ adds to the engine.  Chunks are returned with one reference.
 */
struct transport {
	const char *name; /* of the program */
	/*
	 * true: collect what is ready, answer once, end (long polling);
	 * `message` gives what is collected.  false: a stream.
	 */
	bool once;
	/* once: what is newer takes the place of what was collected. */
	bool newest_only;
	/* One message. */
	struct chunk *(*message)(const struct form *, const struct change *,
	    const char *epoch);
	/* "You may have missed something"; goes on behind `after`. */
	struct chunk *(
	    *reset)(const struct form *, const char *epoch, int64_t after);
	/*
	 * After a reset, when all that is kept was sent: from here on nothing
	 * is missing; or NULL.
	 */
	struct chunk *(
	    *cursor)(const struct form *, const char *epoch, int64_t id);
	/* A sign of life, or NULL. */
	struct chunk *(*beat)(const struct form *);
	/* What ends a stream in an orderly way, or NULL. */
	struct chunk *(*bye)(struct client *);
	/* once: pushes the whole answer. */
	void (*answer)(struct client *);
};

/*
 * A way to encode: a transport and, where it has any, its parameter.  All
 * clients of one form share the bytes of a message.
 */
struct form {
	const struct transport *transport; /* who encodes */
	char *param;                       /* ours, or NULL */
	int64_t id;                        /* of the message in `chunk` */
	struct chunk *chunk;               /* encoded last, or NULL */
	unsigned users;                    /* clients, 0 = to be freed */
	uint32_t serial;                   /* spreads it over hub->recent */
	LIST_ENTRY(form) link;             /* in the hub */
};

/*
 * What was encoded lately, for those who come a little behind the rest: more
 * than a client takes at once, as many go through the same messages one
 * after the other.
 */
#define FORM_RECENT 1024 /* slots, a power of two */
struct recent {
	const struct form *form; /* NULL = empty */
	int64_t id;              /* of the message */
	struct chunk *chunk;     /* its encoding */
};

/* All forms in use. */
struct forms {
	LIST_HEAD(, form) list;            /* of them */
	struct recent recent[FORM_RECENT]; /* by id and form */
	uint32_t made;                     /* so far */
};

/*
 * The form for a transport and parameter (NULL for none); one user more.
 * form_release(forms, NULL) is fine.
 */
struct form *form_get(struct forms *forms, const struct transport *transport,
    const char *param);
void form_release(struct forms *forms, struct form *form);

/*
 * The shared encoding of a message in a form, with the epoch of its cursor: one
 * reference, the caller's.
 */
struct chunk *form_encode(struct forms *forms, struct form *form,
    const struct change *change, const char *epoch);

/* Forgets every encoding: ids begin anew. */
void form_forget_all(struct forms *forms);

#endif

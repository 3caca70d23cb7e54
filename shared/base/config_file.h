/* SPDX-License-Identifier: MIT */
#ifndef SHARED_BASE_CONFIG_FILE_H
#define SHARED_BASE_CONFIG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How long messages of some channels are kept. */
struct retention {
	char *pattern;  /* GLOB as in fnmatch(3); NULL = all channels */
	int64_t age_ms; /* 0 = no limit */
	int64_t count;  /* messages per channel, 0 = no limit */
};

/* A list of words. */
struct words {
	char **word; /* ours */
	size_t n;    /* words */
};

/* All settings, of every program; cgi-bin/tidings.conf.5 describes them. */
struct config {
	/* [tidings] */
	char *database;          /* path */
	char *run_dir;           /* sockets, process ids, scoreboards */
	char *user;              /* whom `tidings run` becomes, or NULL */
	char *handover_user;     /* httpd's, for hand-overs; NULL = ours */
	bool power;              /* durability = power */
	int64_t busy_timeout_ms; /* for a publish that finds the lock taken */
	int64_t max_data;        /* bytes of one message */
	int64_t max_body;        /* bytes of one request */
	int64_t max_incoming;    /* bytes of all that are not whole yet */
	int64_t max_clients;     /* held at once by one program */
	int64_t max_channels;    /* one client may name */
	int64_t queue_bytes;     /* behind which a stuck client is cut */
	int64_t stall_ms;        /* without a byte taken: cut */
	int64_t heartbeat_ms;    /* between signs of life on a stream */
	int64_t life_min_ms;     /* a stream ends after at least this */
	int64_t life_max_ms;     /* and at most this */
	int64_t retry_ms;        /* told to EventSource, spread by half */
	int64_t check_ms;        /* safety timer of the watcher */
	int64_t max_messages;    /* in one answer of poll and longpoll */
	bool io_uring;           /* many are written to by one call */
	bool debug;              /* log_level = debug */

	/* [longpoll] */
	int64_t wait_ms;     /* default */
	int64_t wait_max_ms; /* what a client may ask for */

	/* [access] */
	struct words origins;         /* allowed, or "*" */
	struct words keys;            /* to publish; NAME:SECRET or SECRET */
	bool publish_from_loopback;   /* without a key */
	bool publish_from_users;      /* whom httpd authenticated, the same */
	struct words trusted_proxies; /* whose X-Forwarded-* count */

	/* [wsd] */
	char *ws_listen;          /* ADDRESS:PORT or unix:PATH */
	bool ws_echo;             /* serve .../echo */
	int64_t ws_max_message;   /* bytes a client may send in one message */
	int64_t ws_max_incoming;  /* bytes of all unfinished ones together */
	int64_t ws_max_channels;  /* one connection may subscribe to */
	int64_t ws_handshake_ms;  /* for the head to come in */
	int64_t ws_message_ms;    /* for one message to become whole */
	int64_t ws_closing_ms;    /* for the peer to end the connection */
	int64_t ws_drain_ms;      /* over which a stop spreads its closes */
	bool ws_deflate;          /* offer permessage-deflate */
	int64_t ws_deflate_min;   /* bytes, below: sent plain */
	int64_t ws_deflate_level; /* 1 to 9 */

	/* [retention] and [retention PATTERN] */
	struct retention *retention;   /* the first that matches counts */
	size_t nretention;             /* rows; the last one is for all */
	int64_t retention_total_bytes; /* of the database, 0 = no limit */
	int64_t prune_ms;              /* between two rounds */
};

/*
 * Reads the file, or with `path` NULL the defaults alone.  Returns 0, or -1
 * with a sentence in `error` that names file, line and setting.
 */
int config_load(struct config *config, const char *path, char *error,
    size_t size);

/*
 * Puts the settings of `before` that count only at a start (paths, user,
 * addresses) into a configuration that was read anew; logs those that differ.
 */
void config_keep_fixed(struct config *config, const struct config *before);

/* Frees what config_load made. */
void config_free(struct config *config);

/* The row of config->retention that is for this channel. */
const struct retention *config_retention(const struct config *config,
    const char *channel);

/*
 * Reads "15", "15s", "250ms", "5m", "1h", "7d" as milliseconds, and "64",
 * "64K", "1M", "2G" as bytes.  Returns false if the text is neither.
 */
bool config_parse_time(const char *text, int64_t *ms);
bool config_parse_size(const char *text, int64_t *bytes);

#endif

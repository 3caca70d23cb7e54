/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TAP_PARKING_H
#define TESTS_TAP_PARKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apache/conn.h"
#include "apache/link.h"
#include "apache/park.h"

#define STALL_MS 5000 /* that a client of `offer` may take nothing */

/*
 * What the unit tests of apache/ have in place of httpd, of the programs and of
 * the clock.  A test is linked with WRAP_CALLS (tests/local.mk), which brings
 * the system calls below here.
 */

/* How far CLOCK_MONOTONIC is ahead of the real one. */
extern int64_t ahead_ms;

/* System calls that can be made to fail. */
enum call { CALL_EPOLL_CTL, CALL_EVENTFD, CALL_POLL, CALL_SENDMSG, CALL__MAX };

/* What one of them is to do, and has done.  Zeroed by the test. */
struct fault {
	int error;  /* an errno; 0 = it works */
	int times;  /* so often; -1 = always */
	int fd;     /* of this descriptor alone; 0 = of any */
	int calls;  /* made in all, counted here */
	int failed; /* of them */
};

extern struct fault faults[CALL__MAX];
void fail_calls(enum call call, int error, int times, int fd);

/* What epoll_wait was asked to wait for last, in ms; it waits 2 at most. */
extern int asked_ms;

/* How many events the last turn had. */
extern int events_told;

/* Bytes that a client's socket takes at once at most; 0 = as many as it does.
 */
extern size_t most_bytes;

/* Whether the child is leaving. */
extern bool leaving;

/* A connection of httpd's; the test's own, conn_destroy does not free it. */
struct conn {
	struct parked *parked;    /* once it is offered */
	int fd;                   /* httpd's end of it */
	int client;               /* the other end, -1 = closed */
	bool free, left;          /* by its worker */
	bool breaks;              /* conn_write fails */
	bool answers;             /* conn_read writes before it says EAGAIN */
	const char *hidden;       /* input that lies in a filter */
	size_t hidden_len;        /* bytes of it */
	int ended, goodbyes, cut; /* how often */
	int destroyed, early;     /* and how often before its worker left */
	bool aborted;             /* as its request was ended */
	size_t wrote;             /* bytes, as logged */
};

/* Of a pair of sockets; frees it, with the client's end. */
struct conn *conn_make(void);
void conn_unmake(struct conn *conn);

/* The hand-over socket of a program, and its end of a link. */
struct program {
	const char *path; /* of the socket */
	int listener;     /* that socket */
	int fd;           /* of the last link, -1 = none */
};

/* How it takes a greeting. */
enum greeter {
	GREET,       /* as it should */
	GREET_LATE,  /* after 200 ms */
	GREET_OTHER, /* by another text */
	GREET_TYPE,  /* by a packet of another type */
	GREET_LONG,  /* with more behind it */
	HANG_UP,     /* closes, and has read */
	HANG_UP_NOW, /* closes, and has not */
	SILENCE,     /* none */
};

void program_start(struct program *program, const char *name);
void program_stop(struct program *program);

/* link_get, while the program takes one connection after the other thus. */
struct link *program_link(struct program *program, const enum greeter *greeters,
    int n, int wait_ms);

/* A packet to the child; `n` words behind the head. */
void program_send(struct program *program, enum handover_type type,
    uint32_t count, const uint32_t *words, size_t n, const void *bytes,
    size_t len);

/* The next packet from the child, as it came. */
struct mail {
	struct handover_head head;               /* of it */
	uint32_t words[HANDOVER_PACKET_MAX / 4]; /* behind the head */
	size_t len;                              /* bytes of them */
};

/* Turns the pump until one comes; false if none does within `ms`. */
bool program_read(struct program *program, struct mail *mail, int ms);

/* The same, and that it is of this type. */
bool program_gets(struct program *program, enum handover_type type,
    struct mail *mail);

/* Turns of the pump. */
void turns(int n);

/* Turns until `what` is reached, or bails. */
void turn_until(bool (*reached)(void *), void *arg, const char *what);

/* What the client has been sent, at most `size` bytes; turns till they came. */
size_t client_read(struct conn *conn, char *buf, size_t size);

/*
 * What most tests are about: a program, its link, clients of it.  `begin` makes
 * them, and opens the pump; `end` checks that nothing is left.
 */
extern struct program prog;
extern struct link *the_link;

void begin(const char *name);
void end(void);

/* Offers a client; returns its number, as the program was told. */
uint32_t offer(struct conn *conn);

/* Makes a client that the pump has. */
struct conn *park_one(uint32_t *number);

/* The program says DATA and END to one client. */
void data(uint32_t number, const void *bytes, size_t len);
void say_end(uint32_t number);

/* For turn_until, with a struct conn. */
bool is_destroyed(void *conn);
bool is_ended(void *conn);

/*
 * Waits for the end of a client, checks that the program is told of it and that
 * its number is in use until the program says END, and frees it.
 */
void see_gone(struct conn *conn, uint32_t number, const char *what);

#endif

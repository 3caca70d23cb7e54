/* SPDX-License-Identifier: MIT */
/*
 * tidings.js - a feed of messages over whatever gets through.
 *
 *	const feed = new Tidings('/push', { channels: ['quotes'] });
 *	feed.on('message', m => console.log(m.id, m.channel, m.data));
 *
 * ../tidings.d.ts describes the interface.  There are three layers.  A transport
 * is one connection or a row of requests (transports.js).  A line keeps one up
 * and moves between them (line.js).  A feed is what the page has, and shares a
 * line with those of other tabs (feed.js, tabs.js).  The cursor makes this
 * simple: any of them may break off, start anew or run twice, as what has an id
 * that is not behind the cursor is known already.
 *
 * Plain ES5.  tools/build-js makes one file of all these, in which "global" is
 * the window or the worker.
 */
var LADDER = ['ws', 'sse', 'longpoll', 'iframe', 'poll'];
var REFUSED = { 204: 1, 400: 1, 401: 1, 403: 1, 404: 1, 410: 1 };
var DEAD = -1;			// in place of a status: a line that is silent
var FOREIGN = -200;		// below DEAD: an answer that is not Tidings'
var BRIEF = 10000;		// ms; who lives less did not prove itself
var CLIMB_MAX = 1800000;	// ms between tries of better transports
var EARLY = 120000;		// ms; an outage that is younger is asked about ...
var EARLY_MAX = 4000;		// ... at least this often
var LEAST = 100;		// ms between two long polls that bring news at once
var LONG = 1e9;			// ms; a timer can't take much more
var LEASE = 4000;		// ms without a renewal, then it is free
var MINUTE = 60000;
var NAMES_MAX = 100;		// in one request, by the server's default
var STEP_MAX = 1500;		// ms that may pass between two looks at a clock
var doc = global.document;
var navigator = global.navigator || {};
var tidings = global.tidings = global.tidings || {};
var transports = {};
var count = 0;
var ticks = 0, wall = +new Date();

// Ms since some moment.  Wall clocks are set, forwards and backwards: none of
// them measures how long something takes.  Engines of old have no other, so
// there a step counts only as far as it is likely.
function now() {
	var before = wall, clock = global.performance;

	if (clock && clock.now)
		return clock.now();
	wall = +new Date();
	return ticks += Math.max(0, Math.min(wall - before, STEP_MAX));
}

function list(value) {
	return value === undefined || value === null ? [] : [].concat(value);
}

function random(ms) {
	return Math.random() * ms;
}

// Full jitter: anything from nothing to a bound that doubles.  Early in an
// outage it stays low, so that a page is not blank for long after a short one.
function backoff(o, tries, isEarly) {
	return random(Math.min(o.maxRetry, o.retry * Math.pow(2, tries),
		isEarly ? Math.max(o.retry, EARLY_MAX) : LONG));
}

function unique() {
	return random(1).toString(36).slice(2) +
		(+new Date() + ++count).toString(36);
}

// How far cursor a is after b; NaN if they can't be compared.
function order(a, b) {
	var x = /^(.+)-(\d+)$/.exec(a), y = /^(.+)-(\d+)$/.exec(b);

	return x && y && x[1] === y[1] ? x[2] - y[2] : NaN;
}

function isCursor(id) {
	return /^.+-\d+$/.test(id);
}

// What has another shape was not told by Tidings.
function isMessage(m) {
	return !!m && isCursor(m.id) && typeof m.channel === 'string' &&
		typeof m.data === 'string';
}

// What comes from a database that took the place of another is new.
function isNew(id, cursor) {
	return !(order(id, cursor) <= 0);
}

function parse(text) {
	try {
		return JSON.parse(text);
	} catch (error) {
		return null;
	}
}

// What the visitor's browser keeps for this site, or may not.  Where there is
// no site, as in Node, nothing does.
function store(key, value) {
	try {
		if (!global.location)
			return null;
		if (value === undefined)
			return global.localStorage.getItem(key);
		global.localStorage.setItem(key, value);
		return true;
	} catch (error) {
		return null;
	}
}

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
var BRIEF = 10000;		// ms; who lives less did not prove itself
var CLIMB_MAX = 1800000;	// ms between tries of better transports
var LONG = 1e9;			// ms; a timer can't take much more
var NAMES_MAX = 100;		// in one request, by the server's default
var doc = global.document;
var navigator = global.navigator || {};
var tidings = global.tidings = global.tidings || {};
var transports = {};
var frames = 0;

function now() {
	return Date.now();
}

function list(value) {
	return value === undefined || value === null ? [] : [].concat(value);
}

function random(ms) {
	return Math.random() * ms;
}

// Full jitter: anything from nothing to a bound that doubles.
function backoff(o, tries) {
	return random(Math.min(o.maxRetry, o.retry * Math.pow(2, tries)));
}

function unique() {
	return random(1).toString(36).slice(2) + now().toString(36);
}

// How far cursor a is after b; NaN if they can't be compared.
function order(a, b) {
	var x = /^(.+)-(\d+)$/.exec(a), y = /^(.+)-(\d+)$/.exec(b);

	return x && y && x[1] === y[1] ? x[2] - y[2] : NaN;
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

// What the visitor's browser keeps for this site, or may not.
function store(key, value) {
	try {
		if (value === undefined)
			return global.localStorage.getItem(key);
		global.localStorage.setItem(key, value);
		return true;
	} catch (error) {
		return null;
	}
}

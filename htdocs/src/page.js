/* SPDX-License-Identifier: MIT */
// ---- what the page gives and has: options, address, cursor, listeners

var DEFAULTS = {
	transports: LADDER,
	share: true,
	interval: 5000,
	wait: 25000,
	timeout: 5000,
	silence: 40000,
	retry: 1000,
	maxRetry: 30000,
	upgrade: 15000
};

var OPTIONS = new RegExp('^(channels|prefixes|since|withCredentials|key|' +
	Object.keys(DEFAULTS).join('|') + ')$');
var PUBLISH = /^(event|contentType|dedup)$/;

// ---- what a page gives is looked at before anything is done with it

function wrong(what, value) {
	throw new TypeError('tidings.js: ' + what + (arguments.length < 2 ? '' :
		', not ' + (typeof value === 'string' ? '"' + value + '"' :
			Object(value) !== value ? String(value) :
				Object.prototype.toString.call(value))));
}

function isText(value) {
	return typeof value === 'string' && value !== '';
}

// Only what it may have, by the names that `known` matches.
function members(what, known, given) {
	if (!given || typeof given !== 'object' || Array.isArray(given))
		wrong(what + 's must be an object', given);
	Object.keys(given).forEach(function (name) {
		if (!known.test(name))
			wrong('unknown ' + what + ' "' + name + '"');
	});
	return given;
}

function cursorOf(since) {
	if (since === undefined || since === null || since === '')
		return undefined;
	if (!/^(earliest|latest|-?\d+|.+-\d+)$/.test(since))
		wrong('since must be a cursor, earliest, latest or -N', since);
	return since + '';
}

// As keys: of a kind, 'c' or 'p'.
function keysOf(what, names, kind) {
	return [].concat(names).map(function (name) {
		if (!isText(name))
			wrong(what + ' must be a name or a list of names', name);
		return kind + name;
	});
}

function transportsOf(names) {
	if (!Array.isArray(names))
		wrong('transports must be an array', names);
	names.forEach(function (name) {
		if (LADDER.indexOf(name) < 0)
			wrong('transports are ' + LADDER.join(', '), name);
	});
	if (!names.some(usable))
		wrong('no transport of "' + names + '" works here');
	return names;
}

// The options, with the defaults for what is not given.
function filled(options) {
	var o = {};

	Object.keys(DEFAULTS).forEach(function (key) {
		o[key] = DEFAULTS[key];
	});
	Object.keys(members('option', OPTIONS, options)).forEach(function (key) {
		var value = options[key], like = DEFAULTS[key];

		if (value === undefined || value === null)
			return;
		if (key === 'share' || key === 'withCredentials')
			like = true;
		if (typeof like === 'number') {
			if (typeof value !== 'number' || !(value > 0))
				wrong(key + ' must be a number above 0', value);
			value = Math.min(value, LONG);
		} else if (like === true && typeof value !== 'boolean') {
			wrong(key + ' must be true or false', value);
		} else if (key === 'key' && !isText(value)) {
			wrong('key must be a string', value);
		}
		o[key] = value;
	});
	o.transports = transportsOf(o.transports);
	o.since = cursorOf(o.since);
	o.ownRetry = options.retry;
	o.spread = o.retry;
	return o;
}

function absolute(url) {
	var link;

	if (!url || !isText(url = url.href || url))
		wrong('the url must be a string such as "/push"', url);
	if (doc && doc.createElement) {
		link = doc.createElement('a');
		link.href = url;
		url = link.href;
	} else if (global.URL && global.location) {
		url = new global.URL(url, global.location.href).href;
	}
	if (!/^https?:[^?#]+$/.test(url))
		wrong('the url must be one of http(s) and end with its path', url);
	return url.replace(/\/$/, '');
}

function pageCursor() {
	var meta = doc && doc.querySelector &&
		doc.querySelector('meta[name="tidings-cursor"]');

	return meta && meta.getAttribute('content');
}

// Listeners by type.  One that throws does not keep others from hearing.
function Emitter(that) {
	var by = Object.create(null);

	that.on = that.addEventListener = function (type, listener) {
		if (!isText(type) || Object(listener) !== listener)
			wrong('a listener to "' + type + '" must be a function', listener);
		(by[type] = by[type] || []).push(listener);
		return that;
	};
	that.off = that.removeEventListener = function (type, listener) {
		by[type] = list(by[type]).filter(function (one) {
			return listener && one !== listener;
		});
		return that;
	};
	return function (type, detail) {
		list(by[type]).forEach(function (listener) {
			try {
				if (listener.handleEvent)
					listener.handleEvent(detail);
				else
					listener.call(that, detail);
			} catch (error) {
				setTimeout(function () {
					throw error;
				}, 0);
			}
		});
	};
}

// Calls back when the page, the worker, or the network may have slept.
function watchLife(on, wake, shut, back) {
	var verb = on ? 'addEventListener' : 'removeEventListener';

	if (!global[verb])
		return;
	global[verb]('online', wake);
	global[verb]('offline', wake);
	global[verb]('pagehide', shut);
	global[verb]('pageshow', back);
	if (doc && doc[verb]) {
		doc[verb]('visibilitychange', wake);
		doc[verb]('freeze', shut);
		doc[verb]('resume', back);
	}
}

// What `status` tells; the code as a run judged it, in a wait.
function statusOf(state, transport, delay, leader, code) {
	var isWait = state === 'waiting';

	return {
		state: state,
		transport: transport,
		delay: delay,
		next: isWait ? +new Date() + delay : null,
		reason: !isWait ? null : code < DEAD ? 'foreign' :
			code >= 429 ? 'busy' : code > 0 ? null : 'unreachable',
		code: !isWait ? 0 : code < DEAD ? FOREIGN - code :
			Math.max(code, 0),
		leader: leader
	};
}

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

// The options, with the defaults for what is not given.
function filled(options) {
	var o = {};

	Object.keys(DEFAULTS).forEach(function (key) {
		o[key] = DEFAULTS[key];
	});
	Object.keys(options).forEach(function (key) {
		if (options[key] !== undefined)
			o[key] = options[key];
	});
	o.ownRetry = options.retry;
	o.spread = o.retry;
	return o;
}

function absolute(url) {
	var link;

	if (doc && doc.createElement) {
		link = doc.createElement('a');
		link.href = url;
		url = link.href;
	} else if (global.URL && global.location) {
		url = new global.URL(url, global.location.href).href;
	}
	return url.replace(/\/$/, '');
}

function pageCursor() {
	var meta = doc && doc.querySelector &&
		doc.querySelector('meta[name="tidings-cursor"]');

	return meta && meta.getAttribute('content');
}

function keysOf(names, kind) {
	return list(names).map(function (name) {
		return kind + name;
	});
}

// Listeners by type.  One that throws does not keep others from hearing.
function Emitter(that) {
	var by = Object.create(null);

	that.on = that.addEventListener = function (type, listener) {
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

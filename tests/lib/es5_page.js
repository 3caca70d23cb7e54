/* SPDX-License-Identifier: MIT */
/*
 * What a page of an old browser has, for an engine that has nothing but ES5
 * (mujs): timers, XMLHttpRequest, a document.  Requests and the time that passes
 * are asked of whoever started the engine: one line of JSON goes out, the name of
 * a file with the answer comes back.
 *
 *	mujs es5_page.js LIBRARY < names of files
 */
var window = this, timers = [], timerCount = 0, requests = [], going = true;

function ask(what) {
	print(JSON.stringify(what));
	return JSON.parse(read(readline('')));
}

function addTimer(call, ms, every) {
	timers.push({ id: ++timerCount, call: call, at: Date.now() + (ms || 0),
		every: every });
	return timerCount;
}

function setTimeout(call, ms) {
	return addTimer(call, ms, 0);
}

function setInterval(call, ms) {
	return addTimer(call, ms, ms);
}

function clearTimeout(id) {
	timers = timers.filter(function (timer) {
		return timer.id !== id;
	});
}

var clearInterval = clearTimeout;

function XMLHttpRequest() {
	this.headers = {};
	this.readyState = 0;
	this.status = 0;
	this.responseText = '';
}

XMLHttpRequest.prototype = {
	open: function (method, url) {
		this.method = method;
		this.url = url;
		this.readyState = 1;
	},
	setRequestHeader: function (name, value) {
		this.headers[name] = value;
	},
	getResponseHeader: function (name) {
		return this.answer.headers[name.toLowerCase()] || null;
	},
	send: function (body) {
		this.body = body;
		requests.push(this);
	},
	abort: function () {
		var me = this;

		requests = requests.filter(function (request) {
			return request !== me;
		});
	}
};

var document = {
	readyState: 'complete',
	addEventListener: function () {},
	removeEventListener: function () {},
	createElement: function () {
		return {};
	},
	querySelector: function (selector) {
		return selector !== 'meta[name="tidings-cursor"]' ? null :
			{ getAttribute: function () { return 'earliest'; } };
	}
};

function answer(request) {
	var got = ask({ http: request.method, url: request.url,
		headers: request.headers, body: request.body });

	request.answer = got;
	request.status = got.status;
	request.responseText = got.text;
	request.readyState = 4;
	if (request.onreadystatechange)
		request.onreadystatechange();
}

function runTimer(timer) {
	if (timer.every)
		timer.at = Date.now() + timer.every;
	else
		clearTimeout(timer.id);
	timer.call();
}

// The one that is due first; what would wait for nothing is an error.
function turn() {
	var next = timers.reduce(function (first, timer) {
		return !first || timer.at < first.at ? timer : first;
	}, null);

	if (requests.length)
		answer(requests.shift());
	else if (next.at > Date.now())
		ask({ sleep: next.at - Date.now() });
	else
		runTimer(next);
}

function tell(what, detail) {
	going = ask({ tell: what, detail: detail }).go !== false && going;
}

load(scriptArgs[0]);
tell('engine', ['Promise', 'Map', 'Set', 'WeakMap', 'Symbol', 'Proxy', 'Reflect', 'fetch',
	'EventSource', 'WebSocket', 'BroadcastChannel', 'ReadableStream', 'TextDecoder', 'URL',
	'AbortController', 'Object.assign', 'Object.entries', 'Object.values', 'Array.from',
	'Array.prototype.find', 'Array.prototype.includes', 'Number.isInteger',
	'String.prototype.startsWith', 'String.prototype.includes', 'String.prototype.padStart'
].filter(function (name) {
	return name.split('.').reduce(function (at, step) {
		return at && at[step];
	}, window);
}));

(function () {
	var to = ask({ tell: 'start' });
	var feed = new Tidings(to.url, to.options);

	feed.on('message', function (m) {
		tell('message', m);
	}).on('greeting', function (m) {
		tell('greeting', m.data);
	}).on('open', function (status) {
		tell('open', status.transport);
		feed.publish('own', { from: 'here' }, { event: 'greeting' },
			function (error, id) {
				tell('published', error ? String(error) : id);
			});
	}).on('reset', function () {
		tell('reset');
	}).on('close', function (closed) {
		tell('close', closed.reason);
	});
	while (going)
		turn();
	feed.close();
	tell('end', feed.lastEventId);
})();

/* SPDX-License-Identifier: MIT */
// ---- transports
//
// Each is called with a run, starts at run.since, and returns what stops
// it.  It tells by run.cursor(id), of which the first call is the proof
// that it works, run.message(m), run.reset(cursor, from), run.alive() and
// run.end(status, retry after, clean).

transports.ws = function (run) {
	var ws = new global.WebSocket(run.url.replace(/^http/, 'ws') + '/ws',
		'tidings.json');
	var waiting = {}, refs = 0;

	run.ask = function (op, done) {
		op.ref = ++refs;
		waiting[refs] = done;
		ws.send(JSON.stringify(op));
	};
	// From the cursor on if one is given, else from now on.
	run.subscribe = function (keys, done, since) {
		var op = operation('subscribe', keys);

		op.since = since;
		run.ask(op, function (answer) {
			if (answer.op === 'ok')
				done(answer.cursor);
			else
				run.end(answer.status);
		});
	};
	run.ping = function () {
		run.ask({ op: 'ping' }, function () {});
	};
	ws.onopen = function () {
		// A server may do without, and is not ours then.
		if (ws.protocol !== 'tidings.json')
			return run.end(FOREIGN);
		run.subscribe(run.keys(), run.cursor, run.since);
	};
	ws.onmessage = function (event) {
		var m = parse(event.data), done;

		if (!m)
			return run.end(FOREIGN);
		run.alive();
		if (!m.op) {
			run.message(m);
		} else if (m.op === 'cursor') {
			run.cursor(m.cursor);
		} else if (m.op === 'reset') {
			run.reset(m.cursor, m.cursor);
		} else if ((done = waiting[m.ref])) {
			delete waiting[m.ref];
			done(m);
		}
	};
	ws.onclose = function (event) {
		run.end(0, 0, event.code === 1001 || event.code === 1012);
	};
	return function () {
		ws.onopen = ws.onmessage = ws.onclose = null;
		ws.close();
		Object.keys(waiting).forEach(function (ref) {
			waiting[ref]({ status: 0 });
		});
	};
};

// By fetch, because EventSource tells neither heartbeats nor statuses, and
// XMLHttpRequest keeps all it has had and holds pieces back for up to 50 ms.
transports.sse = function (run) {
	var url = run.url + '/sse' + query(run.keys(),
		{ since: run.since, format: 'json' });
	var controller = new global.AbortController();
	var tail = '', block = {}, decoder, reader;

	function line(text) {
		var colon = text.indexOf(':');

		if (text) {
			if (colon > 0)
				block[text.slice(0, colon)] =
					text.slice(colon + 1).replace(/^ /, '');
			return;
		}
		if (block.retry && !run.options.ownRetry)
			run.options.spread = +block.retry;
		if (block.event === 'tidings.reset')
			run.reset(block.id, block.id);
		else if (block.data && !block.event)
			run.message(parse(block.data));
		else if (block.id)
			run.cursor(block.id);
		block = {};
	}

	function take(text) {
		var lines = (tail + text).split(/\r?\n/);

		run.alive();
		tail = lines.pop();
		lines.forEach(line);
	}

	function begin(response) {
		var type = response.headers.get('Content-Type');

		if (response.status !== 200 || !/^text\/event-stream\b/i.test(type))
			return refused(response, /^application\/problem\+json\b/i.test(
				type));
		decoder = new global.TextDecoder();
		reader = response.body.getReader();
		next();
	}

	// Without the body of what is not ours, which may have no end.
	function refused(response, isProbably) {
		var status = response.status;
		var after = retryAfter(function (name) {
			return response.headers.get(name);
		});

		if (!isProbably) {
			controller.abort();
			return run.end(judged(status), after);
		}
		response.text().then(function (text) {
			run.end(judged(status, isProblem(status, parse(text))), after);
		}).then(null, fail);
	}

	function next() {
		reader.read().then(function (part) {
			if (part.done)
				return run.end(200, 0, true);
			take(decoder.decode(part.value, { stream: true }));
			next();
		}).then(null, fail);
	}

	function fail() {
		run.end(0);
	}

	global.fetch(url, {
		signal: controller.signal,
		cache: 'no-store',
		credentials: credentials(run.options)
	}).then(begin).then(null, fail);
	return function () {
		controller.abort();
	};
};

function polling(path) {
	return function (run) {
		var isLong = path === 'longpoll';
		var o = run.options, keys = run.keys();
		var wait = 0, cut = false, stop, timer;

		function ask() {
			var began = now();

			stop = poll(run.url + '/' + path, query(keys,
				isLong ? { since: run.since, wait: wait / 1000 } :
					{ since: run.since }),
			{
				timeout: wait + 2 * o.timeout,
				withCredentials: o.withCredentials
			}, function (status, answer, after) {
				var took = now() - began, least;

				if (status === 200) {
					cut = false;
					least = run.answer(answer) ? LEAST : 1000;
					if (run.dead)
						return;
					// Who answers at once is not asked at once: news
					// may come in a row, what is no news does.
					timer = setTimeout(ask, !isLong ? o.interval :
						wait ? Math.max(0, least - took) : 0);
					wait = isLong ? o.wait : 0;
				} else if (wait && took > 1000 && !cut &&
					took < wait + o.timeout &&
					(!status || status === 504)) {
					// Cut for being idle: hold it for less.
					cut = true;
					wait = o.wait = Math.max(500, took * 0.7);
					ask();
				} else {
					// A request that nobody answers is a dead line.
					run.end(!status && took > wait ? DEAD : status, after);
				}
			});
		}

		ask();
		return function () {
			clearTimeout(timer);
			stop();
		};
	};
}
transports.longpoll = polling('longpoll');
transports.poll = polling('poll');

transports.iframe = function (run) {
	var frame = doc.createElement('iframe');
	var name = 'f' + ++count, o = run.options, asked, latest, timer;

	// The frame says where it began, and grows with each heartbeat.  What
	// was read is taken away, so that it does not grow for ever.
	function look() {
		var inside, body;

		try {
			inside = frame.contentWindow;
			body = inside.document.body;
			if (inside.tidings)
				run.cursor(inside.tidings.cursor);
			if (body.lastChild !== latest)
				run.alive();
			latest = body.lastChild;
			while (body.childNodes.length > 9)
				body.removeChild(body.firstChild);
		} catch (error) {
			// A page of the browser's own: onload will tell.
		}
	}

	// Whether it has something, and nothing that says where it began.
	function isPage() {
		try {
			return !run.ready && !!frame.contentWindow.document.body.firstChild;
		} catch (error) {
			return false;
		}
	}

	function begin() {
		frame.style.display = 'none';
		frame.title = 'tidings';
		frame.src = run.url + '/iframe' + query(run.keys(),
			{ since: run.since, callback: 'tidings.' + name });
		frame.onload = function () {
			look();
			run.end(isPage() ? FOREIGN : 0);
		};
		doc.documentElement.appendChild(frame);
		timer = setInterval(look, 250);
	}

	tidings[name] = function (m) {
		look();
		if (m.reset)
			run.reset(m.cursor, m.cursor);
		else
			run.message(m);
	};
	// Within a page that is loading it would keep it loading for ever.
	function whenLoaded() {
		if (doc.readyState === 'complete')
			return begin();
		timer = setInterval(function () {
			if (doc.readyState === 'complete') {
				clearInterval(timer);
				begin();
			}
		}, 50);
	}

	// A site that answers each address with a page of its own would run in
	// the frame: one poll before tells whose answers come from there.
	if (o.known)
		whenLoaded();
	else
		asked = poll(run.url + '/poll', query(run.keys(), { since: run.since }),
			o, function (status, answer, after) {
				asked = null;
				if (status === 200)
					whenLoaded();
				else
					run.end(status, after);
			});
	return function () {
		clearInterval(timer);
		if (asked)
			asked();
		frame.onload = null;
		if (frame.parentNode)
			frame.parentNode.removeChild(frame);
		// What is still running inside may call it once more.
		tidings[name] = now;
	};
};

function usable(name) {
	return !!(name === 'ws' ? global.WebSocket :
		name === 'sse' ? global.fetch && global.AbortController &&
			global.ReadableStream && global.TextDecoder :
		name === 'iframe' ? doc && doc.documentElement :
		global.XMLHttpRequest || global.fetch);
}

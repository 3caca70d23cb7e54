/* SPDX-License-Identifier: MIT */
// ---- requests

// Subscriptions are keys: 'c' and a channel, or 'p' and a prefix.
function query(keys, more) {
	var parts = keys.map(function (key) {
		return (key.charAt(0) === 'c' ? 'channel=' : 'prefix=') +
			encodeURIComponent(key.slice(1));
	});

	Object.keys(more).forEach(function (name) {
		if (more[name] !== '')
			parts.push(name + '=' + encodeURIComponent(more[name]));
	});
	// Two tabs that ask the same wait for each other in some browsers, and a
	// cache may know no better.
	return '?' + parts.join('&') + '&_=' + unique();
}

function covers(keys, channel) {
	return keys.some(function (key) {
		return key === 'c' + channel || key.charAt(0) === 'p' &&
			channel.indexOf(key.slice(1)) === 0;
	});
}

// The same as an operation on a WebSocket.
function operation(op, keys) {
	function names(kind) {
		return keys.filter(function (key) {
			return key.charAt(0) === kind;
		}).map(function (key) {
			return key.slice(1);
		});
	}

	return { op: op, channels: names('c'), prefix: names('p') };
}

// ms, from seconds or a date (RFC 9110, section 10.2.3).  A date is one of the
// server's clock.  Ours may be hours off, so what it makes of it holds a minute.
function retryAfter(header) {
	var text = header('Retry-After'), max = LONG, ms = text * 1000, date;

	if (text && isNaN(text)) {
		date = Date.parse(header('Date'));
		max = date ? LONG : MINUTE;
		ms = Date.parse(text) - (date || +new Date());
	}
	return ms > 0 ? Math.min(ms, max) : 0;
}

// Of Tidings itself, and not of somebody in front of it.
function isProblem(status, answer) {
	return !!answer && answer.status === status && answer.site > 0;
}

function isAnswer(answer) {
	return !!answer && isCursor(answer.cursor) &&
		Array.isArray(answer.messages) && answer.messages.every(isMessage);
}

// The status as a run tells it: below DEAD if the answer is not Tidings' own,
// but for one that asks for patience, which may come from anybody, and 204,
// which has nothing to tell it by.
function judged(status, isOurs) {
	return isOurs || !status || status === 204 || status >= 429 ?
		status : FOREIGN - status;
}

function credentials(o) {
	return o.withCredentials ? 'include' : 'same-origin';
}

// Calls done(status, JSON or null, retry after); status 0 is no answer.
// Returns what breaks it off.
function http(url, o, done) {
	var method = o.body === undefined ? 'GET' : 'POST';
	var headers = {}, over = false, xhr, controller, timer;

	function end(status, header, text) {
		if (over)
			return;
		over = true;
		clearTimeout(timer);
		done(status, status && /^application\/(problem\+)?json\b/i.test(
			header('Content-Type')) ? parse(text) : null,
			status ? retryAfter(header) : 0);
	}

	function fail() {
		end(0);
	}

	function stop() {
		over = true;
		clearTimeout(timer);
		if (xhr)
			xhr.abort();
		else if (controller)
			controller.abort();
	}

	function byXHR() {
		xhr = new global.XMLHttpRequest();
		xhr.open(method, url);
		if (o.withCredentials)
			xhr.withCredentials = true;
		Object.keys(headers).forEach(function (name) {
			xhr.setRequestHeader(name, headers[name]);
		});
		xhr.onreadystatechange = function () {
			if (xhr.readyState === 4)
				end(xhr.status, function (name) {
					return xhr.getResponseHeader(name);
				}, xhr.responseText);
		};
		xhr.send(o.body);
	}

	// In service workers, Node and the like.
	function byFetch() {
		controller = global.AbortController && new global.AbortController();
		global.fetch(url, { method: method, headers: headers, body: o.body,
			signal: controller ? controller.signal : undefined,
			cache: 'no-store', credentials: credentials(o)
		}).then(function (response) {
			return response.text().then(function (text) {
				end(response.status, function (name) {
					return response.headers.get(name);
				}, text);
			});
		}).then(null, fail);
	}

	if (o.body !== undefined)
		headers['Content-Type'] = o.type || 'application/json';
	if (o.key)
		headers.Authorization = 'Bearer ' + o.key;
	timer = setTimeout(function () {
		stop();
		over = false;
		fail();
	}, o.timeout);
	try {
		if (global.XMLHttpRequest)
			byXHR();
		else
			byFetch();
	} catch (error) {
		setTimeout(fail, 0);
	}
	return stop;
}

// One poll, short or long.  Names that are too many for an address go as a
// form.  Calls done(status as judged, answer, retry after).
function poll(url, parameters, o, done) {
	var isLong = parameters.length > 2000;

	return http(isLong ? url : url + parameters, {
		body: isLong ? parameters.slice(1) : undefined,
		type: 'application/x-www-form-urlencoded',
		timeout: o.timeout,
		withCredentials: o.withCredentials
	}, function (status, answer, after) {
		done(judged(status, status === 200 ? isAnswer(answer) :
			isProblem(status, answer)), answer, after);
	});
}

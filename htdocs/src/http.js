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

// ms, from seconds or a date (RFC 9110, section 10.2.3).
function retryAfter(text) {
	var ms = text ? isNaN(text) ? Date.parse(text) - now() : text * 1000 : 0;

	return ms > 0 ? Math.min(ms, LONG) : 0;
}

// Calls done(status, text, retry after); status 0 is no answer.  Returns
// what breaks it off.
function http(url, o, done) {
	var xhr = new global.XMLHttpRequest();

	xhr.open(o.body === undefined ? 'GET' : 'POST', url);
	if (o.timeout)
		xhr.timeout = o.timeout;
	if (o.withCredentials)
		xhr.withCredentials = true;
	if (o.body !== undefined)
		xhr.setRequestHeader('Content-Type',
			o.type || 'application/json');
	if (o.key)
		xhr.setRequestHeader('Authorization', 'Bearer ' + o.key);
	xhr.onreadystatechange = function () {
		if (xhr.readyState === 4)
			done(xhr.status, xhr.responseText,
				xhr.status && retryAfter(
					xhr.getResponseHeader('Retry-After')));
	};
	xhr.send(o.body);
	return function () {
		xhr.onreadystatechange = null;
		xhr.abort();
	};
}

// One poll, short or long.  Names that are too many for an address go as a form.
function poll(url, parameters, o, done) {
	var isLong = parameters.length > 2000;

	return http(isLong ? url : url + parameters, {
		body: isLong ? parameters.slice(1) : undefined,
		type: 'application/x-www-form-urlencoded',
		timeout: o.timeout,
		withCredentials: o.withCredentials
	}, done);
}

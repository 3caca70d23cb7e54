/* SPDX-License-Identifier: MIT */
// ---- publishing

function message(channel, data, more) {
	var isText = typeof data === 'string';

	return {
		channel: channel,
		data: isText ? data : JSON.stringify(data),
		event: more.event,
		content_type: more.contentType ||
			(isText ? 'text/plain' : 'application/json'),
		dedup: more.dedup || unique()
	};
}

// Over the line if that carries it, else by a request.  One that was not
// answered is sent again; its dedup key keeps it one message.
function send(url, o, line, m, tries, done) {
	function again(code, text, after) {
		var error = new Error(text || 'not published');

		error.status = code;
		if (tries > 4 || code && code < 429)
			return done(error);
		setTimeout(function () {
			send(url, o, null, m, tries + 1, done);
		}, (after || 0) + random(o.retry * Math.pow(2, tries)) + 100);
	}

	if (line && line.ask({ op: 'publish', key: o.key, messages: [m] },
		function (answer) {
			if (answer.op === 'ok')
				done(null, answer.id);
			else
				again(answer.status, answer.detail);
		}))
		return;
	http(url + '/publish?batch=1', {
		body: JSON.stringify([m]),
		key: o.key,
		timeout: 2 * o.timeout,
		withCredentials: o.withCredentials
	}, function (code, text, after) {
		var answer = parse(text) || {};

		if (code === 201 && answer[0])
			done(null, answer[0].id);
		else
			again(code, answer.detail, after);
	});
}

// Calls done(error, value), or returns a promise where there is no done.
function promise(work, done) {
	if (done || !global.Promise)
		return work(done || function () {});
	return new Promise(function (resolve, reject) {
		work(function (error, value) {
			if (error)
				reject(error);
			else
				resolve(value);
		});
	});
}

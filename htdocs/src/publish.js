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
		credentials: o.credentials
	}, function (code, text, after) {
		var answer = parse(text) || {};

		if (code === 201)
			done(null, answer[0].id);
		else
			again(code, answer.detail, after);
	});
}

function publish(url, o, line, m, done) {
	if (done || !global.Promise)
		return send(url, o, line, m, 0, done || function () {});
	return new Promise(function (resolve, reject) {
		send(url, o, line, m, 0, function (error, id) {
			if (error)
				reject(error);
			else
				resolve(id);
		});
	});
}

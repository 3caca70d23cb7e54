/* SPDX-License-Identifier: MIT */
// ---- publishing

// Of what JSON has no word for it would make {} or null.
function textOf(data) {
	var kind = Object.prototype.toString.call(data).slice(8, -1);
	var text;

	if (typeof data === 'string')
		return data;
	if (data && typeof data.toJSON === 'function' &&
		data.byteLength === undefined ||
		/^(Object|Array|Number|Boolean|Null|String)$/.test(kind))
		text = JSON.stringify(data);
	if (text === undefined || text === 'null' && data !== null)
		wrong('data must be a string, or what JSON can say', data);
	return text;
}

function message(channel, data, more) {
	members('publish option', PUBLISH, more);
	if (!isText(channel))
		wrong('a channel must be a name', channel);
	Object.keys(more).forEach(function (name) {
		if (more[name] !== undefined && more[name] !== null &&
			typeof more[name] !== 'string')
			wrong(name + ' must be a string', more[name]);
	});
	return {
		channel: channel,
		data: textOf(data),
		event: more.event || undefined,
		content_type: more.contentType || (typeof data === 'string' ?
			'text/plain' : 'application/json'),
		dedup: more.dedup || unique()
	};
}

// Over the line if that carries it, else by a request.  One that was not
// answered is sent again, and so is one that somebody in front of Tidings has
// answered; its dedup key keeps it one message.
function send(url, o, line, m, tries, done) {
	// The status as judged; 413 is final, whoever says it.
	function again(status, detail, after) {
		var code = status < DEAD ? FOREIGN - status : status;
		var error = new Error(detail || (status < DEAD ?
			'not published: the answer is not of Tidings' :
			'not published'));

		error.status = code;
		if (tries > 4 || status > 0 && status < 429 || code === 413)
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
	}, function (status, answer, after) {
		var id = status === 201 && answer && answer[0] && answer[0].id;

		if (isCursor(id))
			done(null, id);
		else
			again(judged(status, isProblem(status, answer)),
				answer && answer.detail, after);
	});
}

// Calls done(error, value), or returns a promise where there is no done.
function promise(work, done) {
	if (done && typeof done !== 'function')
		wrong('done must be a function', done);
	if (done || !global.Promise)
		return work(done || function (error) {
			if (error instanceof TypeError)
				throw error;
		});
	return new Promise(function (resolve, reject) {
		work(function (error, value) {
			if (error)
				reject(error);
			else
				resolve(value);
		});
	});
}

/* SPDX-License-Identifier: MIT */
// ---- in the shape of EventSource

// For pages and libraries that have one: the same events, over whatever
// gets through.  The address is that of the SSE program.
tidings.EventSource = function (address, options) {
	var source = this;
	var emit = Emitter(source);
	var at = absolute(address).split('?');
	var o = { channels: [], prefixes: [] };
	var feed;

	(at[1] || '').split('&').forEach(function (pair) {
		var part = pair.split('=').map(function (text) {
			return decodeURIComponent(text.replace(/\+/g, ' '));
		});

		if (part[0] === 'channel' || part[0] === 'topic')
			o.channels.push(part[1]);
		else if (part[0] === 'channels')
			o.channels = o.channels.concat(part[1].split(','));
		else if (part[0] === 'prefix')
			o.prefixes.push(part[1]);
		else if (/^(since|last_?event_?id)$/i.test(part[0]))
			o.since = part[1];
	});
	o.withCredentials = !!(options && options.withCredentials);
	feed = new Tidings(at[0].replace(/\/[^\/]*$/, ''), o);

	function dispatch(type, data, id) {
		var event = { type: type, data: data, lastEventId: id,
			origin: /^\w+:\/\/[^\/]*/.exec(at[0]) + '', target: source };

		try {
			event = new global.MessageEvent(type, event);
		} catch (error) {
			// The plain object does.
		}
		if (typeof source['on' + type] === 'function')
			source['on' + type](event);
		emit(type, event);
	}

	source.url = at.join('?');
	source.withCredentials = o.withCredentials;
	source.readyState = 0;
	source.onopen = source.onmessage = source.onerror = null;
	source.addEventListener = source.on;
	source.removeEventListener = source.off;
	source.close = function () {
		source.readyState = 2;
		feed.close();
	};
	feed.on('message', function (m) {
		dispatch(m.event || 'message', m.data, m.id);
	}).on('reset', function (reset) {
		dispatch('tidings.reset', JSON.stringify({ reset: true,
			cursor: reset.cursor }), reset.cursor);
	}).on('status', function (status) {
		var before = source.readyState;

		if (before === 2)
			return;
		source.readyState = { open: 1, closed: 2 }[status.state] || 0;
		if (source.readyState !== before)
			dispatch(source.readyState === 1 ? 'open' : 'error');
	});
};
[tidings.EventSource, tidings.EventSource.prototype].forEach(function (to) {
	to.CONNECTING = 0;
	to.OPEN = 1;
	to.CLOSED = 2;
});

/* SPDX-License-Identifier: MIT */
// ---- in the shape of EventSource

// For pages and libraries that have one: the same events, over whatever gets
// through.  The address is that of the SSE program.  It is a real EventTarget
// where one can be made, as everywhere where there is WeakRef (HTML Standard,
// section 9.2.2).
var isTarget = !!(global.WeakRef && global.EventTarget && global.MessageEvent);

tidings.EventSource = function Source(address, options) {
	var source = isTarget ?
		Reflect.construct(global.EventTarget, [], Source) : this;
	var emit = isTarget ? null : Emitter(source);
	var at = /^([^?#]*)(\??[^#]*)/.exec(address);
	var base = absolute(at[1]), o = { channels: [], prefixes: [] };
	var feed;

	at[2].slice(1).split('&').forEach(function (pair) {
		var cut = (pair + '=').indexOf('=');
		var name = pair.slice(0, cut);
		var value = decodeURIComponent(
			pair.slice(cut + 1).replace(/\+/g, ' '));

		if (name === 'channel' || name === 'topic')
			o.channels.push(value);
		else if (name === 'channels')
			o.channels = o.channels.concat(value.split(','));
		else if (name === 'prefix')
			o.prefixes.push(value);
		else if (/^(since|last_?event_?id)$/i.test(name))
			o.since = value;
	});
	o.withCredentials = !!(options && options.withCredentials);
	if (!o.channels[0] && !o.prefixes[0])
		wrong('the address must name a channel', address);
	feed = new Tidings(base.replace(/\/[^\/]*$/, ''), o);

	function dispatch(type, data, id) {
		var event = { type: type, data: data, lastEventId: id || '',
			origin: /^\w+:\/\/[^\/]*/.exec(base) + '', target: source };

		if (isTarget)
			source.dispatchEvent(new global.MessageEvent(type, event));
		else
			emit(type, event);
	}

	['open', 'message', 'error'].forEach(function (type) {
		source['on' + type] = null;
		source.addEventListener(type, function (event) {
			if (typeof source['on' + type] === 'function')
				source['on' + type](event);
		});
	});
	source.url = base + at[2];
	source.withCredentials = o.withCredentials;
	source.readyState = 0;
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
	return source;
};
if (isTarget)
	tidings.EventSource.prototype = Object.create(global.EventTarget.prototype);
[tidings.EventSource, tidings.EventSource.prototype].forEach(function (to) {
	to.CONNECTING = 0;
	to.OPEN = 1;
	to.CLOSED = 2;
});

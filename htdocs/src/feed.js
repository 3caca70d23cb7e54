/* SPDX-License-Identifier: MIT */
// ---- the feed

var OURS = { message: 1, open: 1, status: 1, reset: 1, close: 1 };
var HELD_MAX = 5000;	// messages kept while what came before is fetched
var ASK = 10000;	// ms of silence, then the leading tab is asked
var ANSWER = 4000;	// ms to answer in

// Channels that were subscribed to together are a group: `floor` is up to
// where it was told; while it is not ready, what comes is held.
function Tidings(base, options) {
	var feed = this;
	var emit = Emitter(feed);
	var url = absolute(base);
	var me = unique();
	var o = filled(options === undefined || options === null ? {} : options);
	var first = keysOf('channels', list(o.channels), 'c').concat(
		keysOf('prefixes', list(o.prefixes), 'p'));
	var groups = [], joins = 0;
	var line = null;		// if this tab leads
	var others = {};		// then: keys of other feeds, by name
	var sent = '';			// and the id that was told last
	var bus = null, election = null, ticker;
	var theirs, seen, heard, asked;	// if it does not
	var waiting = [];		// publishes behind a subscribe
	var over = false, joiner = 0, name;

	name = ['tidings', url, o.transports, !!o.withCredentials].join(' ');
	feed.lastEventId = '';
	feed.status = statusOf('connecting', null, 0, false);

	function show(now) {
		var before = feed.status;

		if (over)
			return;
		feed.status = now;
		if (JSON.stringify(now) !== JSON.stringify(before))
			emit('status', now);
		if (now.state === 'open' && before.state !== 'open')
			emit('open', now);
	}

	// What the leading tab tells, once this one has what came before.
	function showTheirs() {
		if (theirs && (areReady() || theirs.state !== 'open'))
			show(theirs);
	}

	function allKeys() {
		var all = {};

		groups.map(function (group) {
			return group.keys;
		}).concat(Object.keys(others).map(function (id) {
			return others[id];
		})).forEach(function (keys) {
			keys.forEach(function (key) {
				all[key] = 1;
			});
		});
		return Object.keys(all);
	}

	function areReady() {
		return groups.every(function (group) {
			return group.ready;
		});
	}

	// ---- messages

	function tell(m) {
		if (over)
			return;
		emit('message', m);
		if (!over && m.event && OURS[m.event] !== 1)
			emit(m.event, m);
	}

	// Each message once, whichever group it is for.
	function deliver(m) {
		var told = false, waits = null;

		groups.forEach(function (group) {
			if (!group.ready) {
				if (covers(group.keys, m.channel))
					waits = group;
			} else if (isNew(m.id, group.floor)) {
				group.floor = feed.lastEventId = m.id;
				told = told || covers(group.keys, m.channel);
			}
		});
		if (told)
			tell(m);
		else if (waits && waits.held.push(m) > HELD_MAX) {
			waits.held = [];
			waits.upto = m.id;
		}
	}

	// Ready groups that were told the same are one.
	function merge() {
		groups = groups.filter(function (group, i) {
			return !groups.slice(0, i).some(function (one) {
				if (!one.ready || !group.ready ||
					one.floor !== group.floor ||
					one.keys.length + group.keys.length > NAMES_MAX)
					return false;
				one.keys = one.keys.concat(group.keys);
				return true;
			});
		});
	}

	function flush() {
		waiting.splice(0, waiting.length).forEach(function (go) {
			go();
		});
	}

	// The line covers a group from `upto` on: fetch what comes before.  One
	// without a start gets it first, and then waits for the line.
	function catchUp(group) {
		var turn = group.busy = {};

		// Whether it has not become ready, or gone, in another way.
		function isMine() {
			return !over && group.busy === turn && groups.indexOf(group) >= 0;
		}

		function again(after) {
			group.timer = setTimeout(function () {
				if (isMine())
					catchUp(group);
			}, (after || 0) + 50 + backoff(o, group.fails++, true));
		}

		clearTimeout(group.timer);
		group.timer = 0;
		if (order(group.since, group.upto) >= 0)
			return ready(group);

		poll(url + '/poll', query(group.keys,
			{ since: group.since || 'latest' }), o,
		function (status, answer, after) {
			flush();
			if (!isMine())
				return;
			if (REFUSED[status] && status !== 404)
				return finish('refused', status);
			if (status !== 200)
				return again(after);
			if (answer.reset)
				emit('reset', { cursor: answer.cursor });
			group.since = answer.cursor;
			answer.messages.forEach(function (m) {
				if (covers(group.keys, m.channel))
					tell(m);
			});
			if (!isMine())
				return;
			// One that tells nothing new lags behind the line.
			if (order(group.upto, group.since) > 0) {
				if (answer.messages.length)
					catchUp(group);
				else
					again();
			} else {
				group.busy = null;
				if (group.upto)
					ready(group);
			}
		});
	}

	function ready(group) {
		var held = group.held;

		group.held = [];
		group.ready = true;
		group.busy = null;
		group.fails = 0;
		group.floor = group.since;
		feed.lastEventId = feed.lastEventId || group.floor;
		held.forEach(function (m) {
			if (isNew(m.id, group.floor)) {
				group.floor = m.id;
				if (covers(group.keys, m.channel))
					tell(m);
			}
		});
		if (areReady() && groups[0]) {
			merge();
			feed.lastEventId = groups[0].floor;
			showTheirs();
		}
	}

	// ---- joining

	// The line covers what was there at the n-th join; not what is still to
	// join, which in a hidden tab may take a second.
	function live(n, cursor) {
		groups.forEach(function (group) {
			if (group.ready || !group.join || group.join > n)
				return;
			group.upto = cursor;
			if (!group.busy)
				catchUp(group);
		});
	}

	function join() {
		var n = ++joins;

		groups.forEach(function (group) {
			group.join = group.ready ? 0 : group.join || n;
			if (!group.since && !group.busy)
				catchUp(group);
		});
		if (line) {
			line.cover(allKeys(), function (cursor) {
				live(n, cursor);
			});
		} else if (bus) {
			asked = asked || now();
			bus.post({ t: 'join', from: me, n: n, keys: allKeys() });
		}
	}

	// Somebody else leads now, or something was missed.
	function rejoin() {
		groups.forEach(function (group) {
			if (group.ready)
				group.since = group.floor || feed.lastEventId ||
					group.since;
			group.ready = false;
			group.join = 0;
			group.upto = '';
		});
		join();
	}

	// ---- leading

	function lead() {
		var begun = groups.filter(function (group) {
			return group.ready;
		});
		var since;

		others = {};
		asked = 0;
		theirs = null;
		if (begun.length) {
			since = begun.reduce(function (low, group) {
				return order(group.floor, low) < 0 ? group.floor : low;
			}, begun[0].floor);
		} else if (groups[0]) {
			since = groups[0].since;
			groups[0].ready = true;
			groups[0].busy = null;
			groups[0].held = [];
			groups[0].floor = '';
		}
		sent = since;
		line = new Line(url, o, since || 'latest', allKeys(), {
			message: function (m) {
				if (bus)
					bus.post({ t: 'msg', m: m, after: sent });
				sent = m.id;
				deliver(m);
			},
			reset: function (cursor) {
				if (bus)
					bus.post({ t: 'reset', cursor: cursor });
				reset(cursor, line.at);
			},
			status: function (state, transport, delay, code) {
				if (state === 'open')
					groups.forEach(function (group) {
						group.floor = group.floor || line.at;
						feed.lastEventId = group.floor;
					});
				show(statusOf(state, transport, delay, true, code));
				if (bus)
					bus.post({ t: 'status', status: feed.status });
			},
			full: function () {
				if (bus)
					bus.post({ t: 'full' });
				others = {};
				line.keep(allKeys());
			},
			stop: function (code) {
				if (bus)
					bus.post({ t: 'stop', code: code });
				finish('refused', code);
			}
		});
		line.start();
		if (bus)
			bus.post({ t: 'lead' });
		join();
	}

	function reset(cursor, floor) {
		groups.forEach(function (group) {
			if (group.ready)
				group.floor = floor;
		});
		feed.lastEventId = cursor;
		emit('reset', { cursor: cursor });
	}

	function follow() {
		line.stop();
		line = null;
		heard = now();
		show(statusOf('connecting', null, 0, false));
		rejoin();
	}

	// What other feeds say.
	function hear(d) {
		if (over || d.to && d.to !== me)
			return;
		if (line)
			return hearFollower(d);
		if (d.from)
			return d.t === 'bye' && election.bye(d.from);
		heard = now();
		asked = 0;
		if (d.t === 'lead') {
			rejoin();
		} else if (d.t === 'live') {
			seen = d.sent;
			live(d.n, d.cursor);
			showTheirs();
		} else if (d.t === 'status') {
			theirs = d.status;
			theirs.leader = false;
			theirs.delay = Math.max(0,
				Math.min(theirs.delay, theirs.next - new Date()));
			showTheirs();
		} else if (d.t === 'full') {
			o.share = false;
			shut();
			start();
		} else if (d.t === 'stop') {
			finish('refused', d.code);
		} else if (d.t === 'reset') {
			reset(d.cursor, '');
		} else if (d.t === 'beat') {
			if (d.sent !== seen)
				rejoin();
		} else {
			// A message, if the one before it was heard.
			if (d.after !== seen)
				return rejoin();
			seen = d.m.id;
			deliver(d.m);
		}
	}

	function hearFollower(d) {
		if (d.t === 'join') {
			others[d.from] = d.keys;
			line.keep(allKeys());
			bus.post({ t: 'status', to: d.from, status: feed.status });
			line.cover(d.keys, function (cursor) {
				if (line && bus)
					bus.post({ t: 'live', to: d.from, n: d.n,
						cursor: cursor, sent: sent });
			});
		} else if (d.t === 'leave') {
			delete others[d.from];
			line.keep(allKeys());
		} else if (d.t === 'again') {
			line.again();
		} else if (d.t === 'ask') {
			bus.post({ t: 'beat', to: d.from, sent: sent });
		} else if (d.t === 'lead') {
			election.bye();
		}
	}

	function ask() {
		asked = asked || now();
		bus.post({ t: 'ask', from: me });
	}

	function tick() {
		if (line || !bus)
			return;
		if (asked && now() - asked > ANSWER) {
			asked = 0;
			heard = now();
			election.take();
		} else if (!asked && now() - heard > ASK) {
			ask();
		}
	}

	// ---- life of the page

	function start() {
		// One to hear the others by, and one to agree on who leads; what is
		// stored is not told to the same page.
		var stores = store(name + ' lead') !== null ||
			store(name + ' lead', '');
		var canShare = o.share && global.location &&
			(global.BroadcastChannel ? navigator.locks || stores :
				stores && !tidings[name]);

		heard = now();
		asked = 0;
		if (!canShare)
			return lead();
		tidings[name] = true;
		bus = new Bus(name, hear);
		election = new Election(name, me, lead, follow);
		ticker = setInterval(tick, 2000);
		if (!line)
			join();
	}

	function shut() {
		var wasLine = line;

		clearInterval(ticker);
		line = null;
		if (wasLine)
			wasLine.stop();
		if (bus) {
			election.end();
			bus.post({ t: wasLine ? 'bye' : 'leave', from: me });
			bus.close();
			delete tidings[name];
		}
		bus = election = null;
	}

	function finish(reason, code) {
		if (over)
			return;
		shut();
		watchLife(false, wake, shut, back);
		show(statusOf('closed', null, 0, false));
		over = true;
		flush();
		emit('close', { reason: reason, status: code });
	}

	function wake() {
		if (doc && doc.hidden)
			return;
		if (line)
			line.check();
		else if (bus)
			ask();
	}

	// The page comes back from the cache, or from the ice, as it was.
	function back(event) {
		if (event.persisted === false || bus || line)
			return;
		groups.forEach(function (group) {
			group.busy = null;
		});
		start();
		if (!line)
			rejoin();
	}

	// ---- for the page

	function add(keys, since) {
		var last, n;

		// Those that it has already stay, unless asked for anew.
		keys = keys.filter(function (key) {
			return since !== undefined || !groups.some(function (group) {
				return group.keys.indexOf(key) >= 0;
			});
		});
		n = keys.length;
		while (keys.length) {
			last = groups[groups.length - 1];
			if (last && !last.ready && !last.join &&
				last.since === since && last.keys.length < NAMES_MAX) {
				last.keys.push(keys.shift());
				continue;
			}
			groups.push({ keys: [], since: since, floor: '',
				ready: false, busy: null, held: [], upto: '', join: 0,
				timer: 0, fails: 0 });
		}
		return n;
	}

	// What is subscribed to in one go is fetched in one go.
	feed.subscribe = function (channels, since) {
		var keys = keysOf('channels', channels, 'c');

		since = cursorOf(since);
		if (!over && add(keys, since) && !joiner)
			joiner = setTimeout(function () {
				joiner = 0;
				if (!over)
					join();
			}, 0);
		return feed;
	};

	feed.unsubscribe = function (channels) {
		var gone = keysOf('channels', channels, 'c');

		groups.forEach(function (group) {
			group.keys = group.keys.filter(function (key) {
				return gone.indexOf(key) < 0;
			});
		});
		groups = groups.filter(function (group) {
			return group.keys.length;
		});
		flush();
		if (line)
			line.keep(allKeys());
		else
			join();
		return feed;
	};

	feed.publish = function (channel, data, more, done) {
		return promise(function (settle) {
			var m;

			try {
				m = message(channel, data, more || {});
			} catch (error) {
				return settle(error);
			}

			// Behind a subscribe() just before, so that it is heard here.
			function go() {
				send(url, o, line, m, 0, settle);
			}

			waiting.push(go);
			if (over || groups.every(function (group) {
				return group.since;
			}))
				flush();
		}, done);
	};

	// The next try is now, however long the wait would have been.
	feed.reconnect = function () {
		groups.forEach(function (group) {
			if (group.busy && group.timer)
				catchUp(group);
		});
		if (line)
			line.again();
		else if (bus)
			bus.post({ t: 'again', from: me });
		return feed;
	};

	feed.close = function () {
		finish('client', 0);
	};

	add(first, o.since || pageCursor() || 'latest');
	watchLife(true, wake, shut, back);
	start();
}

global.Tidings = Tidings;
if (typeof module === 'object' && module.exports)
	module.exports = Tidings;

/* SPDX-License-Identifier: MIT */
// ---- the line

// Keeps one transport up.  to.message(m), to.reset(cursor),
// to.status(state, transport, delay, code), to.full(), to.stop(status).
function Line(url, o, since, keys, to) {
	var line = this;
	var rungs = o.transports.filter(usable);
	var memory = 'tidings ' + url + ' ' + rungs;
	var here = Math.max(0, rungs.indexOf(store(memory)));
	var run = null, probe = null;	// the one in use; a better one, tried
	var version = 0;		// of the keys
	var pending = [];		// called when all keys are covered
	var from = '';			// where the youngest of them began
	var fails = 0, strikes = 0, opened = 0, sawStatus = false;
	var down = now();		// since when nothing comes
	var beat = o.silence / 2;
	var climb = o.upgrade;
	var timer, climber, joiner, last = now();
	var notBefore = 0;		// the server asked to stay away
	var ticker = setInterval(tick, 1000);

	line.at = since;

	// In place of the one before, or of the wait for a next one.
	function use(me) {
		if (run)
			run.stop();
		run = me;
		clearTimeout(timer);
		timer = 0;
	}

	function begin(index, isProbe) {
		var proof, stop;
		var me = {
			url: url,
			options: o,
			since: line.at,
			index: index,
			ready: false,
			heard: now()
		};

		// What to ask for; the line knows from then on what is covered.
		me.keys = function () {
			me.version = me.asked = version;
			return keys;
		};
		me.alive = function () {
			me.heard = now();
			me.pinged = 0;
		};
		me.cursor = function (id) {
			if (me.dead)
				return;
			if (!isCursor(id))
				return me.end(FOREIGN);
			if (isNew(id, me.since))
				me.since = id;
			if (isNew(id, line.at))
				line.at = id;
			if (!me.ready) {
				me.ready = true;
				clearTimeout(proof);
				proved(me);
			}
		};
		me.message = function (m) {
			var before = line.at;

			if (me.dead)
				return;
			if (!isMessage(m))
				return me.end(FOREIGN);
			me.since = m.id;
			if (isNew(m.id, before)) {
				line.at = m.id;
				me.news = true;
				to.message(m);
			}
		};
		me.reset = function (cursor, from) {
			if (me.dead)
				return;
			if (!isCursor(cursor))
				return me.end(FOREIGN);
			line.at = me.since = from;
			to.reset(cursor);
		};
		// Of a poll, which tells a reset and what follows in one; whether
		// it brought something.
		me.answer = function (answer) {
			me.alive();
			me.news = false;
			if (answer.reset)
				me.reset(answer.cursor, '');
			answer.messages.forEach(me.message);
			me.cursor(answer.cursor);
			return me.news;
		};
		me.stop = function () {
			me.dead = true;
			clearTimeout(proof);
			if (stop)
				stop();
		};
		me.end = function (status, after, clean) {
			if (me.dead)
				return;
			me.stop();
			ended(me, status, after, clean);
		};
		if (isProbe) {
			if (probe)
				probe.stop();
			probe = me;
		} else {
			use(me);
			// With nothing to ask for it is left to cover() to begin.
			if (!keys.length)
				run = null;
			else
				to.status('connecting', rungs[index], 0);
			if (me !== run || me.dead)
				return;
		}
		proof = setTimeout(function () {
			me.end(0);
		}, o.timeout);
		try {
			stop = transports[rungs[index]](me);
		} catch (error) {
			setTimeout(function () {
				me.end(0);
			}, 0);
		}
		if (me.dead && stop)
			stop();
	}

	function proved(me) {
		if (me === probe) {
			probe = null;
			if (me.version !== version) {
				me.stop();
				return climbLater();
			}
			use(me);
		}
		here = me.index;
		from = '';
		fails = 0;
		down = 0;
		sawStatus = false;
		o.known = true;
		opened = now();
		store(memory, rungs[here]);
		to.status('open', rungs[here], 0);
		if (me.dead)
			return;
		covered(me, line.at);
		climbLater();
	}

	// What the run was asked for is covered, from that cursor on.
	function covered(me, cursor) {
		if (me.version === version)
			pending.splice(0, pending.length).forEach(function (done) {
				done(cursor);
			});
		else if (me.asked !== version)
			rejoin();
	}

	function ended(me, status, after, clean) {
		var lived = now() - opened, idle = now() - me.heard;
		var isLast = me.index + 1 >= rungs.length;
		// Busy or broken may be one program of several.
		var next = isLast || fails < 2 ? here : me.index + 1;
		var isWide = status === 400 && keys.length > NAMES_MAX;
		var isForeign = status < DEAD;

		after = after || 0;
		// Too many names for all tabs together: each for itself then.
		if (isWide)
			to.full();
		if (me === probe) {
			probe = null;
			if (me.index === here)
				return begin(here);
			clearTimeout(climber);
			climber = setTimeout(function () {
				climbTo(me.index + 1);
			}, after);
			return;
		}
		run = null;
		down = down || now();
		sawStatus = sawStatus || status > 0 || isForeign;
		if (isForeign)
			o.known = false;
		if (isWide && keys.length <= NAMES_MAX)
			return begin(me.index);
		if (REFUSED[status] && !isWide &&
			(status !== 404 || me.ready || isLast))
			return refuse(status);
		if (me.ready) {
			// A young line was cut when it was idle: beat faster.
			if (lived > 20 * beat)
				beat = o.silence / 2;
			else if (me.ping && !clean && idle > o.silence / 20)
				beat = Math.min(beat, idle * 0.6);
			if (here === 0 && lived > 60000)
				climb = o.upgrade;
			strikes = status === DEAD ? strikes + 2 :
				lived < BRIEF ? strikes + 1 : clean ? strikes : 0;
			if (strikes > 2 && !isLast && !isForeign) {
				strikes = 0;
				return begin(me.index + 1);
			}
			return pause(status >= 429 || isForeign ? wait(status) :
				50 + random(o.spread), me.index, after,
			clean ? 200 : status);
		}
		// What was there before and is not now comes back, more likely than
		// that another transport gets through to it.
		if (status >= 429 || isForeign && (opened || after)) {
			if (after || next === here)
				return pause(wait(status), next, after, status);
		}
		if (!isLast)
			return begin(me.index + 1);
		// Neither a WebSocket nor a frame tells why.
		if (sawStatus || !/ws|iframe/.test(rungs[me.index]))
			pause(wait(status), fails % 2 ? here : 0, after, status, true);
		else
			knock(fails % 2 ? 0 : here);
	}

	// Of an outage; who answers in place of Tidings is not asked that often.
	function wait(status) {
		return backoff(o, fails++, status >= DEAD &&
			(status < 429 || status >= 500) && now() - down < EARLY);
	}

	// Asks by the smallest of requests how it stands; if well, it goes on where
	// it is asked before a try and not after one.
	function knock(index, isBefore) {
		// For some of the names: too many are a 400 of their own.
		var some = query(keys.slice(0, NAMES_MAX), { since: 'latest' });

		run = { stop: poll(url + '/poll', some, o,
			function (status, answer, after) {
				run = null;
				if (REFUSED[status])
					refuse(status);
				else if (status === 200 && isBefore)
					begin(index);
				else
					pause(wait(status), index, after,
						status === 200 ? 0 : status, true);
			}) };
		to.status('connecting', rungs[index], 0);
	}

	// After a round through all of them a single request is enough, but now and
	// then: it may be that one alone which somebody keeps from us.
	function pause(ms, index, after, code, isRound) {
		ms = Math.round(Math.min(ms + (after || 0), LONG));
		notBefore = now() + (after || 0);
		sawStatus = false;
		timer = setTimeout(function () {
			timer = 0;
			if ((isRound || code < DEAD) && fails % 3)
				knock(index, true);
			else
				begin(index);
		}, ms);
		to.status('waiting', rungs[index], ms, code);
	}

	function refuse(status) {
		line.stop();
		to.stop(status);
	}

	// Better transports are tried beside the one in use, the best first.
	function climbLater() {
		clearTimeout(climber);
		if (here > 0 && run)
			climber = setTimeout(function () {
				climb = Math.min(climb * 2, CLIMB_MAX);
				climbTo(0);
			}, climb);
	}

	function climbTo(index) {
		if (run && run.ready && index < here)
			begin(index, true);
		else
			climbLater();
	}

	// New keys: another run of the same transport takes over once it works.
	function rejoin() {
		clearTimeout(joiner);
		joiner = setTimeout(function () {
			if (run && run.asked !== version)
				begin(run.index | 0, run.ready);
		}, 20);
	}

	// A frame that broke off is told by its silence alone, in some browsers.
	function tick() {
		var time = now(), slept = time - last > BRIEF;

		last = time;
		// In a hidden page it may be the browser that holds timers back.
		if (slept)
			line.check(!doc || !doc.hidden);
		if (!run || !run.ready)
			return;
		if (run.pinged ? time - run.pinged > o.timeout :
			rungs[run.index].indexOf('poll') < 0 &&
			time - run.heard > o.silence /
				(rungs[run.index] === 'iframe' ? 2 : 1))
			return run.end(DEAD);
		if (run.ping && !run.pinged && time - run.heard > beat) {
			run.pinged = time;
			run.ping();
		}
	}

	// Something changed: go on at once, or see whether it still lives.
	line.check = function (isSure) {
		if (timer) {
			if (now() >= notBefore)
				begin(here);
		} else if (run && run.ready) {
			if (isSure || !run.ping &&
				now() - run.heard > o.silence / 2) {
				begin(here);
			} else if (run.ping) {
				run.pinged = run.pinged || now();
				run.ping();
			}
		}
	};

	// The page asks for it: now, whatever there is.
	line.again = function () {
		if (timer || run && run.ready)
			begin(here);
	};

	function subscribe(me, fresh) {
		var then = me.asked = version;

		me.subscribe(fresh, function (cursor) {
			me.version = then;
			from = cursor;
			covered(me, cursor);
		});
	}

	// Calls done(cursor) when the keys are covered from there on.
	line.cover = function (more, done) {
		var fresh = more.filter(function (key) {
			return keys.indexOf(key) < 0;
		});

		if (!fresh.length) {
			if (run && run.ready && run.version === version)
				done(order(from, line.at) > 0 ? from : line.at);
			else
				pending.push(done);
		} else {
			keys = keys.concat(fresh);
			version++;
			pending.push(done);
			if (run && run.ready && run.subscribe)
				subscribe(run, fresh);
			else if (run)
				rejoin();
			else if (!timer)
				begin(here);
		}
	};

	// What is no longer wanted is left out with the next request.
	line.keep = function (wanted) {
		var gone = [];

		keys = keys.filter(function (key) {
			return wanted.indexOf(key) >= 0 || !gone.push(key);
		});
		if (run && run.ready && run.ask && gone.length)
			run.ask(operation('unsubscribe', gone), function () {});
	};

	// Returns whether the operation went out.
	line.ask = function (op, done) {
		if (!run || !run.ready || !run.ask)
			return false;
		run.ask(op, done);
		return true;
	};

	line.stop = function () {
		clearInterval(ticker);
		[timer, climber, joiner].forEach(clearTimeout);
		if (run)
			run.stop();
		if (probe)
			probe.stop();
		run = probe = null;
	};

	line.start = function () {
		begin(here);
	};
}

/* SPDX-License-Identifier: MIT */
// ---- what tabs share

// What all feeds of that name hear, in every tab.
function Bus(name, hear) {
	var bus = this, channel;

	function onStorage(event) {
		if (event.key === name + ' bus' && event.newValue)
			hear((parse(event.newValue) || [{}])[0]);
	}

	if (global.BroadcastChannel) {
		channel = new global.BroadcastChannel(name);
		channel.onmessage = function (event) {
			hear(event.data);
		};
	} else {
		global.addEventListener('storage', onStorage);
	}
	bus.post = function (what) {
		if (channel)
			channel.postMessage(what);
		else
			// What is stored already would be told to nobody.
			store(name + ' bus', JSON.stringify([what, unique()]));
	};
	bus.close = function () {
		if (channel)
			channel.close();
		else
			global.removeEventListener('storage', onStorage);
	};
}

// One of all tabs leads: the one with the lock, or, on pages without Web
// Locks (they want https), the one whose name is in the storage and fresh: it
// counts there, and each tab sees by its own clock how long it has not.
// If for once two lead, that costs a connection and nothing else.
function Election(name, me, won, lost) {
	var election = this, gone = false, leads = false, release, ticker;
	var lease, renewed, renewals = 0;

	function win() {
		leads = true;
		won();
	}

	function lose() {
		if (leads && !gone) {
			leads = false;
			lost();
		}
	}

	function request(options) {
		navigator.locks.request(name, options, function () {
			if (gone || leads)
				return null;
			win();
			return new Promise(function (resolve) {
				release = resolve;
			});
		}).then(null, function () {
			if (gone)
				return;
			if (!leads)
				return win();	// no locks here: alone
			lose();			// somebody thought us dead
			request({});
		});
	}

	// Who leads as the storage has it, or ''.
	function holder() {
		var value = store(name + ' lead') || '';

		if (value !== lease) {
			lease = value;
			renewed = now();
		}
		return value.split(' ')[0];
	}

	// Writes our name, and sees a moment later whether it stayed.
	function claim(force) {
		var held = holder(), mine = held === me;
		var fresh = held && !mine && now() - renewed < LEASE;

		if (leads && fresh)
			return lose();
		if (fresh && !force)
			return;
		store(name + ' lead', me + ' ' + ++renewals);
		holder();
		if (!leads && mine)
			win();
		else if (!leads)
			setTimeout(function () {
				if (!gone)
					claim();
			}, 50 + random(100));
	}

	election.take = function () {
		if (leads || gone)
			return;
		if (navigator.locks)
			request({ steal: true });
		else
			claim(true);
	};
	election.bye = function (who) {
		if (!navigator.locks)
			claim(holder() === who);
	};
	election.end = function () {
		if (!navigator.locks && holder() === me)
			store(name + ' lead', '');
		gone = true;
		clearInterval(ticker);
		if (release)
			release();
	};
	if (navigator.locks) {
		request({});
	} else {
		ticker = setInterval(claim, 1500, false);
		claim();
	}
}

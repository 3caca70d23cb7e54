/* SPDX-License-Identifier: MIT */
// ---- what tabs share

// What all feeds of that name hear, in every tab.
function Bus(name, hear) {
	var bus = this, channel;

	function onStorage(event) {
		if (event.key === name + ' bus' && event.newValue)
			hear(parse(event.newValue));
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
			store(name + ' bus', JSON.stringify(what));
	};
	bus.close = function () {
		if (channel)
			channel.close();
		else
			global.removeEventListener('storage', onStorage);
	};
}

// One of all tabs leads: the one with the lock, or, on pages without Web
// Locks (they want https), the one whose name is in the storage and fresh.
// If for once two lead, that costs a connection and nothing else.
function Election(name, me, won, lost) {
	var election = this, gone = false, leads = false, release, ticker;

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

	function holder() {
		return (store(name + ' lead') || '').split(' ');
	}

	// Writes our name, and sees a moment later whether it stayed.
	function claim(force) {
		var held = holder(), mine = held[0] === me;

		if (leads && !mine && held[1] > now() - 4000)
			return lose();
		if (!mine && !force && held[1] > now() - 4000)
			return;
		store(name + ' lead', me + ' ' + now());
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
			claim(holder()[0] === who);
	};
	election.end = function () {
		if (!navigator.locks && holder()[0] === me)
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

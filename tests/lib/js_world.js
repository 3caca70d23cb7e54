/* SPDX-License-Identifier: MIT */
/*
 * A world for tidings.js whose time and network are the test's own: it has what
 * Deno has and a page has not (no window, document or XMLHttpRequest), timers
 * that run as soon as nothing else is to do, and a fetch that the test answers.
 * So hours pass in no time, and what is counted does not depend on the machine.
 *
 *	node js_world.js LIBRARY < SCENARIO
 *
 * A scenario is an async function of the world; what it returns is printed as
 * JSON.
 */
const fs = require('fs');
const vm = require('vm');

const idle = () => new Promise(resolve => setImmediate(resolve));

class World {
	constructor(more) {
		this.time = 0;		// ms, monotonic
		this.jump = 0;		// of the wall clock
		this.timers = [];
		this.requests = [];	// {time, method, path, query, headers, body}
		this.sockets = [];
		this.answer = () => ({ status: 0 });
		this.thrown = [];
		this.globals = {
			console, URL, AbortController, ReadableStream, TextDecoder,
			TextEncoder, EventTarget, Event, MessageEvent,
			performance: { now: () => this.time },
			fetch: (url, init) => this.fetch(url, init || {}),
			setTimeout: (call, ms) => this.add(call, ms),
			setInterval: (call, ms) => this.add(call, ms, Math.max(ms, 1)),
			clearTimeout: id => this.remove(id),
			clearInterval: id => this.remove(id),
			wall: () => 1.8e12 + this.time + this.jump,
		};
		Object.assign(this.globals, more);
		for (const name of Object.keys(this.globals))
			if (this.globals[name] === undefined)
				delete this.globals[name];
		this.context = vm.createContext(this.globals);
		vm.runInContext(`Date = class extends Date {
			constructor(...of) { super(...of.length ? of : [wall()]); }
			static now() { return wall(); }
		};`, this.context);
		vm.runInContext(fs.readFileSync(process.argv[2], 'utf8'), this.context);
		this.Tidings = this.globals.Tidings;
	}

	eval(text) {
		return vm.runInContext(text, this.context);
	}

	add(call, ms, every) {
		const id = ++World.ids;
		// As browsers have it: 32 bits, and what does not fit is at once.
		const wait = ms > 0x7fffffff || !(ms > 0) ? 0 : ms;

		this.timers.push({ id, call, at: this.time + wait, every });
		return id;
	}

	remove(id) {
		this.timers = this.timers.filter(one => one.id !== id);
	}

	/* Lets that much time pass. */
	async run(ms) {
		const end = this.time + ms;

		for (;;) {
			await idle();
			await idle();
			const next = this.timers.reduce((first, one) =>
				!first || one.at < first.at ? one : first, null);
			if (!next || next.at > end)
				break;
			this.time = Math.max(this.time, next.at);
			if (next.every)
				next.at = this.time + next.every;
			else
				this.remove(next.id);
			try {
				next.call();
			} catch (error) {
				this.thrown.push(String(error));
			}
		}
		this.time = end;
	}

	/*
	 * The answer is {status, type, body, headers, after: ms}; a body that is
	 * a list is a stream that gives those texts and stays open, unless null
	 * is its last.
	 */
	fetch(url, init) {
		const at = new URL(url);
		const asked = { time: this.time, method: init.method || 'GET',
			path: at.pathname, query: Object.fromEntries(at.searchParams),
			headers: init.headers, body: init.body };
		const answer = Object.assign({ status: 200, type: 'application/json' },
			this.answer(asked));
		const world = this;

		asked.status = answer.status;
		this.requests.push(asked);
		return new Promise((resolve, reject) => {
			if (init.signal)
				init.signal.addEventListener('abort', () =>
					reject(new Error('aborted')));
			if (answer.status !== null)	// null: for ever
				this.add(() => answer.status === 0 ?
					reject(new TypeError('Failed to fetch')) :
					resolve(world.response(answer, init.signal)),
				answer.after || 1);
		});
	}

	response(answer, signal) {
		const headers = { 'content-type': answer.type };

		for (const name of Object.keys(answer.headers || {}))
			headers[name.toLowerCase()] = answer.headers[name];
		const text = typeof answer.body === 'string' ? answer.body :
			answer.body === undefined ? '' : JSON.stringify(answer.body);
		const parts = Array.isArray(answer.body) ? answer.body.slice() : [text, null];

		return {
			status: answer.status,
			headers: { get: name => headers[name.toLowerCase()] || null },
			text: () => Promise.resolve(text),
			body: { getReader: () => ({
				read: () => new Promise((resolve, reject) => {
					if (signal)
						signal.addEventListener('abort', () =>
							reject(new Error('aborted')));
					if (!parts.length)
						return;
					const part = parts.shift();
					resolve(part === null ? { done: true } : { done: false,
						value: new TextEncoder().encode(part) });
				}),
			}) },
		};
	}

	/* A feed whose events are kept, as [time, type, detail]. */
	feed(options, url) {
		const feed = new this.Tidings(url || 'http://host/push',
			Object.assign({ channels: 'a' }, options));

		feed.told = [];
		for (const type of ['message', 'open', 'status', 'reset', 'close'])
			feed.on(type, detail => feed.told.push([this.time, type,
				Object.assign({}, detail)]));
		return feed;
	}

	/* How often a path was asked for, from one time to another. */
	asked(path, from, to) {
		return this.requests.filter(one => one.path === '/push/' + path &&
			one.time >= (from || 0) && one.time < (to || Infinity)).length;
	}
}
World.ids = 0;

/* What Tidings answers. */
const cursor = n => 'e0-' + n;
const message = n => ({ id: cursor(n), channel: 'a', event: null,
	data: 'm' + n, time: 1 });
const answer = (n, ...ids) => ({ body: { cursor: cursor(n), reset: false,
	messages: ids.map(message) } });
const problem = (status, headers) => ({ status, headers,
	type: 'application/problem+json', body: { type: 'about:blank',
		title: 'No', status, detail: 'no', site: 1101 } });
const page = (status, headers) => ({ status, headers,
	type: 'text/html; charset=utf-8', body: '<!DOCTYPE html><title>No</title>' });

(async () => {
	const scenario = eval('(' + fs.readFileSync(0, 'utf8') + '\n)');

	console.log(JSON.stringify(await scenario({ World, cursor, message, answer,
		problem, page })));
	process.exit(0);
})().catch(error => {
	console.error(error);
	process.exit(1);
});

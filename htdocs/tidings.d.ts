// SPDX-License-Identifier: MIT
//
// tidings.d.ts - the types of tidings.js, which is also where its interface is
// described.  Times are milliseconds unless a name says otherwise.
//
// tidings.js is a plain script that exports nothing: it makes the globals at the
// end of this file.  A module imports tidings.mjs, which has `Tidings` as its
// default and by its name, and `EventSource`; from here it can take types alone.

/** A message as it was committed. */
export interface Message {
	/** Its cursor, `EPOCH-ID`: hand it back as `since`. */
	id: string;
	channel: string;
	/** The name of the event, or null if it was published without. */
	event: string | null;
	/** As stored; a BLOB arrives as a `data:` URL. */
	data: string;
	/** When it was committed, since 1970. */
	time: number;
	/** Of the data, if it was published with one. */
	content_type?: string;
}

/** The rungs of the ladder, named as the server's addresses are. */
export type Transport = 'ws' | 'sse' | 'longpoll' | 'iframe' | 'poll';

export type State =
	| 'connecting'	// a transport is being tried
	| 'open'	// messages come
	| 'waiting'	// the next try comes after `delay`
	| 'closed';	// for good, see `close`

export interface Options {
	/**
	 * Channels to watch, each by its exact name.  A WebSocket takes
	 * thousands, the other transports 100 (the server's `max_channels`).
	 */
	channels?: string | string[];
	/** Every channel whose name begins so. */
	prefixes?: string | string[];
	/**
	 * Where to begin: a cursor, 'earliest', 'latest', '-N' for the last N.
	 * Without it the page's `<meta name="tidings-cursor" content="...">`,
	 * and without that 'latest'.
	 */
	since?: string | number;
	/** Which transports, and in which order: default all of the above. */
	transports?: Transport[];
	/**
	 * One connection for all tabs of the site: default true.  Feeds share it
	 * that have the same url, transports and withCredentials.
	 */
	share?: boolean;
	/** Between two short polls: default 5000. */
	interval?: number;
	/** How long a long poll is held: default 25000. */
	wait?: number;
	/** A transport must prove itself within this time: default 5000. */
	timeout?: number;
	/** A stream without even a heartbeat for so long is dead: default 40000. */
	silence?: number;
	/** The first back-off is between 0 and this; it doubles: default 1000. */
	retry?: number;
	/**
	 * No back-off is longer than this: default 30000.  In the first two
	 * minutes of an outage none is longer than four seconds, or `retry`.
	 */
	maxRetry?: number;
	/** When a better transport is tried again; it doubles: default 15000. */
	upgrade?: number;
	/** Cookies and credentials to another origin: default false. */
	withCredentials?: boolean;
	/** The key to publish with, where the server asks for one. */
	key?: string;
}

/** Told by `status`. */
export interface Status {
	state: State;
	/** The one in use or being tried; of another tab if that has the line. */
	transport: Transport | null;
	/** In state 'waiting' until the next try, from now on; else 0. */
	delay: number;
	/**
	 * When the next try is, as Date.now() counts, to count down to it; null
	 * in other states.
	 */
	next: number | null;
	/**
	 * Why it waits: no answer; a server that asks for patience (429, 5xx);
	 * answers that are not Tidings' own, as of a wrong url, a front
	 * controller, a rate limiter or a page to log in.  Null if a stream
	 * ended as it should, and in other states.
	 */
	reason: 'unreachable' | 'busy' | 'foreign' | null;
	/** The HTTP status of that answer, where there was one; else 0. */
	code: number;
	/** This tab holds the connection (true), or another does (false). */
	leader: boolean;
}

/** Told by `close`: it is over, nothing is tried any more. */
export interface Closed {
	/** 'client' after close(), else 'refused'. */
	reason: 'client' | 'refused';
	/**
	 * The status that says so: 204, or one of 400, 401, 403, 404 and 410
	 * that Tidings itself answered; else 0.
	 */
	status: number;
}

export interface PublishOptions {
	event?: string;
	/** Default application/json if data is no string, else text/plain. */
	contentType?: string;
	/** Publishing twice with the same key is one message: default random. */
	dedup?: string;
}

/** What JSON has no word for. */
type NotJSON = ArrayBuffer | { readonly byteLength: number } | bigint | symbol
	| undefined | Map<any, any> | Set<any> | PromiseLike<any>
	| ((...any: any[]) => any);

/**
 * Messages come by `message` (each one) and by the name of their event.  Which
 * names an application uses beside those here it says itself, so that others
 * are found to be mistaken: `new Tidings<'headline' | 'slide'>('/push')`;
 * `Tidings<string>` takes any.
 *
 * What an option or argument can't be is a TypeError that names it, and so is
 * an option that does not exist: thrown at once, and by publish() a rejection.
 */
declare class Tidings<Events extends string = never> {
	/** @param url the base, '/push' on most hosts; absolute outside a page */
	constructor(url: string | { readonly href: string }, options?: Options);

	on(type: 'message', listener: (message: Message) => void): this;
	/** Messages come: the transport proved itself. */
	on(type: 'open', listener: (status: Status) => void): this;
	on(type: 'status', listener: (status: Status) => void): this;
	/** Something was missed: fetch what you show anew. */
	on(type: 'reset', listener: (reset: { cursor: string }) => void): this;
	on(type: 'close', listener: (closed: Closed) => void): this;
	/** Messages with this event name. */
	on(type: Events, listener: (message: Message) => void): this;
	/** Without a listener all of that type. */
	off(type: 'message' | 'open' | 'status' | 'reset' | 'close' | Events,
		listener?: (detail: any) => void): this;

	/** Up to where it has read; '' before the first answer. */
	readonly lastEventId: string;
	readonly status: Status;

	/** Further channels, from `since` on; without it what is new. */
	subscribe(channels: string | string[], since?: string | number): this;
	unsubscribe(channels: string | string[]): this;

	/**
	 * Resolves with the id once the message is committed.  Data that is no
	 * string is sent as JSON; bytes go by a request of your own.  Where the
	 * connection breaks, the server is busy or somebody in front of Tidings
	 * answers it is tried again, and is still one message; after six tries,
	 * some 30 seconds, it is rejected.  A refusal, with its `status`, is
	 * rejected at once.  Who needs an order waits for one before the next.
	 */
	publish<Data>(channel: string,
		data: Data & (Data extends NotJSON ? never : unknown),
		options?: PublishOptions): Promise<string>;
	/** The same with a callback, for where there is no Promise. */
	publish<Data>(channel: string,
		data: Data & (Data extends NotJSON ? never : unknown),
		options: PublishOptions | undefined | null,
		done: (error: (Error & { status?: number }) | null, id?: string) =>
			void): void;

	/** The next try is now, whatever `status` says of when it would be. */
	reconnect(): this;

	/** Ends it. */
	close(): void;
}

export type { Tidings };

type TidingsClass = typeof Tidings;
type OneOfBrowsers = typeof globalThis extends { EventSource: infer E } ? E : any;

declare global {
	/** In a plain script. */
	var Tidings: TidingsClass;
	var tidings: {
		/** Takes the place of window.EventSource, and stays up. */
		EventSource: OneOfBrowsers;
	};
}

// SPDX-License-Identifier: MIT
//
// tidings.d.ts - the types of tidings.js, which is also where its interface is
// described.  Times are milliseconds unless a name says otherwise.

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
	/** No back-off is longer than this: default 30000. */
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
	/** Until the next try, in state 'waiting'; else 0. */
	delay: number;
	/** This tab holds the connection (true), or another does (false). */
	leader: boolean;
}

/** Told by `close`: it is over, nothing is tried any more. */
export interface Closed {
	/** 'client' after close(), else 'refused'. */
	reason: 'client' | 'refused';
	/** The status that says so: 204, 400, 401, 403, 404 or 410; else 0. */
	status: number;
}

export interface PublishOptions {
	event?: string;
	/** Default application/json if data is no string, else text/plain. */
	contentType?: string;
	/** Publishing twice with the same key is one message: default random. */
	dedup?: string;
}

/** Messages come by `message` (each one) and by the name of their event. */
export class Tidings {
	/** @param url the base, '/push' on most hosts */
	constructor(url: string, options?: Options);

	on(type: 'message', listener: (message: Message) => void): this;
	/** Messages come: the transport proved itself. */
	on(type: 'open', listener: (status: Status) => void): this;
	on(type: 'status', listener: (status: Status) => void): this;
	/** Something was missed: fetch what you show anew. */
	on(type: 'reset', listener: (reset: { cursor: string }) => void): this;
	on(type: 'close', listener: (closed: Closed) => void): this;
	/** Messages with this event name. */
	on(type: string, listener: (message: Message) => void): this;
	off(type: string, listener?: (detail: any) => void): this;

	/** Up to where it has read; '' before the first answer. */
	readonly lastEventId: string;
	readonly status: Status;

	/** Further channels, from `since` on; without it what is new. */
	subscribe(channels: string | string[], since?: string | number): this;
	unsubscribe(channels: string | string[]): this;

	/**
	 * Resolves with the id once the message is committed.  Data that is no
	 * string is sent as JSON.  Where the connection breaks or the server is
	 * busy it is tried again, and is still one message; after six tries,
	 * some 30 seconds, it is rejected.  A refusal, with its `status`, is
	 * rejected at once.  Who needs an order waits for one before the next.
	 */
	publish(channel: string, data: unknown, options?: PublishOptions):
		Promise<string>;
	/** The same with a callback, for where there is no Promise. */
	publish(channel: string, data: unknown,
		options: PublishOptions | undefined | null,
		done: (error: (Error & { status?: number }) | null, id?: string) =>
			void): void;

	/** Ends it. */
	close(): void;
}

export default Tidings;

type TidingsClass = typeof Tidings;

declare global {
	/** In a plain script. */
	var Tidings: TidingsClass;
	var tidings: {
		/** Takes the place of window.EventSource, and stays up. */
		EventSource: typeof EventSource;
	};
}

// SPDX-License-Identifier: MIT
// The types of tidings.mjs; tidings.d.ts describes them.
export * from './tidings.js';
export declare const Tidings: typeof globalThis.Tidings;
export type Tidings<Events extends string = never> =
	import('./tidings.js').Tidings<Events>;
export { Tidings as default };
/** Takes the place of window.EventSource, and stays up. */
export declare const EventSource: typeof globalThis.tidings.EventSource;

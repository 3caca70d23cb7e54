// SPDX-License-Identifier: MIT
// The types of tidings.mjs; tidings.d.ts describes them.
export * from './tidings.js';
export { Tidings as default } from './tidings.js';
/** Takes the place of window.EventSource, and stays up. */
export declare const EventSource: typeof globalThis.EventSource;

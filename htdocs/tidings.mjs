// SPDX-License-Identifier: MIT
// tidings.js by its name: import { Tidings } from './tidings.mjs'.
import './tidings.js';

export const Tidings = globalThis.Tidings;
export const EventSource = globalThis.tidings.EventSource;
export default Tidings;

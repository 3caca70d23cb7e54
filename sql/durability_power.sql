-- SPDX-License-Identifier: MIT
PRAGMA synchronous = FULL;

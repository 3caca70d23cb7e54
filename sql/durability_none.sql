-- SPDX-License-Identifier: MIT
PRAGMA synchronous = OFF;

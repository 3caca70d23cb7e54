-- SPDX-License-Identifier: MIT
SAVEPOINT one;

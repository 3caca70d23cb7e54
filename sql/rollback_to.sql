-- SPDX-License-Identifier: MIT
ROLLBACK TO one;

-- SPDX-License-Identifier: MIT
RELEASE one;

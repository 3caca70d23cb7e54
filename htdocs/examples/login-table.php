<?php

// SPDX-License-Identifier: MIT
//
// login-table.php - the codes of login.php and phone.php.
//
//     open -> confirmed -> used         each of them may run out: expired
//        `--> refused
//
// A step takes the time once, from PHP: were it SQLite's, a second could turn over
// between two statements, and its function for it came with 3.38 only.

require_once __DIR__ . '/demo.php';

const LOGIN_SECONDS = 120;  // that a code is good for
const LOGIN_GRACE = 60;     // for the desktop to come, once it is confirmed

function login_db(): PDO
{
    return demo_db("CREATE TABLE IF NOT EXISTS demo_logins (
        code TEXT PRIMARY KEY,      -- hash of what the QR code has
        secret TEXT NOT NULL,       -- hash of what the desktop's session has
        channel TEXT NOT NULL,      -- where the desktop waits
        state TEXT NOT NULL
            CHECK (state IN ('open', 'confirmed', 'refused', 'used')),
        user TEXT,                  -- who confirmed
        browser TEXT NOT NULL,      -- of the desktop, as it says
        address TEXT NOT NULL,
        began INTEGER NOT NULL,     -- seconds since 1970
        expires INTEGER NOT NULL
    )");
}

function login_hash(string $secret): string
{
    return hash('sha256', $secret);
}

/** The row of a code that was hashed; its state may be 'expired'. */
function login_find(PDO $db, string $code, int $now): ?array
{
    $find = $db->prepare("SELECT *, expires - ? AS left,
        CASE WHEN state IN ('open', 'confirmed') AND expires <= ?
            THEN 'expired' ELSE state END AS state
        FROM demo_logins WHERE code = ?");
    $find->execute([$now, $now, $code]);
    return $find->fetch() ?: null;
}

/** The phone's word: true if it was in time and the first. */
function login_decide(PDO $db, string $code, string $state, string $user): bool
{
    return tidings_transaction($db, function (PDO $db) use ($code, $state, $user) {
        $now = time();
        $decide = $db->prepare("UPDATE demo_logins
            SET state = ?, user = ?, expires = ?
            WHERE code = ? AND state = 'open' AND expires > ?");
        $decide->execute([$state, $user, $now + LOGIN_GRACE, $code, $now]);
        if ($decide->rowCount() !== 1) {
            return false;
        }
        $channel = login_find($db, $code, $now)['channel'];
        tidings_publish($db, $channel, 'look now', 'login', ['expires' => LOGIN_GRACE]);
        return true;
    });
}

/** "Firefox on Windows" of a User-Agent. */
function login_browser(string $agent): string
{
    $find = function (array $marks, string $else) use ($agent): string {
        foreach ($marks as $mark => $name) {
            if (strpos($agent, $mark) !== false) {
                return $name;
            }
        }
        return $else;
    };
    return $find([
        'Edg' => 'Edge', 'OPR/' => 'Opera', 'Firefox/' => 'Firefox',
        'Chrome/' => 'Chrome', 'Safari/' => 'Safari',
    ], 'A browser') . ' on ' . $find([
        'Android' => 'Android', 'iPhone' => 'an iPhone', 'iPad' => 'an iPad',
        'Windows' => 'Windows', 'Mac OS' => 'a Mac', 'Linux' => 'Linux',
    ], 'an unknown system');
}

<?php

// SPDX-License-Identifier: MIT
//
// login.php - the server side of login.html, the desktop's half of a log-in by QR
// code; phone.php is the other half.
//
//     GET                    who is logged in here, and a token
//     POST do=begin token    makes a code
//     POST do=finish code token    asks for the log-in; says how the code stands
//     POST do=leave token    logs out
//
// What keeps others out:
//
// - The code (128 random bits) is in the QR code alone.  It lets a phone decide,
//   once, for two minutes; it logs nobody in.
// - The secret (256 random bits) stays in this browser's session.  Without it a
//   code can't be finished, though it be confirmed.
// - The message on the channel says "look now" and nothing else.  Whoever
//   overhears or forges one has nothing by it.
// - The table keeps hashes: who reads a copy of it can neither decide nor finish.
// - Each step is one UPDATE that names the state before it, so that of two who
//   come at once one is too late.
//
// What does not, here:
//
// - Somebody sends you the picture of *his* code, and you confirm it: he is logged
//   in as you.  Against that there are but the words of the phone's page, with the
//   browser and the address that ask.
// - Somebody photographs your code and confirms it first: *you* are logged in as
//   him, and the page says so by his name.
//
// Where more is at stake, show a number of two digits on the desktop and let the
// phone ask for it.  Who has the desktop before him can read it there; who was
// sent a picture has to be talked into it as well.

require_once __DIR__ . '/login-table.php';

const PER_MINUTE = 30;      // codes for one address
const ALL_PER_MINUTE = 300; // for all: one visitor may have many addresses

function begin(PDO $db): array
{
    $code = bin2hex(random_bytes(16));
    $secret = bin2hex(random_bytes(32));
    $channel = 'login.' . bin2hex(random_bytes(16));
    $cursor = tidings_transaction($db, function (PDO $db) use ($code, $secret, $channel) {
        $now = time();
        $db->prepare('DELETE FROM demo_logins WHERE expires < ?')
            ->execute([$now - 3600]);
        $count = $db->prepare('SELECT count(*), count(*) FILTER (WHERE address = ?)
            FROM demo_logins WHERE began > ?');
        $count->execute([$_SERVER['REMOTE_ADDR'], $now - 60]);
        [$all, $own] = $count->fetch(PDO::FETCH_NUM);
        if ($all >= ALL_PER_MINUTE || $own >= PER_MINUTE) {
            return null;
        }
        $db->prepare("INSERT INTO demo_logins
            (code, secret, channel, state, browser, address, began, expires)
            VALUES (?, ?, ?, 'open', ?, ?, ?, ?)")
            ->execute([login_hash($code), login_hash($secret), $channel,
                login_browser($_SERVER['HTTP_USER_AGENT'] ?? ''),
                $_SERVER['REMOTE_ADDR'], $now, $now + LOGIN_SECONDS]);
        return tidings_cursor($db);
    });
    if ($cursor === null) {
        demo_fail(429, 'Too many codes: wait a minute.');
    }
    // The latest few: there may be other windows.
    $_SESSION['secrets'] = array_slice(
        ($_SESSION['secrets'] ?? []) + [login_hash($code) => $secret],
        -5
    );
    return ['link' => 'examples/phone.php?code=' . $code, 'code' => $code,
        'channel' => $channel, 'cursor' => $cursor, 'seconds' => LOGIN_SECONDS];
}

/** Logs in if that is confirmed; the state that was found, and the user. */
function finish(PDO $db, string $code): array
{
    $code = login_hash($code);
    $secret = login_hash($_SESSION['secrets'][$code] ?? '');
    return tidings_transaction($db, function (PDO $db) use ($code, $secret) {
        $now = time();
        $login = login_find($db, $code, $now);
        if ($login === null || !hash_equals($login['secret'], $secret)) {
            return ['state' => 'unknown'];
        }
        $use = $db->prepare("UPDATE demo_logins SET state = 'used'
            WHERE code = ? AND state = 'confirmed' AND expires > ?");
        $use->execute([$code, $now]);
        return $use->rowCount() === 1
            ? ['state' => 'confirmed', 'user' => $login['user']]
            : ['state' => $login['state']];
    });
}

$db = login_db();
demo_session('tidings-desktop');

if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    if (!demo_is_ours()) {
        demo_fail(403, 'This page is out of date: load it again.');
    }
    switch (demo_field('do')) {
        case 'begin':
            demo_answer(begin($db), 201);
            // does not return
        case 'finish':
            $answer = finish($db, demo_field('code'));
            if ($answer['state'] === 'confirmed') {
                // Whoever knew the session until now does not know this one.
                // The old one stays, logged out: a request of another tab may
                // be on its way with it.
                session_regenerate_id(false);
                // Other windows may wait with a code of their own.
                $secrets = $_SESSION['secrets'];
                unset($secrets[login_hash(demo_field('code'))]);
                $_SESSION = ['user' => $answer['user'], 'secrets' => $secrets,
                    'token' => bin2hex(random_bytes(16))];
                $answer['token'] = $_SESSION['token'];
            }
            demo_answer($answer);
            // does not return
        case 'leave':
            session_regenerate_id(true);
            $_SESSION = ['token' => bin2hex(random_bytes(16))];
            break;
        default:
            demo_fail(400, 'do is begin, finish or leave.');
    }
}
demo_answer(['user' => $_SESSION['user'] ?? null, 'token' => $_SESSION['token']]);

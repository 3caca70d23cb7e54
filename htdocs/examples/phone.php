<?php

// SPDX-License-Identifier: MIT
//
// phone.php - the phone's half of a log-in by QR code: shows what asks, and takes
// the answer.  It needs no script.
//
//     GET code                            asks
//     POST code answer=confirm|refuse user token    decides

require_once __DIR__ . '/login-table.php';

demo_makes_pages();
$db = login_db();
// A cookie of its own: the same browser may be the desktop as well.
demo_session('tidings-phone');

$query = is_string($_GET['code'] ?? null) ? $_GET['code'] : '';
$code = login_hash($query);
$complaint = '';

if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $answer = demo_field('answer');
    // Where you write this, ask your session who is logged in on this phone.
    $user = demo_field('user');
    if (!demo_is_ours() || !in_array($answer, ['confirm', 'refuse'], true)) {
        http_response_code(403);
        $complaint = 'This page was out of date. Please decide again.';
    } elseif ($answer === 'confirm' && !demo_is_text($user, 1, 40)) {
        http_response_code(400);
        $complaint = 'Please say who you are, in 1 to 40 ordinary characters.';
    } else {
        $state = $answer === 'confirm' ? 'confirmed' : 'refused';
        if (login_decide($db, $code, $state, $answer === 'confirm' ? $user : '')) {
            $_SESSION['done'] = [$code => $state];
        }
        if ($answer === 'confirm') {
            $_SESSION['user'] = $user;
        }
        // So that a reload does not send it again.
        header('Location: phone.php?code=' . rawurlencode($query), true, 303);
        exit;
    }
}

$now = time();
$login = login_find($db, $code, $now);
$state = $login['state'] ?? 'unknown';
// What this very phone did is no surprise to it.
$done = $_SESSION['done'][$code] ?? '';
if ($done !== '' && $state !== 'expired') {
    $state = 'you-' . $done;
}
$titles = [
    'open' => 'Log in over there?',
    'you-confirmed' => 'Confirmed',
    'you-refused' => 'Refused',
    'confirmed' => 'Somebody has confirmed this already',
    'refused' => 'This code was refused',
    'used' => 'This code was used already',
    'expired' => 'This code has expired',
    'unknown' => 'This is no code of ours',
];
$words = [
    'you-confirmed' => 'The other screen is logging in. You can put the phone away.',
    'you-refused' => 'Nobody was logged in. The other screen is told so.',
    'confirmed' => 'A code is good for one answer. Ask for a new one if it was not you.',
    'refused' => 'Nobody was logged in by it. Ask for a new one on the other screen.',
    'used' => 'A code is good for one log-in. Ask for a new one on the other screen.',
    'expired' => 'It was good for two minutes. Ask for a new one on the other screen.',
    'unknown' => 'Scan the code on the other screen once more.',
];
$gone = ['confirmed' => 410, 'refused' => 410, 'used' => 410, 'expired' => 410,
    'unknown' => 404];
if ($state !== 'open') {
    // There is nothing left to decide.
    $complaint = '';
}
if ($complaint === '') {
    http_response_code($gone[$state] ?? 200);
}
header('Content-Type: text/html; charset=utf-8');
header('Cache-Control: no-store');
header('Referrer-Policy: no-referrer');
// Nobody lays this page, unseen, under a button of his own.
header("Content-Security-Policy: frame-ancestors 'none'");
?>
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title><?= h($titles[$state]) ?> - Tidings</title>
<link rel="icon" href="../icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="../style.css">
</head>
<body class="phone">
<a class="skip" href="#main">Skip to the question</a>
<header class="top"><a class="brand" href="../">Tidings</a></header>
<main id="main" data-state="<?= h($state) ?>">
<h1><?= h($titles[$state]) ?></h1>
<?php if ($complaint !== '') { ?>
<p class="state" role="alert" data-state="error"><?= h($complaint) ?></p>
<?php } ?>
<?php if ($state === 'open') { ?>
<p class="lead">Say yes only if the code is on a screen in front of you.</p>
<form method="post" class="panel">
<dl class="facts">
<div><dt>Browser</dt><dd><?= h($login['browser']) ?></dd></div>
<div><dt>Address</dt><dd><?= h($login['address']) ?></dd></div>
<div><dt>Asked</dt><dd><?= $now - $login['began'] ?> s ago</dd></div>
<div><dt>Good for</dt><dd>another <?= $login['left'] ?> s</dd></div>
</dl>
<label class="field"><span class="label">You are, on this phone</span>
<input type="text" name="user" maxlength="40" autocomplete="username"
value="<?= h($_SESSION['user'] ?? '') ?>"></label>
<input type="hidden" name="token" value="<?= h($_SESSION['token']) ?>">
<p class="row">
<button name="answer" value="confirm">Log in</button>
<button name="answer" value="refuse" class="plain">Refuse</button>
</p>
<p class="note">In the demo a name will do. On a site of yours the phone is
logged in already.</p>
</form>
<?php } else { ?>
<p class="lead"><?= h($words[$state]) ?></p>
<?php } ?>
</main>
</body>
</html>

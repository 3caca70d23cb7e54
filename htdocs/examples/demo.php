<?php

// SPDX-License-Identifier: MIT
//
// demo.php - what the example pages have in common: the database, a session with
// its token against forged requests, answers in JSON.
//
// Behind a reverse proxy REMOTE_ADDR is the proxy's address, and HTTPS is not set:
// there is one limit for all, and the cookie is not kept to https, until httpd is
// told who the proxy is (mod_remoteip) and you set both from what it says.  Each
// visit without a cookie makes a file for its session: see that PHP's old ones are
// removed (session.gc_probability, or Debian's cron job), and set a limit in httpd
// if that can be too many.

require_once __DIR__ . '/tidings.php';

/** The database of Tidings, which here has the examples' tables as well. */
function demo_db(string $tables): PDO
{
    $db = tidings_open((string) getenv('TIDINGS_DB'));
    $db->setAttribute(PDO::ATTR_DEFAULT_FETCH_MODE, PDO::FETCH_ASSOC);
    $db->exec($tables);
    return $db;
}

/** Takes up or begins the visitor's session, which has a token. */
function demo_session(string $name): void
{
    session_name($name);
    session_start([
        'use_strict_mode' => true,
        'use_only_cookies' => true,
        'cookie_httponly' => true,
        'cookie_samesite' => 'Lax',
        'cookie_secure' => !empty($_SERVER['HTTPS']),
        'cookie_path' => dirname($_SERVER['SCRIPT_NAME']),
    ]);
    $_SESSION['token'] = $_SESSION['token'] ?? bin2hex(random_bytes(16));
}

/**
 * A page of another site can make a browser post here, cookie and all, but it can't
 * read the token that belongs to the cookie.  True if the request has it.
 */
function demo_is_ours(): bool
{
    return hash_equals($_SESSION['token'], demo_field('token'));
}

/** A field of the form: text as UTF-8 without blanks around it, else ''. */
function demo_field(string $name): string
{
    $value = $_POST[$name] ?? '';
    return is_string($value) && preg_match('//u', $value) ? trim($value) : '';
}

/**
 * Whether that is so many characters, of one line or more, and something is to be
 * seen of them.  A name and all else that stands in a line has no marks that turn
 * the words around it (U+202A to 202E, 2066 to 2069).
 */
function demo_is_text(string $text, int $least, int $most, bool $lines = false): bool
{
    $character = $lines ? '(?:\P{Cc}|[\n\t])'
        : '[^\p{Cc}\x{202A}-\x{202E}\x{2066}-\x{2069}]';
    // Not control, format, combining or blank, the letters that look so too.
    $seen = '[^\p{Cc}\p{Cf}\p{M}\p{Z}\x{115F}\x{1160}\x{2800}\x{3164}\x{FFA0}]';
    return preg_match("/^$character{{$least},$most}\$/Du", $text) === 1
        && ($least === 0 || preg_match("/$seen/u", $text) === 1);
}

/** Text for HTML. */
function h(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
}

/** Answers with JSON, and that is all. */
function demo_answer(array $answer, int $status = 200): void
{
    http_response_code($status);
    header('Content-Type: application/' . ($status < 400 ? 'json' : 'problem+json'));
    header('Cache-Control: no-store');
    header('X-Content-Type-Options: nosniff');
    echo tidings_json($answer), "\n";
    exit;
}

/** Refuses with a sentence. */
function demo_fail(int $status, string $why): void
{
    if ($status === 429) {
        header('Retry-After: 60');
    }
    demo_answer(['status' => $status, 'detail' => $why], $status);
}

// What nobody expected is for the log; the visitor gets a sentence.
const DEMO_SORRY = 'This does not work at the moment.';

set_exception_handler(function (Throwable $error): void {
    error_log((string) $error);
    demo_fail(500, DEMO_SORRY);
});

/** The same for what makes pages: they are read by people. */
function demo_makes_pages(): void
{
    set_exception_handler(function (Throwable $error): void {
        error_log((string) $error);
        http_response_code(500);
        header('Content-Type: text/html; charset=utf-8');
        header('Cache-Control: no-store');
        echo "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            "\n<title>Sorry - Tidings</title>\n",
            '<link rel="stylesheet" href="../style.css">',
            "\n<main>\n<h1>Sorry</h1>\n<p class=\"lead\">", h(DEMO_SORRY),
            " Please try again later.</p>\n</main>\n</html>\n";
    });
}

<?php

// SPDX-License-Identifier: MIT
//
// news.php - the server side of news.html.
//
//     GET                        the latest headlines, the cursor that goes with
//                                them, and a token
//     POST headline text token   publishes one
//
// Here everybody is an editor.  A site of yours asks its own session first.

require_once __DIR__ . '/demo.php';

const SHOWN = 20;           // headlines on a page
const KEPT = 200;           // in the table
const PER_MINUTE = 10;      // from one address
const ALL_PER_MINUTE = 60;  // from all

function latest(PDO $db): array
{
    $latest = tidings_snapshot($db, function (PDO $db) {
        return [
            'cursor' => tidings_cursor($db),
            'headlines' => $db->query('SELECT id, headline, text, time
                FROM demo_news ORDER BY id DESC LIMIT ' . SHOWN)->fetchAll(),
        ];
    });
    // Before PHP 8.1 numbers come as text.
    foreach ($latest['headlines'] as &$row) {
        $row = ['id' => (int) $row['id'], 'time' => (int) $row['time']] + $row;
    }
    return $latest;
}

function too_many(PDO $db): bool
{
    $count = $db->prepare('SELECT count(*), count(*) FILTER (WHERE sender = ?)
        FROM demo_news WHERE time > ?');
    $count->execute([$_SERVER['REMOTE_ADDR'], (int) (microtime(true) * 1000) - 60000]);
    [$all, $own] = $count->fetch(PDO::FETCH_NUM);
    return $all >= ALL_PER_MINUTE || $own >= PER_MINUTE;
}

function publish(PDO $db, string $headline, string $text): array
{
    return tidings_transaction($db, function (PDO $db) use ($headline, $text) {
        if (too_many($db)) {
            return [];
        }
        $time = (int) (microtime(true) * 1000);
        $db->prepare('INSERT INTO demo_news (headline, text, time, sender)
            VALUES (?, ?, ?, ?)')
            ->execute([$headline, $text, $time, $_SERVER['REMOTE_ADDR']]);
        $news = ['id' => (int) $db->lastInsertId(), 'headline' => $headline,
            'text' => $text, 'time' => $time];
        tidings_publish($db, 'news', $news, 'headline');
        $db->exec('DELETE FROM demo_news
            WHERE id <= (SELECT max(id) FROM demo_news) - ' . KEPT);
        return $news;
    });
}

$db = demo_db('CREATE TABLE IF NOT EXISTS demo_news (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    headline TEXT NOT NULL,
    text TEXT NOT NULL,
    time INTEGER NOT NULL,  -- milliseconds since 1970
    sender TEXT NOT NULL    -- address
)');
demo_session('tidings-news');

if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $headline = demo_field('headline');
    $text = str_replace("\r\n", "\n", demo_field('text'));
    if (!demo_is_ours()) {
        demo_fail(403, 'This form is out of date: load the page again.');
    }
    if (!demo_is_text($headline, 1, 120)) {
        demo_fail(400, 'A headline has 1 to 120 characters, in one line.');
    }
    if (!demo_is_text($text, 0, 400, true)) {
        demo_fail(400, 'The text has at most 400 characters.');
    }
    $news = publish($db, $headline, $text);
    if ($news === []) {
        demo_fail(429, 'That is too much news: wait a minute.');
    }
    demo_answer($news, 201);
}
demo_answer(latest($db) + ['token' => $_SESSION['token']]);

<?php

// SPDX-License-Identifier: MIT
//
// news.php - the server side of news.html.
//
//     GET                        the latest headlines, the cursor that goes with
//                                them, and a token
//     POST headline text form token    publishes one; with the same form, of
//                                the page's making, once
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
    $latest['headlines'] = array_map('numbers', $latest['headlines']);
    return $latest;
}

/** Before PHP 8.1 numbers come as text. */
function numbers(array $row): array
{
    return ['id' => (int) $row['id'], 'time' => (int) $row['time']] + $row;
}

function too_many(PDO $db): bool
{
    $count = $db->prepare('SELECT count(*), count(*) FILTER (WHERE sender = ?)
        FROM demo_news WHERE time > ?');
    $count->execute([$_SERVER['REMOTE_ADDR'], (int) (microtime(true) * 1000) - 60000]);
    [$all, $own] = $count->fetch(PDO::FETCH_NUM);
    return $all >= ALL_PER_MINUTE || $own >= PER_MINUTE;
}

function publish(PDO $db, string $headline, string $text, ?string $form): array
{
    return tidings_transaction($db, function (PDO $db) use ($headline, $text, $form) {
        // Sent again, because the answer was lost: that one is it.
        $sent = $db->prepare('SELECT id, headline, text, time FROM demo_news
            WHERE form = ?');
        $sent->execute([$form]);
        $news = $sent->fetch();
        if ($news) {
            return numbers($news);
        }
        if (too_many($db)) {
            return [];
        }
        $time = (int) (microtime(true) * 1000);
        $db->prepare('INSERT INTO demo_news (headline, text, time, sender, form)
            VALUES (?, ?, ?, ?, ?)')
            ->execute([$headline, $text, $time, $_SERVER['REMOTE_ADDR'], $form]);
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
    sender TEXT NOT NULL,   -- address
    form TEXT UNIQUE        -- by which it was sent, however often
)');
demo_session('tidings-news');

if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $headline = demo_field('headline');
    $text = str_replace("\r\n", "\n", demo_field('text'));
    if (!demo_is_ours()) {
        demo_fail(403, 'This form is out of date: load the page again.');
    }
    if (!demo_is_text($headline, 1, 120)) {
        demo_fail(400, 'A headline has 1 to 120 ordinary characters, in one line.');
    }
    if (!demo_is_text($text, 0, 400, true)) {
        demo_fail(400, 'The text has at most 400 characters.');
    }
    $form = demo_field('form');
    if (!demo_is_text($form, 0, 64)) {
        demo_fail(400, 'The key of the form has at most 64 characters.');
    }
    $news = publish($db, $headline, $text, $form === '' ? null : $form);
    if ($news === []) {
        demo_fail(429, 'Too much news: wait a minute.');
    }
    demo_answer($news, 201);
}
demo_answer(latest($db) + ['token' => $_SESSION['token']]);

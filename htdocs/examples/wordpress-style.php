<?php

// SPDX-License-Identifier: MIT
//
// wordpress-style.php - an article with comments, made as a theme makes it: one
// request, all of the HTML from the server, a form that works without script.
// With it, comments of others come in while one reads.
//
//     GET                       the article
//     POST author comment token    takes a comment and goes back there
//
// The cursor in the head and the comments below it are read in one transaction.
// A comment that is committed later is behind that cursor: it comes over the feed,
// however long the page takes to load, and from a cache too.

require_once __DIR__ . '/demo.php';

const ARTICLE = 1;
const SHOWN = 50;           // comments on a page
const KEPT = 500;           // in the table
const PER_MINUTE = 6;       // from one address
const ALL_PER_MINUTE = 60;  // from all

function too_many(PDO $db): bool
{
    $count = $db->prepare('SELECT count(*), count(*) FILTER (WHERE sender = ?)
        FROM demo_comments WHERE time > ?');
    $count->execute([$_SERVER['REMOTE_ADDR'], (int) (microtime(true) * 1000) - 60000]);
    [$all, $own] = $count->fetch(PDO::FETCH_NUM);
    return $all >= ALL_PER_MINUTE || $own >= PER_MINUTE;
}

function insert_comment(PDO $db, string $author, string $text): bool
{
    return tidings_transaction($db, function (PDO $db) use ($author, $text) {
        if (too_many($db)) {
            return false;
        }
        $comment = ['author' => $author, 'text' => $text,
            'time' => (int) (microtime(true) * 1000)];
        $db->prepare('INSERT INTO demo_comments (author, text, time, sender)
            VALUES (?, ?, ?, ?)')
            ->execute([$author, $text, $comment['time'], $_SERVER['REMOTE_ADDR']]);
        $comment['id'] = (int) $db->lastInsertId();
        tidings_publish($db, 'comments.' . ARTICLE, $comment, 'comment');
        $db->exec('DELETE FROM demo_comments
            WHERE id <= (SELECT max(id) FROM demo_comments) - ' . KEPT);
        return true;
    });
}

/** One comment, as the script of the page makes it too. */
function list_comment(array $comment): void
{
    $time = gmdate('Y-m-d\TH:i:s\Z', intdiv((int) $comment['time'], 1000));
    ?>
<li id="comment-<?= (int) $comment['id'] ?>">
<p class="by"><b><?= h($comment['author']) ?></b>
<time datetime="<?= h($time) ?>"><?= h(substr($time, 0, 10) . ', '
    . substr($time, 11, 5)) ?> UTC</time></p>
<p class="comment-text"><?= h($comment['text']) ?></p>
</li>
    <?php
}

demo_makes_pages();
$db = demo_db('CREATE TABLE IF NOT EXISTS demo_comments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    author TEXT NOT NULL,
    text TEXT NOT NULL,
    time INTEGER NOT NULL,  -- milliseconds since 1970
    sender TEXT NOT NULL    -- address
)');
demo_session('tidings-blog');
$author = demo_field('author');
$text = str_replace("\r\n", "\n", demo_field('comment'));
$complaint = '';

if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    if (!demo_is_ours()) {
        http_response_code(403);
        $complaint = 'This page was out of date. Please send it again.';
    } elseif (!demo_is_text($author, 1, 40) || !demo_is_text($text, 1, 1000, true)) {
        http_response_code(400);
        $complaint = 'A comment needs a name, of 1 to 40 ordinary characters,'
            . ' and 1 to 1000 of text.';
    } elseif (!insert_comment($db, $author, $text)) {
        http_response_code(429);
        header('Retry-After: 60');
        $complaint = 'So many comments: please wait a minute.';
    } else {
        $_SESSION['author'] = $author;
        // So that a reload does not send it again.
        header('Location: wordpress-style.php#comments', true, 303);
        exit;
    }
} else {
    $author = $_SESSION['author'] ?? '';
}

[$meta, $total, $comments] = tidings_snapshot($db, function (PDO $db) {
    return [
        tidings_meta($db),
        (int) $db->query('SELECT count(*) FROM demo_comments')->fetchColumn(),
        $db->query('SELECT * FROM (SELECT id, author, text, time FROM demo_comments
            ORDER BY id DESC LIMIT ' . SHOWN . ') ORDER BY id')->fetchAll(),
    ];
});
header('Content-Type: text/html; charset=utf-8');
header('Cache-Control: no-cache, private');
?>
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A letter that arrives - Tidings</title>
<?= $meta ?>
<link rel="icon" href="../icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="../style.css">
</head>
<body>
<a class="skip" href="#main">Skip to the article</a>
<header class="top">
<a class="brand" href="../">Tidings</a>
<nav aria-label="Demo pages">
<ul>
<li><a href="../compare.html">Compare</a></li>
<li><a href="../quotes.html">Quotes</a></li>
<li><a href="../news.html">News</a></li>
<li><a href="../chat.html">Chat</a></li>
<li><a href="../login.html">QR login</a></li>
<li><a href="../monitor.html">Monitor</a></li>
<li><a href="../index.html#clocks">Clocks</a></li>
</ul>
</nav>
</header>

<main id="main">
<article class="post">
<h1>A letter that arrives</h1>
<p class="note">An article as a blog has it. The page is made by PHP; what is
live are the comments. Open it twice and write one.</p>
<p>A web page is a letter: it was true when it was written, and it does not
know what happened since. For most pages that does no harm. Below an article
where people talk to each other it does. They answer what was answered a minute
ago, because their page does not show it.</p>
<p>The old remedy is to ask again and again. The gap it leaves is small and easy
to overlook: between the moment in which the server reads the comments and that
in which the script begins to listen, a comment can slip through. It comes too
late for the page and too early for the script.</p>
<p>So this page carries a mark of how far it has read, and the script begins
there. Nothing comes too early any more.</p>
</article>

<section class="comments" aria-labelledby="comments">
<div class="heading">
<h2 id="comments"><span id="count"><?= $total ?></span>
<span id="noun"><?= $total === 1 ? 'comment' : 'comments' ?></span></h2>
<p class="state" id="state" role="status" data-state="wait">as of when the page
was loaded</p>
</div>
<ol class="comment-list" id="list" aria-labelledby="comments" aria-live="polite"
aria-relevant="additions">
<?php
foreach ($comments as $comment) {
    list_comment($comment);
}
?>
</ol>
<p class="note" id="missed" role="status" hidden>Comments are missing here:
<a href="wordpress-style.php">load the page again</a>.</p>

<form method="post" class="panel comment-form" id="form">
<h2>Leave a comment</h2>
<label class="field"><span class="label">Name</span>
<input type="text" name="author" maxlength="40" required autocomplete="nickname"
value="<?= h($author) ?>"></label>
<label class="field"><span class="label">Comment</span>
<textarea name="comment" rows="4" maxlength="1000" required><?=
$complaint !== '' ? "\n" . h($text) : '' ?></textarea></label>
<input type="hidden" name="token" value="<?= h($_SESSION['token']) ?>">
<p class="row"><button>Send</button></p>
<?php if ($complaint !== '') { ?>
<p class="note bad" role="alert"><?= h($complaint) ?></p>
<?php } ?>
</form>
</section>

<section class="panel below" aria-labelledby="server">
<h2 id="server">The server side</h2>
<p>The mark in the head and the comments are read in one transaction; a comment
and its message are committed in one.</p>
<pre tabindex="0"><code
data-of="examples/wordpress-style.php">[$meta, $total, $comments] = tidings_snapshot($db, function (PDO $db) {
    return [
        tidings_meta($db),
        (int) $db->query('SELECT count(*) FROM demo_comments')->fetchColumn(),
        $db-&gt;query('SELECT * FROM (SELECT id, author, text, time FROM demo_comments
            ORDER BY id DESC LIMIT ' . SHOWN . ') ORDER BY id')-&gt;fetchAll(),
    ];
});</code></pre>
<pre tabindex="0"><code
data-of="examples/wordpress-style.php">$db-&gt;prepare('INSERT INTO demo_comments (author, text, time, sender)
    VALUES (?, ?, ?, ?)')
    -&gt;execute([$author, $text, $comment['time'], $_SERVER['REMOTE_ADDR']]);
$comment['id'] = (int) $db-&gt;lastInsertId();
tidings_publish($db, 'comments.' . ARTICLE, $comment, 'comment');</code></pre>
<p class="note">WordPress itself keeps its comments in MySQL, so there the two
can’t be one transaction: the plugin in <code>examples/wordpress/</code> takes
the mark before WordPress reads, and publishes after it has saved.</p>
</section>
</main>

<footer class="foot"><a href="../">All pages</a> ·
<a href="../push/status">Status of the server</a></footer>

<script src="../tidings.js"></script>
<script>
// Without a cursor of its own the feed takes that of the page's <meta>.
(function () {
	'use strict';

	const names = {
		ws: 'a WebSocket',
		sse: 'server-sent events',
		longpoll: 'long polling',
		iframe: 'an iframe',
		poll: 'short polling'
	};
	const list = document.getElementById('list');
	const state = document.getElementById('state');

	function add(name, className, text, parent) {
		const node = document.createElement(name);

		if (className) {
			node.className = className;
		}
		node.textContent = text;
		parent.append(node);
		return node;
	}

	// What list_comment() prints.
	function show(comment) {
		const item = document.createElement('li');
		const time = new Date(comment.time).toISOString();

		item.id = 'comment-' + comment.id;
		if (document.getElementById(item.id)) {
			return;
		}
		item.className = 'fresh';
		const by = add('p', 'by', '', item);
		add('b', '', comment.author, by);
		by.append('\n');
		add('time', '', time.slice(0, 10) + ', ' + time.slice(11, 16) +
			' UTC', by).dateTime = time.slice(0, 19) + 'Z';
		add('p', 'comment-text', comment.text, item);
		list.append(item);
		const count = document.getElementById('count');
		count.textContent = Number(count.textContent) + 1;
		document.getElementById('noun').textContent =
			count.textContent === '1' ? 'comment' : 'comments';
	}

	// Whether a page with this cursor is loaded again for the first time: the
	// one that comes may be the same, from the same cache.
	function isNew() {
		const cursor = document.querySelector(
			'meta[name="tidings-cursor"]').content;

		try {
			const before = sessionStorage.getItem('tidings-reloaded');
			sessionStorage.setItem('tidings-reloaded', cursor);
			return before !== cursor;
		} catch (error) {
			return false;
		}
	}

	new Tidings('../push', { channels: 'comments.1' })
		.on('comment', message => {
			let comment;

			try {
				comment = JSON.parse(message.data);
			} catch (error) {
				return;
			}
			if (comment && Number.isSafeInteger(comment.id) &&
				Math.abs(comment.time) <= 8.64e15 &&
				typeof comment.author === 'string' &&
				typeof comment.text === 'string') {
				show(comment);
			}
		})
		// Too old a page.  Not while somebody writes.
		.on('reset', () => {
			if (!document.querySelector('textarea').value && isNew()) {
				location.reload();
			} else {
				document.getElementById('missed').hidden = false;
			}
		})
		.on('status', status => {
			const live = status.state === 'open';

			state.dataset.state = live ? 'live' :
				status.state === 'connecting' ? 'wait' : 'error';
			state.textContent = live ?
				'live over ' + names[status.transport] :
				status.state === 'connecting' ? 'connecting' :
				'the line broke, trying again';
		});
})();
</script>
</body>
</html>

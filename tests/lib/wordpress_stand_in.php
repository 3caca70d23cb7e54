<?php

// SPDX-License-Identifier: MIT
//
// wordpress_stand_in.php - not WordPress: the few functions of its API that
// htdocs/examples/wordpress/tidings-live.php calls, each the least that it may
// rely on, and the order in which WordPress runs the hooks of a page.  What it
// shows is that the plugin does its part of that contract.  (By hand the plugin was
// tried in WordPress 6.1 with MariaDB, when it still had transition_post_status in
// place of wp_after_insert_post: posts published, scheduled, corrected and private,
// comments approved at once and later, the head of its pages.)
//
//     page.php?post=1            a page with the post's comments
//     ...&between=before|after   and somebody comments while it is made, before
//                                or after the comments are read
//     ...&do=comment&author=A&approved=0|1|spam    saves one
//     ...&do=approve&comment=1   lets it through
//     ...&do=publish&old=draft   the post comes out
//
// WordPress has such links, with the post in the query, unless it is told to make
// others.

define('ABSPATH', __DIR__ . '/');
define('TIDINGS_DB', ($_GET['db'] ?? '') ?: getenv('TIDINGS_DB'));
define('TIDINGS_BASE', '/push');

$actions = $scripts = [];
$permalink = '/examples/wp/page.php?post=';

function add_action($hook, $function, $priority = 10, $arguments = 1)
{
    $GLOBALS['actions'][$hook][$priority][] = [$function, $arguments];
}

function do_action($hook, ...$values)
{
    $all = $GLOBALS['actions'][$hook] ?? [];
    ksort($all);
    foreach (array_merge(...$all) as [$function, $arguments]) {
        $function(...array_slice($values, 0, $arguments));
    }
}

function is_admin() { return false; }
function is_singular() { return true; }
function get_the_ID() { return (int) $_GET['post']; }
function esc_attr($text) { return htmlspecialchars($text, ENT_QUOTES); }
function esc_html($text) { return htmlspecialchars($text, ENT_QUOTES); }
function wp_json_encode($value) { return json_encode($value); }
function plugins_url($path, $file) { return $path; }
function get_the_title($post) { return $post->post_title; }
function get_permalink($post) { return $GLOBALS['permalink'] . $post->ID; }

function wp_enqueue_script($handle, $url, $needs = [], $version = '', $footer = false)
{
    $GLOBALS['scripts'][$handle] = '<script src="' . esc_attr($url) . '"></script>';
}

function wp_add_inline_script($handle, $text, $position = 'after')
{
    $GLOBALS['scripts'][$handle] = "<script>$text</script>" . $GLOBALS['scripts'][$handle];
}

// In place of MySQL.
$rows = new PDO('sqlite:' . dirname(getenv('TIDINGS_DB')) . '/wordpress.db');
$rows->setAttribute(PDO::ATTR_DEFAULT_FETCH_MODE, PDO::FETCH_OBJ);
$rows->exec('CREATE TABLE IF NOT EXISTS comments (comment_ID INTEGER PRIMARY KEY,
    comment_post_ID INT, comment_author TEXT, comment_approved TEXT)');

function get_comment($id)
{
    return $GLOBALS['rows']->query('SELECT * FROM comments WHERE comment_ID = '
        . (int) $id)->fetch();
}

function get_post($id)
{
    return (object) ['ID' => (int) $id, 'post_type' => 'post',
        'post_status' => $id == 2 ? 'private' : 'publish',
        'post_password' => $id == 3 ? 'secret' : '',
        'post_title' => 'Tea &amp; <b>biscuits</b>'];
}

function comment($author, $approved)
{
    $GLOBALS['rows']->prepare('INSERT INTO comments VALUES (NULL, ?, ?, ?)')
        ->execute([get_the_ID(), $author, $approved]);
    $id = (int) $GLOBALS['rows']->lastInsertId();
    // WordPress gives 1, 0 or 'spam'.
    do_action('comment_post', $id, is_numeric($approved) ? (int) $approved : $approved, []);
    return $id;
}

require __DIR__ . '/tidings-live.php';

do_action('init');
switch ($_GET['do'] ?? '') {
    case 'comment':
        exit((string) comment($_GET['author'], $_GET['approved']));
    case 'approve':
        $rows->exec("UPDATE comments SET comment_approved = '1'
            WHERE comment_ID = " . (int) $_GET['comment']);
        do_action('transition_comment_status', 'approved', 'unapproved',
            get_comment($_GET['comment']));
        exit;
    case 'publish':
        $before = clone get_post($_GET['post']);
        $before->post_status = $_GET['old'];
        // The address is known when the categories are, not before.
        $permalink = '/not-yet';
        do_action('transition_post_status', 'publish', $_GET['old'], get_post($_GET['post']));
        $permalink = '/examples/wp/page.php?post=';
        // A post that never was saved before has nothing before it.
        do_action('wp_after_insert_post', (int) $_GET['post'], get_post($_GET['post']),
            $_GET['old'] !== 'new', $_GET['old'] === 'new' ? null : $before);
        exit;
}
$between = $_GET['between'] ?? '';
if ($between === 'before') {
    comment('Before', '1');
}
$comments = $rows->query('SELECT * FROM comments WHERE comment_approved = 1
    AND comment_post_ID = ' . get_the_ID())->fetchAll();
if ($between === 'after') {
    comment('After', '1');
}
do_action('wp_enqueue_scripts');
echo "<!doctype html>\n<html lang=\"en\"><head><title>A theme</title>\n";
do_action('wp_head');
echo "</head>\n<body>\n<ol>\n";
foreach ($comments as $comment) {
    echo '<li id="comment-', $comment->comment_ID, '">',
        esc_html($comment->comment_author), "</li>\n";
}
echo "</ol>\n", implode("\n", $scripts), "\n</body></html>\n";

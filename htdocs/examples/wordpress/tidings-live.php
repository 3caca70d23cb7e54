<?php

// SPDX-License-Identifier: MIT

/*
 * Plugin Name: Tidings live
 * Description: Tells open pages of new comments and posts, at once.
 * Version: 1.0
 * Requires at least: 5.6
 * Requires PHP: 7.4
 * License: MIT
 *
 * Make a folder wp-content/plugins/tidings-live of this file, tidings-live.js
 * beside it, examples/tidings.php and tidings.js.  In wp-config.php:
 *
 *     define('TIDINGS_DB', '/var/lib/tidings/tidings.db');
 *     define('TIDINGS_BASE', '/push');         // if it is another
 *
 * PHP's user must be able to write to that database (tidings-sql(7)).
 *
 * WordPress keeps its tables in MySQL, so that row and message can't be one
 * transaction.  The order makes up for it.  The cursor is taken *before* WordPress
 * reads what the page shows: what is saved meanwhile may be both on the page and
 * in the feed, and the script passes over what it has; it can't be in neither.
 * And a message is published *after* its row is saved: whoever hears of it can
 * fetch it.  If that fails the row is there all the same, and the log says why.
 *
 * A page from a cache has an old cursor.  That is right too: the feed brings what
 * the page lacks, for as long as the messages are kept.
 */

defined('ABSPATH') || exit;

require_once __DIR__ . '/tidings.php';

add_action('init', 'tidings_live_begin', 1);
add_action('wp_head', 'tidings_live_head');
add_action('wp_enqueue_scripts', 'tidings_live_scripts');
add_action('comment_post', 'tidings_live_comment', 10, 2);
add_action('transition_comment_status', 'tidings_live_approved', 10, 3);
add_action('wp_after_insert_post', 'tidings_live_post', 10, 4);

/** Does the work; what goes wrong is for the log, never for the visitor. */
function tidings_live_try(callable $work): ?string
{
    static $db = null;
    try {
        $db = $db ?? tidings_open(TIDINGS_DB);
        return $work($db);
    } catch (Throwable $error) {
        error_log('tidings-live: ' . $error->getMessage());
        return null;
    }
}

/** Where the feed of this page begins: known before anything is read. */
function tidings_live_begin(): void
{
    if (!is_admin()) {
        tidings_live_cursor(tidings_live_try('tidings_cursor'));
    }
}

/** Keeps it until the head is printed. */
function tidings_live_cursor(?string $new = null): ?string
{
    static $cursor = null;
    return $cursor = $new ?? $cursor;
}

function tidings_live_head(): void
{
    if (tidings_live_cursor() !== null) {
        echo '<meta name="tidings-cursor" content="',
            esc_attr(tidings_live_cursor()), "\">\n";
    }
}

function tidings_live_scripts(): void
{
    if (tidings_live_cursor() === null) {
        return;
    }
    wp_enqueue_script('tidings', plugins_url('tidings.js', __FILE__), [], '1', true);
    wp_enqueue_script(
        'tidings-live',
        plugins_url('tidings-live.js', __FILE__),
        ['tidings'],
        '1',
        true
    );
    wp_add_inline_script('tidings-live', 'var tidingsLive = ' . wp_json_encode([
        'base' => defined('TIDINGS_BASE') ? TIDINGS_BASE : '/push',
        'post' => is_singular() ? get_the_ID() : 0,
    ]) . ';', 'before');
}

/** Everybody may read the channels: only what everybody may read goes there. */
function tidings_live_is_public($post): bool
{
    return $post && $post->post_status === 'publish' && $post->post_password === '';
}

/** A comment was saved; $approved is 1, 0 or 'spam'. */
function tidings_live_comment(int $id, $approved): void
{
    if ((string) $approved === '1') {
        tidings_live_publish_comment(get_comment($id));
    }
}

/** A comment that waited was let through. */
function tidings_live_approved(string $new, string $old, $comment): void
{
    if ($new === 'approved') {
        tidings_live_publish_comment($comment);
    }
}

function tidings_live_publish_comment($comment): void
{
    if (!$comment || !tidings_live_is_public(get_post($comment->comment_post_ID))) {
        return;
    }
    tidings_live_try(function (PDO $db) use ($comment) {
        return tidings_publish($db, 'comments.' . $comment->comment_post_ID, [
            'id' => (int) $comment->comment_ID,
            'author' => $comment->comment_author,
        ], 'comment', ['dedup' => 'comment-' . $comment->comment_ID]);
    });
}

/**
 * A post came out, now or at the time that was set.  Later corrections are not told.
 * By now its categories are saved as well, which its address may have in it.
 */
function tidings_live_post(int $id, $post, bool $update, $before): void
{
    if (
        $post->post_type !== 'post' || !tidings_live_is_public($post)
        || ($before && $before->post_status === 'publish')
    ) {
        return;
    }
    tidings_live_try(function (PDO $db) use ($post) {
        return tidings_publish($db, 'posts', [
            'id' => (int) $post->ID,
            'title' => html_entity_decode(get_the_title($post), ENT_QUOTES, 'UTF-8'),
            'link' => get_permalink($post),
        ], 'post');
    });
}

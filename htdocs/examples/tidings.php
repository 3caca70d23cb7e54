<?php

// SPDX-License-Identifier: MIT
//
// tidings.php - Tidings from PHP 7.4 or later with pdo_sqlite.  Copy this one
// file beside your own and require it; it has no other part.
//
//     require_once 'tidings.php';
//     $db = tidings_open('/var/lib/tidings/tidings.db');
//
//     // Publish, in the transaction that changes your own tables.
//     tidings_transaction($db, function (PDO $db) use ($headline) {
//         $db->prepare('INSERT INTO news (headline) VALUES (?)')
//             ->execute([$headline]);
//         tidings_publish($db, 'news', ['headline' => $headline]);
//     });
//
//     // Print a page, and from where on its script is to listen.
//     tidings_snapshot($db, function (PDO $db) {
//         echo tidings_meta($db);
//         foreach ($db->query('SELECT headline FROM news') as $row) { ... }
//     });
//
// What goes wrong is thrown as a RuntimeException with a sentence.  Nothing here
// needs a program of Tidings to run, nor a connection to one.

/**
 * Opens the database of Tidings: errors are exceptions, and who finds it busy
 * waits for up to five seconds.
 *
 * @param string $file the database, as in tidings.conf; it must exist
 */
function tidings_open(string $file): PDO
{
    if (!is_file($file)) {
        throw new RuntimeException("Tidings: there is no database $file");
    }
    $db = new PDO('sqlite:' . $file, null, null, [
        PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
        PDO::ATTR_TIMEOUT => 5,
    ]);
    tidings_schema($db);
    return $db;
}

/**
 * For an application whose tables lie in an SQLite file of their own: from here
 * on this connection has both, and one transaction covers both.  (After a loss
 * of power in the middle of a commit the two files could differ.)
 *
 * @param PDO    $db   the application's connection, outside of a transaction
 * @param string $file the database of Tidings; it must exist
 */
function tidings_attach(PDO $db, string $file): void
{
    if (!is_file($file)) {
        throw new RuntimeException("Tidings: there is no database $file");
    }
    if ($db->inTransaction()) {
        throw new RuntimeException(
            'Tidings: attach the database before the transaction begins'
        );
    }
    tidings_query($db, 'ATTACH DATABASE ? AS tidings', [$file]);
    tidings_schema($db);
}

/**
 * Publishes a message.  Inside a transaction it is sent when that commits, and
 * never if that is rolled back: then the cursor returned here is void as well.
 *
 * @param PDO         $db      from tidings_open(), tidings_attach(), or your own
 * @param string      $channel 1 to 255 bytes of UTF-8
 * @param mixed       $data    a string is sent as it is, all else as JSON
 * @param string|null $event   name of the event, null for a plain message
 * @param array       $options 'dedup'   => key: twice the same is one message,
 *                             'type'    => media type of a string,
 *                             'binary'  => true: the string is bytes, no text,
 *                             'expires' => seconds until it is worthless
 *
 * @return string the message's cursor; with 'dedup' perhaps of an earlier one
 */
function tidings_publish(
    PDO $db,
    string $channel,
    $data,
    ?string $event = null,
    array $options = []
): string {
    $unknown = array_diff_key($options, array_flip(['dedup', 'type', 'binary', 'expires']));
    if ($unknown !== []) {
        throw new RuntimeException('Tidings: there is no option ' . key($unknown));
    }
    $type = $options['type'] ?? null;
    if (!is_string($data)) {
        $data = tidings_json($data);
        $type = $type ?? 'application/json';
    }
    $expires = isset($options['expires'])
        ? (int) (microtime(true) * 1000 + $options['expires'] * 1000) : null;
    $dedup = isset($options['dedup']) ? (string) $options['dedup'] : null;

    $schema = tidings_schema($db);
    tidings_query($db, "INSERT INTO $schema.changes
        (channel, event, data, content_type, expires_ms, dedup)
        VALUES (?, ?, ?, ?, ?, ?)", [
        $channel,
        $event,
        empty($options['binary']) ? $data : [$data, PDO::PARAM_LOB],
        $type,
        $expires,
        $dedup,
    ]);
    if ($dedup === null) {
        $id = $db->lastInsertId();
    } else {
        $id = tidings_query($db, "SELECT id FROM $schema.changes
            WHERE channel = ? AND dedup = ?", [$channel, $dedup])[0][0];
    }
    return tidings_query($db, "SELECT value FROM $schema.meta
        WHERE name = 'epoch'")[0][0] . '-' . $id;
}

/**
 * Up to where the table goes now, as 'EPOCH-ID': a page that listens from here on
 * gets what is committed later, and nothing else.
 *
 * Ask for it *before* you read what the page shows, or in the same transaction
 * (tidings_snapshot()): else what is committed in between is missed.
 */
function tidings_cursor(PDO $db): string
{
    $schema = tidings_schema($db);
    return tidings_query($db, "SELECT value || '-' || coalesce((SELECT seq
        FROM $schema.sqlite_sequence WHERE name = 'changes'), 0)
        FROM $schema.meta WHERE name = 'epoch'")[0][0];
}

/**
 * The tag for the <head> of a page by which tidings.js finds its cursor.
 *
 * @param string|null $cursor from tidings_cursor(), if you have it already
 */
function tidings_meta(PDO $db, ?string $cursor = null): string
{
    return '<meta name="tidings-cursor" content="'
        . htmlspecialchars($cursor ?? tidings_cursor($db), ENT_QUOTES, 'UTF-8')
        . "\">\n";
}

/**
 * Does the work in a transaction that writes: commits when it returns, rolls back
 * and throws on when it throws.  It waits for other writers *before* the work
 * begins, which PDO's beginTransaction() does not: after that, a transaction that
 * reads first and writes later fails at once when somebody wrote in between.
 *
 * @param callable $work gets $db; what it returns is returned
 *
 * @return mixed
 */
function tidings_transaction(PDO $db, callable $work)
{
    return tidings_within($db, 'BEGIN IMMEDIATE', $work);
}

/**
 * Does the work in a transaction that only reads: all it sees, the cursor too, is
 * of one moment.  Keep it short.
 *
 * @param callable $work gets $db; what it returns is returned
 *
 * @return mixed
 */
function tidings_snapshot(PDO $db, callable $work)
{
    return tidings_within($db, 'BEGIN', $work);
}

// ---- what the above is made of

function tidings_within(PDO $db, string $begin, callable $work)
{
    tidings_query($db, $begin);
    try {
        $result = $work($db);
        tidings_query($db, 'COMMIT');
        return $result;
    } catch (Throwable $error) {
        try {
            tidings_query($db, 'ROLLBACK');
        } catch (RuntimeException $ignored) {
            // SQLite has rolled back by itself; the first error is the cause.
        }
        throw $error;
    }
}

/** Under which name this connection has the table of messages. */
function tidings_schema(PDO $db): string
{
    $schema = tidings_query($db, "SELECT name FROM pragma_database_list
        WHERE name IN ('main', 'tidings') ORDER BY name DESC LIMIT 1")[0][0];
    if ((int) tidings_query($db, "PRAGMA $schema.application_id")[0][0] !== 1414087751) {
        throw new RuntimeException(
            'Tidings: this database has no table of messages:'
            . ' open another, or use tidings_attach()'
        );
    }
    if ((int) tidings_query($db, 'PRAGMA busy_timeout')[0][0] === 0) {
        tidings_query($db, 'PRAGMA busy_timeout = 5000');
    }
    return $schema;
}

function tidings_json($data): string
{
    try {
        return json_encode($data, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE
            | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION);
    } catch (JsonException $error) {
        throw new RuntimeException(
            'Tidings: the data can\'t be written as JSON: ' . $error->getMessage(),
            0,
            $error
        );
    }
}

/** Runs one statement, however the connection tells its errors; all its rows. */
function tidings_query(PDO $db, string $sql, array $values = []): array
{
    $why = null;
    $failed = null;
    $statement = false;
    try {
        $statement = $db->prepare($sql);
        if ($statement === false) {
            $why = $db->errorInfo()[2];
        } else {
            foreach ($values as $i => $value) {
                [$value, $type] = is_array($value) ? $value : [
                    $value,
                    is_int($value) ? PDO::PARAM_INT : PDO::PARAM_STR,
                ];
                $statement->bindValue($i + 1, $value, $value === null
                    ? PDO::PARAM_NULL : $type);
            }
            if ($statement->execute()) {
                return $statement->fetchAll(PDO::FETCH_NUM);
            }
            $why = $statement->errorInfo()[2];
        }
    } catch (PDOException $error) {
        $failed = $error;
        $why = $error->errorInfo[2] ?? $error->getMessage();
    }
    throw new RuntimeException('Tidings: ' . $why, 0, $failed);
}

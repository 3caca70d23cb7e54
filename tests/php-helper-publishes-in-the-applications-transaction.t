#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 4: htdocs/examples/tidings.php publishes inside the application's own PDO
# transaction, in every mode of PDO's errors, in its own file or an attached one;
# what is rolled back is not sent; cursors fit the list that was read with them;
# what is wrong is refused with a sentence.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

HEAD = r'''<?php
error_reporting(E_ALL);
set_error_handler(function ($n, $why) { fwrite(STDERR, "$why\n"); exit(9); });
require $argv[1];
$file = $argv[2];
$shop = $argv[3];
function out($value) { echo json_encode($value), "\n"; }
function plain(string $file, int $mode): PDO
{
    $db = new PDO("sqlite:$file");
    $db->setAttribute(PDO::ATTR_ERRMODE, $mode);
    return $db;
}
function why(callable $work)
{
    try {
        return ['no error', $work()];
    } catch (RuntimeException $error) {
        return $error->getMessage();
    }
}
'''

# Each prints a value of JSON a line.
TRANSACTIONS = r'''
foreach ([PDO::ERRMODE_SILENT, PDO::ERRMODE_EXCEPTION] as $i => $mode) {
    $db = plain($file, $mode);
    $db->exec('CREATE TABLE IF NOT EXISTS news (headline TEXT)');
    foreach (['kept', 'lost'] as $what) {
        $db->beginTransaction();
        $db->prepare('INSERT INTO news VALUES (?)')->execute(["$what $i"]);
        $cursor = tidings_publish($db, 'news', "$what $i", 'headline');
        if ($what === 'kept') {
            $db->commit();
            out($cursor);
        } else {
            $db->rollBack();
        }
    }
}
$db = tidings_open($file);
out(tidings_transaction($db, function (PDO $db) {
    $db->exec("INSERT INTO news VALUES ('kept 2')");
    return tidings_publish($db, 'news', 'kept 2', 'headline');
}));
out(why(function () use ($db) {
    tidings_transaction($db, function (PDO $db) {
        $db->exec("INSERT INTO news VALUES ('lost 2')");
        tidings_publish($db, 'news', 'lost 2');
        throw new RuntimeException('changed my mind');
    });
}));
// A statement that fails, and the application that goes on: it decides.
out(why(function () use ($db) {
    tidings_transaction($db, function (PDO $db) {
        $db->exec("INSERT INTO news VALUES ('lost 3')");
        tidings_publish($db, '', 'no channel');
    });
}));
$db->exec('BEGIN');
out(why(function () use ($db) { tidings_transaction($db, function () {}); }));
$db->exec("INSERT INTO news VALUES ('kept 3')");
$db->exec('COMMIT');
out($db->query('SELECT headline FROM news')->fetchAll(PDO::FETCH_COLUMN));
'''

DATA = r'''
$db = tidings_open($file);
$all = ["two\nlines \"'<&>\u{1F514}\0end", '', '7', ['a' => "\u{20AC}/", 'b' => [1.0, null]],
    [], new stdClass(), null, false, 7, 1.5];
foreach ($all as $data) {
    tidings_publish($db, 'data', $data);
}
tidings_publish($db, 'data', "\xff\x00", null, ['binary' => true, 'type' => 'image/png']);
tidings_publish($db, 'data', '<b>', 'e', ['type' => 'text/html', 'expires' => 100]);
tidings_publish($db, 'data', 'over', null, ['expires' => -1]);
$a = tidings_publish($db, 'data', 'once', null, ['dedup' => 'k']);
tidings_publish($db, 'other', 'between');
out($a === tidings_publish($db, 'data', 'twice', null, ['dedup' => 'k']));
'''

CURSORS = r'''
$db = tidings_open($file);
$other = tidings_open($file);
out(tidings_cursor($db));
out(tidings_snapshot($db, function (PDO $db) use ($other) {
    $before = $db->query('SELECT count(*) FROM changes')->fetchColumn();
    tidings_publish($other, 'later', 'x');
    return [(int) $before, tidings_cursor($db),
        (int) $db->query('SELECT count(*) FROM changes')->fetchColumn()];
}));
out(tidings_cursor($db));
out(tidings_meta($db));
$db->exec('DELETE FROM changes');
out(tidings_cursor($db));
out(tidings_meta($db, '"><script>'));
'''

ATTACHED = r'''
$db = plain($shop, PDO::ERRMODE_SILENT);
$db->exec('CREATE TABLE stock (pieces INTEGER)');
$db->beginTransaction();
out(why(function () use ($db, $file) { tidings_attach($db, $file); }));
$db->rollBack();
out(why(function () use ($db) { tidings_publish($db, 'a', 'b'); }));
tidings_attach($db, $file);
foreach ([1, 2] as $i) {
    $db->beginTransaction();
    $db->exec("INSERT INTO stock VALUES ($i)");
    $cursor = tidings_publish($db, 'stock', ['pieces' => $i]);
    $i === 1 ? $db->commit() : $db->rollBack();
    $i === 1 && out($cursor === tidings_cursor($db));
}
out($db->query('SELECT pieces FROM stock')->fetchAll(PDO::FETCH_COLUMN));
'''

REFUSED = r'''
$db = tidings_open($file);
$publish = function (...$more) use ($db) {
    return why(function () use ($db, $more) { tidings_publish($db, ...$more); });
};
out($publish("a\nb", 'x'));
out($publish('a', 'x', 'tidings.mine'));
out($publish('a', str_repeat('x', 1048577)));
out($publish('a', ["\xff"]));
out($publish('a', 'x', null, ['typ' => 'text/html']));
out(why(function () use ($shop) { tidings_open($shop); }));
out(file_exists($shop));
touch($shop);
out(why(function () use ($shop) { tidings_open($shop); }));
file_put_contents($shop, str_repeat('no database ', 99));
out(why(function () use ($shop) { tidings_open($shop); }));
'''

BUSY = r'''
$db = plain($file, PDO::ERRMODE_SILENT);
$db->exec('PRAGMA busy_timeout = 150');
out(why(function () use ($db) { tidings_publish($db, 'busy', 'x'); }));
out((int) $db->query('PRAGMA busy_timeout')->fetchColumn());
$db->exec('PRAGMA busy_timeout = 0');
tidings_cursor($db);
out((int) $db->query('PRAGMA busy_timeout')->fetchColumn());
'''

# Reads first, writes then: with a plain BEGIN one of two would fail.
COUNT = r'''
$db = tidings_open($file);
for ($i = 0; $i < 40; $i++) {
    tidings_transaction($db, function (PDO $db) {
        $n = (int) $db->query("SELECT count(*) FROM changes WHERE channel = 'count'")
            ->fetchColumn();
        usleep(500);
        tidings_publish($db, 'count', (string) $n);
    });
}
out('done');
'''


class Php:
    def __init__(self, site):
        self.site = site
        self.n = 0

    def start(self, script):
        self.n += 1
        name = os.path.join(self.site.dir, '%d.php' % self.n)
        with open(name, 'w') as f:
            f.write(HEAD + script)
        return subprocess.Popen(
            ['php', '-d', 'display_errors=stderr', name,
             os.path.join(SRC, 'htdocs', 'examples', 'tidings.php'), self.site.db,
             os.path.join(self.site.dir, 'shop%d.db' % self.n)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, script):
        child = self.start(script)
        out, err = child.communicate(timeout=60 * PATIENCE)
        if child.returncode != 0 or err:
            raise Failure('php ended with %d: %s' % (child.returncode, err))
        return [json.loads(line) for line in out.splitlines()]


def transactions(t, site, php):
    s = site.stream('/push/sse?channel=news')
    s.wait('\n\n')
    out = php.run(TRANSACTIONS)
    s.wait('data: kept 2\n\n')
    s.close()
    t.equal(out[3], 'changed my mind', 'what the work throws is thrown on')
    t.ok(out[4].startswith('Tidings: ') and 'channel must be' in out[4],
         'so is what a statement says', out[4])
    t.ok('transaction within a transaction' in out[5],
         'one in another is refused', out[5])
    t.equal(out[6], ['kept 0', 'kept 1', 'kept 2', 'kept 3'],
            'rows are there or not, as it was decided')
    m = site.get('/push/poll?channel=news&since=earliest').json['messages']
    t.equal([(one['id'], one['event'], one['data']) for one in m],
            [(out[i], 'headline', 'kept %d' % i) for i in range(3)],
            'and so are messages, under the cursor that was returned')


def data(t, site, php):
    t.equal(php.run(DATA), [True], 'the same key twice is the same cursor')
    got = site.get('/push/poll?channel=data&since=earliest').json['messages']
    t.equal([one['data'] for one in got], [
        'two\nlines "\'<&>\U0001f514\0end', '', '7',
        '{"a":"\u20ac/","b":[1.0,null]}', '[]', '{}', 'null', 'false', '7', '1.5',
        'data:image/png;base64,/wA=', '<b>', 'once'],
            'strings are kept, all else is JSON, bytes are bytes')
    t.equal([row[0] for row in site.sql(
        "SELECT content_type FROM changes WHERE channel = 'data' ORDER BY id")],
            [None] * 3 + ['application/json'] * 7 +
            ['image/png', 'text/html', None, None], 'each has its media type')


def cursors(t, site, php):
    now = site.get('/push/poll?channel=x').json['cursor']
    epoch, last = now.split('-')
    later = '%s-%d' % (epoch, int(last) + 1)
    count = site.sql('SELECT count(*) FROM changes')[0][0]
    got = php.run(CURSORS)
    # What runs out may be removed meanwhile, but not while PHP reads.
    t.ok(got[1][0] == got[1][2] <= count, 'the table stands still while it is read', got[1])
    t.equal(got, [
        now, [got[1][0], now, got[1][0]], later,
        '<meta name="tidings-cursor" content="%s">\n' % later, later,
        '<meta name="tidings-cursor" content="&quot;&gt;&lt;script&gt;">\n'],
            'the cursor is of the moment that was read, also of an empty table')
    site.publish_sql('later', 'next')
    got = site.get('/push/poll?channel=later&since=' + later).json
    t.equal(([m['data'] for m in got['messages']], got['reset']), (['next'], False),
            'and the server takes it')


def main(t):
    need('php')
    modules = subprocess.run(['php', '-m'], capture_output=True, text=True).stdout
    if 'pdo_sqlite' not in modules:
        skip_all('needs php with pdo_sqlite')
    with Site() as site:
        php = Php(site)
        epoch = site.get('/push/poll?channel=x').json['cursor'].split('-')[0]
        t.equal(php.run('out(tidings_cursor(tidings_open($file)));'), [epoch + '-0'],
                'a new table has a cursor')
        transactions(t, site, php)
        data(t, site, php)
        cursors(t, site, php)

        out = php.run(ATTACHED)
        t.ok('before the transaction begins' in out[0], 'attach comes first', out[0])
        t.ok('no table of messages' in out[1], 'without it there is no table', out[1])
        t.equal(out[2:], [True, [1]], 'one transaction covers both files')
        t.equal([m['data'] for m in site.get(
            '/push/poll?channel=stock&since=earliest').json['messages']],
                ['{"pieces":1}'], 'and what was rolled back is not sent')

        out = php.run(REFUSED)
        for got, want in zip(out, (
                'channel must be text', 'event must be text', 'larger than max_data',
                'written as JSON', 'no option typ', 'there is no database', None,
                'no table of messages', 'not a database')):
            if want is None:
                t.equal(got, False, 'and no empty one is made')
            else:
                t.ok(isinstance(got, str) and got.startswith('Tidings: ') and want in got,
                     'refused: ' + want, got)

        db = site.connect()
        db.execute('BEGIN IMMEDIATE')
        out = php.run(BUSY)
        db.execute('ROLLBACK')
        db.close()
        t.equal(out, ['Tidings: database is locked', 150, 5000],
                'the application\'s busy timeout is kept; who has none gets one')

        both = [php.start(COUNT) for _ in range(2)]
        ends = [child.communicate(timeout=60 * PATIENCE) for child in both]
        t.equal(ends, [('"done"\n', '')] * 2, 'two who read and write wait for each other')
        t.equal([m['data'] for m in site.get(
            '/push/poll?channel=count&since=earliest').json['messages']],
                [str(n) for n in range(80)], 'and each sees what the other wrote')
        t.ok(site.lives(), 'the programs live')


run(main)

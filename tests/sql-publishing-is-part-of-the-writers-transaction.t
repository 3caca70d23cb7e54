#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: the sqlite3 shell, PHP PDO and Python publish by INSERT in a
# transaction that changes a table of their own: rolled back nothing is
# delivered, committed it is, on every transport.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

PHP = r'''
$db = new PDO('sqlite:' . $argv[1]);
$db->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
$db->exec('PRAGMA busy_timeout = 5000');
foreach ([['php rolled back', false], ["php committed: \u{20ac} \u{1f600}\nline 2", true]] as [$text, $keep]) {
    $db->beginTransaction();
    $db->prepare('INSERT INTO orders(what) VALUES (?)')->execute([$text]);
    $q = $db->prepare('INSERT INTO changes(channel, event, data) VALUES (?, ?, ?)');
    $q->execute(['orders', 'order', $text]);
    $keep ? $db->commit() : $db->rollBack();
}
'''
PYTHON = r'''
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=5)
for text, keep in (('python rolled back', False), ('python committed: \u20ac \U0001f600\nline 2', True)):
    try:
        with db:
            db.execute('INSERT INTO orders(what) VALUES (?)', (text,))
            db.execute('INSERT INTO changes(channel, event, data) VALUES (?, ?, ?)',
                       ('orders', 'order', text))
            if not keep:
                raise KeyError
    except KeyError:
        pass
'''
SHELL = '''.timeout 5000
BEGIN;
INSERT INTO orders(what) VALUES ('shell rolled back');
INSERT INTO changes(channel, event, data) VALUES ('orders', 'order', 'shell rolled back');
ROLLBACK;
BEGIN;
INSERT INTO orders(what) VALUES ('shell committed: € 😀' || char(10) || 'line 2');
INSERT INTO changes(channel, event, data)
    SELECT 'orders', 'order', what FROM orders ORDER BY id DESC LIMIT 1;
COMMIT;
'''


def main(t):
    writers = []
    php = shutil.which('php') and subprocess.run(
        ['php', '-m'], capture_output=True, text=True).stdout
    if shutil.which('sqlite3'):
        writers.append(('shell', ['sqlite3', '-batch', '-bail'], SHELL))
    else:
        t.note('SKIP: needs sqlite3')
    if php and 'pdo_sqlite' in php:
        writers.append(('php', ['php', '-r', PHP, '--'], None))
    else:
        t.ok(True, 'PHP PDO # SKIP needs php with pdo_sqlite')
    writers.append(('python', [sys.executable, '-c', PYTHON], None))
    with Site() as site:
        site.sql('CREATE TABLE orders(id INTEGER PRIMARY KEY, what TEXT)')
        start = site.get('/push/poll?channel=orders').json['cursor']
        sse = site.stream('/push/sse?channel=orders')
        frame = site.stream('/push/iframe?channel=orders')
        sse.wait('\n\n')
        frame.wait('-->\n')
        for name, argv, script in writers:
            held = http.client.HTTPConnection('127.0.0.1', site.port, timeout=20 * PATIENCE)
            held.request('GET', '/push/longpoll?channel=orders')
            wait_for(lambda: site.subscribers('orders') == 3, 15, 'the long poll')
            r = subprocess.run(argv + [site.db], input=script, text=True, capture_output=True,
                               timeout=60 * PATIENCE)
            t.equal((r.returncode, r.stderr), (0, ''), name + ' ran')
            text = name + ' committed: € 😀\nline 2'
            t.equal(site.sql('SELECT what FROM orders ORDER BY id DESC LIMIT 1'), [(text,)],
                    name + ': its own table has it')
            sse.wait('event: order\ndata: %s committed: € 😀\ndata: line 2\n\n' % name)
            t.ok(True, name + ': delivered over sse')
            frame.wait('"data":"%s committed' % name)
            t.ok(True, name + ': over the iframe')
            m = Response(held.getresponse()).json['messages']
            held.close()
            t.equal([x['data'] for x in m], [text], name + ': over the long poll')
        m = site.get('/push/poll?channel=orders&since=' + start).json['messages']
        t.equal([x['data'] for x in m],
                [w[0] + ' committed: € 😀\nline 2' for w in writers], 'poll: all, in order')
        for s in (sse, frame):
            t.ok(b'rolled back' not in s.buf, 'what was rolled back was never seen', s.buf)
            s.close()

        # An open transaction is not seen, however long it is.
        sse = site.stream('/push/sse?channel=open&channel=other')
        sse.wait('\n\n')
        db = site.connect()
        db.execute('BEGIN IMMEDIATE')
        db.execute("INSERT INTO changes(channel, data) VALUES ('open', 'pending')")
        t.equal(site.get('/push/poll?channel=open&since=earliest').json['messages'], [],
                'pending: poll does not see it')
        sse.read_some(0.2)
        t.ok(b'pending' not in sse.buf, 'nor does a stream')
        db.execute('ROLLBACK')
        db.execute("INSERT INTO changes(channel, data) VALUES ('other', 'done')")
        db.close()
        sse.wait('data: done')
        t.ok(b'pending' not in sse.buf, 'nor afterwards')
        sse.close()
        t.ok(site.lives(), 'the programs live')


run(main)

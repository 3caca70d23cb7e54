#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: a foreign writer cannot store what the programs could not send:
# names, events, sizes, types, ids; each refusal says why, and the clients
# notice nothing.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

MIB = 2**20
I = 'INSERT INTO changes'


def main(t):
    with Site() as site:
        s = site.stream('/push/sse?prefix=a')
        s.wait('\n\n')
        db = site.connect()
        channel, event = 'channel must be', 'event must be'
        rows = [
            # SQL, parameters, what the refusal says
            ('(channel, data) VALUES (?, 1)', ('',), channel),
            ('(channel, data) VALUES (?, 1)', (None,), 'NOT NULL'),
            ('(data) VALUES (?)', ('x',), 'NOT NULL'),
            ('(channel, data) VALUES (?, 1)', (b'a',), channel),
            ('(channel, data) VALUES (?, 1)', ('a' * 256,), channel),
            ('(channel, data) VALUES (?, 1)', ('ä' * 128,), channel),
            ('(channel, data) VALUES (?, 1)', ('😀' * 64,), channel),
            ("(channel, data) VALUES ('a' || char(0) || 'b', 1)", (), channel),
            ('(channel, event) VALUES (?, ?)', ('a', ''), event),
            ('(channel, event) VALUES (?, ?)', ('a', b'x'), event),
            ('(channel, event) VALUES (?, ?)', ('a', 'x' * 256), event),
            ('(channel, event) VALUES (?, ?)', ('a', 'tidings.reset'), event),
            ('(channel, event) VALUES (?, ?)', ('a', 'tidings.'), event),
            ("(channel, event) VALUES ('a', 'x' || char(0))", (), event),
            ('(channel, data) VALUES (?, ?)', ('a', None), 'NOT NULL'),
            ('(channel, data) VALUES (?, ?)', ('a', 'x' * (MIB + 1)), 'max_data'),
            ('(channel, data) VALUES (?, ?)', ('a', b'x' * (MIB + 1)), 'max_data'),
            ('(channel, data) VALUES (?, ?)', ('a', 'ä' * (MIB // 2) + 'x'), 'max_data'),
            ('(channel, content_type) VALUES (?, ?)', ('a', ''), 'content_type'),
            ('(channel, content_type) VALUES (?, ?)', ('a', 'text/ä'), 'content_type'),
            ('(channel, content_type) VALUES (?, ?)', ('a', 'a\r\nX: y'), 'content_type'),
            ('(channel, content_type) VALUES (?, ?)', ('a', b'x'), 'content_type'),
            ('(channel, content_type) VALUES (?, ?)', ('a', 'x' * 256), 'content_type'),
            ('(channel, created_ms) VALUES (?, ?)', ('a', 'now'), 'created_ms'),
            ('(channel, created_ms) VALUES (?, ?)', ('a', 1.5), 'created_ms'),
            ('(channel, created_ms) VALUES (?, ?)', ('a', None), 'NOT NULL'),
            ('(channel, expires_ms) VALUES (?, ?)', ('a', 'soon'), 'expires_ms'),
            ('(channel, expires_ms) VALUES (?, ?)', ('a', 0.5), 'expires_ms'),
            ('(channel, dedup) VALUES (?, ?)', ('a', ''), 'dedup'),
            ('(channel, dedup) VALUES (?, ?)', ('a', 'x' * 256), 'dedup'),
            ('(channel, dedup) VALUES (?, ?)', ('a', b'x'), 'dedup'),
            ('(id, channel, data) VALUES (?, ?, 1)', (1, 'a'), ''),
            ('(id, channel, data) VALUES (?, ?, 1)', (2, 'a'), 'grow'),
            ('(id, channel, data) VALUES (?, ?, 1)', (0, 'a'), 'grow'),
            ('(id, channel, data) VALUES (?, ?, 1)', (-1, 'a'), 'grow'),
            ('(id, channel, data) VALUES (?, ?, 1)', (2**53, 'a'), 'grow'),
            ('(id, channel, data) VALUES (?, ?, 1)', (2**63 - 1, 'a'), 'grow'),
            ('(id, channel, data) VALUES (?, ?, 1)', ('x', 'a'), ''),
        ]
        for c in list(range(1, 32)) + [127] + list(range(128, 160)):
            rows.append(('(channel, data) VALUES (?, 1)', ('a' + chr(c) + 'b',), channel))
            rows.append(('(channel, event) VALUES (?, ?)', ('a', 'x' + chr(c)), event))
        # Some history, of which the newest is gone.
        for n in range(6):
            site.publish_sql('before', str(n))
        db.execute("DELETE FROM changes WHERE id IN (2, 5, 6)")
        for sql, values, why in rows:
            for verb in ('INSERT', 'INSERT OR REPLACE'):
                # REPLACE is free to take the row's place or the default's.
                if verb != 'INSERT' and (None in values or values[:1] == (1,)):
                    continue
                try:
                    db.execute('%s INTO changes%s' % (verb, sql), values)
                    said = None
                except sqlite3.Error as e:
                    said = str(e)
                t.ok(said is not None and why in said, '%s: %s %.60a' % (verb, sql, values), said)
        for sql in ("UPDATE changes SET data = 'y'", "UPDATE changes SET id = id + 100",
                    "UPDATE changes SET channel = 'other' WHERE id = 1",
                    "UPDATE OR IGNORE changes SET expires_ms = 1"):
            try:
                db.execute(sql)
                said = None
            except sqlite3.Error as e:
                said = str(e)
            t.ok(said and 'never altered' in said, sql, said)
        t.equal(db.execute('SELECT id, data FROM changes ORDER BY id').fetchall(),
                [(1, '0'), (3, '2'), (4, '3')], 'nothing of it is stored, nothing changed')

        good = [
            ('(channel) VALUES (?)', ('a',)),
            ('(channel, data) VALUES (?, ?)', ('a' * 255, 'x' * MIB)),
            ('(channel, data) VALUES (?, ?)', ('a' + 'ä' * 127, b'x' * MIB)),
            ('(channel, data) VALUES (?, ?)', ('a\u00a0\u2028', 1)),
            ('(channel, data, event) VALUES (?, ?, ?)', ('a', 2.5, 'tidings')),
            ('(channel, data, event) VALUES (?, ?, ?)', ('a', '', 'x' * 255)),
            ('(id, channel, data) VALUES (?, ?, ?)', (1000, 'a', 'a gap is fine')),
            ('(channel, data) VALUES (?, ?)', ('a', 'the end')),
        ]
        for sql, values in good:
            db.execute(I + sql, values)
        t.equal(db.execute('SELECT count(*), max(id) FROM changes').fetchone(),
                (3 + len(good), 1001), 'what is allowed is taken')
        db.close()
        buf = s.wait('data: the end\n\n', 30)
        t.equal(buf.count(b'\ndata: '), len(good), 'and delivered')
        s.close()

        # SQLite cannot tell ill-formed UTF-8: such names are refused, or
        # repaired where they are sent.
        for hex_ in ('61ff', '61c0af', '61eda080', '6180', '61a0', '61f09f98'):
            for sql in ("(channel, data) VALUES (CAST(x'%s' AS TEXT), 'ill')",
                        "(channel, event, data) VALUES ('a', CAST(x'%s' AS TEXT), 'ill')"):
                before = site.get('/push/poll?prefix=a').json['cursor']
                try:
                    site.sql(I + sql % hex_)
                except sqlite3.Error:
                    continue
                r = site.get('/push/poll?prefix=a&since=' + before)
                m = r.json['messages'][0]
                r.body.decode()
                t.ok('\ufffd' in m['channel'] + str(m['event']), 'ill-formed: ' + sql % hex_, r)
                with site.stream('/push/sse?prefix=a&since=' + before) as s:
                    s.wait('data: ill\n\n').decode()
        t.ok(site.lives(), 'the programs live')


run(main)

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: the example of sql/examples, loaded as it is: an INSERT into the
# table of an application tells everybody who watches, in its transaction.
import re, sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def main(t):
    need('sqlite3')
    with open(os.path.join(SRC, 'sql', 'examples', 'trigger.sql')) as f:
        example = f.read()
    with Site() as site:
        def shell(text):
            return subprocess.run(['sqlite3', '-batch', '-bail', site.db],
                                  input='.timeout 5000\n' + text, text=True,
                                  capture_output=True, timeout=60 * PATIENCE)
        r = shell(example)
        t.equal((r.returncode, r.stderr), (0, ''), 'the example loads')
        r = shell(example)
        t.equal((r.returncode, r.stderr), (0, ''), 'twice as well')
        s = site.stream('/push/sse?channel=articles')
        s.wait('\n\n')
        r = shell("BEGIN; INSERT INTO articles(headline) VALUES ('withdrawn'); ROLLBACK;\n"
                  "INSERT INTO articles(headline, link) VALUES"
                  " ('It''s \"on\" <air>', 'https://example.org/?a=1&b=2');\n")
        t.equal((r.returncode, r.stderr), (0, ''), 'an application inserts a row')
        buf = s.wait('\n\n', 10) and s.wait('event: headline\ndata: ') and s.wait('}\n\n')
        data = json.loads(re.search(rb'event: headline\ndata: (.*)\n\n', buf).group(1))
        t.equal(data, {'id': 1, 'headline': 'It\'s "on" <air>',
                       'link': 'https://example.org/?a=1&b=2'}, 'the page has it, as JSON')
        t.ok(b'withdrawn' not in buf, 'what was rolled back is not told', buf)
        r = shell("UPDATE articles SET headline = 'corrected' WHERE id = 1;")
        buf = s.wait('event: correction\n') and s.wait('"corrected"')
        t.ok(b'"corrected"' in buf, 'an UPDATE is a correction')
        s.close()
        m = site.get('/push/poll?channel=articles&since=0').json['messages']
        t.equal([(x['event'], x.get('content_type')) for x in m],
                [('headline', 'application/json'), ('correction', 'application/json')],
                'stored with event and type')

        # A refusal of the change table refuses the row: both or neither.
        db = site.connect()
        try:
            db.execute('INSERT INTO articles(headline) VALUES (?)', ('x' * 2**20,))
            t.ok(False, 'too large')
        except sqlite3.Error as e:
            t.ok('max_data' in str(e), 'a row whose message is too large is refused', e)
        db.close()
        t.equal(site.sql('SELECT count(*) FROM articles'), [(1,)], 'with its own table unchanged')
        r = site.get('/push/poll?channel=articles&since=-1')
        t.equal(len(r.json['messages']), 1, 'and nothing published')

        # Many rows at once, by another language.
        s = site.stream('/push/sse?channel=articles')
        s.wait('\n\n')
        site.sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)"
                 " INSERT INTO articles(headline) SELECT 'h' || i FROM n")
        buf = s.wait('"h200"')
        t.equal(re.findall(rb'"headline":"h(\d+)"', buf), [b'%d' % n for n in range(1, 201)],
                'two hundred rows of one statement, in order')
        s.close()
        t.ok(site.lives(), 'the programs live')


run(main)

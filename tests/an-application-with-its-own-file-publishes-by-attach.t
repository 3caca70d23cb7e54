#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: an application whose tables lie in a file of their own attaches
# the change table, as in sql/examples: one transaction covers both, and the
# message comes at once.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def main(t):
    need('sqlite3')
    with open(os.path.join(SRC, 'sql', 'examples', 'attach.sql')) as f:
        example = f.read()
    with Site() as site:
        example = example.replace('/var/lib/tidings/tidings.db', site.db)
        shop = os.path.join(site.dir, 'shop.db')

        def shell(text):
            return subprocess.run(['sqlite3', '-batch', '-bail', shop], text=True,
                                  input='.timeout 5000\n' + text, capture_output=True,
                                  timeout=60 * PATIENCE)
        shell('CREATE TABLE stock(article INTEGER PRIMARY KEY, pieces INTEGER);'
              'INSERT INTO stock VALUES (4711, 10);')
        s = site.stream('/push/sse?channel=stock')
        s.wait('\n\n')
        for left in (9, 8):
            r = shell(example)
            t.equal((r.returncode, r.stderr), (0, ''), 'the example runs')
            s.wait('data: {"article":4711,"pieces":%d}\n\n' % left)
            t.ok(True, 'and the message comes: %d left' % left)
        r = shell(example.replace('COMMIT', 'ROLLBACK'))
        t.equal((r.returncode, r.stderr), (0, ''), 'rolled back')
        r = shell('SELECT pieces FROM stock;')
        t.equal(r.stdout, '8\n', 'neither the stock has changed')
        m = site.get('/push/poll?channel=stock&since=0').json['messages']
        t.equal(len(m), 2, 'nor is there a message')
        s.close()
        t.ok(site.lives(), 'the programs live')


run(main)

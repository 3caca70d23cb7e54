#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# echo-false-spares-the-publisher-alone.t - the publish operation with
# "echo":false: the connection that published does not get the message, every
# other one does, and nobody's order changes: in batches, in flight, in a storm
# of writers, where it is refused or stored already, and while the publisher is
# behind.
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import Ops, SseFollower

SETTINGS = {'access': {'publish_from_loopback': 'no', 'publish_key': 'app:secret'},
            'retention': {'count': '100000'}}
# Adds rows of its own to the table until it is told to stop.
WRITER = r'''
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)
print('ready', flush=True)
n = 0
while n < 100000 and not select_stop():
    db.execute("INSERT INTO changes(channel, data) VALUES ('a', ?)", ('%s %d' % (sys.argv[2], n),))
    n += 1
    time.sleep(0.002)
'''.replace('select_stop()', '__import__("select").select([sys.stdin], [], [], 0)[0]')


def publish(**members):
    return dict({'op': 'publish', 'channel': 'a', 'key': 'secret'}, **members)


def marked(everybody, other, text):
    """What each has got when this last message has come."""
    other.ask(**publish(data=text))
    return [o.take_until(text) for o in everybody]


def main(tap):
    with Site(SETTINGS) as site:
        port = free_port()
        site.spawn([os.path.join(reachable_build(), 'daemon', 'wsd'), '-c', site.conf, '-l',
                    '127.0.0.1:%d' % port])

        def listens():
            with contextlib.suppress(OSError):
                socket.create_connection(('127.0.0.1', port), 5).close()
                return True
        wait_for(listens, 20, 'a second daemon')
        page = '?channel=a&channel=b'
        me, same = Ops(site.ws_port, page), Ops(site.ws_port, page)
        proxied, second = Ops(site.port, page), Ops(port, page)
        sse = SseFollower(site, 'channel=a&channel=b', 'latest')
        site.wait_subscribers('a', 5)
        others = (same, proxied, second)
        all = (me,) + others

        def check(name, mine, theirs):
            """A message of somebody else ends what each has got."""
            end = 'end of ' + name
            got = marked(all, same, end)
            tap.equal(got[0], mine + [end], name + ': what the publisher has')
            for who, one in zip(('another connection', 'one through httpd',
                                 'one of another daemon'), got[1:]):
                tap.equal(one, theirs + [end], '%s: %s has all' % (name, who))
            with contextlib.suppress(Failure):
                sse.wait_data(end, 20)
            tap.equal(sse.data, theirs + [end], name + ': SSE as well')
            sse.got.clear()

        r = me.ask(**publish(data='x', echo=False, ref=1))
        tap.ok(r['op'] == 'ok' and r['ref'] == 1 and 'id' in r, 'one: it is answered', r)
        check('one', [], ['x'])
        m = site.get('/push/poll?channel=a&since=-2').json['messages'][0]
        tap.ok(m['data'] == 'x' and 'echo' not in str(m), 'echo is not part of the message', m)
        me.ask(**publish(data='y', echo=True))
        me.ask(**publish(data='z'))
        check('echo true or left out', ['y', 'z'], ['y', 'z'])
        for bad in ('no', 0, 1, [], {}):
            r = me.ask(**publish(data='bad', echo=bad, ref=2))
            tap.ok(r['op'] == 'error' and r['status'] == 400 and r['ref'] == 2,
                   'echo: %r is an error' % (bad,), r)

        batch = [{'channel': c, 'data': d} for c, d in
                 (('a', '1'), ('b', '2'), ('a', '3'), ('nobody', 'n'), ('b', '4'))]
        r = me.ask(op='publish', key='secret', messages=batch, echo=False)
        tap.equal([m['channel'] for m in r['messages']], ['a', 'b', 'a', 'nobody', 'b'],
                  'a batch: it is answered')
        me.ask(op='publish', key='secret', messages=batch[:2])
        check('a batch', ['1', '2'], ['1', '2', '3', '4', '1', '2'])

        want = ['f%d' % n for n in range(600)]
        for n, data in enumerate(want):
            if n % 3:
                me.queue(**publish(data=data, echo=n % 3 == 1, ref=n))
            else:
                me.queue(**publish(data=data, ref=n))
        answers = me.flush(600)
        tap.ok([a['ref'] for a in answers] == list(range(600)) and
               {a['op'] for a in answers} == {'ok'}, 'in flight: all are answered, in order')
        check('in flight', [d for n, d in enumerate(want) if n % 3 != 2], want)

        # What is not stored keeps nothing else from anybody.
        refused = [dict(publish(data='r', echo=False), key='wrong'),
                   publish(data='x' * (2 ** 20 + 1), echo=False),
                   publish(echo=False),
                   dict(publish(echo=False), messages=[{'channel': 'a', 'data': '1'}, {}])]
        for n, members in enumerate(refused):
            r = me.ask(**members)
            tap.ok(r['op'] == 'error', 'refused %d' % n, r)
            same.ask(**publish(data='after %d' % n))
        texts = ['after %d' % n for n in range(len(refused))]
        check('refused', texts, texts)
        me.ask(**publish(data='d', dedup='d', echo=False))
        same.ask(**publish(data='e', dedup='e'))
        ids = [me.ask(**publish(data='d', dedup='d', echo=False))['id'] for _ in range(2)]
        me.ask(**publish(data='e', dedup='e', echo=False))
        tap.equal(ids[0], ids[1], 'stored already: the same id')
        r = me.ask(**publish(data='other', dedup='e', echo=False))
        tap.equal(r.get('status'), 409, 'or a conflict')
        r = me.ask(op='publish', key='secret', echo=False, messages=[
            {'channel': 'a', 'data': 'e', 'dedup': 'e'}, {'channel': 'a', 'data': 'g'}])
        same.ask(**publish(data='f'))
        check('stored already', ['e', 'f'], ['d', 'e', 'g', 'f'])

        # Three writers in other processes, and two publishers at once.
        writers = [subprocess.Popen([sys.executable, '-c', WRITER, site.db, 'w%d' % n],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                   for n in range(3)]
        site.children += writers
        for w in writers:
            w.stdout.readline()
        first = site.sql('SELECT max(id) FROM changes')[0][0]
        two, mine = (me, same), ([], [])
        for n in range(400):
            for i, o in enumerate(two):
                o.queue(**publish(data='p%d %d' % (i, n), echo=n % 2 == 0, ref=n))
            if n % 5 == 4:
                for i, o in enumerate(two):
                    mine[i].extend((a['id'], a['ref']) for a in o.flush(5))
        for w in writers:
            w.stdin.close()
        for w in writers:
            w.wait(20 * PATIENCE)
        proxied.ask(**publish(data='end of the storm'))
        rows = site.sql('SELECT id, data FROM changes WHERE id > ? ORDER BY id', first)
        tap.note('%d messages in the storm' % len(rows))
        for o, spared, who in ((me, 'p0', 'one publisher'), (same, 'p1', 'the other'),
                               (proxied, None, 'one who does not publish'),
                               (second, None, 'one of another daemon')):
            want = [d for _, d in rows if not (spared and d.startswith(spared + ' ') and
                                               int(d.split()[1]) % 2)]
            got = o.take_until('end of the storm')
            # Those that came as the writers began.
            got = got[len(got) - len(want):] if len(got) > len(want) and \
                got[0].startswith('w') else got
            tap.ok(got == want, 'a storm: %s has what it is to have, in order' % who,
                   len(got), len(want), [x for x in zip(got, want) if x[0] != x[1]][:3])
        with contextlib.suppress(Failure):
            sse.wait_data('end of the storm', 20)
        sse.got.clear()

        # Behind: what it publishes meanwhile is in the table before it gets there.
        behind = Ops(site.ws_port, '?channel=a&channel=big', rcvbuf=4096)
        for n in range(120):
            site.publish_sql('big', '%d ' % n + 'x' * 100000)
        behind.ws.sock.settimeout(20 * PATIENCE)
        late = ['b%d' % n for n in range(20)]
        for n, data in enumerate(late):
            behind.ws.send(1, json.dumps(publish(data=data, echo=n % 2 == 0, ref=n)))
            if n % 4 == 0:
                same.ask(**publish(data='between %d' % n))
        tap.ok(set(late) <= set(same.take_until('b19')), 'behind: the others have its messages')
        same.ask(**publish(data='end of behind'))
        behind.ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        got = behind.take_until('end of behind')
        tap.equal([d for d in got if ' x' not in d and d[0] == 'b' and d[1] != 'e'],
                  late[::2], 'behind: it is spared its own')
        tap.equal([d for d in got if d.startswith('between')],
                  ['between %d' % n for n in range(0, 20, 4)], 'and has those of others')
        tap.equal([int(d.split()[0]) for d in got if ' x' in d], list(range(120)),
                  'and all that it was behind with')

        # The connection is spared, not who comes back.
        with contextlib.closing(Ops(site.ws_port, '?channel=a&since=%d' % first)) as again:
            got = again.take_until('end of behind')
            tap.ok('p0 1' in got and 'b1' in got, 'a new connection gets them from its cursor')
        tap.ok(site.lives(), 'the programs live')
        # Who asks for what was before asks for all of it.
        for first in ('own', 'nobody'):
            with contextlib.closing(Ops(site.ws_port, '?channel=' + first)) as o:
                for n in range(3):
                    o.ask(op='publish', channel='own', key='secret', data='own %d' % n, echo=False)
                o.ask(op='subscribe', channel='own', since='earliest')
                tap.equal([d for _, d in o.take(3)], ['own %d' % n for n in range(3)],
                          'the same one gets them where it subscribes from an earlier cursor')
            site.sql("DELETE FROM changes WHERE channel = 'own'")
        for o in all + (behind,):
            o.close()
        sse.stop()


run(main)

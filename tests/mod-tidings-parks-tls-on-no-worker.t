#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# mod-tidings-parks-tls-on-no-worker.t - every transport over TLS, HTTP/1.0 and
# 1.1, is parked by mpm_event: live, logged with the program's status, and 120
# at once with none of six workers busy.  Where the MPM can't, mod_proxy does.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from handover_cases import *

MANY = 120


def tls(site):
    return Talk(site, tls=True)


def streams(tap, site):
    for program in STREAMS:
        for version in ('1.1', '1.0'):
            what = '%s by HTTP/%s' % (program, version)
            with tls(site) as c:
                c.get('/push/%s?channel=%s' % (program, program), version=version)
                tap.ok(c.status == 200 and not c.is_chunked and not c.header('Content-Length')
                       and c.header('Connection') == 'close', what, c.head)
                for n in range(5):
                    site.publish_sql(program, 'of %s %d' % (version, n))
                    c.wait('of %s %d' % (version, n))
                tap.equal((c.ended, site.why(c)), (False, []), what + ': live, and not declined')
            tap.equal(site.way(c), PARKED, what + ': parked')
    with tls(site) as c:
        for _ in range(3):
            c.get('/push/poll?channel=sse&since=earliest').read_body()
        c.get('/push/sse?channel=sse&since=earliest').wait('of 1.0 4')
        tap.ok(c.header('Connection') == 'close' and not c.is_chunked,
               'the fourth request of a connection is parked', c.head)
    tap.equal(site.way(c, 3), PARKED, 'as the log tells')
    # One behind the other in one record: the first is not held yet.
    with tls(site) as c:
        c.sock.sendall(c.request('/tidings.js') + c.request('/push/sse?channel=sse&since=earliest'))
        c.read_head().read_body()
        c.read_head().wait('of 1.0 4')
        tap.ok(c.status == 200, 'and one that came together with another', c.head)


def answers(tap, site):
    with tls(site) as c:
        c.ask('/push/longpoll?channel=lp&wait=20')
        site.wait_subscribers('lp', 1)
        site.publish_sql('lp', 'to who waits')
        c.read_head().read_body()
        tap.equal([m['data'] for m in json.loads(c.body)['messages']], ['to who waits'],
                  'a long poll is answered by a message')
        c.wait_end()
        tap.ok(not c.torn, 'and ends by close_notify')
    tap.equal(site.way(c), PARKED, 'parked')
    rows = [('/push/longpoll?channel=e&wait=1', {}, 200), ('/push/longpoll?channel=', {}, 400),
            ('/push/sse?channel=', {}, 400),
            ('/push/ws?channel=a', dict(UPGRADE, Origin='https://evil.example'), 403),
            ('/push/ws?channel=a', {}, 426)]
    etag = None
    for path, headers, want in rows:
        with tls(site) as c:
            c.get(path, headers=headers).wait_end()
            tap.ok(c.status == want and not c.torn and len(c.body) == int(
                c.header('Content-Length')), 'an answer of %d, whole' % want, c.head, c.body)
            etag = etag or c.header('ETag')
        tap.equal(wait_for(lambda: site.logged(c), 5, 'its line'), [(PARKED, str(want))],
                  'and logged so')
    with tls(site) as c:
        c.get('/push/longpoll?channel=e&wait=0', headers={'If-None-Match': etag}).wait_end()
        tap.ok(c.status == 304 and not c.body and not c.torn, 'one of 304 without a body', c.head)


def crowd(tap, site):
    held = []
    for n in range(MANY):
        kind = ('sse', 'iframe', 'longpoll', 'ws')[n % 4]
        c = tls(site).ask('/push/%s?channel=crowd&wait=60' % kind,
                          headers=UPGRADE if kind == 'ws' else {})
        held.append((kind, c))
    site.wait_subscribers('crowd', MANY)
    tap.ok(wait_for(lambda: site.busy() == 0, 5, 'free workers'),
           '%d are parked: no worker is busy' % MANY)
    board = site.board()
    tap.equal((board['Processes'], int(board['BusyWorkers']) + int(board['IdleWorkers'])),
              ('1', 6), 'of six in one process')
    began = time.monotonic()
    site.publish_sql('crowd', 'to every one')
    for kind, c in held:
        if kind in STREAMS:
            c.read_head().wait('to every one')
        else:
            c.until(lambda: b'to every one' in c.buf, 'the message of ' + kind)
    took = time.monotonic() - began
    tap.ok(took < 5 * PATIENCE, 'each has its message, within %.2f s' % took)
    for kind, c in held:
        if kind == 'longpoll':
            c.wait_end()
        c.close()
    site.wait_subscribers('crowd', 0)
    ways = wait_for(lambda: [w for _, c in held for w in site.logged(c)][MANY - 1:] and
                    {w for _, c in held for w in site.logged(c)}, 10, 'their lines')
    tap.equal(ways, {(PARKED, '200'), (PARKED, '101')}, 'each was parked')


def elsewhere(tap, mpm):
    with HandoverSite(httpd_extra=FEW[mpm], mpm=mpm, tls=True) as site:
        with tls(site) as c:
            c.get('/push/sse?channel=a')
            site.publish_sql('a', 'hello')
            c.wait('hello')
            tap.equal((c.is_chunked, site.why(c)), (True, ["TLS can't be parked here"]),
                      mpm + ': TLS goes by mod_proxy')
        with Talk(site) as c:
            c.get('/push/sse?channel=a')
            tap.equal(site.way(c), HANDED, 'and what has none is handed over')


def main(tap):
    # A WebSocket that does not answer pings stays for three heartbeats.
    with HandoverSite({'tidings': {'heartbeat': '5s'}}, LOG + FEW['event'], ['reqtimeout'],
                      tls=True) as site:
        streams(tap, site)
        answers(tap, site)
        crowd(tap, site)
        said = at_last(lambda: [line for line in site.lines('said.log')
                                if ' 200 parked ' in line])
        tap.ok(said and all(line.split()[3].isdigit() and int(line.split()[3]) > 50 for line in said),
               'bytes of the answers are logged', *said)
        tap.ok(wait_for(lambda: site.busy() == 0, 10, 'free workers') and site.lives(),
               'httpd and the programs live, no worker is busy')
    for mpm in ('worker', 'prefork'):
        elsewhere(tap, mpm)


need(MOD_TIDINGS, 'openssl')
run(main)

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# sighup-changes-settings-and-drops-nobody.t - SIGHUP to `tidings run`: every
# program reads the configuration anew, and what changed counts, for connections
# that are open as well; nobody is dropped.  A file that is wrong is refused with
# its line and changes nothing; what needs a restart is kept, and said so.
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from tidings_clients import (LongpollFollower, Ops, RawStream, SseFollower, WebSocket, WsFollower,
                             descriptors)

APP = 'https://app.example'
START = {'tidings': {'heartbeat': '1m'},
         'access': {'publish_key': ['old:first', 'other:second']}}
ANEW = 'the configuration was read anew'


class Reloader:
    def __init__(self, site):
        self.site = site

    def lines(self, text):
        return [l for l in self.site.programs_log().splitlines() if text in l]

    def signal(self, text, behind=''):
        """SIGHUP; the lines with this text that it makes, one a program."""
        before = len(self.lines(text))
        if behind:
            with open(self.site.conf, 'a') as f:
                f.write(behind)
        self.site.supervisor.send_signal(signal.SIGHUP)
        wait_for(lambda: len(self.lines(text)) >= before + 7, 20, 'seven times ' + text)
        return self.lines(text)[before:]

    def settings(self, **sections):
        self.site.settings = {name: dict(values) for name, values in START.items()}
        for name, values in sections.items():
            self.site.settings.setdefault(name, {}).update(values)
        self.site.write_conf()
        self.signal(ANEW)


def handshake(site, path='/push/ws?channel=a', **headers):
    with WebSocket(site.ws_port, path, headers=headers) as ws:
        return ws.status


def may(ops, **members):
    """Whether it is let publish: ok, or the status."""
    r = ops.ask(op='publish', channel='keys', data='x', **members)
    return r['op'] if r['op'] == 'ok' else r['status']


def echo(ws, data):
    """What comes back, or the code of the close."""
    ws.send(2, data)
    frame = ws.read(20)
    if frame is None or frame[0] != 8:
        return frame and frame[1] == data
    return int.from_bytes(frame[1][:2], 'big')


def main(tap):
    with Site(START) as site:
        conf = Reloader(site)
        followers = [F(site, cursor='latest') for F in (WsFollower, SseFollower)]
        poller = LongpollFollower(site, 'channel=a', 'latest')
        held = RawStream(site.port, '/push/longpoll?channel=held&wait=60')
        raw = WebSocket(site.port, '/push/ws?channel=raw')
        site.wait_subscribers('held', 1)
        site.wait_subscribers('raw', 1)
        wait_for(lambda: site.subscribers('a') >= 3, 20, 'three')
        began = time.monotonic()
        pids = {p: site.pid(p) for p in PROGRAMS + ('wsd',)}
        sent = []

        def publish(n=5):
            for _ in range(n):
                sent.append('m%d' % len(sent))
                site.publish_sql('a', sent[-1])

        publish()
        # Limits, for who is there and for who comes.
        small, large = (WebSocket(site.ws_port, '/push/ws/echo') for _ in range(2))
        tap.equal([echo(ws, bytes(5000)) for ws in (small, large)], [True] * 2, '5,000 bytes are taken')
        conf.settings(wsd={'max_message': '4000'})
        tap.equal(echo(small, bytes(4001)), 1009, 'max_message counts on an open connection')
        tap.equal(echo(large, bytes(4000)), True, 'which stays open')
        with WebSocket(site.ws_port, '/push/ws/echo') as ws:
            tap.equal(echo(ws, bytes(4001)), 1009, 'and on a new one')
        conf.settings(wsd={'max_message': '6000'})
        tap.equal(echo(large, bytes(6000)), True, 'more of it as well')
        publish()

        site.echo = False
        conf.settings()
        tap.equal(handshake(site, '/push/ws/echo'), 404, 'echo = no: there is none')
        tap.equal(echo(large, b'still'), True, 'who has one keeps it')
        site.echo = True
        conf.settings()
        tap.equal(handshake(site, '/push/ws/echo'), 101, 'echo = yes: there is again')
        small.close()
        large.close()

        ops = Ops(site.ws_port, '?channel=a')
        ops.ask(op='subscribe', channels=['c%d' % n for n in range(20)])
        conf.settings(wsd={'max_channels': '10'})
        tap.equal([ops.ask(op=op, channel='more')['op'] for op in ('subscribe', 'unsubscribe')],
                  ['error', 'ok'], 'max_channels: no more of them')
        site.publish_sql('c19', 'kept')
        tap.equal(ops.take_until('kept')[-1:], ['kept'], 'those that there are stay')

        # Keys and origins.
        conf.settings(access={'publish_from_loopback': 'no'})
        by_head = Ops(site.ws_port, '?channel=b', headers={'Authorization': 'Bearer first'})
        tap.equal([may(ops), may(ops, key='first'), may(by_head)], [401, 'ok', 'ok'],
                  'publish_from_loopback = no counts at once')
        conf.settings(access={'publish_from_loopback': 'no', 'publish_key': ['new:third', 'other:second']})
        tap.equal([may(ops, key='first'), may(by_head)], [403, 403],
                  'a key that was taken away publishes no more, on an open connection')
        tap.equal([may(ops, key='second'), may(ops, key='third')], ['ok', 'ok'], 'those listed do')
        got = [site.post('/push/publish?channel=b', 'x', None, {'Authorization': 'Bearer ' + key}).status
               for key in ('first', 'second', 'third')]
        tap.equal(got, [403, 201, 201], 'over HTTP as well')
        conf.settings(access={'publish_from_loopback': 'yes'})
        tap.equal([may(ops), may(by_head)], ['ok', 'ok'], 'and back')
        by_head.close()
        tap.equal(handshake(site, Origin=APP), 403, 'an Origin that is not listed')
        conf.settings(access={'origins': APP})
        tap.equal(handshake(site, Origin=APP), 101, 'now it is')
        r = site.get('/push/poll?channel=a', {'Origin': APP})
        tap.equal(r.headers.get('Access-Control-Allow-Origin'), APP, 'in CORS as well')
        publish()

        conf.settings(tidings={'max_clients': '2'})
        tap.equal(handshake(site), 503, 'max_clients: nobody new')
        tap.equal(ops.ask(op='ping', ref='here')['ref'], 'here', 'who is there stays')
        # A shorter heartbeat: who was silent for long, as it might, is asked first.
        wait_for(lambda: time.monotonic() > began + 3.5, 20)
        conf.settings(tidings={'heartbeat': '1s'})
        with WebSocket(site.ws_port) as ws:
            for name, ws in (('who was silent before is pinged, not cut', raw),
                             ('heartbeat: a new connection is pinged by it', ws)):
                frame = ws.read(20)
                tap.equal(frame, (9, b''), name)
                with contextlib.suppress(OSError):
                    ws.send(10)
                    ops.ask(op='ping')
        conf.settings()
        publish()

        # A wrong file.
        conf.settings(wsd={'max_message': '4000'})
        read = len(conf.lines(ANEW))
        lines = sum(1 for _ in open(site.conf))
        got = conf.signal('settings stay', '\n[wsd]\nmax_message = 7000\nmax_message = many\n')
        tap.equal(len(got), 7, 'a wrong file: one line of each program')
        names = {l.split('[')[0] for l in got}
        tap.equal(names, set(pids), 'of every one')
        tap.ok(all(re.search(r'tidings\.conf, line %d: max_message' % (lines + 4), l)
                   for l in got), 'with line number and setting', *got[:2])
        tap.equal(len(conf.lines(ANEW)), read, 'and it is not taken')
        with WebSocket(site.ws_port, '/push/ws/echo') as ws:
            tap.equal(echo(ws, bytes(4001)), 1009, 'the old settings stay')
        os.rename(site.conf, site.conf + '.away')
        got = conf.signal('settings stay')
        tap.ok(len(got) == 7 and 'tidings.conf' in got[0], 'a file that is gone likewise', got[:1])
        with WebSocket(site.ws_port, '/push/ws/echo') as ws:
            tap.equal(echo(ws, bytes(4001)), 1009, 'and the settings stay')
        publish()

        # What needs a restart.
        other = os.path.join(site.dir, 'other')
        kept = {'database': other + '.db', 'run_dir': other, 'listen': '127.0.0.1:1'}
        conf.settings(tidings={'database': kept['database'], 'run_dir': kept['run_dir']},
                      wsd={'listen': kept['listen'], 'max_message': '3000'})
        for name in kept:
            got = [l for l in conf.lines(name + ': ') if 'next start' in l]
            tap.ok(len(got) >= 1 and any(l.startswith('wsd[') for l in got),
                   name + ': it is said that it counts at the next start', got[:3])
        with WebSocket(site.ws_port, '/push/ws/echo') as ws:
            tap.equal(echo(ws, bytes(3001)), 1009, 'the rest of the file counts')
        tap.ok(not os.path.exists(kept['database']) and not os.path.exists(other),
               'nothing is made there')
        publish()
        conf.settings()

        # Many, with messages in between.
        fds = {p: descriptors(pid) for p, pid in pids.items()}
        for n in range(40):
            site.supervisor.send_signal(signal.SIGHUP)
            publish(3)
            ops.ask(op='publish', channel='b', data='x')
        conf.signal(ANEW)
        publish()
        site.publish_sql('held', 'at last')
        held.read_head().wait_end(20)
        tap.equal([m['data'] for m in json.loads(held.body)['messages']], ['at last'],
                  'a long poll is held through all that')
        site.publish_sql('raw', 'at last')
        frame = raw.read(20)
        while frame and frame[0] == 9:
            frame = raw.read(20)
        tap.equal(frame, (1, b'at last'), 'a WebSocket through httpd too')
        for f in followers + [poller]:
            name = type(f).__name__[:-8]
            with contextlib.suppress(Failure):
                f.wait_data(sent[-1], 20)
            tap.ok(f.data == sent and not f.resets, name + ': every message, once, in order',
                   len(f.got), len(sent), f.resets)
        tap.equal([f.connects for f in followers], [1, 1], 'on the connection that it began with')
        tap.equal({p: site.pid(p) for p in pids}, pids, 'and the processes are the same')
        with contextlib.suppress(Failure):
            wait_for(lambda: all(descriptors(pids[p]) <= fds[p] + 2 for p in pids), 20, 'x')
        tap.ok(all(descriptors(pids[p]) <= fds[p] + 2 for p in pids), 'no descriptor is left',
               {p: descriptors(pids[p]) - fds[p] for p in pids})
        for f in followers + [poller]:
            f.stop()
        ops.close()
        raw.close()
        held.close()


run(main)

# SPDX-License-Identifier: MIT
"""What each MPM has to pass: every transport handed over, live, on no worker.
And what is held over TLS, while messages come and something else ends."""
import threading

from tidings_test import *
from tidings_clients import FOLLOWERS, descriptors, private_kb
from tidings_clients import WebSocket as Ws
from handover_site import *
from websocket_client import Peer, binary, deflate_message, pong, text

# A handful of workers, that crowds are to be held beside.
FEW = {
    'event': 'ServerLimit 1\nStartServers 1\nThreadsPerChild 6\nMaxRequestWorkers 6\n'
             'MinSpareThreads 1\nMaxSpareThreads 6\nAsyncRequestWorkerFactor 200\n',
    'worker': 'ServerLimit 2\nStartServers 2\nThreadsPerChild 3\nMaxRequestWorkers 6\n'
              'MinSpareThreads 1\nMaxSpareThreads 6\n',
    'prefork': 'ServerLimit 4\nStartServers 4\nMaxRequestWorkers 4\nMinSpareServers 1\n'
               'MaxSpareServers 4\n',
}
CHILDREN = '''
ServerLimit 3
StartServers 1
ThreadsPerChild 8
MaxRequestWorkers 24
MinSpareThreads 1
MaxSpareThreads 24
AsyncRequestWorkerFactor 20
'''
GRACE = 8  # seconds that an old child may take
STORM = {'retention': {'count': '1000000'}, 'tidings': {'heartbeat': '1s'}}
STREAMS = ('sse', 'iframe')
LOG = 'LogFormat "%h %>s %{tidings}n %b %r" ways2\nCustomLog said.log ways2\n'


def streams(tap, site):
    for program in STREAMS:
        for version in ('1.1', '1.0'):
            what = '%s by HTTP/%s' % (program, version)
            with Talk(site) as c:
                c.get('/push/%s?channel=%s' % (program, program), version=version)
                tap.ok(c.status == 200 and c.version == '1.1' and not c.is_chunked and
                       c.header('Connection') == 'close' and not c.header('Content-Length'),
                       what + ': an answer that ends with the connection', c.head)
                for n in range(3):
                    site.publish_sql(program, 'of %s %d' % (version, n))
                    c.wait('of %s %d' % (version, n))
                tap.equal(site.way(c), HANDED, what + ': live')
    # The head of a keep-alive connection is the same.
    with Talk(site) as c:
        for keep in ({}, {'Connection': 'keep-alive'}):
            c.get('/push/poll?channel=sse&since=earliest', headers=keep).read_body()
            tap.ok(b'of 1.1 0' in c.body and c.header('Connection') != 'close',
                   'an answer of a connection that stays', c.head)
        c.get('/push/sse?channel=sse&since=earliest', headers={'Connection': 'keep-alive'})
        c.wait('of 1.0 2')
        tap.ok(c.header('Connection') == 'close' and site.way(c, 2) == HANDED,
               'its next request is held: handed over', c.head)


def longpoll(tap, site):
    for version in ('1.1', '1.0'):
        with Talk(site) as c:
            c.ask('/push/longpoll?channel=lp&wait=20', version=version)
            site.wait_subscribers('lp', 1)
            site.publish_sql('lp', 'to ' + version)
            c.read_head().read_body()
            tap.ok([m['data'] for m in json.loads(c.body)['messages']] == ['to ' + version] and
                   c.header('Content-Length') == str(len(c.body)) and
                   c.header('Connection') == 'close' and site.way(c) == HANDED,
                   'long poll by HTTP/%s is answered by a message' % version, c.head, c.body)
            c.wait_end()
            tap.ok(not c.torn, 'and its connection ends')
    with Talk(site) as c:
        c.get('/push/longpoll?channel=empty&wait=1')
        tap.equal(json.loads(c.read_body())['messages'], [], 'or by nothing, in time')
        etag = c.header('ETag')
    with Talk(site) as c:
        c.get('/push/longpoll?channel=empty&wait=0', headers={'If-None-Match': etag})
        c.wait_end()
        tap.ok(c.status == 304 and c.body == b'' and site.way(c) == HANDED, 'or by 304', c.head)
    with Talk(site) as c:
        c.get('/push/longpoll?channel=')
        tap.ok(c.status == 400 and 'detail' in json.loads(c.read_body()),
               'or by what is wrong with it', c.head, c.body)


def websockets(tap, site):
    with Peer(site.port, '/push/ws/echo') as p:
        for make, what in ((text('h\xe4 \U0001f600'), 'text'), (binary(b'\0\xff' * 500), 'binary'),
                           (binary(b'x' * 300000), 'a large one')):
            p.send(frame_of(make))
            p.expect(make)
        p.finish()
        tap.ok(True, 'a WebSocket echoes')
    with Peer(site.port, '/push/ws/echo', offers=('permessage-deflate',)) as p:
        p.send(deflate_message(1, b'small ' * 5000))
        p.expect(text('small ' * 5000, deflated=True))
        p.finish()
        tap.ok(p.params is not None, 'and deflates')
    with Ws(site.port, '/push/ws', 'tidings.json') as ws:
        tap.ok('tidings.json' in ws.head, 'with its subprotocol', ws.head)
        for m in ({'op': 'subscribe', 'channel': 'w'},
                  {'op': 'publish', 'channel': 'w', 'data': 'mine'}):
            ws.send(1, json.dumps(m))
        got = [json.loads(ws.read()[1]) for _ in range(3)]
        tap.ok(sorted(m.get('op', m.get('data')) for m in got) == ['mine', 'ok', 'ok'],
               'and takes operations', got)
    # Frames right behind the request are the proxy's business, later ones not.
    with Ws(site.port, '/push/ws/echo', shake=False) as ws:
        ws.sock.sendall(ws.request + ws.frame(1, 'too early'))
        ws.read_head()
        tap.equal(ws.read(), (1, b'too early'), 'bytes that come with the request are not lost')


def frame_of(event):
    """The frame that echoes as this event."""
    from websocket_client import frame
    kind, data = event[0], event[1]
    return frame(1 if kind == 'text' else 2, data)


def behind_an_answer(tap, site):
    """Both requests come together: httpd may still have the first one's answer
    when it comes to the second, written as far as the socket took it."""
    data = (bytes(range(256)) * 256)[:60000]
    with open(os.path.join(site.dir, 'htdocs', 'before.bin'), 'wb') as f:
        f.write(data)
    for read in (True, False):
        with Talk(site, rcvbuf=None if read else 4096) as c:
            c.sock.sendall(c.request('/before.bin') +
                           c.request('/push/sse?channel=behind&since=earliest'))
            # The event MPM writes it all before it looks at the next one.
            if not read and site.mpm != 'event':
                wait_for(lambda: site.why(c) or len(site.logged(c)) > 1, 10, 'a decision')
                tap.equal(site.why(c), ['an answer before it is not out'],
                          'a stream behind an answer that is not read stays with httpd')
            c.read_head().read_body()
            tap.ok(c.body == data, 'the answer before a stream comes whole', c.head, len(c.body))
            c.read_head().wait('\n\n')
            tap.ok(c.status == 200 and (not read or site.way(c, 1) == HANDED),
                   'and then the stream', c.head)


def no_worker(tap, site, many):
    """Held clients by the dozen; then more of them than there are workers."""
    held = []
    for n in range(many):
        kind = ('sse', 'iframe', 'longpoll', 'ws')[n % 4]
        c = Talk(site)
        c.ask('/push/%s?channel=crowd&wait=60' % kind, headers=UPGRADE if kind == 'ws' else {})
        held.append((kind, c))
        if n == 49:
            site.wait_subscribers('crowd', 50)
            wait_for(lambda: site.busy() == 0, 5, 'free workers')
            # Who answered the question before may not be done with it yet.
            tap.ok(wait_for(lambda: int(site.board()['BusyWorkers']) == 1, 5, 'one'),
                   'fifty held: the one worker that says so')
    site.wait_subscribers('crowd', many)
    tap.ok(wait_for(lambda: site.busy() == 0, 5, 'free workers'),
           '%d held: no worker is busy' % many)
    board = site.board()
    slots = int(board['BusyWorkers']) + int(board['IdleWorkers'])
    tap.ok(slots < 10 and int(board.get('ConnsTotal', 0)) <= 1, 'of %d, with no connection' % slots,
           board)
    site.publish_sql('crowd', 'to every one')
    for kind, c in held:
        if kind in STREAMS:
            c.read_head().wait('to every one')
        else:
            c.until(lambda: b'to every one' in c.buf, 'the message of ' + kind)
    tap.ok(True, 'each has its message')
    tap.ok(all(site.way(c) == HANDED for _, c in held), 'each was handed over')
    tap.equal(site.get('/').status, 200, 'and httpd answers others')
    for _, c in held:
        c.close()
    site.wait_subscribers('crowd', 0)


def log(tap, site):
    said = site.lines('said.log')
    for want in ('127.0.0.1 200 handed-over - GET /push/sse?channel=sse HTTP/1.1',
                 '127.0.0.1 200 handed-over - GET /push/sse?channel=sse HTTP/1.0',
                 '127.0.0.1 101 handed-over - GET /push/ws/echo HTTP/1.1'):
        tap.ok(want in said, 'the log: ' + want, *said[:20])
    tap.ok(any(line.startswith('127.0.0.1 200 - ') and line.endswith('GET / HTTP/1.1')
               for line in said), 'others have no note', *said[:5])


def pass_all(tap, mpm):
    # A WebSocket that does not answer pings stays for three heartbeats.
    with HandoverSite({'tidings': {'heartbeat': '5s'}}, LOG + FEW[mpm] + 'SendBufferSize 4608\n',
                      ['reqtimeout'], mpm=mpm) as site:
        tap.equal(site.board()['ServerMPM'], mpm, 'the MPM')
        streams(tap, site)
        longpoll(tap, site)
        websockets(tap, site)
        no_worker(tap, site, 200)
        behind_an_answer(tap, site)
        log(tap, site)
        tap.ok(wait_for(lambda: site.busy() == 0, 20, 'the end of all') and site.lives(),
               'httpd and the programs live, no worker is busy')


class Storm:
    """A message every 5 ms, until it is over."""

    def __init__(self, site):
        self.site, self.over = site, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        db, n = self.site.connect(), 0
        while not self.over.is_set():
            db.execute("INSERT INTO changes(channel, data) VALUES ('a', ?)", (n,))
            n += 1
            time.sleep(0.005)
        db.close()

    def stop(self):
        self.over.set()
        self.thread.join()
        self.site.publish_sql('a', 'last')
        return [str(d) for d, in self.site.sql("SELECT data FROM changes WHERE channel = 'a' "
                                               "ORDER BY id")]


class Held:
    """One client of each kind that is held; how their connections end."""

    def __init__(self, site):
        self.streams = {k: Talk(site, tls=True).get('/push/%s?channel=h' % k)
                        for k in ('sse', 'iframe')}
        self.streams['longpoll'] = Talk(site, tls=True).ask('/push/longpoll?channel=h&wait=60')
        self.ws = Ws(site.tls_port, '/push/ws?channel=h', tls=context_of(site))
        wait_for(lambda: site.subscribers('h') >= 4, 10, 'clients that are held')

    def ends(self, tap, what, only=None, killed=False):
        for kind, c in self.streams.items():
            if only in (None, kind):
                c.wait_end(GRACE)
                tap.ok(not c.torn, '%s: %s ends by close_notify' % (what, kind))
        if only in (None, 'wsd'):
            code = self.ws.read_close(GRACE)
            tap.equal(code, None if killed else 1012, what + ': the WebSocket ends')
        for c in list(self.streams.values()) + [self.ws]:
            c.close()


def come_back(tap, site, what, followers, before, seconds=20):
    wait_for(lambda: all(f.connects > c and len(f.got) > n + 20
                         for f, (c, n) in zip(followers, before)), seconds,
             'everybody back after ' + what)
    tap.ok(True, '%s: all come back and go on' % what)


def state(followers):
    return [(f.connects, len(f.got)) for f in followers]


def all_of_it(tap, followers, want):
    for f in followers:
        name = type(f).__name__[:-8].lower()
        with contextlib.suppress(Failure):
            f.wait_data('last')
        f.stop()
        tap.ok(f.data == want, name + ': every message once, in order',
               'got %d, want %d' % (len(f.got), len(want)))
        tap.ok(not f.resets and not f.odd, name + ': no reset', f.resets, f.odd[:3])


class Footprint:
    """What a crowd leaves behind in httpd, which has one child, and in the
    programs: descriptors and memory."""

    def __init__(self, site):
        self.pids = {p: site.pid(p) for p in ('sse', 'iframe', 'longpoll', 'wsd')}
        self.pids['httpd'] = site.httpd_children()[0]

    def take(self, quiet=lambda: True):
        """As it is now, once nothing moves any more."""
        seen = []

        def still():
            seen.append({p: descriptors(pid) for p, pid in self.pids.items()})
            return seen[-1] in seen[-2:-1] and quiet()
        wait_for(still, 30, 'quiet', 0.3)
        # One of the programs may become the one that prunes.
        self.fds = {p: n + 3 for p, n in seen[-1].items()}
        self.kb = {p: private_kb(pid) for p, pid in self.pids.items()}

    def check(self, tap, room):
        """That it is the same again, but for `room` KB."""
        for p, pid in self.pids.items():
            with contextlib.suppress(Failure):
                wait_for(lambda: descriptors(pid) <= self.fds[p], 20, 'the end of them', 0.05)
            tap.ok(descriptors(pid) <= self.fds[p], p + ': no descriptor is left',
                   descriptors(pid), self.fds[p])
            # Free memory is given back by a timer.
            with contextlib.suppress(Failure):
                wait_for(lambda: private_kb(pid) < self.kb[p] + room, 10, 'room', 0.1)
            after = private_kb(pid)
            tap.ok(after < self.kb[p] + room, p + ': no memory either', self.kb[p], after)
            tap.note('%s: %d descriptors, %d KB before, %d and %d after' % (
                p, self.fds[p] - 3, self.kb[p], descriptors(pid), after))

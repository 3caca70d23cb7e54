#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# mod-tidings-parks-clients-that-flood-or-never-read.t - messages of all sizes
# both ways over TLS; one who floods a program that stands still, and those who
# never read, cost a bounded buffer each, delay nobody, and are cut in time.
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from handover_cases import *
from tidings_clients import percentile, private_kb
from websocket_client import frame

SETTINGS = {'wsd': {'max_message': '1100000'}, 'tidings': {'heartbeat': '1s'}}
STALL = 2  # seconds of TidingsSendTimeout
SIZES = (0, 1, 125, 126, 1000, 8191, 8192, 8193, 16383, 16384, 16385, 32767, 32768, 32769,
         65535, 65536, 65537, 100000, 131072, 262144, 524289, 1048576)
DEAF = 20
rnd = random.Random(5)


def peer(site, path='/push/ws/echo'):
    return Peer(site.tls_port, path, connect=lambda port: TlsSocket(site, port))


def sizes(tap, site):
    with peer(site) as p:
        wrong = []
        for size in SIZES:
            data = rnd.randbytes(size)
            p.send(frame(2, data))
            try:
                p.expect(binary(data))
            except Exception as e:
                wrong.append('%d: %s' % (size, str(e)[:200]))
                break
        tap.ok(not wrong, 'messages of %d sizes up to 1 MiB come back' % len(SIZES), *wrong)
        p.finish()
    with peer(site) as p:
        many = [rnd.randbytes(rnd.randrange(30000)) for _ in range(150)]
        p.send(b''.join(frame(2, data) for data in many))
        for data in many:
            p.expect(binary(data))
        p.finish()
        tap.ok(True, 'many at once, in order')
    with peer(site) as p:
        data = frame(1, 'one byte at a time', fin=False) + frame(9, 'ping') + frame(0, ' and on')
        for n in range(len(data)):
            p.send(data[n:n + 1])
        p.expect(pong('ping'))
        p.expect(text('one byte at a time and on'))
        p.send(b''.join(frame(1 if n == 0 else 0, 'x', fin=n == 2999) for n in range(3000)))
        p.expect(text('x' * 3000))
        p.finish()
        tap.ok(True, 'a record for each byte, and a frame for each byte')
    big = 'B' * 1048575
    with peer(site, '/push/ws?channel=big') as p, Talk(site, tls=True) as c:
        c.get('/push/sse?channel=big')
        site.wait_subscribers('big', 2)
        for n in range(5):
            site.publish_sql('big', str(n) + big)
        for n in range(5):
            p.expect(text(str(n) + big))
        c.wait('4' + big, 20)
        tap.equal(c.body.count(big.encode()), 5, 'messages of 1 MiB to a WebSocket and a stream')


def httpd_kb(site):
    return sum(private_kb(pid) for pid in site.httpd_children())


class Others:
    """Clients whom nobody else is to delay."""

    def __init__(self, site):
        self.site, self.n = site, 0
        self.sse = Talk(site, tls=True).get('/push/sse?channel=others')
        self.poll = Talk(site, tls=True)

    def undelayed(self):
        began = time.monotonic()
        self.n += 1
        self.site.publish_sql('others', 'other %d.' % self.n)
        self.sse.wait('other %d.' % self.n)
        self.poll.get('/push/poll?channel=others').read_body()
        return time.monotonic() - began

    def close(self):
        self.sse.close()
        self.poll.close()


def flood(tap, site, others):
    """Into a program that stands still; and when it goes on, all is echoed."""
    data = rnd.randbytes(20000)
    whole = frame(2, data)
    part = whole * 20
    before = httpd_kb(site)
    floods = [peer(site) for _ in range(5)]
    sent = [0] * len(floods)
    with stopped([site.pid('wsd')]):
        quiet = time.monotonic()
        while time.monotonic() < quiet + 0.5:
            for n, p in enumerate(floods):
                with contextlib.suppress(BlockingIOError):
                    sent[n] += p.sock.send(part[sent[n] % len(whole):])
                    quiet = time.monotonic()
            if max(sent) > 30e6:
                break
        delay = percentile([others.undelayed() for _ in range(3)], 50)
        grown = httpd_kb(site) - before
        tap.ok(max(sent) < 12e6, 'a flood into a program that stands still is held back',
               sent)
        tap.ok(grown < 3000, 'httpd grew by %d KB, %d bytes wait in all' % (grown, sum(sent)))
        tap.ok(delay < 1 * PATIENCE, 'others are not delayed: %.3f s' % delay)
        tap.equal(site.busy(), 0, 'no worker is busy')
    for n, p in enumerate(floods):
        # A piece that OpenSSL has and could not send goes on first, as it was.
        def goes_on():
            p.read()
            with contextlib.suppress(BlockingIOError):
                sent[n] += p.sock.send(part[sent[n] % len(whole):])
                return True
        wait_for(goes_on, 10, 'room')
        p.send(whole[sent[n] % len(whole):])
    for n, p in enumerate(floods):
        for _ in range(sent[n] // len(whole) + 1):
            for other in floods:
                other.read()  # or it would be one who never reads
            p.expect(binary(data))
    for p in floods:
        p.finish()
        p.sock.close()
    tap.ok(True, 'it goes on: all of it is echoed')


def deaf(tap, site, others):
    """Who reads nothing is cut; streams, WebSockets and their echo."""
    before = httpd_kb(site)
    crowd = []
    for n in range(DEAF):
        c = Talk(site, tls=True, rcvbuf=4096)
        kind = ('sse', 'iframe', 'ws')[n % 3]
        c.get('/push/%s?channel=deaf' % kind, headers=UPGRADE if kind == 'ws' else {})
        crowd.append(c)
    site.wait_subscribers('deaf', DEAF)
    data, began, delays, grown = 'd' * 100000, time.monotonic(), [], 0
    cut = set()

    def cuts():
        return sum('is cut: it took nothing' in line for line in site.lines('error.log'))
    for _ in range(100):  # 10 MB, that nobody's kernel keeps
        site.publish_sql('deaf', data)
    while cuts() < DEAF and time.monotonic() < began + 15 * PATIENCE:
        delays.append(others.undelayed())
        grown = max(grown, httpd_kb(site) - before)
        time.sleep(0.05)
    took = time.monotonic() - began
    tap.equal(cuts(), DEAF, 'all %d who do not read are cut, in %.1f s' % (DEAF, took))
    tap.ok(took > STALL * 0.9, 'but not before their time')
    tap.ok(percentile(delays, 90) < 1 * PATIENCE, 'others were not delayed', delays)
    tap.ok(grown < DEAF * 300, 'httpd grew by %d KB at most' % grown)
    site.wait_subscribers('deaf', 0)
    tap.ok(True, 'the programs hold none of them any more')
    for c in crowd:
        c.wait_end()
        c.close()
    # A slow one is none that never reads.
    with Talk(site, tls=True, rcvbuf=4096) as c:
        c.get('/push/sse?channel=deaf&since=-20')
        end = time.monotonic() + (STALL + 2)
        while time.monotonic() < end:
            c.sock.settimeout(5 * PATIENCE)
            c.buf += c.sock.recv(2000)
            time.sleep(0.05)
        c.take()
        site.publish_sql('deaf', 'slow but here')
        c.wait('slow but here', 20)
        tap.equal(c.body.count(data.encode()), 20, 'one who reads slowly gets all of it')


def main(tap):
    with HandoverSite(SETTINGS, FEW['event'] + 'TidingsSendTimeout %d\n' % STALL, tls=True) as site:
        sizes(tap, site)
        others = Others(site)
        flood(tap, site, others)
        deaf(tap, site, others)
        others.close()
        ways = at_last(lambda: {line.split()[0] for line in site.lines('ways.log')
                                if '/push/ws' in line or '/push/sse' in line})
        tap.equal(ways, {PARKED}, 'all of them were parked')
        tap.ok(wait_for(lambda: site.busy() == 0, 10, 'free workers') and site.lives(),
               'httpd and the programs live, no worker is busy')


need(MOD_TIDINGS, 'openssl')
run(main)

# SPDX-License-Identifier: MIT
"""A proxy in front of a Site whose faults a test switches while it runs.

    with Site() as site, FaultProxy(site) as proxy:
        browser.open(proxy.url + '/feed.html')
        proxy.buffer('/push/sse')       # or hang, answer, reset, idle, ...
        proxy.cut()                     # who is connected comes anew
        wait_for(lambda: proxy.requests('/push/longpoll'))
        proxy.heal()

It hands on what it gets, byte by byte, and knows just enough of HTTP/1.1 to
see where requests and answers end.  A fault holds for the requests that begin
after it; idle() for all that is open too.  Paths are beginnings of paths; none
means all of /push/.  Each connection of a browser has one to httpd.
"""
import asyncio
import contextlib
import json
import threading
import time

from tidings_test import free_port, wait_for

HEAD_MAX = 65536
PHRASES = {200: 'OK', 201: 'Created', 204: 'No Content',
           401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found', 410: 'Gone', 502: 'Bad Gateway',
           503: 'Service Unavailable'}


class Gone(Exception):
    """A peer has closed."""


class Body:
    """Where a body ends: give it the bytes as they come."""

    def __init__(self, length=None, chunked=False):
        self.left, self.chunked = length, chunked   # None: at the end of all
        self.line, self.ended = b'', length == 0
        self.trailer = False
        if chunked:
            self.left = 0

    def take(self, data):
        """How many of these bytes belong to it; sets `ended`."""
        if not self.chunked:
            n = len(data) if self.left is None else min(self.left, len(data))
            if self.left is not None:
                self.left -= n
                self.ended = self.left == 0
            return n
        at = 0
        while at < len(data) and not self.ended:
            if self.left:
                n = min(self.left, len(data) - at)
                self.left -= n
                at += n
                continue
            self.line += data[at:at + 1]
            at += 1
            if self.line.endswith(b'\r\n'):
                self.line_ended()
        return at

    def line_ended(self):
        line, self.line = self.line[:-2], b''
        if self.trailer:
            self.ended = not line
        elif line:
            size = int(line.split(b';')[0], 16)
            self.trailer = size == 0
            self.left = size and size + 2   # the line end behind it


class Head:
    """The first lines of a request or of an answer."""

    def __init__(self, raw):
        self.lines = raw.decode('latin-1').split('\r\n')[:-2]
        self.first = self.lines[0].split(' ', 2)

    def get(self, name, default=''):
        for line in self.lines[1:]:
            key, _, value = line.partition(':')
            if key.strip().lower() == name:
                return value.strip()
        return default

    def without(self, *names):
        self.lines[1:] = [line for line in self.lines[1:]
                          if line.partition(':')[0].strip().lower() not in names]

    @property
    def bytes(self):
        return ('\r\n'.join(self.lines) + '\r\n\r\n').encode('latin-1')

    def body(self, method=None):
        """Of an answer to that method; without one, of a request."""
        if self.get('transfer-encoding').lower() == 'chunked':
            return Body(chunked=True)
        if method is None:
            return Body(int(self.get('content-length', '0')))
        status = int(self.first[1])
        if method == 'HEAD' or status in (204, 304):
            return Body(0)
        length = self.get('content-length')
        return Body(int(length) if length else None)


class Wire:
    """One side of a connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer, self.buffer = reader, writer, b''
        self.came = asyncio.Event()     # fill() had something

    async def fill(self):
        try:
            data = await self.reader.read(65536)
        except OSError:
            data = b''
        if not data:
            raise Gone
        self.buffer += data
        self.came.set()

    async def head(self):
        while b'\r\n\r\n' not in self.buffer:
            await self.fill()
            if len(self.buffer) > HEAD_MAX:
                raise Gone
        raw, _, self.buffer = self.buffer.partition(b'\r\n\r\n')
        return Head(raw + b'\r\n\r\n')

    async def send(self, data):
        try:
            self.writer.write(data)
            await self.writer.drain()
        except OSError:
            raise Gone from None

    def abort(self):
        """Ends it at once: a reset, not an orderly end."""
        with contextlib.suppress(Exception):
            self.writer.transport.abort()


class Link:
    """A connection of the browser with the one to httpd behind it."""

    def __init__(self, proxy, client):
        self.proxy, self.client, self.server = proxy, client, None
        self.path = None        # of the request under way
        self.held = None        # bytes held back, None = hands on at once
        self.block = None       # gives them in blocks of so many
        self.moved = time.monotonic()
        self.lost = False       # nothing passes any more, and nobody is told

    async def run(self):
        while await self.one():
            self.path = None

    async def one(self):
        """One request with its answer; whether another may follow."""
        request = await self.client.head()
        self.moved = time.monotonic()
        method, target = request.first[:2]
        self.path = target.partition('?')[0]
        entry = [time.monotonic(), method, target, None]
        self.proxy.seen.append(entry)
        fault = self.proxy.fault_of(self.path)
        if fault:
            await fault(self, entry)
            return False
        while (time.monotonic() - entry[0] <
               (self.proxy.is_under('slow', self.path) or 0)):
            await asyncio.sleep(0.01)
        if self.proxy.is_under('strip', self.path) and request.get('upgrade'):
            request.without('upgrade', 'connection')
        try:
            await self.connect()
        except OSError:
            await self.proxy.do_answer(self, entry, 502)
            return False
        await self.server.send(request.bytes)
        await self.pass_body(self.client, self.server, request.body())
        return await self.answer(method, entry)

    async def connect(self):
        """To httpd, which may have closed what was kept open."""
        if self.server is not None and self.server.reader.at_eof():
            self.server.abort()
            self.server = None
        if self.server is None:
            self.server = Wire(*await asyncio.open_connection(
                '127.0.0.1', self.proxy.upstream))

    async def pass_body(self, source, to, body):
        while not body.ended:
            if not source.buffer:
                await source.fill()
            n = body.take(source.buffer)
            data, source.buffer = source.buffer[:n], source.buffer[n:]
            self.moved = time.monotonic()
            await to.send(data)

    async def answer(self, method, entry):
        """Hands on what httpd says, and sees when the browser leaves."""
        self.block = self.proxy.is_under('buffer', self.path)
        self.held = b'' if self.block else None
        leave = asyncio.ensure_future(self.until_gone())
        relay = asyncio.ensure_future(self.relay(method, entry))
        try:
            await asyncio.wait({leave, relay}, return_when=asyncio.FIRST_COMPLETED)
            if relay.done():
                return relay.result()
            raise Gone
        finally:
            for task in (leave, relay):
                task.cancel()
            await asyncio.gather(leave, relay, return_exceptions=True)

    async def until_gone(self):
        with contextlib.suppress(Gone):
            while True:
                await self.client.fill()

    async def relay(self, method, entry):
        try:
            response = await self.server.head()
        except Gone:
            await self.proxy.do_answer(self, entry, 502)
            raise
        entry[3] = int(response.first[1])
        if self.proxy.is_under('mute', self.path):
            self.client.abort()
            raise Gone
        await self.hand_on(response.bytes)
        if entry[3] == 101:
            await asyncio.gather(self.down(), self.up())
        body = response.body(method)
        try:
            while not body.ended:
                if not self.server.buffer:
                    await self.server.fill()
                n = body.take(self.server.buffer)
                data = self.server.buffer[:n]
                self.server.buffer = self.server.buffer[n:]
                await self.hand_on(data)
        except Gone:
            # The end of a body without a length, or of one that broke off.
            await self.release()
            raise
        await self.release()
        return response.get('connection').lower() != 'close'

    async def down(self):
        while True:
            data, self.server.buffer = self.server.buffer, b''
            if data:
                await self.hand_on(data)
            await self.server.fill()

    async def up(self):
        """until_gone() reads, so this looks at what it has got."""
        while True:
            data, self.client.buffer = self.client.buffer, b''
            if data:
                self.moved = time.monotonic()
                await self.server.send(data)
            await self.client.came.wait()
            self.client.came.clear()

    async def hand_on(self, data):
        self.moved = time.monotonic()
        if self.held is None:
            return await self.client.send(data)
        self.held += data
        if self.block is not True:
            n = len(self.held) // self.block * self.block
            data, self.held = self.held[:n], self.held[n:]
            if data:
                await self.client.send(data)

    async def release(self):
        if self.held:
            await self.client.send(self.held)
        self.held = None

    def abort(self):
        self.client.abort()
        if self.server is not None:
            self.server.abort()


class FaultProxy:
    """Listens on `port` while the `with` lasts; `url` is its address."""

    def __init__(self, site):
        self.site = site
        self.seen = []          # [when, method, target, status or None] each
        self.links = {}         # of each open one, its task
        self.faults = []        # (what, its setting, paths), the last one first
        self.idle_rule = None   # (seconds, told)

    def __enter__(self):
        self.upstream = self.site.port
        self.port = free_port()
        self.url = 'http://127.0.0.1:%d' % self.port
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = None
        self.up()
        asyncio.run_coroutine_threadsafe(self.watch_idle(), self.loop)
        return self

    def __exit__(self, *exc):
        self.down()
        self.do(self.end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    def do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    # -- faults

    def buffer(self, *paths, block=True):
        """Answers are held back until they end, their heads too; with a block
        of 4096 they come in pieces of so many bytes."""
        self.add('buffer', block, paths)

    def hang(self, *paths):
        """Takes the request and never says a word."""
        self.add('hang', True, paths)

    def answer(self, status, *paths, retry_after=None):
        """Says so itself, in place of httpd."""
        self.add('answer', (status, retry_after), paths)

    def say(self, text, type, *paths, status=200):
        """Answers that status with that text and the end, in place of httpd, as a
        cache or the page of a portal would."""
        self.add('answer', (status, None, text, type), paths)

    def refuse(self, status, *paths):
        """Answers as Tidings itself refuses."""
        self.say(json.dumps({
            'type': 'about:blank', 'title': PHRASES[status], 'status': status,
            'detail': 'as the test wants it', 'site': 1}),
            'application/problem+json', *paths, status=status)

    def slow(self, seconds, *paths):
        """Hands the request on so much later, or when healed."""
        self.add('slow', seconds, paths)

    def reset(self, *paths):
        """Breaks the connection off as soon as the request is there."""
        self.add('reset', True, paths)

    def mute(self, *paths):
        """Hands the request on, and breaks off in place of the answer."""
        self.add('mute', True, paths)

    def strip(self, *paths):
        """Takes away Upgrade and Connection, as old proxies do."""
        self.add('strip', True, paths)

    def idle(self, seconds, told=True):
        """Drops connections that were idle for so long.  If nobody is told,
        their ends stay open and nothing passes any more."""
        self.idle_rule = (seconds, told)

    def heal(self):
        """No more faults; what is held or lost stays so."""
        self.faults = []
        self.idle_rule = None

    def lose(self):
        """What is open stays so, and nothing passes any more."""
        async def lose_all():
            for link, task in list(self.links.items()):
                link.lost = True
                task.cancel()
        self.do(lose_all())

    def cut(self):
        """Breaks off all that is open."""
        self.do(self.abort_all())

    def down(self):
        """Nobody listens, and all that was open is broken off."""
        async def close():
            if self.server is not None:
                self.server.close()
                self.server = None
            await self.abort_all()
        self.do(close())

    def up(self):
        """Listens on the same port, again."""
        async def listen():
            self.server = await asyncio.start_server(
                self.serve, '127.0.0.1', self.port, reuse_address=True)

        def bound():
            with contextlib.suppress(OSError):
                self.do(listen())
                return True
        if self.server is None:
            wait_for(bound, 10, 'the port of the proxy')

    # -- what was seen

    def requests(self, path='/push/', since=0):
        """How many there were of that path, from that time on."""
        return len([1 for when, _, target, _ in list(self.seen)
                    if target.startswith(path) and when >= since])

    def open(self, path='/push/'):
        """How many are under way."""
        return len([1 for link in list(self.links)
                    if (link.path or '').startswith(path) and not link.lost])

    def lost(self):
        """How many stay open for nothing."""
        return len([1 for link in list(self.links) if link.lost])

    # -- inside

    def add(self, what, setting, paths):
        self.faults = [(what, setting, paths or ('/push/',))] + self.faults

    def is_under(self, what, path):
        for name, setting, paths in self.faults:
            if name == what and path.startswith(tuple(paths)):
                return setting
        return None

    def fault_of(self, path):
        """What is done in place of handing on."""
        for name, setting, paths in self.faults:
            if not path.startswith(tuple(paths)):
                continue
            if name == 'hang':
                return lambda link, entry: link.until_gone()
            if name == 'reset':
                return self.do_reset
            if name == 'answer':
                return lambda link, entry: self.do_answer(link, entry, *setting)
        return None

    async def do_reset(self, link, entry):
        link.abort()

    async def do_answer(self, link, entry, status, retry_after=None,
                        text=None, type='text/html'):
        entry[3] = status
        lines = ['HTTP/1.1 %d %s' % (status, PHRASES[status]), 'Connection: close',
                 'Cache-Control: no-store']
        body = ''
        if status != 204:
            body = text
            if body is None:
                body = '<html><title>%d</title><p>%s</html>\n' % (
                    status, PHRASES[status])
            lines += ['Content-Type: ' + type, 'Content-Length: %d' % len(body)]
        if retry_after is not None:
            lines.append('Retry-After: %s' % retry_after)
        await link.client.send(('\r\n'.join(lines) + '\r\n\r\n' + body).encode())
        # What is closed with something unread ends by a reset, which may take
        # the answer along.
        link.client.writer.write_eof()
        end = time.monotonic() + 1
        while not link.client.reader.at_eof() and time.monotonic() < end:
            await asyncio.sleep(0.02)

    async def serve(self, reader, writer):
        link = Link(self, Wire(reader, writer))
        self.links[link] = asyncio.current_task()
        try:
            await link.run()
        except (Gone, OSError):
            pass
        except asyncio.CancelledError:
            if link.lost:
                return      # and stays in links, its sockets open
        with contextlib.suppress(Exception):
            writer.close()
            if link.server is not None:
                link.server.writer.close()
        self.links.pop(link, None)

    async def abort_all(self):
        tasks = list(self.links.values())
        for link, task in list(self.links.items()):
            link.lost = False
            link.abort()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.links.clear()

    async def end(self):
        """Of every task: one may have begun while the listener closed."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def watch_idle(self):
        while True:
            await asyncio.sleep(0.05)
            if self.idle_rule is None:
                continue
            seconds, told = self.idle_rule
            now = time.monotonic()
            for link, task in list(self.links.items()):
                if link.lost or now - link.moved < seconds:
                    continue
                if told:
                    link.abort()
                else:
                    link.lost = True
                task.cancel()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 4: what browsers have (EventSource, WebSocket, fetch) and libraries as
# npm has them follow a channel while it is published to, through httpd, while
# the program behind it is killed, or away so long that httpd answers 503: each
# message once and in order.
import os, signal, subprocess, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'browser'))
from npm_clients import npm_clients
from page import Browser, run
from tidings_test import Site, wait_for

PAGE = '''<!DOCTYPE html>
<meta charset="utf-8">
<link rel="icon" href="icon.svg">
<title>A client</title>
<script type="importmap">{"imports": {
"/clients/@microsoft/fetch-event-source/lib/esm/fetch":
"/clients/@microsoft/fetch-event-source/lib/esm/fetch.js",
"/clients/@microsoft/fetch-event-source/lib/esm/parse":
"/clients/@microsoft/fetch-event-source/lib/esm/parse.js"}}</script>
<script src="/clients/reconnecting-eventsource/dist/ReconnectingEventSource.min.js"></script>
<script src="/clients/reconnecting-websocket/dist/reconnecting-websocket-iife.min.js"></script>
<script>
var got = [], cursor = 'earliest', ready = false;
function take(message) {
    if (message.reset)
        got.push('reset');
    else if (!message.op)
        got.push(message.data);
    cursor = message.id || message.cursor;
    ready = true;
}
const ws = location.origin.replace('http', 'ws') + '/push/ws?channel=CHANNEL';
const sse = '/push/sse?channel=CHANNEL';
const sleep = ms => new Promise(done => setTimeout(done, ms));
</script>
<script type="module">
%s
</script>
'''

EVENTSOURCE = '''
const source = new EventSource(sse + '&since=earliest');
source.onopen = () => ready = true;
source.onmessage = event => got.push(event.data);
source.addEventListener('tidings.reset', () => got.push('reset'));
'''

FETCH_LONGPOLL = '''
for (;;) {
    try {
        const answer = await fetch('/push/longpoll?channel=CHANNEL&wait=5&since=' + cursor);
        if (!answer.ok)
            throw answer.status;
        const {messages, ...rest} = await answer.json();
        messages.forEach(take);
        take({...rest, op: 'cursor'});
    } catch (problem) {
        await sleep(200);
    }
}
'''

FETCH_STREAM = '''
for (;;) {
    try {
        const answer = await fetch(sse + '&format=json', {headers: {'Last-Event-ID': cursor}});
        if (!answer.ok)
            throw answer.status;
        ready = true;
        let rest = '';
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        for (let part; !(part = await reader.read()).done;) {
            const lines = (rest + part.value).split('\\n');
            rest = lines.pop();
            for (const line of lines)
                if (line.startsWith('data: '))
                    take(JSON.parse(line.slice(6)));
        }
    } catch (problem) {
        await sleep(200);
    }
}
'''

RAW_WEBSOCKET = '''
new WebSocket(ws + '&since=earliest').onmessage = event => { ready = true; got.push(event.data); };
'''

WEBSOCKET = '''
(function connect() {
    const socket = new WebSocket(ws + '&since=' + cursor, 'tidings.json');
    socket.onopen = () => ready = true;
    socket.onmessage = event => take(JSON.parse(event.data));
    socket.onclose = () => setTimeout(connect, 200);
})();
'''

RECONNECTING_WEBSOCKET = '''
const socket = new ReconnectingWebSocket(() => ws + '&since=' + cursor, 'tidings.json');
socket.onopen = () => ready = true;
socket.onmessage = event => take(JSON.parse(event.data));
'''

RECONNECTING_EVENTSOURCE = '''
// It counts the ids that its listeners are told, not those of its onmessage, and
// puts the last one behind the address; so that is where to begin as well.
const source = new ReconnectingEventSource(sse, {lastEventId: 'earliest', max_retry_time: 500});
source.onopen = () => ready = true;
source.addEventListener('message', event => got.push(event.data));
source.addEventListener('tidings.reset', () => got.push('reset'));
'''

FETCH_EVENT_SOURCE = '''
import { fetchEventSource } from '/clients/@microsoft/fetch-event-source/lib/esm/index.js';
fetchEventSource(sse + '&since=earliest', {
    openWhenHidden: true,
    onmessage(message) {
        ready = true;
        if (message.data)
            got.push(message.event === 'tidings.reset' ? 'reset' : message.data);
    },
    onclose() { throw new Error('closed'); }, // as its manual says
});
'''

NODE = '''
import { EventSource } from 'eventsource';
const source = new EventSource(process.argv[2] + '/push/sse?channel=CHANNEL&since=earliest');
source.addEventListener('message', event => console.log(event.data));
source.addEventListener('tidings.reset', () => console.log('reset'));
'''

# Name, script, and which program is killed; "away" leaves httpd with
# nobody to ask, so that it answers 503 for a while.
PAGES = [
    ('EventSource', EVENTSOURCE, 'sse', ('kill', 'kill')),
    ('fetch, long polls', FETCH_LONGPOLL, 'longpoll', ('kill', 'away')),
    ('fetch, a stream', FETCH_STREAM, 'sse', ('kill', 'away')),
    ('WebSocket, raw', RAW_WEBSOCKET, 'wsd', ()),
    ('WebSocket, tidings.json', WEBSOCKET, 'wsd', ('kill', 'stop')),
    ('reconnecting-websocket', RECONNECTING_WEBSOCKET, 'wsd', ('kill', 'stop', 'away')),
    ('reconnecting-eventsource', RECONNECTING_EVENTSOURCE, 'sse', ('kill', 'away')),
    ('@microsoft/fetch-event-source', FETCH_EVENT_SOURCE, 'sse', ('kill', 'away')),
]


class Publisher(threading.Thread):
    """Inserts numbers until it is stopped."""

    def __init__(self, site, channel):
        super().__init__(daemon=True)
        self.site, self.channel = site, channel
        self.sent, self.going = [], True
        self.start()

    def run(self):
        while self.going:
            self.publish(str(len(self.sent)))
            time.sleep(0.02)

    def publish(self, data):
        self.site.publish_sql(self.channel, data)
        self.sent.append(data)

    def end(self):
        self.going = False
        self.join()
        self.publish('the end')
        return self.sent


def fault(site, program, how, seen):
    """`seen` tells whether the client met the trouble."""
    if how != 'away':
        site.kill(program, signal.SIGKILL if how == 'kill' else signal.SIGTERM)
        return
    # All programs are stopped, and httpd has nobody to ask.
    site.supervisor.terminate()
    site.supervisor.wait(20)
    try:
        wait_for(seen, 30, 'a refusal that the client meets')
    finally:
        site.spawn_supervisor()


def refused(site, program):
    """The client has come at least once while httpd had nobody to ask."""
    def lines():
        with open(os.path.join(site.dir, 'access.log')) as f:
            return sum(' 503 ' in line and '/push/%s' % program in line for line in f)
    program = program.replace('wsd', 'ws')
    before = lines()
    return lambda: lines() > before


def follow(t, site, name, channel, program, faults, got):
    """The client reads already; `got` tells what it has."""
    publisher = Publisher(site, channel)
    try:
        for how in faults:
            n = len(got())
            t.soon(lambda: len(got()) > n + 5, '%s: messages come' % name, 30, got)
            fault(site, program, how, refused(site, program))
        n = len(got())
        t.soon(lambda: len(got()) > n + 5, '%s: messages come in the end' % name, 30, got)
    finally:
        sent = publisher.end()
    t.soon(lambda: got()[-1:] == ['the end'], '%s: the last one as well' % name, 30, got)
    what = ', '.join(faults)
    t.equal(got(), sent, '%s: each once and in order%s' % (name, what and ' (%s)' % what))


def in_browser(t, site, browser, at, name, script, program, faults):
    channel = 'page%d' % at
    site.publish_sql(channel, 'before')
    path = os.path.join(site.dir, 'htdocs', channel + '.html')
    with open(path, 'w') as f:
        f.write((PAGE % script).replace('CHANNEL', channel))
    browser.open(site.url + '/%s.html' % channel)
    t.soon(lambda: browser.js('return ready'), name + ': it is connected', 20,
           browser.complaints)

    def got():
        have = browser.js('return got')
        return have[1:] if have[:1] == ['before'] else have
    follow(t, site, name, channel, program, faults, got)


def in_node(t, site, clients):
    channel, lines = 'node', []
    site.publish_sql(channel, 'before')
    script = os.path.join(clients.folder, 'node.mjs')
    with open(script, 'w') as f:
        f.write(NODE.replace('CHANNEL', channel))
    child = subprocess.Popen(['node', script, site.url], stdout=subprocess.PIPE, text=True,
                             stdin=subprocess.DEVNULL)
    reader = threading.Thread(target=lambda: lines.extend(
        iter(lambda: (child.stdout.readline() or 'ended').strip(), 'ended')), daemon=True)
    reader.start()
    try:
        name = 'eventsource in node'
        t.soon(lambda: lines == ['before'], name + ': it is connected', 20, lambda: lines)
        follow(t, site, name, channel, 'sse', ('kill', 'kill'), lambda: lines[1:])
    finally:
        child.kill()
        child.wait()


def test(t):
    clients = npm_clients()
    t.note(clients.versions())
    # Quick to come back, where a client leaves that to the server.
    settings = {'tidings': {'retry': '1s'}, 'retention': {'count': '100000'}}
    with Site(httpd_extra=clients.httpd, settings=settings) as site, Browser() as browser:
        for at, row in enumerate(PAGES):
            in_browser(t, site, browser, at, *row)
        in_node(t, site, clients)


run(test)

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 12: tidings.js measured how long things take by the wall clock, which is
# set forwards and backwards: the watchdog, the lease of the tab that leads, the
# asking of those that follow, the back-off. Here it jumps by hours, also to and
# fro, with performance.now() and in an engine that has none: nothing begins anew
# because of it, no lead changes, no wait is longer or shorter.
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'browser'))
from js_world import scenario
from feed import stage_test, until

JUMPS = {'forwards': 'n => n * 3 * 3600e3', 'backwards': 'n => -n * 3 * 3600e3',
         'to and fro': 'n => n % 2 ? 5 * 3600e3 : -7 * 3600e3', 'not at all': 'n => 0'}
# The clock jumps every 7 s of 10 minutes; what is asked of the server.
LINES = '''async ({ World, answer, page, message }) => {
    const out = [];
    for (const performance of ['with', 'without'])
        for (const [name, jump] of Object.entries({ JUMPS }))
            for (const transport of ['sse', 'longpoll', 'poll', 'ws']) {
                let last = 1, sockets = 0;
                class WebSocket {
                    constructor() {
                        sockets++;
                        this.protocol = 'tidings.json';
                        world.add(() => this.onopen && this.onopen(), 1);
                    }
                    say(what) {
                        world.add(() => this.onmessage && this.onmessage(
                            { data: JSON.stringify(what) }), 1);
                    }
                    send(text) {
                        const m = JSON.parse(text);
                        this.say(Object.assign({ ref: m.ref, op: 'ok' },
                            m.op === 'subscribe' ? { cursor: 'e0-1' } : {}));
                    }
                    close() {}
                }
                const world = new World(Object.assign({ WebSocket }, performance === 'with' ? {} :
                    { performance: undefined }));
                world.answer = r => r.path === '/push/sse' ? { type: 'text/event-stream',
                    body: ['id: e0-1\\n\\n'] } :
                    Object.assign(answer(1), { after: 1000 * (r.query.wait || 0) });
                const feed = world.feed({ transports: [transport], silence: 60000 });
                let n = 0;
                world.add(() => world.jump = jump(++n), 7000, 7000);
                await world.run(600000);
                out.push({ performance, name, transport, sockets, n: world.requests.length,
                    waits: feed.told.filter(one => one[2].state === 'waiting').map(one => one[2]) });
                feed.close();
            }
    return out;
}'''
WAITS = '''async ({ World, answer, page, problem }) => {
    const out = [];
    for (const performance of ['with', 'without'])
        for (const [name, jump] of Object.entries({ JUMPS }))
            for (const [what, fault] of [['no answer', () => ({ status: 0 })],
                ['told to wait', () => problem(503, { 'Retry-After': '100' })],
                // By the clock of the server, which has nothing to do with ours.
                ['until a date', () => problem(503, { 'Date': 'Wed, 01 Jan 2020 00:00:00 GMT',
                    'Retry-After': 'Wed, 01 Jan 2020 00:01:40 GMT' })],
                ['until a date of a clock that nobody tells', () => problem(503, {
                    'Retry-After': 'Thu, 01 Jan 2060 00:00:00 GMT' })]]) {
                const world = new World(performance === 'with' ? {} : { performance: undefined });
                world.eval('Math.random = () => 0.5');
                world.answer = fault;
                const feed = world.feed({ transports: ['poll'], maxRetry: 8000 });
                let n = 0;
                world.add(() => world.jump = jump(++n), 7000, 7000);
                await world.run(400000);
                out.push([performance, name, what, world.requests.map(r => Math.round(r.time / 100))]);
                feed.close();
            }
    return out;
}'''
PAGES = ('/feed.html?clock', '/feed.html?clock&without=locks',
         '/feed.html?clock&without=locks,BroadcastChannel',
         '/feed.html?clock&without=locks,performance')


def is_as(performance, n, still):
    """Without performance.now() a jump counts as up to a second and a half, or
    takes one, of the seven that it takes here."""
    return n == still if performance == 'with' else still / 1.6 <= n <= 1.6 * still


def worlds(t):
    jumps = ', '.join('%r: %s' % item for item in JUMPS.items())
    lines = scenario(LINES.replace('JUMPS', jumps))
    for got in lines:
        still = next(one for one in lines if one['name'] == 'not at all' and
                     (one['performance'], one['transport']) == (got['performance'], got['transport']))
        name = '%(transport)s, %(performance)s performance, %(name)s: ' % got
        t.ok(got['n'] or got['sockets'], name + 'it works')
        # That of sse is silent in this world, which the watchdog notices.
        t.ok(is_as(got['performance'], got['n'], still['n']) and
             got['sockets'] == still['sockets'],
             name + 'it asks as often', got['n'], still['n'], got['sockets'])
        t.ok(is_as(got['performance'], len(got['waits']), len(still['waits'])),
             name + 'and waits no more', got['waits'])
    waits = scenario(WAITS.replace('JUMPS', jumps))
    for performance, name, what, times in waits:
        still = next(one[3] for one in waits if one[:3] == [performance, 'not at all', what])
        same = times == still if performance == 'with' else is_as(
            performance, len(times), len(still))
        t.ok(len(times) > 2 and (same or 'nobody' in what),
             '%s, %s performance, %s: the same waits' % (what, performance, name), times, still)
        # In tenths of a second; the back-off comes on top.
        if performance == 'with' and ('wait' in what or what == 'until a date'):
            t.ok(all(b - a >= 999 for a, b in zip(times, times[1:])), 'as long as was said', times)
        if 'nobody' in what:
            t.ok(all(b - a <= 700 for a, b in zip(times, times[1:])), 'or none longer than a minute',
                 times)


def tabs(t, stage, page, n):
    """Each with a clock of its own; nobody takes the lead from another."""
    for client in stage.clients:
        client.open(page)
        label = '%s, %s: ' % (client.name, page)
        for i in range(3):
            client.tab('tab %d' % i, page, silence=20000)
            client.at('tab %d' % i, 'jump = arguments[1]', (i - 1) * 5 * 3600000)
        t.soon(lambda: all(client.live_by('tab %d' % i) for i in range(3)) and
               len(client.leaders()) == 1, label + 'one leads', 30, client.leaders)
        leader = client.leaders()
        seen = {name: len(client.told(name, 'status')) for name in client.watched}
        requests = client.proxy.requests()
        for i in range(12):
            for name in client.watched:
                client.at(name, 'jump = arguments[1]', (-1) ** i * (i + len(name)) * 3600000)
            at = client.count('tab 0')
            t.soon(lambda: all(client.count(name) > at for name in client.watched),
                   label + 'messages come, jump %d' % i, 20)
            # Longer in all than a lease lasts, than a follower waits for its
            # leader to say something, and than sleep is taken for.
            mark = n()
            until(lambda: n() > mark + 50)
        t.equal(client.leaders(), leader, label + 'the same one leads')
        t.equal({name: len(client.told(name, 'status')) for name in client.watched}, seen,
                label + 'nothing began anew')
        t.equal(client.proxy.requests() - requests, 0, label + 'nothing was asked')
        t.equal(client.proxy.open('/push/'), 1, label + 'one connection')
        while len(client.browser.tabs()) > 1:
            client.browser.look(client.browser.tabs()[-1])
            client.browser.close_tab()
        client.browser.look(client.browser.tabs()[0])


def test(t, stage):
    worlds(t)
    stage.publish()
    for page in PAGES:
        tabs(t, stage, page, lambda: stage.publisher.n)


# A stream lives for as long as all the jumps.
stage_test(test, settings={'tidings': {'life_min': '200s', 'life_max': '300s'}}, only='chromium')

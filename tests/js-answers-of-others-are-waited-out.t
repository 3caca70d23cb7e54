#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 12: answers of somebody in front of Tidings were taken for its own: with
# a wrong base the hidden frame loaded the site's own page 120 times in 40 s, and
# a rate limiter's 403 ended a feed for good. What is Tidings' own is told by its
# content type and its shape, over each transport, in publishing and in catching
# up; all else is waited out, a status says so, and few requests ask about it.
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'browser'))
from js_world import scenario
from feed import stage_test, until

# Others' answers by name; each is code for an answer.
FOREIGN = {
    "the site's page": "page(200)", 'a rate limiter': 'page(403)', 'a log-in': 'page(401)',
    'not found': 'page(404)', 'gone': 'page(410)', 'a bad request': 'page(400)',
    'an API gateway': "({ status: 403, body: { error: 'no' } })",
    "a gateway's problem": "({ status: 403, type: 'application/problem+json', body: { type: "
                           "'about:blank', title: 'Forbidden', status: 403, detail: 'no' } })",
    'a problem of another status': "Object.assign(problem(404), { status: 403 })",
    'a problem as HTML': "Object.assign(problem(403), { type: 'text/html' })",
    'JSON of something': "({ body: { status: 'ok' } })", 'a list': '({ body: [] })',
    'null': "({ body: 'null' })", 'no JSON': "({ body: '<html>' })",
    'a cursor alone': "({ body: { cursor: 'e0-1' } })",
    'a cursor that is none': "({ body: { cursor: 5, reset: false, messages: [] } })",
    'messages of something': "({ body: { cursor: 'e0-1', reset: false, messages: [{ text: 'x' }] } })",
    'an answer as text': "Object.assign(answer(1, 1), { type: 'text/plain' })",
    'an empty answer': "({ body: '', type: null })",
    "another's stream": "({ type: 'text/event-stream', body: ['data: hello\\n\\n', null] })",
    "another's JSON stream": "({ type: 'text/event-stream', body: ['data: {\"a\":1}\\n\\n'] })",
    "another's ids": "({ type: 'text/event-stream', body: ['id: 5\\n\\n'] })",
}
MATRIX = '''async ({ World, answer, problem, page, message, cursor }) => {
    const out = {}, foreign = { FOREIGN };
    const stream = text => ({ type: 'text/event-stream', body: [text] });
    const ours = r => r.path === '/push/sse' ? stream('id: e0-1\\n\\ndata: ' +
        JSON.stringify(message(2)) + '\\n\\n') :
        r.query.since === 'e0-2' ? Object.assign(answer(2), { after: 1000 * (r.query.wait || 0) }) :
        answer(2, 2);

    for (const transport of ['sse', 'longpoll', 'poll', 'all'])
        for (const [name, what] of Object.entries(foreign))
            for (const when of ['at first', 'in the midst']) {
                const world = new World();
                let isWell = when !== 'at first', cut = false;
                world.answer = r => isWell ? ours(r) : what();
                const feed = world.feed({ maxRetry: 30000, interval: 1000,
                    transports: transport === 'all' ? undefined : [transport] });
                if (isWell) {
                    await world.run(5000);
                    isWell = false;
                    feed.reconnect();
                }
                const began = world.time;
                await world.run(40000);
                const n = world.requests.filter(r => r.time >= began).length;
                const told = feed.told.filter(one => one[0] >= began);
                const waits = told.filter(one => one[2].state === 'waiting').map(one => one[2]);
                const messages = feed.told.filter(one => one[1] === 'message').length;
                isWell = true;
                await world.run(31000);
                out[transport + ', ' + when + ': ' + name] = {
                    n, closed: told.some(one => one[1] === 'close'),
                    reset: feed.told.some(one => one[1] === 'reset'), messages,
                    reasons: [...new Set(waits.map(one => one.reason + ' ' + one.code))],
                    waiting: waits.length, state: feed.status.state,
                    got: feed.told.filter(one => one[1] === 'message').map(one => one[2].data),
                };
                feed.close();
            }
    return out;
}'''
OWN = '''async ({ World, answer, problem, page, message }) => {
    const out = [];
    for (const transport of ['sse', 'longpoll', 'poll', 'all'])
        for (const status of [400, 401, 403, 404, 410, 204]) {
            const world = new World();
            world.answer = () => status === 204 ? { status, type: null } : problem(status);
            const feed = world.feed({
                transports: transport === 'all' ? undefined : [transport] });
            await world.run(5000);
            const n = world.requests.length;
            await world.run(100000);
            out.push([transport, status, feed.told.filter(one => one[1] === 'close')
                .map(one => one[2].status), world.requests.length - n, world.timers.length]);
        }
    return out;
}'''
SOCKET = '''async ({ World, answer, page }) => {
    const out = {};
    // A server that takes any subprotocol, or says something of its own.
    for (const [name, protocol, text] of [
        ['no subprotocol', '', '{"op":"cursor","cursor":"e0-1"}'],
        ['another subprotocol', 'chat', '{"op":"cursor","cursor":"e0-1"}'],
        ['no JSON', 'tidings.json', 'hello'], ['a number', 'tidings.json', '5'],
        ['null', 'tidings.json', 'null'], ['an object', 'tidings.json', '{"text":"x"}'],
        ['a list', 'tidings.json', '[1]'],
        ['no cursor', 'tidings.json', '{"op":"cursor","cursor":5}'],
        ['no channel', 'tidings.json', '{"id":"e0-1","data":"x"}'],
        ['a reset to nowhere', 'tidings.json', '{"op":"reset","cursor":null}']]) {
        let opened = 0;
        class WebSocket {
            constructor() {
                this.protocol = protocol;
                opened++;
                world.add(() => this.onopen && this.onopen(), 1);
                world.add(() => this.onmessage && this.onmessage({ data: text }), 2);
            }
            send() {}
            close() {}
        }
        const world = new World({ WebSocket });
        world.answer = () => page(404);
        const feed = world.feed({ transports: ['ws'] });
        await world.run(40000);
        const waits = feed.told.filter(one => one[2].state === 'waiting').map(one => one[2]);
        out[name] = { opened, events: [...new Set(feed.told.map(one => one[1]))],
            reasons: [...new Set(waits.map(one => one.reason))], thrown: world.thrown };
        feed.close();
    }
    return out;
}'''
PUBLISH = '''async ({ World, answer, problem, page }) => {
    const out = {};
    for (const [name, bad, times] of [
        ['a rate limiter', () => page(403), 3], ["the site's page", () => page(200), 3],
        ['a log-in', () => page(401), 3], ['JSON of something', () => ({ status: 201, body: {} }), 3],
        ['ids of something', () => ({ status: 201, body: [{ id: 7 }] }), 3],
        ["a gateway's", () => ({ status: 403, body: { error: 'x' } }), 3],
        ['for ever', () => page(403), 99], ['too large', () => page(413), 99],
        ['Tidings itself', () => problem(403), 99], ['busy', () => problem(503), 3]]) {
        const world = new World();
        const posts = [];
        world.answer = r => r.method === 'POST' ? posts.push(r.body) <= times ? bad() :
            { status: 201, body: [{ id: 'e0-9', channel: 'a' }] } : answer(1);
        const feed = world.feed({ transports: ['poll'] });
        const got = [];
        feed.publish('a', 'x').then(id => got.push(id), e => got.push(e.status, e.message));
        await world.run(1);
        await world.run(120000);
        out[name] = { got, posts: posts.length, same: new Set(posts).size };
        feed.close();
    }
    return out;
}'''
CATCHUP = '''async ({ World, answer, problem, page, message }) => {
    const out = {};
    for (const [name, bad] of [['page', () => page(403)], ['json', () => ({ body: { a: 1 } })],
        ['messages', () => ({ body: { cursor: 'e0-5', reset: false, messages: [{ a: 1 }] } })],
        ['own', () => problem(403)]]) {
        const world = new World();
        let polls = 0, isBad = true;
        world.answer = r => r.path === '/push/poll' ? (polls++, isBad ? bad() :
                { body: { cursor: 'e0-5', reset: true, messages: [
                    Object.assign(message(3), { channel: 'b' })] } }) :
            { type: 'text/event-stream', body: ['id: e0-5\\n\\n'] };
        const feed = world.feed({ transports: ['sse'], silence: 1e9 });
        await world.run(1000);
        feed.subscribe('b', 'earliest');
        await world.run(40000);
        const before = feed.told.map(one => one[1]);
        isBad = false;
        await world.run(10000);
        out[name] = { polls, before, last: feed.told.slice(before.length).map(one => one[1]) };
        feed.close();
    }
    return out;
}'''
LADDER = '''async ({ World, answer, page }) => {
    const world = new World();
    // Somebody keeps one of the transports to himself.
    world.answer = r => r.path === '/push/sse' ? page(404) :
        Object.assign(answer(1), { after: 1000 * (r.query.wait || 0) });
    const feed = world.feed({});
    await world.run(20000);
    return feed.told.find(one => one[1] === 'open');
}'''
RATE = '''async ({ World, answer, page }) => {
    const out = {};
    for (const [name, what] of [
        ['nothing new', () => answer(1)],
        ['a cursor that moves, and no message', n => answer(n)],
        ['the same message', () => answer(1, 1)],
        ['a message each', n => answer(n, n)],
        ['a reset each', n => ({ body: { cursor: 'e' + n + '-1', reset: true, messages: [] } })],
        ['a page', () => page(200)], ['a refusal of somebody', () => page(403)],
        ['an error', () => page(500)]]) {
        const world = new World();
        let n = 0;
        world.answer = () => what(++n);
        const feed = world.feed({ transports: ['longpoll'] });
        await world.run(20000);
        out[name] = world.asked('longpoll');
        feed.close();
    }
    // Held as it should be: asked again at once.
    const world = new World();
    let n = 0;
    world.answer = () => Object.assign(answer(++n, n), { after: 200 });
    world.feed({ transports: ['longpoll'] });
    await world.run(20000);
    out.held = world.asked('longpoll');
    return out;
}'''
SITE = '''<!DOCTYPE html><title>the site</title><script src="/tidings.js"></script>
<script>parent.visits = (parent.visits || 0) + 1;</script><p>Welcome'''


def matrix(t):
    entries = ', '.join('%r: () => %s' % item for item in FOREIGN.items())
    for name, got in scenario(MATRIX.replace('FOREIGN', entries)).items():
        t.ok(not got['closed'] and not got['reset'], name + ': nothing ends', got)
        t.ok(got['waiting'] and all(one.startswith('foreign') for one in got['reasons']),
             'its status says why it waits', got)
        # In 40 s; 120 it were.
        t.ok(1 <= got['n'] <= 25, 'it is not asked often', got)
        t.equal((got['messages'], got['state'], got['got']),
                (int('midst' in name), 'open', ['m2']), 'and it comes back by itself')


def worlds(t):
    matrix(t)
    for transport, status, closed, more, timers in scenario(OWN):
        t.equal((closed, more, timers), ([status], 0, 0),
                "%s: Tidings' own %d ends it, and all of it" % (transport, status))
    for name, got in scenario(SOCKET).items():
        t.equal((got['events'], got['reasons'], got['thrown']), (['status'], ['foreign'], []),
                'WebSocket, %s: is not ours' % name)
        t.ok(1 <= got['opened'] <= 12, 'and is not opened often', got)
    got = scenario(PUBLISH)
    for name, one in got.items():
        if name == 'for ever':
            t.ok(one['got'][:1] == [403] and 'Tidings' in one['got'][1], 'publish, for ever: gives up',
                 one)
            t.equal(one['posts'], 6, 'after six tries')
        elif name in ('too large', 'Tidings itself'):
            t.equal((one['got'][0], one['posts']), (413 if name == 'too large' else 403, 1),
                    'publish, %s: is told at once' % name)
        else:
            t.equal((one['got'], one['posts']), (['e0-9'], 4), 'publish, %s: again' % name)
        t.equal(one['same'], 1, 'as the same message')
    got = scenario(CATCHUP)
    for name in ('page', 'json', 'messages'):
        t.ok('close' not in got[name]['before'], 'catching up, %s: it goes on' % name, got)
        t.ok(5 <= got[name]['polls'] <= 40, 'and asks with back-off', got[name])
        t.equal(got[name]['last'], ['reset', 'message'],
                'then it has what came before, a reset too')
    t.ok(got['own']['before'][-1] == 'close' and got['own']['polls'] == 1,
         "catching up: Tidings' own 403 ends it", got['own'])
    at, _, status = scenario(LADDER)
    t.ok(at < 500 and status['transport'] == 'longpoll',
         'where one transport is answered by another the next is taken at once', at, status)
    for name, n in scenario(RATE).items():
        most = {'a message each': 201, 'held': 105, 'a reset each': 25}.get(name, 24)
        least = {'held': 90}.get(name, 2)
        t.ok(least <= n <= most, 'a long poll answered at once, %s: %d times in 20 s' % (name, n))


def frames(t, stage):
    """The hidden frame, in browsers."""
    for client in stage.clients:
        for name, status in (("the site's page", 200), ('not found', 404)):
            client.open()
            before = client.proxy.requests('/push/iframe')
            client.proxy.say(SITE, 'text/html', '/push/', status=status)
            client.watch('frame', transports=['iframe'])
            client.watch('ladder')
            label = '%s, %s: ' % (client.name, name)
            for one in ('frame', 'ladder'):
                t.soon(lambda: client.status(one)['reason'] == 'foreign', label + 'it is told apart',
                       20, lambda: client.story(one))
            t.equal(client.proxy.requests('/push/iframe'), before, label + 'no frame loads it')
            t.equal(client.js('return window.visits || 0'), 0, label + 'and it did not run')
            client.proxy.heal()
            for one in ('frame', 'ladder'):
                t.soon(lambda: client.count(one) > 0, label + 'well again, it begins', 20,
                       lambda: client.story(one))
            # In the midst: the frame was known to be ours.
            before = client.proxy.requests('/push/iframe')
            client.proxy.say(SITE, 'text/html', '/push/', status=status)
            client.proxy.cut()
            t.soon(lambda: client.status('frame')['reason'] == 'foreign',
                   label + 'it is told apart in the midst', 20, lambda: client.story('frame'))
            seen = len(client.told('frame', 'status'))
            t.soon(lambda: len(client.told('frame', 'status')) > seen + 3, label + 'it tries', 20)
            n = client.proxy.requests('/push/iframe') - before
            t.ok(n <= 1, label + 'the frame loads it once at most', n)
            client.proxy.heal()
            stage.site.publish_sql('feed', 'at last')
            for one in ('frame', 'ladder'):
                t.soon(lambda: client.got(one)[-1][3] == 'at last', label + 'it comes back', 20,
                       lambda: client.story(one))
            t.equal([client.told(one, 'close') for one in ('frame', 'ladder')], [[], []],
                    label + 'and nothing was closed')
            client.forget()
        t.equal(client.thrown(), [], client.name + ': nothing is thrown')


def test(t, stage):
    worlds(t)
    stage.site.publish_sql('feed', 'first')
    frames(t, stage)


stage_test(test)

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 12: {channel: 'x'}, transports: ['websocket'], transports: 'sse', no url
# and publish(new Uint8Array(2)) hung, looped or stored nonsense without a word.
# Whatever an option or argument can't be is a TypeError at once that names it,
# nothing is asked of the server, and what is fine is taken.
import json, os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from js_world import scenario
from tidings_test import need, run

# What is called, and the word that the error names.
THROWS = [
    ("new T()", 'url'), ("new T('')", 'url'), ("new T(5)", 'url'), ("new T(null)", 'url'),
    ("new T({ channels: 'a' })", 'url'), ("new T('/push')", 'url'),
    ("new T('ws://host/push')", 'url'), ("new T('http://host/push?channel=a')", 'url'),
    ("new T('http://host/push#a')", 'url'),
    ("new T(U, 'a')", 'option'), ("new T(U, ['a'])", 'option'), ("new T(U, 5)", 'option'),
    ("new T(U, { channel: 'x' })", '"channel"'), ("new T(U, { topics: 'x' })", '"topics"'),
    ("new T(U, { chanels: undefined })", '"chanels"'),
    ("new T(U, { toString: 5 })", '"toString"'), ("new T(U, { ownRetry: 5 })", '"ownRetry"'),
    ("new T(U, { transports: ['websocket'] })", '"websocket"'),
    ("new T(U, { transports: ['sse', 'websocket'] })", '"websocket"'),
    ("new T(U, { transports: 'sse' })", 'transports'), ("new T(U, { transports: [] })", 'transport'),
    ("new T(U, { transports: {} })", 'transports'), ("new T(U, { transports: ['WS'] })", '"WS"'),
    ("new T(U, { transports: ['iframe'] })", '"iframe"'),
    ("new T(U, { transports: ['ws'] })", '"ws"'),
    ("new T(U, { channels: 5 })", 'channels'), ("new T(U, { channels: [''] })", 'channels'),
    ("new T(U, { channels: ['a', undefined] })", 'channels'),
    ("new T(U, { channels: {} })", 'channels'), ("new T(U, { channels: [['a']] })", 'channels'),
    ("new T(U, { prefixes: '' })", 'prefixes'), ("new T(U, { prefixes: [null] })", 'prefixes'),
    ("new T(U, { since: 'begining' })", '"begining"'), ("new T(U, { since: NaN })", 'since'),
    ("new T(U, { since: {} })", 'since'), ("new T(U, { since: 1.5 })", 'since'),
    ("new T(U, { since: 'Earliest' })", '"Earliest"'),
    ("new T(U, { share: 'no' })", 'share'), ("new T(U, { share: 0 })", 'share'),
    ("new T(U, { withCredentials: 'include' })", 'withCredentials'),
    ("new T(U, { key: 5 })", 'key'), ("new T(U, { key: '' })", 'key'),
] + [("new T(U, { %s: %s })" % (name, value), name)
     for name in ('interval', 'wait', 'timeout', 'silence', 'retry', 'maxRetry', 'upgrade')
     for value in ("'5s'", '0', '-1', 'NaN', 'true', '[]')] + [
    ("f.on()", 'listener'), ("f.on('message')", 'listener'), ("f.on('message', 'x')", 'listener'),
    ("f.on('', () => 0)", 'listener'), ("f.on(5, () => 0)", 'listener'),
    ("f.subscribe()", 'channels'), ("f.subscribe('')", 'channels'), ("f.subscribe(5)", 'channels'),
    ("f.subscribe(['b', null])", 'channels'), ("f.subscribe('b', 'begin')", '"begin"'),
    ("f.unsubscribe()", 'channels'), ("f.unsubscribe({})", 'channels'),
    ("f.publish('a', 'x', {}, 'done')", 'done'),
    ("new E()", 'url'), ("new E('http://host/push/sse')", 'channel'),
    ("new E('http://host/push/sse?chanel=a')", 'channel'),
    ("new E('http://host/push/sse?channel=')", 'channel'),
    ("new E('http://host/push/sse?channel=a&since=x')", '"x"'),
]
# What publish() rejects, and hands to a callback.
REJECTS = [
    ("", 'channel'), ("''", 'channel'), ("5, 'x'", 'channel'), ("['a'], 'x'", 'channel'),
    ("'a'", 'data'), ("'a', undefined", 'data'), ("'a', () => 5", 'data'),
    ("'a', Symbol('x')", 'data'), ("'a', NaN", 'data'), ("'a', 1 / 0", 'data'), ("'a', 5n", 'data'),
    ("'a', new Uint8Array(2)", 'Uint8Array'), ("'a', new Float64Array(2)", 'Float64Array'),
    ("'a', new ArrayBuffer(2)", 'ArrayBuffer'), ("'a', new DataView(new ArrayBuffer(2))", 'DataView'),
    ("'a', bytes", 'Uint8Array'), ("'a', new Blob(['x'])", 'Blob'),
    ("'a', new Map()", 'Map'), ("'a', new Set()", 'Set'), ("'a', Promise.resolve(1)", 'Promise'),
    ("'a', new Error('x')", 'Error'), ("'a', /x/", 'RegExp'), ("'a', circle", ''),
    ("'a', { big: 5n }", ''), ("'a', { toJSON: () => undefined }", 'data'),
    ("'a', 'x', 'slide'", 'option'), ("'a', 'x', () => 5", 'option'), ("'a', 'x', ['b']", 'option'),
    ("'a', 'x', { type: 'slide' }", '"type"'), ("'a', 'x', { content_type: 'b' }", '"content_type"'),
    ("'a', 'x', { event: 5 }", 'event'), ("'a', 'x', { contentType: {} }", 'contentType'),
    ("'a', 'x', { dedup: 7 }", 'dedup'),
]
FINE = [
    "new T(U)", "new T(U, {})", "new T(U, undefined)", "new T(U, null)", "new T(new URL(U))",
    "new T(U + '/')", "new T(U, { channels: 'a', prefixes: ['b.'], since: 0 })",
    "new T(U, { channels: undefined, since: undefined, share: undefined, key: undefined })",
    "new T(U, { channels: null, since: null, interval: null, transports: null })",
    "new T(U, { since: '' })", "new T(U, { since: -20 })", "new T(U, { since: '17' })",
    "new T(U, { since: '62d3f225066c-17' })", "new T(U, { since: 'earliest' })",
    "new T(U, { since: 'a-b-17' })",
    "new T(U, { upgrade: Infinity, maxRetry: 1e12, retry: 0.5 })",
    "new T(U, { transports: ['iframe', 'poll', 'ws'] })",
    "new T(U, { share: false, withCredentials: true, key: 'k' })",
    "f.on('x', () => 0)", "f.on('x', { handleEvent: () => 0 })", "f.off('x')",
    "f.subscribe('b').subscribe(['c', '__proto__'], '-1').unsubscribe('b').reconnect()",
    "f.publish('a', 'x')", "f.publish('a', '')", "f.publish('a', null)", "f.publish('a', false)",
    "f.publish('a', 0)", "f.publish('a', [])", "f.publish('a', Object.create(null))",
    "f.publish('a', new Date())", "f.publish('a', new URL(U))", "f.publish('a', new (class A {})())",
    "f.publish('a', 'x', null)", "f.publish('a', 'x', { event: undefined, dedup: null })",
    "f.publish('a', 'x', {}, () => 0)", "f.publish('a', 'x', undefined, null)",
    "new E('http://host/push/sse?channel=a&format=json', { withCredentials: false })",
    "new E('http://host/push/sse?prefix=a&last_event_id=5')",
]
SCENARIO = '''async ({ World, answer }) => {
    const world = new World({ U: 'http://host/push', Blob, bytes: Buffer.from('x') });
    const eval_ = text => world.eval(text);
    const cases = CASES, out = {};

    world.answer = r => r.method === 'POST' ?
        { status: 201, body: [{ id: 'e0-1', channel: 'a' }] } : answer(1);
    eval_('T = Tidings; E = tidings.EventSource; circle = {}; circle.a = circle;');
    eval_('f = new T(U, { channels: "f", transports: ["poll"], interval: 1e9 });');
    await world.run(50);

    async function left() {
        const n = world.requests.length;

        await world.run(30000);
        return world.requests.length - n;
    }

    const of = kind => error => (error instanceof eval_('TypeError') ||
        error instanceof TypeError ? 'TypeError' : 'Error') + kind + ': ' + error.message;
    const thrown = of(''), rejected = of(' by rejection'), called = of(' by callback');

    out.throws = [];
    for (const text of cases.throws) {
        try {
            eval_(text);
            out.throws.push(['nothing', await left()]);
        } catch (error) {
            out.throws.push([thrown(error), await left()]);
        }
    }
    out.rejects = [];
    for (const text of cases.rejects) {
        const at = [];
        let promise;

        try {
            promise = eval_('f.publish(' + text + ')');
            promise.then(() => at.push('stored'), e => at.push(rejected(e)));
        } catch (error) {
            at.push(thrown(error));
        }
        at.push(await left());
        const rest = text.split(', ').length;
        const call = 'f.publish(' + [text || 'undefined', ...rest < 2 ? ['undefined'] : [],
            ...rest < 3 ? ['undefined'] : []].join(', ') + ', back)';
        world.context.back = e => at.push(e ? called(e) : 'stored');
        try {
            eval_(call);
        } catch (error) {
            at.push(thrown(error));
        }
        out.rejects.push(at);
    }
    out.fine = [];
    for (const text of cases.fine) {
        try {
            const got = eval_(text);

            out.fine.push('fine');
            if (got && got.then)
                got.then(null, e => out.fine[out.fine.length - 1] = String(e));
            await world.run(5000);
            if (got && got.close && got !== world.context.f)
                got.close();
        } catch (error) {
            out.fine.push(String(error));
        }
    }
    out.uncaught = world.thrown;
    return out;
}'''


def main(t):
    need('node')
    got = scenario(SCENARIO.replace('CASES', json.dumps({
        'throws': [text for text, _ in THROWS], 'rejects': [text for text, _ in REJECTS],
        'fine': FINE})))
    for (text, word), (said, asked) in zip(THROWS, got['throws']):
        t.ok(said.startswith('TypeError: ') and word in said, 'throws: ' + text, said)
        t.equal(asked, 0, 'and asks for nothing')
    for (text, word), said in zip(REJECTS, got['rejects']):
        t.ok(len(said) == 3 and said[0].startswith('TypeError by rejection: ') and word in said[0],
             'rejects: publish(%s)' % text, said)
        t.ok(said[-1].startswith('TypeError by callback: ') and said[1] == 0,
             'calls back, and sends nothing', said)
    for text, said in zip(FINE, got['fine']):
        t.equal(said, 'fine', 'takes: ' + text)
    t.equal(got['uncaught'], [], 'nothing is thrown later')


run(main)

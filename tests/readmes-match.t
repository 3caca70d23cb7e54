#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""readmes-match.t - issue 4: README.zh-CN.md says what README.md says: section
by section the same code, the same names in the text, as many lines in lists and
tables, and the same numbers.  Whoever changes one of them is told here."""
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import SRC, run  # noqa: E402

FENCE = re.compile(r'^(```.*?\n)(.*?)^```$', re.M | re.S)
CHINESE = re.compile('[\u4e00-\u9fff]')


def sections(name):
    """Each section: its level, its code blocks, and its text without them."""
    with open(os.path.join(SRC, name), encoding='utf-8') as f:
        text = f.read()
    codes = [m.group(1) + m.group(2) for m in FENCE.finditer(text)]
    text = FENCE.sub('\x00', text)
    found = []
    for part in re.split(r'^(?=#+ )', text, flags=re.M):
        if part:
            own = [codes.pop(0) for _ in range(part.count('\x00'))]
            found.append((re.match('#+', part).group(), own, part))
    return found


def links(text):
    return sorted(re.findall(r'<https?:[^>]*>', text))


def names(text):
    return sorted(re.findall(r'`[^`]+`', text))


def rows(text):
    return [len(re.findall(mark, text, re.M))
            for mark in (r'^\* ', r'^\|', r'^\*\*')]


def numbers(text):
    """Those of more than one digit; a language may write the others as words."""
    text = re.sub(r'`[^`]*`|<[^>]*>', '', text)
    return sorted(re.findall(r'\d[\d,.]*\d', text))


def test(t):
    english, chinese = sections('README.md'), sections('README.zh-CN.md')
    t.equal([s[0] for s in chinese], [s[0] for s in english],
            'both have the same headings')
    t.ok(len(english) > 6 and sum(len(s[1]) for s in english) > 10,
         'they are found')
    for (_, code, text), (_, same, other) in zip(english, chinese):
        title = text.splitlines()[0]
        t.equal(same, code, title + ': the same code')
        t.equal(names(other), names(text), title + ': the same names')
        t.equal(links(other), links(text), title + ': the same links')
        t.equal(rows(other), rows(text), title + ': lists and tables')
        t.equal(numbers(other), numbers(text), title + ': the same numbers')
        t.ok(CHINESE.search(other) and not CHINESE.search(
            text.replace('[\u4e2d\u6587]', '')), title + ': each in its language')
    t.ok('](README.zh-CN.md)' in english[0][2], 'one leads to the other')
    t.ok('](README.md)' in chinese[0][2], 'and back')


run(test)

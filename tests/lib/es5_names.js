/* SPDX-License-Identifier: MIT */
/*
 * Prints, as JSON, what an ES5 script takes from outside: the names that it does
 * not declare itself, and those that it calls as methods of something.  Beside
 * them all words that no minifier makes up: strings and names of members.
 *
 *	node es5_names.js FILE
 */
const acorn = require('acorn');
const fs = require('fs');

const tree = acorn.parse(fs.readFileSync(process.argv[2], 'utf8'),
	{ ecmaVersion: 5 });
const declared = new Set(), used = new Set(), called = new Set();
const words = new Set();

function name(node) {
	if (node)
		declared.add(node.name);
}

function walk(node) {
	if (/^Function/.test(node.type)) {
		name(node.id);
		node.params.forEach(name);
	} else if (node.type === 'VariableDeclarator') {
		name(node.id);
	} else if (node.type === 'CatchClause') {
		name(node.param);
	} else if (node.type === 'Identifier') {
		used.add(node.name);
	} else if (node.type === 'CallExpression' &&
		node.callee.type === 'MemberExpression' && !node.callee.computed) {
		called.add(node.callee.property.name);
	}
	if (node.type === 'Literal' && typeof node.value === 'string')
		words.add(node.value);
	if (node.type === 'MemberExpression' && !node.computed)
		words.add(node.property.name);
	if (node.type === 'Property')
		words.add(node.key.name || node.key.value);
	for (const [key, value] of Object.entries(node)) {
		// a.key and { key: ... } use no variable "key".
		if ((key === 'property' || key === 'key') && !node.computed)
			continue;
		for (const part of [].concat(value))
			if (part && typeof part.type === 'string')
				walk(part);
	}
}

walk(tree);
console.log(JSON.stringify({
	used: [...used].filter(one => !declared.has(one)).sort(),
	called: [...called].sort(),
	words: [...words].filter(one => String(one).length > 2).sort(),
}));

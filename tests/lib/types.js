/* SPDX-License-Identifier: MIT */
/*
 * Prints, as JSON, the members that a file of types declares, by the name of
 * what they are of, with what is said before each.
 *
 *	node types.js FILE
 */
const fs = require('fs');
const ts = require('typescript');

const file = ts.createSourceFile('types.d.ts',
	fs.readFileSync(process.argv[2], 'utf8'), ts.ScriptTarget.Latest, true);
const out = {};

for (const one of file.statements) {
	if (!ts.isInterfaceDeclaration(one) && !ts.isClassDeclaration(one))
		continue;
	const members = out[one.name.text] = {};
	for (const member of one.members)
		if (member.name)
			members[member.name.text] = file.text.slice(
				member.pos, member.getStart());
}
console.log(JSON.stringify(out));

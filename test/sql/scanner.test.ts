/** Statements are separated where PostgreSQL's own scanner and parser (libpg-query) would. */
import fc from 'fast-check';
import { loadModule, parseSync, scanSync } from 'libpg-query';
import { beforeAll, describe, expect, it } from 'vitest';
import { ProgramError } from '../../sql/program-error.ts';
import { parameterNames, statementsOf } from '../../sql/statements.ts';

beforeAll(() => loadModule());

/** Pieces between the separators that the scanner sees outside parentheses, without those of comments alone. */
function scanned(sql: string): string[] | null {
  const bytes = Buffer.from(sql);
  let tokens: ReturnType<typeof scanSync>['tokens'];
  try {
    tokens = scanSync(sql).tokens;
  } catch {
    return null;
  }
  const pieces: string[] = [];
  let from = 0;
  let depth = 0;
  let empty = true;
  const finish = (to: number) => {
    if (!empty) pieces.push(bytes.subarray(from, to).toString());
    empty = true;
  };
  for (const { text, start, end, tokenName } of tokens) {
    if (text === ';' && depth === 0) {
      finish(start);
      from = end;
      continue;
    }
    if (!/COMMENT/.test(tokenName)) empty = false;
    if (text === '(') depth++;
    else if (text === ')') depth = Math.max(0, depth - 1);
  }
  finish(bytes.length);
  return pieces.map((piece) => piece.trim());
}

function own(sql: string): string[] | null {
  try {
    return statementsOf(sql, {}).map((statement) => statement.text.trim());
  } catch (error) {
    if (error instanceof ProgramError) return null;
    throw error;
  }
}

const TOKENS = [
  "'",
  "''",
  "e'",
  "E'",
  "u&'",
  "n'",
  '"',
  'u&"',
  '$$',
  '$a$',
  '$1',
  '$',
  '\\',
  "\\'",
  ';',
  ';',
  '(',
  ')',
  '--',
  '/*',
  '*/',
  '\n',
  '\r',
  ' ',
  '\t',
  'a',
  'e',
  'b1',
  '1',
  '1.',
  '-',
  '*',
  '+',
  'é',
  '国',
  "uescape '!'",
];

describe('the separation of statements', () => {
  it("is the scanner's, whatever quotes, comments and numbers stand together", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...TOKENS), { maxLength: 14 }), (tokens) => {
        const sql = tokens.join('');
        const theirs = scanned(sql);
        // What the scanner refuses, the database refuses.
        if (theirs !== null) expect(own(sql), JSON.stringify(sql)).toEqual(theirs);
      }),
      { numRuns: 20_000 },
    );
  });

  const ROUTINES = [
    'create function f("begin" int) returns int language sql return 1',
    'create procedure p(begin int) language sql as $$ select 1 $$',
    'create function f(begin int, case_ int) returns int begin atomic select 1; select 2; end',
    'create or replace procedure p(begin int) begin atomic insert into t values (1); delete from t; end',
    'create function f() returns int begin atomic select case when true then 1 else 2 end as "end"; select 3; end',
    'create function f() returns int begin /* ; */ atomic select case 1 when 1 then case when true then 2 end end; end',
    'create function f() returns int begin atomic select 1 as end; select 2 as case; end',
    'create function begin() returns int return 1',
    'create function s.begin() returns int return 1',
    'create table begin (atomic int)',
    'create rule r as on insert to t do (delete from a; delete from b)',
    'select begin, atomic from t',
    'insert into t values (1)',
  ];
  it('does not end a routine too early or too late, whatever its parameters are called', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...ROUTINES), { minLength: 1, maxLength: 4 }), (statements) => {
        const sql = statements.join(';\n');
        expect(parseSync(sql).stmts).toHaveLength(statements.length);
        expect(own(sql)).toEqual(statements);
      }),
    );
  });
});

describe('names of parameters', () => {
  it.each([
    ['select :b, :a, :b', ['a', 'b']],
    ["select ':a', e'\\':a', $$:a$$, x::a, y[1:a] -- :a", []],
    ['select :a; select :b', ['a', 'b']],
    ["select :a; select ':b", ['a']],
    // A parameter called e begins no escape string.
    ["select :e'\\' || :b || '\\'", ['b', 'e']],
  ])('are those that the text binds: %s', (sql, names) => {
    expect(parameterNames(sql)).toEqual(names);
  });
});

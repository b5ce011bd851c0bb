import { describe, expect, it } from 'vitest';
import { ProgramError } from '../../sql/program-error.ts';
import { statementsOf } from '../../sql/statements.ts';

const period = { period: '202610' };
const texts = (sql: string, parameters = {}) => statementsOf(sql, parameters).map((one) => one.text.trim());

const splits: [string, { given: string; want: string[] }][] = [
  ['two statements', { given: 'select 1;\nselect 2;\n', want: ['select 1', 'select 2'] }],
  ['two statements in one line', { given: 'select 1; select 2', want: ['select 1', 'select 2'] }],
  ['a last statement without separator', { given: 'select 1', want: ['select 1'] }],
  ['nothing but comments and separators', { given: '-- nothing\n;;/* ; */;\n', want: [] }],
  ['a separator in a string', { given: "select ';\n';\nselect 2", want: ["select ';\n'", 'select 2'] }],
  ['a doubled quote', { given: "select 'it''s;' ; select 2", want: ["select 'it''s;'", 'select 2'] }],
  [
    'a backslash in an ordinary string',
    { given: "select '\\'; select 2", want: ["select '\\'", 'select 2'] },
  ],
  [
    'a backslash in an escape string',
    { given: "select e'\\';'; select 2", want: ["select e'\\';'", 'select 2'] },
  ],
  [
    'a separator in a quoted name',
    { given: 'select 1 as "a;""b"; select 2', want: ['select 1 as "a;""b"', 'select 2'] },
  ],
  [
    'a separator in a line comment',
    { given: 'select 1 -- a; b\n; select 2', want: ['select 1 -- a; b', 'select 2'] },
  ],
  [
    'nested block comments',
    { given: 'select /* a /* ; */ ; */ 1; select 2', want: ['select /* a /* ; */ ; */ 1', 'select 2'] },
  ],
  [
    'dollar quotes',
    { given: 'do $$ begin a; b; end $$; select 2', want: ['do $$ begin a; b; end $$', 'select 2'] },
  ],
  [
    'tagged dollar quotes',
    { given: 'do $x$ $$;$$ ; $x$; select 2', want: ['do $x$ $$;$$ ; $x$', 'select 2'] },
  ],
  [
    'a dollar inside a name',
    { given: 'select a$b$ from t; select c$b$', want: ['select a$b$ from t', 'select c$b$'] },
  ],
  [
    'a rule with actions in parentheses',
    {
      given: 'create rule r as on insert to t do (a; b); select 2',
      want: ['create rule r as on insert to t do (a; b)', 'select 2'],
    },
  ],
  [
    'a routine body in SQL',
    {
      given:
        'create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end; select 3',
      want: [
        'create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end',
        'select 3',
      ],
    },
  ],
];

const binds: [string, { given: string; want: string; values: unknown[] }][] = [
  ['a name', { given: 'select :period', want: 'select $1', values: ['202610'] }],
  ['the same name twice', { given: 'select :period, :period', want: 'select $1, $1', values: ['202610'] }],
  [
    'the same name under two casts',
    {
      given: 'select :period::int, :period::text, :period :: int',
      want: 'select $1::int, $2::text, $1 :: int',
      values: ['202610', '202610'],
    },
  ],
  ['a cast', { given: "select '1'::int", want: "select '1'::int", values: [] }],
  ['an assignment', { given: 'call f(a := 1)', want: 'call f(a := 1)', values: [] }],
  [
    'a slice',
    { given: 'select a[lo:period], a[1:period]', want: 'select a[lo:period], a[1:period]', values: [] },
  ],
  ['a name in a string', { given: "select ':period'", want: "select ':period'", values: [] }],
  ['a name in a comment', { given: 'select 1 -- :period', want: 'select 1 -- :period', values: [] }],
  ['a name in a dollar quote', { given: 'do $$ :period $$', want: 'do $$ :period $$', values: [] }],
  [
    'a name after an operator',
    { given: 'select 1 where a=:period', want: 'select 1 where a=$1', values: ['202610'] },
  ],
  ['a number in a list', { given: 'select 1 in (:n,:n)', want: 'select 1 in ($1,$1)', values: [7] }],
];

describe('statements of a program', () => {
  it.each(splits)('are separated rightly: %s', (_name, { given, want }) => {
    expect(texts(given)).toEqual(want);
  });

  it.each(binds)('bind parameters rightly: %s', (_name, { given, want, values }) => {
    const [statement] = statementsOf(given, { ...period, n: 7 });
    expect(statement!.text).toBe(want);
    expect(statement!.values).toEqual(values);
  });

  it('number parameters from 1 in each statement', () => {
    expect(texts('select :period; select :period', period)).toEqual(['select $1', 'select $1']);
  });

  it('refuse a parameter that is not given, with its place', () => {
    expect(() => statementsOf('select 1,\n  :nobody', period)).toThrow(
      new ProgramError('line 2, column 3: no parameter :nobody is given (given: period)'),
    );
    expect(() => statementsOf('select :constructor', period)).toThrow(ProgramError);
  });

  it.each([
    ["select 'a", 'quoted string'],
    ['select "a', 'quoted name'],
    ['select /* a', 'comment'],
    ['select $a$ b', 'dollar quote'],
  ])('refuse text that ends inside something: %s', (sql, what) => {
    expect(() => statementsOf(`\n${sql}`, {})).toThrow(new RegExp(`inside a ${what}.*line 2`));
  });

  it('know their verb and first line', () => {
    const [first, second] = statementsOf('-- why\n  insert into t\nvalues (1);\n(select 1)', {});
    expect([first!.verb, first!.firstLine]).toEqual(['insert', 'insert into t']);
    expect(second!.verb).toBe('select');
  });

  it('lead an error position back to line and column, behind parameters and wide characters', () => {
    const sql = "select '𠀀', :period,\n  wrong from t";
    const [statement] = statementsOf(sql, period);
    const position = [...statement!.text].indexOf('w') + 1;
    expect(statement!.place(position)).toEqual({ line: 2, column: 3 });
    const after = statementsOf('select 1;\nselect :period, oops', period)[1]!;
    expect(after.place([...after.text].indexOf('o') + 1)).toEqual({ line: 2, column: 17 });
  });
});

import { describe, expect, test } from 'vitest';
import { parseCatalogue } from '../../../graph/catalogue/parse.ts';
import { closest } from '../../../graph/text/problems.ts';

const job = (id: string, more = '') => `  - id: ${id}
    kind: job
    names: { en: ${id}, zh: 流程 }
    cycle: month
${more}`;

/** `line:column code` of every problem, and the English words. */
function problemsOf(...texts: string[]) {
  const { problems } = parseCatalogue(texts.map((text, i) => ({ path: `${i}.yaml`, text })));
  return problems.map(
    ({ file, line, column, code, message }) => `${file}:${line}:${column} ${code} ${message.en}`,
  );
}

describe('parsing a catalogue', () => {
  test('files are merged in their order and defaults are filled', () => {
    const { catalogue, problems } = parseCatalogue([
      { path: 'a.yaml', text: `flows:\n${job('A')}pools: [{ id: bulk, size: 3 }]\n` },
      { path: 'b.yaml', text: `flows:\n${job('B', '    after: [A, { flow: A, period: previous }]\n')}` },
      { path: 'empty.yaml', text: '# nothing yet\n' },
      { path: 'none.yaml', text: 'flows:\n  # all commented out\n' },
    ]);
    expect(problems).toEqual([]);
    expect(catalogue.flows.map(({ id }) => id)).toEqual(['A', 'B']);
    expect(catalogue.flows[1]).toMatchObject({
      after: ['A', { flow: 'A', period: 'previous' }],
      trigger: 'auto',
      retries: { program: 0, infrastructure: 3, timeout: 0, lost: 3, backoffMs: 30_000 },
    });
    expect(catalogue.pools).toEqual([{ id: 'bulk', size: 3 }]);
  });

  test.each<[string, string, string[]]>([
    [
      'an unknown field, with the near name',
      job('A', '    afther: [B]\n'),
      ["6:5 unknown_field unknown field 'afther'; did you mean 'after'?"],
    ],
    [
      'an unknown field far from any',
      job('A', '    colour: red\n'),
      ["6:5 unknown_field unknown field 'colour'"],
    ],
    [
      'an unknown field deep inside',
      job('A', '    retries: { progam: 1 }\n'),
      ["6:16 unknown_field unknown field 'progam'; did you mean 'program'?"],
    ],
    [
      'an unknown field of an edge',
      job('A', '    after: [{ flow: B, periode: same }]\n'),
      ["6:24 unknown_field unknown field 'periode'; did you mean 'period'?"],
    ],
    [
      'a misspelt field that must be there',
      job('A', '    after: [{ flw: B }]\n'),
      [
        "6:13 missing_field field 'flow' is missing",
        "6:15 unknown_field unknown field 'flw'; did you mean 'flow'?",
      ],
    ],
    [
      'a value of the wrong type',
      job('A', '    timeoutMs: soon\n'),
      ['6:16 invalid_value timeoutMs: Invalid input: expected number, received string'],
    ],
    [
      'a value out of range',
      job('A', '    timeoutMs: -1\n'),
      ['6:16 invalid_value timeoutMs: Too small: expected number to be >=0'],
    ],
    [
      'a bad id in a list',
      job('A', '    after: [B, 9x]\n'),
      ['6:16 invalid_value after: an id starts with a letter, then letters, digits, _ . -, at most 120'],
    ],
    [
      'a list that is none',
      job('A', '    after:\n'),
      ['6:5 invalid_value after: Invalid input: expected array, received null'],
    ],
    [
      'a program of an unknown type',
      job('A', '    program: { type: sqll }\n'),
      [
        "6:22 invalid_value type: Invalid discriminator value. Expected 'sql' | 'shell' | 'export' | 'import' | 'noop'",
      ],
    ],
    ['a program without type', job('A', '    program: {}\n'), ["6:14 missing_field field 'type' is missing"]],
    [
      'a mapping nobody knows',
      job('A', '    period: yesterday\n'),
      [
        '6:13 invalid_value period: Invalid option: expected one of "same"|"previous"|"lastDayOfMonth"|"everyDayOfMonth"|"everyHourOfDay"',
      ],
    ],
    [
      'a parameter from nowhere',
      job('A', '    parameters: { day: { from: moon } }\n'),
      [
        '6:32 invalid_value from: Invalid option: expected one of "period"|"month"|"day"|"firstDay"|"lastDay"|"previousMonth"|"run"|"generation"',
      ],
    ],
    [
      'a moment in words',
      job('A', '    deadline: tomorrow\n'),
      [
        '6:15 invalid_value deadline: a moment is written like "+1 month, day 1, 23:59", "+1 day, 02:00" or "open + 20 s"',
      ],
    ],
    [
      'a flow without id',
      '  - kind: job\n    names: { en: a, zh: 甲 }\n    cycle: day\n',
      ["2:5 missing_field field 'id' is missing"],
    ],
    [
      'a flow that is text',
      '  - hello\n',
      ['2:5 invalid_value Invalid input: expected object, received string'],
    ],
  ])('finds %s where it stands', (_, flows, want) => {
    expect(problemsOf(`flows:\n${flows}`)).toEqual(want.map((line) => `0.yaml:${line}`));
  });

  test('everything wrong is reported at once, and what is right is kept', () => {
    const text = `flows:\n${job('A', '    afther: [B]\n    timeoutMs: soon\n')}${job('B')}${job('C', '    key: maybe\n')}`;
    const { problems, catalogue, leftOut } = parseCatalogue([{ path: 'a.yaml', text }]);
    expect(problems.map(({ line, code, id }) => [line, code, id])).toEqual([
      [7, 'invalid_value', 'A'],
      [6, 'unknown_field', 'A'],
      [16, 'invalid_value', 'C'],
    ]);
    expect(catalogue.flows.map(({ id }) => id)).toEqual(['B']);
    expect([...leftOut]).toEqual(['A', 'C']);
  });

  test('messages come in Chinese too', () => {
    const { problems } = parseCatalogue([
      { path: 'a.yaml', text: `flows:\n${job('A', '    afther: [B]\n    timeoutMs: soon\n')}` },
    ]);
    expect(problems.map(({ message }) => message.zh)).toEqual([
      expect.stringMatching(/^timeoutMs: 无效输入/),
      "未知字段 'afther'；是否指 'after'？",
    ]);
  });

  test('an id used twice names both places, across files and between flows and distributions', () => {
    const distribution = `distributions:
  - { id: A, names: { en: a, zh: 甲 }, cycle: month, from: { connection: m, table: t }, to: { connection: y, table: t }, columns: [a], periodColumn: a }
`;
    expect(problemsOf(`flows:\n${job('A')}${job('B')}`, `flows:\n${job('B')}`, distribution)).toEqual([
      "1.yaml:2:9 duplicate_id 'B' is already defined in 0.yaml:6:9",
      "2.yaml:2:11 duplicate_id 'A' is already defined in 0.yaml:2:9",
    ]);
  });

  test('an unknown list at the top is named, and the rest of the file is read', () => {
    expect(problemsOf(`flow:\n  - id: A\npools: [{ id: p, size: -1 }]\n`)).toEqual([
      "0.yaml:1:1 unknown_field unknown section 'flow'; possible names: 'flows'",
      '0.yaml:3:24 invalid_value size: Too small: expected number to be >=0',
    ]);
    expect(problemsOf('flows: A\n')).toEqual(['0.yaml:1:8 invalid_value flows must be a list']);
    expect(problemsOf('- A\n')[0]).toMatch(/^0\.yaml:1:1 invalid_value a catalogue file has lists named /);
  });

  test('a syntax error costs only its entry', () => {
    const text = `flows:\n${job('A', '    note: "no end\n')}${job('B', '    timeoutMs: soon\n')}`;
    const problems = problemsOf(text);
    expect(problems).toHaveLength(2);
    expect(problems[0]).toMatch(/^0\.yaml:\d+:\d+ yaml_syntax not YAML: Missing closing "quote$/);
    expect(problems[1]).toMatch(/^0\.yaml:11:16 invalid_value/);
  });

  test('a syntax error outside the lists is reported once', () => {
    expect(problemsOf('flows: [\n')).toEqual([expect.stringMatching(/^0\.yaml:2:1 yaml_syntax not YAML: /)]);
    expect(problemsOf('flows: []\nflows: []\n')).toEqual([
      '0.yaml:2:1 yaml_syntax not YAML: Map keys must be unique',
    ]);
  });

  test('positions are right below block scalars, anchors, Windows line ends and a byte order mark', () => {
    const block = `flows:\n${job('A', '    note: |\n      text\n      more\n    timeoutMs: soon\n')}`;
    expect(problemsOf(block)).toEqual([
      '0.yaml:9:16 invalid_value timeoutMs: Invalid input: expected number, received string',
    ]);
    const anchors = `flows:\n${job('A', '    after: &up [X]\n')}${job('B', '    after: *up\n    timeoutMs: soon\n')}`;
    expect(problemsOf(anchors)).toEqual([
      '0.yaml:12:16 invalid_value timeoutMs: Invalid input: expected number, received string',
    ]);
    const windows = `\uFEFFflows:\n${job('A', '    timeoutMs: soon\n')}`.replaceAll('\n', '\r\n');
    expect(problemsOf(windows)).toEqual([
      '0.yaml:6:16 invalid_value timeoutMs: Invalid input: expected number, received string',
    ]);
  });

  test('an anchor of one entry may be used in another', () => {
    const { catalogue, problems } = parseCatalogue([
      {
        path: 'a.yaml',
        text: `flows:\n${job('A', '    after: &up [X, Y]\n')}${job('B', '    after: *up\n')}`,
      },
    ]);
    expect(problems).toEqual([]);
    expect(catalogue.flows[1]!.after).toEqual(['X', 'Y']);
  });

  test('a small file cannot blow up into a large one', () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${[...'bcdefgh'].map((name, i) => `${name}: &${name} [${`*${'abcdefg'[i]},`.repeat(9)}]`).join('\n')}\n`;
    expect(problemsOf(bomb)[0]).toMatch(/^0\.yaml:7:7 yaml_syntax not YAML: with its aliases written out/);
    const long = `a: &a ${'x'.repeat(100_000)}\nb: [${'*a,'.repeat(700)}]\n`;
    expect(problemsOf(long)[0]).toMatch(/yaml_syntax not YAML: with its aliases written out/);
  });

  test('an anchor that many flows use is no bomb', () => {
    const flows = Array.from({ length: 2_000 }, (_, i) => job(`F${i}`, '    retries: *std\n')).join('');
    const { catalogue, problems } = parseCatalogue([
      { path: 'a.yaml', text: `flows:\n${job('A', '    retries: &std { program: 2 }\n')}${flows}` },
    ]);
    expect(problems).toEqual([]);
    expect(catalogue.flows).toHaveLength(2_001);
    expect(catalogue.flows[2_000]!.retries.program).toBe(2);
  });

  test.each([
    [
      'an alias before its anchor',
      'a: *x\nb: &x 1\n',
      '0.yaml:1:4 yaml_syntax not YAML: there is no anchor &x before this alias',
    ],
    [
      'an alias within its anchor',
      'a: &x [1, *x]\n',
      '0.yaml:1:11 yaml_syntax not YAML: the alias *x lies within its own anchor',
    ],
    [
      'a merge of what is no mapping',
      'a: &x 1\nb: { <<: *x }\n',
      '0.yaml:2:10 yaml_syntax not YAML: what << merges is a mapping, or a list of mappings',
    ],
    [
      'a tag that nothing is known about',
      'a: !secret x\n',
      '0.yaml:1:4 yaml_syntax not YAML: Unresolved tag: !secret',
    ],
  ])('%s is refused with its place', (_name, text, want) => {
    expect(problemsOf(text)).toEqual([want]);
  });

  test.each([120, 900, 5_000, 200_000])('lists %i deep are refused', (depth) => {
    const text = `flows:\n${job('A', `    after: ${'['.repeat(depth)}${']'.repeat(depth)}\n`)}${job('B')}`;
    expect(problemsOf(text)[0]).toMatch(/^0\.yaml:\d+:\d+ yaml_syntax not YAML: .*deep/);
  });

  test('lists that are too deep are called so, however little room is left on the stack', () => {
    const text = `flows:\n${job('A', `    after: ${'['.repeat(900)}${']'.repeat(900)}\n`)}${job('B')}`;
    const below = (frames: number): string => (frames === 0 ? problemsOf(text)[0]! : below(frames - 1));
    for (const frames of [0, 2_000, 4_000, 6_000, 7_000]) expect(below(frames)).toMatch(/deep/);
  });

  describe('merge keys', () => {
    const base = `flows:
  - &std
    id: A
    names: { en: A, zh: 甲 }
    kind: job
    cycle: month
    platform: yt
    program: { type: noop }
    owner: base
  - &night
    <<: *std
    id: B
    owner: night
    step: 3
`;

    test('bring in what is not written here', () => {
      const { catalogue, problems } = parseCatalogue([
        {
          path: 'a.yaml',
          text: `${base}  - { <<: *std, id: C, platform: mpp }\n  - { id: D, platform: mpp, <<: *std }\n`,
        },
      ]);
      expect(problems).toEqual([]);
      expect(catalogue.flows.map(({ id, owner, platform }) => [id, owner, platform])).toEqual([
        ['A', 'base', 'yt'],
        ['B', 'night', 'yt'],
        ['C', 'base', 'mpp'],
        ['D', 'base', 'mpp'],
      ]);
    });

    test('of several mappings the first one counts', () => {
      const { catalogue, problems } = parseCatalogue([
        {
          path: 'a.yaml',
          text: `${base}  - { <<: [*night, *std], id: C }\n  - { <<: [*std, *night], id: D }\n  - { <<: [*std, { note: x }], id: E }\n`,
        },
      ]);
      expect(problems).toEqual([]);
      expect(catalogue.flows.map(({ id, owner, step, note }) => [id, owner, step, note])).toEqual([
        ['A', 'base', undefined, undefined],
        ['B', 'night', 3, undefined],
        ['C', 'night', 3, undefined],
        ['D', 'base', 3, undefined],
        ['E', 'base', undefined, 'x'],
      ]);
    });

    test('a mistake is placed where it is written', () => {
      expect(
        problemsOf(
          `${base.replace('owner: base', 'owner: 7')}  - <<: *std\n    id: C\n    timeoutMs: soon\n`,
        ),
      ).toEqual([
        expect.stringMatching(/^0\.yaml:9:12 invalid_value owner: .*write it in quotes/),
        expect.stringMatching(/^0\.yaml:9:12 invalid_value owner: /),
        '0.yaml:17:16 invalid_value timeoutMs: Invalid input: expected number, received string',
      ]);
    });

    test('a quoted << is a name like any other', () => {
      expect(problemsOf(`flows:\n${job('A', '    "<<": { owner: x }\n')}`)).toEqual([
        "0.yaml:6:5 unknown_field unknown field '<<'",
      ]);
    });
  });

  describe('values of parameters', () => {
    const parameter = (value: string) =>
      `flows:\n${job('A', `    parameters:\n      x: { value: ${value} }\n`)}`;

    test.each([
      ['21', 21],
      ['-1.5', -1.5],
      ['"021"', '021'],
      ["'1.10'", '1.10'],
      ['1_000', '1_000'],
      ['yes', 'yes'],
      ['No', 'No'],
      ['2026-10-01', '2026-10-01'],
      ['12:30', '12:30'],
      ['0b11', '0b11'],
      ['true', true],
      ['9007199254740991', 9007199254740991],
      ['!!str 021', '021'],
      ['1e', '1e'],
    ])('%s arrives as it is written', (written, value) => {
      const { catalogue, problems } = parseCatalogue([{ path: 'a.yaml', text: parameter(written) }]);
      expect(problems).toEqual([]);
      expect(catalogue.flows[0]!.parameters.x).toEqual({ value });
    });

    test.each([
      ['021', '21'],
      ['1.10', '1.1'],
      ['1.0', '1'],
      ['1.', '1'],
      ['.5', '0.5'],
      ['+1', '1'],
      ['-0', '0'],
      ['1e3', '1000'],
      ['1E3', '1000'],
      ['0x1F', '31'],
      ['0o17', '15'],
      ['20261130000012345678', '20261130000012345000'],
      ['9007199254740993', '9007199254740992'],
      ['0.10000000000000000001', '0.1'],
      ['1e400', 'Infinity'],
      ['.inf', 'Infinity'],
      ['.nan', 'NaN'],
      ['True', 'true'],
      ['FALSE', 'false'],
    ])('%s is refused, as it would arrive as %s', (written, read) => {
      const [first] = problemsOf(parameter(written));
      expect(first).toBe(
        `0.yaml:7:19 invalid_value ${written} is read as a number or truth value and would arrive as ${read}: write it in quotes, "${written}"`,
      );
    });

    test.each(['null', '~', ''])('%j is refused', (written) => {
      expect(problemsOf(parameter(written))[0]).toMatch(
        /^0\.yaml:7:\d+ invalid_value none of .*write it in quotes/,
      );
    });

    test('an alias brings a number along as it was written', () => {
      const text = `flows:\n${job('A', '    step: &n 007\n')}${job('B', '    parameters:\n      x: { value: *n }\n')}`;
      expect(problemsOf(text)).toEqual([expect.stringMatching(/^0\.yaml:12:19 invalid_value 007 .*"007"$/)]);
    });

    test('elsewhere a number may be written in any way that loses nothing', () => {
      const { catalogue, problems } = parseCatalogue([
        {
          path: 'a.yaml',
          text: `flows:\n${job('A', '    timeoutMs: 6e4\n    expectedMs: 0x10\n    step: 007\n')}`,
        },
      ]);
      expect(problems).toEqual([]);
      expect(catalogue.flows[0]).toMatchObject({ timeoutMs: 60_000, expectedMs: 16, step: 7 });
      expect(problemsOf(`flows:\n${job('A', '    timeoutMs: 1.00000000000000000001\n')}`)).toEqual([
        '0.yaml:6:16 invalid_value 1.00000000000000000001 would arrive as 1: write a whole number from 0 to 3888000000',
      ]);
    });

    test.each([
      ['retries: { lost: 3.00000000000000000001 }', 'would arrive as 3: write a whole number from 0 to 20'],
      ['uses: [{ pool: P, n: 12345678901234567890 }]', 'write a whole number from 1 to 9007199254740991'],
      ['startAt: 12345678901234567890', 'write it in quotes, "12345678901234567890"'],
      ['owner: 12345678901234567890', 'write it in quotes, "12345678901234567890"'],
    ])('quotes are advised where a text may stand, else the number that may: %s', (line, advice) => {
      expect(problemsOf(`flows:\n${job('A', `    ${line}\n`)}`)[0]).toContain(advice);
      // With an alias the file is read as a whole, and the list is known.
      const whole = `pools:\n  - { id: P, size: &n 3 }\nflows:\n${job('B', '    step: *n\n')}${job('A', `    ${line}\n`)}`;
      expect(problemsOf(whole).join()).toContain(advice);
    });

    test('where text is wanted, a number says that it needs quotes', () => {
      const shell = (env: string) =>
        `flows:\n${job('A', `    program: { type: shell, command: [sh, 021], env: { ${env} } }\n`)}`;
      expect(problemsOf(shell('AREA: "021"'))).toEqual([
        expect.stringMatching(/^0\.yaml:\d+:\d+ invalid_value command: .*write it in quotes/),
      ]);
      expect(problemsOf(shell('AREA: 021'))[1]).toMatch(/invalid_value AREA: .*write it in quotes/);
      expect(problemsOf(shell('021: x'))[0]).toMatch(
        /021 is read as a number .*would arrive as 21: write it in quotes/,
      );
    });

    test('a period as a number, too', () => {
      expect(problemsOf('cycles:\n  - { id: hour, begins: 2026110100 }\n')).toEqual([]);
      expect(problemsOf('cycles:\n  - { id: hour, begins: 2.0261101e9 }\n')).toEqual([
        expect.stringMatching(/^0\.yaml:2:25 invalid_value 2\.0261101e9 .*2026110100/),
      ]);
    });
  });

  test.each([
    ['note: "a\\0b"', 'NUL'],
    ['note: "a\\x00b"', 'NUL'],
    ['note: "a\\ud800b"', 'half of a surrogate pair'],
    ['note: "a\\U0000DC00b"', 'half of a surrogate pair'],
  ])('%s is refused after its escapes', (field, what) => {
    expect(problemsOf(`flows:\n${job('A', `    ${field}\n`)}${job('B', '    after: [A]\n')}`)).toEqual([
      expect.stringMatching(new RegExp(`^0\\.yaml:6:11 text_not_storable the text holds .*${what}`)),
    ]);
  });

  test('names are looked through as well', () => {
    const text = `flows:\n${job('A', '    program: { type: shell, command: [x], env: { "A\\0": "1" } }\n')}`;
    expect(problemsOf(text)).toEqual([
      expect.stringMatching(/^0\.yaml:\d+:\d+ text_not_storable a name here holds/),
    ]);
  });

  test('a place is asked for by path, and a default answers with what stands above it', () => {
    const { locate } = parseCatalogue([
      { path: 'a.yaml', text: `flows:\n${job('A')}` },
      { path: 'b.yaml', text: `flows:\n${job('B', '    after:\n      - A\n')}` },
    ]);
    expect(locate(['flows', 1, 'after', 0])).toEqual({ file: 'b.yaml', line: 7, column: 9 });
    expect(locate(['flows', 1, 'after'], 'key')).toEqual({ file: 'b.yaml', line: 6, column: 5 });
    expect(locate(['flows', 0, 'retries', 'program'])).toEqual({ file: 'a.yaml', line: 2, column: 5 });
    expect(locate(['flows', 7])).toBeNull();
  });

  test('a near name is one edit in three letters away, or a swap', () => {
    expect(closest('DwdMergeBilM', ['DwdMergeBillM', 'DwdAccOweM'])).toBe('DwdMergeBillM');
    expect(closest('afetr', ['after', 'owner'])).toBe('after');
    expect(closest('xyz', ['after', 'owner'])).toBeNull();
  });
});

/** Cases about text: what enters as it was written, what programs say, and what numbers that are names become. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Case, expectPart, expectSame, HEAD, sqlFlow } from './case.ts';

/** 上海 in GBK. */
const SHANGHAI_GBK = Buffer.from([0xc9, 0xcf, 0xba, 0xa3]);
/** 错误：表空间不足 in GBK, as octal escapes for printf. */
const NO_SPACE_GBK = '\\264\\355\\316\\363\\243\\272\\261\\355\\277\\325\\274\\344\\262\\273\\327\\343';

const gbkProgram = (): Buffer =>
  Buffer.concat([
    Buffer.from('-- '),
    SHANGHAI_GBK,
    Buffer.from(
      "\ncreate table if not exists cases.c05 (month text, name text);\ninsert into cases.c05 values (:period, '",
    ),
    SHANGHAI_GBK,
    Buffer.from("');\n"),
  ]);

export const textCases: readonly Case[] = [
  {
    id: '05',
    right: 'a byte order mark is dropped, a GBK file is refused with its place, or read where it is declared',
    async check(tools) {
      const bom =
        '\ufeffcreate table if not exists cases.c05_bom (month text);\ninsert into cases.c05_bom values (:period);\n';
      const refused = await tools.folder({
        'c05.yaml': HEAD + sqlFlow('C05.Gbk', 'C05Gbk.sql'),
        'programs/C05Gbk.sql': gbkProgram(),
      });
      for (const verb of ['check', 'apply']) {
        const reason = verb === 'apply' ? ['--reason', 'x'] : [];
        const answer = await tools.sluice('catalogue', verb, refused, ...reason);
        if (answer.code === 0) throw new Error(`${verb} takes a file that is no UTF-8`);
        expectPart(verb, answer.out + answer.err, /C05Gbk\.sql.*1.*4/s);
      }
      const run = await tools.open(
        {
          'c05.yaml': `encodings: { programs/C05Gbk.sql: gbk }\n${HEAD}${sqlFlow('C05.Bom', 'C05Bom.sql')}${sqlFlow('C05.Gbk', 'C05Gbk.sql')}`,
          'programs/C05Bom.sql': bom,
          'programs/C05Gbk.sql': gbkProgram(),
        },
        '2025-05',
      );
      for (const flow of ['C05.Bom', 'C05.Gbk'])
        expectSame(flow, await tools.resultOf(run, flow), 'succeeded');
      const { rows } = await tools.warehouse.query<{ name: string }>(
        "select name from cases.c05 where month = '202505'",
      );
      expectSame('names written', rows, [{ name: '上海' }]);
    },
  },
  {
    id: '13',
    right: 'the reason of a failed program carries the end of its stderr; GBK output is kept and can be read',
    async check(tools) {
      const script = join(tools.scratch, 'fail.sh');
      await writeFile(
        script,
        `echo "loading 3 files"
echo "ORA-01653: unable to extend table DWD.BILL in tablespace TS_DWD" >&2
printf '${NO_SPACE_GBK}\\n' >&2
exit 3
`,
      );
      const run = await tools.open(
        {
          'c13.yaml': `flows:
  - { id: C13.Load, names: { en: Load, zh: 装载 }, kind: job, cycle: month, platform: yt, program: { type: shell, command: [sh, ${script}], encoding: gbk } }
  - { id: C13.Killed, names: { en: Killed, zh: 终止 }, kind: job, cycle: month, platform: yt, program: { type: shell, command: [sh, -c, "echo working; kill -9 $$"] } }
`,
        },
        '2026-02',
      );
      expectSame('C13.Load', await tools.resultOf(run, 'C13.Load'), 'failed');
      const why = await tools.sluice('why', 'C13.Load', '--run', run, '--sentence');
      expectPart('why', why.out, 'ORA-01653');
      expectPart('why', why.out, '表空间不足');
      // Of the newest month: no other case has a later one.
      const failures = await tools.sluice('query', 'Q12', '--json');
      expectPart('Q12', failures.out, 'ORA-01653');
      const logs = await tools.sluice('logs', 'C13.Load', '--run', run);
      expectPart('logs', logs.out, '表空间不足');
      expectSame('C13.Killed', await tools.resultOf(run, 'C13.Killed'), 'failed');
      const killed = await tools.sluice('why', 'C13.Killed', '--run', run, '--sentence');
      expectPart('why of a killed program', killed.out, 'SIGKILL');
    },
  },
  {
    id: '14',
    right: 'numbers that would not come back as they were written are refused, quoted ones arrive as written',
    async check(tools) {
      const files = (area: string, customer: string, release: string): Record<string, string> => ({
        'c14.yaml':
          HEAD +
          sqlFlow(
            'C14.Load',
            'C14Load.sql',
            `, parameters: { area: { value: ${area} }, customer: { value: ${customer} }, release: { value: ${release} } }`,
          ),
        'programs/C14Load.sql': `create table if not exists cases.c14 (month text, area text, customer text, release text);
delete from cases.c14 where month = :period;
insert into cases.c14 values (:period, :area, :customer, :release);`,
      });
      const checked = await tools.sluice(
        'catalogue',
        'check',
        await tools.folder(files('021', '20261130000012345678', '1.10')),
      );
      const text = checked.out + checked.err;
      if (checked.code === 0) throw new Error('check takes 021, a number of 20 digits and 1.10');
      for (const number of ['021', '20261130000012345678', '1.10']) expectPart('check', text, number);
      expectPart('check', text, 'quotes');
      const run = await tools.open(files('"021"', '"20261130000012345678"', '"1.10"'), '2025-08');
      expectSame('C14.Load', await tools.resultOf(run, 'C14.Load'), 'succeeded');
      const { rows } = await tools.warehouse.query(
        "select area, customer, release from cases.c14 where month = '202508'",
      );
      expectSame('values written', rows, [
        { area: '021', customer: '20261130000012345678', release: '1.10' },
      ]);
    },
  },
  {
    id: 'R19',
    right: 'an anchor that 120 flows use is no attack, merge keys work, a bomb is refused',
    async check(tools) {
      const flow = (i: number, retries: string): string =>
        `  - { id: C19.F${i}, names: { en: F${i}, zh: 流程${i} }, kind: job, cycle: month, platform: yt, program: { type: noop }, ${retries} }\n`;
      const many = Array.from({ length: 120 }, (_, i) => flow(i + 1, 'retries: *std'));
      const flat = await tools.sluice(
        'catalogue',
        'check',
        await tools.folder({
          'c19.yaml': `flows:\n${flow(0, 'retries: &std { program: 2, backoffMs: 60000 }')}${many.join('')}${flow(121, 'retries: { <<: *std, program: 3 }')}`,
        }),
        '--json',
      );
      expectSame('exit code of check', flat.code, 0);
      expectSame('flows', (JSON.parse(flat.out) as { flows: number }).flows, 122);
      const levels = Array.from(
        { length: 12 },
        (_, i) => `x${i + 1}: &x${i + 1} [${Array(10).fill(`*x${i}`).join(', ')}]`,
      );
      const bomb = await tools.sluice(
        'catalogue',
        'check',
        await tools.folder({ 'bomb.yaml': `x0: &x0 [a]\n${levels.join('\n')}\n` }),
      );
      if (bomb.code === 0) throw new Error('a bomb of aliases passes');
      expectPart('check of the bomb', bomb.out + bomb.err, 'bomb.yaml');
    },
  },
];

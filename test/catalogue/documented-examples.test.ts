/** The YAML and SQL of docs/operations.md: checked as a catalogue, executed as a check. */
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import { checkCatalogue } from '../../graph/catalogue/check.ts';
import { ensurePlatformSchema } from '../../platforms/sql/fence.ts';
import { createSqlPlatform } from '../../platforms/sql/sql.ts';
import { contextOf, sqlSpec, taskOf } from '../platforms/task.ts';
import { createEmptyDatabase } from '../support/database.ts';

const docs = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
const blocks = (language: string): string[] =>
  [...docs.matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, 'g'))].map((match) => match[1]!);

const { url } = await createEmptyDatabase('documented');
const client = new pg.Client(url);
afterAll(() => client.end());

test('what operators are told to write into the catalogue is what the check lets in', () => {
  const frame = 'calendars: [{ id: china }]\nconnections: [{ id: yt, platform: yt }]\n';
  const found = blocks('yaml').map((text) => checkCatalogue([{ path: 'docs.yaml', text: frame + text }]));
  expect(found.map(({ problems }) => problems)).toEqual(found.map(() => []));
  expect(found.flatMap(({ catalogue }) => catalogue.schedules.map((schedule) => schedule.id))).toEqual([
    'days',
  ]);
  expect(found.flatMap(({ catalogue }) => catalogue.flows.map((flow) => flow.kind))).toEqual(['check']);
});

test('D9: the control row triggers: the documented check is false until the import of the period has deal_stat 99', async () => {
  const platform = createSqlPlatform({ connections: { yt: url }, defaultConnection: 'yt' });
  await client.connect();
  await ensurePlatformSchema(client);
  const [sql] = blocks('sql');
  const check = async (period: string) => {
    const task = taskOf(sqlSpec(sql!, true), { parameters: { period } });
    return (await platform.execute(task, contextOf())).outcome;
  };
  const control = (period: string, generation: number, stat: number) =>
    client.query(
      `insert into sluice.disp_import_ctl (distribution, period, run, generation, source_table, target_table, agent, deal_stat)
       values ('DistributeResult', $1, 'r', $2, 's', 't', 'a', $3)`,
      [period, generation, stat],
    );
  expect(await check('202610')).toBe('false');
  await control('202609', 1, 99);
  await control('202610', 1, 0);
  expect(await check('202610')).toBe('false');
  await client.query("update sluice.disp_import_ctl set deal_stat = 99 where period = '202610'");
  expect(await check('202610')).toBe('succeeded');
  // A newer import is under way: last time's row does not count any more.
  await control('202610', 2, 0);
  expect(await check('202610')).toBe('false');
});

/** A correction that is reported by a row on a platform: read by agents, accepted or refused once, answered beside the row. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { correctionRowsOf } from '../../../platforms/sql/correction-rows.ts';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText } from '../../support/estate.ts';

const record = await createTestDatabase('control_rows');
const platform = await createTestDatabase('control_rows_platform');
const api = await startTestApi(record);
const [bot, other] = await Promise.all(
  ['bot', 'other'].map((name) => api.actor({ name, kind: 'agent', scope: { platforms: ['yt'] } })),
);
const instance = randomUUID();
const client = new pg.Client({ connectionString: platform.url });

beforeAll(async () => {
  await client.connect();
  const flows = [{ id: 'A', reads: ['ods.src'], writes: ['ods.t'] }];
  await applyCatalogue(
    api.pool,
    catalogueText(flows, { connections: [{ id: 'yt', platform: 'yt', rehearsal: 'yt_rehearsal' }] }),
  );
});
afterAll(() => client.end());

const rowsOf = () => correctionRowsOf({ yt: platform.url, gone: 'postgres://127.0.0.1:1/none' });
const report = (caller: typeof bot, name: string, corrections: readonly object[]): Promise<Json> =>
  caller!.post(`/agents/${name}/corrections`, { instance, corrections });
const insert = (table: string, period: string): Promise<unknown> =>
  client.query('insert into sluice.sluice_correction (table_name, period, reason) values ($1, $2, $3)', [
    table,
    period,
    'late file',
  ]);
const answers = async (): Promise<string[]> =>
  (await client.query('select answer from sluice.sluice_correction order by id')).rows.map(
    (row) => row.answer,
  );

test('where nothing of the engine is, nothing is made and nothing is found', async () => {
  expect(await rowsOf().look()).toEqual([]);
  expect((await client.query("select to_regnamespace('sluice') as it")).rows[0].it).toBeNull();
});

test('the table is made beside the fence, and a row is found once until it has an answer', async () => {
  await client.query('create schema sluice');
  const rows = rowsOf();
  expect(await rows.look()).toEqual([]);
  await insert('ODS.src', '2026-10');
  const found = await rows.look();
  expect(found).toEqual([
    { connection: 'yt', row: 1, table: 'ODS.src', period: '2026-10', reason: 'late file' },
  ]);
  expect(await rowsOf().look()).toEqual(found);
});

test('two agents that see the row report it once; the answer says what it means', async () => {
  const rows = rowsOf();
  const found = await rows.look();
  const [first, second] = await Promise.all([report(bot, 'bot', found), report(other, 'other', found)]);
  expect([first.status, second.status]).toEqual([200, 200]);
  expect(second.body).toEqual(first.body);
  expect(first.body.answers[0].answer).toMatch(/^accepted: correction-\S+ \(period_not_run\)$/);
  await rows.answer(first.body.answers);
  expect(await answers()).toEqual([first.body.answers[0].answer]);
  expect(await rows.look()).toEqual([]);
  const listed = await api.pool.query('select actor, table_name, period, reason from corrections');
  expect(listed.rows).toEqual([
    { actor: 'connection:yt', table_name: 'ods.src', period: '2026-10', reason: 'late file' },
  ]);
});

test('a row that means nothing is refused in words, and stops no other', async () => {
  const rows = rowsOf();
  await insert('ods.srk', '2026-10');
  await insert('ods.src', '2026-13');
  await insert('ods.src', '2026-11');
  const { body } = await report(bot, 'bot', await rows.look());
  await rows.answer(body.answers);
  expect((await answers()).slice(1)).toEqual([
    expect.stringMatching(/^refused: unknown_table: /),
    expect.stringMatching(/^refused: invalid_period: /),
    expect.stringMatching(/^accepted: /),
  ]);
});

test('a database for rehearsals says nothing about the real one', async () => {
  const { body } = await report(bot, 'bot', [
    { connection: 'yt_rehearsal', row: 1, table: 'ods.src', period: '2026-10', reason: 'x' },
  ]);
  expect(body.answers[0].answer).toMatch(/^refused: .*rehearsals/);
});

test('an agent reports for itself only', async () => {
  expect(
    await report(bot, 'other', [{ connection: 'yt', row: 9, table: 't', period: '2026-10', reason: '' }]),
  ).toMatchObject({ status: 403 });
});

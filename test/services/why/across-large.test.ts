/** `why` of a month that waits for 31 days of 1,200 flows each: every cause, and a fixed number of statements for each run that is read. */
import { expect, test } from 'vitest';
import { DAYS, MONTH_BEHIND_DAYS } from '../../../bench/load/why-across.ts';
import { type Json, startTestApi } from '../../support/api.ts';
import { settleRun } from '../../support/coordinator.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { countStatements } from '../../support/statements.ts';

const database = await createTestDatabase('why_across');
const api = await startTestApi(database, { coordinator: false });
const reader = await api.actor({ name: 'li', kind: 'person', roles: ['viewer'] });

test('every day is a cause, and the statements grow with the runs that are read, not with their flows', {
  timeout: 600_000,
}, async () => {
  await applyCatalogue(api.pool, catalogueText(MONTH_BEHIND_DAYS));
  for (let d = 1; d <= DAYS; d++) {
    const run = await openTestRun(api.pool, `2026-10-${String(d).padStart(2, '0')}`, 'day');
    await settleRun(api.pool, run, api.deps.contextOf);
  }
  const month = await openTestRun(api.pool);
  await settleRun(api.pool, month, api.deps.contextOf);
  const path = `/runs/${month}/flows/Report/why`;
  const cold = await reader.get(path);
  expect(cold.status).toBe(200);
  const { answer, statements } = await countStatements(() => reader.get(path));
  const { causes, causeCount } = answer.body;
  const gates = causes.filter((it: Json) => it.code === 'gate_unconfirmed');
  expect(gates.map((it: Json) => `${it.run} ${it.flow} ${it.blocks}`)).toHaveLength(DAYS);
  expect(new Set(gates.map((it: Json) => it.run)).size).toBe(DAYS);
  // The day before the first was never opened.
  expect(causes.filter((it: Json) => it.code !== 'gate_unconfirmed')).toMatchObject([
    { run: 'day-2026-09-30', code: 'run_not_opened', blocks: 2 },
  ]);
  expect(causeCount).toBe(DAYS + 1);
  expect(gates.every((it: Json) => it.blocks === 2)).toBe(true);
  expect(statements).toBeLessThanOrEqual(STATEMENTS + DAYS * STATEMENTS_PER_RUN);
  const all = await countStatements(() => reader.get(`/runs/${month}/why`));
  expect(all.answer.body.causeCount).toBe(DAYS + 1);
  expect(all.statements).toBeLessThanOrEqual(STATEMENTS + DAYS * STATEMENTS_PER_RUN);
});

/** What the asked run takes, and what says why a run was not opened. */
const STATEMENTS = 30;
/** A run that is read: its row, and a snapshot. */
const STATEMENTS_PER_RUN = 18;

/**
 * Protocol A3, A6: why numbers of the log come from the run's counter row. Two writers commit in the order opposite to the one in which they took
 * their numbers, and a reader with a cursor looks in between: with a plain sequence it skips a row for ever, with the counter row it
 * cannot.
 */
import pg from 'pg';
import { afterAll, describe, expect, test } from 'vitest';
import { appendLog, type LogRow, rowOfRun } from '../../store/record/run-log.ts';
import { createPool } from '../../store/schema/pool.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';

const database = await createTestDatabase('log_order');
const pool = createPool(database.url, { max: 8, name: 'test' });
afterAll(() => pool.end());

async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  return client;
}

/** What a cursor makes of it: each look takes what is above the highest number seen. */
function reader(read: (above: number) => Promise<number[]>) {
  const seen: number[] = [];
  return {
    seen,
    async look(): Promise<void> {
      seen.push(...(await read(seen.at(-1) ?? 0)));
    },
  };
}

describe('commits in another order than the numbers', () => {
  test('a plain sequence loses the row that is committed later', async () => {
    await pool.query('create table by_sequence (seq bigserial primary key, who text)');
    const [first, second] = await Promise.all([connect(), connect()]);
    const cursor = reader(async (above) => {
      const found = await pool.query('select seq from by_sequence where seq > $1 order by seq', [above]);
      return found.rows.map((row) => Number(row.seq));
    });
    await first.query('begin');
    await second.query('begin');
    await first.query("insert into by_sequence (who) values ('first')");
    await second.query("insert into by_sequence (who) values ('second')");
    await second.query('commit');
    await cursor.look();
    await first.query('commit');
    await cursor.look();
    const rows = await pool.query('select count(*)::int as n from by_sequence');
    expect(rows.rows[0].n).toBe(2);
    // The trap: two rows are there, and the cursor will never see number 1.
    expect(cursor.seen).toEqual([2]);
    await Promise.all([first.end(), second.end()]);
  });

  test('A3: the counter row makes the second writer wait for the first, and no cursor skips', async () => {
    await applyCatalogue(pool, catalogueText([{ id: 'A' }]));
    const run = await openTestRun(pool);
    const [first, second] = await Promise.all([connect(), connect()]);
    const cursor = reader(async (above) => {
      const found = await pool.query('select seq from run_log where run_id = $1 and seq > $2 order by seq', [
        run,
        above,
      ]);
      return found.rows.map((row) => Number(row.seq));
    });
    await first.query('begin');
    await second.query('begin');
    await appendLog(first, run, [rowOf('first')]);
    let committed = false;
    const later = appendLog(second, run, [rowOf('second')]).then(async () => {
      await second.query('commit');
      committed = true;
    });
    await expect
      .poll(
        async () =>
          (
            await pool.query(
              "select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
            )
          ).rows[0].n,
        { interval: 10 },
      )
      .toBe(1);
    await cursor.look();
    expect([committed, cursor.seen]).toEqual([false, []]);
    await first.query('commit');
    await later;
    await cursor.look();
    expect(cursor.seen).toEqual([1, 2]);
    await Promise.all([first.end(), second.end()]);
  });

  test('A3: forty writers that hold their transactions open for random times: every look continues the one before', async () => {
    const run = await openTestRun(pool, '2026-11');
    const cursor = reader(async (above) => {
      const found = await pool.query('select seq from run_log where run_id = $1 and seq > $2 order by seq', [
        run,
        above,
      ]);
      return found.rows.map((row) => Number(row.seq));
    });
    let writing = true;
    const looking = (async () => {
      while (writing) await cursor.look();
    })();
    const writers = Array.from({ length: 6 }, async (_, w) => {
      const client = await connect();
      for (let i = 0; i < 7; i++) {
        await client.query('begin');
        await appendLog(client, run, [rowOf(`w${w}-${i}`)]);
        await client.query('select pg_sleep($1)', [((w * 7 + i * 5) % 11) / 1_000]);
        await client.query((w + i) % 5 === 0 ? 'rollback' : 'commit');
      }
      await client.end();
    });
    await Promise.all(writers);
    writing = false;
    await looking;
    await cursor.look();
    const counter = await pool.query('select log_seq from run_counters where run_id = $1', [run]);
    expect(cursor.seen).toEqual(Array.from({ length: counter.rows[0].log_seq }, (_, i) => i + 1));
    // A writer that rolled back has left no gap either.
    expect(cursor.seen).toHaveLength(42 - 9);
  });
});

const rowOf = (name: string): LogRow => rowOfRun('external', { type: 'event', event: name });

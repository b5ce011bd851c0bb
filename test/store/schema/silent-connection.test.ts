/**
 * Connections over which nothing comes any more although nobody closed them (a firewall forgot them, a machine is gone): what waits on them
 * must give up by itself, and what comes next must get a new one.
 */
import pg from 'pg';
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Link, openLink } from '../../../bench/faults/link.ts';
import { listen } from '../../../store/schema/listen.ts';
import { createPool, inTransaction } from '../../../store/schema/pool.ts';
import { createTestDatabase } from '../../support/database.ts';

const database = await createTestDatabase('silent_connection');
const direct = new pg.Pool({ connectionString: database.url, max: 2 });
direct.on('error', () => {});
const silent = { warn() {} };
const links: Link[] = [];
let link: Link;
let url: string;
beforeEach(async () => {
  const target = new URL(database.url);
  link = await openLink('test', Number(target.port), () => 0);
  links.push(link);
  target.port = String(link.port);
  url = target.href;
});
afterAll(async () => {
  await direct.end();
  await Promise.all(links.map((other) => other.close()));
});

describe('a connection that has fallen silent', () => {
  test('is given up by a pool: the statement fails, the next transaction has a new connection', async () => {
    const pool = createPool(url, { max: 1, name: 'test', answerMs: 500 });
    await inTransaction(pool, (client) => client.query('select 1'));
    link.forget();
    const query = vi.spyOn(pg.Client.prototype, 'query');
    // `begin` and the statement are sent together: the time-out of the first closes the connection, and either may be told.
    await expect(inTransaction(pool, (client) => client.query('select 1'))).rejects.toThrow(
      /^(Query read timeout|Connection terminated unexpectedly)$/,
    );
    // It is waited for once, not once more for a rollback.
    expect(query.mock.calls.filter(([text]) => /rollback/.test(String(text)))).toEqual([]);
    expect(query).toHaveBeenCalled();
    query.mockRestore();
    const after = await inTransaction(pool, (client) => client.query('select 2 as two'));
    expect(after.rows).toEqual([{ two: 2 }]);
    await pool.end();
  });

  test('is waited for at the start: who listens begins when the server can be reached', async () => {
    link.break('cut');
    const waits: string[] = [];
    const heard: string[] = [];
    const listening = listen(url, ['test_start'], (_channel, payload) => heard.push(payload), {
      log: { warn: (_facts, message) => void waits.push(message) },
    });
    await expect.poll(() => waits).toEqual(['a server does not answer yet: waiting']);
    link.heal();
    const stop = await listening;
    await direct.query("select pg_notify('test_start', 'x')");
    await expect.poll(() => heard).toEqual(['x']);
    await stop();
  });

  test('that breaks between connecting and listening is tried again', async () => {
    const resets = setInterval(() => link.reset(), 5);
    const listening = listen(url, ['test_reset'], () => {}, { log: { warn: () => clearInterval(resets) } });
    await (await listening)();
    clearInterval(resets);
  });

  test('is found by who listens: notifications come again', async () => {
    const heard: string[] = [];
    const stop = await listen(url, ['test_channel'], (_channel, payload) => heard.push(payload), {
      log: silent,
      pingMs: 300,
      answerMs: 500,
    });
    link.forget();
    let nth = 0;
    await expect
      .poll(
        async () => {
          await direct.query("select pg_notify('test_channel', $1)", [String(++nth)]);
          return heard.length;
        },
        { interval: 100 },
      )
      .toBeGreaterThan(0);
    await stop();
  });
});

/**
 * `npm run growth`: times lists, answers, hops and the retention with months of history, beside the same with hardly any. One JSON object on
 * stdout, talk on stderr; exit 6 when something became more than twice as slow.
 */
import { parseArgs } from 'node:util';
import type pg from 'pg';
import { watchSignals } from '../../embedded/shutdown.ts';
import { SluiceError } from '../../errors.ts';
import { createPool } from '../../store/schema/pool.ts';
import { catalogueOf } from '../estate/catalogue.ts';
import { makeEstate } from '../estate/estate.ts';
import type { Estate } from '../estate/model.ts';
import { daysUntil, yesterday } from '../estate/moments.ts';
import { pastRuns } from '../estate/past.ts';
import { writePast } from '../estate/write-past.ts';
import { percentile } from '../load/percentile.ts';
import { startSystem } from '../load/system.ts';
import { CHAIN, hopsOf, measure, type Probe } from './probe.ts';

const say = (text: string): void => void process.stderr.write(`growth: ${text}\n`);
const shutdown = watchSignals(say);
const DAY = 86_400_000;
/** Twice as slow is the limit; below this a difference is the machine's noise, ms. */
const NOISE_MS = 1;

async function main() {
  const { values: options } = parseArgs({
    options: {
      flows: { type: 'string', default: '13000' },
      history: { type: 'string', default: '150' },
      seed: { type: 'string', default: '42' },
      repeat: { type: 'string', default: '41' },
    },
  });
  const number = (name: keyof typeof options): number => {
    const value = Number(options[name]);
    if (!Number.isInteger(value) || value < 1)
      throw new SluiceError('usage', `--${name} wants a whole number`);
    return value;
  };
  const estate = makeEstate({ flows: number('flows'), seed: number('seed') });
  // The newest day is in both: what is asked about one run is asked about the same run.
  const last = yesterday(Date.now() - 2 * DAY);
  const [small, large] = await Promise.all([installation(estate, last), installation(estate, last)]);
  say(`writing ${number('history')} days`);
  const past = pastRuns(estate, { last: daysUntil(last, 2)[0]!, days: number('history') });
  const written = await writePast(large.pool, past, say);
  say('asking');
  const [empty, filled] = await measure([small, large], number('repeat'));
  const ratios = Object.entries(filled!).map(([name, ms]) => ({ name, ms, before: empty![name]! }));
  const slower = ratios.filter(({ ms, before }) => ms > 2 * before && ms - before > NOISE_MS);
  say('archiving while chains run');
  const begun = performance.now();
  let archiving = true;
  const retention = large.client
    .post<{ archived: unknown[] }>('/retention/run', { limit: 60 })
    .finally(() => {
      archiving = false;
    });
  const hops: number[] = [];
  while (archiving) hops.push(...(await hopsOf(large)));
  const { archived } = await retention;
  const seconds = Math.round((performance.now() - begun) / 100) / 10;
  const size = await large.pool.query<{ mb: number }>(
    'select pg_database_size(current_database()) / 1048576 as mb',
  );
  return {
    ok: slower.length === 0,
    written,
    databaseMb: size.rows[0]!.mb,
    medianMs: Object.fromEntries(ratios.map(({ name, ms, before }) => [name, { empty: before, filled: ms }])),
    ratio: Object.fromEntries(
      ratios.map(({ name, ms, before }) => [name, Math.round((100 * ms) / before) / 100]),
    ),
    slower: slower.map(({ name }) => name),
    retention: {
      runs: archived.length,
      seconds,
      hopMs: { p50: percentile(hops, 0.5), p95: percentile(hops, 0.95) },
    },
  };
}

/** A whole installation with the estate, one finished day and one that was just opened. */
async function installation(estate: Estate, last: string): Promise<Probe> {
  const files = catalogueOf(estate, { noop: true });
  const system = await startSystem({
    catalogue: { ...Object.fromEntries(files.map(({ path, text }) => [path, text])), 'chain.yaml': CHAIN },
    agents: [{ name: 'agent-chain', platform: 'chain', slots: 4 }],
    env: { SLUICE_RETENTION: 'manual', SLUICE_KEEP_DAY_DAYS: '60' },
    say,
    shutdown,
  });
  const pool = createPool(system.databaseUrl, { max: 2, name: 'growth', copies: true });
  shutdown.add('connections', () => pool.end());
  await writePast(pool, pastRuns(estate, { last, days: 1 }), () => {});
  const client = system.client('admin');
  const next = yesterday(Date.parse(last) + 2 * DAY);
  const open = await client.post<{ id: string }>('/runs', { cycle: 'day', period: next });
  await settled(pool, open.id);
  const flows = estate.flows.filter((flow) => flow.cycle === 'day').map((flow) => flow.id);
  return { client, pool, past: `day-${last}`, open: open.id, flows };
}

/** Until the coordinator has opened everything that may begin: what is listed then stays. */
async function settled(pool: pg.Pool, run: string): Promise<void> {
  for (let before = ''; ; ) {
    const found = await pool.query<{ state: string }>(
      `select concat_ws(' ', c.exchange, (select count(*) from outbox o where o.run_id = c.run_id)) as state
       from run_counters c where c.run_id = $1 and c.exchange > 0`,
      [run],
    );
    const now = found.rows[0]?.state ?? '';
    if (now !== '' && now === before) return;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 2_000));
  }
}

let exit = 0;
try {
  const result = await main();
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  exit = result.ok ? 0 : 6;
} catch (error) {
  if (!(error instanceof SluiceError)) throw error;
  say(`${error.code}: ${error.message}`);
  exit = error.kind.exit;
} finally {
  await shutdown.run();
}
process.exit(exit);

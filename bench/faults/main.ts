/**
 * `npm run faults -- --seed N --minutes M [--flows 1000] [--quiet-seconds 300] [--keep] [--summary FILE] --json`
 * Talk goes to stderr, one line an event, fit for a log; stdout is the summary. Exit code 0: no invariant was violated; 1: at least one
 * was; 2: wrong arguments.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { loadConfig } from '../../config.ts';
import { SluiceError } from '../../errors.ts';
import { type FaultSummary, runUnderFaults } from './run.ts';

const say = (text: string): void =>
  void process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);

function options() {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      minutes: { type: 'string', default: '2' },
      flows: { type: 'string', default: '1000' },
      'quiet-seconds': { type: 'string', default: '600' },
      keep: { type: 'boolean', default: false },
      summary: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const number = (key: 'seed' | 'minutes' | 'flows' | 'quiet-seconds', least: number): number => {
    const value = Number(values[key]);
    if (!(value >= least)) throw new SluiceError('usage', `--${key} is a number, at least ${least}`);
    return value;
  };
  return {
    ...values,
    seed: number('seed', 0),
    minutes: number('minutes', 0.1),
    flows: number('flows', 30),
    quietMs: number('quiet-seconds', 1) * 1_000,
  };
}

function shown(summary: FaultSummary): string {
  const { violations, injected, ...rest } = summary;
  const faults = Object.entries(injected).map(([fault, n]) => `${fault} ${n}`);
  return [
    `faults: ${faults.join(', ')}`,
    ...Object.entries(rest).map(([key, value]) => `${key}: ${JSON.stringify(value)}`),
    `violations: ${violations.length}`,
  ].join('\n');
}

async function main(): Promise<number> {
  const { seed, minutes, flows, quietMs, keep, json, summary: file } = options();
  const stopping = new AbortController();
  // Terminal, npm and launcher each pass on the same Ctrl-C: all of them together count as one request.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      if (!stopping.signal.aborted) say(`stopping (${signal})`);
      stopping.abort();
    });
  const summary = await runUnderFaults({
    seed,
    minutes,
    flows,
    quietMs,
    keep,
    say,
    signal: stopping.signal,
    config: loadConfig(),
  });
  for (const { invariant, detail, facts } of summary.violations)
    say(`VIOLATION ${invariant}: ${detail} ${JSON.stringify(facts)}`);
  const text = JSON.stringify(summary);
  if (file !== undefined) await writeFile(file, `${text}\n`);
  process.stdout.write(`${json ? text : shown(summary)}\n`);
  return summary.ok ? 0 : 1;
}

try {
  process.exit(await main());
} catch (error) {
  if (!(error instanceof SluiceError)) throw error;
  say(`${error.code}: ${error.message}`);
  process.exit(error.kind.exit);
}

/**
 * The sample as a program, for `npm start` and the demo. `FILE` is JSON: connection name -> URL, with `yt`, `mpp` and perhaps `db24`.
 *
 * - `prepare FILE [MONTH...]`     fills the databases; months `yyyyMM`, by default that of the README and the last two (Shanghai)
 * - `withhold FILE MONTH`         takes the source rows of one program away, `supply FILE MONTH` gives them back
 * - `carry-over FILE FROM MONTH`  provisional account items of a month from those of another
 *
 * Answers one JSON object on stdout, and to a parent with a channel as `{ ready: true, ... }`.
 */
import { readFile } from 'node:fs/promises';
import { loadConfig } from '../../config.ts';
import { SluiceError } from '../../errors.ts';
import { carryOver } from './carry-over.ts';
import { prepareSample } from './prepare.ts';
import { supplySource, WITHHELD_FLOW, withholdSource } from './withhold.ts';

const USAGE = 'node catalogue/sample/main.ts prepare|withhold|supply|carry-over FILE [MONTH...]';

interface Platforms {
  readonly yt: string;
  readonly mpp: string;
  readonly db24?: string;
}

async function main([command, file, ...months]: readonly string[]): Promise<Record<string, unknown>> {
  if (command === undefined || file === undefined) throw new SluiceError('usage', USAGE);
  const platforms = await readPlatforms(file);
  const month = months[0];
  switch (command) {
    case 'prepare': {
      const { prepared, tookMs, scale } = await prepareSample({
        ytUrl: platforms.yt,
        mppUrl: platforms.mpp,
        ...(platforms.db24 === undefined ? {} : { db24Url: platforms.db24 }),
        months: months.length > 0 ? months : usualMonths(),
        billItems: loadConfig().sampleScale,
      });
      return { prepared, tookMs, months: scale.months, billItems: scale.billItems };
    }
    case 'withhold':
    case 'supply': {
      if (month === undefined) throw new SluiceError('usage', USAGE);
      const move = command === 'withhold' ? withholdSource : supplySource;
      return { flow: WITHHELD_FLOW, month, rows: await move(platforms.yt, month) };
    }
    case 'carry-over': {
      const [from, to] = months;
      if (from === undefined || to === undefined) throw new SluiceError('usage', USAGE);
      return { from, month: to, rows: await carryOver(platforms.yt, from, to) };
    }
    default:
      throw new SluiceError('usage', USAGE);
  }
}

async function readPlatforms(file: string): Promise<Platforms> {
  const platforms = JSON.parse(await readFile(file, 'utf8')) as Partial<Platforms>;
  if (typeof platforms.yt !== 'string' || typeof platforms.mpp !== 'string')
    throw new SluiceError('invalid_config', `${file} lacks the connection yt or mpp, which the sample fills`);
  return platforms as Platforms;
}

/** The month of the four tasks of the README, which are pasted at any time, and the two months of the demo; `yyyyMM`. */
const usualMonths = (): string[] => [...new Set(['202608', ...lastMonths(2)])];

/** The last `n` accounting months before the present one, ascending, `yyyyMM`. */
function lastMonths(n: number): string[] {
  const today = new Intl.DateTimeFormat('en-CA', { timeZone: 'Asia/Shanghai' }).format(new Date());
  const [year, month] = today.split('-').map(Number) as [number, number];
  return Array.from({ length: n }, (_, i) =>
    new Date(Date.UTC(year, month - 1 - n + i, 1)).toISOString().slice(0, 7).replace('-', ''),
  );
}

try {
  const answer = await main(process.argv.slice(2));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
  process.send?.({ ready: true, ...answer });
  process.disconnect?.();
} catch (error) {
  if (!(error instanceof SluiceError)) throw error;
  process.stderr.write(`sample: ${error.code}: ${error.message}\n`);
  process.exitCode = error.kind.exit;
  process.disconnect?.();
}

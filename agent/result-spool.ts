/**
 * Results of programs that ran inside the agent, kept on disk until the API has acknowledged them: a result survives
 * an agent that is killed while the API is away. Shell programs have their own folder for that (C5).
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AttemptResult } from '../contract/agent.ts';

export class ResultSpool {
  readonly #folder: string;

  constructor(spool: string) {
    this.#folder = join(spool, 'results');
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  save(result: AttemptResult): void {
    const file = this.#file(result.epoch);
    writeFileSync(`${file}.new`, JSON.stringify(result), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }

  remove(epoch: number): void {
    rmSync(this.#file(epoch), { force: true });
  }

  /** Takes a result that the API will never accept out of the way, for a person to look at. */
  setAside(result: AttemptResult): void {
    const folder = join(this.#folder, 'refused');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(join(folder, `${result.epoch}.json`), JSON.stringify(result), { mode: 0o600 });
  }

  /**
   * What an earlier process could not deliver. A file that holds no result (a power cut can empty it) is kept under the
   * name `EPOCH.unreadable`: its attempt is `lost` to the API, which no longer hears of it.
   */
  found(): AttemptResult[] {
    return readdirSync(this.#folder)
      .filter((name) => /^\d+\.json$/.test(name))
      .flatMap((name) => {
        const file = join(this.#folder, name);
        try {
          return [AttemptResult.parse(JSON.parse(readFileSync(file, 'utf8')))];
        } catch {
          renameSync(file, file.replace(/json$/, 'unreadable'));
          return [];
        }
      });
  }

  #file(epoch: number): string {
    return join(this.#folder, `${epoch}.json`);
  }
}

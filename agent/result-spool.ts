/**
 * Results of programs that ran inside the agent. They are kept on disk until the API has acknowledged them, so that no result is
 * lost when the agent is killed while the API is away. Results of shell programs are in the folders of their attempts (protocol C5).
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

  /** Moves a result that the API will never accept to another folder, for a person to look at. */
  setAside(result: AttemptResult): void {
    const folder = join(this.#folder, 'refused');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(join(folder, `${result.epoch}.json`), JSON.stringify(result), { mode: 0o600 });
  }

  /**
   * What an earlier process could not deliver. A file that holds no result (a power cut can empty it) is renamed to
   * `EPOCH.unreadable`. The API hears nothing more of its attempt, which becomes `lost`.
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

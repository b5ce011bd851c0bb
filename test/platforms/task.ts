/** Makes tasks for tests of platforms and collects what their attempts log. */
import { createHash } from 'node:crypto';
import type { ProgramSpec, Task } from '../../contract/agent.ts';
import type { LogSource } from '../../platforms/log-source.ts';
import type { ExecuteContext } from '../../platforms/platform.ts';

const READ_BYTES = 128 * 1024;

export interface TaskOptions extends Partial<Omit<Task, 'lease' | 'spec'>> {
  epoch?: number;
  run?: string;
  generation?: number;
  attempt?: number;
}

/** As the record would make it of the program and the period alone. */
export const workKey = (program: string, period = '202610'): string =>
  createHash('sha256')
    .update(JSON.stringify([program, period]))
    .digest('hex');

export function taskOf(spec: ProgramSpec, options: TaskOptions = {}): Task {
  const { epoch = 1, run = 'month-2026-10', generation = 1, attempt = 1, ...rest } = options;
  return {
    lease: { run, flow: rest.program ?? 'Flow', generation, attempt, epoch },
    program: 'Flow',
    period: '202610',
    spec,
    parameters: {},
    timeZone: 'Asia/Shanghai',
    timeoutMs: null,
    orphanMs: 60_000,
    twins: {},
    fenced: spec.type !== 'shell',
    work: workKey(rest.program ?? 'Flow', rest.period ?? '202610'),
    workText: `${rest.program ?? 'Flow'} ${rest.period ?? '202610'}`,
    works: [],
    record: 'record-1',
    own: [],
    unended: [],
    ...rest,
  };
}

export const sqlSpec = (sql: string, check = false): ProgramSpec => ({ type: 'sql', sql, check });

export interface TestContext extends ExecuteContext {
  readonly controller: AbortController;
  readonly text: () => string;
  readonly bytes: () => Buffer;
}

export function contextOf(): TestContext {
  const controller = new AbortController();
  const written: Buffer[] = [];
  let source: LogSource | undefined;
  const bytes = () => {
    for (let slice = source?.next(READ_BYTES); slice !== undefined; slice = source?.next(READ_BYTES)) {
      written.push(slice.data);
      source?.taken();
    }
    return Buffer.concat(written);
  };
  return {
    controller,
    signal: controller.signal,
    log: (said) => void written.push(Buffer.from(said)),
    logFrom: (from) => {
      source = from;
    },
    text: () => bytes().toString(),
    bytes,
  };
}

import { describe, expect, test } from 'vitest';
import type { Ending } from '../../../contract/agent.ts';
import { saidText } from '../../../graph/why/ending-text.ts';
import {
  endingOf,
  exitEnding,
  NEVER_BEGUN,
  spoolTrouble,
  unlaunchedEnding,
} from '../../../platforms/shell/shell-ending.ts';
import { interruptedEnding } from '../../../platforms/sql/interruption.ts';
import { taskOf } from '../task.ts';

const task = taskOf({ type: 'noop', ms: 0, failTimes: 0 }, { timeoutMs: 300 });
const shell = (what: 'timeout' | 'orphan' | 'leave' | 'force' | 'lost'): Ending =>
  endingOf({ what }, task, 'load.sh', () => '4711 (sleep, state D)');
const database = (cause: 'timeout' | 'orphan' | 'leave'): Ending => interruptedEnding(cause, task, false);

const CODES = [
  ['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM', 'ENOSPC', 'ESHIM', 'ENOENT', 'ENOTDIR', 'EACCES', 'E2BIG'],
  ['ETXTBSY', 'ENOEXEC', 'ELOOP', 'EPERM', 'ENAMETOOLONG', 'ENOCWD', 'EIO'],
].flat();

const endings: [string, Ending][] = [
  ['an exit code', exitEnding(3)],
  ['a signal', exitEnding(137)],
  ['a timeout', shell('timeout')],
  ['a lost contact', shell('orphan')],
  ['an agent that stops', shell('leave')],
  ['survivors', shell('force')],
  ['a killed shim', shell('lost')],
  ['a program that never began', NEVER_BEGUN],
  ['a spool that cannot be used', spoolTrouble(new Error('EIO'))],
  ['a timeout of a database', database('timeout')],
  ['a lost contact of a database', database('orphan')],
  ['an agent that stops with a database', database('leave')],
  ...CODES.map((code): [string, Ending] => [code, unlaunchedEnding(code, 'load.sh')]),
];

describe('what an agent says of an ending is there in Chinese', () => {
  test.each(endings)('%s', (_name, ending) => {
    const { message = '' } = ending as { message?: string };
    const { en, zh } = saidText(message);
    expect(en).toBe(message);
    expect(zh).toMatch(/[\u4e00-\u9fff]/);
    // Names of signals, codes, programs and processes are left.
    expect(zh).not.toMatch(/\b(the|was|of|is|not|program|agent)\b/);
  });
});

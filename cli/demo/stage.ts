/** What the acts of the demo share: the actors' clients, the helper programs of the sample data, the output. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Flow } from '../../contract/flows.ts';
import type { Operation } from '../../contract/operations.ts';
import type { RunDetail } from '../../contract/runs.ts';
import { SluiceError } from '../../errors.ts';
import { ApiProblem, type Client } from '../client.ts';
import { ofRun } from '../session.ts';
import type { Narrator } from './narrator.ts';
import { RunView } from './run-view.ts';

export interface Stage {
  /** Operates, and has the roles of all gates. */
  readonly demo: Client;
  /** Has the role `key`: lets rules act and approves what they ask for. */
  readonly admin: Client;
  /** Reads only. */
  readonly viewer: Client;
  readonly narrator: Narrator;
  /** Runs `catalogue/sample/main.ts COMMAND FILE ...months`; answers what it answered. */
  readonly sample: (
    command: 'withhold' | 'supply' | 'carry-over',
    ...months: string[]
  ) => Promise<SampleAnswer>;
  /** Bounds every single wait, ms. */
  readonly deadlineMs: number;
}

export interface SampleAnswer {
  readonly rows: number;
  readonly flow?: string;
}

const sampleProgram = fileURLToPath(new URL('../../catalogue/sample/main.ts', import.meta.url));
const run = promisify(execFile);

/** The sample's helper as a program of its own: the demo holds no credentials of platforms, only the file's name. */
export const sampleHelper =
  (platformsFile: string): Stage['sample'] =>
  async (command, ...months) => {
    try {
      const { stdout } = await run(process.execPath, [sampleProgram, command, platformsFile, ...months]);
      return JSON.parse(stdout) as SampleAnswer;
    } catch (error) {
      const said = (error as { stderr?: string }).stderr?.trim();
      throw new SluiceError('child_failed', `sample ${command}: ${said || (error as Error).message}`, {
        cause: error,
      });
    }
  };

/** The run of a month as it stands; null when it was not opened. */
export async function findMonth(stage: Stage, period: string): Promise<RunDetail | null> {
  try {
    return await stage.demo.get<RunDetail>(ofRun(`month-${period}`));
  } catch (error) {
    if (error instanceof ApiProblem && error.code === 'unknown_run') return null;
    throw error;
  }
}

/** Opens the run of a month unless it was opened before, and follows it. */
export async function openMonth(stage: Stage, period: string, found: RunDetail | null): Promise<RunView> {
  const { demo, narrator } = stage;
  const run = found ?? (await demo.post<RunDetail>('/runs', { cycle: 'month', period }));
  if (found === null) narrator.narrate('opened', { actor: 'demo', run: run.id, flows: run.flows });
  else narrator.narrate('exists', { run: run.id });
  const view = new RunView(demo, run.id, stage.deadlineMs);
  view.on((sight) => narrator.progress(sight));
  return view;
}

interface VerbRequest {
  readonly flows: readonly string[];
  readonly reason?: string;
  readonly evidence?: string;
  readonly partial?: boolean;
}

/** Requests a verb for flows of a run; returns the outcome, and throws a refusal of the API unchanged. */
export const requestVerb = (
  client: Client,
  view: RunView,
  verb: string,
  request: VerbRequest,
): Promise<Operation> => client.operate(ofRun(view.run, `/${verb}`), request);

/** The flow that is there for sure: the story knows the shipped catalogue. */
export function flowIn(flows: readonly Flow[], id: string): Flow {
  const found = flows.find((flow) => flow.id === id);
  if (found === undefined)
    throw new SluiceError('unknown_flow', `the catalogue of this run has no flow ${id}`, {
      facts: { flow: id },
    });
  return found;
}

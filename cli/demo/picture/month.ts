/** A run as bars in time, without a pixel: what the picture of a month shows, read from the API. */
import type { CriticalPath } from '../../../contract/answers.ts';
import type { FlowDetail } from '../../../contract/flows.ts';
import type { RunDetail } from '../../../contract/runs.ts';
import { type Client, part } from '../../client.ts';
import { look } from '../../follow.ts';
import { ofRun } from '../../session.ts';

interface Names {
  readonly en: string;
  readonly zh: string;
}

/** Flows in each state. */
type Counts = Readonly<Partial<RunDetail['counts']>>;

/** What the API says of a run, as much of it as is drawn. */
export interface RunRecord {
  readonly run: Pick<RunDetail, 'id' | 'openedAt' | 'finishedAt' | 'now'> & { readonly counts: Counts };
  /** In the order of the graph, upstream first. */
  readonly flows: readonly Pick<
    FlowDetail,
    | 'id'
    | 'procedure'
    | 'runner'
    | 'state'
    | 'generation'
    | 'releasedAt'
    | 'resultAt'
    | 'attempts'
    | 'generations'
  >[];
  readonly procedures: readonly { readonly id: string; readonly names: Names }[];
  readonly path: Pick<CriticalPath, 'pieces'>;
}

export interface Bar {
  /** `wait`: a person is waited for; `point`: the engine did it, which takes no time. */
  readonly kind: 'run' | 'failed' | 'wait' | 'point';
  readonly from: number;
  readonly to: number;
  /** A rerun has replaced its result. */
  readonly replaced: boolean;
}

export interface Row {
  readonly flow: string;
  readonly bars: readonly Bar[];
  /** When it was force-passed. */
  readonly forcedAt: number | null;
}

export interface Band {
  readonly procedure: string;
  readonly names: Names;
  readonly rows: readonly Row[];
}

export interface Step {
  readonly flow: string;
  readonly kind: string;
  readonly from: number;
  readonly to: number;
}

export interface Month {
  readonly run: string;
  readonly from: number;
  readonly to: number;
  readonly counts: Counts;
  readonly bands: readonly Band[];
  /** The critical path: in order of time, each begins where the one before ends. */
  readonly path: readonly Step[];
}

/** Reads a run with one request for each flow, one after the other. */
export async function readRun(client: Client, run: string): Promise<RunRecord> {
  const sight = await look(client, run);
  const flows: FlowDetail[] = [];
  for (const { id } of sight.flows) flows.push(await client.get(ofRun(run, `/flows/${part(id)}`)));
  const [catalogue, path] = await Promise.all([
    client.get<{ procedures: RunRecord['procedures'] }>('/catalogue', {
      version: sight.run.catalogueVersion,
    }),
    client.get<CriticalPath>(ofRun(run, '/critical-path')),
  ]);
  return { run: sight.run, flows, procedures: catalogue.procedures, path };
}

/** Flows stand below their procedure, in the order of their first moment. Flows of no procedure are left out. */
export function monthOf({ run, flows, procedures, path }: RunRecord): Month {
  const to = run.finishedAt ?? run.now;
  const bands = procedures.map(({ id, names }): Band => {
    const rows = flows.filter((flow) => flow.procedure === id).map((flow) => rowOf(flow, to));
    return { procedure: id, names, rows: rows.toSorted((a, b) => firstMoment(a, to) - firstMoment(b, to)) };
  });
  return {
    run: run.id,
    from: run.openedAt,
    to,
    counts: run.counts,
    bands: bands.filter(({ rows }) => rows.length > 0),
    path: path.pieces.map(({ flow, kind, from, to: end }) => ({ flow, kind, from, to: end })),
  };
}

function rowOf(flow: RunRecord['flows'][number], now: number): Row {
  const bars = flow.runner === 'agent' ? attemptBars(flow, now) : turnBars(flow, now);
  return { flow: flow.id, bars, forcedAt: flow.state === 'force_passed' ? flow.resultAt : null };
}

function attemptBars({ attempts, generation }: RunRecord['flows'][number], now: number): Bar[] {
  return attempts.map((attempt) => ({
    kind: attempt.outcome === 'failed' || attempt.outcome === 'lost' ? 'failed' : 'run',
    from: attempt.startedAt ?? attempt.sentAt,
    to: attempt.endedAt ?? now,
    replaced: attempt.generation < generation,
  }));
}

/** A person or the engine has no attempts: from its turn to its result, in each generation. */
function turnBars(flow: RunRecord['flows'][number], now: number): Bar[] {
  const earlier = flow.generations.filter((it) => it.generation < flow.generation);
  return [...earlier, flow].flatMap(({ generation, releasedAt, resultAt }): Bar[] => {
    const replaced = generation < flow.generation;
    if (flow.runner === 'person' && releasedAt !== null)
      return [{ kind: 'wait', from: releasedAt, to: resultAt ?? now, replaced }];
    return resultAt === null ? [] : [{ kind: 'point', from: resultAt, to: resultAt, replaced }];
  });
}

const firstMoment = ({ bars, forcedAt }: Row, end: number): number => bars[0]?.from ?? forcedAt ?? end;

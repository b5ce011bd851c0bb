/** What came of a run, every figure read from the API: the object of `npm start -- --once --json`. */
import type { CriticalPath } from '../../contract/answers.ts';
import type { AttemptPage, Flow } from '../../contract/flows.ts';
import type { Operation } from '../../contract/operations.ts';
import type { AuditPage } from '../../contract/records.ts';
import type { Plan } from '../../contract/rerun-plans.ts';
import type { RunDetail } from '../../contract/runs.ts';
import { type Client, part } from '../client.ts';
import { look } from '../follow.ts';
import { ofRun } from '../session.ts';

type Attempt = (typeof AttemptPage)['_output']['items'][number];
type AuditEntry = (typeof AuditPage)['_output']['items'][number];

/** Everything that is asked about a run once it is over. */
export interface Account {
  readonly run: RunDetail;
  readonly flows: readonly Flow[];
  /** By flow; only of flows that agents carry out. */
  readonly attempts: ReadonlyMap<string, readonly Attempt[]>;
  readonly reruns: readonly Rerun[];
  readonly refused: readonly Refusal[];
  readonly path: CriticalPath;
  /** The force-passed flows and everything below them: where taint may be. */
  readonly belowForced: readonly string[];
}

export interface Rerun {
  readonly plan: string;
  readonly operation: string;
  readonly scope: string;
  readonly roots: readonly string[];
  readonly members: readonly string[];
  /** Members that got a new generation. */
  readonly redone: readonly string[];
}

export interface Refusal {
  readonly verb: string;
  readonly flows: readonly string[];
  readonly actor: string;
  readonly code: string | null;
}

/** Reads the account of a run; about one request a flow, eight at a time. */
export async function accountOf(client: Client, run: string): Promise<Account> {
  const [sight, reruns, audit, path] = await Promise.all([
    look(client, run),
    rerunsOf(client, run),
    client.list<AuditEntry>('/audit', { run }),
    client.get<CriticalPath>(ofRun(run, '/critical-path')),
  ]);
  const programs = sight.flows.filter((flow) => flow.runner === 'agent');
  const attempts = new Map<string, readonly Attempt[]>();
  await inParallel(8, programs, async ({ id }) => {
    const { items } = await client.list<Attempt>(ofRun(run, `/flows/${part(id)}/attempts`));
    attempts.set(id, items);
  });
  const forced = sight.flows.filter((flow) => flow.state === 'force_passed').map((flow) => flow.id);
  return {
    ...sight,
    attempts,
    reruns,
    refused: audit.items
      .filter(
        (entry) => entry.verb !== 'open' && (entry.outcome === 'refused' || entry.outcome === 'rejected'),
      )
      .map(({ verb, targets, actor, code }) => ({ verb, flows: targets, actor, code }))
      .reverse(),
    path,
    belowForced: await below(client, run, forced),
  };
}

async function rerunsOf(client: Client, run: string): Promise<Rerun[]> {
  const { items } = await client.list<Operation>('/operations', { run, state: 'applied' });
  const applied = items.filter((item) => item.verb === 'rerun' && item.request.plan !== null).reverse();
  return Promise.all(
    applied.map(async (operation) => {
      const plan = await client.get<Plan>(ofRun(run, `/rerun-plans/${part(operation.request.plan!)}`));
      return {
        plan: plan.id,
        operation: operation.id,
        scope: plan.scope,
        roots: plan.roots,
        members: plan.members.map((member) => member.flow),
        redone: plan.members.filter((member) => member.redone).map((member) => member.flow),
      };
    }),
  );
}

/** The flows and all downstream of them, found by asking each for its own. */
async function below(client: Client, run: string, roots: readonly string[]): Promise<string[]> {
  const seen = new Set(roots);
  let next = [...roots];
  while (next.length > 0) {
    const found = await Promise.all(
      next.map((id) => client.get<{ downstream: { flow: string }[] }>(ofRun(run, `/flows/${part(id)}`))),
    );
    next = found.flatMap((found) => found.downstream.map((edge) => edge.flow)).filter((id) => !seen.has(id));
    for (const id of next) seen.add(id);
  }
  return [...seen];
}

async function inParallel<T>(
  width: number,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** What both months have in the answer. */
export function figuresOf(account: Account) {
  const { run, flows, path } = account;
  const flagged = (flag: Flow['flags'][number]): string[] =>
    flows.filter((flow) => flow.flags.includes(flag)).map((flow) => flow.id);
  return {
    run: run.id,
    flows: run.flows,
    states: Object.fromEntries(Object.entries(run.counts).filter(([, count]) => count > 0)),
    reruns: account.reruns,
    redone: flows
      .filter((flow) => flow.generation > 1)
      .map((flow) => ({ flow: flow.id, generation: flow.generation })),
    forcePassed: flows.filter((flow) => flow.state === 'force_passed').map((flow) => flow.id),
    tainted: flagged('tainted'),
    stale: flagged('stale'),
    refused: account.refused,
    criticalPath: path.pieces.map(({ flow, kind, ms }) => ({ flow, kind, ms })),
  };
}

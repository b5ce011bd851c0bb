/** What the slow model hears of each exchange, in the order in which the record took it, and the comparison after it. */
import type { Entry, Group, OperationEntry } from '../../../graph/run/decisions.ts';
import type { Exchanged } from '../../support/memory-record.ts';
import { agreesOn, keepsInvariants, same, type Told } from '../run/agreement.ts';
import { completed, heardLate, hearOfUpstream, lost } from '../run/model-attempts.ts';
import { ask, happen } from '../run/model-verbs.ts';

/** What must not be forgotten from one exchange to the next. */
export interface Remembered {
  /** What the slow model answered, by operation. */
  readonly answers: Map<string, ReturnType<typeof ask>>;
  /** Flows that were done, and how. */
  readonly done: Map<number, string>;
}

/** Runs the slow model over what an exchange wrote, then compares. */
export function witness(it: Told & Remembered, { now, groups, written, entries }: Exchanged): void {
  const { model, record } = it;
  model.stamp = record.now;
  model.notices.length = 0;
  model.redone.length = 0;
  model.gaveUp.length = 0;
  const accepted = groups.slice(0, written);
  if (written > 0 || groups[0]?.seq !== 0) model.passTime(now);
  let next = 0;
  for (const group of accepted) {
    if (group.seq === 0) continue;
    const entry = entries[next++]!;
    if (entry.seq !== group.seq) throw new Error(`log row ${group.seq} instead of ${entry.seq}`);
    hear(it, entry, group);
  }
  if (written === groups.length) model.finale();
  compare(it, accepted);
}

function hear(it: Told & Remembered, entry: Entry, group: Group): void {
  const { model, graph, record } = it;
  if (entry.kind === 'operation') hearOperation(it, entry, group);
  else if (entry.kind === 'completion')
    completed(model, graph.ids[entry.v]!, entry, entry.outcome, entry.failure ?? 'program');
  else if (entry.kind === 'lost') lost(model, graph.ids[entry.v]!, entry);
  else if (entry.body.type === 'event') happen(model, entry.body.event);
  else if (entry.body.type === 'upstream')
    hearOfUpstream(
      model,
      entry.body.changes.map(({ index, met, redone }) => {
        const { v, from, run } = record.subscriptions.list[index]!;
        return { id: graph.ids[v]!, from: `${from}@${run}`, met, redone };
      }),
    );
  else heardLate(model, graph.ids[entry.body.v]!, entry.body);
  model.follow();
}

function hearOperation({ model, answers }: Told & Remembered, entry: OperationEntry, group: Group): void {
  const wanted = ask(model, { ...entry.request, roles: entry.roles, approvedBy: entry.approvedBy });
  const outcomes = group.effects.filter((effect) => effect.t === 'outcome');
  const [given] = outcomes;
  same(
    given === undefined
      ? null
      : { state: given.state, code: given.outcome.code, codes: given.outcome.flows.map((f) => f.code) },
    wanted,
    `answer to ${entry.request.verb} ${entry.request.flows}`,
  );
  same(outcomes.length, 1, 'one outcome');
  if (answers.has(entry.operation)) throw new Error(`${entry.operation} was carried out twice`);
  answers.set(entry.operation, wanted);
  if (wanted.state !== 'applied') {
    const others = group.effects.filter((effect) => effect.t !== 'outcome');
    same(others, [], 'effects of what was not applied');
  }
}

function compare(it: Told & Remembered, groups: readonly Group[]): void {
  const { graph, record, model } = it;
  for (let v = 0; v < graph.n; v++) {
    agreesOn(it, v);
    keepsInvariants(it, v, it.done);
  }
  same(record.closed, model.closed, 'closed');
  same(record.finished, model.finished, 'finished');
  const redone = groups.flatMap((group) =>
    group.effects.flatMap((effect) =>
      effect.t === 'redone' ? [[...new Set(effect.roots.map((v) => graph.ids[v]))].sort().join()] : [],
    ),
  );
  same(redone, model.redone, 'told to other runs as redone');
  const told = groups
    .flatMap((group) => group.effects.filter((effect) => effect.t === 'notice'))
    .map((entry) => `${graph.ids[entry.v]} ${entry.kind} ${entry.recipient}`);
  const gaveUp = groups
    .flatMap((group) => group.effects.filter((effect) => effect.t === 'gave_up'))
    .map(
      (entry) =>
        `${graph.ids[entry.v]} ${entry.generation}.${entry.attempt} ${entry.cause} ${entry.used}/${entry.allowed}`,
    );
  same(gaveUp, model.gaveUp, 'given up');
  same(
    told.sort(),
    model.notices.map((notice) => `${notice.flow} ${notice.kind} ${notice.recipient}`).sort(),
    'notices',
  );
}

/** Whether each attempt was sent only when it might: upstreams done, waived or set aside, and nobody held the flow (protocol D4, E). */
import type { Facts } from './facts.ts';
import { flowKey, grouped, RELEASING, type Report } from './violation.ts';

interface Span {
  readonly from: number;
  readonly to: number;
}

const within = (spans: readonly Span[] | undefined, at: number): boolean =>
  spans?.some((span) => span.from <= at && at <= span.to) === true;
const strictlyWithin = (spans: readonly Span[] | undefined, at: number): boolean =>
  spans?.some((span) => span.from < at && at < span.to) === true;

/**
 * A claim takes a row of the outbox that the exchange put there when the upstreams were done, and takes back, under the row's lock, when
 * they no longer are: so at the instant of the claim they are.
 */
export function checkOrder(facts: Facts, report: Report): void {
  const done = doneSpans(facts);
  const overrides = (kind: string, keyOf: (it: Facts['overrides'][number]) => string) =>
    new Map(
      [
        ...grouped(
          facts.overrides.filter((override) => override.kind === kind),
          keyOf,
        ),
      ].map(([key, list]) => [
        key,
        list.map((item) => ({ from: item.atMs, to: item.endedMs ?? Number.POSITIVE_INFINITY })),
      ]),
    );
  const waived = overrides('waive', (entry) => `${flowKey(entry)} ${entry.from}`);
  const setAside = overrides('start-now', flowKey);
  const held = overrides('hold', flowKey);
  const upstreams = new Map(facts.estate.flows.map((flow) => [flow.id, flow.after]));
  for (const attempt of facts.attempts) {
    const key = flowKey(attempt);
    if (strictlyWithin(held.get(key), attempt.sentMs))
      report('not_while_held', `${key} was sent while it was held`, { attempt, held: held.get(key) });
    if (within(setAside.get(key), attempt.sentMs)) continue;
    for (const upstream of upstreams.get(attempt.flow) ?? []) {
      if (within(done.get(`${attempt.run} ${upstream}`), attempt.sentMs)) continue;
      if (within(waived.get(`${key} ${upstream}`), attempt.sentMs)) continue;
      report('after_upstreams', `${key} was sent before ${upstream} was done, passed or waived`, {
        attempt,
        upstream: done.get(`${attempt.run} ${upstream}`) ?? [],
      });
    }
  }
}

/** When each flow had a result that frees what is below it, over all its generations. */
function doneSpans(facts: Facts): Map<string, Span[]> {
  const spans = new Map<string, Span[]>();
  const add = (key: string, from: number | null, to: number): void => {
    if (from === null) return;
    const list = spans.get(key);
    if (list === undefined) spans.set(key, [{ from, to }]);
    else list.push({ from, to });
  };
  for (const it of facts.generations)
    if (RELEASING.has(it.result ?? '')) add(flowKey(it), it.resultMs, it.endedMs);
  for (const it of facts.flows)
    if (RELEASING.has(it.result ?? '')) add(flowKey(it), it.resultMs, Number.POSITIVE_INFINITY);
  return spans;
}

/**
 * What must hold after the quiet window. Pure: it looks only at the facts that were collected, so a test can change a fact and see which
 * violation is reported. Where the platforms, the notes of shell programs or the operators' ledgers say what happened, they are asked, and not
 * the engine.
 */
import type { AttemptFact, Facts } from './facts.ts';
import { checkOperations } from './operations-check.ts';
import { checkOrder } from './order-check.ts';
import { checkRules } from './rules-check.ts';
import { checkSurvivors } from './survivors.ts';
import { flowKey, generationKey, grouped, RELEASING, type Report, type Violation } from './violation.ts';

/** Every violation, in the order of the rules. O(attempts log attempts + edges of every run). */
export function violationsOf(facts: Facts): Violation[] {
  const found: Violation[] = [];
  const report: Report = (invariant, detail, more) => found.push({ invariant, detail, facts: more });
  checkEnds(facts, report);
  checkLog(facts, report);
  checkSqlEffects(facts, report);
  checkShellEffects(facts, report);
  checkSurvivors(facts, report);
  checkOrder(facts, report);
  checkRoom(facts, report);
  checkOperations(facts, report);
  checkRules(facts, report);
  if (staleRefused(facts) === 0)
    report('stale_refused', 'no stale result was refused: the run proves nothing about late results', {});
  return found;
}

export const staleRefused = (facts: Facts): number =>
  facts.attempts.filter((attempt) => attempt.stale).length;

/** Every run finished, nothing of an attempt left, one accepted result per generation. */
function checkEnds(facts: Facts, report: Report): void {
  for (const run of facts.runs) {
    if (run.frozen !== null) report('all_end', `${run.run} is frozen: ${run.frozen}`, run);
    if (!run.finished) {
      const open = facts.flows.filter((flow) => flow.run === run.run && !RELEASING.has(flow.result ?? ''));
      report('all_end', `${run.run} did not finish: ${open.length} flows are not done`, {
        run: run.run,
        flows: open.slice(0, 5),
      });
    }
  }
  for (const [what, n] of Object.entries(facts.left))
    if (n !== 0) report('nothing_left', `${n} of ${what} are left when everything has ended`, { what, n });
  for (const it of facts.attempts)
    if (it.endedMs === null || it.outcome === null)
      report('nothing_left', `the attempt with epoch ${it.epoch} has no end`, { ...it });
  for (const [key, list] of grouped(
    facts.attempts.filter((attempt) => attempt.outcome === 'succeeded'),
    generationKey,
  ))
    if (list.length > 1)
      report('one_result', `${key} was accepted ${list.length} times`, {
        epochs: list.map((item) => item.epoch),
      });
}

/** Numbers without gap, read to the end, and each end of an attempt reported exactly once. */
function checkLog(facts: Facts, report: Report): void {
  const byRun = grouped(facts.log, (entry) => entry.run);
  for (const run of facts.runs) {
    const log = byRun.get(run.run) ?? [];
    const wrong = log.findIndex((entry, i) => entry.seq !== i + 1);
    if (wrong >= 0 || log.length !== run.logSeq)
      report('log_order', `the log of ${run.run} has ${log.length} rows and its counter says ${run.logSeq}`, {
        run: run.run,
        firstWrong: wrong < 0 ? null : log[wrong],
      });
    if (run.cursor !== run.logSeq)
      report('log_read', `${run.run} has read ${run.cursor} of ${run.logSeq} rows`, { ...run });
  }
  const reported = grouped(
    facts.log.filter((entry) => entry.epoch !== null && entry.kind !== 'external'),
    (entry) => String(entry.epoch),
  );
  for (const attempt of facts.attempts) {
    const rows = reported.get(String(attempt.epoch)) ?? [];
    // A claim that never started may go back to the outbox without a word (protocol C4).
    const enough = attempt.outcome === 'requeued' ? rows.length <= 1 : rows.length === 1;
    if (attempt.outcome !== null && !enough)
      report('told_once', `the end of epoch ${attempt.epoch} stands ${rows.length} times in the log`, {
        attempt,
        rows,
      });
  }
}

/** Outcomes of attempts that may have left an effect although it was not accepted. */
const MAY_HAVE_EFFECT: ReadonlySet<string> = new Set(['lost', 'cancelled']);

function mayHaveEffect(attempt: AttemptFact): boolean {
  if (attempt.startedMs === null) return false;
  if (attempt.outcome === 'succeeded' || MAY_HAVE_EFFECT.has(attempt.outcome ?? '')) return true;
  // The connection broke, or fell silent, while the commit was under way: the fence makes the next attempt report it (protocol C6).
  return (
    attempt.outcome === 'failed' && (attempt.failure === 'infrastructure' || attempt.failure === 'timeout')
  );
}

/** Protocol C6: each effect has its attempt, each accepted success its one effect, and the newest effect stands. */
function checkSqlEffects(facts: Facts, report: Report): void {
  const attempts = new Map(facts.attempts.map((attempt) => [attempt.epoch, attempt]));
  const effects = grouped(facts.effects, generationKey);
  for (const effect of facts.effects) {
    const attempt = attempts.get(effect.epoch);
    if (attempt === undefined || generationKey(attempt) !== generationKey(effect))
      report('effect_owned', `an effect of ${generationKey(effect)} has no attempt with its epoch`, {
        effect,
      });
    else if (!mayHaveEffect(attempt))
      report('effect_owned', `an attempt that counts as ${attempt.outcome} has left an effect`, {
        effect,
        attempt,
      });
  }
  for (const [key, list] of effects)
    if (list.length > 1)
      report('one_effect', `${key} has ${list.length} effects`, { epochs: list.map((item) => item.epoch) });
  const sql = new Set(facts.estate.flows.filter((flow) => flow.effect === 'sql').map((flow) => flow.id));
  for (const attempt of facts.attempts)
    if (attempt.outcome === 'succeeded' && sql.has(attempt.flow) && !effects.has(generationKey(attempt)))
      report('one_effect', `${generationKey(attempt)} was accepted and has no effect`, { attempt });

  const newest = new Map<string, number>();
  for (const { flow, period, epoch } of facts.effects) {
    const key = `${flow} ${period}`;
    newest.set(key, Math.max(newest.get(key) ?? 0, epoch));
  }
  for (const [key, list] of grouped(facts.targets, (target) => `${target.flow} ${target.period}`))
    if (list.length !== 1 || list[0]!.epoch !== newest.get(key))
      report('newest_stands', `the rows of ${key} are not those of its newest effect`, {
        rows: list,
        newest: newest.get(key),
      });
}

/** Protocol C5: programs that nothing fences. Start and stop of each stand in the notes, in the order in which they were. */
function checkShellEffects(facts: Facts, report: Report): void {
  const attempts = new Map(facts.attempts.map((attempt) => [attempt.epoch, attempt]));
  const flows = new Map(facts.estate.flows.map((flow) => [flow.id, flow]));
  for (const [key, list] of grouped(facts.notes, (note) => `${note.run} ${note.flow}`)) {
    const startedAt = new Map<number, number>();
    list.forEach((note, i) => {
      const attempt = attempts.get(note.epoch);
      if (attempt === undefined || generationKey(attempt) !== generationKey(note) || !mayHaveEffect(attempt))
        report('effect_owned', `a program of ${key} ran that no attempt accounts for`, { note, attempt });
      if (note.what === 'start') {
        if (startedAt.has(note.epoch))
          report('one_effect', `epoch ${note.epoch} of ${key} was launched twice`, { note });
        startedAt.set(note.epoch, i);
        return;
      }
      const from = startedAt.get(note.epoch);
      const between = list.slice((from ?? -1) + 1, i).filter((item) => item.what === 'start');
      if (from === undefined || between.length > 0)
        report('no_overlap', `two programs of ${key} ran at once`, { note, between });
    });
  }
  const stops = new Map(facts.notes.filter((note) => note.what === 'stop').map((note) => [note.epoch, note]));
  for (const attempt of facts.attempts)
    if (attempt.outcome === 'succeeded' && flows.get(attempt.flow)?.effect === 'shell')
      if (!stops.has(attempt.epoch))
        report('one_effect', `${generationKey(attempt)} was accepted and its program never ended`, {
          attempt,
        });
  checkRepeats(facts, report);
}

/** A program that must not be repeated is launched again only when a person said that it had not run. */
function checkRepeats(facts: Facts, report: Report): void {
  const once = new Set(
    facts.estate.flows.filter((flow) => flow.effect === 'shell' && !flow.idempotent).map((flow) => flow.id),
  );
  const resolved = grouped(
    facts.overrides.filter((override) => override.kind === 'resolve'),
    flowKey,
  );
  const starts = facts.notes.filter((note) => note.what === 'start' && once.has(note.flow));
  for (const [key, list] of grouped(starts, generationKey)) {
    const allowed = 1 + (resolved.get(flowKey(list[0]!))?.length ?? 0);
    if (list.length > allowed)
      report('no_surprise', `${key} must not be repeated and was launched ${list.length} times`, {
        starts: list,
      });
  }
}

/** Protocol C8, C9: at no instant more attempts than slots, pool places, or one per lock. */
function checkRoom(facts: Facts, report: Report): void {
  const flows = new Map(facts.estate.flows.map((flow) => [flow.id, flow]));
  const sizes = new Map(facts.estate.pools.map((pool) => [`pool ${pool.id}`, pool.size]));
  for (const [agent, slots] of Object.entries(facts.slots)) sizes.set(`agent ${agent}`, slots);
  const holders = new Map<string, AttemptFact[]>();
  const hold = (what: string, attempt: AttemptFact): void => {
    const list = holders.get(what);
    if (list === undefined) holders.set(what, [attempt]);
    else list.push(attempt);
  };
  for (const attempt of facts.attempts) {
    const flow = flows.get(attempt.flow);
    hold(`agent ${attempt.agent}`, attempt);
    hold(`flow ${flowKey(attempt)}`, attempt);
    if (flow?.pool) hold(`pool ${flow.pool}`, attempt);
    if (flow?.lock) hold(`lock ${flow.lock}`, attempt);
  }
  for (const [what, list] of holders) {
    const room = sizes.get(what) ?? 1;
    const over = firstOver(list, room);
    if (over !== null)
      report('room', `${what} holds ${over.length} attempts at once, there is room for ${room}`, {
        epochs: over.map((entry) => entry.epoch),
        atMs: over.at(-1)!.sentMs,
      });
  }
}

/** Attempts open at the first instant at which there are more than `room`; an end makes room for a claim in the same ms. */
function firstOver(list: readonly AttemptFact[], room: number): AttemptFact[] | null {
  const open = new Set<AttemptFact>();
  const moments = list
    .flatMap((item) => [
      { at: item.endedMs ?? Number.POSITIVE_INFINITY, begins: false, it: item },
      { at: item.sentMs, begins: true, it: item },
    ])
    .sort((a, b) => a.at - b.at || Number(a.begins) - Number(b.begins) || a.it.epoch - b.it.epoch);
  for (const { begins, it } of moments) {
    if (!begins) open.delete(it);
    // Sent and ended in one ms: it was never beside anything that began later.
    else if (it.endedMs !== it.sentMs) open.add(it);
    if (open.size > room) return [...open];
  }
  return null;
}

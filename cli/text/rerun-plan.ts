/** A rerun plan as lines: its members, what stands in its way, what it costs and touches. */
import type { Plan } from '../../contract/rerun-plans.ts';
import type { Printing } from '../session.ts';
import { duration, instant } from './instant.ts';
import { firstLines, firstNames } from './list.ts';
import { stateColour, stateText } from './states.ts';
import { table } from './table.ts';
import { oneLine } from './width.ts';

/** A plan that was made, and how it is applied. */
export const madePlanLines = (it: Plan, session: Printing): string[] => [
  ...planLines(it, session),
  session.paint('dim', session.phrase('plan_apply', { plan: it.id, run: it.run, at: instant(it.expiresAt) })),
];

/** Also the demo prints these. */
export function planLines(it: Plan, session: Printing): string[] {
  const { phrase, paint, lang, columns } = session;
  const redone = it.members.filter((member) => member.redone).length;
  const lines = [
    `${paint('bold', `${phrase('plan')} ${it.id}`)}  ${it.run}  ${it.scope}  ${phrase('plan_counts', { redone, waiting: it.members.length - redone })}`,
    ...table(
      it.members,
      [
        { title: phrase('flow'), cell: (row) => `${row.root ? '* ' : '  '}${row.flow}` },
        {
          title: phrase('state'),
          cell: (row) => stateText(row.state, lang),
          paint: (text, row) => paint(stateColour(row.state), text),
          gives: 0,
        },
        {
          title: phrase('generation'),
          cell: (row) => (row.redone ? `${row.generation} -> ${row.generation + 1}` : String(row.generation)),
          gives: 0,
        },
        { title: phrase('key'), cell: (row) => (row.key ? phrase('key') : '') },
        {
          title: phrase('overwrites'),
          cell: (row) => (row.redone ? oneLine(row.writes.join(' ')) : ''),
          gives: 2,
        },
      ],
      { columns, paint },
    ).map((line) => `  ${line}`),
  ];
  for (const { run, members } of it.otherRuns)
    lines.push(`  ${phrase('other_run')}: ${run}  ${members.map((member) => member.flow).join(' ')}`);
  for (const { run, code } of it.leftOut)
    lines.push(paint('yellow', `  ${phrase('left_out')}: ${run} ${code}`));
  for (const { flow, code } of [...it.undecided, ...it.otherRuns.flatMap((other) => other.undecided)])
    lines.push(paint('red', `  ${phrase('undecided')}: ${flow} ${code}`));
  for (const { flow, run, member } of it.collisions)
    lines.push(paint('yellow', `  ${phrase(member ? 'runs_now' : 'collision')}: ${run} ${flow}`));
  if (it.becomeStale.length > 0)
    lines.push(paint('yellow', `  ${phrase('become_stale')}: ${it.becomeStale.join(' ')}`));
  for (const { from, to, reason } of it.lapsingWaives)
    lines.push(paint('yellow', `  ${phrase('waive_lapses')}: ${from} -> ${to}  ${oneLine(reason)}`));
  return [...lines, ...costLines(it, session)];
}

/** Maximum number of lines of one kind, for example of deadlines; --json gives all. */
const LINES = 5;
/** Maximum number of names in one line; --json gives all. */
const NAMES = 20;

/** What applying it would cost and touch. */
function costLines(it: Plan, { phrase, paint }: Printing): string[] {
  const { estimate } = it;
  const lines: string[] = [];
  const list = <T>(items: readonly T[], line: (item: T) => string): void => {
    lines.push(...firstLines(items, LINES, line, { phrase }).map((text) => `  ${text}`));
  };
  const origins = Object.entries(estimate.origins).map(([origin, n]) =>
    phrase(`durations_${origin as keyof typeof estimate.origins}`, { n }),
  );
  lines.push(
    `  ${phrase('takes_at_least', { for: duration(estimate.ms), at: instant(estimate.endsAt) })}  (${phrase('durations')}: ${origins.join(', ')})`,
    `  ${phrase('longest_way')}: ${shortWay(estimate.path.map(({ flow }) => flow))}`,
  );
  list(estimate.persons, ({ run, flow }) => paint('yellow', `${phrase('asks_person')}: ${run} ${flow}`));
  list(it.keysHit, ({ flow, way, effect }) => {
    const text = phrase(({ redone: 'key_redone', waits: 'key_waits', stale: 'key_stale' } as const)[effect]);
    return `${text}: ${flow}${way.length > 1 ? `  (${shortWay(way)})` : ''}`;
  });
  const late = it.deadlines.filter(({ lateMs }) => lateMs > 0);
  list(late, ({ flow, deadline, lateMs, passed }) => {
    const text = phrase('would_be_late', { flow, deadline: instant(deadline), late: duration(lateMs) });
    return paint('red', passed ? `${text}  (${phrase('deadline_passed')})` : text);
  });
  list(
    it.deadlines.filter(({ lateMs }) => lateMs === 0),
    ({ flow, deadline, endsAt }) =>
      `${phrase('deadline')}: ${flow}  ${instant(deadline)}  ${phrase('would_hold', { at: instant(endsAt) })}`,
  );
  list(
    it.overwrites,
    ({ table: name, connection, flows }) =>
      `${phrase('overwrites')}: ${oneLine(`${name}  ${connection ?? ''}  ${flows.join(' ')}`)}`,
  );
  if (it.untouched.length > 0)
    lines.push(paint('cyan', `  ${phrase('untouched')}: ${firstNames(it.untouched, NAMES)}`));
  if (it.runAnyway.length > 0)
    lines.push(`  ${phrase('run_anyway', { n: it.runAnyway.length })}: ${firstNames(it.runAnyway, NAMES)}`);
  return lines;
}

/** Number of flows of a path that are shown at each of its two ends. */
const ENDS = 3;

/** The first and the last flows of a path. */
function shortWay(flows: readonly string[]): string {
  const ends = flows.length <= 2 * ENDS + 1 ? flows : [...flows.slice(0, ENDS), '...', ...flows.slice(-ENDS)];
  return oneLine(ends.join(' -> '));
}

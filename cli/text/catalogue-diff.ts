/** What applying a catalogue would change, and what that touches, as lines. */
import type { DiffAnswer, Difference } from '../../contract/catalogue.ts';
import type { Printing } from '../session.ts';
import { duration, instant } from './instant.ts';
import { firstNames } from './list.ts';
import { mappingText } from './mapping.ts';
import { stateText } from './states.ts';
import { oneLine, truncate } from './width.ts';

type Edge = Difference['edges']['added'][number];
type Run = DiffAnswer['runs'][number];

const VALUE_WIDTH = 60;

export function differenceLines(it: Difference, { phrase, paint }: Printing): string[] {
  const renamed = new Map(it.renamed.map(({ from, to }) => [from, to]));
  const goes = (flow: string): string => {
    const to = renamed.get(flow);
    return to === undefined ? flow : `${flow}  ${phrase('is_it_now', { flow: to })}`;
  };
  const lines = [
    ...it.added.map((flow) => paint('green', `+ ${oneLine(flow)}`)),
    ...it.removed.map((flow) => paint('red', `- ${oneLine(goes(flow))}`)),
    ...it.changed.flatMap(({ flow, ...change }) => [
      paint('yellow', `~ ${oneLine(flow)}  ${oneLine(change.fields.join(' '))}`),
      ...valueLines(change),
    ]),
    ...it.edges.added.map((edge) => paint('green', `+ ${edgeText(edge)}`)),
    ...it.edges.removed.map((edge) => paint('red', `- ${edgeText(edge)}`)),
    ...it.sections.flatMap(({ section, id, change, flows, named, schedules, ...values }) => {
      const mark = { added: '+', removed: '-', changed: '~' }[change];
      const concerned =
        flows > 0
          ? [`${phrase('concerns_flows', { n: flows })}  ${firstNames(named, named.length, flows)}`]
          : [];
      const opened = schedules.length > 0 ? [`${phrase('schedule')}: ${oneLine(schedules.join(' '))}`] : [];
      return [
        paint('yellow', `${mark} ${section} ${oneLine(id)}  ${oneLine(values.fields.join(' '))}`),
        ...valueLines(values),
        ...[...concerned, ...opened].map((text) => `    ${text}`),
      ];
    }),
    ...it.programs.map((program) => paint('yellow', `~ ${oneLine(program)}`)),
  ];
  const against =
    it.against === null ? phrase('catalogue_first') : phrase('catalogue_against', { version: it.against });
  return [...lines, lines.length === 0 ? `${phrase('no_differences')} (${against})` : paint('dim', against)];
}

const valueLines = ({
  fields,
  before,
  after,
}: Pick<Difference['changed'][number], 'fields' | 'before' | 'after'>) =>
  fields
    // Edges stand below, one by one.
    .filter((field) => field !== 'after')
    .map((field) => `    ${oneLine(field)}: ${valueText(before[field])} -> ${valueText(after[field])}`);

const valueText = (value: unknown): string =>
  value === null || value === undefined ? '-' : truncate(oneLine(JSON.stringify(value)), VALUE_WIDTH);

function edgeText({ from, to, period, cycle }: Edge): string {
  return oneLine(`${from} -> ${to}${mappingText(period)}${cycle === null ? '' : `  (${cycle})`}`);
}

export function impactLines(it: DiffAnswer, session: Printing): string[] {
  if (it.touched.length === 0 && it.runs.length === 0) return [];
  const { phrase, paint, lang } = session;
  const { impact } = it;
  const lines = ['', paint('bold', phrase('touches'))];
  for (const flow of it.touched) {
    const counts = phrase('below_counts', { n: flow.downstream, keys: flow.keys, deadlines: flow.deadlines });
    lines.push(`  ${oneLine(flow.flow)}  ${counts}  ${oneLine(flow.procedures.join(' '))}`.trimEnd());
    if (flow.keys > 0)
      lines.push(`    ${phrase('key')}: ${firstNames(flow.keyFlows, flow.keyFlows.length, flow.keys)}`);
    for (const { run, state } of flow.runs) lines.push(`    ${oneLine(run)}  ${stateText(state, lang)}`);
  }
  const changed = it.changed.length + it.removed.length;
  if (it.touched.length < changed) lines.push(`  ${phrase('and_more', { n: changed - it.touched.length })}`);
  lines.push(
    `  ${phrase('all_together')}: ${phrase('below_counts', { n: impact.flows, keys: impact.keys, deadlines: impact.deadlines.length })}`,
    ...impact.procedures.map(
      ({ procedure, owner, flows }) =>
        `    ${oneLine(`${procedure}  ${phrase('owner')}: ${owner ?? '-'}`)}  ${phrase('concerns_flows', { n: flows })}`,
    ),
  );
  return [...lines, ...it.runs.flatMap((run) => runLines(run, session))];
}

function runLines(
  { run, version, states, holds, gains, adopt }: Run,
  { phrase, paint, lang }: Printing,
): string[] {
  const counts = Object.entries(states).map(
    ([state, n]) => `${stateText(state as keyof typeof states, lang)} ${n}`,
  );
  const lines = [
    '',
    `${paint('bold', oneLine(run))}  ${phrase('version')} ${version}  ${phrase('holds_changed', { n: holds, gains })}  ${counts.join('  ')}`.trimEnd(),
  ];
  if (adopt === null) return [...lines, `  ${phrase('adopt_not_previewed')}`];
  if (adopt.refused !== null)
    lines.push(
      paint(
        'red',
        `  ${phrase('adopt_refused', { code: adopt.refused })} ${oneLine(adopt.started.join(' '))}`.trimEnd(),
      ),
    );
  else
    lines.push(
      `  ${phrase('adopt_would', {
        added: adopt.added,
        removed: adopt.removed,
        freed: adopt.freed,
        blockers: adopt.newBlockers,
        waives: adopt.lapsedWaives,
      })}`,
    );
  for (const { flow, code, from } of adopt.blockers)
    lines.push(
      paint('yellow', `  ${phrase('new_blocker')}: ${oneLine(`${flow}  ${code}  ${from ?? ''}`)}`.trimEnd()),
    );
  for (const { flow, deadline, lateMs } of adopt.late)
    lines.push(
      paint(
        'red',
        `  ${phrase('would_be_late', { flow: oneLine(flow), deadline: instant(deadline), late: duration(lateMs) })}`,
      ),
    );
  return lines;
}

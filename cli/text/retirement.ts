/** The retirement sheet of a flow as a page: everything in words, nothing that only a colour says, so that it can be printed. */
import type { Retirement } from '../../contract/retirement.ts';
import type { Printing } from '../session.ts';
import { duration, instant } from './instant.ts';
import { mappingText } from './mapping.ts';
import { stateText, stateWord } from './states.ts';
import { oneLine } from './width.ts';

export function retirementLines(it: Retirement, session: Printing): string[] {
  const { phrase, paint, lang } = session;
  const section = (title: string, lines: readonly string[]): string[] => [
    '',
    paint('bold', title),
    ...(lines.length === 0 ? [`  ${phrase('none')}`] : lines.map((line) => `  ${oneLine(line)}`)),
  ];
  const word = (name: string, value: string | null): string => `${name}: ${value ?? '-'}`;
  const { program, impact } = it;
  return [
    paint('bold', `${phrase('retirement_sheet')}  ${it.flow}`),
    oneLine(it.names[lang]),
    oneLine(
      [
        `${phrase('version')} ${it.version}`,
        ...[it.kind, it.cycle, it.layer, it.platform, it.key ? phrase('key') : null].filter(
          (text) => text !== null,
        ),
        word(phrase('procedure'), it.procedure),
        word(phrase('owner'), it.owner),
      ].join('  '),
    ),
    ...section(phrase('program'), program === null ? [] : [programText(program)]),
    ...section(
      phrase('reads'),
      it.reads.map(({ table, writtenBy }) => `${table}  ${phrase('written_by')}: ${list(writtenBy)}`),
    ),
    ...section(
      phrase('writes'),
      it.writes.map(({ table, readBy }) => `${table}  ${phrase('read_by')}: ${list(readBy)}`),
    ),
    ...section(
      phrase('distributions'),
      it.distributions.map(
        ({ distribution, from, to, itself }) =>
          `${distribution}  ${from.connection} ${from.table} -> ${to.connection} ${to.table}${itself ? `  (${phrase('itself')})` : ''}`,
      ),
    ),
    ...section(`${phrase('upstream')} (${phrase('all')}: ${it.above})`, it.upstream.map(upstreamText)),
    ...section(
      `${phrase('waits_for_ever')} (${it.dependents.length})`,
      it.dependents.map(
        ({ flow, names, owner, key, ...rest }) =>
          `${upstreamText({ flow, ...rest })}  ${names[lang]}  ${word(phrase('owner'), owner)}${key ? `  ${phrase('key')}` : ''}`,
      ),
    ),
    ...section(phrase('all_below'), [
      phrase('below_counts', { n: impact.flows, keys: impact.keys, deadlines: impact.deadlines.length }),
      ...impact.procedures.map(
        ({ procedure, owner, flows }) =>
          `${procedure}  ${word(phrase('owner'), owner)}  ${phrase('concerns_flows', { n: flows })}`,
      ),
      ...impact.keyFlows.map(({ flow, way }) => `${phrase('key')}: ${flow}  (${way.join(' -> ')})`),
    ]),
    ...section(phrase('required_by'), it.requiredBy),
    ...section(phrase('groups'), it.groups),
    ...section(phrase('schedules'), it.schedules),
    ...section(phrase('last_run'), it.lastRun === null ? [] : [lastText(it.lastRun, session)]),
    ...section(
      phrase('open_runs'),
      it.openRuns.flatMap(({ run, state, retirable, blocks }) => [
        `${run}  ${stateText(state, lang)}  ${phrase(retirable ? 'retirable' : 'not_retirable')}`,
        ...blocks.map((blocked) => `  ${phrase('would_block')}: ${blocked.run} ${blocked.flow}`),
      ]),
    ),
    ...section(phrase('what_retire_does'), [
      phrase('retire_does_run'),
      phrase('retire_does_edges'),
      phrase('retire_does_catalogue'),
      `${phrase('possible_in')}: ${it.retirableIn.map((state) => stateWord(state, lang)).join(', ')}`,
    ]),
    '',
    it.clear ? paint('green', phrase('retire_clear')) : paint('yellow', phrase('retire_not_clear')),
  ];
}

const list = (flows: readonly string[]): string => (flows.length === 0 ? '-' : flows.join(' '));

const programText = ({ type, what, connections }: NonNullable<Retirement['program']>): string =>
  [type, what, ...connections].filter((text) => text !== null).join('  ');

function upstreamText({
  flow,
  cycle,
  period,
  exists,
}: Pick<Retirement['upstream'][number], 'flow' | 'cycle' | 'period'> & {
  readonly exists?: boolean;
}): string {
  return `${flow}  ${cycle}${mappingText(period)}${exists === false ? '  ?' : ''}`;
}

function lastText(it: NonNullable<Retirement['lastRun']>, { phrase }: Printing): string {
  const took = it.ms === null ? '' : `  ${phrase('took', { for: duration(it.ms) })}`;
  const rows = it.rows === null ? '' : `  ${it.rows} rows`;
  return `${it.run}  ${it.outcome}  ${phrase('ended')}: ${instant(it.endedAt)}${took}${rows}  ${it.agent}`;
}

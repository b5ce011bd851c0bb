/** `sluice flow list|show|retirement`. */
import type { Attempt, Flow, FlowDetail } from '../../contract/flows.ts';
import { part } from '../client.ts';
import { ofRun, runOf, type Session } from '../session.ts';
import { duration, instant, time } from '../text/instant.ts';
import { originText, referenceOriginText } from '../text/origins.ts';
import { flagText, stateColour, stateText, stateWord } from '../text/states.ts';
import { table } from '../text/table.ts';
import { oneLine } from '../text/width.ts';
import { type Tree, wholeNumber } from '../tree.ts';
import { addRetirementCommand } from './retirement.ts';

type Filters = Record<
  'state' | 'kind' | 'layer' | 'procedure' | 'platform' | 'flag' | 'q',
  string | undefined
>;

export function addFlowCommands(tree: Tree): void {
  const { root, help } = tree;
  const flow = root.command('flow').description(help('flow'));
  flow
    .command('list')
    .description(help('flow_list'))
    .option('--run <run>', help('run_option'))
    .option('--state <states>', help('state_filter'))
    .option('--kind <kinds>', help('kind_filter'))
    .option('--layer <layers>', help('layer_filter'))
    .option('--procedure <ids>', help('procedure_filter'))
    .option('--platform <ids>', help('platform_filter'))
    .option('--flag <flags>', help('flag_filter'))
    .option('-q, --q <text>', help('q_filter'))
    .option('--limit <n>', help('limit'), wholeNumber(1))
    .action(
      tree.does<Filters & { run?: string; limit?: number }>(
        async (session, _args, { run, limit, state, kind, layer, procedure, platform, flag, q }) => {
          const id = await runOf(session, run);
          const query = { state, kind, layer, procedure, platform, flag, q };
          const page = await session.client.list<Flow>(ofRun(id, '/flows'), query, limit);
          session.answer(page, ({ items }) => flowTable(items, session));
          return undefined;
        },
      ),
    );
  flow
    .command('show <flow>')
    .description(help('flow_show'))
    .option('--run <run>', help('run_option'))
    .action(
      tree.does<{ run?: string }>(async (session, [id], { run }) => {
        const of = await runOf(session, run);
        const detail = await session.client.get<FlowDetail>(ofRun(of, `/flows/${part(id!)}`));
        session.answer(detail, (entry) => flowLines(entry, session));
        return undefined;
      }),
    );
  addRetirementCommand(tree, flow);
}

export function flowTable(flows: readonly Flow[], session: Session): string[] {
  const { lang, phrase, paint } = session;
  return table(
    flows,
    [
      { title: phrase('flow'), cell: (entry) => entry.id, gives: 1 },
      {
        title: phrase('state'),
        cell: (entry) => stateText(entry.state, lang),
        paint: (text, entry) => paint(stateColour(entry.state), text),
        gives: 0,
      },
      { title: phrase('flags'), cell: (entry) => entry.flags.map((flag) => flagText(flag, lang)).join(' ') },
      {
        title: phrase('generation'),
        cell: (entry) => `${entry.generation}.${entry.attempt}`,
        align: 'right',
        gives: 0,
      },
      {
        title: phrase('ended'),
        cell: (entry) => (entry.resultAt === null ? '' : time(entry.resultAt)),
        gives: 0,
      },
      { title: phrase('kind'), cell: (entry) => entry.kind },
      { title: phrase('name'), cell: (entry) => oneLine(entry.names[lang]), gives: 2 },
    ],
    session,
  );
}

/** How long it should run and by when it should be done, each with where that is from. */
function usualLines(
  { expected, reference, overLong }: FlowDetail,
  { lang, phrase, paint }: Session,
): string[] {
  const lines: string[] = [];
  if (expected !== null) {
    const { p10, p50, p90, n, origin } = expected;
    const spread = p10 === p90 ? '' : `  (${duration(p10)} - ${duration(p90)})`;
    lines.push(`  ${phrase('expected_duration')}: ${duration(p50)}${spread}  ${originText(origin, n, lang)}`);
  }
  if (reference !== null)
    lines.push(
      `  ${phrase('reference_time')}: ${instant(reference.at)}  ${referenceOriginText(reference.origin, reference.n ?? 0, lang)}`,
    );
  if (overLong !== null)
    lines.push(`  ${paint('red', phrase(overLong === 'hour' ? 'over_hour' : 'over_usual'))}`);
  return lines;
}

function flowLines(it: FlowDetail, session: Session): string[] {
  const { lang, phrase, paint } = session;
  const flags = it.flags.map((flag) => flagText(flag, lang)).join(' ');
  const lines = [
    `${paint('bold', it.id)}  ${oneLine(it.names[lang])}`,
    `  ${phrase('state')}: ${paint(stateColour(it.state), stateText(it.state, lang))}${flags === '' ? '' : `  ${paint('yellow', flags)}`}`,
    `  ${phrase('run')}: ${it.run}  ${phrase('period')}: ${it.period}  ${phrase('generation')}: ${it.generation}.${it.attempt}`,
    `  ${[it.kind, it.layer, it.platform, it.procedure, it.key ? phrase('key') : null].filter((word) => word !== null).join('  ')}  ${phrase('owner')}: ${oneLine(it.owner ?? '-')}`,
  ];
  const moments: [string, number | null][] = [
    [phrase('released'), it.releasedAt],
    [phrase('started'), it.startedAt],
    [phrase('ended'), it.resultAt],
    [phrase('deadline'), it.deadline],
  ];
  const known = moments.filter(([, at]) => at !== null).map(([word, at]) => `${word}: ${instant(at)}`);
  if (known.length > 0) lines.push(`  ${known.join('  ')}`);
  lines.push(...usualLines(it, session));
  if (it.role !== null) lines.push(`  ${phrase('role')}: ${it.role}`);
  if (it.reads.length > 0) lines.push(`  ${phrase('reads')}: ${oneLine(it.reads.join(', '))}`);
  if (it.writes.length > 0) lines.push(`  ${phrase('writes')}: ${oneLine(it.writes.join(', '))}`);
  if (it.leaves !== null) lines.push(`  ${phrase('leaves_running')}`);
  if (it.note !== null) lines.push(`  ${phrase('note')}: ${oneLine(it.note)}`);
  if (it.blockers.length > 0) {
    lines.push(`  ${phrase('blockers')}:`);
    for (const blocker of it.blockers) {
      const more = [
        blocker.from,
        blocker.members?.join(' '),
        blocker.until === undefined ? undefined : `-> ${instant(blocker.until)}`,
        blocker.detail,
      ].filter((text) => text !== undefined);
      lines.push(`    ${paint('yellow', blocker.code)}  ${oneLine(more.join('  '))}`);
    }
  }
  if (it.upstream.length > 0) {
    lines.push(`  ${phrase('upstream')}:`);
    for (const edge of it.upstream) {
      const outside =
        edge.kind === 'before_beginning'
          ? phrase('upstream_before_beginning', { run: edge.run!, begins: edge.begins! })
          : edge.kind;
      const state = edge.state === null ? outside : stateWord(edge.state, lang);
      const beside = [edge.waived ? phrase('waived') : null, edge.loop ? phrase('loop') : null]
        .filter(Boolean)
        .join(' ');
      lines.push(
        `    ${edge.met ? paint('green', '✓') : paint('yellow', '.')} ${oneLine(edge.flow)}  ${state} ${beside}`.trimEnd(),
      );
    }
  }
  if (it.downstream.length > 0) {
    lines.push(`  ${phrase('downstream')}:`);
    for (const edge of it.downstream) lines.push(`    ${oneLine(edge.flow)}  ${stateWord(edge.state, lang)}`);
  }
  for (const generation of it.generations)
    lines.push(
      `  ${phrase('generation')} ${generation.generation}: ${generation.result === null ? '-' : stateWord(generation.result, lang)}  ${instant(generation.resultAt)}`,
    );
  if (it.attempts.length > 0)
    lines.push(`  ${phrase('attempts')}:`, ...it.attempts.map((a) => attemptLine(a, session)));
  if (it.overrides.length > 0) lines.push(`  ${phrase('overrides')}:`);
  for (const override of it.overrides) {
    const ended = override.endedAt === null ? '' : ` (${phrase('until')} ${instant(override.endedAt)})`;
    const edge = override.from === null ? '' : ` ${override.from} ->`;
    lines.push(
      `    ${oneLine(`${override.kind}${edge}  ${override.actor}  ${instant(override.at)}${ended}  ${override.reason}`)}`,
    );
    if (override.evidence !== null) lines.push(`      ${phrase('evidence')}: ${oneLine(override.evidence)}`);
  }
  lines.push(paint('dim', `  ${phrase('possible_now')}: ${it.verbs.join(' ')}`));
  return lines;
}

function attemptLine(it: Attempt, { paint, lang }: Session): string {
  const from = it.startedAt ?? it.sentAt;
  const took = it.endedAt === null ? '' : `  ${duration(it.endedAt - from)}`;
  const rows = it.rows === null ? '' : `  ${it.rows} rows`;
  const outcome = it.outcome ?? 'open';
  const why = it.message === null ? '' : `  ${oneLine(it.message)}`;
  const gaveUp = it.gaveUp == null ? '' : `  ${paint('red', it.gaveUp.text[lang])}`;
  const colour =
    outcome === 'succeeded' ? 'green' : outcome === 'failed' || outcome === 'lost' ? 'red' : 'cyan';
  return `    #${it.n}  ${it.generation}.${it.attempt}  ${it.agent}  ${time(from)}${took}  ${paint(colour, outcome)}${it.failure === null || it.failure === outcome ? '' : ` (${it.failure})`}${rows}${why}${gaveUp}`;
}

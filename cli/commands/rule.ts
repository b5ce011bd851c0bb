/** `sluice rule list|show|history|try|enable|disable|pause|resume|approve|refuse`. */
import type { Rule, RuleAct, RuleActPage, RuleList, RuleTry } from '../../contract/rules.ts';
import { part } from '../client.ts';
import type { Session } from '../session.ts';
import { instant } from '../text/instant.ts';
import { firstNames } from '../text/list.ts';
import { table } from '../text/table.ts';
import { oneLine } from '../text/width.ts';
import { type Tree, wholeNumber } from '../tree.ts';

interface Change {
  readonly reason: string;
}

export function addRuleCommands(tree: Tree): void {
  const { root, help } = tree;
  const rule = root.command('rule').description(help('rule'));
  rule
    .command('list')
    .description(help('rule_list'))
    .action(
      tree.does(async (session) => {
        session.answer(await session.client.get<RuleList>('/rules'), (it) => listLines(it, session));
        return undefined;
      }),
    );
  rule
    .command('show <rule>')
    .description(help('rule_show'))
    .action(
      tree.does(async (session, [id]) => {
        const answer = await session.client.get<Rule>(`/rules/${part(id!)}`);
        session.answer(answer, (it) => ruleLines(it, session));
        return undefined;
      }),
    );
  rule
    .command('history [rule]')
    .description(help('rule_history'))
    .option('--state <states>', help('state_filter'))
    .option('--limit <n>', help('limit'), wholeNumber(1), 50)
    .action(
      tree.does<{ state?: string; limit: number }>(async (session, [id], { state, limit }) => {
        const page = await session.client.list<RuleActPage['items'][number]>(
          '/rule-acts',
          { rule: id, state },
          limit,
        );
        session.answer(page, ({ items }) => items.flatMap((act) => actLines(act, session)));
        return undefined;
      }),
    );
  rule
    .command('try <rule>')
    .description(help('rule_try'))
    .option('--days <n>', help('rule_days'), wholeNumber(1), 30)
    .action(
      tree.does<{ days: number }>(async (session, [id], { days }) => {
        const answer = await session.client.get<RuleTry>(`/rules/${part(id!)}/try`, { days });
        session.answer(answer, (it) => tryLines(it, session));
        return undefined;
      }),
    );
  for (const verb of ['enable', 'disable'] as const)
    rule
      .command(`${verb} <rule>`)
      .description(help(`rule_${verb}`))
      .requiredOption('--reason <text>', help('reason'))
      .action(
        tree.does<Change>(async (session, [id], { reason }) => {
          const answer = await session.client.post<Rule>(`/rules/${part(id!)}/${verb}`, { reason });
          session.answer(answer, (it) => ruleLines(it, session));
          return undefined;
        }),
      );
  for (const verb of ['pause', 'resume'] as const)
    rule
      .command(verb)
      .description(help(`rule_${verb}`))
      .requiredOption('--reason <text>', help('reason'))
      .action(
        tree.does<Change>(async (session, _args, { reason }) => {
          const answer = await session.client.post<RuleList>(`/rules/${verb}`, { reason });
          session.answer(answer, (it) => listLines(it, session));
          return undefined;
        }),
      );
  for (const verb of ['now', 'approve', 'refuse'] as const)
    rule
      .command(`${verb} <act>`)
      .description(help(`rule_${verb}`))
      .requiredOption('--reason <text>', help('reason'))
      .action(
        tree.does<Change>(async (session, [id], { reason }) => {
          const answer = await session.client.post<RuleAct>(`/rule-acts/${part(id!)}/${verb}`, { reason });
          session.answer(answer, (it) => actLines(it, session));
          return undefined;
        }),
      );
}

function listLines({ paused, items }: RuleList, session: Session): string[] {
  const { phrase, paint, lang } = session;
  const lines =
    paused === null
      ? []
      : [
          paint(
            'yellow',
            phrase('rules_paused', {
              by: oneLine(paused.by),
              reason: oneLine(paused.reason),
              at: instant(paused.since),
            }),
          ),
        ];
  if (items.length === 0) return [...lines, phrase('no_rules')];
  return [
    ...lines,
    ...table(
      items,
      [
        { title: phrase('rule'), cell: (it) => it.id },
        { title: phrase('name'), cell: (it) => oneLine(it.names[lang]), gives: 2 },
        { title: phrase('rule_on'), cell: (it) => it.definition.on, gives: 0 },
        { title: phrase('mode'), cell: (it) => phrase(`rule_${it.mode}`) },
        { title: phrase('rule_applied'), cell: (it) => String(it.acts.applied ?? 0), gives: 0 },
        { title: phrase('rule_requested'), cell: (it) => String(it.acts.requested ?? 0), gives: 0 },
      ],
      session,
    ),
  ];
}

function ruleLines(it: Rule, { phrase, paint, lang }: Session): string[] {
  const { on, causes, failures, scope, approval, settleMs, limits, where } = it.definition;
  const filters = Object.entries(where).filter(([, names]) => names.length > 0);
  return [
    `${paint('bold', it.id)}  ${oneLine(it.names[lang])}  ${phrase(`rule_${it.mode}`)}`,
    ...(it.enabledBy === null
      ? []
      : [`  ${phrase('rule_enabled_by', { by: oneLine(it.enabledBy), at: instant(it.enabledAt!) })}`]),
    `  on: ${on}${listed('causes', causes)}${listed('failures', failures)}  do: ${it.definition.do}  scope: ${scope}  approval: ${approval}  settleMs: ${settleMs}`,
    `  ${filters.map(([list, names]) => `${list}: ${names.join(' ')}`).join('  ')}`,
    `  ${Object.entries(limits)
      .map(([name, value]) => `${name}: ${value}`)
      .join('  ')}`,
    `  ${Object.entries(it.acts)
      .map(([state, n]) => `${state} ${n}`)
      .join('  ')}`.trimEnd(),
  ].map(oneLine);
}

const listed = (name: string, list: readonly string[] = []): string =>
  list.length === 0 ? '' : `  ${name}: ${list.join(' ')}`;

/** Maximum number of names in one line; --json gives all. */
const NAMES = 10;

/** How much a plan redoes, and which key flows. */
function redoLines(
  { members, minutes, runs, keyFlows }: Pick<RuleAct, 'members' | 'minutes' | 'runs' | 'keyFlows'>,
  { phrase, paint }: Pick<Session, 'phrase' | 'paint'>,
): string[] {
  const lines: string[] = [];
  if (members > 0) {
    const inRuns = runs.map(({ run, redone }) => `${run} ${redone}`).join('  ');
    lines.push(
      `  ${phrase('to_redo', { n: members })}  ${phrase('rule_minutes', { n: minutes })}  ${inRuns}`,
    );
  }
  if (keyFlows.length > 0) lines.push(paint('yellow', `  ${phrase('key')}: ${firstNames(keyFlows, NAMES)}`));
  return lines;
}

function actLines(it: RuleAct, { phrase, paint, lang }: Session): string[] {
  const what = it.kind === 'corrected' ? it.correction! : `${it.run} ${it.flow}`;
  const lines = [
    `${paint('bold', it.id)}  ${instant(it.at)}  ${it.rule}  ${it.state}  ${oneLine(what)}`,
    ...(it.text === null ? [] : [`  ${it.text[lang]}`]),
  ];
  lines.push(...redoLines(it, { phrase, paint }));
  for (const { run, code } of it.leftOut)
    lines.push(paint('yellow', `  ${phrase('left_out')}: ${run} ${code}`));
  if (it.state === 'requested') lines.push(paint('dim', `  ${phrase('rule_approve_next', { id: it.id })}`));
  return lines;
}

function tryLines({ items, archived }: RuleTry, { phrase, paint }: Session): string[] {
  const lines = items.flatMap((it) => [
    `${paint('bold', instant(it.at))}  ${it.state}${it.code === null ? '' : `  ${it.code}`}  ${firstNames(it.roots, NAMES)}`,
    ...redoLines(it, { phrase, paint }),
  ]);
  if (items.length === 0) lines.push(phrase('rule_nothing_happened'));
  if (archived.length > 0) lines.push(`${phrase('archived')}: ${firstNames(archived, NAMES)}`);
  return lines;
}

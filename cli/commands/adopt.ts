/** `sluice run adopt RUN [VERSION]`: a run moves to another catalogue version. */
import type { Adopted } from '../../contract/adopt.ts';
import { ofRun, type Session } from '../session.ts';
import type { Tree } from '../tree.ts';

export function addAdoptCommand({ help, does }: Tree, run: Tree['root']): void {
  run
    .command('adopt <run> [version]')
    .description(help('run_adopt'))
    .option('--reason <text>', help('reason'))
    .option('--dry-run', help('dry_run'))
    .option('--key <key>', help('key'))
    .action(
      does<{ reason?: string; dryRun?: boolean; key?: string }>(async (session, [id, version], options) => {
        const body = {
          ...(version === undefined ? {} : { version: Number(version) }),
          ...(options.reason === undefined ? {} : { reason: options.reason }),
          ...(options.dryRun ? { dryRun: true } : {}),
        };
        const { key } = options;
        const answer = await session.client.post<Adopted>(ofRun(id!, '/adopt'), body, key);
        session.answer(answer, (entry) => adoptedLines(entry, session));
        return answer.started.length > 0 ? 5 : undefined;
      }),
    );
}

function adoptedLines(it: Adopted, { phrase, paint }: Session): string[] {
  const lines = [`${paint('bold', it.run)}  ${phrase('version')} ${it.from} -> ${it.version}`];
  for (const { flow, code, from, run } of it.newBlockers)
    lines.push(
      paint(
        'yellow',
        `  ${phrase('new_blocker')}: ${flow}  ${code}  ${run === null ? '' : `${run} `}${from ?? ''}`,
      ),
    );
  const list = (word: string, flows: readonly string[]): void => {
    if (flows.length > 0) lines.push(`  ${word}: ${flows.join(' ')}`);
  };
  if (it.started.length > 0)
    lines.push(paint('red', `  ${phrase('removes_started')}: ${it.started.join(' ')}`));
  list(phrase('freed'), it.freed);
  list(phrase('flows_added'), it.added);
  list(phrase('flows_removed'), it.removed);
  for (const { from, to } of it.lapsedWaives) lines.push(`  ${phrase('waive_lapses')}: ${from} -> ${to}`);
  return lines;
}

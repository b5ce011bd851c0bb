/** `sluice catalogue check|diff|apply|import|rollback|export|versions`; `show` and `flow` have a file of their own. */
import { type Command, Option } from 'commander';
import type { z } from 'zod';
import type {
  ApplyAnswer,
  CheckAnswer,
  DiffAnswer,
  Exported,
  VersionList,
} from '../../contract/catalogue.ts';
import { readCatalogueFolder, readWholeFolder, writeCatalogueFolder } from '../catalogue-folder.ts';
import type { LeftOut } from '../folder-walk.ts';
import type { Session } from '../session.ts';
import { differenceLines, impactLines } from '../text/catalogue-diff.ts';
import { catalogueProblemLine } from '../text/catalogue-problem.ts';
import type { HelpKey } from '../text/help.ts';
import { instant } from '../text/instant.ts';
import { firstLines } from '../text/list.ts';
import { table } from '../text/table.ts';
import { oneLine } from '../text/width.ts';
import { type Tree, wholeNumber } from '../tree.ts';
import { addShowCommands } from './catalogue-show.ts';
import { addFindingsCommand } from './lineage.ts';

type Applied = z.infer<typeof ApplyAnswer>;

export function addCatalogueCommands(tree: Tree): void {
  const { root, help } = tree;
  const catalogue = root.command('catalogue').description(help('catalogue'));
  const mode = () =>
    new Option('--mode <mode>', help('catalogue_mode')).choices(['apply', 'import']).default('apply');

  catalogue
    .command('check <folder>')
    .description(help('catalogue_check'))
    .addOption(mode())
    .action(
      tree.does<{ mode: string }>(async (session, [folder], options) => {
        const { files, problems, leftOut } = await readCatalogueFolder(folder!);
        const checked =
          files.length === 0
            ? { ok: false, flows: 0, problems: [] }
            : await session.client.post<z.infer<typeof CheckAnswer>>('/catalogue/check', {
                files,
                mode: options.mode,
              });
        const answer = {
          ...checked,
          ok: checked.ok && problems.length === 0,
          problems: [...problems, ...checked.problems],
          leftOut,
        };
        session.answer(answer, (entry) => [
          ...entry.problems.map((problem) => catalogueProblemLine(problem, session)),
          ...leftOutLines(entry.leftOut, session),
          session.paint(
            entry.ok ? 'green' : 'red',
            session.phrase('catalogue_checked', {
              files: files.length,
              flows: entry.flows,
              n: entry.problems.length,
            }),
          ),
        ]);
        return answer.ok ? 0 : 6;
      }),
    );

  catalogue
    .command('diff <folder>')
    .description(help('catalogue_diff'))
    .addOption(mode())
    .action(
      tree.does<{ mode: string }>(async (session, [folder], options) => {
        const { files } = await readWholeFolder(folder!);
        const body = { files, mode: options.mode };
        session.answer(await session.client.post<DiffAnswer>('/catalogue/diff', body), (entry) => [
          ...differenceLines(entry, session),
          ...impactLines(entry, session),
        ]);
        return undefined;
      }),
    );

  const changing = (command: Command) =>
    command
      .option('--reason <text>', help('reason'))
      .option('--base <version>', help('catalogue_base'), wholeNumber(1))
      .option('--remove', help('catalogue_remove'))
      .option('--dry-run', help('dry_run'));
  const change = async (session: Session, path: string, given: object, { leftOut, ...options }: Change) => {
    const body = { ...given, ...(await changeBody(session, options)) };
    const applied = await session.client.post<Applied>(path, body);
    session.answer(leftOut === undefined ? applied : { ...applied, leftOut }, (entry) => [
      ...leftOutLines(leftOut ?? [], session),
      ...appliedLines(entry, session),
    ]);
    return undefined;
  };
  for (const verb of ['apply', 'import'] as const)
    changing(catalogue.command(`${verb} <folder>`))
      .description(help(`catalogue_${verb}` as HelpKey))
      .action(
        tree.does<ChangeOptions>(async (session, [folder], options) => {
          const { files, leftOut } = await readWholeFolder(folder!);
          return change(session, `/catalogue/${verb}`, { files }, { ...options, leftOut });
        }),
      );

  changing(catalogue.command('rollback <version>'))
    .description(help('catalogue_rollback'))
    .action(
      tree.does<ChangeOptions>(async (session, [version], options) =>
        change(session, '/catalogue/rollback', { version: wholeNumber(1)(version!) }, options),
      ),
    );

  catalogue
    .command('export <folder> [version]')
    .description(help('catalogue_export'))
    .option('--force', help('force'))
    .action(
      tree.does<{ force?: boolean }>(async (session, [folder, given], { force }) => {
        const version = given === undefined ? undefined : wholeNumber(1)(given);
        const answer = await session.client.get<z.infer<typeof Exported>>('/catalogue/export', { version });
        await writeCatalogueFolder(folder!, answer.files, force === true);
        session.answer(answer, (entry) => [
          session.phrase('catalogue_exported', {
            version: entry.version,
            files: entry.files.length,
            folder: folder!,
          }),
        ]);
        return undefined;
      }),
    );

  addFindingsCommand(catalogue, tree);
  addShowCommands(catalogue, tree);
  catalogue
    .command('versions')
    .description(help('catalogue_versions'))
    .action(
      tree.does(async (session) => {
        const { phrase } = session;
        const answer = await session.client.get<z.infer<typeof VersionList>>('/catalogue/versions');
        session.answer(answer, ({ items }) =>
          table(
            items,
            [
              { title: phrase('version'), cell: (entry) => String(entry.version), align: 'right', gives: 0 },
              { title: phrase('flows'), cell: (entry) => String(entry.flowCount), align: 'right', gives: 0 },
              { title: phrase('mode'), cell: (entry) => entry.mode, gives: 0 },
              { title: phrase('by'), cell: (entry) => oneLine(entry.createdBy) },
              { title: phrase('at'), cell: (entry) => instant(entry.createdAt), gives: 0 },
              { title: 'hash', cell: (entry) => entry.hash.slice(0, 12), gives: 2 },
            ],
            session,
          ),
        );
        return undefined;
      }),
    );
}

interface ChangeOptions {
  readonly reason?: string;
  readonly base?: number;
  readonly remove?: boolean;
  readonly dryRun?: boolean;
}

interface Change extends ChangeOptions {
  /** Files of the folder that were not read; a part of the answer. */
  readonly leftOut?: readonly LeftOut[];
}

/** With the version that it is made from: the one given, else the newest when the command began. */
async function changeBody({ client }: Session, { base, ...options }: ChangeOptions): Promise<object> {
  if (base !== undefined) return { ...options, baseVersion: base };
  const { items } = await client.get<z.infer<typeof VersionList>>('/catalogue/versions');
  return { ...options, baseVersion: items[0]?.version ?? null };
}

/** Maximum number of lines about files that were not read; --json gives all. */
const LEFT_OUT_LINES = 100;

function leftOutLines(leftOut: readonly LeftOut[], { phrase, paint }: Session): string[] {
  const line = ({ path, why }: LeftOut): string => `${oneLine(path)}: ${phrase(`left_out_${why}`)}`;
  return firstLines(leftOut, LEFT_OUT_LINES, line, { phrase }).map((text) => paint('dim', text));
}

function appliedLines(it: Applied, session: Session): string[] {
  const { phrase, paint } = session;
  const head =
    it.version === null
      ? phrase('dry_run_changed_nothing')
      : phrase(it.created ? 'catalogue_applied' : 'catalogue_same', { version: it.version, flows: it.flows });
  return [
    ...it.problems.map((problem) => catalogueProblemLine(problem, session)),
    ...differenceLines(it.diff, session),
    paint('green', head),
  ];
}

/** The tree of commands. The commands themselves are in `commands/`. */
import { Command, Option } from 'commander';
import { addAgentCommands } from './commands/agent.ts';
import { addBackfillCommands } from './commands/backfill.ts';
import { addCatalogueCommands } from './commands/catalogue.ts';
import { addCorrectionCommands } from './commands/correction.ts';
import { addCriticalPathCommand } from './commands/critical-path.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addEventCommands } from './commands/event.ts';
import { addFlowCommands } from './commands/flow.ts';
import { addLateCommand } from './commands/late.ts';
import { addLineageCommand } from './commands/lineage.ts';
import { addLogsCommand } from './commands/logs.ts';
import { addNoticesCommand } from './commands/notices.ts';
import { addOperationCommands } from './commands/operation.ts';
import { addPlatformCommands } from './commands/platform.ts';
import { addQueryCommand } from './commands/query.ts';
import { addRerunCommand } from './commands/rerun.ts';
import { addRetentionCommands } from './commands/retention.ts';
import { addRuleCommands } from './commands/rule.ts';
import { addRunCommands } from './commands/run.ts';
import { addScheduleCommands } from './commands/schedule.ts';
import { addVerbCommands } from './commands/verb-commands.ts';
import { addVerbTableCommand } from './commands/verb-table.ts';
import { addWhyCommand } from './commands/why.ts';
import type { Session } from './session.ts';
import { helpPhrases } from './text/help.ts';
import type { Lang } from './text/phrases.ts';
import type { Tree } from './tree.ts';

/** Options of every command, before or after its name. */
export interface GlobalOptions {
  readonly json: boolean;
  readonly lang?: Lang;
  readonly as?: string;
  readonly color: boolean;
}

type Action = (
  session: Session,
  args: string[],
  options: Record<string, never>,
) => Promise<number | undefined>;

/**
 * Builds the tree. `perform` gets the chosen action and the global options, and makes the session: `--help` needs neither a
 * configuration nor the API.
 */
export function buildProgram(
  lang: Lang,
  version: string,
  perform: (globals: GlobalOptions, run: (session: Session) => Promise<number | undefined>) => Promise<void>,
): Command {
  const help = helpPhrases(lang);
  const root = new Command('sluice')
    .description(help('sluice'))
    .version(version, '-V, --version', help('version'))
    .helpOption('-h, --help', help('help'))
    .helpCommand('help [command]', help('help'))
    .option('--json', help('json'), false)
    .addOption(new Option('--lang <language>', help('lang')).choices(['en', 'zh']))
    .option('--as <actor>', help('as'))
    .option('--no-color', help('no_color'))
    .showSuggestionAfterError(true)
    .addHelpText('after', `\n${help('exit_codes')}`);
  const tree: Tree = {
    root,
    help,
    version,
    does:
      (action) =>
      async (...given) => {
        const command = given.at(-1) as Command;
        const args = given
          .slice(0, -2)
          .flat()
          .filter((entry): entry is string => typeof entry === 'string');
        const globals = command.optsWithGlobals() as GlobalOptions;
        await perform(globals, (session) => (action as unknown as Action)(session, args, command.opts()));
      },
  };
  addRunCommands(tree);
  addFlowCommands(tree);
  addWhyCommand(tree);
  addCriticalPathCommand(tree);
  addLateCommand(tree);
  addLineageCommand(tree);
  addLogsCommand(tree);
  addVerbCommands(tree);
  addRerunCommand(tree);
  addOperationCommands(tree);
  addVerbTableCommand(tree);
  addCatalogueCommands(tree);
  addAgentCommands(tree);
  addPlatformCommands(tree);
  addScheduleCommands(tree);
  addBackfillCommands(tree);
  addEventCommands(tree);
  addCorrectionCommands(tree);
  addRuleCommands(tree);
  addNoticesCommand(tree);
  addQueryCommand(tree);
  addRetentionCommands(tree);
  addDoctorCommand(tree);
  return root;
}

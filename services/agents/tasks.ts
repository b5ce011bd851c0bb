/** What an agent gets for a claim: the definition of the flow, resolved for the run's period (protocol C1, C6, D1). */

import type { ProgramSpec, Task } from '../../contract/agent.ts';
import { SluiceError } from '../../errors.ts';
import { calendarOf } from '../../graph/calendar/schedule.ts';
import { programZone } from '../../graph/calendar/time-zone.ts';
import { programName } from '../../graph/catalogue/program.ts';
import { gapText, rehearsalForm, twinsOf } from '../../graph/catalogue/rehearsal.ts';
import type { Flow, Program } from '../../graph/model.ts';
import type { Claimed } from '../../store/agents/claims.ts';
import type { RunContext } from '../../store/record/run-context.ts';

/** Maximum number of epochs in `own` and `unended` of a task. */
const EPOCH_LIMIT = 1_000;

/** Throws `internal` when the stored catalogue lacks a program file; the check of the catalogue refuses such a version. */
export function taskOf(context: RunContext, claimed: Claimed, record: string): Task {
  const flow = context.flow(claimed.flow);
  const attrs = context.graph.attrOf(context.index.get(flow.id)!);
  const { epoch, run, generation, attempt, past } = claimed;
  const work = context.workOf(flow);
  const { program, twins } = programOf(context, flow);
  return {
    lease: { run, flow: flow.id, generation, attempt, epoch },
    program: programName(flow),
    period: context.periodOf(flow),
    spec: specOf(context, flow, program),
    twins,
    parameters: Object.fromEntries(
      [...context.givenOf(flow, generation)].map(([name, given]) => [name, given.value]),
    ),
    timeZone: programZone(calendarOf(flow, context.version.frame.calendars).timeZone),
    timeoutMs: flow.timeoutMs ?? null,
    orphanMs: attrs.orphanMs,
    fenced: attrs.fenced,
    leaves: flow.leaves,
    work: work?.key ?? null,
    workText: work?.readable ?? '',
    works: (past?.works ?? []).filter((key) => key !== work?.key),
    record,
    // The newest ones: an attempt looks back at what may still be on the platform.
    own: (past?.own ?? []).slice(-EPOCH_LIMIT),
    unended: (past?.unended ?? []).slice(-EPOCH_LIMIT),
  };
}

/**
 * The program that this run executes; in a rehearsal, its form on twins. A rehearsal is not opened while a flow has no such form. A flow
 * that came in or lost its twin by `adopt` is refused here in the same way.
 */
function programOf(
  { run, version }: RunContext,
  flow: Flow,
): { program: Program; twins: Readonly<Record<string, string>> } {
  const { program } = flow;
  if (program === undefined)
    throw new SluiceError('internal', `${flow.id} has no program`, { facts: { flow: flow.id } });
  if (run.purpose !== 'rehearsal') return { program, twins: {} };
  const form = rehearsalForm(flow, twinsOf(version.frame.connections));
  if (form?.kind === 'run') return form;
  const detail =
    form?.kind === 'missing'
      ? gapText({ flow: flow.id, connection: form.connection })
      : `${flow.id} is left out of rehearsals (rehearsal: skip)`;
  throw new SluiceError('no_rehearsal_twin', detail, { facts: { run: run.id, flows: [flow.id] } });
}

function specOf({ version }: RunContext, flow: Flow, program: Program): ProgramSpec {
  if (program.type === 'shell') {
    const { rehearsal: _, ...shell } = program;
    return shell;
  }
  if (program.type !== 'sql') return program;
  const sql = version.programs.get(`programs/${program.file}`);
  if (sql === undefined)
    throw new SluiceError(
      'internal',
      `catalogue version ${version.version} lacks programs/${program.file} of ${flow.id}`,
      {
        facts: { flow: flow.id, file: program.file },
      },
    );
  const connection = program.connection ?? flow.platform;
  return {
    type: 'sql',
    sql,
    check: flow.kind === 'check',
    ...(connection === undefined ? {} : { connection }),
    ...(program.transaction === undefined ? {} : { transaction: program.transaction }),
  };
}

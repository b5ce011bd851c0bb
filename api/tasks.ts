/** What an agent gets for a claim: the definition of the flow, resolved for the run's period (protocol C1, C6, D1). */

import { SluiceError } from '../errors.ts';
import {
  firstDay,
  lastDay,
  mapPeriod,
  mappedCycle,
  programPeriod,
  programPeriods,
} from '../graph/calendar.ts';
import { previousOf } from '../graph/foreign-runs.ts';
import type { Flow, Parameter, Program } from '../graph/model.ts';
import { programIdentity } from '../graph/program.ts';
import { gapText, rehearsalForm, twinsOf } from '../graph/rehearsal.ts';
import { calendarOf } from '../graph/schedule.ts';
import { programZone } from '../graph/time-zone.ts';
import type { Claimed } from '../store/claims.ts';
import type { RunContext } from '../store/run-context.ts';
import type { ProgramSpec, Task } from './schemas/agent.ts';

/** Throws `internal` when the stored catalogue lacks a program file; the check of the catalogue refuses such a version. */
export function taskOf(context: RunContext, claimed: Claimed): Task {
  const flow = context.flow(claimed.flow);
  const attrs = context.graph.attrOf(context.index.get(flow.id)!);
  const { epoch, run, generation, attempt } = claimed;
  const { program, twins } = programOf(context, flow);
  return {
    lease: { run, flow: flow.id, generation, attempt, epoch },
    program: programIdentity(flow),
    period: context.periodOf(flow),
    spec: specOf(context, flow, program),
    twins,
    parameters: parametersOf(context, flow, generation),
    timeZone: programZone(calendarOf(flow, context.version.frame.calendars).timeZone),
    timeoutMs: flow.timeoutMs ?? null,
    orphanMs: attrs.orphanMs,
    fenced: attrs.fenced,
  };
}

/**
 * The program that this run executes: of a rehearsal the one on twins. Opening a rehearsal refuses what has none; a flow that it was not
 * opened for, or that lost its twin by `adopt`, meets the same refusal here.
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
  };
}

/** Standard parameters for every program, then those the flow declares; typed, bound by the platform, never pasted. */
function parametersOf(
  context: RunContext,
  flow: Flow,
  generation: number,
): Record<string, string | number | boolean> {
  const { run } = context;
  // The flow's own period: P05's day programs of a month run have the last day of the month (D2).
  const cycle = mappedCycle(flow.period, run.cycle);
  const period = mapPeriod(flow.period, run.cycle, run.period)[0]!;
  const p = programPeriods(cycle, period);
  const standard = {
    period: p.period,
    first_day: firstDay(cycle, period),
    last_day: lastDay(cycle, period),
    previous_period: programPeriod(previousOf(context.graph, context.index.get(flow.id)!, run)),
    run: run.id,
    flow: flow.id,
    generation,
  };
  const declared = Object.entries(flow.parameters).map(([name, parameter]) => [
    name,
    boundValue(parameter, p, run.id, generation),
  ]);
  return { ...standard, ...Object.fromEntries(declared) };
}

type Periods = ReturnType<typeof programPeriods>;

function boundValue(
  parameter: Parameter,
  p: Periods,
  run: string,
  generation: number,
): string | number | boolean {
  if ('value' in parameter) return parameter.value;
  switch (parameter.from) {
    case 'run':
      return run;
    case 'generation':
      return generation;
    default:
      return p[parameter.from];
  }
}

/** The parameters of a flow's program: those that every program gets, then those that the flow declares (protocol D1). */
import { firstDay, lastDay, mapPeriod, mappedCycle, programPeriods } from '../calendar/calendar.ts';
import type { Cycle, Flow, Parameter } from '../model.ts';

export type Value = string | number | boolean;

/** `own`: its value identifies this run, flow or generation, so it is not part of the work (protocol C6). */
export interface Given {
  readonly value: Value;
  readonly own: boolean;
}

export interface ParameterRun {
  readonly id: string;
  readonly cycle: Cycle;
  readonly period: string;
}

/**
 * Name -> typed value, which the platform binds and never pastes into the text. `previous`: the period before (protocol D10), in the form for
 * programs.
 */
export function givenParameters(
  flow: Flow,
  run: ParameterRun,
  generation: number,
  previous: string,
): Map<string, Given> {
  // The flow's own period: P05's day programs of a month run have the last day of the month (protocol D2).
  const cycle = mappedCycle(flow.period, run.cycle);
  const period = mapPeriod(flow.period, run.cycle, run.period)[0]!;
  const p = programPeriods(cycle, period);
  const given = new Map<string, Given>([
    ['period', of(p.period)],
    ['first_day', of(firstDay(cycle, period))],
    ['last_day', of(lastDay(cycle, period))],
    ['previous_period', of(previous)],
    ['run', own(run.id)],
    ['flow', own(flow.id)],
    ['generation', own(generation)],
  ]);
  for (const [name, parameter] of Object.entries(flow.parameters))
    given.set(name, declared(parameter, p, run.id, generation));
  return given;
}

const of = (value: Value): Given => ({ value, own: false });
const own = (value: Value): Given => ({ value, own: true });

function declared(
  parameter: Parameter,
  p: ReturnType<typeof programPeriods>,
  run: string,
  generation: number,
): Given {
  if ('value' in parameter) return of(parameter.value);
  switch (parameter.from) {
    case 'run':
      return own(run);
    case 'generation':
      return own(generation);
    default:
      return of(p[parameter.from]);
  }
}

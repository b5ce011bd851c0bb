/** Answers about a run (docs/answers.md): why, and the critical path. Computed on one snapshot of the record; nothing is changed. */

import { z } from 'zod';
import {
  AnswerParams,
  CriticalPath,
  Lateness,
  LatenessQuery,
  PathQuery,
  WhyFlow,
  WhyQuery,
  WhyRun,
  WhyRunQuery,
} from '../../contract/answers.ts';
import type { Infer } from '../../contract/fields.ts';
import { RunParams } from '../../contract/runs.ts';
import { DAY_CLASSES } from '../../graph/calendar/day-class.ts';
import { keyName } from '../../graph/rules/judge.ts';
import { beforeBeginning } from '../../graph/run/foreign-runs.ts';
import { criticalPath, defaultTarget } from '../../graph/timing/critical-path.ts';
import type { Cause } from '../../graph/why/cause.ts';
import { whyFlow } from '../../graph/why/why.ts';
import { whyRun } from '../../graph/why/why-run.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { flowOfRun, openContext, requireGroups } from '../../services/runs/find.ts';
import { type Against, latenessOf, type PathReading } from '../../services/timing/lateness-answer.ts';
import { contextOrCause, readWithOthers, vertexOf, whyAbsent } from '../../services/why/why-answer.ts';
import { readPathFacts } from '../../store/history/history.ts';
import type { RunContext } from '../../store/record/run-context.ts';
import { actsAhead } from '../../store/rules/acts.ts';
import { computed } from '../compute-time.ts';
import type { Api } from '../instance.ts';
import { cursorOf, positionOf } from '../paging.ts';

export function answerRoutes(app: Api, deps: ServiceDeps): void {
  app.route({
    method: 'GET',
    url: '/runs/:run/flows/:flow/why',
    config: { permission: 'read' },
    schema: { tags: ['answers'], params: AnswerParams, querystring: WhyQuery, response: { 200: WhyFlow } },
    handler: async (request) => {
      const { run, flow } = request.params;
      const found = await contextOrCause(deps, run, flow);
      if ('cause' in found) return onlyCause(run, flow, found.now, [found.cause], []);
      return whyOfFlow(deps, found.context, flow, request.query.limit);
    },
  });

  app.route({
    method: 'GET',
    url: '/runs/:run/why',
    config: { permission: 'read' },
    schema: { tags: ['answers'], params: RunParams, querystring: WhyRunQuery, response: { 200: WhyRun } },
    handler: async (request) => {
      const { run } = request.params;
      const { limit, cursor, causes: causeLimit, chains } = request.query;
      const found = await contextOrCause(deps, run, null);
      if ('cause' in found) {
        const { cause, now } = found;
        const none = { asked: 0, open: 0, items: [], nextCursor: null };
        return { run, now, ...none, causes: [cause], causeCount: 1, text: cause.text };
      }
      const { context } = found;
      const after = positionOf(z.string().max(200), cursor);
      const asked = flowsAsked(context, request.query);
      const { asked: read, others } = await readWithOthers(deps, context);
      const { graph, s, facts } = read;
      const answer = whyRun(graph, s, facts, { limit: causeLimit, asked, chains, others });
      const { flows, causes, ...rest } = answer;
      // The last flow of the page before may be done by now; its place in the graph still says where this page begins.
      const from = after === null ? -1 : (context.index.get(after) ?? -1);
      const first = from < 0 ? 0 : flows.findIndex((line) => context.index.get(line.flow)! > from);
      const items = first < 0 ? [] : flows.slice(first, first + limit);
      const more = first >= 0 && flows.length > first + limit;
      return {
        run,
        now: facts.now,
        ...rest,
        causes,
        items,
        nextCursor: more ? cursorOf(items.at(-1)!.flow) : null,
      };
    },
  });

  app.route({
    method: 'GET',
    url: '/runs/:run/critical-path',
    config: { permission: 'read' },
    schema: { tags: ['answers'], params: RunParams, querystring: PathQuery, response: { 200: CriticalPath } },
    handler: async (request, reply) => {
      const context = await openContext(deps, request.params.run);
      const target = targetOf(context, request.query.target);
      const read = await readPathFacts(deps.pool, context, deps.graceMs);
      const path = computed(reply, () => criticalPath(context.graph, read.state, read.facts, target(read)));
      return {
        ...path,
        pieces: path.pieces.map((piece) => ({ ...piece, names: context.flow(piece.flow).names })),
      };
    },
  });

  app.route({
    method: 'GET',
    url: '/runs/:run/lateness',
    config: { permission: 'read' },
    schema: { tags: ['answers'], params: RunParams, querystring: LatenessQuery, response: { 200: Lateness } },
    handler: async (request, reply) => {
      const context = await openContext(deps, request.params.run);
      const { target, against } = request.query;
      const found = await latenessOf(deps, context, targetOf(context, target), againstOf(against), (work) =>
        computed(reply, work),
      );
      const named = (part: (typeof found.parts)[number]) => ({
        ...part,
        names: part.flow === null ? null : context.flow(part.flow).names,
      });
      return {
        ...found,
        parts: found.parts.map(named),
        mainCause: found.mainCause === null ? null : named(found.mainCause),
      };
    },
  });
}

/** Vertices that pass all given filters; null when no filter is given. Throws `unknown_flow`, `unknown_group`. */
function flowsAsked(
  context: RunContext,
  { flows, group, layer, procedure }: Infer<typeof WhyRunQuery>,
): number[] | null {
  if ([flows, group, layer, procedure].every((entry) => entry === undefined)) return null;
  requireGroups(context.version.flows.values(), group);
  const { graph } = context;
  const asked =
    flows === undefined
      ? Array.from(graph.ids.keys())
      : [...new Set(flows.map((given) => context.index.get(flowOfRun(context, given).id)!))];
  return asked.filter((v) => {
    const flow = context.flow(graph.ids[v]!);
    return (
      (group === undefined || flow.groups.some((other) => group.includes(other))) &&
      (layer === undefined || layer.includes(flow.layer)) &&
      (procedure === undefined || (flow.procedure !== undefined && procedure.includes(flow.procedure)))
    );
  });
}

/** The flow that is asked about; by default the one that ended last, or in a run in progress the last open one. Throws `unknown_flow`. */
function targetOf(context: RunContext, given: string | undefined): (read: PathReading) => number {
  const asked = given === undefined ? null : vertexOf(context, given);
  if (asked === -1) flowOfRun(context, given!);
  return ({ state, facts }) => asked ?? defaultTarget(context.graph, state, facts);
}

/** What `against` means: a class of days such as `previous`, `reference`, `median:30`, or the id of a run. */
function againstOf(text: string): Against {
  if (text === 'reference') return { kind: 'times' };
  const dayClass = DAY_CLASSES.find((entry) => entry === text);
  if (dayClass !== undefined) return { kind: 'class', dayClass };
  const median = /^median(?::(\d+))?$/.exec(text);
  return median === null ? { kind: 'run', run: text } : { kind: 'median', of: Number(median[1] ?? 7) };
}

async function whyOfFlow(
  deps: ServiceDeps,
  context: RunContext,
  given: string,
  limit: number,
): Promise<WhyFlow> {
  const { run } = context;
  const v = vertexOf(context, given);
  if (v < 0) {
    const { cause, now, near } = await whyAbsent(deps, context, given);
    return onlyCause(run.id, given, now, [cause], near);
  }
  const { asked, others } = await readWithOthers(deps, context, v);
  const { causes, next, blockers, ...answer } = whyFlow(asked, v, limit, others);
  const { facts } = asked;
  const ahead = await actsAhead(deps.pool, placesOf([{ run: run.id, flow: answer.flow }, ...causes]));
  return {
    ...answer,
    run: run.id,
    names: context.flow(answer.flow).names,
    now: facts.now,
    blockers,
    causes,
    next,
    beforeBeginning: beforeBeginning(context.graph, context.subscriptions, run, v),
    rules: ahead.map(({ dueAt, ...act }) => ({ ...act, at: dueAt === 0 ? null : dueAt })),
    near: [],
  };
}

/** Flows with their runs, each once. */
function placesOf(
  list: readonly { readonly run: string; readonly flow: string | null }[],
): { run: string; flow: string }[] {
  const places = list.flatMap(({ run, flow }) => (flow === null ? [] : { run, flow }));
  return [...new Map(places.map((place) => [keyName(place), place])).values()];
}

function onlyCause(
  run: string,
  flow: string,
  now: number,
  causes: readonly Cause[],
  meant: readonly string[],
): WhyFlow {
  return {
    run,
    flow,
    now,
    names: null,
    state: null,
    blockers: [],
    next: [],
    nextCount: 0,
    beforeBeginning: [],
    rules: [],
    causes,
    causeCount: causes.length,
    near: meant,
    text: causes[0]!.text,
  };
}

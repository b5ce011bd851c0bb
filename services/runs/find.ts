/** Finds runs and flows by what a person typed; a refusal suggests names. */
import { SluiceError, unknown } from '../../errors.ts';
import type { Flow } from '../../graph/model.ts';
import type { CatalogueVersion } from '../../store/catalogue/catalogue.ts';
import { newestRuns } from '../../store/history/runs.ts';
import type { RunContext } from '../../store/record/run-context.ts';
import { archivedOn } from '../../store/retention/archived-runs.ts';
import type { ServiceDeps } from '../deps.ts';
import { suggestNames } from '../suggest-names.ts';

/** Throws `unknown_run`. */
export async function openContext(
  deps: Pick<ServiceDeps, 'contextOf' | 'pool'>,
  run: string,
): Promise<RunContext> {
  try {
    return await deps.contextOf(run);
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'unknown_run') throw error;
    throw await unknownRun(deps.pool, run);
  }
}

/** Number of newest runs from which similar names are suggested. */
const SUGGESTED_FROM = 500;

/** `unknown_run` with suggestions, or with the day on which the run was archived. */
export async function unknownRun(pool: ServiceDeps['pool'], run: string): Promise<SluiceError> {
  return unknown(
    'unknown_run',
    `there is no run ${run}${await archivedNote(pool, run)}`,
    { run },
    suggestNames(run, await newestRuns(pool, SUGGESTED_FROM)),
  );
}

async function archivedNote(pool: ServiceDeps['pool'], run: string): Promise<string> {
  const day = await archivedOn(pool, run);
  return day === null
    ? ''
    : ` in the record any more: it was archived on ${day}, and comes back for reading with: sluice retention restore ${run}`;
}

const aliases = new WeakMap<CatalogueVersion, Map<string, string>>();

/** Former names of flows, as the catalogue version keeps them. */
function aliasesOf(version: CatalogueVersion): Map<string, string> {
  let map = aliases.get(version);
  if (map === undefined) {
    map = new Map();
    for (const flow of version.flows.values()) for (const alias of flow.aliases) map.set(alias, flow.id);
    aliases.set(version, map);
  }
  return map;
}

/** The flow of the run by its id or an alias; throws `unknown_flow`. */
export function flowOfRun(context: RunContext, given: string): Flow {
  const id = idOf(context, given);
  if (id === null) throw unknownFlow(context, [given]);
  return context.flow(id);
}

function idOf(context: RunContext, given: string): string | null {
  if (context.index.has(given)) return given;
  const id = aliasesOf(context.version).get(given);
  return id !== undefined && context.index.has(id) ? id : null;
}

/** Ids of the given flows; with `partial`, unknown ones are kept for the outcome to list, as long as one is known. */
export function knownFlows(context: RunContext, given: readonly string[], partial: boolean): string[] {
  const ids = given.map((flow) => idOf(context, flow));
  const missing = given.filter((_, i) => ids[i] === null);
  if (missing.length > 0 && !(partial && missing.length < given.length)) throw unknownFlow(context, missing);
  return given.map((flow, i) => ids[i] ?? flow);
}

function unknownFlow(context: RunContext, missing: readonly string[]): SluiceError {
  const shown = missing.slice(0, 10);
  const meant = [...new Set(shown.slice(0, 3).flatMap((flow) => suggestNames(flow, context.graph.ids)))];
  return unknown(
    'unknown_flow',
    `the run ${context.run.id} has no flow ${shown.join(', ')}`,
    { run: context.run.id, flows: shown },
    meant,
  );
}

/** The flow of a catalogue version by its id or an alias; throws `unknown_flow`. */
export function flowOfVersion(version: CatalogueVersion, given: string): Flow {
  const flow = version.flows.get(given) ?? version.flows.get(aliasesOf(version).get(given) ?? '');
  if (flow !== undefined) return flow;
  throw unknown(
    'unknown_flow',
    `catalogue version ${version.version} has no flow ${given}`,
    { flow: given, version: version.version },
    suggestNames(given, version.flows.keys()),
  );
}

/**
 * Throws `unknown_group` when a group has none of the given flows: an empty answer would read as if all were well. Without any flows,
 * nothing is known and nothing is refused.
 */
export function requireGroups(flows: Iterable<Flow>, asked: readonly string[] | undefined): void {
  if (asked === undefined) return;
  const known = new Set<string>();
  let any = false;
  for (const { groups } of flows) {
    any = true;
    for (const group of groups) known.add(group);
  }
  const missing = asked.find((group) => !known.has(group));
  if (missing === undefined || !any) return;
  throw unknown(
    'unknown_group',
    `no flow is in a group ${missing}`,
    { group: missing },
    suggestNames(missing, known),
  );
}

/** The catalogue: checked, compared, applied or imported as a whole; exported as it was given. */

import {
  ApplyAnswer,
  ApplyRequest,
  CheckAnswer,
  CheckRequest,
  Definition,
  DefinitionParams,
  DiffAnswer,
  Exported,
  type GivenFile,
  RollbackRequest,
  Summary,
  VersionList,
  VersionQuery,
} from '../../contract/catalogue.ts';
import type { Infer } from '../../contract/fields.ts';
import { SluiceError } from '../../errors.ts';
import { diffWith } from '../../services/catalogue/catalogue-diff.ts';
import { type CheckedFiles, checkFiles } from '../../services/catalogue/catalogue-files.ts';
import { requireRemovals } from '../../services/catalogue/catalogue-removals.ts';
import { readSurroundings } from '../../services/catalogue/catalogue-surroundings.ts';
import { diffImpact } from '../../services/catalogue/diff-impact.ts';
import { exportedFiles } from '../../services/catalogue/file-text.ts';
import { newestCatalogue, versionOf } from '../../services/catalogue/newest-catalogue.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { authorise } from '../../services/operations/actor-scope.ts';
import { flowOfVersion } from '../../services/runs/find.ts';
import { listVersions, readFiles, requireNewest, saveVersion } from '../../store/catalogue/catalogue.ts';
import type { Actor } from '../../store/operations/actors.ts';
import { writeAudit } from '../../store/operations/audit.ts';
import { inTransaction } from '../../store/schema/pool.ts';
import type { Api } from '../instance.ts';

/** Maximum size of a request, bytes: 13,000 flows are 5 MB of YAML, and several times that with their programs. */
const BODY_LIMIT = 64 * 1024 * 1024;
/** Maximum number of problems in a refusal; the check lists all. */
const SHOWN_PROBLEMS = 500;

const tags = ['catalogue'];

export function catalogueRoutes(app: Api, deps: ServiceDeps): void {
  app.route({
    method: 'GET',
    url: '/catalogue',
    config: { permission: 'read' },
    schema: { tags, querystring: VersionQuery, response: { 200: Summary } },
    handler: async (request) => {
      const version = await versionOf(deps, request.query.version);
      const row = (await listVersions(deps.pool)).find((other) => other.version === version.version);
      if (row === undefined)
        throw new SluiceError('unknown_version', `version ${version.version} is not listed any more`);
      const cycles: Record<string, number> = {};
      for (const flow of version.flows.values()) cycles[flow.cycle] = (cycles[flow.cycle] ?? 0) + 1;
      const beginnings = Object.fromEntries(
        version.frame.cycles?.map(({ id, begins }) => [id, begins]) ?? [],
      );
      return { ...row, ...version.frame, cycles, beginnings };
    },
  });

  app.route({
    method: 'GET',
    url: '/catalogue/versions',
    config: { permission: 'read' },
    schema: { tags, response: { 200: VersionList } },
    handler: async () => ({ items: await listVersions(deps.pool) }),
  });

  app.route({
    method: 'GET',
    url: '/catalogue/export',
    config: { permission: 'read' },
    schema: { tags, querystring: VersionQuery, response: { 200: Exported } },
    handler: async (request) => {
      const { version, hash } = await versionOf(deps, request.query.version);
      const { files } = await readFiles(deps.pool, version);
      return { version, hash, files: exportedFiles(files) };
    },
  });

  app.route({
    method: 'GET',
    url: '/catalogue/flows/:flow',
    config: { permission: 'read' },
    schema: { tags, params: DefinitionParams, querystring: VersionQuery, response: { 200: Definition } },
    handler: async (request) => {
      const version = await versionOf(deps, request.query.version);
      const flow = flowOfVersion(version, request.params.flow);
      return { ...flow, version: version.version };
    },
  });

  app.route({
    method: 'POST',
    url: '/catalogue/check',
    config: { permission: 'read', verb: 'check-catalogue' },
    bodyLimit: BODY_LIMIT,
    schema: { tags, body: CheckRequest, response: { 200: CheckAnswer } },
    handler: async (request) => {
      const { ok, flows, problems } = await checkAround(deps, request.body.files, request.body.mode);
      return { ok, flows: flows.length, problems: problems.map(toResponse) };
    },
  });

  app.route({
    method: 'POST',
    url: '/catalogue/diff',
    config: { permission: 'read', verb: 'diff-catalogue' },
    bodyLimit: BODY_LIMIT,
    schema: { tags, body: CheckRequest, response: { 200: DiffAnswer } },
    handler: async (request) => {
      const checked = sound(await checkAround(deps, request.body.files, request.body.mode));
      const before = await newestCatalogue(deps);
      const difference = diffWith(before, checked);
      return { ...difference, ...(await diffImpact(deps, before, checked, difference)) };
    },
  });

  for (const mode of ['apply', 'import'] as const)
    app.route({
      method: 'POST',
      url: `/catalogue/${mode}`,
      config: { permission: 'maintain', verb: `${mode}-catalogue` },
      bodyLimit: BODY_LIMIT,
      schema: { tags, body: ApplyRequest, response: { 200: ApplyAnswer } },
      handler: async (request) =>
        change(deps, request.actor!, { verb: `${mode}-catalogue`, mode, ...request.body }),
    });

  app.route({
    method: 'POST',
    url: '/catalogue/rollback',
    config: { permission: 'maintain', verb: 'rollback-catalogue' },
    schema: { tags, body: RollbackRequest, response: { 200: ApplyAnswer } },
    handler: async (request) => {
      const { version } = request.body;
      const { files, mode } = await readFiles(deps.pool, version);
      return change(deps, request.actor!, { verb: 'rollback-catalogue', mode, files, ...request.body });
    },
  });
}

/** Checks files, also against the agents and the people of this installation. */
const checkAround = async (deps: ServiceDeps, files: readonly GivenFile[], mode: 'apply' | 'import') =>
  checkFiles(files, { programs: deps.programs, mode, around: await readSurroundings(deps.pool) });

interface Change extends Omit<Infer<typeof ApplyRequest>, 'files'> {
  readonly verb: string;
  readonly mode: 'apply' | 'import';
  readonly files: readonly GivenFile[];
  /** Set for a rollback only: the version that the files come from. */
  readonly version?: number;
}

/** Makes a new version of files: they are checked, compared with the base and stored with an audit row, or refused, and nothing is changed. */
async function change(deps: ServiceDeps, actor: Actor, given: Change): Promise<Infer<typeof ApplyAnswer>> {
  const { verb, mode, baseVersion, remove, dryRun, reason } = given;
  authorise(actor, verb, null);
  const before = await newestCatalogue(deps);
  const checked = sound(await checkAround(deps, given.files, mode));
  // When the answer was lost and the request is repeated, the newest version is the one that it made.
  if (baseVersion !== undefined && checked.hash !== before?.hash) await requireNewest(deps.pool, baseVersion);
  const diff = diffWith(before, checked);
  const { hash, flows, problems } = checked;
  const common = { hash, flows: flows.length, problems: problems.map(toResponse), diff };
  if (dryRun) return { ...common, version: null, created: false };
  requireRemovals(diff, remove);
  const base = baseVersion === undefined ? (before?.version ?? null) : baseVersion;
  const detail = given.version === undefined ? {} : { filesOf: given.version };
  return { ...common, ...(await save(deps, actor, { verb, mode, reason, base, detail }, checked)) };
}

async function save(
  { pool }: ServiceDeps,
  actor: Actor,
  {
    verb,
    mode,
    reason,
    base,
    detail,
  }: Pick<Change, 'verb' | 'mode' | 'reason'> & { base: number | null; detail: object },
  { hash, files, frame, flows }: CheckedFiles,
): Promise<{ version: number; created: boolean }> {
  return inTransaction(
    pool,
    async (client) => {
      const saved = await saveVersion(client, { base, hash, mode, actor: actor.name, files, frame, flows });
      await writeAudit(client, {
        actor: actor.name,
        verb,
        run: null,
        targets: [`version ${saved.version}`],
        reason,
        outcome: 'applied',
        detail: { ...saved, ...detail, hash, flows: flows.length },
      });
      return saved;
    },
    // Storing tens of megabytes takes longer than the usual limits of a transaction allow, and nobody waits for these rows.
    { guarded: false },
  );
}

/** Answers the files when they have no error. Throws `catalogue_invalid` with the problems. */
function sound(checked: CheckedFiles): CheckedFiles {
  if (checked.ok) return checked;
  const errors = checked.problems.filter((problem) => problem.severity === 'error');
  const first = errors[0]!;
  const place = first.file === null ? '' : `${first.file}:${first.line ?? 1}:${first.column ?? 1} `;
  throw new SluiceError(
    'catalogue_invalid',
    `${errors.length} problems; the first: ${place}${first.message.en}`,
    {
      facts: { count: errors.length, problems: errors.slice(0, SHOWN_PROBLEMS).map(toResponse) },
    },
  );
}

function toResponse({
  code,
  severity,
  message,
  id,
  file,
  line,
  column,
  members,
}: CheckedFiles['problems'][number]) {
  return {
    code,
    severity,
    message,
    id,
    file,
    line,
    column,
    ...(members === undefined ? {} : { members }),
  };
}

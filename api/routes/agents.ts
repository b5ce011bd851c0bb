/** Agents and platforms: seen and steered by people (protocol C8, C9). */

import {
  Agent,
  AgentList,
  AgentParams,
  Failover,
  FailoverAnswer,
  PlatformList,
  PlatformParams,
  Steer,
} from '../../contract/agents.ts';
import { SluiceError, unknown } from '../../errors.ts';
import { newestCatalogue } from '../../services/catalogue/newest-catalogue.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { authorisePlatform } from '../../services/operations/actor-scope.ts';
import { suggestNames } from '../../services/suggest-names.ts';
import {
  type AgentRow,
  epochsOf,
  listAgents,
  listPlatforms,
  setDrained,
} from '../../store/agents/agent-list.ts';
import { endLeases } from '../../store/agents/lease-end.ts';
import { pausePlatform, resumePlatform } from '../../store/agents/pauses.ts';
import type { Actor } from '../../store/operations/actors.ts';
import { writeAudit } from '../../store/operations/audit.ts';
import { inTransaction } from '../../store/schema/pool.ts';
import type { Api } from '../instance.ts';

export function agentRoutes(app: Api, deps: ServiceDeps): void {
  app.route({
    method: 'GET',
    url: '/agents',
    config: { permission: 'read' },
    schema: { tags: ['agents'], response: { 200: AgentList } },
    handler: async () => ({ items: await listAgents(deps.pool, deps.leaseMs) }),
  });

  for (const verb of ['drain', 'undrain'] as const)
    app.route({
      method: 'POST',
      url: `/agents/:agent/${verb}`,
      config: { permission: 'operate', verb },
      schema: { tags: ['agents'], params: AgentParams, body: Steer, response: { 200: Agent } },
      handler: async (request) => {
        const actor = request.actor!;
        const reason = reasonOf(verb, request.body.reason, verb === 'drain');
        const agent = await findAgent(deps, actor, request.params.agent);
        await inTransaction(deps.pool, async (client) => {
          await setDrained(client, agent.name, verb === 'drain');
          await writeAudit(client, {
            actor: actor.name,
            verb,
            run: null,
            targets: [agent.name],
            reason,
            outcome: 'applied',
          });
        });
        return findAgent(deps, actor, agent.name);
      },
    });

  app.route({
    method: 'POST',
    url: '/agents/:agent/failover',
    config: { permission: 'operate', verb: 'failover' },
    schema: { tags: ['agents'], params: AgentParams, body: Failover, response: { 200: FailoverAnswer } },
    handler: async (request) => {
      const actor = request.actor!;
      const reason = reasonOf('failover', request.body.reason, true);
      const agent = await findAgent(deps, actor, request.params.agent);
      const other = await findAgent(deps, actor, request.body.to);
      if (other.name === agent.name || other.platform !== agent.platform)
        throw new SluiceError(
          'invalid_request',
          `${other.name} (${other.platform}) cannot take over from ${agent.name} (${agent.platform}): another agent of the same platform can`,
          { facts: { agent: agent.name, to: other.name } },
        );
      await inTransaction(deps.pool, async (client) => {
        await setDrained(client, agent.name, true, other.name);
        await writeAudit(client, {
          actor: actor.name,
          verb: 'failover',
          run: null,
          targets: [agent.name, other.name],
          reason,
          outcome: 'applied',
          detail: { fenced: request.body.fenced },
        });
      });
      const ended = request.body.fenced
        ? await endLeases(deps.pool, await epochsOf(deps.pool, agent.name), null)
        : { requeued: 0, lost: 0 };
      return { agent: await findAgent(deps, actor, agent.name), requeued: ended.requeued, lost: ended.lost };
    },
  });

  app.route({
    method: 'GET',
    url: '/platforms',
    config: { permission: 'read' },
    schema: { tags: ['platforms'], response: { 200: PlatformList } },
    handler: async () => ({
      items: await listPlatforms(deps.pool, deps.leaseMs, await platformsOfCatalogue(deps)),
    }),
  });

  for (const verb of ['pause', 'resume'] as const)
    app.route({
      method: 'POST',
      url: `/platforms/:platform/${verb}`,
      config: { permission: 'operate', verb: `${verb}-platform` },
      schema: {
        tags: ['platforms'],
        params: PlatformParams,
        body: Steer,
        response: { 200: PlatformList.shape.items.element },
      },
      handler: async (request) => {
        const actor = request.actor!;
        const { platform } = request.params;
        const reason = reasonOf(verb, request.body.reason, verb === 'pause');
        const names = await platformsOfCatalogue(deps);
        const known = (await listPlatforms(deps.pool, deps.leaseMs, names)).map((row) => row.platform);
        if (!known.includes(platform))
          throw unknown(
            'unknown_platform',
            `there is no platform ${platform}`,
            { platform, platforms: known },
            suggestNames(platform, known),
          );
        authorisePlatform(actor, verb, platform);
        const by = { actor: actor.name, reason };
        await (verb === 'pause' ? pausePlatform : resumePlatform)(deps.pool, platform, by);
        const rows = await listPlatforms(deps.pool, deps.leaseMs, names);
        return rows.find((row) => row.platform === platform)!;
      },
    });
}

function reasonOf(verb: string, given: string, needed: boolean): string {
  const reason = given.trim();
  if (needed && reason === '')
    throw new SluiceError('reason_required', `${verb} needs a reason`, { facts: { verb } });
  return reason;
}

/** Throws `unknown_agent`, `out_of_scope`. */
async function findAgent(deps: ServiceDeps, actor: Actor, name: string): Promise<AgentRow> {
  const [agent] = await listAgents(deps.pool, deps.leaseMs, name);
  if (agent === undefined) {
    const all = await listAgents(deps.pool, deps.leaseMs);
    throw unknown(
      'unknown_agent',
      `there is no agent ${name}`,
      { agent: name },
      suggestNames(
        name,
        all.map((item) => item.name),
      ),
    );
  }
  authorisePlatform(actor, 'steer', agent.platform);
  return agent;
}

async function platformsOfCatalogue(deps: ServiceDeps): Promise<string[]> {
  const version = await newestCatalogue(deps);
  const names = new Set<string>();
  for (const flow of version?.flows.values() ?? []) if (flow.platform !== undefined) names.add(flow.platform);
  return [...names];
}

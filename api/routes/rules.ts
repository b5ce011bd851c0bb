/** Rules that act: listed, enabled, paused; what they did, and what they ask for. */
import {
  Rule,
  RuleAct,
  RuleActPage,
  RuleActParams,
  RuleActsQuery,
  RuleChange,
  RuleList,
  RuleParams,
  RuleTry,
  RuleTryQuery,
} from '../../contract/rules.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { tryRule } from '../../services/rules/rule-try.ts';
import {
  decideAct,
  hurry,
  listRules,
  requireKeyRole,
  setRule,
  showRule,
  toActResponse,
} from '../../services/rules/rules.ts';
import { listActs, readAct } from '../../store/rules/acts.ts';
import { pauseRules, resumeRules } from '../../store/rules/enabled-rules.ts';
import type { Api } from '../instance.ts';
import { AtId, page, positionOf } from '../paging.ts';

const tags = ['rules'];

export function ruleRoutes(app: Api, deps: ServiceDeps): void {
  app.route({
    method: 'GET',
    url: '/rules',
    config: { permission: 'read' },
    schema: { tags, response: { 200: RuleList } },
    handler: () => listRules(deps),
  });

  app.route({
    method: 'GET',
    url: '/rules/:rule',
    config: { permission: 'read' },
    schema: { tags, params: RuleParams, response: { 200: Rule } },
    handler: (request) => showRule(deps, request.params.rule),
  });

  app.route({
    method: 'GET',
    url: '/rules/:rule/try',
    config: { permission: 'read' },
    schema: { tags, params: RuleParams, querystring: RuleTryQuery, response: { 200: RuleTry } },
    handler: (request) => tryRule(deps, request.params.rule, request.query.days),
  });

  for (const on of [true, false])
    app.route({
      method: 'POST',
      url: `/rules/:rule/${on ? 'enable' : 'disable'}`,
      config: { permission: 'confirm', verb: on ? 'enable-rule' : 'disable-rule' },
      schema: { tags, params: RuleParams, body: RuleChange, response: { 200: Rule } },
      handler: (request) =>
        setRule(deps, request.actor!, request.params.rule, { on, reason: request.body.reason }),
    });

  for (const verb of ['pause', 'resume'] as const)
    app.route({
      method: 'POST',
      url: `/rules/${verb}`,
      config: { permission: 'operate', verb: `${verb}-rules` },
      schema: { tags, body: RuleChange, response: { 200: RuleList } },
      handler: async (request) => {
        const actor = request.actor!;
        // Everybody who operates may stop the rules; letting them go on is for those who enable them.
        if (verb === 'resume') requireKeyRole(actor, 'resume-rules');
        const by = { actor: actor.name, reason: request.body.reason };
        await (verb === 'pause' ? pauseRules : resumeRules)(deps.pool, by);
        return listRules(deps);
      },
    });

  app.route({
    method: 'GET',
    url: '/rule-acts',
    config: { permission: 'read' },
    schema: { tags, querystring: RuleActsQuery, response: { 200: RuleActPage } },
    handler: async (request) => {
      const { limit, cursor, ...filter } = request.query;
      const before = positionOf(AtId, cursor);
      const rows = await listActs(deps.pool, filter, { before, limit: limit + 1 });
      return page(rows, limit, toActResponse, ({ at, id }) => ({ at, id }));
    },
  });

  app.route({
    method: 'GET',
    url: '/rule-acts/:act',
    config: { permission: 'read' },
    schema: { tags, params: RuleActParams, response: { 200: RuleAct } },
    handler: async (request) => toActResponse(await readAct(deps.pool, request.params.act)),
  });

  app.route({
    method: 'POST',
    url: '/rule-acts/:act/now',
    config: { permission: 'operate', verb: 'hurry-act' },
    schema: { tags, params: RuleActParams, body: RuleChange, response: { 200: RuleAct } },
    handler: (request) => hurry(deps, request.actor!, request.params.act, request.body.reason),
  });

  for (const verb of ['approve', 'refuse'] as const)
    app.route({
      method: 'POST',
      url: `/rule-acts/:act/${verb}`,
      config: { permission: 'confirm', verb: `${verb}-act` },
      schema: { tags, params: RuleActParams, body: RuleChange, response: { 200: RuleAct } },
      handler: (request) =>
        decideAct(deps, request.actor!, request.params.act, {
          approve: verb === 'approve',
          reason: request.body.reason,
        }),
    });
}

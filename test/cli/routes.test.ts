/** What the API can do, the command line can do, too: each route has its command, or a reason why people do not need one. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { buildProgram } from '../../cli/program.ts';
import { VERBS } from '../../graph/verbs/verbs.ts';

const { routes: recorded } = JSON.parse(
  readFileSync(new URL('../api/openapi.json', import.meta.url), 'utf8'),
) as { routes: Record<string, unknown> };
const routes = Object.keys(recorded).map((route) => {
  const [path, method] = route.split(' ') as [string, string];
  return `${method} ${path.replace('/api/v1', '')}`;
});

/** The words of a command, or in brackets who uses the route instead. */
const COMMANDS: Readonly<Record<string, string>> = {
  'GET /agents': 'agent list',
  'POST /agents/{agent}/claim': '(agents)',
  'POST /agents/{agent}/complete': '(agents)',
  'POST /agents/{agent}/corrections': '(agents)',
  'POST /agents/{agent}/drain': 'agent drain',
  'POST /agents/{agent}/failover': 'agent failover',
  'POST /agents/{agent}/heartbeat': '(agents)',
  'POST /agents/{agent}/hello': '(agents)',
  'POST /agents/{agent}/leave': '(agents)',
  'POST /agents/{agent}/logs': '(agents)',
  'POST /agents/{agent}/started': '(agents)',
  'POST /agents/{agent}/undrain': 'agent undrain',
  'GET /audit': 'audit',
  'GET /backfills': 'backfill list',
  'POST /backfills': 'backfill open',
  'GET /backfills/{backfill}': 'backfill show',
  'POST /backfills/{backfill}/cancel': 'backfill cancel',
  'GET /catalogue': 'catalogue show',
  'POST /catalogue/apply': 'catalogue apply',
  'POST /catalogue/check': 'catalogue check',
  'POST /catalogue/diff': 'catalogue diff',
  'GET /catalogue/export': 'catalogue export',
  'GET /catalogue/findings': 'catalogue findings',
  'GET /catalogue/flows/{flow}': 'catalogue flow',
  'POST /catalogue/import': 'catalogue import',
  'POST /catalogue/rollback': 'catalogue rollback',
  'GET /catalogue/versions': 'catalogue versions',
  'GET /corrections': 'correction list',
  'POST /corrections': 'correct',
  'GET /corrections/{correction}': 'correction show',
  'POST /corrections/{correction}/rerun-plans': 'correction plan',
  'GET /rules': 'rule list',
  'GET /rules/{rule}': 'rule show',
  'GET /rules/{rule}/try': 'rule try',
  'POST /rules/{rule}/enable': 'rule enable',
  'POST /rules/{rule}/disable': 'rule disable',
  'POST /rules/pause': 'rule pause',
  'POST /rules/resume': 'rule resume',
  'GET /rule-acts': 'rule history',
  'GET /rule-acts/{act}': 'rule history',
  'POST /rule-acts/{act}/now': 'rule now',
  'POST /rule-acts/{act}/approve': 'rule approve',
  'POST /rule-acts/{act}/refuse': 'rule refuse',
  'GET /events': 'event list',
  'POST /events': 'event send',
  'GET /flows/{flow}/retirement': 'flow retirement',
  'GET /healthz': 'doctor',
  'GET /keys/{key}': 'operations',
  'GET /lineage': 'lineage',
  'GET /metrics': '(monitoring systems)',
  'GET /not-storable': 'doctor',
  'GET /notices': 'notices',
  'GET /operations': 'operations list',
  'GET /operations/{operation}': 'operations show',
  'POST /operations/{operation}/approve': 'approve',
  'POST /operations/{operation}/refuse': 'refuse',
  'GET /platforms': 'platform list',
  'POST /platforms/{platform}/pause': 'platform pause',
  'POST /platforms/{platform}/resume': 'platform resume',
  'GET /queries': 'query',
  'GET /queries/{query}': 'query',
  'GET /readyz': 'doctor',
  'GET /retention': 'retention show',
  'POST /retention/restore/{run}': 'retention restore',
  'POST /retention/run': 'retention run',
  'GET /runs': 'run list',
  'POST /runs': 'run open',
  'GET /runs/{run}': 'run show',
  'POST /runs/{run}/adopt': 'run adopt',
  'GET /runs/{run}/critical-path': 'critical-path',
  'GET /runs/{run}/events': 'run watch',
  'GET /runs/{run}/flows': 'flow list',
  'GET /runs/{run}/flows/{flow}': 'flow show',
  'GET /runs/{run}/flows/{flow}/attempts': 'flow show',
  'GET /runs/{run}/flows/{flow}/attempts/{n}/log': 'logs',
  'GET /runs/{run}/flows/{flow}/why': 'why',
  'GET /runs/{run}/lateness': 'late',
  'POST /runs/{run}/reload': 'run reload',
  'POST /runs/{run}/rerun-plans': 'rerun',
  'GET /runs/{run}/rerun-plans/{plan}': 'rerun',
  'POST /runs/{run}/rerun-plans/{plan}/apply': 'rerun',
  'GET /runs/{run}/why': 'why',
  'GET /schedules': 'schedule list',
  'GET /schedules/{schedule}': 'schedule show',
  'POST /schedules/{schedule}/pause': 'schedule pause',
  'POST /schedules/{schedule}/resume': 'schedule resume',
  'POST /schedules/{schedule}/trigger': 'schedule trigger',
  'GET /verbs': 'verbs',
};

/** All queries are one command, and each verb is a command of its name (test/cli/words.test.ts). */
const verbs = new Set([...VERBS.keys()].map((verb) => `POST /runs/{run}/${verb}`));
const asked = routes
  .filter((route) => !verbs.has(route))
  .map((route) => route.replace(/\/queries\/Q\d\d$/, '/queries/{query}'));

test('each route of the API has its command', () => {
  expect(Object.keys(COMMANDS).toSorted()).toEqual([...new Set(asked)].toSorted());
});

test('each of these commands exists', () => {
  const program = buildProgram('en', '0.0.0', async () => {});
  const missing = Object.values(COMMANDS).filter((words) => {
    let command: typeof program | undefined = program;
    for (const word of words.split(' ')) command = command?.commands.find((below) => below.name() === word);
    return command === undefined && !words.startsWith('(');
  });
  expect(missing).toEqual([]);
});

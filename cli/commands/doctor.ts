/** `sluice doctor`: checks everything that a month start needs. The output holds no token and no password: it can go into a ticket. */
import type { z } from 'zod';
import type { AgentList, PlatformList } from '../../contract/agents.ts';
import type { NotStorableList } from '../../contract/records.ts';
import type { Run } from '../../contract/runs.ts';
import type { ScheduleList } from '../../contract/schedules.ts';
import { problemFrom } from '../problem.ts';
import type { Session } from '../session.ts';
import { duration } from '../text/instant.ts';
import { oneLine } from '../text/width.ts';
import type { Tree } from '../tree.ts';

interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
  /** What to do, when something is wrong. */
  readonly remedy?: string;
}

/** Maximum difference, ms, between the clocks of this machine and of the API. Dates of HTTP are exact to a second only. */
const CLOCK_MS = 5_000;

export function addDoctorCommand(tree: Tree): void {
  tree.root
    .command('doctor')
    .description(tree.help('doctor'))
    .action(
      tree.does(async (session) => {
        const findings = await examine(session, tree.version);
        const answer = { ok: findings.every((finding) => finding.ok), findings };
        session.answer(answer, (entry) => entry.findings.map((finding) => findingLine(finding, session)));
        return answer.ok ? 0 : 6;
      }),
    );
}

async function examine(session: Session, version: string): Promise<Finding[]> {
  const { client, phrase } = session;
  const findings: Finding[] = [
    {
      check: 'command line',
      ok: true,
      detail: `sluice ${version}, Node ${process.versions.node}, ${process.platform} ${process.arch}`,
    },
  ];
  const look = async (check: string, how: () => Promise<Omit<Finding, 'check'>>): Promise<boolean> => {
    try {
      const found = await how();
      findings.push({ check, ...found });
      return found.ok;
    } catch (error) {
      const { problem } = problemFrom(error, session.lang);
      findings.push({
        check,
        ok: false,
        detail: `${problem.code}: ${problem.detail}`,
        remedy: problem.remedy,
      });
      return false;
    }
  };

  // Every address is checked: one of two APIs answers everything, and nobody would notice that the other is dead.
  let answers = false;
  for (const address of client.addresses)
    answers =
      (await look('API', async () => ({
        ok: true,
        detail: `${address}, ${duration(await client.reach(address))}`,
      }))) || answers;
  if (!answers) return findings;
  await look('clock', async () => {
    const offMs = await client.clockOffset();
    const ok = Math.abs(offMs) <= CLOCK_MS;
    return {
      ok,
      detail: phrase('clock_differs', { ms: offMs }),
      ...(ok ? {} : { remedy: phrase('set_clock') }),
    };
  });
  const ready = client.get<{ catalogueVersion: number | null; logsTrouble: string | null }>('/readyz');
  ready.catch(() => {});
  await look('record', async () => {
    const { catalogueVersion } = await ready;
    return catalogueVersion === null
      ? { ok: false, detail: phrase('no_catalogue'), remedy: 'sluice catalogue apply catalogue/month-start' }
      : { ok: true, detail: `${phrase('version')} ${catalogueVersion}` };
  });
  await look('logs', async () => {
    const { logsTrouble } = await ready;
    return logsTrouble === null
      ? { ok: true, detail: phrase('logs_stored') }
      : { ok: false, detail: logsTrouble, remedy: phrase('make_room') };
  });
  const known = await look('actor', async () => {
    await client.get('/verbs');
    return { ok: true, detail: session.actor ?? 'SLUICE_TOKEN' };
  });
  if (!known) return findings;
  await look('agents', async () => {
    const { items } = await client.get<z.infer<typeof AgentList>>('/agents');
    const alive = items.filter((agent) => agent.alive);
    const detail = items.map(
      (agent) =>
        `${agent.name} ${agent.alive ? `${agent.used}/${agent.slots}` : phrase('gone')}${agent.containment === null ? '' : ` (${agent.containment})`}`,
    );
    const troubled = alive.filter((agent) => agent.trouble !== '');
    const troubles = troubled.map((agent) => `${agent.name}: ${agent.trouble}`);
    const remedy =
      alive.length === 0
        ? { remedy: 'sluice agent start NAME --platform PLATFORM' }
        : troubled.length > 0
          ? { remedy: phrase('make_room') }
          : {};
    return {
      ok: alive.length > 0 && troubled.length === 0,
      detail: [detail.join(', ') || phrase('none'), ...troubles].join('; '),
      ...remedy,
    };
  });
  await look('fences', async () => {
    const { items } = await client.get<z.infer<typeof AgentList>>('/agents');
    const seen = new Map(
      items.flatMap(({ fences = [] }) =>
        fences.map((fence) => [`${fence.connection} ${fence.record}`, fence] as const),
      ),
    );
    const strange = [...seen.values()].filter((entry) => !entry.known);
    const works = [...seen.values()].reduce((sum, entry) => sum + entry.works, 0);
    return {
      ok: strange.length === 0,
      detail:
        strange.length === 0
          ? phrase('fences_known', { works })
          : strange
              .map(({ connection, record, works: count, own }) =>
                phrase(own ? 'fences_ahead' : 'fences_strange', { connection, record, works: count }),
              )
              .join('; '),
      ...(strange.length === 0 ? {} : { remedy: phrase('see_foreign_effects') }),
    };
  });
  await look('platforms', async () => {
    const { items } = await client.get<z.infer<typeof PlatformList>>('/platforms');
    const stuck = items.filter((item) => item.pause !== null || (item.waiting > 0 && item.agents === 0));
    const detail = items.map(
      (item) =>
        `${item.platform} ${item.used}/${item.slots}, ${item.waiting} ${phrase('waiting')}${item.pause === null ? '' : `, ${phrase('run_paused')}`}`,
    );
    return { ok: stuck.length === 0, detail: detail.join('; ') || phrase('none') };
  });
  await look('runs', async () => {
    const { items } = await client.list<Run>('/runs', { state: 'open' }, 1_000);
    const frozen = items.filter((run) => run.frozen !== null);
    return {
      ok: frozen.length === 0,
      detail: `${items.length} ${phrase('run_open')}${frozen.length === 0 ? '' : `; ${phrase('run_frozen')}: ${frozen.map((run) => run.id).join(', ')}`}`,
      ...(frozen.length === 0 ? {} : { remedy: `sluice run reload ${frozen[0]!.id} --reason ...` }),
    };
  });
  await look('texts', async () => {
    const { items } = await client.get<z.infer<typeof NotStorableList>>('/not-storable');
    const first = items[0];
    return first === undefined
      ? { ok: true, detail: phrase('texts_stored') }
      : {
          ok: false,
          detail: `${phrase('not_storable', { n: items.length })}: ${first.run} ${first.flow ?? ''} ${first.detail}`,
          remedy: phrase('mend_text', { run: first.run, flow: first.flow ?? 'FLOW' }),
        };
  });
  await look('schedules', async () => {
    const { items, unknownHolidays } = await client.get<ScheduleList>('/schedules');
    const paused = items.filter((item) => item.paused).length;
    const gaps = unknownHolidays.map((holiday) =>
      phrase('holidays_unknown', { calendar: holiday.calendar, year: holiday.year }),
    );
    const count = `${items.length}${paused === 0 ? '' : `, ${paused} ${phrase('run_paused')}`}`;
    return {
      ok: gaps.length === 0,
      detail: [count, ...gaps].join('; '),
      ...(gaps.length === 0 ? {} : { remedy: phrase('enter_holidays') }),
    };
  });
  return findings;
}

function findingLine(it: Finding, { paint, phrase }: Session): string {
  const line = `${it.ok ? paint('green', '✓') : paint('red', '✗')} ${it.check.padEnd(12)}  ${oneLine(it.detail)}`;
  return it.remedy === undefined
    ? line
    : `${line}\n  ${paint('dim', `${phrase('to_mend')}: ${oneLine(it.remedy)}`)}`;
}

/** Schedules at the API and the command line: listed, paused, resumed, triggered; and why a run is not there. */
import { expect, test } from 'vitest';
import { openDue } from '../../store/schedules/open-due.ts';
import { startCliEstate } from '../cli/estate.ts';
import type { Json } from '../support/api.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText } from '../support/estate.ts';

const database = await createTestDatabase('schedules_api');
const { api, sluice, direct } = await startCliEstate(database, { coordinator: false });
const year = new Date().getUTCFullYear();
await applyCatalogue(
  api.pool,
  catalogueText([{ id: 'D', cycle: 'day' }, { id: 'M' }], {
    calendars: [{ id: 'china', holidays: [`${year - 1}-10-01`] }],
    schedules: [
      {
        id: 'days',
        cycle: 'day',
        at: '02:00',
        calendar: 'china',
        on: 'workDays',
        names: { en: 'Days', zh: '日' },
      },
      { id: 'monthStart', cycle: 'month', at: '00:30', paused: true },
    ],
  }),
);
const operator = direct('operator');
const schedule = async (id: string): Promise<Json> => (await operator.get(`/schedules/${id}`)).body;

test('each schedule says what it does, what comes next in its zone, and what was decided last', async () => {
  const { body } = await operator.get('/schedules');
  expect(body.items).toMatchObject([
    {
      id: 'days',
      text: { en: 'opens the day before each day at 02:00 if that is a work day' },
      timeZone: 'Asia/Shanghai',
      paused: false,
      changedBy: 'catalogue',
      last: null,
    },
    { id: 'monthStart', paused: true },
  ]);
  expect(body.items[1].next[0].local).toMatch(/-01 00:30$/);
  expect(body.items[0].next).toHaveLength(3);
  expect(body.unknownHolidays).toContainEqual({ calendar: 'china', year: String(year), usedBy: ['days'] });
  expect((await operator.get('/schedules/dayz')).body).toMatchObject({
    code: 'unknown_schedule',
    facts: { near: ['days'] },
  });
});

test('the check of a catalogue warns of a calendar that does not know the year, at its place, and lets it in', async () => {
  const text = `calendars:
  - id: china
    holidays: [2020-10-01]
  - { id: weekends }
schedules:
  - { id: s, cycle: day, at: "02:00", on: workDays, calendar: china }
  - { id: t, cycle: day, at: "02:00", on: workDays, calendar: weekends }
flows:
  - { id: F, kind: gate, cycle: month, names: { en: F, zh: F }, person: { role: operator }, calendar: china, deadline: "+1 month, workday 3, 10:00" }
  - { id: D, kind: gate, cycle: day, names: { en: D, zh: D }, person: { role: operator } }
`;
  const { body } = await operator.post('/catalogue/check', { files: [{ path: 'a.yaml', text }] });
  expect(body.ok).toBe(true);
  expect(body.problems[0]).toMatchObject({
    code: 'holidays_unknown',
    severity: 'warning',
    id: 'china',
    file: 'a.yaml',
    line: 3,
    column: 15,
    message: {
      en: expect.stringContaining(
        `no holidays for ${year}, but work days of that year are counted by it (s and 1 more)`,
      ),
    },
  });
  expect(new Set(body.problems.map((json: Json) => json.id))).toEqual(new Set(['china']));
});

test('pause and resume are recorded with actor and reason; what is decided meanwhile is shown', async () => {
  expect((await operator.post('/schedules/days/pause', {})).body.code).toBe('reason_required');
  expect((await direct('viewer').post('/schedules/days/pause', { reason: 'x' })).body.code).toBe('forbidden');
  const paused = await operator.post('/schedules/days/pause', { reason: 'cutover' });
  expect(paused).toMatchObject({
    status: 200,
    body: { paused: true, changedBy: 'operator', reason: 'cutover' },
  });
  expect((await operator.post('/schedules/days/pause', { reason: 'again' })).body.code).toBe(
    'already_paused',
  );
  await api.pool.query("update schedules set decided_ms = clock_ms() - 7 * 86400000 where id = 'days'");
  await openDue(api.deps, 'days');
  const { slots, last } = await schedule('days');
  expect(slots).toHaveLength(7);
  expect(new Set(slots.map((json: Json) => json.decision))).toEqual(new Set(['paused', 'weekend']));
  expect(last.text.en).toMatch(/paused by operator: cutover|not a work day: weekend/);
  expect((await operator.post('/schedules/days/resume', {})).body).toMatchObject({ paused: false });
  const audit = await operator.get('/audit?limit=2&outcome=applied');
  expect(audit.body.items.map((json: Json) => [json.verb, json.actor, json.reason])).toEqual([
    ['resume-schedule', 'operator', ''],
    ['pause-schedule', 'operator', 'cutover'],
  ]);
});

test('a trigger opens the period just ended whatever the calendar says, once; its key answers again', async () => {
  expect((await operator.post('/schedules/monthStart/trigger', {})).body.code).toBe('reason_required');
  const first = await operator.post(
    '/schedules/monthStart/trigger',
    { reason: 'now' },
    { 'idempotency-key': 'k1' },
  );
  expect(first).toMatchObject({
    status: 202,
    body: { cycle: 'month', purpose: 'scheduled', openedBy: 'operator' },
  });
  const again = await operator.post(
    '/schedules/monthStart/trigger',
    { reason: 'now' },
    { 'idempotency-key': 'k1' },
  );
  expect(again.body.id).toBe(first.body.id);
  const other = await operator.post('/schedules/monthStart/trigger', { reason: 'now' });
  expect(other.body).toMatchObject({ code: 'run_exists', facts: { run: first.body.id } });
  const past = await operator.post('/schedules/days/trigger', { reason: 'needed', period: '2026-10-04' });
  expect(past.body.id).toBe('day-2026-10-04');
  expect((await schedule('monthStart')).last).toMatchObject({
    decision: 'triggered',
    run: first.body.id,
    actor: 'operator',
  });
});

test('why of a run that is not there names the schedule, or the rule that says no', async () => {
  const next = (await schedule('monthStart')).next[0];
  const why = (await operator.get(`/runs/month-${next.period}/why`)).body;
  expect(why.causes).toMatchObject([
    {
      code: 'run_not_opened',
      reason: expect.stringContaining('schedule monthStart would open it in'),
      until: null,
    },
  ]);
  expect(why.causes[0].reason).toContain('but is paused: nobody has resumed it yet');
  await operator.post('/schedules/monthStart/resume', {});
  const then = (await operator.get(`/runs/month-${next.period}/flows/M/why`)).body;
  expect(then.causes).toMatchObject([
    { until: next.at, reason: expect.stringMatching(/^schedule monthStart opens it in/) },
  ]);
  const holiday = (await operator.get(`/runs/day-${year - 1}-10-01/why`)).body;
  expect(holiday.text.zh).toContain('不是工作日：节假日');
});

test('the command line shows, pauses, resumes and triggers; doctor tells of holidays that nobody entered', async () => {
  for (const lang of ['en', 'zh']) {
    const list = await sluice(['schedule', 'list', '--lang', lang]);
    expect(list).toMatchObject({ exit: 0, err: '' });
    expect(list.out).toContain('monthStart');
    expect(list.out).toContain(String(year));
  }
  expect((await sluice(['schedule', 'list', '--json'])).json()).toEqual(
    (await direct('admin').get('/schedules')).body,
  );
  expect((await sluice(['schedule', 'pause', 'days', '--reason', 'x'])).out).toContain('paused');
  expect((await sluice(['schedule', 'resume', 'days'])).out).toContain('active');
  const opened = await sluice(['schedule', 'trigger', 'days', '--period', '2026-10-05', '--reason', 'x']);
  expect(opened).toMatchObject({ exit: 0, out: expect.stringContaining('day-2026-10-05') });
  const shown = await sluice(['schedule', 'show', 'days', '--lang', 'zh']);
  expect(shown.out).toContain('人工触发 admin: x');
  expect(
    (await sluice(['schedule', 'trigger', 'days', '--period', '2026-10-05', '--reason', 'x'])).exit,
  ).toBe(5);
  expect((await sluice(['schedule', 'show', 'nights'])).exit).toBe(3);
  const doctor = await sluice(['doctor']);
  expect(doctor.out).toMatch(new RegExp(`✗ schedules +2; china has no holidays for ${year}`));
});

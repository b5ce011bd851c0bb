/** Cases about periods and clocks. */
import { type Case, expectPart, expectSame, HEAD } from './case.ts';

const NATIONAL_DAY = '{ from: 2026-10-01, to: 2026-10-07, names: { en: National Day, zh: 国庆节 } }';

export const timeCases: readonly Case[] = [
  {
    id: '02',
    right: 'the previous period of a flow that runs on work days is the last work day',
    async check(tools) {
      const files = {
        'c02.yaml': `calendars:
  - id: cn
    timeZone: Asia/Shanghai
    holidays: [${NATIONAL_DAY}]
    makeUpDays: [2026-10-10]
cycles:
  - { id: day, begins: 2026-09-30 }
schedules:
  - { id: bankDays, cycle: day, calendar: cn, on: workDays, at: "02:00", paused: true }
flows:
  - id: C02.Positions
    names: { en: Positions, zh: 头寸结转 }
    kind: job
    cycle: day
    platform: yt
    calendar: cn
    program: { type: noop, ms: 10 }
    after: [{ flow: C02.Positions, period: previous }]
`,
      };
      const first = await tools.open(files, '2026-09-30');
      expectSame('the day before the holiday', await tools.resultOf(first, 'C02.Positions'), 'succeeded');
      const next = await tools.open(files, '2026-10-08');
      expectSame('the day after the holiday', await tools.resultOf(next, 'C02.Positions'), 'succeeded');
      const shown = await tools.json<{ taint?: boolean; tainted?: boolean }>(
        'flow',
        'show',
        'C02.Positions',
        '--run',
        next,
      );
      if (shown.tainted === true || shown.taint === true) throw new Error('the result is tainted');
    },
  },
  {
    id: '07',
    right: "a program's session has the zone of the flow's calendar, else Asia/Shanghai",
    async check(tools) {
      const program = `create table if not exists cases.c07 (month text, who text, zone text, loaded date);
delete from cases.c07 where month = :period and who = ':who';
insert into cases.c07 select :period, ':who', current_setting('TimeZone'), (timestamptz '2026-11-30 02:10:00+08')::date;`;
      await tools.warehouse.query(
        'create table if not exists cases.c07 (month text, who text, zone text, loaded date)',
      );
      const run = await tools.open(
        {
          'c07.yaml': `calendars:
  - { id: berlin, timeZone: Europe/Berlin }
${HEAD}  - { id: C07.China, names: { en: China, zh: 中国 }, kind: job, cycle: month, platform: yt, program: { type: sql, file: China.sql, connection: yt } }
  - { id: C07.Berlin, names: { en: Berlin, zh: 柏林 }, kind: job, cycle: month, platform: yt, calendar: berlin, program: { type: sql, file: Berlin.sql, connection: yt } }
`,
          'programs/China.sql': program.replaceAll(':who', 'China'),
          'programs/Berlin.sql': program.replaceAll(':who', 'Berlin'),
        },
        '2025-02',
      );
      for (const flow of ['C07.China', 'C07.Berlin'])
        expectSame(flow, await tools.resultOf(run, flow), 'succeeded');
      const { rows } = await tools.warehouse.query(
        "select who, zone, loaded::text from cases.c07 where month = '202502' order by who",
      );
      expectSame('zones and days', rows, [
        { who: 'Berlin', zone: 'Europe/Berlin', loaded: '2026-11-29' },
        { who: 'China', zone: 'Asia/Shanghai', loaded: '2026-11-30' },
      ]);
    },
  },
  {
    id: '08',
    right: 'single troubles of the platform between proper answers do not add up',
    async check(tools) {
      const { warehouse } = tools;
      await warehouse.query('create table if not exists cases.c08 (begun timestamptz)');
      await warehouse.query('truncate cases.c08');
      await warehouse.query('insert into cases.c08 values (clock_timestamp())');
      // Every other second the platform takes no further session: about seven hiccups, with proper answers between them.
      const run = await tools.open(
        {
          'c08.yaml': `${HEAD}  - { id: C08.Wait, names: { en: Wait, zh: 等待 }, kind: check, cycle: month, platform: yt, program: { type: sql, file: Wait.sql, connection: yt }, everyMs: 200, giveUpAfterMs: 600000, retries: { backoffMs: 900 } }
`,
          'programs/Wait.sql': `do $$ begin
  if extract(second from clock_timestamp())::int % 2 = 0 then
    raise exception 'sorry, too many clients already' using errcode = '53300';
  end if;
end $$;
select clock_timestamp() > begun + interval '20 seconds' from cases.c08;
`,
        },
        '2025-06',
      );
      expectSame('C08.Wait', await tools.resultOf(run, 'C08.Wait'), 'succeeded');
    },
  },
  {
    id: '15',
    right:
      'a holiday that ends before it begins is an error with its place, a make-up day in a holiday a warning',
    async check(tools) {
      const catalogue = (holiday: string): Record<string, string> => ({
        'c15.yaml': `calendars:
  - id: cn
    timeZone: Asia/Shanghai
    holidays:
      - ${holiday}
      - { from: 2027-02-05, to: 2027-02-11, names: { en: Spring Festival, zh: 春节 } }
    makeUpDays: [2027-02-06]
schedules:
  - { id: workDays, cycle: day, calendar: cn, on: workDays, at: "02:00", paused: true }
flows:
  - { id: C15.Day, names: { en: Day, zh: 日 }, kind: job, cycle: day, platform: yt, program: { type: noop } }
`,
      });
      const backwards = await tools.sluice(
        'catalogue',
        'check',
        await tools.folder(
          catalogue('{ from: 2027-01-01, to: 2026-01-03, names: { en: New Year, zh: 元旦 } }'),
        ),
      );
      if (backwards.code === 0) throw new Error('check takes a holiday that ends before it begins');
      expectPart('check', backwards.out + backwards.err, /c15\.yaml:5:\d+/);
      const inside = await tools.sluice(
        'catalogue',
        'check',
        await tools.folder(
          catalogue('{ from: 2027-01-01, to: 2027-01-03, names: { en: New Year, zh: 元旦 } }'),
        ),
      );
      expectSame('exit code with a make-up day inside a holiday', inside.code, 0);
      expectPart('check', inside.out + inside.err, '2027-02-06');
    },
  },
];

/** `sluice schedule list|show|pause|resume|trigger`. */
import type { RunDetail } from '../../contract/runs.ts';
import type { Schedule, ScheduleDetail, ScheduleList, Slot } from '../../contract/schedules.ts';
import { part } from '../client.ts';
import type { Session } from '../session.ts';
import type { HelpKey } from '../text/help.ts';
import { instant } from '../text/instant.ts';
import { table } from '../text/table.ts';
import { oneLine } from '../text/width.ts';
import type { Tree } from '../tree.ts';

export function addScheduleCommands(tree: Tree): void {
  const { root, help } = tree;
  const schedule = root.command('schedule').description(help('schedule'));
  schedule
    .command('list')
    .description(help('schedule_list'))
    .action(
      tree.does(async (session) => {
        const answer = await session.client.get<ScheduleList>('/schedules');
        session.answer(answer, ({ items, unknownHolidays }) => [
          ...scheduleTable(items, session),
          ...unknownHolidays.map((holiday) =>
            session.paint(
              'yellow',
              session.phrase('holidays_unknown', { calendar: holiday.calendar, year: holiday.year }),
            ),
          ),
        ]);
        return undefined;
      }),
    );
  schedule
    .command('show <schedule>')
    .description(help('schedule_show'))
    .action(
      tree.does(async (session, [id]) => {
        const answer = await session.client.get<ScheduleDetail>(`/schedules/${part(id!)}`);
        session.answer(answer, (entry) => [
          ...scheduleTable([entry], session),
          ...entry.next.map(({ local, period }) =>
            session.phrase('schedule_next', { local, zone: entry.timeZone, period }),
          ),
          ...entry.slots.map((slot) => slotLine(slot, session)),
        ]);
        return undefined;
      }),
    );
  for (const verb of ['pause', 'resume'] as const)
    schedule
      .command(`${verb} <schedule>`)
      .description(help(`schedule_${verb}` as HelpKey))
      .option('--reason <text>', help('reason'))
      .action(
        tree.does<{ reason?: string }>(async (session, [id], { reason }) => {
          const body = reason === undefined ? {} : { reason };
          const answer = await session.client.post<ScheduleDetail>(`/schedules/${part(id!)}/${verb}`, body);
          session.answer(answer, (entry) => scheduleTable([entry], session));
          return undefined;
        }),
      );
  schedule
    .command('trigger <schedule>')
    .description(help('schedule_trigger'))
    .option('--period <period>', help('trigger_period'))
    .option('--reason <text>', help('reason'))
    .option('--key <key>', help('key'))
    .action(
      tree.does<{ reason?: string; period?: string; key?: string }>(
        async (session, [id], { key, ...body }) => {
          const opened = await session.client.post<RunDetail>(`/schedules/${part(id!)}/trigger`, body, key);
          session.answer(opened, (entry) => [
            session.phrase('run_opened', { run: entry.id, flows: entry.flows }),
          ]);
          return undefined;
        },
      ),
    );
}

function scheduleTable(schedules: readonly Schedule[], session: Session): string[] {
  const { phrase, paint, columns, lang } = session;
  return table(
    schedules,
    [
      { title: phrase('schedule'), cell: (entry) => oneLine(entry.id), gives: 0 },
      { title: phrase('schedule_does'), cell: (entry) => oneLine(entry.text[lang]), gives: 2 },
      {
        title: phrase('state'),
        cell: (entry) => phrase(entry.paused ? 'run_paused' : 'goes_on'),
        paint: (text, entry) => paint(entry.paused ? 'magenta' : 'green', text),
        gives: 0,
      },
      {
        title: phrase('next_opening'),
        cell: ({ next: [first] }) => (first === undefined ? '-' : `${first.local} ${first.period}`),
      },
      {
        title: phrase('last_decision'),
        cell: (entry) => (entry.last === null ? '-' : decided(entry.last, session)),
        gives: 2,
      },
    ],
    { columns, paint },
  );
}

const slotLine = (slot: Slot, session: Session): string => `${instant(slot.at)}  ${decided(slot, session)}`;

function decided({ period, decision, text, actor }: Slot, { lang, phrase }: Session): string {
  const said = oneLine(text[lang]);
  const by = actor === null ? '' : ` ${oneLine(actor)}`;
  return `${period} ${phrase(`slot_${decision}`)}${by}${said === '' ? '' : `: ${said}`}`;
}

/** The schedules of a catalogue version, as rows. */
import type { Schedule } from '../../graph/model.ts';
import { notify } from '../schema/notify.ts';
import type { Queryable } from '../schema/pool.ts';

/**
 * Brings the rows in line with the schedules of a catalogue version, any number of times. A new schedule, or one that comes back, counts
 * from now: what lies before is a backfill's business. The keeper of Temporal's schedules hears of it when the transaction commits.
 */
export async function keepSchedules(
  client: Queryable,
  schedules: readonly Pick<Schedule, 'id' | 'paused'>[],
): Promise<void> {
  await client.query(
    `insert into schedules (id, paused, changed_by, changed_ms, decided_ms)
     select id, paused, 'catalogue', clock_ms(), clock_ms() from unnest($1::text[], $2::boolean[]) as x (id, paused)
     on conflict (id) do update set removed_ms = null, paused = excluded.paused, reason = '', changed_by = excluded.changed_by,
       changed_ms = excluded.changed_ms, decided_ms = excluded.decided_ms where schedules.removed_ms is not null`,
    [schedules.map((schedule) => schedule.id), schedules.map((schedule) => schedule.paused)],
  );
  await client.query(
    'update schedules set removed_ms = clock_ms() where removed_ms is null and id <> all($1::text[])',
    [schedules.map((schedule) => schedule.id)],
  );
  await notify(client, 'sluice_schedules', '');
}

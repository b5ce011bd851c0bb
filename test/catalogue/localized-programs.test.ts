/** Programs and the distribution of P06, held against figures worked out from the source rows without SQL. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { daysOfMonth, MONTHS, prepareWarehouse, type Row, sorted, type Warehouse } from './warehouse.ts';

let house: Warehouse;
const month = MONTHS[1];
const { first, last } = daysOfMonth(month);

beforeAll(async () => {
  house = await prepareWarehouse();
});
afterAll(() => house.close());

const onMpp = (table: string) => house.rows('mpp', `select * from ${table}`);
const localized = () => house.rows('yt', 'select * from dwd.dwd_usr_localized_m where month = $1', [month]);

test('reports refuse a month whose localized users are not there', async () => {
  for (const flow of ['P06.S5.PostFlow01', 'P06.S5.PostFlow02']) {
    const ending = await house.run(flow, month);
    expect(ending).toMatchObject({ outcome: 'failed', kind: 'program' });
    expect(JSON.stringify(ending)).toContain('dwd_mpp.dwd_usr_localized_m has no rows of month 202609');
  }
});

test('the localized users are distributed to the MPP, and building them there comes to the same', async () => {
  for (const half of ['export', 'import'])
    expect(await house.run(`P06.S3.DistributionComplete.${half}`, month)).toMatchObject({
      outcome: 'succeeded',
    });
  const source = await localized();
  expect(source.length).toBeGreaterThan(250);
  expect(sorted(await onMpp('dwd_mpp.dwd_usr_localized_m'))).toEqual(sorted(source));
  await house.rows('mpp', `update dwd_mpp.dwd_usr_localized_m set region_code = 'none'`);
  expect(await house.run('P06.S4.ForcePassMppTasks', month)).toMatchObject({ outcome: 'succeeded' });
  expect(sorted(await onMpp('dwd_mpp.dwd_usr_localized_m'))).toEqual(sorted(source));
});

test('users are at the cell where they mostly were, in its region', async () => {
  const cells = new Map(
    (await onMpp('ods_mpp.base_station')).map((entry) => [entry.cell_id, entry.region_code]),
  );
  const roamed = new Map(
    (await onMpp('ods_mpp.usr_roamed_cell'))
      .filter((entry) => entry.month === month)
      .map((entry) => [entry.user_id, entry.cell_id]),
  );
  const expected = (await onMpp('ods_mpp.subscriber'))
    .filter((entry) => entry.activated_on! <= last)
    .map((entry) => {
      const cell = roamed.get(entry.user_id!) ?? entry.home_cell!;
      return {
        month,
        user_id: entry.user_id!,
        account_id: entry.account_id!,
        plan_code: entry.plan_code!,
        cell_id: cell,
        region_code: cells.get(cell)!,
      };
    });
  expect(roamed.size).toBeGreaterThan(3);
  expect(sorted(await localized())).toEqual(sorted(expected));
});

test('the user report adds up users and usage by region and plan', async () => {
  const users = new Map((await onMpp('ods_mpp.subscriber')).map((entry) => [entry.user_id, entry]));
  const usage = new Map(
    (await onMpp('ods_mpp.usr_usage'))
      .filter((entry) => entry.month === month)
      .map((entry) => [entry.user_id, entry]),
  );
  const total = (list: Row[], column: string) =>
    list.reduce((sum, item) => sum + Number(usage.get(item.user_id!)?.[column] ?? 0), 0);
  const groups = Map.groupBy(await localized(), (entry) => `${entry.region_code} ${entry.plan_code}`);
  const expected = [...groups.values()].map((list) => ({
    month,
    region_code: list[0]!.region_code!,
    plan_code: list[0]!.plan_code!,
    users: list.length,
    new_users: list.filter((item) => {
      const since = users.get(item.user_id!)!.activated_on!;
      return since >= first && since <= last;
    }).length,
    data_mb: total(list, 'data_mb'),
    voice_min: total(list, 'voice_min'),
  }));
  expect(await house.run('P06.S5.PostFlow01', month)).toEqual({
    outcome: 'succeeded',
    rows: expected.length,
  });
  expect(sorted(await onMpp('app.app_region_user_m'))).toEqual(sorted(expected));
  expect(expected.some((entry) => entry.new_users > 0)).toBe(true);
});

test('the terminal report finds 5G terminals at 4G cells in every region', async () => {
  const classes = new Map(
    (await onMpp('ods_mpp.usr_terminal')).map((entry) => [entry.user_id, entry.terminal_class]),
  );
  const technologies = new Map(
    (await onMpp('ods_mpp.base_station')).map((entry) => [entry.cell_id, entry.technology]),
  );
  const expected = [...Map.groupBy(await localized(), (entry) => entry.region_code)].map(([region, list]) => {
    const modern = list.filter((item) => classes.get(item.user_id!) === '5G');
    return {
      month,
      region_code: region!,
      users: list.length,
      users_5g: modern.length,
      users_5g_on_4g_cell: modern.filter((entry) => technologies.get(entry.cell_id!) === '4G').length,
      share_5g_permille: Math.round((1000 * modern.length) / list.length),
    };
  });
  expect(await house.run('P06.S5.PostFlow02', month)).toEqual({ outcome: 'succeeded', rows: 13 });
  expect(sorted(await onMpp('app.app_region_terminal_m'))).toEqual(sorted(expected));
});

/** The day programs of P05 on the month's last day, held against figures worked out from the source rows without SQL. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  daysOfMonth,
  MONTHS,
  prepareWarehouse,
  type Row,
  rounded,
  sorted,
  sumBy,
  type Warehouse,
} from './warehouse.ts';

let house: Warehouse;
let accounts: Map<unknown, number>;
const month = MONTHS[1];
const day = '20260930';
const days = daysOfMonth(month).count;

beforeAll(async () => {
  house = await prepareWarehouse();
  accounts = new Map((await all('ods.subscriber')).map((item) => [item.user_id, Number(item.account_id)]));
});
afterAll(() => house.close());

const all = (table: string) => house.rows('yt', `select * from ${table}`);
const ofDay = (table: string) => house.rows('yt', `select * from ${table} where day = $1`, [day]);
const fen = (rows: readonly Row[], column = 'amount_fen') =>
  rows.reduce((sum, row) => sum + Number(row[column]), 0);

async function comesTo(flow: string, table: string, expected: Row[]): Promise<void> {
  expect(expected.length).toBeGreaterThan(0);
  expect(await house.run(flow, month)).toEqual({ outcome: 'succeeded', rows: expected.length });
  expect(sorted(await all(table))).toEqual(sorted(expected));
}

/** Rows of a user and something else, with the user's account. */
function byUser(rows: readonly Row[], other: (row: Row) => unknown, value: (list: Row[]) => Row): Row[] {
  return [...Map.groupBy(rows, (row) => `${row.user_id} ${other(row)}`).values()].map((list) => ({
    day,
    account_id: accounts.get(list[0]!.user_id)!,
    user_id: list[0]!.user_id!,
    ...value(list),
  }));
}

async function services(): Promise<Map<unknown, string>> {
  return new Map((await all('ods.service')).map((item) => [item.service_code, String(item.item_code)]));
}

async function usageTypes(): Promise<Map<unknown, string>> {
  return new Map((await all('ods.usage_type')).map((item) => [item.usage_type, String(item.item_code)]));
}

/** Of corrected details the last delivery. */
async function details3(): Promise<Row[]> {
  const bySeq = Map.groupBy(await ofDay('ods.bill_dtl3'), (entry) => entry.seq);
  return [...bySeq.values()].map((list) => list.reduce((a, b) => (b.delivery! > a.delivery! ? b : a)));
}

/** A fee counts for the days of the month it was used. */
const recurring = (row: Row) => rounded(Number(row.full_fen), Number(row.used_days), days);

test('recurring charges count for the days used', async () => {
  const expected = byUser(
    await ofDay('ods.rc_bill_dtl'),
    (entry) => entry.item_code,
    (list) => ({
      item_code: list[0]!.item_code!,
      amount_fen: list.reduce((sum, item) => sum + recurring(item), 0),
    }),
  );
  await comesTo('P05.S1.DwdMergeRcBillDtlD', 'dwd.dwd_merge_rc_bill_dtl_d', expected);
});

test('promotions are counted once each and added up', async () => {
  const expected = byUser(
    await ofDay('ods.prom_bill'),
    (entry) => entry.item_code,
    (list) => ({
      item_code: list[0]!.item_code!,
      promotions: new Set(list.map((item) => item.promo_code)).size,
      discount_fen: fen(list, 'discount_fen'),
    }),
  );
  await comesTo('P05.S1.DwdMergePromBillD', 'dwd.dwd_merge_prom_bill_d', expected);
});

test('service details are billed under the item of their service', async () => {
  const items = await services();
  const expected = byUser(
    await ofDay('ods.srvc_dtl1'),
    (entry) => items.get(entry.service_code),
    (list) => ({
      item_code: items.get(list[0]!.service_code)!,
      units: fen(list, 'units'),
      amount_fen: fen(list),
    }),
  );
  await comesTo('P05.S1.DwdMergeSrvcDtl1D', 'dwd.dwd_merge_srvc_dtl1_d', expected);
});

test('daily bills join their batches', async () => {
  const owners = new Map((await all('ods.account')).map((item) => [item.account_id, item.customer_id]));
  const regions = new Map((await all('ods.customer')).map((item) => [item.customer_id, item.region_code]));
  const expected = [...Map.groupBy(await ofDay('ods.daily_bill'), (entry) => entry.account_id)].map(
    ([account, list]) => ({
      day,
      account_id: account!,
      region_code: regions.get(owners.get(account!)!)!,
      batches: list.length,
      amount_fen: fen(list),
    }),
  );
  await comesTo('P05.S1.DwdMergeDailyBillD', 'dwd.dwd_merge_daily_bill_d', expected);
  expect(new Set(expected.map((entry) => entry.batches))).toEqual(new Set([1, 2]));
});

test('usage keeps its busy hours apart', async () => {
  const items = await usageTypes();
  const expected = byUser(
    await ofDay('ods.usage_bill'),
    (entry) => entry.usage_type,
    (list) => ({
      usage_type: list[0]!.usage_type!,
      item_code: items.get(list[0]!.usage_type)!,
      units: fen(list, 'units'),
      busy_hour_units: fen(
        list.filter((item) => Number(item.hour) >= 18 && Number(item.hour) < 22),
        'units',
      ),
      amount_fen: fen(list),
    }),
  );
  await comesTo('P05.S1.DwdMergeUsageBilltD', 'dwd.dwd_merge_usage_billt_d', expected);
});

test('bill details count with their last delivery', async () => {
  const expected = byUser(
    await details3(),
    (entry) => entry.item_code,
    (list) => ({ item_code: list[0]!.item_code!, details: list.length, amount_fen: fen(list) }),
  );
  await comesTo('P05.S1.DwdMergeBillDtl3D', 'dwd.dwd_merge_bill_dtl3_d', expected);
});

/** All charges of the day out of the source rows, with the sign that they count with. */
async function charges(): Promise<{ account: number; user: unknown; item: string; fen: number }[]> {
  const bySource = async (rows: Row[], item: (row: Row) => string, amount: (row: Row) => number) =>
    rows.map((row) => ({
      account: accounts.get(row.user_id)!,
      user: row.user_id,
      item: item(row),
      fen: amount(row),
    }));
  const [ofService, ofUsage] = [await services(), await usageTypes()];
  const own = (row: Row) => String(row.item_code);
  const amount = (row: Row) => Number(row.amount_fen);
  return [
    ...(await bySource(await ofDay('ods.rc_bill_dtl'), own, recurring)),
    ...(await bySource(await ofDay('ods.prom_bill'), own, (entry) => -Number(entry.discount_fen))),
    ...(await bySource(await ofDay('ods.srvc_dtl1'), (entry) => ofService.get(entry.service_code)!, amount)),
    ...(await bySource(await ofDay('ods.usage_bill'), (entry) => ofUsage.get(entry.usage_type)!, amount)),
    ...(await bySource(await details3(), own, amount)),
  ];
}

test('charges of the day come together by account and item', async () => {
  const billed = new Set((await ofDay('ods.daily_bill')).map((entry) => entry.account_id));
  const expected = [
    ...Map.groupBy(await charges(), (charge) => `${charge.account} ${charge.item}`).values(),
  ].map((list) => ({
    day,
    account_id: list[0]!.account,
    item_code: list[0]!.item,
    users: new Set(list.map((item) => item.user)).size,
    amount_fen: list.reduce((sum, item) => sum + item.fen, 0),
    in_daily_bill: billed.has(list[0]!.account),
  }));
  await comesTo('P05.S2.DwdAccItemDtlD', 'dwd.dwd_acc_item_dtl_d', expected);
  expect(new Set(expected.map((entry) => entry.in_daily_bill))).toEqual(new Set([true, false]));
});

test('financial details of the day carry tax and the daily bill', async () => {
  const items = new Map((await all('ods.acc_item')).map((item) => [item.item_code, item]));
  const billed = sumBy(
    await ofDay('ods.daily_bill'),
    (entry) => entry.account_id,
    (entry) => Number(entry.amount_fen),
  );
  const groups = Map.groupBy(
    await charges(),
    (charge) => `${charge.account} ${items.get(charge.item)!.category}`,
  );
  const expected = [...groups.values()].map((list) => {
    const item = items.get(list[0]!.item)!;
    const amount = list.reduce((sum, item) => sum + item.fen, 0);
    return {
      day,
      account_id: list[0]!.account,
      category: item.category!,
      amount_fen: amount,
      tax_fen: rounded(amount, Number(item.tax_permille), 1000 + Number(item.tax_permille)),
      billed_fen: billed.get(String(list[0]!.account)) ?? 0,
    };
  });
  await comesTo('P05.S2.DwdAccFinItemDtlD', 'dwd.dwd_acc_fin_item_dtl_d', expected);
});

test('the prepayment of the month is spread over its days, to the fen', async () => {
  const list = await charges();
  const charged = sumBy(
    list,
    (item) => item.account,
    (item) => item.fen,
  );
  const items = new Map(
    [...Map.groupBy(list, (item) => item.account)].map(([account, own]) => [
      account,
      new Set(own.map((entry) => entry.item)).size,
    ]),
  );
  const parts = (await all('ods.prepay')).flatMap((item) => {
    const [amount, count] = [Number(item.amount_fen), Number(item.months)];
    const at = 9 - Number(String(item.first_month).slice(4));
    if (at < 0 || at >= count) return [];
    const ofMonth = Math.floor((amount * (at + 1)) / count) - Math.floor((amount * at) / count);
    const byDay = Array.from(
      { length: days },
      (_, i) => Math.floor((ofMonth * (i + 1)) / days) - Math.floor((ofMonth * i) / days),
    );
    expect(byDay.reduce((a, b) => a + b)).toBe(ofMonth);
    return [{ account: Number(item.account_id), part: byDay.at(-1)! }];
  });
  const expected = [...Map.groupBy(parts, (part) => part.account)].map(([account, own]) => {
    const split = own.reduce((sum, entry) => sum + entry.part, 0);
    const charge = charged.get(String(account)) ?? 0;
    return {
      day,
      account_id: account,
      split_fen: split,
      charged_fen: charge,
      items: items.get(account) ?? 0,
      covered_fen: Math.max(Math.min(split, charge), 0),
    };
  });
  await comesTo('P05.S3.DwdAccPrepaySplitedD', 'dwd.dwd_acc_prepay_splited_d', expected);
});

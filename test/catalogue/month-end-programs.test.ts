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
  accounts = new Map((await all('ods.subscriber')).map((it) => [it.user_id, Number(it.account_id)]));
});
afterAll(() => house.close());

const all = (table: string) => house.rows('yt', `select * from ${table}`);
const ofDay = (table: string) => house.rows('yt', `select * from ${table} where day = $1`, [day]);
const fen = (rows: readonly Row[], column = 'amount_fen') =>
  rows.reduce((sum, it) => sum + Number(it[column]), 0);

async function comesTo(flow: string, table: string, expected: Row[]): Promise<void> {
  expect(expected.length).toBeGreaterThan(0);
  expect(await house.run(flow, month)).toEqual({ outcome: 'succeeded', rows: expected.length });
  expect(sorted(await all(table))).toEqual(sorted(expected));
}

/** Rows of a user and something else, with the user's account. */
function byUser(rows: readonly Row[], other: (row: Row) => unknown, value: (list: Row[]) => Row): Row[] {
  return [...Map.groupBy(rows, (it) => `${it.user_id} ${other(it)}`).values()].map((list) => ({
    day,
    account_id: accounts.get(list[0]!.user_id)!,
    user_id: list[0]!.user_id!,
    ...value(list),
  }));
}

async function services(): Promise<Map<unknown, string>> {
  return new Map((await all('ods.service')).map((it) => [it.service_code, String(it.item_code)]));
}

async function usageTypes(): Promise<Map<unknown, string>> {
  return new Map((await all('ods.usage_type')).map((it) => [it.usage_type, String(it.item_code)]));
}

/** Of corrected details the last delivery. */
async function details3(): Promise<Row[]> {
  const bySeq = Map.groupBy(await ofDay('ods.bill_dtl3'), (it) => it.seq);
  return [...bySeq.values()].map((list) => list.reduce((a, b) => (b.delivery! > a.delivery! ? b : a)));
}

/** A fee counts for the days of the month it was used. */
const recurring = (it: Row) => rounded(Number(it.full_fen), Number(it.used_days), days);

test('recurring charges count for the days used', async () => {
  const expected = byUser(
    await ofDay('ods.rc_bill_dtl'),
    (it) => it.item_code,
    (list) => ({
      item_code: list[0]!.item_code!,
      amount_fen: list.reduce((sum, it) => sum + recurring(it), 0),
    }),
  );
  await comesTo('P05.S1.DwdMergeRcBillDtlD', 'dwd.dwd_merge_rc_bill_dtl_d', expected);
});

test('promotions are counted once each and added up', async () => {
  const expected = byUser(
    await ofDay('ods.prom_bill'),
    (it) => it.item_code,
    (list) => ({
      item_code: list[0]!.item_code!,
      promotions: new Set(list.map((it) => it.promo_code)).size,
      discount_fen: fen(list, 'discount_fen'),
    }),
  );
  await comesTo('P05.S1.DwdMergePromBillD', 'dwd.dwd_merge_prom_bill_d', expected);
});

test('service details are billed under the item of their service', async () => {
  const items = await services();
  const expected = byUser(
    await ofDay('ods.srvc_dtl1'),
    (it) => items.get(it.service_code),
    (list) => ({
      item_code: items.get(list[0]!.service_code)!,
      units: fen(list, 'units'),
      amount_fen: fen(list),
    }),
  );
  await comesTo('P05.S1.DwdMergeSrvcDtl1D', 'dwd.dwd_merge_srvc_dtl1_d', expected);
});

test('daily bills join their batches', async () => {
  const owners = new Map((await all('ods.account')).map((it) => [it.account_id, it.customer_id]));
  const regions = new Map((await all('ods.customer')).map((it) => [it.customer_id, it.region_code]));
  const expected = [...Map.groupBy(await ofDay('ods.daily_bill'), (it) => it.account_id)].map(
    ([account, list]) => ({
      day,
      account_id: account!,
      region_code: regions.get(owners.get(account!)!)!,
      batches: list.length,
      amount_fen: fen(list),
    }),
  );
  await comesTo('P05.S1.DwdMergeDailyBillD', 'dwd.dwd_merge_daily_bill_d', expected);
  expect(new Set(expected.map((it) => it.batches))).toEqual(new Set([1, 2]));
});

test('usage keeps its busy hours apart', async () => {
  const items = await usageTypes();
  const expected = byUser(
    await ofDay('ods.usage_bill'),
    (it) => it.usage_type,
    (list) => ({
      usage_type: list[0]!.usage_type!,
      item_code: items.get(list[0]!.usage_type)!,
      units: fen(list, 'units'),
      busy_hour_units: fen(
        list.filter((it) => Number(it.hour) >= 18 && Number(it.hour) < 22),
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
    (it) => it.item_code,
    (list) => ({ item_code: list[0]!.item_code!, details: list.length, amount_fen: fen(list) }),
  );
  await comesTo('P05.S1.DwdMergeBillDtl3D', 'dwd.dwd_merge_bill_dtl3_d', expected);
});

/** All charges of the day out of the source rows, with the sign that they count with. */
async function charges(): Promise<{ account: number; user: unknown; item: string; fen: number }[]> {
  const bySource = async (rows: Row[], item: (row: Row) => string, amount: (row: Row) => number) =>
    rows.map((it) => ({
      account: accounts.get(it.user_id)!,
      user: it.user_id,
      item: item(it),
      fen: amount(it),
    }));
  const [ofService, ofUsage] = [await services(), await usageTypes()];
  const own = (it: Row) => String(it.item_code);
  const amount = (it: Row) => Number(it.amount_fen);
  return [
    ...(await bySource(await ofDay('ods.rc_bill_dtl'), own, recurring)),
    ...(await bySource(await ofDay('ods.prom_bill'), own, (it) => -Number(it.discount_fen))),
    ...(await bySource(await ofDay('ods.srvc_dtl1'), (it) => ofService.get(it.service_code)!, amount)),
    ...(await bySource(await ofDay('ods.usage_bill'), (it) => ofUsage.get(it.usage_type)!, amount)),
    ...(await bySource(await details3(), own, amount)),
  ];
}

test('charges of the day come together by account and item', async () => {
  const billed = new Set((await ofDay('ods.daily_bill')).map((it) => it.account_id));
  const expected = [...Map.groupBy(await charges(), (it) => `${it.account} ${it.item}`).values()].map(
    (list) => ({
      day,
      account_id: list[0]!.account,
      item_code: list[0]!.item,
      users: new Set(list.map((it) => it.user)).size,
      amount_fen: list.reduce((sum, it) => sum + it.fen, 0),
      in_daily_bill: billed.has(list[0]!.account),
    }),
  );
  await comesTo('P05.S2.DwdAccItemDtlD', 'dwd.dwd_acc_item_dtl_d', expected);
  expect(new Set(expected.map((it) => it.in_daily_bill))).toEqual(new Set([true, false]));
});

test('financial details of the day carry tax and the daily bill', async () => {
  const items = new Map((await all('ods.acc_item')).map((it) => [it.item_code, it]));
  const billed = sumBy(
    await ofDay('ods.daily_bill'),
    (it) => it.account_id,
    (it) => Number(it.amount_fen),
  );
  const groups = Map.groupBy(await charges(), (it) => `${it.account} ${items.get(it.item)!.category}`);
  const expected = [...groups.values()].map((list) => {
    const item = items.get(list[0]!.item)!;
    const amount = list.reduce((sum, it) => sum + it.fen, 0);
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
    (it) => it.account,
    (it) => it.fen,
  );
  const items = new Map(
    [...Map.groupBy(list, (it) => it.account)].map(([account, own]) => [
      account,
      new Set(own.map((it) => it.item)).size,
    ]),
  );
  const parts = (await all('ods.prepay')).flatMap((it) => {
    const [amount, count] = [Number(it.amount_fen), Number(it.months)];
    const at = 9 - Number(String(it.first_month).slice(4));
    if (at < 0 || at >= count) return [];
    const ofMonth = Math.floor((amount * (at + 1)) / count) - Math.floor((amount * at) / count);
    const byDay = Array.from(
      { length: days },
      (_, i) => Math.floor((ofMonth * (i + 1)) / days) - Math.floor((ofMonth * i) / days),
    );
    expect(byDay.reduce((a, b) => a + b)).toBe(ofMonth);
    return [{ account: Number(it.account_id), part: byDay.at(-1)! }];
  });
  const expected = [...Map.groupBy(parts, (it) => it.account)].map(([account, own]) => {
    const split = own.reduce((sum, it) => sum + it.part, 0);
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

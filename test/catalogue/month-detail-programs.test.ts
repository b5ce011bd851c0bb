/** The twelve programs of P04's step 5, held against figures worked out from the rows they read without SQL. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  daysOfMonth,
  MONTHS,
  prepareWarehouse,
  type Row,
  sorted,
  sumBy,
  type Warehouse,
} from './warehouse.ts';

let house: Warehouse;
const month = MONTHS[1];
const { first, last } = daysOfMonth(month);
const MERGES = ['DwdMergeBillM', 'DwdMergeBillProdM', 'DwdMergeBillItemM', 'DwdMergeBillDtl4M'];

beforeAll(async () => {
  house = await prepareWarehouse();
  for (const name of MERGES) await house.run(`P04.S3.${name}`, month);
  await house.run('P04.S4.DwdAccFinItemDtlM', month);
});
afterAll(() => house.close());

const all = (table: string) => house.rows('yt', `select * from ${table}`);
const ofMonth = (table: string) => house.rows('yt', `select * from ${table} where month = $1`, [month]);
const fen = (rows: readonly Row[], column = 'amount_fen') =>
  rows.reduce((sum, row) => sum + Number(row[column]), 0);

/** Runs the program and compares its whole table. */
async function comesTo(program: string, table: string, expected: Row[]): Promise<void> {
  expect(expected.length).toBeGreaterThan(0);
  const ending = await house.run(`P04.S5.${program}`, month);
  expect(ending).toEqual({ outcome: 'succeeded', rows: expected.length });
  expect(sorted(await all(table))).toEqual(sorted(expected));
}

const months = (text: unknown) => Number(String(text).slice(0, 4)) * 12 + Number(String(text).slice(4, 6));

async function membersOnLastDay(): Promise<Row[]> {
  return (await all('ods.group_member')).filter(
    (item) => item.joined_on! <= last && (item.left_on === null || item.left_on! > last),
  );
}

async function customerOf(): Promise<Map<unknown, number>> {
  return new Map((await all('ods.account')).map((item) => [item.account_id, Number(item.customer_id)]));
}

test('DwdAccPrepaySplitedM spreads prepayments evenly, to the fen', async () => {
  const charged = sumBy(
    await ofMonth('dwd.dwd_acc_fin_item_dtl_m'),
    (entry) => entry.account_id,
    (entry) => Number(entry.amount_fen),
  );
  const parts = (await all('ods.prepay')).flatMap((item) => {
    const amount = Number(item.amount_fen);
    const count = Number(item.months);
    const plan = Array.from({ length: count }, (_, i) => Math.floor((amount * (i + 1)) / count));
    const steps = plan.map((sum, i) => sum - (plan[i - 1] ?? 0));
    expect(steps.reduce((a, b) => a + b)).toBe(amount);
    expect(Math.max(...steps) - Math.min(...steps)).toBeLessThanOrEqual(1);
    const at = months(month) - months(item.first_month);
    return at < 0 || at >= count
      ? []
      : [{ account: item.account_id!, part: steps[at]!, left: amount - plan[at]! }];
  });
  const expected = [...Map.groupBy(parts, (part) => part.account)].map(([account, list]) => {
    const split = list.reduce((sum, item) => sum + item.part, 0);
    const charge = charged.get(String(account)) ?? 0;
    return {
      month,
      account_id: account,
      prepayments: list.length,
      split_fen: split,
      remaining_fen: list.reduce((sum, item) => sum + item.left, 0),
      charged_fen: charge,
      covered_fen: Math.min(split, charge),
    };
  });
  await comesTo('DwdAccPrepaySplitedM', 'dwd.dwd_acc_prepay_splited_m', expected);
});

test('DwdSvcGrpMemProdM counts the products of those who are members on the last day', async () => {
  const group = new Map((await membersOnLastDay()).map((entry) => [entry.user_id, entry.group_id]));
  const charges = (await ofMonth('ods.bill_prod')).filter((entry) => group.has(entry.user_id!));
  const groups = Map.groupBy(charges, (charge) => `${group.get(charge.user_id!)} ${charge.prod_code}`);
  const expected = [...groups.values()].map((list) => ({
    month,
    group_id: group.get(list[0]!.user_id!)!,
    prod_code: list[0]!.prod_code!,
    members: new Set(list.map((item) => item.user_id)).size,
    charges: list.length,
    amount_fen: fen(list),
  }));
  await comesTo('DwdSvcGrpMemProdM', 'dwd.dwd_svc_grp_mem_prod_m', expected);
});

test('DwdSvcGrpSrvAttrM takes the attributes that hold on the last day', async () => {
  const valid = (await all('ods.group_service_attr')).filter(
    (item) => item.valid_from! <= last && (item.valid_to === null || item.valid_to! >= last),
  );
  const group = new Map((await membersOnLastDay()).map((entry) => [entry.user_id, entry.group_id]));
  const units = sumBy(
    (await ofMonth('ods.bill_dtl4')).filter((entry) => group.has(entry.user_id!)),
    (entry) => `${group.get(entry.user_id!)} ${entry.service_code}`,
    (entry) => Number(entry.units),
  );
  const expected = [...Map.groupBy(valid, (entry) => `${entry.group_id} ${entry.service_code}`)].map(
    ([key, list]) => {
      const value = (name: string) => list.find((item) => item.attr_name === name)?.attr_value ?? null;
      return {
        month,
        group_id: list[0]!.group_id!,
        service_code: list[0]!.service_code!,
        bandwidth_mbps: value('bandwidth_mbps'),
        seats: value('seats'),
        sla_hours: value('sla_hours'),
        member_units: units.get(key) ?? 0,
      };
    },
  );
  await comesTo('DwdSvcGrpSrvAttrM', 'dwd.dwd_svc_grp_srv_attr_m', expected);
  expect(valid.some((entry) => entry.valid_from === '2026-09-15')).toBe(true);
});

test('DwdSvcUsrOXXtateM gives every user the state of the last day', async () => {
  const events = (await all('ods.user_state_event')).filter((item) => item.happened_on! <= last);
  const accounts = new Map((await all('ods.subscriber')).map((item) => [item.user_id, item.account_id]));
  const expected = [...Map.groupBy(events, (event) => event.user_id)].map(([user, list]) => {
    const latest = list.reduce((a, b) =>
      b.happened_on! > a.happened_on! ||
      (b.happened_on === a.happened_on && Number(b.event_id) > Number(a.event_id))
        ? b
        : a,
    );
    return {
      month,
      user_id: user!,
      account_id: accounts.get(user!)!,
      state: latest.state!,
      state_since: latest.happened_on!,
      days_in_state: (Date.parse(last) - Date.parse(String(latest.happened_on))) / 86_400_000 + 1,
      changes_in_month: list.filter((item) => item.happened_on! >= first).length,
    };
  });
  await comesTo('DwdSvcUsrOXXtateM', 'dwd.dwd_svc_usr_oxxtate_m', expected);
  expect(new Set(expected.map((entry) => entry.state)).size).toBe(4);
});

test('DwdPrtyGrpInfoM knows accounts, members and bills of every group', async () => {
  const customers = new Map((await all('ods.customer')).map((item) => [item.customer_id, item.region_code]));
  const members = await membersOnLastDay();
  const bills = await ofMonth('dwd.dwd_merge_bill_m');
  const expected = (await all('ods.group_customer')).map((group) => {
    const own = bills.filter((bill) => bill.customer_id === group.customer_id);
    return {
      month,
      group_id: group.group_id!,
      group_name: group.group_name!,
      region_code: customers.get(group.customer_id!)!,
      value_class: group.value_class!,
      accounts: own.length,
      members: members.filter((member) => member.group_id === group.group_id).length,
      billed_fen: fen(own, 'due_fen'),
    };
  });
  await comesTo('DwdPrtyGrpInfoM', 'dwd.dwd_prty_grp_info_m', expected);
});

test('DwdAccWriteoffRecM sets payments against what is due', async () => {
  const payments = Map.groupBy(await ofMonth('ods.writeoff'), (entry) => entry.bill_id);
  const expected = (await ofMonth('dwd.dwd_merge_bill_m')).map((bill) => {
    const list = payments.get(bill.bill_id!) ?? [];
    const paid = fen(list, 'paid_fen');
    return {
      month,
      account_id: bill.account_id!,
      due_fen: bill.due_fen!,
      paid_fen: paid,
      open_fen: Math.max(Number(bill.due_fen) - paid, 0),
      payments: list.length,
      electronic_fen: fen(
        list.filter((item) => item.channel === 'app' || item.channel === 'bank'),
        'paid_fen',
      ),
    };
  });
  await comesTo('DwdAccWriteoffRecM', 'dwd.dwd_acc_writeoff_rec_m', expected);
});

test('DwdAccAdjustBusiRecDmM counts approved adjustments of billed accounts by reason', async () => {
  const billed = new Set((await ofMonth('dwd.dwd_acc_fin_item_dtl_m')).map((entry) => entry.account_id));
  const reasons = new Map((await all('ods.adjust_reason')).map((item) => [item.reason_code, item]));
  const approved = (await ofMonth('ods.adjustment')).filter(
    (entry) => entry.approved && billed.has(entry.account_id!),
  );
  const groups = Map.groupBy(
    approved,
    (entry) => `${entry.account_id} ${reasons.get(entry.reason_code!)!.reason_type}`,
  );
  const expected = [...groups.values()].map((list) => ({
    month,
    account_id: list[0]!.account_id!,
    reason_type: reasons.get(list[0]!.reason_code!)!.reason_type!,
    adjustments: list.length,
    amount_fen: fen(list),
    revenue_effect_fen: fen(list.filter((item) => reasons.get(item.reason_code!)!.affects_revenue)),
  }));
  await comesTo('DwdAccAdjustBusiRecDmM', 'dwd.dwd_acc_adjust_busi_rec_dm_m', expected);
});

test('DwdAccPocketM closes every pocket at zero or above', async () => {
  const pockets = await ofMonth('ods.pocket');
  const closing = (row: Row) => Number(row.opening_fen) + Number(row.in_fen) - Number(row.out_fen);
  const expected = [...Map.groupBy(pockets, (pocket) => pocket.account_id)].map(([account, list]) => {
    const of = (kind: string) =>
      list
        .filter((item) => item.pocket_type === kind)
        .reduce((sum, item) => sum + Math.max(closing(item), 0), 0);
    return {
      month,
      account_id: account!,
      cash_fen: of('cash'),
      gift_fen: of('gift'),
      points_fen: of('points'),
      used_fen: list.reduce((sum, item) => sum + Number(item.out_fen) + Math.min(closing(item), 0), 0),
    };
  });
  await comesTo('DwdAccPocketM', 'dwd.dwd_acc_pocket_m', expected);
  expect(pockets.some((pocket) => closing(pocket) < 0)).toBe(true);
});

test('DwdAccSumBillM ranks customers inside their segment', async () => {
  const segments = new Map((await all('ods.customer')).map((item) => [item.customer_id, item.segment]));
  const summed = [...Map.groupBy(await ofMonth('dwd.dwd_merge_bill_m'), (entry) => entry.customer_id)].map(
    ([customer, list]) => ({ customer: customer!, bills: list.length, due: fen(list, 'due_fen') }),
  );
  const expected = summed.map(({ customer, bills, due }) => ({
    month,
    customer_id: customer,
    segment: segments.get(customer)!,
    bills,
    due_fen: due,
    rank_in_segment:
      1 +
      summed.filter((entry) => segments.get(entry.customer) === segments.get(customer) && entry.due > due)
        .length,
  }));
  await comesTo('DwdAccSumBillM', 'dwd.dwd_acc_sum_bill_m', expected);
});

test('DwdAccGrpAdjustM keeps credits and debits of groups apart', async () => {
  const customers = await customerOf();
  const adjusted = Map.groupBy(
    (await ofMonth('ods.adjustment')).filter((entry) => entry.approved),
    (entry) => customers.get(entry.account_id!),
  );
  const charged = await ofMonth('dwd.dwd_acc_fin_item_dtl_m');
  const expected = (await all('ods.group_customer')).flatMap((group) => {
    const list = adjusted.get(Number(group.customer_id));
    if (list === undefined) return [];
    return [
      {
        month,
        group_id: group.group_id!,
        adjustments: list.length,
        credit_fen: Math.abs(fen(list.filter((item) => Number(item.amount_fen) < 0))),
        debit_fen: fen(list.filter((item) => Number(item.amount_fen) > 0)),
        billed_fen: fen(charged.filter((entry) => entry.customer_id === group.customer_id)),
      },
    ];
  });
  await comesTo('DwdAccGrpAdjustM', 'dwd.dwd_acc_grp_adjust_m', expected);
});

test('DwdAccGrpOweInfoM knows what groups owe and since when', async () => {
  const customers = await customerOf();
  const owing = Map.groupBy(await ofMonth('ods.owe'), (entry) => customers.get(entry.account_id!));
  const bills = await ofMonth('dwd.dwd_merge_bill_m');
  const expected = (await all('ods.group_customer')).flatMap((group) => {
    const list = owing.get(Number(group.customer_id));
    if (list === undefined) return [];
    return [
      {
        month,
        group_id: group.group_id!,
        accounts: new Set(list.map((item) => item.account_id)).size,
        owed_fen: fen(list, 'owed_fen'),
        oldest_bill_month: list.map((item) => String(item.bill_month)).sort()[0]!,
        billed_fen: fen(
          bills.filter((bill) => bill.customer_id === group.customer_id),
          'due_fen',
        ),
      },
    ];
  });
  await comesTo('DwdAccGrpOweInfoM', 'dwd.dwd_acc_grp_owe_info_m', expected);
});

test('DwdAccOweM sorts debts by age', async () => {
  const due = sumBy(
    await ofMonth('dwd.dwd_merge_bill_m'),
    (entry) => entry.account_id,
    (entry) => Number(entry.due_fen),
  );
  const age = (row: Row) => months(month) - months(row.bill_month);
  const owed = await ofMonth('ods.owe');
  const expected = [...Map.groupBy(owed, (entry) => entry.account_id)].map(([account, list]) => {
    const aged = (from: number, to: number) =>
      fen(
        list.filter((item) => age(item) >= from && age(item) <= to),
        'owed_fen',
      );
    return {
      month,
      account_id: account!,
      owed_fen: fen(list, 'owed_fen'),
      owed_1_3_fen: aged(1, 3),
      owed_4_6_fen: aged(4, 6),
      owed_over_6_fen: aged(7, 99),
      months_owed: list.length,
      due_this_month_fen: due.get(String(account)) ?? 0,
    };
  });
  await comesTo('DwdAccOweM', 'dwd.dwd_acc_owe_m', expected);
  expect(owed.some((entry) => age(entry) > 6)).toBe(true);
  expect(owed.every((entry) => age(entry) >= 1)).toBe(true);
});

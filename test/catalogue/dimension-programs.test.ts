/** Programs of P02 and P03, each held against figures worked out from the source rows without SQL. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { daysOfMonth, MONTHS, prepareWarehouse, type Row, sorted, type Warehouse } from './warehouse.ts';

let house: Warehouse;
const month = '202609';
const day = daysOfMonth(month).last;

beforeAll(async () => {
  house = await prepareWarehouse();
});
afterAll(() => house.close());

const succeeded = { outcome: 'succeeded' };

async function distribute(of: string): Promise<void> {
  expect(await house.run('P02.S2.DistributeRptVr011.export', of)).toMatchObject(succeeded);
  expect(await house.run('P02.S2.DistributeRptVr011.import', of)).toMatchObject(succeeded);
}

const validOn = (row: Row) => row.valid_from! <= day && (row.valid_to === null || row.valid_to! >= day);

/** Ids from a root down to `id`; null when the way up ends at no root. */
function wayDown(id: unknown, parents: ReadonlyMap<unknown, unknown>): unknown[] | null {
  if (!parents.has(id)) return null;
  const parent = parents.get(id);
  if (parent === null) return [id];
  const above = wayDown(parent, parents);
  return above === null ? null : [...above, id];
}

describe('account items', () => {
  test('the check of the report table is true for the month of the newest import only', async () => {
    expect(await house.run('P02.S3.CheckRptVr011', month)).toEqual({ outcome: 'false' });
    await distribute(MONTHS[0]);
    expect(await house.run('P02.S3.CheckRptVr011', MONTHS[0])).toEqual(succeeded);
    expect(await house.run('P02.S3.CheckRptVr011', month)).toEqual({ outcome: 'false' });
  });

  test('the dimension refuses a month that was not distributed', async () => {
    const ending = await house.run('P02.S4.DimAccItemCode', month);
    expect(ending).toMatchObject({ outcome: 'failed', kind: 'program' });
    expect(JSON.stringify(ending)).toContain('shfin.rpt_vr011 has no rows of month 202609');
  });

  test('the distribution copies the rows of its month and leaves the other month alone', async () => {
    await distribute(month);
    const source = await house.rows('mpp', 'select * from shfin.r_vr011');
    const copied = await house.rows('yt', 'select * from shfin.rpt_vr011');
    expect(sorted(copied)).toEqual(sorted(source));
    expect(await house.run('P02.S3.CheckRptVr011', month)).toEqual(succeeded);
  });

  test('the dimension has one row for each node of the report tree', async () => {
    const report = await house.rows('mpp', 'select * from shfin.r_vr011 where month = $1', [month]);
    const known = new Map(
      (await house.rows('yt', 'select * from ods.acc_item')).map((row) => [row.item_code, row]),
    );
    const parents = new Map(report.map((entry) => [entry.item_code, entry.parent_code]));
    const inArpu = new Map<unknown, unknown>(report.map((entry) => [entry.item_code, entry.in_arpu]));
    const withChildren = new Set(report.map((entry) => entry.parent_code));
    const expected = report.map((entry) => {
      const way = wayDown(entry.item_code, parents)!;
      const item = known.get(entry.item_code!);
      return {
        month,
        item_code: entry.item_code!,
        item_name: item?.item_name ?? entry.item_name!,
        parent_code: entry.parent_code!,
        root_code: way[0] as string,
        level: way.length,
        path: way.join('/'),
        category: item?.category ?? null,
        tax_permille: item?.tax_permille ?? null,
        in_arpu: way.every((code) => inArpu.get(code) === true),
        is_leaf: !withChildren.has(entry.item_code!),
      };
    });
    expect(await house.run('P02.S4.DimAccItemCode', month)).toEqual({
      outcome: 'succeeded',
      rows: expected.length,
    });
    const actual = await house.rows('yt', 'select * from dim.dim_acc_item_code');
    expect(sorted(actual)).toEqual(sorted(expected));
    expect(new Set(actual.map((entry) => entry.level))).toEqual(new Set([1, 2, 3]));
  });

  test('voice menus stand as on the last day and know the category of their item', async () => {
    const nodes = (await house.rows('yt', 'select * from ods.ivr_node')).filter(validOn);
    const dimension = await dimensionByItem();
    const parents = new Map(nodes.map((node) => [node.node_id, node.parent_id]));
    const expected = nodes.flatMap((node) => {
      const way = wayDown(node.node_id, parents);
      if (way === null) return [];
      const item = dimension.get(node.item_code!);
      return [
        {
          month,
          node_id: node.node_id!,
          node_name: node.node_name!,
          parent_id: node.parent_id!,
          depth: way.length,
          path: way.join('-'),
          item_code: item?.item_code ?? null,
          item_category: item?.category ?? null,
        },
      ];
    });
    expect(await house.run('P02.S5.DimEvtIvrNode', month)).toEqual({ outcome: 'succeeded', rows: 120 });
    expect(sorted(await house.rows('yt', 'select * from dim.dim_evt_ivr_node'))).toEqual(sorted(expected));
    // The sample has menus that changed their item in September: the old ones must not be here.
    const changed = (await house.rows('yt', 'select * from ods.ivr_node')).filter((row) => !validOn(row));
    expect(changed.length).toBeGreaterThan(0);
  });

  test('service skills count the items of their category and the agents of the last day', async () => {
    const dimension = [...(await dimensionByItem()).values()].filter((entry) => entry.is_leaf);
    const holders = (await house.rows('yt', 'select * from ods.csr_agent_skill')).filter(validOn);
    const expected = (await house.rows('yt', 'select * from ods.csr_skill')).map((skill) => {
      const having = holders.filter((holder) => holder.skill_code === skill.skill_code);
      return {
        month,
        ...skill,
        items: dimension.filter((entry) => entry.category === skill.category).length,
        agents: having.length,
        senior_agents: having.filter((entry) => Number(entry.grade) >= 4).length,
      };
    });
    expect(await house.run('P02.S5.DimEvtCsrSkill', month)).toEqual({ outcome: 'succeeded', rows: 24 });
    const actual = await house.rows('yt', 'select * from dim.dim_evt_csr_skill');
    expect(sorted(actual)).toEqual(sorted(expected));
    expect(actual.every((entry) => Number(entry.agents) > Number(entry.senior_agents))).toBe(true);
  });

  test('shop pages are mapped to the items that the month has', async () => {
    const pages = await house.rows('yt', 'select * from ods.wms_nav_tree');
    const dimension = await dimensionByItem();
    const parents = new Map(pages.map((page) => [page.nav_id, page.parent_id]));
    const titles = new Map(pages.map((page) => [page.nav_id as unknown, page.title]));
    const expected = pages.flatMap((page) => {
      const item = dimension.get(page.item_code!);
      if (item === undefined) return [];
      const way = wayDown(page.nav_id, parents)!;
      return [
        {
          month,
          nav_id: page.nav_id!,
          root_nav_id: way[0] as number,
          depth: way.length,
          title_path: way.map((id) => titles.get(id)).join(' > '),
          item_code: item.item_code!,
          root_code: item.root_code!,
        },
      ];
    });
    expect(await house.run('P02.S5.DimAccWmsNavtreemap', month)).toMatchObject(succeeded);
    const actual = await house.rows('yt', 'select * from dim.dim_acc_wms_navtreemap');
    expect(sorted(actual)).toEqual(sorted(expected));
    expect(actual.length).toBeGreaterThan(50);
  });

  async function dimensionByItem(): Promise<Map<unknown, Row>> {
    const rows = await house.rows('yt', 'select * from dim.dim_acc_item_code where month = $1', [month]);
    return new Map(rows.map((row) => [row.item_code, row]));
  }
});

describe('main plans', () => {
  test('the flag is never set before the update', async () => {
    const ending = await house.run('P03.S3.CompletionFlag', month);
    expect(ending).toMatchObject({ outcome: 'failed', kind: 'program' });
    expect(await house.rows('yt', 'select * from dim.dim_completion_flag')).toEqual([]);
  });

  test.each(MONTHS)('every plan has its newest definition up to %s', async (of) => {
    const last = daysOfMonth(of).last;
    const maintained = await house.rows('yt', 'select * from shfin.main_plan_maintained');
    const users = await house.rows('yt', 'select * from ods.subscriber');
    const plans = new Set(maintained.map((entry) => entry.plan_code));
    const expected = [...plans].flatMap((plan) => {
      const known = maintained
        .filter((entry) => entry.plan_code === plan && entry.month! <= of)
        .sort((a, b) => (a.month! < b.month! ? 1 : -1));
      const [newest, before] = known;
      return newest === undefined
        ? []
        : [
            {
              month: of,
              plan_code: plan!,
              plan_name: newest.plan_name!,
              family: newest.family!,
              monthly_fee_fen: newest.monthly_fee_fen!,
              fee_change_fen:
                before === undefined ? 0 : Number(newest.monthly_fee_fen) - Number(before.monthly_fee_fen),
              on_sale: newest.on_sale!,
              maintained_month: newest.month!,
              users: users.filter((user) => user.plan_code === plan && user.activated_on! <= last).length,
            },
          ];
    });
    expect(expected).toHaveLength(of === MONTHS[0] ? 23 : 24);
    expect(await house.run('P03.S2.UpdateMainPlan', of)).toEqual({
      outcome: 'succeeded',
      rows: expected.length,
    });
    const actual = await house.rows('yt', 'select * from dim.dim_main_plan where month = $1', [of]);
    expect(sorted(actual)).toEqual(sorted(expected));
    expect(actual.some((entry) => entry.maintained_month === of)).toBe(true);
  });

  test('the flag tells the rows of the dimension', async () => {
    expect(await house.run('P03.S3.CompletionFlag', month)).toEqual({ outcome: 'succeeded', rows: 1 });
    const flags = await house.rows(
      'yt',
      'select dimension, month, dimension_rows from dim.dim_completion_flag',
    );
    expect(flags).toEqual([{ dimension: 'main_plan', month, dimension_rows: 24 }]);
  });

  test('a dimension that lacks a plan gets no flag', async () => {
    await house.rows('yt', `delete from dim.dim_main_plan where month = $1 and plan_code = 'PL07'`, [
      MONTHS[0],
    ]);
    const ending = await house.run('P03.S3.CompletionFlag', MONTHS[0]);
    expect(JSON.stringify(ending)).toContain('dim.dim_main_plan lacks plans of month 202608');
  });
});

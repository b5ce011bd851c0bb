/** Programs, tables and who makes them: Q03, Q07, Q08. */

import { z } from 'zod';
import { GivenId, listOf, text } from '../../../contract/fields.ts';
import { SluiceError } from '../../../errors.ts';
import { tableName } from '../../../graph/impact/lineage.ts';
import { Cycle, type Flow } from '../../../graph/model.ts';
import { lastAttempts } from '../../../store/agents/attempt-lists.ts';
import { readFlowStates } from '../../../store/history/flows.ts';
import { newestRun } from '../../../store/schedules/scheduled-runs.ts';
import { newestOpenings, versionOf } from '../../catalogue/newest-catalogue.ts';
import type { ServiceDeps } from '../../deps.ts';
import type { EstateLineage } from '../../lineage/estate-lineage.ts';
import { flowOfVersion } from '../../runs/find.ts';
import { programName, programOf } from '../program.ts';
import { defineQuery, instantColumn, listColumn, namesColumn, type RowOf, textColumn } from '../query.ts';
import { isComplete } from '../scope.ts';

const name = namesColumn('name', '名称');

export const q03 = defineQuery({
  id: 'Q03',
  category: 'dependency',
  names: { en: 'Lineage of programs', zh: '程序血缘分析' },
  question: {
    en: 'Which tables does a program use, and which does it make?',
    zh: '程序用到哪些表，产生哪些目标表？',
  },
  rule: {
    en: 'By the newest catalogue: tables that are declared and tables that the SQL uses. Each source table is followed by what makes it; `-`: nothing does.',
    zh: '按最新目录：声明的表与 SQL 实际读写的表。每个来源表后给出产生者，“-”表示无。',
  },
  input: { flows: listOf(GivenId).optional() },
  columns: {
    flowId: textColumn('flow', '流程'),
    program: textColumn('program', '程序'),
    platform: textColumn('platform', '平台'),
    sourceTables: listColumn('reads', '来源表'),
    targetTables: listColumn('writes', '目标表'),
    producers: listColumn('made by', '来源表产生者'),
  },
  example: 'flows=P04.S4.DwdAccFinItemDtlM',
  async answer(deps, { flows }) {
    const version = await versionOf(deps);
    const lineage = await deps.lineages.of(version);
    const asked = flows?.map((id) => flowOfVersion(version, id)) ?? [...version.flows.values()];
    const rows = asked.flatMap((flow) => {
      const data = lineage.flows.get(flow.id)!;
      if (flows === undefined && data.reads.length + data.writes.length === 0) return [];
      return [
        {
          flowId: flow.id,
          program: programOf(flow.program),
          platform: flow.platform ?? null,
          sourceTables: data.reads.map(tableName),
          targetTables: data.writes.map(tableName),
          producers: data.reads.map(
            (table) => `${tableName(table)}<-${lineage.producers.get(table)?.join('+') ?? '-'}`,
          ),
        },
      ];
    });
    return { about: { version: String(version.version) }, rows };
  },
});

const foundColumns = {
  flowId: textColumn('flow', '流程'),
  name,
  program: textColumn('program', '程序'),
  platform: textColumn('platform', '平台'),
  cycle: textColumn('cycle', '周期'),
  role: textColumn('role', '关系'),
  found: textColumn('found by', '匹配内容'),
};

export const q07 = defineQuery({
  id: 'Q07',
  category: 'dependency',
  names: { en: 'Find the flow of a program or table', zh: '流程名查询' },
  question: { en: 'Which flow belongs to this program or table?', zh: '这个程序或表属于哪个流程？' },
  rule: {
    en: 'Flows whose id, former name, name or program matches (role: is), and flows that make the table (produces) or read it (reads). fuzzy=true matches parts of names and ignores case.',
    zh: '编号、曾用名、名称或程序相符的流程（is），以及产生该表（produces）或读取该表（reads）的流程。fuzzy=true 为模糊匹配，不分大小写。',
  },
  input: { name: text(300).min(1).optional(), fuzzy: z.stringbool().default(false) },
  columns: foundColumns,
  example: 'name=DwdMergeBillM fuzzy=true',
  async answer(deps, { name: asked, fuzzy }) {
    if (asked === undefined)
      throw new SluiceError('invalid_request', 'give a name: name=PROGRAM or name=TABLE');
    const version = await versionOf(deps);
    const lineage = await deps.lineages.of(version);
    const wanted = asked.toLowerCase();
    const fits = (given: string): boolean =>
      fuzzy ? given.toLowerCase().includes(wanted) : given.toLowerCase() === wanted;
    const rows: RowOf<typeof foundColumns>[] = [];
    for (const flow of version.flows.values()) {
      const row = (role: string, found: string) => {
        rows.push({
          flowId: flow.id,
          name: flow.names,
          program: programOf(flow.program),
          platform: flow.platform ?? null,
          cycle: flow.cycle,
          role,
          found,
        });
      };
      const own = namesOf(flow).find(fits);
      if (own !== undefined) row('is', own);
      const { writes, reads } = lineage.flows.get(flow.id)!;
      for (const table of writes) if (fits(tableName(table))) row('produces', tableName(table));
      for (const table of reads) if (fits(tableName(table))) row('reads', tableName(table));
    }
    const order = ['is', 'produces', 'reads'];
    rows.sort((a, b) => order.indexOf(a.role!) - order.indexOf(b.role!));
    return { about: { name: asked, version: String(version.version) }, rows };
  },
});

function namesOf({ id, names, aliases, program }: Flow): string[] {
  const file = program?.type === 'sql' ? [program.file, programName(program)] : [];
  const command = program?.type === 'shell' ? [program.command.join(' ')] : [];
  return [id, names.en, names.zh, ...aliases, ...file, ...command];
}

const distributionColumns = {
  distribution: textColumn('distribution', '分发'),
  sourceDb: textColumn('source database', '源库'),
  sourceTable: textColumn('source table', '源表'),
  targetDb: textColumn('target database', '目标库'),
  targetTable: textColumn('target table', '目标表'),
  run: textColumn('run', '运行'),
  agent: textColumn('agent', '代理'),
  exportState: textColumn('export', '出库状态'),
  importState: textColumn('import', '入库状态'),
  dealStat: textColumn('dealStat', 'deal_stat'),
  lastFinishedAt: instantColumn('finished', '最近完成'),
};

export const q08 = defineQuery({
  id: 'Q08',
  category: 'dependency',
  names: { en: 'Distribution of a table', zh: '查询表固定分发' },
  question: {
    en: 'Does a table come from a distribution, from which database, and how far has it got?',
    zh: '该表是否由分发而来，来自哪个库，进展如何？',
  },
  rule: {
    en: 'Distributions that read or write the table, with the state of export and import in the newest run; dealStat as in the control tables: 0 waiting, 1 in progress, 99 finished, -1 failed.',
    zh: '读或写该表的分发及其在最近运行中的出入库状态；dealStat 取值同控制表：0 待处理，1 处理中，99 完成，-1 失败。',
  },
  input: { table: listOf(text(300)).optional() },
  columns: distributionColumns,
  example: 'table=shfin.rpt_vr011',
  async answer(deps, { table }) {
    const version = await versionOf(deps);
    const asked = table?.map((entry) => entry.toLowerCase());
    const distributions = [...version.flows.values()].flatMap(({ cycle, program }) =>
      program?.type === 'export' &&
      (asked === undefined ||
        [program.from.table, program.to.table].some((entry) => asked.includes(entry.toLowerCase())))
        ? [{ cycle, ...program }]
        : [],
    );
    const halves = new Map(
      await Promise.all(
        Cycle.options.map(async (cycle) => {
          const of = distributions
            .filter((distribution) => distribution.cycle === cycle)
            .map((distribution) => distribution.distribution);
          return [cycle, await halvesIn(deps, cycle, of)] as const;
        }),
      ),
    );
    const rows = distributions.map(({ cycle, distribution, from, to }) => ({
      distribution,
      sourceDb: from.connection,
      sourceTable: from.table,
      targetDb: to.connection,
      targetTable: to.table,
      ...halves.get(cycle)!(distribution),
    }));
    return { about: { version: String(version.version) }, rows };
  },
});

type Halves = Pick<
  RowOf<typeof distributionColumns>,
  'run' | 'agent' | 'exportState' | 'importState' | 'dealStat' | 'lastFinishedAt'
>;

const NOTHING: Halves = {
  run: null,
  agent: null,
  exportState: null,
  importState: null,
  dealStat: null,
  lastFinishedAt: null,
};

/** How far each distribution of a cycle is in the newest scheduled run. */
async function halvesIn(
  deps: ServiceDeps,
  cycle: Cycle,
  distributions: readonly string[],
): Promise<(distribution: string) => Halves> {
  const { pool } = deps;
  const run = distributions.length === 0 ? null : await newestRun(pool, cycle, await newestOpenings(deps));
  if (run === null) return () => NOTHING;
  const flows = distributions.flatMap((distribution) => [`${distribution}.export`, `${distribution}.import`]);
  const [rows, last] = await Promise.all([readFlowStates(pool, run, flows), lastAttempts(pool, run, flows)]);
  const states = new Map(rows.map((row) => [row.flow, row]));
  return (distribution) => {
    const [sent, loaded] = [`${distribution}.export`, `${distribution}.import`];
    const [out, into] = [states.get(sent), states.get(loaded)];
    return {
      run,
      agent: last.get(loaded)?.agent ?? last.get(sent)?.agent ?? null,
      exportState: out?.state ?? null,
      importState: into?.state ?? null,
      dealStat: dealStat([out?.state ?? null, into?.state ?? null]),
      lastFinishedAt: into !== undefined && isComplete(into) ? into.resultAt : null,
    };
  };
}

/** The state of a distribution as the control tables of platforms write it: 99 = done, -1 = failed, 1 = in progress, 0 = waiting. */
function dealStat(states: readonly (string | null)[]): string {
  const last = states[1];
  if (last === 'succeeded' || last === 'force_passed' || last === 'skipped') return '99';
  if (states.some((state) => state === 'failed' || state === 'cancelled' || state === 'outcome_unknown'))
    return '-1';
  return states.some((state) => state === 'running' || state === 'sent_to_agent') ? '1' : '0';
}

/** Tables that flows read and that no flow and no distribution writes, with their readers. */
export function orphanTables({
  readers,
  producers,
}: EstateLineage): { table: string; readers: readonly string[] }[] {
  return [...readers]
    .filter(([table]) => !producers.has(table))
    .map(([table, ids]) => ({ table: tableName(table), readers: ids }));
}

/** The retirement sheet of a flow as a list: Q36. The page is `sluice flow retirement`. */

import { GivenId } from '../../../contract/fields.ts';
import type { Sentence } from '../../../graph/text/sentence.ts';
import { retirementSheet } from '../../catalogue/retirement.ts';
import { defineQuery, namesColumn, textColumn, yesColumn } from '../query.ts';

const PARTS = {
  flow: { en: 'flow', zh: '流程' },
  program: { en: 'program', zh: '程序' },
  reads: { en: 'reads', zh: '读取' },
  writes: { en: 'writes', zh: '写入' },
  distribution: { en: 'distribution', zh: '分发' },
  group: { en: 'group', zh: '分组' },
  schedule: { en: 'schedule', zh: '计划' },
  upstream: { en: 'waits for', zh: '前置' },
  dependent: { en: 'would wait for ever', zh: '将永久等待' },
  required: { en: 'force-passed only when it is done', zh: '须其完成方可强制通过' },
  below: { en: 'everything below', zh: '全部后续' },
  key: { en: 'key flow below', zh: '重点后续' },
  last: { en: 'last run', zh: '最近一次执行' },
  open: { en: 'open run', zh: '进行中的运行' },
  blocks: { en: 'would block', zh: '将阻塞' },
} as const;

interface Row {
  readonly part: Sentence;
  readonly item: string;
  readonly detail: string | null;
  readonly obstacle: boolean;
}

export const q36 = defineQuery({
  id: 'Q36',
  category: 'support',
  names: { en: 'Retirement sheet of a flow', zh: '流程下线核查单' },
  question: {
    en: 'What should you know about a flow before you retire it?',
    zh: '流程下线前需了解什么？',
  },
  rule: {
    en: 'By the newest catalogue and the open runs: program, tables (declared, and used by its SQL) with their writers and readers, groups, distributions, upstream, everything downstream, last run. An obstacle is a reason not to retire the flow now.',
    zh: '按最新目录与进行中的运行：程序、表（声明的及 SQL 中的）及读写者、分组、分发、前置、全部后续、最近一次执行。“障碍”为当前不宜下线的原因。',
  },
  input: { flow: GivenId },
  columns: {
    part: namesColumn('what', '项目'),
    item: textColumn('item', '内容'),
    detail: textColumn('detail', '说明'),
    obstacle: yesColumn('obstacle', '障碍'),
  },
  example: 'flow=P04.S3.DwdMergeBillM',
  async answer(deps, { flow }) {
    const it = await retirementSheet(deps, flow);
    const rows: Row[] = [];
    const row = (
      part: keyof typeof PARTS,
      item: string,
      detail: string | null = null,
      obstacle = false,
    ): void => {
      rows.push({ part: PARTS[part], item, detail, obstacle });
    };
    row(
      'flow',
      it.flow,
      [it.kind, it.cycle, it.layer, it.platform, it.procedure, it.owner].filter(Boolean).join(' '),
    );
    if (it.program !== null)
      row(
        'program',
        it.program.what ?? it.program.type,
        [it.program.type, ...it.program.connections].join(' '),
      );
    for (const { table, writtenBy } of it.reads) row('reads', table, writtenBy.join(' '));
    for (const { table, readBy } of it.writes) row('writes', table, readBy.join(' '));
    for (const { distribution, from, to } of it.distributions)
      row('distribution', distribution, `${from.connection} ${from.table} -> ${to.connection} ${to.table}`);
    for (const group of it.groups) row('group', group);
    for (const schedule of it.schedules) row('schedule', schedule);
    for (const upstream of it.upstream) row('upstream', upstream.flow, upstream.cycle);
    for (const dependent of it.dependents) row('dependent', dependent.flow, dependent.owner, true);
    for (const required of it.requiredBy) row('required', required, null, true);
    row('below', String(it.impact.flows), it.impact.procedures.map((one) => one.procedure).join(' '));
    for (const { flow: key, way } of it.impact.keyFlows) row('key', key, way.join(' -> '));
    if (it.lastRun !== null)
      row(
        'last',
        it.lastRun.run,
        [it.lastRun.outcome, it.lastRun.ms === null ? '' : `${it.lastRun.ms} ms`].join(' ').trim(),
      );
    for (const { run, state, blocks } of it.openRuns) {
      row('open', run, state, state === 'running' || state === 'sent_to_agent');
      for (const blocked of blocks) row('blocks', blocked.flow, blocked.run, true);
    }
    return { about: { flow: it.flow, catalogue: String(it.version) }, rows };
  },
});

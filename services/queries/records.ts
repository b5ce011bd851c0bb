/** What people did and asked for: Q32, Q33, Q37. */
import { z } from 'zod';
import { GivenId } from '../../contract/fields.ts';
import { adHocRequests, decisionsInRuns, heldBy } from '../../store/record/decision-lists.ts';
import { defineQuery, instantColumn, listColumn, numberColumn, textColumn } from './query.ts';
import { DayInput, MonthInput, scopeOfDay, scopeOfMonth } from './scope.ts';

export const q32 = defineQuery({
  id: 'Q32',
  category: 'support',
  names: { en: 'What a failover would requeue', zh: '代理切换将重新排队的任务' },
  question: {
    en: 'Which attempts does an agent hold, and what would happen to them in a failover?',
    zh: '某代理持有哪些任务，切换代理后如何处理？',
  },
  rule: {
    en: 'Attempts that were sent but not started go back into the queue. Running attempts are lost at once; their flows are tried again or resolved by a person.',
    zh: '已下发未启动的任务重新排队；正在执行的立即判定失联，由流程重试或人工裁定。',
  },
  input: { agent: GivenId.optional() },
  columns: {
    agent: textColumn('agent', '代理'),
    run: textColumn('run', '运行'),
    flowId: textColumn('flow', '流程'),
    state: textColumn('state', '状态'),
    sentAt: instantColumn('sent', '下发'),
    startedAt: instantColumn('started', '启动'),
    failover: textColumn('a failover would', '切换结果'),
  },
  example: 'agent=agent-yt',
  async answer(deps, { agent }) {
    const rows = (await heldBy(deps.pool, agent ?? null)).map((entry) => ({
      agent: entry.agent,
      run: entry.run,
      flowId: entry.flow,
      state: entry.startedAt === null ? 'sent_to_agent' : 'running',
      sentAt: entry.sentAt,
      startedAt: entry.startedAt,
      failover: entry.startedAt === null ? 'requeue' : 'lose',
    }));
    return { about: agent === undefined ? {} : { agent }, rows };
  },
});

export const q33 = defineQuery({
  id: 'Q33',
  category: 'support',
  names: { en: 'Operator decisions in a period', zh: '账期内人工操作审计' },
  question: {
    en: 'Who passed, started, confirmed or switched what, when and why?',
    zh: '谁在何时、因何原因强制通过、启动、确认或切换了什么？',
  },
  rule: {
    en: 'Applied operations in the runs of the given day and month; without either, in those of the newest month.',
    zh: '指定日、月运行中已生效的人工操作；均未指定则为最近月。',
  },
  input: { ...DayInput, ...MonthInput, verb: GivenId.optional() },
  columns: {
    at: instantColumn('at', '时间'),
    actor: textColumn('actor', '操作员'),
    verb: textColumn('verb', '操作'),
    run: textColumn('run', '运行'),
    flows: listColumn('flows', '流程'),
    reason: textColumn('reason', '理由'),
    evidence: textColumn('evidence', '依据'),
    approvedBy: textColumn('approved by', '审批人'),
  },
  example: 'verb=force-pass',
  async answer(deps, { date, month, verb }) {
    const day = date === undefined ? null : await scopeOfDay(deps, date);
    const of = month === undefined && day !== null ? null : await scopeOfMonth(deps, month);
    const runs = [...(day?.runs ?? []), ...(of?.runs ?? [])].map(({ run }) => run.id);
    const rows = await decisionsInRuns(deps.pool, runs, verb ?? null);
    const about = {
      ...(day === null ? {} : { date: day.period }),
      ...(of === null ? {} : { month: of.period }),
    };
    return { about, rows };
  },
});

export const q37 = defineQuery({
  id: 'Q37',
  category: 'support',
  names: { en: 'Ad-hoc tasks', zh: '临时任务' },
  question: {
    en: 'What was requested outside the schedules, by whom, and how did it end?',
    zh: '计划之外有哪些临时任务，谁提出，结果如何？',
  },
  rule: {
    en: 'Backfills and rerun, trigger and start-now operations of the last `days` days (default 7), newest first. Done and total count flows for operations, runs for backfills.',
    zh: '最近 days 天（默认 7）的补数、重跑、触发与立即启动，新的在前。完成/总数：操作按流程计，补数按运行计。',
  },
  input: { days: z.coerce.number().int().min(1).max(400).default(7) },
  columns: {
    at: instantColumn('at', '时间'),
    requester: textColumn('requester', '提出人'),
    kind: textColumn('kind', '类型'),
    run: textColumn('run or range', '运行或范围'),
    flows: listColumn('flows', '流程'),
    reason: textColumn('reason', '理由'),
    state: textColumn('state', '状态'),
    done: numberColumn('done', '已完成'),
    total: numberColumn('of', '总数'),
  },
  example: 'days=7',
  async answer(deps, { days }) {
    return { about: { days: String(days) }, rows: await adHocRequests(deps.pool, days) };
  },
});

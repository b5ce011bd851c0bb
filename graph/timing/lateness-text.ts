/** Lateness in one sentence for operators, in English and Chinese. */

import { afterSubject, type Sentence } from '../text/sentence.ts';
import { span } from '../why/cause-text.ts';
import type { Lateness, Part, PartKind } from './lateness.ts';

/** What a flow did in a part, in English and in Chinese. */
// biome-ignore format: a table
const WORDS: Readonly<Record<PartKind, readonly [en: string, zh: string]>> = {
  run: ['ran longer', '运行变长'],
  failed_attempt: ['had failed attempts', '执行失败'],
  retry_backoff: ['waited for retries', '等待重试'],
  waiting_agent: ['waited for an agent', '等待代理'],
  waiting_pool: ['waited for a pool', '等待资源池'],
  waiting_lock: ['waited for a lock', '等待锁'],
  held: ['was held', '被挂起'],
  manual_start: ['waited for its manual start', '等待手工启动'],
  waiting_time: ['waited for its start time', '等待启动时间'],
  waiting_person: ['waited for a person', '等待人工'],
  other_run: ['waited for another run', '等待其他运行'],
  paused: ['stood in a pause', '处于暂停'],
  rework: ['was redone', '被重做'],
  engine: ['waited for the engine', '等待引擎'],
  new: ['is new', '为新增流程'],
  float: ['had less room at the join', '汇合处余量变化'],
  opening: ['the run was opened later', '运行打开较晚'],
};

/** Number of parts that the sentence names, and the least share of the whole that a named part has. */
const NAMED_PARTS = 3;
const LEAST_SHARE = 0.01;

/** What the flow is compared with: the id of a run; null = its reference time. */
export type ReferenceNamed = string | null;

/** The sentence about a lateness. `names`: the names of a flow, null when it has none. O(parts log parts). */
export function latenessText(
  late: Lateness,
  reference: ReferenceNamed,
  names: (flow: string) => Sentence | null,
): Sentence {
  const by = long(Math.abs(late.total));
  const subject = { en: called(late.target, names, 'en'), zh: called(late.target, names, 'zh') };
  const least = late.total * LEAST_SHARE;
  // Being early needs no reasons.
  const parts =
    late.total <= 0 ? [] : late.parts.filter(({ ms }) => ms > 0 && ms >= least).sort((a, b) => b.ms - a.ms);
  const named = parts.slice(0, NAMED_PARTS);
  const rest = parts.length - named.length;
  const head = headOf(late, subject, by, reference);
  if (named.length === 0) return inReference(head, late, names);
  const because = named.map((part) => reasonOf(part, names));
  const more =
    rest === 0 ? NOTHING : { en: `; and ${rest} smaller parts`, zh: `；另有 ${rest} 项较小的原因` };
  return withReasons(head, because, more);
}

/** The whole sentence; without reasons it ends after its beginning. */
function withReasons(head: Sentence, reasons: readonly Sentence[], more: Sentence = NOTHING): Sentence {
  if (reasons.length === 0) return { en: `${head.en}.`, zh: `${head.zh}。` };
  return {
    en: `${head.en}: ${reasons.map((text) => text.en).join('; ')}${more.en}.`,
    zh: `${head.zh}：${reasons.map((text) => text.zh).join('；')}${more.zh}。`,
  };
}

const NOTHING: Sentence = { en: '', zh: '' };

/** Being early needs no reasons, but that the reference was rerun explains it. */
function inReference(
  head: Sentence,
  { total, parts }: Lateness,
  names: (flow: string) => Sentence | null,
): Sentence {
  const redone = parts
    .filter(({ kind, ms }) => total < 0 && kind === 'rework' && ms <= total * LEAST_SHARE)
    .sort((a, b) => a.ms - b.ms)
    .slice(0, NAMED_PARTS);
  const said = redone.map(({ flow, ms }): Sentence => {
    const less = long(-ms);
    return {
      en: `${called(flow!, names, 'en')} was redone there (${less.en})`,
      zh: afterSubject(called(flow!, names, 'zh'), `在该次运行中被重做（${less.zh}）`),
    };
  });
  return withReasons(head, said);
}

/** The beginning of the sentence: how late, without the reasons. */
function headOf(late: Lateness, subject: Sentence, by: Sentence, reference: ReferenceNamed): Sentence {
  const open = late.endedAt === null;
  const than = reference === null ? 'its reference time' : `in ${reference}`;
  const then = reference === null ? '参考时间' : ` ${reference} `;
  if (late.total === 0)
    return {
      en: `${subject.en} is ${reference === null ? 'at' : 'as'} ${than}`,
      zh: afterSubject(subject.zh, `与${then}一致`),
    };
  if (late.total > 0)
    return {
      en: `${subject.en} is ${by.en} later than ${than}${open ? ' so far' : ''}`,
      zh: afterSubject(subject.zh, `比${then}${open ? '目前已晚' : '晚'} ${by.zh}`),
    };
  if (!open)
    return {
      en: `${subject.en} is ${by.en} earlier than ${than}`,
      zh: afterSubject(subject.zh, `比${then}早 ${by.zh}`),
    };
  return reference === null
    ? { en: `${subject.en} is ${by.en} before ${than}`, zh: `距${then}还有 ${by.zh}：${subject.zh}` }
    : {
        en: `${subject.en} is ${by.en} before its end ${than}`,
        zh: `距${then}中的完成时间还有 ${by.zh}：${subject.zh}`,
      };
}

/** A span, also below a second: a small trial catalogue has no others. */
const long = (ms: number): Sentence =>
  ms < 1_000 ? { en: `${Math.round(ms)} ms`, zh: `${Math.round(ms)} 毫秒` } : span(ms);

function reasonOf(part: Part, names: (flow: string) => Sentence | null): Sentence {
  const more = long(part.ms);
  const [en, zh] = WORDS[part.kind];
  if (part.flow === null) return { en: `${en} (+${more.en})`, zh: `${zh}（+${more.zh}）` };
  return {
    en: `${called(part.flow, names, 'en')} ${en} (+${more.en})`,
    zh: afterSubject(called(part.flow, names, 'zh'), `${zh}（+${more.zh}）`),
  };
}

function called(flow: string, names: (flow: string) => Sentence | null, lang: 'en' | 'zh'): string {
  const name = names(flow)?.[lang];
  if (name === undefined || name === flow) return flow;
  return lang === 'en' ? `${flow} (${name})` : `${flow}（${name}）`;
}

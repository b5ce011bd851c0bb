/**
 * Staged situations: name, what is written (test/graph/run/staged.ts), and every final cause of the flow that is asked about, written by hand
 * from docs/answers.md: `chain code blocked-flows verb procedure`, the chain from the asked flow to the cause; `*` = the run as a whole.
 */
export type Situation = readonly [name: string, text: string, causes: readonly [string, ...string[]]];

const below = `
  B < A
  C < B`;

export const SITUATIONS: readonly Situation[] = [
  // What ended without freeing what waits for it.
  ['a failed program', `A : failed${below}`, ['C<B<A upstream_failed 2 rerun P26']],
  ['a failed load', `A interface : failed${below}`, ['C<B<A interface_failed 2 rerun P26']],
  ['a failed check', `A check : failed${below}`, ['C<B<A upstream_failed 2 rerun P26']],
  ['a rejected gate', `A gate procedure=P01 : failed${below}`, ['C<B<A gate_rejected 2 rerun P01']],
  ['a cancelled flow', `A : cancelled${below}`, ['C<B<A cancelled 2 rerun -']],
  ['an outcome that nobody knows', `A : unknown${below}`, ['C<B<A outcome_unknown 2 resolve P26']],
  [
    'a failed export',
    `A distribution \n A.export : failed${below}`,
    ['C<B<A.import<A.export distribution_failed 3 rerun P23'],
  ],
  [
    'a failed import',
    `A distribution \n A.export : done \n A.import : failed${below}`,
    ['C<B<A.import distribution_failed 2 rerun P23'],
  ],
  ['a retired upstream', `A : retired${below}`, ['C<B<A retired 2 waive P20']],
  ['a retired flow itself', 'A : retired', ['A retired 0 unretire P20']],
  [
    'a flow that has failed itself',
    `A : failed${below}`.replace('A', 'X'),
    ['C<B<A dependency_invalid 2 waive P34'],
  ],

  // What an agent has.
  ['a running program', `A : running=20${below}`, ['C<B<A upstream_running 2 - -']],
  ['one that runs for more than an hour', `A : running=61${below}`, ['C<B<A upstream_running_long 2 - -']],
  ['one that has run for exactly an hour', `A : running=60${below}`, ['C<B<A upstream_running 2 - -']],
  [
    'one that runs longer than usual',
    `A usual=10 : running=16${below}`,
    ['C<B<A upstream_running_long 2 - -'],
  ],
  ['one a little beyond its usual time', `A usual=10 : running=14${below}`, ['C<B<A upstream_running 2 - -']],
  [
    'one with a usual time of hours',
    `A usual=300 : running=90${below}`,
    ['C<B<A upstream_running_long 2 - -'],
  ],
  [
    'a running copy',
    `A distribution \n A.export : running=5${below}`,
    ['C<B<A.import<A.export distribution_pending 3 - P23'],
  ],
  [
    'a copy that runs for long',
    `A distribution \n A.export : running=75${below}`,
    ['C<B<A.import<A.export upstream_running_long 3 - -'],
  ],
  [
    'a load past its deadline',
    `A interface : running=5 deadline=-2${below}`,
    ['C<B<A interface_late 2 - P26'],
  ],
  [
    'a load past its reference time',
    `A interface : running=5 reference=-2${below}`,
    ['C<B<A interface_late 2 - P26'],
  ],
  [
    'a load before its deadline, past its reference time',
    `A interface : running=5 deadline=3 reference=-2${below}`,
    ['C<B<A interface_late 2 - P26'],
  ],
  [
    'a job past its deadline is not an interface',
    `A : running=5 deadline=-2${below}`,
    ['C<B<A upstream_running 2 - -'],
  ],
  ['one that was just sent', `A : sent=9${below}`, ['C<B<A sent_to_agent 2 - -']],
  ['one that was sent long ago', `A : sent=11${below}`, ['C<B<A agent_hung 2 - P13']],
  [
    'one whose agent is silent',
    `A : running=20${below} \n ! agent a1 yt silent=2`,
    ['C<B<A agent_silent 2 - P13'],
  ],
  [
    'one sent to an agent that is silent',
    `A : sent=20${below} \n ! agent a1 yt silent=2`,
    ['C<B<A agent_silent 2 - P13'],
  ],

  // What is not its turn yet, or a person's.
  [
    'an open gate of the month start',
    `A gate procedure=P04${below}`,
    ['C<B<A gate_unconfirmed 2 confirm P04'],
  ],
  ['a gate that was confirmed early', `G gate : confirmed \n A < G \n B < A`, ['B<A<G engine_pending 2 - -']],
  ['a flow held by an operator', `A : held${below}`, ['C<B<A held 2 unhold -']],
  [
    'a held flow of a platform that has no agent',
    `A platform=mpp : held${below}`,
    ['C<B<A held 2 unhold -', 'C<B<A no_live_agent 2 - P19'],
  ],
  ['a manual flow that is skipped', `A manual : skip${below}`, ['C<B<A engine_pending 2 - -']],
  ['a manual flow that is held and skipped', `A manual : held skip${below}`, ['C<B<A held 2 unhold -']],
  ['an event flow that is skipped', `A event=files : skip${below}`, ['C<B<A engine_pending 2 - -']],
  [
    'a gate with a start time that is skipped',
    `A gate : skip start=30${below}`,
    ['C<B<A schedule_not_reached 2 start-now -'],
  ],
  ['a manual start', `A manual${below}`, ['C<B<A not_triggered 2 trigger -']],
  ['a manual start that was given', `A manual : triggered waits=2${below}`, ['C<B<A waiting_agent 2 - -']],
  ['an event', `A event=files${below}`, ['C<B<A event_condition_unmet 2 trigger P22']],
  [
    'an interface whose files are late',
    `A interface event=files : reference=-30${below}`,
    ['C<B<A interface_late 2 - P26'],
  ],
  [
    'an interface whose files are not late yet',
    `A interface event=files : reference=30${below}`,
    ['C<B<A event_condition_unmet 2 trigger P22'],
  ],
  [
    'a procedure the run was not opened for',
    `A : excluded${below}`,
    ['C<B<A procedure_excluded 2 trigger -'],
  ],
  ['a start time ahead', `A : start=30${below}`, ['C<B<A schedule_not_reached 2 start-now -']],
  ['an interface not due', `A interface : start=30${below}`, ['C<B<A interface_not_due 2 - -']],
  [
    'a start time that was set aside',
    `A : start=30 startedNow waits=2${below}`,
    ['C<B<A waiting_agent 2 - -'],
  ],
  ['a back-off after a failure', `A : backoff=1${below}`, ['C<B<A retry_backoff 2 - -']],
  ['a check that says no', `A check : backoff=1 saidFalse${below}`, ['C<B<A check_false 2 - P22']],
  ['an older attempt that has not ended', `A : ending${below}`, ['C<B<A previous_attempt_ending 2 - -']],
  ['a rerun about to begin', `A : rerunPending${below}`, ['C<B<A rerun_pending 2 - -']],
  ['a flow whose turn has come', `A${below}`, ['C<B<A engine_pending 2 - -']],
  [
    'held and its start time ahead',
    `A : held start=5${below}`,
    ['C<B<A held 2 unhold -', 'C<B<A schedule_not_reached 2 - -'],
  ],
  [
    'what is held on the way is no final cause',
    `A : failed \n B < A : held \n C < B`,
    ['C<B<A upstream_failed 2 rerun P26'],
  ],

  // What keeps an agent from taking it.
  ['an agent that will take it', `A : waits=2${below}`, ['C<B<A waiting_agent 2 - -']],
  ['no agent alive', `A : waits=2${below} \n ! agent a1 yt silent=3`, ['C<B<A no_live_agent 2 - P19']],
  [
    'agents of the other platform only',
    `A : waits=2${below} \n ! agent m1 mpp`,
    ['C<B<A no_live_agent 2 - P19'],
  ],
  ['no agent with the label', `A label=gpu : waits=2${below}`, ['C<B<A no_fitting_agent 2 - -']],
  [
    'an agent with the label that is busy',
    `A label=gpu : waits=2${below} \n ! agent a1 yt label=gpu used=1 taken=1 \n ! agent a2 yt`,
    ['C<B<A no_free_slot 2 - -'],
  ],
  ['drained agents', `A : waits=2${below} \n ! agent a1 yt drained`, ['C<B<A agents_drained 2 - -']],
  [
    'one drained, one busy',
    `A : waits=2${below} \n ! agent a1 yt drained \n ! agent a2 yt used=1 taken=1`,
    ['C<B<A no_free_slot 2 - -'],
  ],
  ['a paused platform', `A : waits=2${below} \n ! pause platform:yt 1`, ['C<B<A paused 2 resume P25']],
  ['a paused run', `A : waits=2${below} \n ! pause run:month-2026-10 1`, ['C<B<A paused 2 resume -']],
  [
    'a pause of the other platform',
    `A : waits=2${below} \n ! pause platform:mpp 1`,
    ['C<B<A waiting_agent 2 - -'],
  ],
  ['a full pool', `A pool=bulk*2 : waits=2${below} \n ! pool bulk 2/3`, ['C<B<A pool_full 2 - -']],
  ['a pool with room', `A pool=bulk*2 : waits=2${below} \n ! pool bulk 1/3`, ['C<B<A waiting_agent 2 - -']],
  ['a pool that does not exist', `A pool=bulk : waits=2${below}`, ['C<B<A pool_full 2 - -']],
  ['a held lock', `A lock=x : waits=2${below} \n ! lock x Z 1`, ['C<B<A lock_held 2 - -']],
  [
    'a pause, a full pool and a lock at once',
    `A lock=x pool=p : waits=2${below} \n ! lock x Z 1 \n ! pool p 1/1 \n ! pause platform:yt 1`,
    ['C<B<A paused 2 resume P25', 'C<B<A pool_full 2 - -', 'C<B<A lock_held 2 - -'],
  ],
  [
    'an import that waits',
    `A distribution \n A.export : done since=12 \n A.import : waits=11${below}`,
    ['C<B<A.import distribution_waiting_import 2 - P19'],
  ],
  [
    'an import that has not waited for long',
    `A distribution \n A.export : done since=9 \n A.import : waits=9${below}`,
    ['C<B<A.import waiting_agent 2 - -'],
  ],
  [
    'a platform on which nothing ends, its slots full',
    `A : waits=20${below} \n ! agent a1 yt used=1 taken=40`,
    ['C<B<A no_progress 2 - P25'],
  ],
  [
    'a platform that has just given a slot to something else',
    `A : waits=20${below} \n ! agent a1 yt used=1 taken=5`,
    ['C<B<A no_free_slot 2 - -'],
  ],
  [
    'a platform on which something has just ended',
    `D : done since=5 \n A : waits=20${below} \n ! agent a1 yt used=1 taken=40`,
    ['C<B<A no_free_slot 2 - -'],
  ],
  [
    'what ended on the other platform does not count',
    `D platform=mpp : done since=5 \n A : waits=20${below} \n ! agent a1 yt used=1 taken=40`,
    ['C<B<A no_progress 2 - P25'],
  ],
  [
    'a platform that has stood still for just a quarter of an hour',
    `A : waits=15${below}`,
    ['C<B<A waiting_agent 2 - -'],
  ],
  [
    'a platform that has stood still for a little longer',
    `A : waits=16${below}`,
    ['C<B<A no_progress 2 - P25'],
  ],
  [
    'idle agents that have taken nothing for less than an hour',
    `A : waits=59${below}`,
    ['C<B<A no_progress 2 - P25'],
  ],
  [
    'agents with free slots that take nothing',
    `A : waits=20${below} \n ! agent a1 yt`,
    ['C<B<A no_progress 2 - P25'],
  ],
  [
    'idle agents that have taken nothing for an hour',
    `A : waits=61${below} \n ! agent a1 yt`,
    ['C<B<A tasktracker_hung 2 - P13'],
  ],
  [
    'an agent that is at work is not hung',
    `A : waits=61${below} \n ! agent a1 yt slots=2 used=1 taken=3`,
    ['C<B<A waiting_agent 2 - -'],
  ],

  // Configuration.
  ['an upstream that does not exist', `A < GHOST${below}`, ['C<B<A<GHOST dependency_invalid 3 waive P34']],
  [
    'an upstream that does not exist, waived',
    `A < GHOST : waits=2${below} \n ! waive GHOST A`,
    ['C<B<A waiting_agent 2 - -'],
  ],
  [
    'an interface that one load table lacks',
    `A interface no=04113 : failed${below} \n ! table T1 yt 04113 \n ! table T2 yt 04114`,
    ['C<B<A interface_failed 2 rerun P26', 'C<B<A interface_not_configured 2 - P34'],
  ],
  [
    'an interface in all tables',
    `A interface no=04113 : failed${below} \n ! table T1 yt 04113`,
    ['C<B<A interface_failed 2 rerun P26'],
  ],
  [
    'tables of the other platform',
    `A interface no=04113 : running=2${below} \n ! table T1 mpp 04114`,
    ['C<B<A upstream_running 2 - -'],
  ],
  [
    'an unconfigured interface that waits for its files',
    `A interface no=1 event=files${below} \n ! table T1 yt 2`,
    ['C<B<A event_condition_unmet 2 trigger P22', 'C<B<A interface_not_configured 2 - P34'],
  ],
  ['a loop', `A < C \n B < A \n C < B \n D < C`, ['D<C loop 1 waive P34']],
  ['a flow that waits for itself', `A < A \n B < A`, ['B<A loop 1 waive P34']],
  [
    'a loop below a failure is a symptom',
    `X : failed \n A < X B \n B < A \n C < B`,
    ['C<B<A<X upstream_failed 3 rerun P26'],
  ],
  [
    'a loop with a waived edge',
    `A < B : waits=1 \n B < A \n C < B \n ! waive B A`,
    ['C<B<A waiting_agent 2 - -'],
  ],
  [
    'a loop of which one flow was passed',
    `A < B : passed \n B < A : waits=1 \n C < B`,
    ['C<B waiting_agent 1 - -'],
  ],

  // Several ways, several causes.
  [
    'the shortest of two ways',
    `A : failed \n B < A \n C < B \n D < B C A`,
    ['D<A upstream_failed 3 rerun P26'],
  ],
  [
    'two causes, one of a key flow',
    `A : failed since=5 \n K key : failed since=2 \n C < A K`,
    ['C<K upstream_failed 1 rerun P26', 'C<A upstream_failed 1 rerun P26'],
  ],
  [
    'a diamond counts what it blocks once',
    `A gate \n B < A \n C < A \n D < B C`,
    ['D<B<A gate_unconfirmed 3 confirm -'],
  ],
  [
    'what is done is not walked',
    `A : failed \n B < A : passed \n C < B : waits=1`,
    ['C waiting_agent 0 - -'],
  ],
  [
    'a waived edge is not walked',
    `A : failed \n B < A : waits=1 \n C < B \n ! waive A B`,
    ['C<B waiting_agent 1 - -'],
  ],
  [
    'start-now sets upstream flows aside',
    `A : failed \n B < A : startedNow waits=1 \n C < B`,
    ['C<B waiting_agent 1 - -'],
  ],
  [
    'causes on both platforms',
    `A : failed since=9 \n M platform=mpp : waits=4 \n C < A M`,
    ['C<A upstream_failed 1 rerun P26', 'C<M no_live_agent 1 - P19'],
  ],
  [
    'a member of a rerun plan below one that is done',
    `A : member running=2 \n B < A : done \n C < B : member`,
    ['C<B<A upstream_running 1 - -'],
  ],

  // Other runs, and the run as a whole.
  ['a flow of another run', `A < D@day${below}`, ['C<B<A<D other_run 3 waive P21']],
  ['its own earlier period', `A < A@previous \n B < A`, ['B<A<A backlog 2 waive P21']],
  ["another flow's earlier period", `A : done \n B < A@previous \n C < B`, ['C<B<A other_run 2 waive P21']],
  [
    'a flow of another run, waived',
    `A < D@day : waits=1${below} \n ! waive D A`,
    ['C<B<A waiting_agent 2 - -'],
  ],
  ['a closed run', `A${below} \n ! closed 3`, ['* run_closed 3 reopen -']],
  [
    'a closed run in which something failed',
    `A : failed${below} \n ! closed 3`,
    ['* run_closed 3 reopen -', 'C<B<A upstream_failed 2 rerun P26'],
  ],
  [
    'a frozen run',
    `A : failed${below} \n ! frozen ahead`,
    ['* run_frozen 3 - -', 'C<B<A upstream_failed 2 rerun P26'],
  ],
  [
    'a coordinator that does not read',
    `A : running=2${below} \n ! unread 3 1`,
    ['* engine_pending 3 - -', 'C<B<A upstream_running 2 - -'],
  ],
  ['what has run', 'A : done since=3 \n B < A : done since=1', ['B already_ran 0 - -']],
  ['what was passed', 'A : failed \n B < A : passed', ['B already_ran 0 - -']],
];

export interface AgentCalls {
  readonly x?: never;
}

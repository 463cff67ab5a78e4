/**
 * Exit codes of the command-line tool: a closed set, so that a script decides by the number and never by the words.
 * docs/operations/command-line.md says the same to people.
 */
export const EXIT = {
  ok: 0,
  /**
   * verify: the log is not what it has to be, or a file is refused; prove, export: what is stored proves nothing; reindex: the
   * log is not good, or rows are left as they are; claim: a
   * receipt is overdue, or its proof does not hold; tls scan: an endpoint is below the grade that is asked for.
   */
  findings: 1,
  /** The command line, the settings, a file or a certificate has to be corrected. Nothing was done. */
  usage: 2,
  /** submit: at least one event was refused; claim: at least one receipt; prove: no such event, or several. The same again cannot help. */
  refused: 3,
  /** Something that was needed did not answer, or the outcome is not known: try again. Never a success. */
  unavailable: 4,
  /** status: at least one part does not do its work. */
  unhealthy: 5,
  /** alerts: at least one alert is open. */
  alertsOpen: 6,
  /** watch: at least one condition stands. */
  raised: 7,
  /** drill: a verdict was not raised in time, or another one was. Everything was put back. */
  notRaised: 8,
  /** drill: everything was put back, and an alert was not cleared in time. */
  notCleared: 9,
  /** drill: something is not put back; `drill --restore` is needed before anything else. */
  notRestored: 10,
  /** A bug of this tool. */
  bug: 70,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

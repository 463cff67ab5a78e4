/** Why a request is not answered as asked: a closed set of codes, each with its HTTP status. A message says what to do. */

const STATUS = {
  'request.query': 400,
  'request.path': 404,
  'access.unknown': 401,
  'access.denied': 403,
  'rate.exceeded': 429,
  'log.unknown': 404,
  'log.empty': 404,
  'log.beyond': 404,
  'log.absent': 404,
  'log.damaged': 500,
  'read.unrecorded': 503,
  unavailable: 503,
  internal: 500,
} as const;

export type ProblemCode = keyof typeof STATUS;
export const PROBLEMS = Object.keys(STATUS) as ProblemCode[];

export class Problem extends Error {
  readonly fate = 'refuse';
  readonly status: number;

  constructor(
    readonly code: ProblemCode,
    message: string,
    /** Seconds after which asking again makes sense. */
    readonly retryAfter: number | null = null,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'Problem';
    this.status = STATUS[code];
  }
}

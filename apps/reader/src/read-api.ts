/**
 * From a request to its answer: what is asked for, whether it may pass (gate.ts), the work, and what a failure is called. One
 * method for each kind of route; the controllers call these and nothing else.
 */
import { FormatError } from '@everseal/audit-core';
import { codeOf, fateOf, RetryLater, type Logger } from '@everseal/process';
import type { PublicPart } from './client.js';
import { jsonAnswer, sendAnswer, type Answer, type Reply, type Request } from './exchange.js';
import type { Gate } from './gate.js';
import type { JsonApi } from './json-api.js';
import { answerTree, CROSS_ORIGIN, parseTreePath, readingOf } from './log-tree.js';
import { openApiDocument } from './openapi.js';
import { OPERATIONS, type OperationId } from './operations.js';
import { Problem } from './problem.js';
import type { ServedLedger } from './served-ledger.js';
import { parseQuery } from './strict-query.js';

export type LedgerOperation = Exclude<OperationId, 'ledgers'>;

export interface ReadApiParts {
  readonly ledgers: ReadonlyMap<string, ServedLedger>;
  readonly publicParts: ReadonlyMap<string, PublicPart>;
  readonly gate: Gate;
  readonly json: JsonApi;
  readonly logger: Pick<Logger, 'error' | 'warn'>;
  /** Counts answers. */
  readonly onAnswer: (operation: string, status: number) => void;
}

const A_DAY = 86_400;
const UNKNOWN_PATH = 'there is nothing at this path: /openapi.json and docs/operations/reader.md say what there is';

export class ReadApi {
  private readonly document = openApiDocument();

  constructor(private readonly parts: ReadApiParts) {}

  /** Anything below `/log/`. */
  tree(request: Request, reply: Reply): Promise<void> {
    return this.answer('tree', reply, async () => {
      const found = parseTreePath(request.raw.url ?? '');
      if (found === null) {
        this.parts.gate.passOpen(request);
        throw new Problem('request.path', UNKNOWN_PATH);
      }
      const reading = readingOf(found.path);
      const ledger = this.passed(request, found.ledger, found.path.kind, reading);
      return answerTree(ledger.served, found.path, ledger.access === 'open', request.raw.headers['accept-encoding']);
    });
  }

  /** A browser asks before it sends a token to another origin. */
  preflight(request: Request, reply: Reply): Promise<void> {
    return this.answer('preflight', reply, () => {
      this.parts.gate.passOpen(request);
      const allow = { 'access-control-allow-methods': 'GET, HEAD', 'access-control-allow-headers': 'authorization' };
      const headers = { ...CROSS_ORIGIN, ...allow, 'access-control-max-age': String(A_DAY) };
      return Promise.resolve({ status: 204, headers, body: '' });
    });
  }

  openApi(request: Request, reply: Reply): Promise<void> {
    return this.answer('openapi', reply, () => {
      this.parts.gate.passOpen(request);
      return Promise.resolve(jsonAnswer(this.document, 200, CROSS_ORIGIN));
    });
  }

  ledgers(request: Request, reply: Reply): Promise<void> {
    return this.answer('ledgers', reply, () => {
      const client = this.parts.gate.passAny(request);
      parseQuery(request.raw.url ?? '', OPERATIONS.ledgers.query);
      const mine = [...this.parts.ledgers.values()].filter(({ name }) => client.ledgers.includes(name));
      const ledgers = mine.map(({ name, origin, log }) => {
        return { name, origin, size: log.newest?.size ?? null, public: this.parts.publicParts.get(name) };
      });
      return Promise.resolve(jsonAnswer({ ledgers }));
    });
  }

  /** An operation on one ledger; the path's parameters are `ledger`, and `number` where it has a second one. */
  operation(id: LedgerOperation, request: Request, reply: Reply): Promise<void> {
    return this.answer(id, reply, () => {
      const { ledger: name = '', number = '' } = request.params as Partial<Record<string, string>>;
      const { served } = this.passed(request, name, id, OPERATIONS[id].reading);
      return this.parts.json[id]({ ledger: served, target: request.raw.url ?? '', number });
    });
  }

  /** What is at no route. */
  absent(request: Request, reply: Reply): Promise<void> {
    return this.answer('absent', reply, () => {
      this.parts.gate.passOpen(request);
      throw new Problem('request.path', UNKNOWN_PATH);
    });
  }

  private passed(
    request: Request,
    name: string,
    operation: string,
    reading: 'hashes' | 'bundles' | 'content',
  ): { served: ServedLedger; access: 'open' | 'allowed' } {
    const served = this.parts.ledgers.get(name);
    if (served === undefined) {
      this.parts.gate.passAny(request);
      throw new Problem('log.unknown', 'there is no such ledger: /api lists those that you may read');
    }
    const { origin } = served;
    return { served, access: this.parts.gate.pass(request, { ledger: name, origin, operation, reading }) };
  }

  private async answer(operation: string, reply: Reply, work: () => Promise<Answer>): Promise<void> {
    let answer: Answer;
    try {
      answer = await work();
    } catch (error) {
      const problem = this.problemOf(error);
      if (problem.status >= 500) this.parts.logger.warn({ err: error, operation }, problem.message);
      answer = problemAnswer(problem);
    }
    this.parts.onAnswer(operation, answer.status);
    sendAnswer(reply, answer);
  }

  private problemOf(error: unknown): Problem {
    if (error instanceof Problem) return error;
    if (error instanceof FormatError || (error instanceof RetryLater && error.code === 'log.damaged')) {
      const message =
        'what is stored cannot be read as sealed: ask the operator, whose verifier names what was changed';
      return new Problem('log.damaged', message, null, { cause: error });
    }
    if (fateOf(error) === 'retry') {
      return new Problem('unavailable', 'the database does not answer in time: ask again', 1, { cause: error });
    }
    this.parts.logger.error({ err: error, code: codeOf(error) }, 'a request failed');
    return new Problem('internal', 'this reader failed; its log says how', null, { cause: error });
  }
}

export function problemAnswer({ status, code, message, retryAfter }: Problem): Answer {
  const retry: Record<string, string> = retryAfter === null ? {} : { 'retry-after': String(retryAfter) };
  const who: Record<string, string> = status === 401 ? { 'www-authenticate': 'Bearer' } : {};
  return jsonAnswer({ error: { code, message } }, status, { ...retry, ...who, ...CROSS_ORIGIN });
}

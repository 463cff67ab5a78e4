/** The OpenAPI 3.1 document, written from operations.ts: what it says of parameters is what their parser takes. */
import { z } from 'zod';
import { OPERATIONS, type Operation } from './operations.js';
import { PROBLEMS } from './problem.js';

const PARAMETERS: Readonly<Record<string, object>> = {
  ledger: { schema: { type: 'string', pattern: '^[a-z0-9][a-z0-9-]{0,47}$' }, description: 'Name of the ledger.' },
  size: { schema: { type: 'integer', minimum: 1 }, description: 'Size of a checkpoint.' },
  height: { schema: { type: 'integer', minimum: 0 }, description: 'Height of a block.' },
  index: { schema: { type: 'integer', minimum: 0 }, description: 'Index of an entry in the log.' },
};

const PROBLEM = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: {
        code: { type: 'string', enum: PROBLEMS },
        message: { type: 'string', description: 'What is wrong and what to do.' },
      },
    },
  },
};

const TEXT = { 'text/plain': { schema: { type: 'string' } } };

interface JsonSchema {
  properties?: Record<string, { description?: string }>;
  required?: string[];
}

export function openApiDocument(): object {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Everseal read API',
      version: '1',
      description:
        'Tamper-evident audit log. Beside these operations each ledger is served as a C2SP tlog-tiles log under /log/<ledger>/. ' +
        'Nothing here has to be believed: proofs and checkpoints verify with public keys alone.',
    },
    paths: Object.fromEntries(Object.values(OPERATIONS).map((one) => [one.path, { get: operation(one) }])),
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'On the listener without certificates.' },
        certificate: { type: 'mutualTLS', description: 'Of an auditor, on the listener for certificates.' },
      },
      schemas: { Problem: PROBLEM },
    },
    security: [{ token: [] }, { certificate: [] }],
  };
}

function operation({ id, path, summary, reading, query, answer, holds }: Operation): object {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    ...PARAMETERS[name],
  }));
  const recorded = reading === 'content' ? ' The read is recorded in the system ledger.' : '';
  return {
    operationId: id,
    summary,
    description: `${holds}${recorded}`,
    parameters: [...inPath, ...inQuery(query)],
    responses: {
      200: {
        description: holds,
        content: answer === null ? TEXT : { 'application/json': { schema: z.toJSONSchema(answer) } },
      },
      default: {
        description: 'The request is not answered; the code says why.',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  };
}

function inQuery(query: z.ZodObject): object[] {
  const { properties = {}, required = [] } = z.toJSONSchema(query, { io: 'input' }) as JsonSchema;
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    description,
    schema,
  }));
}

import { describe, expect, it } from '@jest/globals';
import { createLogger } from './logger.js';
import { NestLogger } from './nest-logger.js';

function capture(level = 'info') {
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger('sealer', 's1', level, { write: (line) => void lines.push(JSON.parse(line)) });
  return { logger, lines };
}

describe('createLogger', () => {
  it('writes one JSON object a line, with who and when', () => {
    const { logger, lines } = capture();
    logger.info({ height: 3 }, 'sealed');
    logger.debug({}, 'not written');
    expect(lines).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        service: 'sealer',
        name: 's1',
        height: 3,
        msg: 'sealed',
      },
    ]);
  });

  it('never writes a private key', () => {
    const { logger, lines } = capture();
    logger.info({ skey: 'PRIVATE+KEY+x', tls: { key: 'PEM' }, cert: 'fine' }, 'x');
    expect(lines[0]).toMatchObject({ skey: '[redacted]', tls: { key: '[redacted]' }, cert: 'fine' });
  });
});

describe('NestLogger', () => {
  it('puts the framework below our own lines, errors excepted', () => {
    const { logger, lines } = capture('debug');
    const nest = new NestLogger(logger);
    nest.log('Mapped {/live, GET} route', 'RouterExplorer');
    nest.error(new Error('boom'), 'stack', 'ExceptionsHandler');
    nest.warn({ a: 1 }, 'Nest');
    expect(lines).toMatchObject([
      { level: 'debug', context: 'RouterExplorer', msg: 'Mapped {/live, GET} route' },
      { level: 'error', context: 'ExceptionsHandler', msg: 'boom', more: ['stack'], err: { message: 'boom' } },
      { level: 'warn', context: 'Nest', a: 1 },
    ]);
  });
});

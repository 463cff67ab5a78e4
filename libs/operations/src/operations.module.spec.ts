import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createMetrics, exposeCounts, Health, type Condition } from '@everseal/process';
import { OperationsModule } from './operations.module.js';

let now: number;
let health: Health;
let nats: Condition;
let app: NestFastifyApplication;
let reconnects: number;

beforeEach(async () => {
  now = 0;
  reconnects = 0;
  health = new Health(() => now);
  nats = health.condition('nats', 'not connected yet');
  const registry = createMetrics('ingest', 'a', health);
  exposeCounts(registry, 'everseal_nats_total', 'What happened to the connection', 'what', () => ({ reconnects }));
  const module = await Test.createTestingModule({ imports: [OperationsModule.with(health, registry)] }).compile();
  app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter());
  await app.init();
});
afterEach(() => app.close());

const get = (url: string) => app.inject({ method: 'GET', url });

describe('OperationsModule', () => {
  it('turns from 503 with the reason to 200 and back', async () => {
    const before = await get('/ready');
    expect(before.statusCode).toBe(503);
    expect(before.headers['cache-control']).toBe('no-store');
    expect(before.json()).toMatchObject({
      status: 'not ready',
      conditions: [{ name: 'nats', ok: false, reason: 'not connected yet' }],
    });
    nats.ok();
    expect((await get('/ready')).statusCode).toBe(200);
    nats.fail('disconnected');
    expect((await get('/ready')).json()).toMatchObject({ conditions: [{ reason: 'disconnected' }] });
  });

  it('is live while nothing outside works, and not when a loop hangs', async () => {
    const pulse = health.pulse('seal', 1000);
    expect((await get('/live')).statusCode).toBe(200);
    now = 1001;
    const stuck = await get('/live');
    expect(stuck.statusCode).toBe(503);
    expect(stuck.json()).toEqual({ status: 'stuck', loops: [{ name: 'seal', ok: false, age: 1001, within: 1000 }] });
    pulse.tick();
    expect((await get('/live')).statusCode).toBe(200);
  });

  it('serves metrics with who they are of', async () => {
    reconnects = 3;
    await get('/metrics');
    const { headers, payload } = await get('/metrics');
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(payload).toContain('everseal_ready{condition="nats",service="ingest",instance_name="a"} 0');
    expect(payload).toContain('everseal_nats_total{what="reconnects",service="ingest",instance_name="a"} 3');
    expect(payload).toContain('process_cpu_user_seconds_total');
  });

  it('knows nothing else', async () => {
    expect((await get('/')).statusCode).toBe(404);
  });
});

import { createServer, type Server } from 'node:https';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Authority, CertificateFolder } from '../../../libs/tls/src/certificates.fixture.js';
import { askService } from './ask-service.js';
import type { OpsSettings } from './config.js';

let folder: CertificateFolder;
let ops: OpsSettings;
let server: Server;
let answer: RequestListener;

beforeAll(async () => {
  folder = await CertificateFolder.create();
  const [servers, clients] = [await Authority.create('servers'), await Authority.create('clients')];
  const files = await folder.write('ops', await clients.issue());
  const caFile = await folder.put('roots.crt', servers.pem);
  ops = { ...files, caFile } as OpsSettings;
  const { cert, key } = await servers.issueServer();
  server = createServer({ cert, key }, (request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await folder.remove();
});

const ask = () => askService(`https://localhost:${(server.address() as AddressInfo).port}`, '/live', ops);

it.each<[string, RequestListener, RegExp]>([
  [
    'changes the protocol',
    (_, response) => void response.writeHead(101, { connection: 'upgrade', upgrade: 'x' }).end(),
    /closed without an answer/,
  ],
  [
    'cuts its answer off',
    (_, response) => void response.writeHead(200).write('{', () => response.destroy()),
    /aborted|Premature/,
  ],
  ['answers without an end', (_, response) => endless(response, Buffer.alloc(65_536, 'x'), 0), /too long/],
  ['answers a byte a moment', (_, response) => endless(response, Buffer.from('x'), 200), /^no answer within 5000 ms$/],
  ['says nothing', () => {}, /^no answer within 5000 ms$/],
])('a service that %s is a finding; control: one that answers', async (_, listener, problem) => {
  answer = listener;
  expect(await ask()).toEqual({ status: 0, body: '', problem: expect.stringMatching(problem) });
  answer = (request, response) => void response.writeHead(503).end(request.url);
  expect(await ask()).toEqual({ status: 503, body: '/live', problem: '' });
});

function endless(response: Parameters<RequestListener>[1], chunk: Buffer, pauseMs: number): void {
  if (!response.destroyed) response.write(chunk, () => setTimeout(() => endless(response, chunk, pauseMs), pauseMs));
}

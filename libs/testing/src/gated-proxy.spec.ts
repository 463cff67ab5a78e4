import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { waitUntil } from '@everseal/local';
import { GatedProxy } from './gated-proxy.js';

/** A server that says everything back. */
let echo: Server;
let proxy: GatedProxy;
const sockets: Socket[] = [];

beforeEach(async () => {
  echo = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined).pipe(socket);
  });
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  proxy = await GatedProxy.start((echo.address() as AddressInfo).port);
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await proxy.stop();
  await new Promise((resolve) => echo.close(resolve));
});

/** A connection through the proxy, and what it has heard. */
async function open(): Promise<{ socket: Socket; heard: () => string; isClosed: () => boolean }> {
  const socket = connect(proxy.port, '127.0.0.1');
  sockets.push(socket);
  let [text, isClosed] = ['', false];
  socket.on('error', () => undefined);
  socket.on('data', (bytes) => (text += bytes.toString()));
  socket.on('close', () => (isClosed = true));
  await new Promise((resolve) => socket.once('connect', resolve));
  return { socket, heard: () => text, isClosed: () => isClosed };
}

async function says({ socket, heard }: Awaited<ReturnType<typeof open>>, word: string): Promise<void> {
  socket.write(word);
  await waitUntil(() => heard().endsWith(word), { what: `"${word}" back`, timeoutMs: 20_000 });
}

describe('the proxy', () => {
  it('holds one direction and loses nothing of it', async () => {
    const client = await open();
    await says(client, 'one');
    proxy.shut('toClient');
    client.socket.write('two');
    proxy.open('toClient');
    await waitUntil(() => client.heard() === 'onetwo', { what: 'what was held', timeoutMs: 20_000 });
  });

  it('freezes what stands, says so to nobody, and lets new ones through; healed, the frozen ones break', async () => {
    const frozen = await open();
    await says(frozen, 'one');
    proxy.freeze();
    frozen.socket.write('two');
    const fresh = await open();
    await says(fresh, 'three');
    expect([frozen.heard(), frozen.isClosed()]).toEqual(['one', false]);
    proxy.heal();
    await waitUntil(() => frozen.isClosed(), { what: 'the frozen one closed', timeoutMs: 20_000 });
    await says(fresh, 'four');
    expect(frozen.heard()).toBe('one');
  });

  it('passes everything on later and in order, and cuts', async () => {
    const client = await open();
    proxy.delayMs = 20;
    for (const word of ['a', 'b', 'c']) client.socket.write(word);
    await waitUntil(() => client.heard() === 'abc', { what: 'all of it, in order', timeoutMs: 20_000 });
    proxy.cut();
    await waitUntil(() => client.isClosed(), { what: 'the connection cut', timeoutMs: 20_000 });
  });
});

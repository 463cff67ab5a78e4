import { describe, expect, it } from '@jest/globals';
import { parseEndpoint } from './endpoint.js';

describe('an endpoint', () => {
  it.each([
    ['https://localhost', 'https://localhost:443'],
    ['https+mtls://reader.example.com:8443/', 'https+mtls://reader.example.com:8443'],
    ['nats://10.0.0.1', 'nats://10.0.0.1:4222'],
    ['nats+tlsfirst://[::1]:4222', 'nats+tlsfirst://[::1]:4222'],
    ['postgres://db.example.com', 'postgres://postgres@db.example.com:5432/postgres'],
    ['postgres+direct://everseal_sealer@db:5433/everseal', 'postgres+direct://everseal_sealer@db:5433/everseal'],
  ])('%s', (text, url) => {
    expect(parseEndpoint(text).url).toBe(url);
    expect(parseEndpoint(url)).toEqual(parseEndpoint(text));
  });

  it('says whether clients must show a certificate', () => {
    expect(parseEndpoint('https://a').wantsCertificate).toBe(false);
    for (const scheme of ['https+mtls', 'nats', 'nats+tlsfirst', 'postgres', 'postgres+direct']) {
      expect(parseEndpoint(`${scheme}://a`).wantsCertificate).toBe(true);
    }
  });

  it.each([
    'localhost:443',
    'tls://localhost:443',
    'https://',
    'https://localhost:0',
    'https://localhost:65536',
    'https://localhost:4222/path',
    'https://user@localhost',
    'nats://a b',
    'nats://a\n',
    'postgres://ro le@a',
    'postgres://a/b/c',
    'https://[1.2.3.4]:4',
  ])('is not %s', (text) => {
    expect(() => parseEndpoint(text)).toThrow(TypeError);
  });
});

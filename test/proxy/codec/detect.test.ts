import assert from 'node:assert/strict';
import { test } from 'node:test';
import { detect, type Detected } from '../../../src/proxy/codec/detect.ts';

const cases: readonly (readonly [string, Detected])[] = [
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'http2'],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04', 'http2'],
  ['PRI * HTTP/2.0\r\n\r\nXX', 'http1'],
  ['GET / HTTP/1.1\r\n', 'http1'],
  ['P /x?y=z HTTP/1.0', 'http1'],
  ['BASELINE-CONTROL * HTTP/1.1', 'http1'],
  ['CONNECT db:5432 HTTP/1.1', 'http1'],
  ['GET http://a/ HTTP/1.1', 'http1'],
  [`GET /${'a'.repeat(300)}`, 'http1'],
  ['\x16\x03\x01\x02\0\x01', 'tls'],
  ['\x16\x03\x03\0\x05\x02', 'other'],
  ['\x16\x02', 'other'],
  ['SSH-2.0-OpenSSH', 'other'],
  ['HELO mail.example\r\n', 'other'],
  ['EHLO x y z\r\n', 'other'],
  ['*1\r\n$4\r\nPING\r\n', 'other'],
  ['get key\r\n', 'other'],
  ['GET key\r\n', 'other'],
  ['GET / FTP/1.0\r\n', 'other'],
  ['\0\0\0\x08\x04\xd2\x16\x2f', 'other'],
  [' GET / HTTP/1.1', 'other'],
  ['ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'other'],
  ['GET', 'more'],
  ['GET ', 'more'],
  ['GET /', 'more'],
  ['GET / HT', 'more'],
  ['PRI * HTTP/2.0\r\n', 'more'],
  ['\x16\x03\x01', 'more'],
  ['', 'more'],
];

for (const [text, expected] of cases) {
  test(`detect: ${JSON.stringify(text.slice(0, 40))} is ${expected}`, () => {
    const bytes = Buffer.from(text, 'latin1');
    assert.equal(detect(bytes), expected);
    // What a shorter part decides, the whole must not take back.
    for (let i = 0; i < bytes.length; i++) {
      const early = detect(bytes.subarray(0, i));
      if (early !== 'more') assert.equal(early, expected, `after ${i} bytes`);
    }
  });
}

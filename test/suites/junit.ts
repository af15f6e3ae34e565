import { readFileSync } from 'node:fs';
import type { SuiteContext } from './suite.ts';

/** Takes over the verdicts of a JUnit file, as h2spec writes it. @returns how many cases it holds */
export function reportJunit(context: SuiteContext, file: string, label: string): number {
  const xml = readFileSync(file, 'utf8');
  let cases = 0;
  for (const [, attributes = '', body = ''] of xml.matchAll(/<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)) {
    const name = `${label} ${attribute(attributes, 'package')} ${attribute(attributes, 'classname')}`;
    cases++;
    if (/<skipped/.test(body)) context.skip(name, 'the suite skips it');
    else if (/<(failure|error)/.test(body)) context.fail(name, unescape(body.replace(/<[^>]*>/g, ' ')).trim());
    else context.pass(name);
  }
  return cases;
}

function attribute(attributes: string, name: string): string {
  return unescape(new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? '');
}

function unescape(text: string): string {
  const named: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };
  return text
    .replace(/&#(?:x([0-9A-Fa-f]+)|(\d+));/g, (_, hex: string | undefined, dec: string) =>
      String.fromCodePoint(hex === undefined ? Number(dec) : parseInt(hex, 16)),
    )
    .replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => named[name]!);
}

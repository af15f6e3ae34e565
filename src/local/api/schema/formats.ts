import { isIP, isIPv4, isIPv6 } from 'node:net';

const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

/** Formats that Kubernetes checks on custom resources; others say nothing. */
const FORMATS: Readonly<Record<string, (value: string) => boolean>> = {
  'date-time': (v) =>
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i.test(v) && !Number.isNaN(Date.parse(v)),
  datetime: (v) => !Number.isNaN(Date.parse(v)),
  date: (v) => /^\d{4}-\d\d-\d\d$/.test(v) && !Number.isNaN(Date.parse(v)),
  duration: (v) => /^([+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d|w))+$/.test(v.replaceAll(' ', '')) || v === '0',
  email: (v) => /^[^\s@]+@[^\s@]+$/.test(v),
  hostname: (v) =>
    v.length <= 253 && /^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*$/.test(v),
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: (v) => {
    const [address = '', bits = ''] = v.split('/');
    const family = isIP(address);
    return family !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
  },
  uri: (v) => URL.canParse(v),
  uuid: (v) => UUID.test(v),
  byte: (v) => /^[A-Za-z0-9+/]*={0,2}$/.test(v) && v.length % 4 === 0,
};

/** Says that a value is not of the format, or undefined when it is or the format is not checked. */
export function formatProblem(format: string, value: string): string | undefined {
  const check = FORMATS[format];
  return check === undefined || check(value) ? undefined : `no ${format}`;
}

import { ApiError } from '../../api-error.ts';
import { arrayOf, type JsonObject, objectOf, objectsOf, stringOf, stringsOf } from '../json.ts';
import type { UserInfo } from '../kinds/kind.ts';
import type { Store } from '../store/store.ts';

export type Attributes =
  | {
      readonly verb: string;
      readonly group: string;
      readonly resource: string;
      readonly subresource: string;
      readonly namespace: string;
      readonly name: string;
    }
  | { readonly verb: string; readonly path: string };

export interface Authorizer {
  decide(user: UserInfo, attributes: Attributes): { readonly allowed: boolean; readonly reason: string };
  /** What SelfSubjectRulesReview answers. */
  rules(user: UserInfo, namespace: string): JsonObject;
}

/** Everybody who is known may do everything: local mode is one developer's own machine. */
export const allowAll: Authorizer = {
  decide: () => ({ allowed: true, reason: 'local mode allows everything to everybody who presents a valid token' }),
  rules: () => ({
    resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
    nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
    incomplete: false,
  }),
};

/** Decides by the RBAC objects in the store, as a cluster does; for tests of what a chart's roles really allow. */
export function rbacAuthorizer(store: Store): Authorizer {
  const rulesOf = (user: UserInfo, namespace: string): { rule: JsonObject; via: string }[] => {
    const bindings = [
      ...store.resource('rbac.authorization.k8s.io/clusterrolebindings').all(),
      ...store
        .resource('rbac.authorization.k8s.io/rolebindings')
        .all()
        .filter((b) => b.metadata.namespace === namespace),
    ];
    return bindings
      .filter((b) => objectsOf(b['subjects']).some((s) => isSubject(s, user)))
      .flatMap((b) => {
        const { kind, name } = objectOf(b['roleRef']);
        const role =
          kind === 'Role'
            ? store.resource('rbac.authorization.k8s.io/roles').get(b.metadata.namespace ?? '', stringOf(name))
            : store.resource('rbac.authorization.k8s.io/clusterroles').get('', stringOf(name));
        const via = `RBAC: allowed by ${b.kind} "${b.metadata.name}" of ${stringOf(kind)} "${stringOf(name)}"`;
        return objectsOf(role?.['rules']).map((rule) => ({ rule, via }));
      });
  };
  return {
    decide(user, attributes) {
      if (user.groups.includes('system:masters')) return { allowed: true, reason: '' };
      const namespace = 'path' in attributes ? '' : attributes.namespace;
      const found = rulesOf(user, namespace).find(({ rule }) => allows(rule, attributes));
      return { allowed: found !== undefined, reason: found?.via ?? '' };
    },
    rules(user, namespace) {
      const rules = rulesOf(user, namespace).map(({ rule }) => rule);
      return {
        resourceRules: rules.filter((r) => arrayOf(r['resources']).length > 0),
        nonResourceRules: rules.filter((r) => arrayOf(r['nonResourceURLs']).length > 0),
        incomplete: false,
      };
    },
  };
}

function isSubject({ kind, name, namespace }: JsonObject, user: UserInfo): boolean {
  if (kind === 'User') return name === user.username;
  if (kind === 'Group') return user.groups.includes(stringOf(name));
  return user.username === `system:serviceaccount:${stringOf(namespace)}:${stringOf(name)}`;
}

function allows(rule: JsonObject, attributes: Attributes): boolean {
  if (!covers(rule['verbs'], attributes.verb)) return false;
  if ('path' in attributes) {
    return stringsOf(rule['nonResourceURLs']).some(
      (url) =>
        url === '*' || url === attributes.path || (url.endsWith('*') && attributes.path.startsWith(url.slice(0, -1))),
    );
  }
  const { group, resource, subresource, name } = attributes;
  const names = stringsOf(rule['resourceNames']);
  if (!covers(rule['apiGroups'], group) || (names.length > 0 && !names.includes(name))) return false;
  const full = subresource === '' ? resource : `${resource}/${subresource}`;
  return (
    covers(rule['resources'], full) || (subresource !== '' && stringsOf(rule['resources']).includes(`*/${subresource}`))
  );
}

function covers(list: unknown, value: string): boolean {
  const values = stringsOf(list);
  return values.includes('*') || values.includes(value);
}

/** The refusal that kubectl prints. */
export function refusal(user: UserInfo, attributes: Attributes): ApiError {
  if ('path' in attributes) {
    return new ApiError(
      403,
      'Forbidden',
      `forbidden: User "${user.username}" cannot ${attributes.verb} path "${attributes.path}"`,
      {},
    );
  }
  const { verb, group, resource, subresource, namespace, name } = attributes;
  const full = subresource === '' ? resource : `${resource}/${subresource}`;
  const scope = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  const qualified = group === '' ? resource : `${resource}.${group}`;
  const message = `${qualified}${name === '' ? '' : ` "${name}"`} is forbidden: User "${user.username}" cannot ${verb} resource "${full}" in API group "${group}" ${scope}`;
  return new ApiError(403, 'Forbidden', message, { name, group, kind: resource });
}

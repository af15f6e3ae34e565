/** One command of the session. */
export interface Step {
  /** Arguments after `kubectl`, split at blanks; quoted parts stay together. */
  readonly run: string;
  readonly stdin?: string;
  /**
   * What is compared beside the exit code: the normalised text (the default), only the paths of the fields of a JSON
   * object, or nothing more.
   */
  readonly compare?: 'text' | 'fields' | 'code';
  /** What has to be the exit code, on any server. */
  readonly fails?: true;
  /** Repeated until it ends as it has to: Kubernetes publishes the schema of a new kind some time after the kind. */
  readonly settles?: true;
}

const NS = 'weft-session';

const yaml = (...lines: readonly string[]): string => `${lines.join('\n')}\n`;

const DEPLOYMENT = yaml(
  'apiVersion: apps/v1',
  'kind: Deployment',
  `metadata: {name: web, namespace: ${NS}, labels: {app: web}}`,
  'spec:',
  '  replicas: 2',
  '  selector: {matchLabels: {app: web}}',
  '  template:',
  '    metadata: {labels: {app: web}}',
  '    spec:',
  '      terminationGracePeriodSeconds: 0',
  '      containers:',
  '      - name: web',
  '        image: weft.test/none:1',
  '        imagePullPolicy: Never',
  '        ports: [{containerPort: 8080, name: http}]',
  '        env: [{name: A, value: "1"}, {name: B, value: "2"}]',
);

const SERVICE = yaml(
  'apiVersion: v1',
  'kind: Service',
  `metadata: {name: web, namespace: ${NS}}`,
  'spec:',
  '  selector: {app: web}',
  '  ports: [{name: http, port: 80, targetPort: http}]',
);

const CRD = yaml(
  'apiVersion: apiextensions.k8s.io/v1',
  'kind: CustomResourceDefinition',
  'metadata: {name: gadgets.session.weft.dev}',
  'spec:',
  '  group: session.weft.dev',
  '  scope: Namespaced',
  '  names: {plural: gadgets, singular: gadget, kind: Gadget, shortNames: [gd]}',
  '  versions:',
  '  - name: v1',
  '    served: true',
  '    storage: true',
  '    subresources: {status: {}, scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.size}}',
  '    additionalPrinterColumns:',
  '    - {name: Size, type: integer, jsonPath: .spec.size}',
  '    - {name: Ready, type: string, jsonPath: ".status.conditions[?(@.type==\\"Ready\\")].status"}',
  '    - {name: Note, type: string, jsonPath: .spec.note, priority: 1}',
  '    schema:',
  '      openAPIV3Schema:',
  '        type: object',
  '        description: A gadget of the session.',
  '        properties:',
  '          spec:',
  '            type: object',
  '            required: [size]',
  '            properties:',
  '              size: {type: integer, minimum: 1, maximum: 10, description: How big it is.}',
  '              color: {type: string, enum: [red, green], default: red}',
  '              note: {type: string, maxLength: 8, pattern: "^[a-z]*$"}',
  '              parts: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [name], items: {type: object, required: [name], properties: {name: {type: string}, count: {type: integer}}}}',
  '          status:',
  '            type: object',
  '            x-kubernetes-preserve-unknown-fields: true',
);

const gadget = (name: string, spec: string) =>
  yaml(
    'apiVersion: session.weft.dev/v1',
    'kind: Gadget',
    `metadata: {name: ${name}, namespace: ${NS}}`,
    `spec: ${spec}`,
  );

const configMap = (name: string, rest: string) =>
  yaml('apiVersion: v1', 'kind: ConfigMap', `metadata: {name: ${name}, namespace: ${NS}}`, rest);

const configMapItem = (name: string) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: NS },
  data: { a: '1' },
});

const list = (items: readonly object[]) => JSON.stringify({ apiVersion: 'v1', kind: 'List', items });

const JOB = yaml(
  'apiVersion: batch/v1',
  'kind: Job',
  `metadata: {name: once, namespace: ${NS}}`,
  'spec: {suspend: true, template: {spec: {restartPolicy: Never, containers: [{name: c, image: weft.test/none:1, imagePullPolicy: Never}]}}}',
);

/** The session: good and bad commands, in an order in which each finds what it needs. */
export const STEPS: readonly Step[] = [
  // Namespaces
  { run: `create namespace ${NS}` },
  { run: `create namespace ${NS}`, fails: true },
  { run: 'create namespace Not_A_Name', fails: true },
  { run: `get namespace ${NS}` },
  { run: `get namespace ${NS} -o json`, compare: 'fields' },
  { run: 'get namespace weft-session-none', fails: true },
  { run: 'delete namespace default', fails: true },
  // ConfigMaps and Secrets
  { run: `-n ${NS} create configmap one --from-literal=a=1 --from-literal=b=2` },
  { run: `-n ${NS} create configmap one --from-literal=a=1`, fails: true },
  { run: `-n ${NS} get configmap one` },
  { run: `-n ${NS} get configmap one -o json`, compare: 'fields' },
  { run: `-n ${NS} get configmap one -o jsonpath={.data.a}` },
  { run: `-n ${NS} get configmap none`, fails: true },
  { run: `-n ${NS} get configmap one none`, fails: true },
  { run: `-n ${NS} get nonsense`, fails: true },
  { run: 'apply -f -', stdin: configMap('two', 'data: {x: "1"}') },
  { run: 'apply -f -', stdin: configMap('two', 'data: {x: "1"}') },
  { run: 'apply -f -', stdin: configMap('two', 'data: {x: "2", y: "3"}') },
  { run: 'diff -f -', stdin: configMap('two', 'data: {x: "2", y: "3"}') },
  { run: 'apply -f - --dry-run=server', stdin: configMap('two', 'data: {x: "9"}') },
  { run: `-n ${NS} get configmap two -o jsonpath={.data}` },
  { run: 'apply -f -', stdin: configMap('two', 'dta: {x: "1"}'), fails: true },
  { run: 'apply -f - --validate=warn', stdin: configMap('two', 'dta: {x: "1"}') },
  { run: 'apply -f -', stdin: configMap('two', 'data: {x: 1}'), fails: true },
  { run: 'apply -f -', stdin: configMap('Bad_Name', 'data: {}'), fails: true },
  { run: 'apply -f -', stdin: configMap('three', 'data: {"bad key": "1"}'), fails: true },
  { run: `-n ${NS} patch configmap one --type=merge -p {"data":{"a":null,"c":"4"}}` },
  { run: `-n ${NS} patch configmap one --type=json -p [{"op":"replace","path":"/data/b","value":"5"}]` },
  { run: `-n ${NS} patch configmap one --type=json -p [{"op":"remove","path":"/data/zzz"}]`, fails: true },
  { run: `-n ${NS} patch configmap one --type=json -p [{"op":"test","path":"/data/b","value":"x"}]`, fails: true },
  { run: `-n ${NS} patch configmap one -p {"metadata":{"labels":{"tier":"back"}}}` },
  { run: `-n ${NS} patch configmap one -p {"metadata":{"labels":{"tier":"back"}}}` },
  { run: `-n ${NS} label configmap one color=red` },
  { run: `-n ${NS} label configmap one color=blue`, fails: true },
  { run: `-n ${NS} label configmap one color=-bad-`, fails: true },
  { run: `-n ${NS} label configmap one color=blue --overwrite` },
  { run: `-n ${NS} annotate configmap one note=hello` },
  { run: `-n ${NS} get configmap -l color=blue,tier --show-labels` },
  { run: `-n ${NS} get configmap -l color=green` },
  { run: `-n ${NS} get configmap -l a=b=c`, fails: true },
  { run: `-n ${NS} get configmap --field-selector metadata.name=one` },
  { run: `-n ${NS} get configmap --field-selector data.a=1`, fails: true },
  { run: 'apply -f -', stdin: configMap('fixed', 'immutable: true\ndata: {a: "1"}') },
  { run: 'apply -f -', stdin: configMap('fixed', 'immutable: true\ndata: {a: "2"}'), fails: true },
  { run: 'replace -f -', stdin: configMap('nobody', 'data: {}'), fails: true },
  { run: 'apply -f -', stdin: list([configMapItem('l1'), configMapItem('l2')]) },
  { run: 'apply -f -', stdin: list([configMapItem('l3'), { ...configMapItem('l4'), dta: {} }]), fails: true },
  { run: `-n ${NS} get configmap l1 l2 l3`, fails: true },
  { run: `-n ${NS} create secret generic key --from-literal=token=s3cret` },
  { run: `-n ${NS} get secret key` },
  { run: `-n ${NS} get secret key -o jsonpath={.data.token}` },
  { run: `-n ${NS} describe secret key` },
  // Services
  { run: 'apply -f -', stdin: SERVICE },
  { run: `-n ${NS} get service web` },
  { run: `-n ${NS} get service web -o wide` },
  { run: `-n ${NS} get service web -o json`, compare: 'fields' },
  { run: `-n ${NS} patch service web -p {"spec":{"clusterIP":"10.96.77.77"}}`, fails: true },
  { run: `-n ${NS} patch service web -p {"spec":{"ports":[{"name":"http","port":80,"targetPort":8081}]}}` },
  { run: `-n ${NS} create service clusterip web --tcp=80:80`, fails: true },
  { run: `-n ${NS} create service externalname away --external-name=example.com` },
  { run: `-n ${NS} create service clusterip headless --clusterip=None` },
  { run: `-n ${NS} get service away headless` },
  {
    run: 'apply -f -',
    stdin: yaml(
      'apiVersion: v1',
      'kind: Service',
      `metadata: {name: bad, namespace: ${NS}}`,
      'spec: {ports: [{port: 70000}, {port: 80}]}',
    ),
    fails: true,
  },
  {
    run: 'apply -f -',
    stdin: yaml(
      'apiVersion: v1',
      'kind: Service',
      `metadata: {name: bad, namespace: ${NS}}`,
      'spec: {selector: {a: b}}',
    ),
    fails: true,
  },
  {
    run: 'apply -f -',
    stdin: yaml(
      'apiVersion: v1',
      'kind: Service',
      `metadata: {name: 1bad, namespace: ${NS}}`,
      'spec: {ports: [{port: 80}]}',
    ),
    fails: true,
  },
  // Deployments
  { run: 'apply -f -', stdin: DEPLOYMENT },
  { run: 'apply -f -', stdin: DEPLOYMENT },
  { run: `-n ${NS} get deployment web -o json`, compare: 'fields' },
  { run: `-n ${NS} get deployment web -o wide` },
  { run: `-n ${NS} wait deployment web --for=jsonpath={.status.replicas}=2 --timeout=30s` },
  { run: `-n ${NS} get replicasets -o wide` },
  { run: `-n ${NS} get pods -l app=web`, compare: 'code' },
  { run: `-n ${NS} scale deployment web --replicas=3` },
  { run: `-n ${NS} scale deployment web --replicas=1 --current-replicas=9`, fails: true },
  { run: `-n ${NS} scale deployment web --replicas=-1`, fails: true },
  { run: `-n ${NS} set image deployment/web web=weft.test/none:2` },
  { run: `-n ${NS} set env deployment/web B- C=3` },
  { run: `-n ${NS} get deployment web -o jsonpath={.spec.template.spec.containers[0].env}` },
  { run: `-n ${NS} rollout status deployment/web --timeout=1s`, fails: true },
  { run: `-n ${NS} rollout pause deployment/web` },
  { run: `-n ${NS} rollout resume deployment/web` },
  { run: `-n ${NS} rollout history deployment/web`, compare: 'code' },
  { run: `-n ${NS} patch deployment web -p {"spec":{"selector":{"matchLabels":{"app":"other"}}}}`, fails: true },
  { run: `-n ${NS} patch deployment web -p {"spec":{"replicas":"two"}}`, fails: true },
  {
    run: `-n ${NS} patch deployment web --dry-run=server -p {"spec":{"template":{"spec":{"containers":[{"name":"new","image":"i"}]}}}} -o jsonpath={.spec.template.spec.containers[*].name}`,
  },
  { run: `-n ${NS} patch deployment web --type=merge -p {"spec":{"progressDeadlineSeconds":-1}}`, fails: true },
  { run: `-n ${NS} autoscale deployment web --min=1 --max=3 --cpu-percent=80` },
  {
    run: 'apply -f -',
    stdin: DEPLOYMENT.replace('matchLabels: {app: web}', 'matchLabels: {app: else}').replace(
      'name: web,',
      'name: web2,',
    ),
    fails: true,
  },
  {
    run: 'apply -f -',
    stdin: DEPLOYMENT.replace('  selector: {matchLabels: {app: web}}\n', '').replace('name: web,', 'name: web2,'),
    fails: true,
  },
  {
    run: 'apply -f -',
    stdin: DEPLOYMENT.replace('replicas: 2', 'replicaz: 2').replace('name: web,', 'name: web2,'),
    fails: true,
  },
  { run: 'apply -f - --server-side', stdin: DEPLOYMENT, fails: true },
  { run: 'apply -f - --server-side --force-conflicts', stdin: DEPLOYMENT },
  { run: `-n ${NS} create deployment made --image=weft.test/none:1 --replicas=0 --port=80` },
  { run: `-n ${NS} get deployment made` },
  { run: `-n ${NS} describe deployment made` },
  { run: `-n ${NS} expose deployment made --port=80 --target-port=8080` },
  // Jobs and bare pods
  { run: 'apply -f -', stdin: JOB },
  { run: `-n ${NS} get job once` },
  { run: `-n ${NS} patch job once -p {"spec":{"completions":4}}`, fails: true },
  {
    run: 'apply -f -',
    stdin: JOB.replace('restartPolicy: Never, ', '').replace('name: once', 'name: twice'),
    fails: true,
  },
  { run: `-n ${NS} run bad_pod --image=weft.test/none:1`, fails: true },
  {
    run: 'apply -f -',
    stdin: yaml('apiVersion: v1', 'kind: Pod', `metadata: {name: empty, namespace: ${NS}}`, 'spec: {containers: []}'),
    fails: true,
  },
  {
    run: 'apply -f -',
    stdin: yaml(
      'apiVersion: v1',
      'kind: Pod',
      `metadata: {name: mount, namespace: ${NS}}`,
      'spec: {containers: [{name: c, image: i, volumeMounts: [{name: gone, mountPath: /x}], ports: [{containerPort: 0}]}]}',
    ),
    fails: true,
  },
  {
    run: 'apply -f -',
    stdin: yaml(
      'apiVersion: v1',
      'kind: Pod',
      `metadata: {name: odd, namespace: ${NS}}`,
      'spec:',
      '  restartPolicy: Odd',
      '  containers:',
      '  - {name: c, image: i, livenessProbe: {tcpSocket: {port: 80}, successThreshold: 2}}',
    ),
    fails: true,
  },
  {
    run: 'apply -f -',
    stdin: yaml(
      'apiVersion: v1',
      'kind: Pod',
      `metadata: {name: odd, namespace: ${NS}}`,
      'spec: {containers: [{name: c, image: i, env: [{name: X, valueFrom: {fieldRef: {fieldPath: spec.nope}}}]}]}',
    ),
    fails: true,
  },
  { run: `-n ${NS} logs nobody`, fails: true },
  { run: `-n ${NS} exec nobody -- true`, fails: true },
  // Custom resources
  { run: 'apply -f -', stdin: CRD },
  { run: 'wait crd/gadgets.session.weft.dev --for=condition=Established --timeout=20s' },
  { run: 'get crd gadgets.session.weft.dev', compare: 'code' },
  { run: 'api-resources --api-group=session.weft.dev' },
  { run: 'explain gadget.spec', settles: true },
  { run: 'explain gadget.spec.size' },
  { run: 'explain gadget.spec.nonsense', fails: true },
  { run: 'apply -f -', stdin: gadget('a', '{size: 3, note: abc}') },
  { run: `-n ${NS} get gadget a -o json`, compare: 'fields' },
  { run: `-n ${NS} get gd` },
  { run: `-n ${NS} get gd -o wide` },
  { run: 'apply -f -', stdin: gadget('b', '{size: 30}'), fails: true },
  { run: 'apply -f -', stdin: gadget('b', '{note: ABC, size: 1}'), fails: true },
  { run: 'apply -f -', stdin: gadget('b', '{note: abcdefghijk, size: 1}'), fails: true },
  { run: 'apply -f -', stdin: gadget('b', '{color: blue, size: 1}'), fails: true },
  { run: 'apply -f -', stdin: gadget('b', '{}'), fails: true },
  { run: 'apply -f -', stdin: gadget('b', '{size: big}'), fails: true },
  { run: 'apply -f -', stdin: gadget('b', '{size: 1, shape: round}'), fails: true },
  { run: 'apply -f - --validate=ignore', stdin: gadget('b', '{size: 1, shape: round}') },
  { run: `-n ${NS} get gadget b -o jsonpath={.spec}` },
  { run: 'apply -f -', stdin: gadget('c', '{size: 1, parts: [{name: x}, {name: x}]}'), fails: true },
  { run: 'apply -f - --server-side', stdin: gadget('d', '{size: 1, parts: [{name: x, count: 1}]}') },
  {
    run: 'apply -f - --server-side --field-manager=other',
    stdin: gadget('d', '{size: 2, parts: [{name: z, count: 1}]}'),
    fails: true,
  },
  {
    run: 'apply -f - --server-side --field-manager=other',
    stdin: gadget('d', '{size: 1, parts: [{name: z, count: 1}]}'),
  },
  { run: `-n ${NS} get gadget d -o jsonpath={.spec.parts}` },
  { run: 'apply -f - --server-side --field-manager=other', stdin: gadget('d', '{size: 1}') },
  { run: `-n ${NS} get gadget d -o jsonpath={.spec.parts}` },
  { run: `-n ${NS} get gadget d --show-managed-fields -o jsonpath={.metadata.managedFields[*].manager}` },
  {
    run: `-n ${NS} patch gadget a --type=merge --subresource=status -p {"status":{"size":3,"conditions":[{"type":"Ready","status":"True"}]}}`,
  },
  { run: `-n ${NS} wait gadget a --for=condition=Ready --timeout=5s` },
  { run: `-n ${NS} scale gadget a --replicas=5` },
  { run: `-n ${NS} get gd a` },
  { run: `-n ${NS} patch gadget a -p {"spec":{"size":4}}`, fails: true },
  { run: `-n ${NS} describe gadget a`, compare: 'code' },
  { run: 'apply -f -', stdin: CRD.replace('scope: Namespaced', 'scope: Cluster'), fails: true },
  // Explain, access, raw paths
  { run: 'explain deployment.spec.strategy' },
  { run: 'explain service.spec.ports --recursive' },
  { run: 'auth can-i create pods' },
  { run: 'auth whoami', compare: 'code' },
  { run: `-n ${NS} create serviceaccount robot` },
  { run: `-n ${NS} create token robot`, compare: 'code' },
  { run: `-n ${NS} create token nobody`, fails: true },
  { run: `-n ${NS} create role reader --verb=get --resource=pods` },
  { run: `-n ${NS} create rolebinding reads --role=reader --serviceaccount=${NS}:robot` },
  { run: `-n ${NS} get rolebinding reads -o wide` },
  { run: `-n ${NS} auth can-i get pods --as=system:serviceaccount:${NS}:robot` },
  { run: 'get --raw /healthz' },
  { run: 'get --raw /api/v1/configmaps?resourceVersionMatch=Exact', fails: true },
  { run: 'get --raw /api/v1/nonsense', fails: true },
  { run: 'get --raw /apis/apps/v1/namespaces/default/deployments/none', fails: true },
  // Deletion
  { run: `-n ${NS} delete configmap two` },
  { run: `-n ${NS} delete configmap two`, fails: true },
  { run: `-n ${NS} delete configmap two --ignore-not-found` },
  { run: `-n ${NS} delete configmap -l color=blue` },
  { run: `-n ${NS} delete deployment made --cascade=foreground` },
  { run: `-n ${NS} delete gadgets --all` },
  { run: `-n ${NS} get gd` },
  { run: 'delete crd gadgets.session.weft.dev' },
  { run: `-n ${NS} get gd`, fails: true },
  { run: `delete namespace ${NS} --timeout=90s` },
  { run: `get namespace ${NS}`, fails: true },
];

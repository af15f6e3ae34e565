import type { ApiObject } from '../../api-client.ts';
import { objectOf, objectsOf } from '../json.ts';

/** HorizontalPodAutoscalers are stored as v2; v1 (what `kubectl autoscale` sends) knows a CPU percentage only. */
export function convertHpa(object: ApiObject, apiVersion: string): ApiObject {
  if (object.apiVersion === apiVersion) return object;
  return apiVersion === 'autoscaling/v2' ? fromV1(object) : toV1(object);
}

function fromV1(object: ApiObject): ApiObject {
  const { targetCPUUtilizationPercentage: percent, ...spec } = objectOf(object['spec']);
  const target = { type: 'Utilization', averageUtilization: percent };
  const metrics = percent === undefined ? [] : [{ type: 'Resource', resource: { name: 'cpu', target } }];
  const { currentCPUUtilizationPercentage: _, ...status } = objectOf(object['status']);
  return { ...object, apiVersion: 'autoscaling/v2', spec: metrics.length === 0 ? spec : { ...spec, metrics }, status };
}

function toV1(object: ApiObject): ApiObject {
  const { metrics, behavior: _b, ...spec } = objectOf(object['spec']);
  const cpu = objectsOf(metrics).find((m) => objectOf(m['resource'])['name'] === 'cpu');
  const percent = objectOf(objectOf(cpu?.['resource'])['target'])['averageUtilization'];
  const { conditions: _c, currentMetrics: _m, ...status } = objectOf(object['status']);
  const own = percent === undefined ? spec : { ...spec, targetCPUUtilizationPercentage: percent };
  return {
    ...object,
    apiVersion: 'autoscaling/v1',
    spec: own,
    status: { currentReplicas: 0, desiredReplicas: 0, ...status },
  };
}

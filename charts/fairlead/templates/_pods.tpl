{{/* What all pods have in common. */}}

{{/* Pod security `restricted`, for every pod here. */}}
{{- define "fairlead.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .Values.podSecurity.runAsUser }}
runAsGroup: {{ .Values.podSecurity.runAsGroup }}
fsGroup: {{ .Values.podSecurity.runAsGroup }}
# Volumes hold big files: only a folder that is not ours yet is worth a walk.
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "fairlead.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* A pod's settings before its containers: the root context. */}}
{{- define "fairlead.podBase" -}}
# Mounted by hand, into the containers that speak to the API server only.
automountServiceAccountToken: false
# Services in this namespace would otherwise become FAIRLEAD_..._PORT variables, which our processes read as options.
enableServiceLinks: false
securityContext:
  {{- include "fairlead.podSecurity" . | nindent 2 }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Placement: a map with nodeSelector, tolerations and affinity. */}}
{{- define "fairlead.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Replicas apart, as far as the nodes allow: (list $ "component"). */}}
{{- define "fairlead.spread" -}}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "fairlead.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}

{{/* The account's token, as the kubelet would mount it. */}}
{{- define "fairlead.tokenVolume" -}}
- name: api-access
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3607
      - configMap:
          name: kube-root-ca.crt
          items: [{key: ca.crt, path: ca.crt}]
      - downwardAPI:
          items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]
{{- end }}

{{- define "fairlead.tokenMount" -}}
- name: api-access
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end }}

{{/* Options that all operators share, and their probes: the root context. */}}
{{- define "fairlead.operatorOptions" -}}
- --system-namespace={{ .Release.Namespace }}
{{- with include "fairlead.scopeOption" . }}
{{ . }}
{{- end }}
- --identity=$(POD_NAME)
- --lease-duration={{ .Values.operator.leaseDuration }}
- --sweep-interval={{ .Values.operator.sweepInterval }}
- --concurrency={{ .Values.operator.concurrency }}
- --log-level={{ .Values.operator.logLevel }}
- --health-host=$(POD_IP)
- --health-port=8080
{{- include "fairlead.reportingOptions" . }}
{{- end }}

{{/* Options by which every process is told how to report on itself: the root context. */}}
{{- define "fairlead.reportingOptions" }}
- --metrics-host=$(POD_IP)
- --metrics-port=9090
- --log-format={{ .Values.monitoring.logFormat }}
{{- with .Values.monitoring.otlpEndpoint }}
- --otlp-endpoint={{ . }}
{{- end }}
{{- end }}

{{- define "fairlead.operatorContainer" -}}
image: {{ include "fairlead.image" (list . "operator") }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "fairlead.containerSecurity" . | nindent 2 }}
env:
  - name: POD_NAME
    valueFrom: {fieldRef: {fieldPath: metadata.name}}
  - name: POD_IP
    valueFrom: {fieldRef: {fieldPath: status.podIP}}
ports:
  - name: health
    containerPort: 8080
  - name: metrics
    containerPort: 9090
# None of them asks who leads: a replica that waits for the Lease is as healthy as the one that has it.
startupProbe:
  httpGet: {path: /startupz, port: health}
  periodSeconds: 1
  failureThreshold: 120
readinessProbe:
  # Whether the API server answers it.
  httpGet: {path: /readyz, port: health}
  periodSeconds: 5
livenessProbe:
  # Patient: a restart helps against a stuck process or a silent watch only, not against a slow API server.
  httpGet: {path: /livez, port: health}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
resources:
  {{- toYaml .Values.operator.resources | nindent 2 }}
{{- end }}
